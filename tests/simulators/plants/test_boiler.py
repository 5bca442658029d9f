"""Boilers: reset, setback, balances, and what faults do to them; the pump and the rooms of water plants."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.hvac.plants import building
from simulators.hvac.plants.boiler import Boilers
from simulators.hvac.plants.building import Switch
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


def _winter(family: str = "", severity: float = 0.6) -> Run:
    if not family:
        return healthy("boiler", WINTER_AT_MS, "cold")
    return run("boiler", WINTER_AT_MS, "cold", family, severity)


@pytest.mark.parametrize("at_ms", [WINTER_AT_MS, SPRING_AT_MS, SUMMER_AT_MS])
def test_every_reading_is_possible_and_people_are_comfortable(at_ms: int) -> None:
    day = healthy("boiler", at_ms)
    check_ranges(day)
    assert day.uncomfortable_fraction() < 0.03


def test_equal_seed_equal_values() -> None:
    check_seeds("boiler", WINTER_AT_MS)


def test_15_and_300_seconds_agree() -> None:
    check_steps_agree("boiler", WINTER_AT_MS, 0.02, ("electricity", "fuel", "hot_water"))


def test_heat_of_the_water_adds_up_and_the_rest_leaves_by_the_flue() -> None:
    plant = make("boiler", 8, 3, WINTER_AT_MS, climate="cold", sites=1, use="office", warmup_hours=12)
    machine = plant.machine
    assert isinstance(machine, Boilers)
    begun = machine.water_celsius.copy()
    for _ in range(288):
        plant.step(300.0)
    stored = machine.sizes.water_capacity * (machine.water_celsius - begun)
    useful = plant.meters["hot_water"] + stored
    efficiency = useful / plant.meters["fuel"]
    condenses = machine.sizes.condenses > 0
    assert condenses.any()
    assert (~condenses).any()
    # By the higher heating value: old ones near 80 %, condensing ones near 90 %.
    assert ((efficiency > 0.74) & (efficiency < 0.96)).all()
    assert efficiency[condenses].mean() > efficiency[~condenses].mean() + 0.04


def test_flow_and_temperatures_agree_with_the_meter() -> None:
    day = _winter()
    on = day.running
    fall = day.of("hot_water_supply_temperature") - day.of("hot_water_return_temperature")
    heat = (day.of("hot_water_flow") * fall)[on].sum() * building.WATER_JOULES_PER_CUBIC_METER_KELVIN * 300
    assert abs(heat / day.joules("hot_water") - 1) < 0.12


def test_the_water_follows_the_weather_and_nights_are_set_back() -> None:
    cold, mild = _winter(), healthy("boiler", SPRING_AT_MS, "temperate")
    assert cold.mean("hot_water_supply_temperature_setpoint") > mild.mean("hot_water_supply_temperature_setpoint") + 4
    error = cold.of("hot_water_supply_temperature") - cold.of("hot_water_supply_temperature_setpoint")
    assert np.abs(np.median(error[cold.running])) < 1.0
    evening = slice(19 * 12, 22 * 12)
    assert cold.of("boiler_status")[evening].mean() < 0.3
    assert healthy("boiler", SUMMER_AT_MS, "hot_dry").of("boiler_status").max() == 0


def test_fouled_exchanger_sends_heat_up_the_flue() -> None:
    sound, bad = _winter(), _winter("heat_exchanger_fouled")
    assert bad.mean("flue_gas_temperature") > sound.mean("flue_gas_temperature") + 15
    assert 1.02 < bad.joules("fuel") / sound.joules("fuel") < 1.12


def test_weak_burner_is_asked_for_more_and_gives_less() -> None:
    sound, bad = _winter(), _winter("burner_weak")
    assert bad.mean("boiler_firing_rate_command") > 1.25 * sound.mean("boiler_firing_rate_command")
    assert bad.mean("hot_water_supply_temperature") < sound.mean("hot_water_supply_temperature") - 1


def test_worn_pump_turns_faster_for_the_same_water() -> None:
    sound, bad = _winter(), _winter("pump_worn")
    assert bad.mean("hot_water_pump_speed_command") > 1.08 * sound.mean("hot_water_pump_speed_command")
    assert bad.mean("hot_water_pump_power") > 1.08 * sound.mean("hot_water_pump_power")


def test_a_drifting_sensor_shifts_the_water() -> None:
    sound, bad = _winter(), _winter("hot_water_sensor_drift", 0.5)
    # Told 7.5 K too hot, so truly cooler: the return shows it, the supply does not.
    assert abs(bad.mean("hot_water_supply_temperature") - sound.mean("hot_water_supply_temperature")) < 1.5
    assert bad.mean("hot_water_return_temperature") < sound.mean("hot_water_return_temperature") - 2


@pytest.mark.parametrize("family", ["burner_weak", "heat_exchanger_fouled", "pump_worn", "hot_water_sensor_drift"])
def test_a_part_that_is_gone_puts_the_fire_out(family: str) -> None:
    day = _winter(family, 1.0)
    assert day.of("boiler_status").max() == 0
    assert day.joules("fuel") == 0
    assert day.uncomfortable_fraction() > 0.5


def test_the_pump_holds_the_pressure_until_it_is_worn() -> None:
    wanted = np.linspace(0.1, 1.0, 10)
    new = building.pump(wanted, np.zeros(10))
    assert (np.diff(new.speed_fraction) > 0).all()
    np.testing.assert_allclose(new.flow_fraction, wanted, atol=0.02)
    np.testing.assert_allclose(new.differential_fraction, building.HELD_HEAD_FRACTION, atol=0.03)
    worn = building.pump(wanted, np.full(10, 0.95))
    assert worn.flow_fraction[-1] < 0.85
    assert worn.speed_fraction[-1] == 1
    assert np.array(building.pump(np.zeros(1), np.zeros(1))).max() == 0


def test_a_node_drifts_to_its_balance_at_any_step() -> None:
    one = np.ones(1)
    slow = building.settle(3000.0, 10 * one, 20 * one, 2 * one, 4000 * one)
    value = 10 * one
    for _ in range(200):
        value = building.settle(15.0, value, 20 * one, 2 * one, 4000 * one).last
    np.testing.assert_allclose(slow.last, value)
    # What flowed in is what is stored.
    np.testing.assert_allclose(2 * (20 - slow.mean) * 3000, 4000 * (slow.last - 10))


def test_a_switch_keeps_its_least_times_and_its_lockout() -> None:
    switch = Switch(1, 300.0, 300.0)
    yes, no = np.array([True]), np.array([False])
    assert switch.step(60, yes, no, no)[0] == 1
    assert switch.step(60, no, yes, no)[0] == 0
    assert switch.on[0], "on for a minute only: it may not stop yet"
    switch.step(300, no, yes, no)
    assert not switch.on[0]
    switch.step(60, yes, no, no)
    assert not switch.on[0], "off for a minute only"
    switch.step(300, yes, no, no)
    assert switch.on[0]
    switch.step(60, yes, no, no, yes)
    for _ in range(5):
        switch.step(300, yes, no, no)
        assert not switch.on[0], "locked out for half an hour"
    switch.step(300, yes, no, no)
    assert switch.on[0]
