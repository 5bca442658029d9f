"""What the trained models of fan-coil units and VAV boxes see.

fan coil  return air, valves, water, fan speed   ──▶ supply air, water returns
box       damper, its air handler's air          ──▶ air flow; reheat valve, inlet air ──▶ discharge air
zone      what the unit blows, what control asks ──▶ distance from the setpoints
"""

from __future__ import annotations

import numpy as np

from models.hvac.facts import Facts
from models.hvac.families import FAMILIES_OF
from models.hvac.inputs import Input, Spec, apart, change, held, made, over_reference, point
from models.hvac.points import Floats


def _zone_tracking(f: Facts) -> Floats:
    """How far the zone is outside of its setpoints, in steps of 1 K; 0 within."""
    zone = f.of("zone_air_temperature")
    low, high = f.of("zone_air_heating_temperature_setpoint"), f.of("zone_air_cooling_temperature_setpoint")
    away: Floats = np.maximum(zone - high, 0) - np.maximum(low - zone, 0)
    return away


_ZONE = made("tracking", "zone_air_cooling_temperature_setpoint", 1, _zone_tracking)


_COIL_ROWS: tuple[Input, ...] = (
    point("outdoor_air_temperature", 15, 10, "outdoor"),
    point("return_air_temperature", 22, 4, "return"),
    apart("zone", "zone_air_temperature", "return_air_temperature", 2),
    _ZONE,
    apart("supply", "supply_air_temperature", "return_air_temperature", 10),
    point("heating_valve_command", 0.25, 0.25, "heating"),
    point("cooling_valve_command", 0.25, 0.25, "cooling"),
    held("heating_closed", "heating_valve_command", lambda f: f.heating_closed_seconds),
    held("cooling_closed", "cooling_valve_command", lambda f: f.cooling_closed_seconds),
    point("hot_water_supply_temperature", 52, 8, "hot_water"),
    point("hot_water_return_temperature", 35, 10, "hot_return"),
    point("chilled_water_supply_temperature", 7, 3, "chilled_water"),
    point("chilled_water_return_temperature", 14, 5, "chilled_return"),
    point("supply_fan_speed_command", 0.6, 0.2, "speed"),
    over_reference("flow_per_speed", "supply_air_flow", 0.2),
    over_reference("fan_power_per_speed", "supply_fan_power", 0.2),
    over_reference("filter_pressure_per_flow", "filter_differential_pressure", 0.3),
    held("running", "supply_fan_status", lambda f: f.running_seconds),
    change("return_air_temperature", 0.5),
    change("heating_valve_command", 0.1),
    change("cooling_valve_command", 0.1),
    change("supply_fan_speed_command", 0.1),
)
_COIL_MOVES = ("running", "supply_fan_speed_command_change")
_COIL_HEATING = ("heating", "heating_closed", "heating_valve_command_change", "hot_water")
_COIL_COOLING = ("cooling", "cooling_closed", "cooling_valve_command_change", "chilled_water")
_COIL_AIR = ("return", "return_air_temperature_change", "speed", "flow_per_speed", *_COIL_MOVES)
_COIL_TARGETS: dict[str, tuple[str, ...]] = {
    "zone": ("return", "outdoor", "speed", *_COIL_MOVES),
    "tracking": ("heating", "cooling", "speed", *_COIL_MOVES),
    "supply": (*_COIL_HEATING, *_COIL_COOLING, *_COIL_AIR),
    "hot_return": (*_COIL_HEATING, *_COIL_AIR),
    "chilled_return": (*_COIL_COOLING, *_COIL_AIR),
    "flow_per_speed": ("speed", *_COIL_MOVES),
    "fan_power_per_speed": ("speed", *_COIL_MOVES),
    "filter_pressure_per_flow": ("speed", *_COIL_MOVES),
    "hot_water": ("outdoor",),
    "chilled_water": ("outdoor",),
}
FAN_COIL = Spec(
    "fan_coil",
    _COIL_ROWS,
    _COIL_TARGETS,
    ("outdoor", "return", "heating", "cooling", "heating_closed", "cooling_closed", "speed", "tracking", "running"),
    FAMILIES_OF["fan_coil"][:6],
    {
        "heating_valve_leaking": ("supply", "hot_return"),
        "cooling_valve_stuck": ("supply", "chilled_return", "tracking"),
        "filter_fouled": ("filter_pressure_per_flow",),
        "coil_fouled": ("supply", "chilled_return", "hot_return", "flow_per_speed"),
        "fan_bearing_worn": ("fan_power_per_speed",),
        "zone_air_sensor_drift": ("zone",),
    },
    {},
)


def _flow_tracking(f: Facts) -> Floats:
    """Logarithm of the air flow over its setpoint, a fifth being 1."""
    flow, wanted = f.of("zone_air_flow"), f.of("zone_air_flow_setpoint")
    share: Floats = (5 * np.log(np.maximum(flow, 0.003) / np.maximum(wanted, 0.003))).astype(np.float32)
    return share


_BOX_ROWS: tuple[Input, ...] = (
    point("outdoor_air_temperature", 15, 10, "outdoor"),
    point("zone_air_temperature", 22, 3, "zone"),
    _ZONE,
    point("zone_damper_command", 0.5, 0.3, "damper"),
    made("flow_tracking", "zone_air_flow", 0.2, _flow_tracking),
    over_reference("flow_per_damper", "zone_damper_command", 0.2),
    over_reference("box_flow", "zone_air_flow_setpoint", 0.3),
    point("reheat_valve_command", 0.25, 0.25, "reheat"),
    held("reheat_closed", "reheat_valve_command", lambda f: f.heating_closed_seconds),
    apart("rise", "terminal_discharge_air_temperature", "terminal_inlet_air_temperature", 8),
    apart("inlet", "terminal_inlet_air_temperature", "parent_supply_air_temperature", 2),
    point("terminal_inlet_air_temperature", 14, 4, "inlet_absolute"),
    held("running", "supply_fan_status", lambda f: f.running_seconds),
    change("zone_damper_command", 0.1),
    change("reheat_valve_command", 0.1),
    change("zone_air_temperature", 0.3),
)
_BOX_MOVES = ("running", "zone_damper_command_change")
_BOX_TARGETS: dict[str, tuple[str, ...]] = {
    "tracking": ("reheat", "damper", "box_flow", "outdoor", "zone_air_temperature_change", *_BOX_MOVES),
    "zone": ("reheat", "damper", "box_flow", "rise", "outdoor", "zone_air_temperature_change", *_BOX_MOVES),
    "flow_tracking": ("damper", *_BOX_MOVES),
    "flow_per_damper": ("damper", *_BOX_MOVES),
    "rise": (
        "reheat", "reheat_closed", "reheat_valve_command_change", "inlet_absolute", "box_flow", "outdoor", *_BOX_MOVES,
    ),
    "inlet": ("box_flow", "inlet_absolute", *_BOX_MOVES),
}  # fmt: skip
VAV_BOX = Spec(
    "vav_box",
    _BOX_ROWS,
    _BOX_TARGETS,
    ("outdoor", "zone", "damper", "reheat", "reheat_closed", "flow_tracking", "box_flow", "running"),
    FAMILIES_OF["vav_box"][:5],
    {
        "damper_stuck": ("flow_tracking", "flow_per_damper"),
        "reheat_valve_leaking": ("rise",),
        "reheat_valve_stuck": ("rise", "tracking"),
        "air_flow_sensor_drift": ("flow_per_damper", "flow_tracking"),
        "zone_air_sensor_drift": ("zone", "tracking"),
    },
    {},
)
