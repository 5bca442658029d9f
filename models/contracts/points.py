"""The vocabulary: every point that we understand, with its unit, plausible range, Brick class and shop-floor names.

Names are Brick's and ASHRAE's words. A point that is not in this table can still be read, stored and drawn under the
equipment type `generic`; rules and models for known equipment see only the points listed here.
"""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

from models.contracts.units import UnitError, conversion


class PointError(ValueError):
    """A point that we do not know, or a unit that does not fit it."""


class Point(NamedTuple):
    """One row of the vocabulary.

    `scale` is the step of the int16 plane in the point's unit: finer than the sensor, coarse enough that the plausible
    range fits. `low` and `high` bound what is plausible; outside, a reading is flagged `out_of_range`, never scored.
    """

    name: str
    unit: str
    low: float
    high: float
    scale: float
    brick: str
    label: str
    aliases: tuple[str, ...] = ()


_TEMPERATURE_SCALE = 0.01
_FRACTION_SCALE = 0.0001


def _temperature(name: str, low: float, high: float, brick: str, label: str, *aliases: str) -> Point:
    return Point(name, "celsius", low, high, _TEMPERATURE_SCALE, brick, label, aliases)


def _fraction(name: str, brick: str, label: str, *aliases: str) -> Point:
    # A controller may overshoot its own signal by rounding: a little slack at both ends.
    return Point(name, "fraction", -0.02, 1.02, _FRACTION_SCALE, brick, label, aliases)


def _state(name: str, brick: str, label: str, *aliases: str) -> Point:
    return Point(name, "state", 0.0, 1.0, 1.0, brick, label, aliases)


_ROWS: tuple[Point, ...] = (
    _temperature("outdoor_air_temperature", -50, 60, "Outside_Air_Temperature_Sensor", "Outdoor air", "OAT", "OA-T"),
    _temperature("return_air_temperature", -10, 60, "Return_Air_Temperature_Sensor", "Return air", "RAT", "RA-T"),
    _temperature("mixed_air_temperature", -30, 60, "Mixed_Air_Temperature_Sensor", "Mixed air", "MAT", "MA-T"),
    _temperature(
        "supply_air_temperature", -10, 70, "Supply_Air_Temperature_Sensor", "Supply air", "SAT", "SA-T", "DAT", "DA-T"
    ),
    _temperature(
        "supply_air_temperature_setpoint",
        5,
        50,
        "Supply_Air_Temperature_Setpoint",
        "Supply air setpoint",
        "SATSP",
        "SAT-SP",
        "DAT-SP",
    ),
    _temperature(
        "supply_air_heating_temperature_setpoint",
        0,
        60,
        "Supply_Air_Temperature_Heating_Setpoint",
        "Supply air heating setpoint",
        "SAT-HSP",
    ),
    _temperature(
        "supply_air_cooling_temperature_setpoint",
        0,
        60,
        "Supply_Air_Temperature_Cooling_Setpoint",
        "Supply air cooling setpoint",
        "SAT-CSP",
    ),
    _temperature("zone_air_temperature", -10, 60, "Zone_Air_Temperature_Sensor", "Zone air", "ZNT", "ZN-T", "ZAT"),
    _temperature(
        "zone_air_heating_temperature_setpoint",
        5,
        35,
        "Zone_Air_Heating_Temperature_Setpoint",
        "Zone heating setpoint",
        "ZN-HSP",
    ),
    _temperature(
        "zone_air_cooling_temperature_setpoint",
        10,
        40,
        "Zone_Air_Cooling_Temperature_Setpoint",
        "Zone cooling setpoint",
        "ZN-CSP",
    ),
    _temperature(
        "hot_water_supply_temperature", 5, 110, "Hot_Water_Supply_Temperature_Sensor", "Hot water supply", "HWST"
    ),
    _temperature(
        "hot_water_return_temperature", 5, 110, "Hot_Water_Return_Temperature_Sensor", "Hot water return", "HWRT"
    ),
    _temperature(
        "chilled_water_supply_temperature",
        1,
        40,
        "Chilled_Water_Supply_Temperature_Sensor",
        "Chilled water supply",
        "CHWST",
        "CHWS",
    ),
    _temperature(
        "chilled_water_return_temperature",
        1,
        50,
        "Chilled_Water_Return_Temperature_Sensor",
        "Chilled water return",
        "CHWRT",
        "CHWR",
    ),
    _fraction("outdoor_air_relative_humidity", "Outside_Air_Humidity_Sensor", "Outdoor humidity", "OARH", "OA-H"),
    _fraction("return_air_relative_humidity", "Return_Air_Humidity_Sensor", "Return humidity", "RARH", "RA-H"),
    _fraction(
        "outdoor_air_damper_command", "Outside_Damper_Position_Command", "Outdoor air damper", "OAD", "OA-D", "MAD"
    ),
    _fraction("return_air_damper_command", "Return_Damper_Position_Command", "Return air damper", "RAD", "RA-D"),
    _fraction("exhaust_air_damper_command", "Exhaust_Damper_Position_Command", "Exhaust air damper", "EAD", "EA-D"),
    _fraction("heating_valve_command", "Heating_Valve_Command", "Heating valve", "HTGV", "HWV", "HCV"),
    _fraction("cooling_valve_command", "Cooling_Valve_Command", "Cooling valve", "CLGV", "CHWV", "CCV"),
    _fraction("supply_fan_speed_command", "Fan_Speed_Command", "Supply fan speed", "SF-SPD", "SFS", "SF-C"),
    _fraction("return_fan_speed_command", "Return_Fan_Speed_Command", "Return fan speed", "RF-SPD", "RF-C"),
    _state("supply_fan_status", "Supply_Fan_Status", "Supply fan on", "SF-S", "SFST"),
    _state("return_fan_status", "Return_Fan_Status", "Return fan on", "RF-S"),
    _state("occupancy", "Occupancy_Status", "Occupied", "OCC"),
    Point("supply_fan_power", "watts", -50, 200_000, 10.0, "Electric_Power_Sensor", "Supply fan power", ("SF-KW",)),
    Point(
        "supply_air_flow",
        "cubic_meters_per_second",
        -0.5,
        60,
        0.002,
        "Supply_Air_Flow_Sensor",
        "Supply air flow",
        ("SAF", "SA-F"),
    ),
    Point(
        "supply_air_static_pressure",
        "pascals",
        -250,
        3000,
        0.1,
        "Supply_Air_Static_Pressure_Sensor",
        "Duct static pressure",
        ("DSP", "SA-P", "DA-P"),
    ),
    Point(
        "supply_air_static_pressure_setpoint",
        "pascals",
        0,
        3000,
        0.1,
        "Supply_Air_Static_Pressure_Setpoint",
        "Duct static setpoint",
        ("DSP-SP",),
    ),
    Point(
        "filter_differential_pressure",
        "pascals",
        -50,
        1500,
        0.1,
        "Filter_Differential_Pressure_Sensor",
        "Filter pressure drop",
        ("FLT-DP", "FDP"),
    ),
    Point("return_air_co2_concentration", "ppm", 200, 10_000, 1.0, "Return_Air_CO2_Sensor", "Return CO2", ("RA-CO2",)),
)

POINTS: dict[str, Point] = {row.name: row for row in _ROWS}

# What a well-instrumented air handler tells: the channels of the simulated plant, in the order of its layout. The damper
# and the valves report what the controller asks for, not where they are, as most real ones do.
AHU_POINTS: tuple[str, ...] = (
    "outdoor_air_temperature",
    "outdoor_air_relative_humidity",
    "return_air_temperature",
    "mixed_air_temperature",
    "supply_air_temperature",
    "supply_air_temperature_setpoint",
    "zone_air_temperature",
    "zone_air_heating_temperature_setpoint",
    "zone_air_cooling_temperature_setpoint",
    "outdoor_air_damper_command",
    "heating_valve_command",
    "cooling_valve_command",
    "supply_fan_speed_command",
    "supply_fan_status",
    "supply_fan_power",
    "supply_air_flow",
    "supply_air_static_pressure",
    "supply_air_static_pressure_setpoint",
    "filter_differential_pressure",
    "hot_water_supply_temperature",
    "hot_water_return_temperature",
    "chilled_water_supply_temperature",
    "chilled_water_return_temperature",
    "occupancy",
)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_BY_ANY_NAME = {_key(spelling): row for row in _ROWS for spelling in (row.name, *row.aliases)}


def find_point(name: str) -> Point:
    """The row for one of our names or a shop-floor name (`SAT`, `DA-T`, `Supply Air Temperature`).

    Raises:
        PointError: no row has this name.
    """
    row = _BY_ANY_NAME.get(_key(name))
    if row is None:
        near = difflib.get_close_matches(name, POINTS, n=1)
        hint = f"did you mean {near[0]!r}" if near else "see `plenum points`"
        raise PointError(f"point {name!r} is not in the vocabulary; {hint}")
    return row


def check_unit(point: Point, unit: str) -> None:
    """Refuse a unit that does not measure this point.

    Raises:
        PointError: the unit is unknown, or converts to something else than the point's unit.
    """
    try:
        ours = conversion(unit).ours
    except UnitError as error:
        raise PointError(f"point {point.name!r}: {error}") from error
    if ours != point.unit:
        raise PointError(f"point {point.name!r}: unit {unit!r} is {ours}, expected one that converts to {point.unit}")
