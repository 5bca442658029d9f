"""What the trained models of chillers and boilers see.

load        water flow, entering and leaving temperature       own figures: heat over power, heat over fuel
chiller     lift between evaporator and condenser, speed  ──▶ pressures, lines, power
tower       wet bulb, fan speed, load                     ──▶ condenser water
boiler      firing rate, water temperatures               ──▶ flue gas, fuel, heat
pumps       speed                                         ──▶ flow, power, pressure
"""

from __future__ import annotations

import numpy as np

from models.hvac.conditions_weather import wet_bulb_celsius
from models.hvac.facts import Facts
from models.hvac.families import FAMILIES_OF
from models.hvac.inputs import Input, Spec, apart, change, held, made, over_reference, point
from models.hvac.inputs_dx import in_cycle, log_pressure
from models.hvac.points import Bools, Floats


def chilling(f: Facts) -> Bools:
    """Chillers that have run for the whole window, shape (m,)."""
    running: Bools = f.of("chiller_status") > 0.99
    return running


def firing(f: Facts) -> Bools:
    """Boilers that have fired for the whole window, shape (m,)."""
    running: Bools = f.of("boiler_status") > 0.99
    return running


def wet_bulb(f: Facts) -> Floats:
    """Wet bulb of the outdoor air, shape (m,)."""
    humidity = np.clip(f.of("outdoor_air_relative_humidity"), 0.05, 1.0)
    return wet_bulb_celsius(f.of("outdoor_air_temperature"), humidity)


_CHILLER_CYCLE: tuple[Input, ...] = tuple(
    in_cycle(row, chilling)
    for row in (
        log_pressure("suction", "suction_pressure", 3.5e5),
        log_pressure("discharge", "discharge_pressure", 9.0e5),
        point("suction_temperature", 8, 5, "suction_line"),
        point("discharge_temperature", 50, 12, "discharge_line"),
        point("liquid_line_temperature", 30, 6, "liquid"),
        point("compressor_speed_command", 0.6, 0.25, "compressor"),
        over_reference("compressor_work", "chiller_power", 0.1),
        over_reference("compressor_vibration", "compressor_vibration_velocity", 0.3),
        over_reference("efficiency", "chilled_water_return_temperature", 0.1),
        over_reference("condenser_rise", "condenser_water_return_temperature", 0.1),
        apart("load", "chilled_water_return_temperature", "chilled_water_supply_temperature", 3),
        apart("tracking", "chilled_water_supply_temperature", "chilled_water_supply_temperature_setpoint", 1),
        apart("condenser_water_rise", "condenser_water_return_temperature", "condenser_water_supply_temperature", 3),
        point("condenser_water_supply_temperature", 24, 5, "condenser_water"),
        made(
            "approach",
            "condenser_water_supply_temperature",
            4,
            lambda f: (f.of("condenser_water_supply_temperature") - wet_bulb(f)) / np.float32(4),
        ),
        made("wet_bulb", "outdoor_air_temperature", 8, lambda f: (wet_bulb(f) - np.float32(14)) / np.float32(8)),
        change("compressor_speed_command", 0.1),
        change("condenser_water_supply_temperature", 0.5),
        point("tower_fan_speed_command", 0.5, 0.3, "tower_fan"),
        over_reference("tower_power", "tower_fan_power", 0.2),
    )
)
_CHILLER_ROWS: tuple[Input, ...] = (
    *_CHILLER_CYCLE,
    point("chilled_water_supply_temperature", 7, 2, "chilled_water"),
    point("chilled_water_pump_speed_command", 0.7, 0.2, "pump"),
    over_reference("pump_flow", "chilled_water_flow", 0.2),
    over_reference("pump_power", "chilled_water_pump_power", 0.2),
    held("running", "chiller_status", lambda f: f.running_seconds),
)
_CHILLER_MOVES = ("compressor_speed_command_change", "condenser_water_supply_temperature_change", "running")
_CHILLER_LOAD = ("compressor", "load", "pump", "pump_flow")
_CHILLER_TARGETS: dict[str, tuple[str, ...]] = {
    "tracking": ("compressor", *_CHILLER_MOVES),
    "suction": ("chilled_water", *_CHILLER_LOAD, *_CHILLER_MOVES),
    "discharge": ("condenser_water", "condenser_water_rise", "compressor", *_CHILLER_MOVES),
    "suction_line": ("suction", "compressor", "chilled_water", *_CHILLER_MOVES),
    "discharge_line": ("suction", "discharge", "suction_line", "compressor", *_CHILLER_MOVES),
    "liquid": ("discharge", "condenser_water", "compressor", *_CHILLER_MOVES),
    "compressor_work": ("suction", "discharge", "compressor", *_CHILLER_MOVES),
    "compressor_vibration": ("suction", "discharge", "compressor", *_CHILLER_MOVES),
    "efficiency": ("suction", "discharge", "compressor", "chilled_water", *_CHILLER_MOVES),
    "condenser_rise": ("suction", "discharge", "compressor", *_CHILLER_MOVES),
    "approach": ("tower_fan", "wet_bulb", "condenser_water_rise", *_CHILLER_MOVES),
    "tower_power": ("tower_fan", *_CHILLER_MOVES),
    "pump_flow": ("pump",),
    "pump_power": ("pump",),
}
CHILLER = Spec(
    "chiller",
    _CHILLER_ROWS,
    _CHILLER_TARGETS,
    ("compressor", "load", "chilled_water", "condenser_water", "wet_bulb", "tower_fan", "pump", "running"),
    FAMILIES_OF["chiller"][:6],
    {
        "refrigerant_undercharge": ("suction", "suction_line", "liquid"),
        "compressor_weak": ("suction", "compressor_work", "discharge_line", "compressor_vibration", "efficiency"),
        "condenser_fouled": ("discharge",),
        "tower_fan_weak": ("approach", "tower_power"),
        "pump_worn": ("pump_flow", "pump_power"),
        "chilled_water_sensor_drift": ("suction", "efficiency", "condenser_rise", "tracking"),
    },
    {},
)


def _tracking(f: Facts) -> Floats:
    """How far the supply is above its setpoint, in steps of 3 K."""
    return (f.of("hot_water_supply_temperature") - f.of("hot_water_supply_temperature_setpoint")) / np.float32(3)


_BOILER_FIRE: tuple[Input, ...] = tuple(
    in_cycle(row, firing)
    for row in (
        point("boiler_firing_rate_command", 0.5, 0.25, "fire"),
        point("flue_gas_temperature", 110, 30, "flue"),
        over_reference("fuel_per_fire", "boiler_fuel_power", 0.1),
        over_reference("heat_per_fuel", "hot_water_return_temperature", 0.1),
        apart("load", "hot_water_supply_temperature", "hot_water_return_temperature", 8),
        made("tracking", "hot_water_supply_temperature_setpoint", 3, _tracking),
        change("boiler_firing_rate_command", 0.1),
        change("hot_water_supply_temperature", 0.5),
    )
)
_BOILER_ROWS: tuple[Input, ...] = (
    *_BOILER_FIRE,
    point("outdoor_air_temperature", 5, 10, "outdoor"),
    point("hot_water_supply_temperature", 60, 10, "hot_water"),
    point("hot_water_return_temperature", 48, 10, "hot_return"),
    point("hot_water_pump_speed_command", 0.7, 0.2, "pump"),
    over_reference("pump_flow", "hot_water_flow", 0.2),
    over_reference("pump_power", "hot_water_pump_power", 0.2),
    held("running", "boiler_status", lambda f: f.running_seconds),
)
_BOILER_MOVES = ("boiler_firing_rate_command_change", "hot_water_supply_temperature_change", "running")
_BOILER_TARGETS: dict[str, tuple[str, ...]] = {
    "tracking": ("fire", "outdoor", *_BOILER_MOVES),
    "flue": ("fire", "hot_water", "hot_return", *_BOILER_MOVES),
    "fuel_per_fire": ("fire", *_BOILER_MOVES),
    "heat_per_fuel": ("fire", "hot_return", *_BOILER_MOVES),
    "load": ("fire", "pump", "pump_flow", *_BOILER_MOVES),
    "pump_flow": ("pump",),
    "pump_power": ("pump",),
}
BOILER = Spec(
    "boiler",
    _BOILER_ROWS,
    _BOILER_TARGETS,
    ("fire", "load", "hot_water", "outdoor", "pump", "running"),
    FAMILIES_OF["boiler"][:4],
    {
        "heat_exchanger_fouled": ("flue", "heat_per_fuel"),
        "burner_weak": ("fuel_per_fire", "tracking", "load"),
        "pump_worn": ("pump_flow", "pump_power"),
        "hot_water_sensor_drift": ("heat_per_fuel", "flue", "load", "tracking"),
    },
    {},
)
