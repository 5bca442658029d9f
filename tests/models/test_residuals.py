"""Relations between sensors: on a plant of four temperatures and a power, whose sensors and machine are made to fail."""

from __future__ import annotations

import numpy as np
import pytest

from models.hvac import residuals
from models.hvac.points import Floats, Ints

POINTS = ("supply", "return", "coil", "power")


def plant(n: int, seed: int, exchange: float = 1.0) -> tuple[Floats, Ints]:
    """Healthy rows (n, 5), the outdoor air last, and the hour they belong to; load and weather change from hour to hour.

    The coil must be colder where it exchanges less heat; power follows load and lift.
    """
    draw = np.random.default_rng(seed)
    hour = np.arange(n) // 10
    load, outdoor = draw.uniform(1, 4, n)[hour], draw.uniform(0, 30, n)[hour]
    supply = 14 + 0.1 * outdoor + draw.normal(0, 0.05, n)
    back = supply + 2 * load + draw.normal(0, 0.05, n)
    coil = supply - 3 * load / exchange + draw.normal(0, 0.05, n)
    power = load * (1 + 0.03 * (outdoor - coil)) + draw.normal(0, 0.02, n)
    return np.stack([supply, back, coil, power, outdoor], axis=1).astype(np.float32), hour


@pytest.fixture(scope="module")
def relations() -> residuals.Relations:
    healthy, hour = plant(2000, 1)
    return residuals.learn(healthy, hour, POINTS, ["outdoor"])


def test_healthy_rows_stray_by_about_one_error_and_suspect_nobody(relations: residuals.Relations) -> None:
    rows, _ = plant(1000, 2)
    pattern = residuals.judge(relations, rows)
    assert 0.8 < pattern.unexplained.mean() < 1.2
    assert (residuals.suspect_sensor(pattern) == -1).mean() > 0.99


@pytest.mark.parametrize(("point", "offset"), [(0, 2.0), (1, -2.0), (2, 2.0), (3, 1.0)])
def test_the_sensor_that_reads_wrong_is_the_one_suspected(
    relations: residuals.Relations, point: int, offset: float
) -> None:
    rows, _ = plant(1000, 3)
    rows[:, point] += offset
    pattern = residuals.judge(relations, rows)
    assert (residuals.suspect_sensor(pattern) == point).mean() > 0.9
    assert np.median(pattern.correction[:, point]) == pytest.approx(offset, abs=0.3)
    assert np.median(pattern.unexplained_without[:, point]) < 1.5


def test_a_machine_that_is_worn_takes_more_than_one_sensor_to_explain(relations: residuals.Relations) -> None:
    """A bypass: return air gets warmer, the coil colder; at small loads both hardly do."""
    rows, _ = plant(1000, 4, exchange=0.6)
    rows[:, 1] += 2
    suspect = residuals.suspect_sensor(residuals.judge(relations, rows))
    assert (suspect == -2).mean() > 0.8


def test_errors_are_those_of_conditions_that_were_left_out() -> None:
    """Sixty hours do not tell as much of new ones as of themselves."""
    healthy, hour = plant(60, 5)
    few = residuals.learn(healthy, hour, POINTS, ["outdoor"])
    rows, _ = plant(1000, 6)
    seen = residuals.judge(few, healthy).unexplained.mean()
    assert seen < 1
    assert residuals.judge(few, rows).unexplained.mean() < 6


def test_a_missing_point_makes_a_row_unknown_not_healthy_nor_faulty(relations: residuals.Relations) -> None:
    rows, _ = plant(20, 7)
    rows[3, 1] = np.nan
    pattern = residuals.judge(relations, rows)
    assert np.isnan(pattern.residual[3]).all()
    assert np.isnan(pattern.features()[3]).all() or np.isnan(pattern.unexplained[3])
    assert residuals.suspect_sensor(pattern)[3] == -1
    assert np.isfinite(np.delete(pattern.features(), 3, axis=0)).all()


def test_too_few_conditions_are_refused() -> None:
    healthy, _ = plant(50, 8)
    with pytest.raises(ValueError, match="come from 1 operating conditions"):
        residuals.learn(healthy, np.zeros(50), POINTS, ["outdoor"])


def test_another_number_of_columns_is_refused(relations: residuals.Relations) -> None:
    with pytest.raises(ValueError, match=r"shape \(3, 4\), expected \(n, 5\)"):
        residuals.judge(relations, np.zeros((3, 4)))


def test_rows_do_not_depend_on_one_another(relations: residuals.Relations) -> None:
    rows, _ = plant(40, 9)
    rows[5, 0] += 3
    whole, part = residuals.judge(relations, rows).features(), residuals.judge(relations, rows[5:6]).features()
    assert np.allclose(whole[5], part[0], rtol=1e-4, atol=1e-5)
