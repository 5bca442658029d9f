"""NAB's formula against cases worked out by hand, and the file itself."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from models.hvac.evaluation import nab
from tests.servers import data_directory

ROWS, WINDOW = 100, (40, 49)  # ten rows


def sigmoid(position: float) -> float:
    return 2 / (1 + math.exp(5 * position)) - 1


def scored(*rows: int, probation: int = 10) -> float:
    detected = np.zeros(ROWS, bool)
    detected[list(rows)] = True
    return nab.nab_score(detected, [WINDOW], probation)


def test_a_missed_window_costs_one_and_the_first_row_of_it_is_worth_one() -> None:
    assert scored() == -1
    assert scored(40) == pytest.approx(1)


def test_within_a_window_only_the_first_detection_counts() -> None:
    middle = sigmoid(-0.5) / sigmoid(-1)
    assert middle == pytest.approx(0.8598, abs=1e-4)
    assert scored(45) == pytest.approx(middle)
    assert scored(45, 46, 49) == pytest.approx(middle)
    assert scored(49) == pytest.approx(sigmoid(-0.1) / sigmoid(-1))


def test_before_the_first_window_each_row_costs_in_full_but_for_probation() -> None:
    assert scored(20) == pytest.approx(-1 - 0.11)
    assert scored(20, 21, 39) == pytest.approx(-1 - 0.33)
    assert scored(3, 9) == -1


def test_after_a_window_a_row_costs_by_its_distance_in_widths_less_one_row() -> None:
    assert scored(40, 50) == pytest.approx(1 + 0.11 * sigmoid(1 / 9))
    assert scored(40, 58) == pytest.approx(1 + 0.11 * sigmoid(1.0))
    assert scored(40, 76) == pytest.approx(1 - 0.11)
    assert scored(40, 99) == pytest.approx(1 - 0.11)


def test_a_row_between_windows_is_measured_from_the_one_before_it() -> None:
    detected = np.zeros(ROWS, bool)
    detected[[40, 55, 60, 99]] = True
    total = nab.nab_score(detected, [WINDOW, (60, 69)], 10)
    assert total == pytest.approx(2 + 0.11 * sigmoid(6 / 9) - 0.11)


@pytest.mark.parametrize(("rows", "probation"), [(22_695, 750), (4_000, 600), (10, 1)])
def test_probation_is_15_percent_of_at_most_5000_rows(rows: int, probation: int) -> None:
    assert nab.probation_rows(rows) == probation


@pytest.mark.data
def test_windows_of_the_file_are_found_and_probation_lies_before_them() -> None:
    values, measured_at_ms, windows = nab.read(Path(data_directory()) / "hvac" / "nab")
    assert values.shape == (22_695, 1)
    assert len(measured_at_ms) == 22_695
    assert [last - first for first, last in windows] == [566] * 4
    assert windows[0][0] > nab.probation_rows(len(values))
    perfect = np.zeros(len(values), bool)
    perfect[[first for first, _ in windows]] = True
    assert nab.nab_score(perfect, windows, 750) == pytest.approx(4)
