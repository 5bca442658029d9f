"""Rooftop units: what they do on hot, mild and cold days, and what faults do to them."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.hvac.moist import DRY_AIR_JOULES_PER_KILOGRAM_KELVIN
from simulators.hvac.plants import packaged, refrigerant
from simulators.hvac.plants.plant import Plant, make
from simulators.hvac.plants.rooftop import Rooftops
from tests.simulators.plants.runs import (
    SPRING_AT_MS,
    SUMMER_AT_MS,
    WINTER_AT_MS,
    Run,
    check_ranges,
    check_seeds,
    check_steps_agree,
    healthy,
    run,
)


def _machine(plant: Plant) -> Rooftops:
    assert isinstance(plant.machine, Rooftops)
    return plant.machine


def _summer(family: str = "", severity: float = 0.6) -> Run:
    if not family:
        return healthy("rtu", SUMMER_AT_MS, "hot_dry")
    return run("rtu", SUMMER_AT_MS, "hot_dry", family, severity)


def _subcooling(day: Run) -> float:
    condensing = refrigerant.saturation_celsius(
        refrigerant.load("R410A"), day.of("discharge_pressure")[day.running].astype(np.float64)
    )
    return float(np.mean(condensing - day.of("liquid_line_temperature")[day.running]))


@pytest.mark.parametrize("at_ms", [WINTER_AT_MS, SPRING_AT_MS, SUMMER_AT_MS])
def test_every_reading_is_possible_and_people_are_comfortable(at_ms: int) -> None:
    day = healthy("rtu", at_ms)
    check_ranges(day)
    assert day.uncomfortable_fraction() < 0.03


def test_equal_seed_equal_values() -> None:
    check_seeds("rtu", SUMMER_AT_MS)


@pytest.mark.parametrize(("at_ms", "meter"), [(SUMMER_AT_MS, "electricity"), (WINTER_AT_MS, "fuel")])
def test_15_and_300_seconds_agree(at_ms: int, meter: str) -> None:
    check_steps_agree("rtu", at_ms, 0.06, (meter,))


def test_a_hot_day_looks_as_on_the_roof() -> None:
    day = _summer()
    assert 850e3 < day.mean("suction_pressure") < 1150e3
    assert 2100e3 < day.mean("discharge_pressure") < 3300e3
    assert 60 < day.mean("discharge_temperature") < 95
    assert 11 < day.mean("supply_air_temperature") < 18
    watts_per_kelvin = day.mean("supply_air_flow") * 1.2 * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN
    sensible = watts_per_kelvin * (day.mean("mixed_air_temperature") - day.mean("supply_air_temperature"))
    assert 2.5 < sensible / day.mean("compressor_power") < 5.5


def test_the_supply_air_holds_what_went_in() -> None:
    plant = make("rtu", 8, 3, SUMMER_AT_MS, climate="hot_humid", use="hotel", warmup_hours=6)
    made = _machine(plant)
    s = made.sizes
    seen = 0
    for _ in range(24):
        plant.step(300.0)
        last = made.last
        assert last is not None
        balance = last.heating_watts - last.cooling_watts - last.power_watts * (1 - made.cycle.shell_loss_fraction)
        assert np.abs(balance).max() < 1e-6 * last.power_watts.max()
        mass_flow = 1.2 * s.design_flow
        celsius, humidity = packaged.behind_coil(
            np.full(8, 26.0), np.full(8, 0.012), mass_flow, -last.cooling_watts, last.moisture_flow
        )
        before = 26.0 * (1006 + 1860 * 0.012) + 2_501_000 * 0.012
        after = celsius * (1006 + 1860 * 0.012) + 2_501_000 * humidity
        np.testing.assert_allclose(mass_flow * (before - after), last.cooling_watts, rtol=1e-9)
        seen += int((last.moisture_flow > 0).sum())
    assert seen > 50, "a damp climate wets the coils"


def test_free_cooling_saves_the_compressor_on_a_mild_day() -> None:
    day = healthy("rtu", SPRING_AT_MS, "temperate")
    has = _machine(day.plant).habits.economizer
    assert has.any()
    assert day.of("outdoor_air_damper_command").max(axis=0)[has].max() > 0.6
    assert (day.of("compressor_status").mean(axis=0)[has] < 0.2).all()


def test_cold_days_are_heated_by_gas_alone() -> None:
    day = healthy("rtu", WINTER_AT_MS, "cold")
    assert day.joules("fuel") > 5 * day.joules("electricity")
    assert day.of("compressor_status").max() == 0
    assert day.of("supply_air_temperature").max() < 60


def test_undercharge_starves() -> None:
    sound, bad = _summer(), _summer("refrigerant_undercharge")
    assert bad.mean("suction_temperature") > sound.mean("suction_temperature") + 1.0
    assert _subcooling(bad) < _subcooling(sound) - 3
    assert bad.mean("liquid_line_temperature") > sound.mean("liquid_line_temperature") + 3
    assert bad.joules("electricity") > 1.03 * sound.joules("electricity")


def test_overcharge_raises_head_and_subcooling() -> None:
    sound, bad = _summer(), _summer("refrigerant_overcharge")
    assert bad.mean("discharge_pressure") > 1.02 * sound.mean("discharge_pressure")
    assert _subcooling(bad) > _subcooling(sound) + 1.5


def test_fouled_condenser_raises_head_and_power() -> None:
    sound, bad = _summer(), _summer("condenser_fouled")
    assert bad.mean("discharge_pressure") > 1.05 * sound.mean("discharge_pressure")
    assert bad.joules("electricity") > 1.05 * sound.joules("electricity")


def test_weak_compressor_works_longer_hotter_and_shakes() -> None:
    sound, bad = _summer(), _summer("compressor_weak")
    assert bad.mean("suction_pressure") > 1.01 * sound.mean("suction_pressure")
    assert bad.mean("discharge_temperature") > sound.mean("discharge_temperature") + 4
    assert bad.mean("compressor_vibration_velocity") > 2 * sound.mean("compressor_vibration_velocity")
    assert bad.mean("dx_cooling_command") > sound.mean("dx_cooling_command") + 0.1


def test_filter_belt_and_bearing_show_at_the_fan() -> None:
    sound = _summer()
    dirty, slipping, rough = (_summer(family) for family in ("filter_fouled", "fan_belt_worn", "fan_bearing_worn"))
    # A clogged filter: pressure over it rises although less air flows.
    assert dirty.mean("filter_differential_pressure") > 2 * sound.mean("filter_differential_pressure")
    per_speed = {
        name: made.mean("supply_air_flow") / made.mean("supply_fan_speed_command")
        for name, made in (("sound", sound), ("dirty", dirty), ("slipping", slipping))
    }
    assert per_speed["dirty"] < 0.95 * per_speed["sound"]
    assert per_speed["slipping"] < 0.85 * per_speed["sound"]
    assert slipping.mean("filter_differential_pressure") < sound.mean("filter_differential_pressure")
    assert rough.mean("supply_fan_vibration_velocity") > 2 * sound.mean("supply_fan_vibration_velocity")


def test_open_damper_on_a_hot_day_costs_energy_and_warms_the_mixed_air() -> None:
    sound, bad = _summer(), run("rtu", SUMMER_AT_MS, "hot_dry", "damper_stuck", 0.9, position_fraction=0.7)
    assert bad.mean("mixed_air_temperature") > sound.mean("mixed_air_temperature") + 2
    assert bad.joules("electricity") > 1.15 * sound.joules("electricity")


def test_a_drifting_supply_sensor_shifts_the_plant() -> None:
    sound, bad = _summer(), _summer("supply_air_sensor_drift", 0.5)
    # Reads 3 K too high: the controller cools on, and what truly leaves is colder than what is told.
    told = bad.mean("supply_air_temperature") - bad.mean("supply_air_temperature_setpoint")
    right = sound.mean("supply_air_temperature") - sound.mean("supply_air_temperature_setpoint")
    assert abs(told - right) < 2
    assert bad.mean("suction_pressure") < sound.mean("suction_pressure")


@pytest.mark.parametrize(
    "family", ["compressor_weak", "refrigerant_undercharge", "refrigerant_overcharge", "fan_belt_worn"]
)
def test_a_part_that_is_gone_stops_the_cooling(family: str) -> None:
    day = _summer(family, 1.0)
    assert (day.plant.failed_at_ms > 0).all()
    assert day.of("compressor_status").max() == 0
    assert day.uncomfortable_fraction() > 0.5
    check_ranges(day)


def test_a_blocked_condenser_trips_instead_of_running() -> None:
    day = _summer("condenser_fouled", 1.0)
    check_ranges(day)
    assert day.of("compressor_status").mean() < 0.5 * _summer().of("compressor_status").mean()
