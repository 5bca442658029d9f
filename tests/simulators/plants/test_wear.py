"""Lives of parts: their statistics, common random numbers, and what maintenance does to them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from simulators.hvac.plants.wear import LIVES, Life, Wear

PART = {"pump_worn": Life(1000.0, 2.0, "running", 0.5, 2.0, 1e12, "for the test")}
UNITS = 20_000


def test_lives_follow_weibulls_law() -> None:
    lives = Wear(["pump_worn"], UNITS, seed=1, lives=PART, new=True).life_hours[0]
    assert lives.mean() == pytest.approx(1000 * math.gamma(1.5), rel=0.02)
    # A share of 1 - exp(-1) is over by the scale, whatever the shape.
    assert (lives < 1000).mean() == pytest.approx(1 - math.exp(-1), abs=0.01)
    other = Wear(["pump_worn"], UNITS, seed=2, lives=PART, new=True).life_hours[0]
    assert abs(np.corrcoef(lives, other)[0, 1]) < 0.03


def test_sudden_failures_come_at_a_constant_rate() -> None:
    part = {"pump_worn": PART["pump_worn"]._replace(sudden_hours=500.0)}
    wear = Wear(["pump_worn"], UNITS, seed=3, lives=part, new=True)
    assert wear.sudden_hours.mean() == pytest.approx(500, rel=0.03)
    wear.grow(100.0, np.ones(UNITS), {})
    gone = wear.severity[0] >= 1
    worn = 1 - math.exp(-((100 / 1000) ** 2))
    assert gone.mean() == pytest.approx(1 - math.exp(-100 / 500) * (1 - worn), abs=0.01)
    assert np.allclose(wear.hazard_per_hour[0], 2 / 1000 * 0.1 + 1 / 500)


def test_severity_shows_from_the_onset_on_and_reaches_one_with_the_life() -> None:
    wear = Wear(["pump_worn"], 3, seed=4, lives=PART, new=True)
    wear.life_hours[:] = 100.0
    seen = []
    for _ in range(4):
        wear.grow(25.0, np.ones(3), {})
        seen.append(float(wear.severity[0, 0]))
    assert seen == pytest.approx([0.0, 0.0, 0.25, 1.0])
    assert np.all(wear.hours_left == 0)


def test_a_part_ages_by_its_own_clock_and_stress() -> None:
    parts = {"pump_worn": PART["pump_worn"], "damper_stuck": PART["pump_worn"]._replace(clock="calendar")}
    wear = Wear(list(parts), 2, seed=5, lives=parts, new=True)
    wear.grow(10.0, np.array([0.0, 0.5]), {"pump_worn": np.array([1.0, 3.0])})
    assert wear.age_hours.tolist() == [[0.0, 15.0], [10.0, 10.0]]


def test_acceleration_shortens_all_lives_alike() -> None:
    usual, fast = (Wear(list(LIVES), 50, seed=6, acceleration=x, new=True) for x in (1.0, 8.0))
    assert np.allclose(usual.life_hours, 8 * fast.life_hours)


def test_lives_depend_on_the_number_of_replacements_only() -> None:
    """Two policies that replace in another order, at other times and in other units meet the same lives."""
    early, late = (Wear(["pump_worn", "burner_weak"], 4, seed=7, new=True) for _ in range(2))
    first, every = np.array([True, False, False, False]), np.ones(4, dtype=bool)
    early.restore(first, "pump_worn")
    early.restore(first)
    late.grow(500.0, np.ones(4), {})
    late.restore(every, "burner_weak")
    late.restore(every, "pump_worn")
    late.restore(first, "pump_worn")
    assert early.replaced[:, 0].tolist() == late.replaced[:, 0].tolist() == [2, 1]
    assert np.array_equal(early.life_hours[:, 0], late.life_hours[:, 0])
    assert np.array_equal(early.sudden_hours[:, 0], late.sudden_hours[:, 0])
    assert np.all(early.life_hours[:, 1:] != late.life_hours[:, 1:])


def test_a_new_part_is_new_and_a_cleaned_one_younger() -> None:
    all_alike = {"pump_worn": Life(100.0, 1e6, "running", 0.5, 2.0, 1e12, "for the test")}
    wear = Wear(["pump_worn"], 3, seed=8, lives=all_alike, new=True)
    wear.grow(90.0, np.ones(3), {})
    before = wear.severity[0].copy()
    wear.restore(np.array([True, False, False]))
    wear.restore(np.array([False, True, False]), restored_fraction=0.3)
    after = wear.severity[0]
    assert after[0] == 0.0
    assert 0 < after[1] < before[1]
    assert after[2] == before[2]
    assert wear.age_hours[0].tolist() == pytest.approx([0.0, 63.0, 90.0])


def test_a_suddenly_broken_part_is_not_mended_by_cleaning() -> None:
    wear = Wear(["pump_worn"], 2, seed=9, lives=PART, new=True)
    wear.sudden_hours[:] = 10.0
    wear.grow(11.0, np.ones(2), {})
    wear.restore(np.array([True, True]), restored_fraction=0.9)
    assert np.all(wear.severity == 1)
    wear.restore(np.array([True, True]))
    assert np.all(wear.severity == 0)


def test_a_fleet_begins_in_the_middle_of_its_life_with_nothing_broken() -> None:
    """Parts fail from the first year on at the rate of the long run: one a mean life."""
    wear = Wear(["pump_worn"], UNITS, seed=10, lives=PART)
    assert np.all(wear.severity < 1)
    failed = 0
    for _ in range(10):
        wear.grow(20.0, np.ones(UNITS), {})
        gone = wear.severity[0] >= 1
        failed += int(gone.sum())
        wear.restore(gone)
    assert failed / UNITS == pytest.approx(200 / (1000 * math.gamma(1.5)), rel=0.06)
