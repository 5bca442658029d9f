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


def _flow(name: str, scale: float, brick: str, label: str, *aliases: str, most: float = 60.0) -> Point:
    return Point(name, "cubic_meters_per_second", -0.5, min(most, 32_000 * scale), scale, brick, label, aliases)


def _pressure(name: str, brick: str, label: str, *aliases: str) -> Point:
    return Point(name, "pascals", -100_000, 6_000_000, 200.0, brick, label, aliases)


def _watts(name: str, scale: float, brick: str, label: str, *aliases: str) -> Point:
    return Point(name, "watts", -50, 30_000 * scale, scale, brick, label, aliases)


def _number(name: str, low: float, high: float, scale: float, brick: str, label: str, *aliases: str) -> Point:
    return Point(name, "none", low, high, scale, brick, label, aliases)


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
    # Weather as a service tells it, beside the building's own sensors.
    _temperature(
        "web_outdoor_air_temperature", -50, 60, "Outside_Air_Temperature_Sensor", "Outdoor air (web)", "WEB-OAT"
    ),
    _temperature(
        "web_outdoor_air_dew_point_temperature", -60, 40, "Outside_Air_Dewpoint_Sensor", "Dew point (web)", "WEB-DP"
    ),
    _temperature(
        "web_outdoor_air_wet_bulb_temperature",
        -50,
        45,
        "Outside_Air_Wet_Bulb_Temperature_Sensor",
        "Wet bulb (web)",
        "WEB-WB",
    ),
    _fraction("web_outdoor_air_relative_humidity", "Outside_Air_Humidity_Sensor", "Outdoor humidity (web)", "WEB-RH"),
    # Air handlers and rooftop units: coils.
    _temperature(
        "preheat_leaving_air_temperature", -30, 80, "Preheat_Supply_Air_Temperature_Sensor", "Preheat leaving", "PHT"
    ),
    _temperature(
        "heating_coil_entering_air_temperature",
        -30,
        80,
        "Heating_Coil_Entering_Air_Temperature_Sensor",
        "Heating coil entering",
        "HCET",
    ),
    _temperature(
        "heating_coil_leaving_air_temperature",
        -30,
        80,
        "Heating_Coil_Leaving_Air_Temperature_Sensor",
        "Heating coil leaving",
        "HCLT",
    ),
    _temperature(
        "cooling_coil_entering_air_temperature",
        -30,
        80,
        "Cooling_Coil_Entering_Air_Temperature_Sensor",
        "Cooling coil entering",
        "CCET",
    ),
    _temperature(
        "cooling_coil_leaving_air_temperature",
        -30,
        80,
        "Cooling_Coil_Leaving_Air_Temperature_Sensor",
        "Cooling coil leaving",
        "CCLT",
    ),
    _flow("vav_total_air_flow", 0.01, "Supply_Air_Flow_Sensor", "Sum of the boxes' air flows", "VAV-FLOW"),
    _number("vav_pressure_request_count", 0, 3200, 0.1, "Static_Pressure_Request_Count", "Pressure requests"),
    _number("hot_water_reset_request_count", 0, 3200, 0.1, "Hot_Water_Reset_Request_Count", "Hot water requests"),
    _number(
        "chilled_water_reset_request_count", 0, 3200, 0.1, "Chilled_Water_Reset_Request_Count", "Chilled water requests"
    ),
    Point(
        "supply_fan_vibration_velocity",
        "millimeters_per_second",
        0,
        60,
        0.002,
        "Vibration_Sensor",
        "Supply fan vibration",
        ("SF-VIB",),
    ),
    # Terminal units.
    _flow("zone_air_flow", 0.0005, "Discharge_Air_Flow_Sensor", "Zone air flow", "VAV-F", "ZN-F"),
    _flow("zone_air_flow_setpoint", 0.0005, "Discharge_Air_Flow_Setpoint", "Zone air flow setpoint", "VAV-FSP"),
    _flow("zone_air_flow_minimum_setpoint", 0.0005, "Min_Discharge_Air_Flow_Setpoint", "Minimum air flow", "VAV-FMIN"),
    _fraction("zone_damper_command", "Damper_Position_Command", "Zone damper", "VAV-D", "DMPR"),
    _fraction("reheat_valve_command", "Reheat_Valve_Command", "Reheat valve", "RHV", "VAV-RHV"),
    _temperature(
        "terminal_discharge_air_temperature", -10, 80, "Discharge_Air_Temperature_Sensor", "Box discharge", "VAV-DAT"
    ),
    _temperature("terminal_inlet_air_temperature", -10, 80, "Supply_Air_Temperature_Sensor", "Box inlet", "VAV-IAT"),
    _temperature(
        "parent_supply_air_temperature",
        -10,
        80,
        "Supply_Air_Temperature_Sensor",
        "Supply air of its air handler",
        "AHU-DAT",
    ),
    _state("cooling_available", "Cooling_Enable_Command", "Cooling available"),
    # Refrigerant cycles: rooftop units, heat pumps, chillers. Pressures are absolute.
    _state("compressor_status", "Compressor_Status", "Compressor on", "CMP-S"),
    _fraction("compressor_speed_command", "Compressor_Speed_Command", "Compressor speed", "CMP-SPD"),
    _watts("compressor_power", 50.0, "Electric_Power_Sensor", "Compressor power", "CMP-KW"),
    Point("compressor_current", "amperes", -1, 3000, 0.1, "Current_Sensor", "Compressor current", ("CMP-A",)),
    Point(
        "compressor_vibration_velocity",
        "millimeters_per_second",
        0,
        60,
        0.002,
        "Vibration_Sensor",
        "Compressor vibration",
        ("CMP-VIB",),
    ),
    _pressure("suction_pressure", "Suction_Pressure_Sensor", "Suction pressure", "SUC-P"),
    _pressure("discharge_pressure", "Discharge_Pressure_Sensor", "Discharge pressure", "DIS-P"),
    _temperature("suction_temperature", -60, 80, "Suction_Temperature_Sensor", "Suction line", "SUC-T"),
    _temperature("discharge_temperature", -40, 180, "Discharge_Temperature_Sensor", "Discharge line", "DIS-T"),
    _temperature("liquid_line_temperature", -40, 100, "Liquid_Temperature_Sensor", "Liquid line", "LIQ-T"),
    _fraction("condenser_fan_speed_command", "Condenser_Fan_Speed_Command", "Condenser fan speed", "CF-SPD"),
    _fraction("dx_cooling_command", "Cooling_Command", "Direct-expansion cooling", "DX-CLG"),
    _fraction("heating_command", "Heating_Command", "Heating stage", "HTG-C"),
    _fraction("auxiliary_heating_command", "Heating_Command", "Auxiliary heat", "AUX-HTG"),
    _state("heating_mode", "Heating_Mode_Status", "Heating mode (reversing valve)", "RV"),
    # Water plants.
    _state("chiller_status", "Chiller_Status", "Chiller on", "CH-S"),
    _watts("chiller_power", 50.0, "Electric_Power_Sensor", "Chiller power", "CH-KW"),
    Point("chiller_current", "amperes", -1, 3000, 0.1, "Current_Sensor", "Chiller current", ("CH-A",)),
    _temperature(
        "chilled_water_supply_temperature_setpoint",
        1,
        40,
        "Chilled_Water_Supply_Temperature_Setpoint",
        "Chilled water setpoint",
        "CHWST-SP",
    ),
    _flow("chilled_water_flow", 0.00002, "Chilled_Water_Flow_Sensor", "Chilled water flow", "CHW-F", most=0.6),
    _state("chilled_water_pump_status", "Pump_On_Off_Status", "Chilled water pump on", "CHWP-S"),
    _fraction("chilled_water_pump_speed_command", "Pump_Speed_Command", "Chilled water pump speed", "CHWP-SPD"),
    _watts("chilled_water_pump_power", 5.0, "Electric_Power_Sensor", "Chilled water pump power", "CHWP-KW"),
    _pressure(
        "chilled_water_differential_pressure", "Chilled_Water_Differential_Pressure_Sensor", "Chilled water pressure"
    ),
    _pressure(
        "chilled_water_differential_pressure_setpoint",
        "Chilled_Water_Differential_Pressure_Setpoint",
        "Chilled water pressure setpoint",
    ),
    _temperature(
        "condenser_water_supply_temperature",
        -5,
        60,
        "Condenser_Water_Supply_Temperature_Sensor",
        "Condenser water supply",
        "CWST",
        "CWS",
    ),
    _temperature(
        "condenser_water_return_temperature",
        -5,
        70,
        "Condenser_Water_Return_Temperature_Sensor",
        "Condenser water return",
        "CWRT",
        "CWR",
    ),
    _state("condenser_water_pump_status", "Pump_On_Off_Status", "Condenser water pump on", "CWP-S"),
    _fraction("tower_fan_speed_command", "Fan_Speed_Command", "Tower fan speed", "TF-SPD", "CWF-SPD"),
    _watts("tower_fan_power", 5.0, "Electric_Power_Sensor", "Tower fan power", "TF-KW"),
    _temperature(
        "hot_water_supply_temperature_setpoint",
        5,
        110,
        "Hot_Water_Supply_Temperature_Setpoint",
        "Hot water setpoint",
        "HWST-SP",
    ),
    _flow("hot_water_flow", 0.00002, "Hot_Water_Flow_Sensor", "Hot water flow", "HW-F", most=0.6),
    _state("hot_water_pump_status", "Pump_On_Off_Status", "Hot water pump on", "HWP-S"),
    _fraction("hot_water_pump_speed_command", "Pump_Speed_Command", "Hot water pump speed", "HWP-SPD"),
    _watts("hot_water_pump_power", 5.0, "Electric_Power_Sensor", "Hot water pump power", "HWP-KW"),
    _state("boiler_status", "Boiler_Status", "Boiler on", "BLR-S"),
    _fraction("boiler_firing_rate_command", "Boiler_Command", "Firing rate", "BLR-C"),
    _temperature("flue_gas_temperature", 0, 320, "Exhaust_Air_Temperature_Sensor", "Flue gas", "FLUE-T"),
    _watts("boiler_fuel_power", 100.0, "Gas_Meter", "Fuel power", "GAS-KW"),
    _state("pump_status", "Pump_On_Off_Status", "Pump on", "PMP-S"),
    # What a building asks for.
    _state("building_zone_load_satisfied", "Status", "All zones in their comfort band", "ZN-SAT"),
    _state("building_ahu_load_satisfied", "Status", "All air handlers at their setpoint", "AHU-SAT"),
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
