"""The refrigeration scorecard in small: what is counted, and that unseen conditions are unseen."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from models.hvac.evaluation import refrigeration
from models.hvac.evaluation.refrigeration import COLUMNS, Rows
from models.hvac.points import Ints
from tests.servers import data_directory


def plant(seed: int, rows_each: int = 6, conditions: int = 12) -> tuple[Rows, Ints]:
    """Classes 0 healthy, 3 return sensor 2 low, 10 weak condenser fan, in some operating conditions."""
    draw = np.random.default_rng(seed)
    states = np.random.default_rng(0)
    load, outdoor = states.uniform(1, 3, conditions), states.choice([10.0, 20, 30], conditions)
    values, fault, condition = [], [], []
    for kind in (0, 3, 10):
        for number in range(conditions):
            cold = np.full(rows_each, 5.0) + draw.normal(0, 0.05, rows_each)
            fan = 20 * load[number] * (0.7 if kind == 10 else 1)
            pressure = 7 + 0.5 * load[number] + 0.02 * outdoor[number] + (0.6 if kind == 10 else 0)
            back = cold + 3 * load[number] - (2 if kind == 3 else 0)
            table = np.zeros((rows_each, len(COLUMNS)))
            named = {
                "Pdis": pressure, "T0": cold - 4 * load[number], "Tdis": 30 + 8 * pressure, "Tret": back,
                "Tsuc": cold + 2, "Tsup": cold, "CondFan": fan, "Tamb": outdoor[number], "Tset": 5,
            }  # fmt: skip
            for name, value in named.items():
                table[:, COLUMNS.index(name)] = value + draw.normal(0, 0.01, rows_each) * (name not in ("Tamb", "Tset"))
            values.append(table)
            fault += [kind] * rows_each
            condition += [number] * rows_each
    return Rows(np.concatenate(values).astype(np.float32), np.array(fault)), np.array(condition)


def test_faults_are_told_apart_in_conditions_that_nothing_was_learned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refrigeration, "_TREES", 20)
    rows, condition = plant(1)
    told = refrigeration.unseen_conditions(rows, condition, seed=1)
    assert (told == rows.fault).mean() > 0.9
    test, _ = plant(2)
    assert (refrigeration.classify(rows, condition, test, seed=1) == test.fault).mean() > 0.95


def test_a_fault_that_is_called_healthy_is_not_told_apart_and_nobody_scores_a_healthy_row() -> None:
    rows = Rows(np.zeros((5, len(COLUMNS)), dtype=np.float32), np.array([0, 3, 3, 10, 10]))
    found = {figure.name: figure for figure in refrigeration._scores("x", rows, np.array([3, 1, 0, 7, 3]))}
    assert found["x.sensor_vs_equipment_accuracy"].value == 0.5
    assert found["x.macro_f1"].value == 0.0


def test_intervals_are_drawn_by_state_not_by_row() -> None:
    """One state of two is wrong throughout: rows would give a narrow interval, states give one from none to all."""
    values = np.zeros((400, len(COLUMNS)), dtype=np.float32)
    values[200:, COLUMNS.index("Tamb")] = 10
    told = np.where(np.arange(400) < 200, 3, 10)
    rows = Rows(values, np.full(400, 3))
    figure = refrigeration._scores("x", rows, told)[1]
    assert (figure.value, figure.low, figure.high) == (0.5, 0.0, 1.0)


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.csv.gz"
    with gzip.open(path, "wt") as text:
        text.write("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"other.csv.gz: columns \['a', 'b'\], expected"):
        refrigeration.read(path)


@pytest.mark.data
def test_published_runs_stand_one_after_the_other() -> None:
    rows = refrigeration.read(data_directory() / "hvac" / "refrigeration" / "train_fault_all_nonoise_67.csv.gz")
    assert np.bincount(rows.fault).tolist() == [18 * 67] * 21
    state = rows.values[:, [COLUMNS.index("Tamb"), COLUMNS.index("Tset")]]
    assert (np.ptp(state.reshape(-1, 67, 2), axis=1) == 0).all()
