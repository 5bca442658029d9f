"""Heat pumps: heating, cooling, frost and defrost, auxiliary heat, and what faults do to them."""

from __future__ import annotations

import numpy as np
import pytest

from models.contracts.equipment import EQUIPMENT
from simulators.hvac.plants.heat_pump import HeatPumps
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
        return healthy("heat_pump", WINTER_AT_MS, "cold")
    return run("heat_pump", WINTER_AT_MS, "cold", family, severity)


@pytest.mark.parametrize("at_ms", [WINTER_AT_MS, SPRING_AT_MS, SUMMER_AT_MS])
def test_every_reading_is_possible_and_people_are_comfortable(at_ms: int) -> None:
    day = healthy("heat_pump", at_ms)
    check_ranges(day)
    assert day.uncomfortable_fraction() < 0.03


def test_equal_seed_equal_values() -> None:
    check_seeds("heat_pump", WINTER_AT_MS)


def test_15_and_300_seconds_agree() -> None:
    check_steps_agree("heat_pump", WINTER_AT_MS, 0.06, ("electricity",))


def test_the_reversing_valve_follows_the_season() -> None:
    cold, hot = healthy("heat_pump", WINTER_AT_MS, "cold"), healthy("heat_pump", SUMMER_AT_MS, "hot_dry")
    assert cold.mean("heating_mode") > 0.85
    assert hot.of("heating_mode").max() == 0
    assert cold.mean("supply_air_temperature") > cold.mean("return_air_temperature") + 2
    assert hot.mean("supply_air_temperature") < hot.mean("return_air_temperature") - 5
    # Heating, suction is the outdoor coil's: well below the outdoor air.
    assert cold.mean("suction_pressure") < 0.7 * hot.mean("suction_pressure")


def test_heating_gives_more_than_it_takes() -> None:
    plant = make("heat_pump", 8, 3, WINTER_AT_MS, climate="temperate", sites=1, use="hotel", warmup_hours=12)
    machine = plant.machine
    assert isinstance(machine, HeatPumps)
    column = EQUIPMENT["heat_pump"].simulated.index("compressor_status")
    ratios: list[float] = []
    for _ in range(96):
        plant.step(300.0)
        last = machine.last
        assert last is not None
        on = plant.points()[:, column] > 0
        ratios.extend((last.heating_watts / last.power_watts)[on])
    assert 2.2 < np.mean(ratios) < 5.5


def test_frost_grows_is_melted_and_grows_again() -> None:
    plant = make("heat_pump", 12, 3, WINTER_AT_MS, climate="temperate", sites=3, use="hotel", warmup_hours=6)
    machine = plant.machine
    assert isinstance(machine, HeatPumps)
    frost, reversed_while_heating = [], 0
    for _ in range(24 * 30):
        plant.step(120.0)
        frost.append(machine.frost_fraction.copy())
        reversed_while_heating += int((machine._defrosts).sum())
    grown = np.array(frost)
    assert (grown.max(axis=0) > 0.5).any()
    assert (grown <= 1.2).all()
    assert reversed_while_heating > 0, "no defrost in a day of damp cold"
    # A defrost lasts some minutes; there are several hours between two.
    assert reversed_while_heating < 0.1 * grown.size


def test_auxiliary_heat_stays_off_on_mild_days() -> None:
    day = healthy("heat_pump", SPRING_AT_MS, "temperate")
    assert day.of("auxiliary_heating_command").mean() < 0.02


def test_a_broken_compressor_leaves_the_auxiliary_heat_alone_and_costs_more() -> None:
    sound, bad = _winter(), _winter("compressor_weak", 1.0)
    assert bad.of("compressor_status").max() == 0
    assert bad.of("auxiliary_heating_command").mean() > 5 * sound.of("auxiliary_heating_command").mean()
    assert bad.joules("electricity") > 1.4 * sound.joules("electricity")


def test_weak_compressor_runs_longer_and_hotter() -> None:
    sound, bad = _winter(), _winter("compressor_weak")
    assert bad.of("compressor_status").mean() > 1.05 * sound.of("compressor_status").mean()
    assert bad.mean("discharge_temperature") > sound.mean("discharge_temperature") + 5
    assert bad.mean("compressor_vibration_velocity") > 2 * sound.mean("compressor_vibration_velocity")


def test_undercharge_and_overcharge_move_the_liquid_line() -> None:
    sound, less, more = _winter(), _winter("refrigerant_undercharge"), _winter("refrigerant_overcharge")
    assert less.mean("liquid_line_temperature") > sound.mean("liquid_line_temperature") + 2
    assert more.mean("liquid_line_temperature") < sound.mean("liquid_line_temperature") - 1
    assert less.mean("suction_pressure") < 1.01 * sound.mean("suction_pressure")


def test_fouled_outdoor_coil_lowers_suction_in_winter_and_raises_head_in_summer() -> None:
    winter, bad_winter = _winter(), _winter("condenser_fouled", 0.8)
    assert bad_winter.mean("suction_pressure") < 0.985 * winter.mean("suction_pressure")
    summer = healthy("heat_pump", SUMMER_AT_MS, "hot_dry")
    bad_summer = run("heat_pump", SUMMER_AT_MS, "hot_dry", "condenser_fouled")
    assert bad_summer.mean("discharge_pressure") > 1.04 * summer.mean("discharge_pressure")


def test_filter_and_bearing_show_at_the_fan() -> None:
    sound, dirty, rough = _winter(), _winter("filter_fouled"), _winter("fan_bearing_worn")
    assert dirty.mean("filter_differential_pressure") > 2 * sound.mean("filter_differential_pressure")
    assert dirty.mean("supply_air_flow") < 0.95 * sound.mean("supply_air_flow")
    assert rough.mean("supply_fan_vibration_velocity") > 2 * sound.mean("supply_fan_vibration_velocity")


def test_a_clogged_filter_stops_the_compressor_by_the_air_switch() -> None:
    day = _winter("filter_fouled", 1.0)
    check_ranges(day)
    assert day.of("compressor_status").max() == 0
    assert day.of("auxiliary_heating_command").max() == 0
