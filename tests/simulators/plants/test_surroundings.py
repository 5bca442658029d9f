"""Weather and people: any step meets the same, climates differ, schedules go wrong as told."""

from __future__ import annotations

import numpy as np
import psychrolib
import pytest

from simulators.hvac.plants.surroundings import (
    ALL_CLIMATES,
    UNSEEN_CLIMATES,
    Surroundings,
    SurroundingsError,
    wet_bulb_celsius,
)
from simulators.hvac.weather import CLIMATES

HOUR_MS = 3_600_000
MONDAY_AT_MS = 1_780_272_000_000  # 2026-06-01, 0:00


def test_weather_and_people_do_not_depend_on_the_step() -> None:
    fine, coarse = Surroundings(6, "mixed", 4, seed=1), Surroundings(6, "mixed", 4, seed=1)
    for second in range(0, 6 * 3600 + 1, 15):
        seen = fine.at(MONDAY_AT_MS + second * 1000)
        if second % 300 == 0:
            other = coarse.at(MONDAY_AT_MS + second * 1000)
            assert np.array_equal(seen.outdoor_celsius, other.outdoor_celsius)
            assert np.array_equal(seen.presence_fraction, other.presence_fraction)
            assert np.array_equal(seen.chance, other.chance)


@pytest.mark.parametrize("climate", list(ALL_CLIMATES))
def test_a_year_has_the_mean_and_the_design_days_of_its_climate(climate: str) -> None:
    around = Surroundings(8, climate, 8, seed=2)
    seen = [around.at(MONDAY_AT_MS + hour * HOUR_MS) for hour in range(0, 8766, 7)]
    air = np.array([a.outdoor_celsius for a in seen])
    assert abs(air.mean() - ALL_CLIMATES[climate].mean_celsius) < 1.5
    # What plants are sized for is passed on few hours, not on none.
    hot, cold = (air > around.summer_celsius).mean(), (air < around.winter_celsius).mean()
    assert 0.0005 < hot < 0.04
    assert 0.0005 < cold < 0.04
    assert all(0 < a.outdoor_relative_humidity_fraction.min() <= 1 for a in seen)
    noise = np.array([a.chance for a in seen])
    assert abs(noise.mean()) < 0.1
    assert noise.std() == pytest.approx(1.0, abs=0.05)


def test_unseen_climates_are_not_those_of_training() -> None:
    assert not set(UNSEEN_CLIMATES) & set(CLIMATES)
    with pytest.raises(SurroundingsError, match="climate 'lunar' is not known"):
        Surroundings(1, "lunar", 1, seed=1)


def test_an_office_is_open_on_working_days() -> None:
    around = Surroundings(20, "temperate", 2, seed=3, use="office")
    monday, sunday = around.at(MONDAY_AT_MS + 11 * HOUR_MS), around.at(MONDAY_AT_MS + (6 * 24 + 11) * HOUR_MS)
    night = Surroundings(20, "temperate", 2, seed=3, use="office").at(MONDAY_AT_MS + 3 * HOUR_MS)
    assert monday.occupied.all()
    assert monday.scheduled.all()
    assert monday.presence_fraction.min() > 0.4
    assert not sunday.occupied.any()
    assert sunday.presence_fraction.max() == 0
    assert np.allclose(night.hours_to_start, around.from_hour - 3)
    christmas = Surroundings(20, "temperate", 2, seed=3, use="office").at(1_798_196_400_000 + 2 * HOUR_MS)
    assert not christmas.occupied.any()


def test_a_wrong_schedule_runs_on_or_comes_early_and_people_do_not_know() -> None:
    around = Surroundings(2, "temperate", 1, seed=4, use="office")
    wrong, direction = np.array([0.5, 0.5]), np.array([1.0, -1.0])
    evening = around.at(MONDAY_AT_MS + 21 * HOUR_MS, wrong, direction)
    assert evening.scheduled.tolist() == [True, False]
    assert not evening.occupied.any()
    dawn = Surroundings(2, "temperate", 1, seed=4, use="office").at(MONDAY_AT_MS + 4 * HOUR_MS, wrong, direction)
    assert dawn.scheduled.tolist() == [False, True]
    for hour in (3, 23, 6 * 24 + 12):
        fresh = Surroundings(2, "temperate", 1, seed=4, use="office")
        always = fresh.at(MONDAY_AT_MS + hour * HOUR_MS, np.ones(2), np.ones(2))
        assert always.scheduled.all()


def test_the_wet_bulb_is_psychrolibs() -> None:
    psychrolib.SetUnitSystem(psychrolib.SI)
    for celsius in (-5.0, 5.0, 15.0, 25.0, 35.0, 42.0):
        for humidity in (0.1, 0.3, 0.6, 0.9):
            if celsius < 10 and humidity < 0.3:
                continue  # outside of the fit
            ours = wet_bulb_celsius(np.array([celsius]), np.array([humidity]))[0]
            assert ours == pytest.approx(psychrolib.GetTWetBulbFromRelHum(celsius, humidity, 101_325), abs=1.0)
