"""SKAB's protocol: what is counted, and that nothing after the training rows teaches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.hvac.evaluation import skab
from tests.models.test_generic import machine, times
from tests.servers import data_directory


def test_rows_are_counted_as_the_protocol_says() -> None:
    said = np.array([True, True, False, False, True])
    truth = np.array([True, False, True, False, True])
    counts = skab.count(said, truth)
    assert counts == skab.Counts(hits=2, false_alarms=1, misses=1, quiet=1)
    assert counts.f1() == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert counts.false_alarm_rate() == pytest.approx(0.5)
    assert skab.Counts(0, 0, 0, 0).f1() == 0


def test_only_the_rows_after_the_first_400_are_judged() -> None:
    values = machine(1000, 4, 1)
    values[700:900] += 15
    truth = np.zeros(1000, bool)
    truth[700:900] = True
    truth[:400] = True  # whatever they say of training rows, it is not counted
    counts = skab.judge(values, times(1000, 1000), truth)
    assert sum(counts) == 600
    assert counts.f1() > 0.75


@pytest.mark.data
def test_files_are_read_with_their_eight_points_and_labels_that_are_no_points() -> None:
    values, measured_at_ms, anomaly = skab.read(Path(data_directory()) / "hvac" / "skab" / "valve1" / "0.csv.gz")
    assert values.shape == (1147, 8)
    assert int(anomaly.sum()) == 401
    assert not anomaly[: skab.TRAINING_ROWS].any()
    assert (np.diff(measured_at_ms) >= 1000).all()
