"""Chillers with their towers: loads, resets, balances, and what faults do to them."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.hvac.plants.building import WATER_JOULES_PER_CUBIC_METER_KELVIN
from simulators.hvac.plants.chiller import Chillers
from simulators.hvac.plants.plant import make
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


def _summer(family: str = "", severity: float = 0.6) -> Run:
    if not family:
        return healthy("chiller", SUMMER_AT_MS, "hot_humid")
    return run("chiller", SUMMER_AT_MS, "hot_humid", family, severity)


@pytest.mark.parametrize("at_ms", [WINTER_AT_MS, SPRING_AT_MS, SUMMER_AT_MS])
def test_every_reading_is_possible_and_people_are_comfortable(at_ms: int) -> None:
    day = healthy("chiller", at_ms)
    check_ranges(day)
    assert day.uncomfortable_fraction() < 0.03


def test_equal_seed_equal_values() -> None:
    check_seeds("chiller", SUMMER_AT_MS)


def test_15_and_300_seconds_agree() -> None:
    check_steps_agree("chiller", SUMMER_AT_MS, 0.03, ("electricity", "chilled_water"))


def test_heat_of_the_water_adds_up() -> None:
    plant = make("chiller", 8, 3, SUMMER_AT_MS, climate="hot_humid", sites=1, use="hotel", warmup_hours=12)
    machine = plant.machine
    assert isinstance(machine, Chillers)
    begun = machine.water_celsius.copy()
    cooled = np.zeros(8)
    for _ in range(96):
        plant.step(300.0)
        assert machine.last is not None
        cooled += machine.last.cooling_watts * (plant.points()[:, 11] > 0) * 300
    stored = machine.sizes.water_capacity * (machine.water_celsius - begun)
    # What coils gave, less what the machine took, is in the water; pipes gain well below 1 %.
    np.testing.assert_allclose(plant.meters["chilled_water"] - cooled, stored, atol=0.01 * cooled.max())


def test_what_the_meters_tell_agrees_with_flow_and_temperatures() -> None:
    day = _summer()
    on = day.running
    lift = day.of("chilled_water_return_temperature") - day.of("chilled_water_supply_temperature")
    watts = day.of("chilled_water_flow") * lift * WATER_JOULES_PER_CUBIC_METER_KELVIN
    efficiency = watts[on].sum() / day.of("chiller_power")[on].sum()
    assert 4.0 < efficiency < 8.0
    rejected = (
        day.of("condenser_water_return_temperature") - day.of("condenser_water_supply_temperature")
    ) * day.plant.machine.sizes.condenser_rate  # type: ignore[attr-defined]
    balance = rejected[on].sum() / (watts + day.of("chiller_power"))[on].sum()
    assert abs(balance - 1) < 0.06


def test_water_is_held_at_its_setpoint_and_the_tower_near_the_wet_bulb() -> None:
    day = _summer()
    error = day.of("chilled_water_supply_temperature") - day.of("chilled_water_supply_temperature_setpoint")
    assert np.abs(np.median(error[day.running])) < 0.5
    assert np.mean(np.abs(error[day.running]) < 1.5) > 0.8
    assert 26 < day.mean("condenser_water_supply_temperature") < 33
    assert day.of("chilled_water_supply_temperature_setpoint").min() >= 6.7


def test_part_load_resets_the_setpoint_where_it_is_dry() -> None:
    mild = healthy("chiller", SPRING_AT_MS, "hot_dry")
    assert mild.mean("chilled_water_supply_temperature_setpoint") > 9
    assert _summer().mean("chilled_water_supply_temperature_setpoint") < 8.5


def test_outdoor_air_cools_alone_below_the_lockout() -> None:
    day = healthy("chiller", WINTER_AT_MS, "cold")
    assert day.of("chiller_status").max() == 0
    assert day.uncomfortable_fraction() == 0


def test_fouled_tubes_raise_the_head() -> None:
    sound, bad = _summer(), _summer("condenser_fouled")
    assert bad.mean("discharge_pressure") > 1.03 * sound.mean("discharge_pressure")
    assert bad.joules("electricity") > 1.03 * sound.joules("electricity")
    assert abs(bad.mean("condenser_water_supply_temperature") - sound.mean("condenser_water_supply_temperature")) < 0.5


def test_weak_tower_fan_leaves_the_water_warm_at_more_command() -> None:
    sound, bad = _summer(), _summer("tower_fan_weak")
    assert bad.mean("tower_fan_speed_command") > 1.04 * sound.mean("tower_fan_speed_command")
    assert bad.mean("condenser_water_supply_temperature") > sound.mean("condenser_water_supply_temperature") + 0.5
    assert bad.mean("tower_fan_power") < 0.8 * sound.mean("tower_fan_power")
    assert bad.mean("chiller_power") > 1.01 * sound.mean("chiller_power")


def test_undercharge_starves() -> None:
    sound, bad = _summer(), _summer("refrigerant_undercharge")
    assert bad.mean("suction_temperature") > sound.mean("suction_temperature") + 2
    assert bad.mean("liquid_line_temperature") > sound.mean("liquid_line_temperature") + 3
    assert bad.mean("compressor_speed_command") > 1.03 * sound.mean("compressor_speed_command")


def test_weak_compressor_turns_faster_and_hotter() -> None:
    sound, bad = _summer(), _summer("compressor_weak")
    assert bad.mean("compressor_speed_command") > 1.08 * sound.mean("compressor_speed_command")
    assert bad.mean("discharge_temperature") > sound.mean("discharge_temperature") + 4
    assert bad.mean("compressor_vibration_velocity") > 2 * sound.mean("compressor_vibration_velocity")


def test_worn_pump_turns_faster_for_the_same_water() -> None:
    sound, bad = _summer(), _summer("pump_worn")
    assert bad.mean("chilled_water_pump_speed_command") > 1.08 * sound.mean("chilled_water_pump_speed_command")
    assert bad.mean("chilled_water_pump_power") > 1.08 * sound.mean("chilled_water_pump_power")


def test_a_drifting_sensor_shifts_the_water() -> None:
    sound, bad = _summer(), _summer("chilled_water_sensor_drift", 0.5)
    # Told 2 K too warm, so truly colder: the coils need less water, the machine more power.
    assert bad.mean("suction_pressure") < 0.97 * sound.mean("suction_pressure")
    assert bad.joules("electricity") > 1.02 * sound.joules("electricity")


@pytest.mark.parametrize("family", ["compressor_weak", "refrigerant_undercharge", "pump_worn"])
def test_a_part_that_is_gone_stops_the_cooling(family: str) -> None:
    day = _summer(family, 1.0)
    check_ranges(day)
    assert day.of("chiller_status").max() == 0
    assert day.uncomfortable_fraction() > 0.5
    assert day.of("building_zone_load_satisfied").mean() < 0.8


@pytest.mark.parametrize("family", ["condenser_fouled", "tower_fan_weak"])
def test_high_head_trips(family: str) -> None:
    day = _summer(family, 1.0)
    check_ranges(day)
    assert day.of("chiller_status").mean() < 0.5 * _summer().of("chiller_status").mean()
