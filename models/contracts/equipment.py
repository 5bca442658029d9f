"""The kinds of equipment, and the points that rules and models know of each: one tuple a kind, in the order of its arrays.

A unit may tell any part of its kind's points; what it does not tell is missing, never 0. The order is part of every
snapshot and of every artifact: append, never insert. `generic` units have points of their own and are in no table.
"""

from __future__ import annotations

from typing import NamedTuple

from models.contracts.points import AHU_POINTS


class Equipment(NamedTuple):
    """One kind. `simulated` are those of its points that the simulated plant tells, in the order of its readings."""

    name: str
    title: str
    points: tuple[str, ...]
    simulated: tuple[str, ...]


_WEB = (
    "web_outdoor_air_temperature",
    "web_outdoor_air_dew_point_temperature",
    "web_outdoor_air_wet_bulb_temperature",
    "web_outdoor_air_relative_humidity",
)
_ZONE = (
    "zone_air_temperature",
    "zone_air_heating_temperature_setpoint",
    "zone_air_cooling_temperature_setpoint",
    "occupancy",
)
_FAN = ("supply_fan_speed_command", "supply_fan_status", "supply_fan_power", "supply_air_flow")
_REFRIGERANT = (
    "compressor_status",
    "compressor_speed_command",
    "compressor_power",
    "suction_pressure",
    "discharge_pressure",
    "suction_temperature",
    "discharge_temperature",
    "liquid_line_temperature",
)
_AHU_MORE = (
    "supply_air_heating_temperature_setpoint",
    "supply_air_cooling_temperature_setpoint",
    "return_air_damper_command",
    "exhaust_air_damper_command",
    "return_fan_status",
    "return_fan_speed_command",
    "return_air_relative_humidity",
    "vav_total_air_flow",
    "preheat_leaving_air_temperature",
    "heating_coil_entering_air_temperature",
    "heating_coil_leaving_air_temperature",
    "cooling_coil_entering_air_temperature",
    "cooling_coil_leaving_air_temperature",
    *_WEB,
    "vav_pressure_request_count",
    "supply_fan_vibration_velocity",
    "compressor_status",
    "dx_cooling_command",
    "chiller_status",
    "chilled_water_pump_status",
)
_RTU = (
    "outdoor_air_temperature",
    "outdoor_air_relative_humidity",
    "return_air_temperature",
    "mixed_air_temperature",
    "supply_air_temperature",
    "supply_air_temperature_setpoint",
    *_ZONE,
    "outdoor_air_damper_command",
    "heating_command",
    "dx_cooling_command",
    *_FAN,
    "filter_differential_pressure",
    *_REFRIGERANT,
    "condenser_fan_speed_command",
    "supply_fan_vibration_velocity",
    "compressor_vibration_velocity",
)
_HEAT_PUMP = (
    "outdoor_air_temperature",
    "outdoor_air_relative_humidity",
    "return_air_temperature",
    "supply_air_temperature",
    *_ZONE,
    "heating_mode",
    "auxiliary_heating_command",
    *_FAN,
    "filter_differential_pressure",
    *_REFRIGERANT,
    "condenser_fan_speed_command",
    "supply_fan_vibration_velocity",
    "compressor_vibration_velocity",
)
_CHILLER = (
    "outdoor_air_temperature",
    "outdoor_air_relative_humidity",
    "chilled_water_supply_temperature",
    "chilled_water_supply_temperature_setpoint",
    "chilled_water_return_temperature",
    "chilled_water_flow",
    "chilled_water_pump_status",
    "chilled_water_pump_speed_command",
    "chilled_water_pump_power",
    "chilled_water_differential_pressure",
    "chilled_water_differential_pressure_setpoint",
    "chiller_status",
    "chiller_power",
    "compressor_speed_command",
    "suction_pressure",
    "discharge_pressure",
    "suction_temperature",
    "discharge_temperature",
    "liquid_line_temperature",
    "condenser_water_supply_temperature",
    "condenser_water_return_temperature",
    "condenser_water_pump_status",
    "tower_fan_speed_command",
    "tower_fan_power",
    "compressor_vibration_velocity",
    "building_zone_load_satisfied",
)
_BOILER = (
    "outdoor_air_temperature",
    "hot_water_supply_temperature",
    "hot_water_supply_temperature_setpoint",
    "hot_water_return_temperature",
    "hot_water_flow",
    "hot_water_pump_status",
    "hot_water_pump_speed_command",
    "hot_water_pump_power",
    "boiler_status",
    "boiler_firing_rate_command",
    "boiler_fuel_power",
    "flue_gas_temperature",
)
_FAN_COIL = (
    "outdoor_air_temperature",
    *_ZONE,
    "return_air_temperature",
    "supply_air_temperature",
    "heating_valve_command",
    "cooling_valve_command",
    "supply_fan_speed_command",
    "supply_fan_status",
    "supply_fan_power",
    "supply_air_flow",
    "filter_differential_pressure",
    "hot_water_supply_temperature",
    "hot_water_return_temperature",
    "chilled_water_supply_temperature",
    "chilled_water_return_temperature",
)
_VAV_BOX = (
    "outdoor_air_temperature",
    *_ZONE,
    "zone_damper_command",
    "zone_air_flow",
    "zone_air_flow_setpoint",
    "zone_air_flow_minimum_setpoint",
    "reheat_valve_command",
    "terminal_inlet_air_temperature",
    "terminal_discharge_air_temperature",
    "parent_supply_air_temperature",
    "supply_fan_status",
)

_ROWS: tuple[Equipment, ...] = (
    Equipment(
        "ahu",
        "Air handler",
        (*AHU_POINTS, *_AHU_MORE),
        (*AHU_POINTS, "return_air_relative_humidity", "supply_fan_vibration_velocity"),
    ),
    Equipment("rtu", "Rooftop unit", (*_RTU, "compressor_current", *_WEB), _RTU),
    Equipment("heat_pump", "Heat pump", (*_HEAT_PUMP, "compressor_current", *_WEB), _HEAT_PUMP),
    Equipment(
        "chiller",
        "Chiller with cooling tower",
        (
            *_CHILLER, *_WEB, "compressor_status", "chiller_current", "building_ahu_load_satisfied",
            "chilled_water_reset_request_count", "pump_status",
        ),
        _CHILLER,
    ),
    Equipment("boiler", "Boiler", (*_BOILER, "hot_water_reset_request_count", "pump_status"), _BOILER),
    Equipment("fan_coil", "Fan-coil unit", _FAN_COIL, _FAN_COIL),
    Equipment("vav_box", "VAV box", (*_VAV_BOX, "cooling_available", "supply_fan_speed_command"), _VAV_BOX),
)  # fmt: skip

EQUIPMENT: dict[str, Equipment] = {row.name: row for row in _ROWS}
# Arrays have room for so many points of any kind, so that all kinds share one state.
POINTS_MAX = 48


def _check_table() -> None:
    for row in _ROWS:
        if len(row.points) > POINTS_MAX or len(set(row.points)) != len(row.points):
            raise ValueError(
                f"equipment {row.name}: {len(row.points)} points, expected at most {POINTS_MAX}, each once"
            )


_check_table()
