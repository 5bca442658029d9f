"""What the trained models of air handlers see.

    mixing    outdoor, return, damper            ──▶ mixed air
    coils     mixed air, valves, water, flow     ──▶ supply air, water returns
    control   valves, damper                     ──▶ deviation from the setpoint
    fan       speed, flow, setpoint              ──▶ flow, power, filter pressure, duct pressure

The shipped models know these columns by name and order: a change here needs new models.
"""

from __future__ import annotations

import numpy as np

from models.hvac.facts import Facts
from models.hvac.families import AHU_FAMILIES
from models.hvac.inputs import Input, Spec, apart, change, held, made, over_reference, point
from models.hvac.points import Floats


def _tracking(f: Facts) -> Floats:
    own = f.of("supply_air_temperature_setpoint")
    supply = f.of("supply_air_temperature")
    low = f.of("supply_air_heating_temperature_setpoint")
    high = f.of("supply_air_cooling_temperature_setpoint")
    # Two setpoints leave a band in which nothing is asked for.
    band = np.where(
        supply > high,
        supply - high,
        np.where(supply < low, supply - low, 0 * (supply + high + low)),
    )
    return (np.where(np.isnan(own), band, supply - own) / np.float32(3)).astype(np.float32)


def _duct(f: Facts) -> Floats:
    setpoint = f.of("supply_air_static_pressure_setpoint")
    share = f.of("supply_air_static_pressure") / np.maximum(setpoint, np.float32(10))
    return ((share - 1) * np.float32(5)).astype(np.float32)


_INPUTS: tuple[Input, ...] = (
    apart("outdoor", "outdoor_air_temperature", "return_air_temperature", 10),
    point("outdoor_air_relative_humidity", 0.5, 0.3),
    point("return_air_temperature", 22, 5, "return"),
    apart("zone", "zone_air_temperature", "return_air_temperature", 2),
    apart("mixed", "mixed_air_temperature", "return_air_temperature", 10),
    point("mixed_air_temperature", 18, 8, "mixed_absolute"),
    apart("supply", "supply_air_temperature", "mixed_air_temperature", 10),
    made("tracking", "supply_air_temperature_setpoint", 3, _tracking),
    point("outdoor_air_damper_command", 0.5, 0.5, "damper"),
    point("heating_valve_command", 0.25, 0.25, "heating"),
    point("cooling_valve_command", 0.25, 0.25, "cooling"),
    point("supply_fan_speed_command", 0.6, 0.2, "speed"),
    over_reference("flow_per_speed", "supply_air_flow", 0.2),
    over_reference("fan_speed_excess", "supply_fan_power", 0.1),
    over_reference("filter_pressure_per_flow", "filter_differential_pressure", 0.3),
    made("duct", "supply_air_static_pressure", 0.2, _duct),
    point("supply_air_static_pressure_setpoint", 220, 60, "duct_setpoint"),
    point("hot_water_supply_temperature", 52, 8, "hot_water"),
    point("hot_water_return_temperature", 25, 10, "hot_return"),
    point("chilled_water_supply_temperature", 7, 3, "chilled_water"),
    point("chilled_water_return_temperature", 16, 5, "chilled_return"),
    held("heating_closed", "heating_valve_command", lambda f: f.heating_closed_seconds),
    held("cooling_closed", "cooling_valve_command", lambda f: f.cooling_closed_seconds),
    held("running", "supply_fan_status", lambda f: f.running_seconds),
    change("mixed_air_temperature", 0.5),
    change("supply_air_temperature", 0.5),
    change("outdoor_air_damper_command", 0.1),
    change("heating_valve_command", 0.1),
    change("cooling_valve_command", 0.1),
    change("supply_fan_speed_command", 0.1),
)

_MOVES = ("running", "supply_fan_speed_command_change")
_MIXING = (
    "outdoor",
    "return",
    "damper",
    "outdoor_air_damper_command_change",
    "speed",
    *_MOVES,
)
_FLOW = ("speed", "flow_per_speed", "duct_setpoint")
_HEATING = ("heating", "heating_closed", "heating_valve_command_change", "hot_water")
_COOLING = (
    "cooling",
    "cooling_closed",
    "cooling_valve_command_change",
    "chilled_water",
)
_AIR = (
    "mixed_absolute",
    "mixed_air_temperature_change",
    "outdoor",
    "return",
    "outdoor_air_relative_humidity",
    "damper",
)
_COILS = (*_HEATING, *_COOLING, *_AIR, *_FLOW, *_MOVES)

# Target: the inputs that may explain it.
_TARGETS: dict[str, tuple[str, ...]] = {
    "zone": ("return", "running"),
    "mixed": _MIXING,
    "supply": (*_COILS, "supply_air_temperature_change"),
    "tracking": (
        "heating",
        "cooling",
        "damper",
        "mixed_absolute",
        "return",
        "supply_air_temperature_change",
        *_MOVES,
    ),
    "flow_per_speed": ("speed", "duct", "duct_setpoint", *_MOVES),
    "fan_speed_excess": ("speed", "duct", "duct_setpoint", *_MOVES),
    "filter_pressure_per_flow": ("speed", "duct_setpoint", *_MOVES),
    "duct": ("speed", "duct_setpoint", *_MOVES),
    "hot_water": ("outdoor", "return"),
    "hot_return": (*_HEATING, *_AIR, *_FLOW, *_MOVES),
    "chilled_water": ("outdoor", "return"),
    "chilled_return": (*_COOLING, *_AIR, *_FLOW, *_MOVES, "supply", "heating"),
}
_CONTEXT = (
    "outdoor",
    "mixed",
    "mixed_absolute",
    "damper",
    "heating",
    "cooling",
    "speed",
    "heating_closed",
    "cooling_closed",
    "tracking",
    "running",
)
# A family is not believed unless one of these is beyond what healthy units show, or a rule speaks for it: whatever the
# model makes of a plant that it has never seen the like of.
_SHOWS_IN: dict[str, tuple[str, ...]] = {
    "damper_stuck": ("mixed",),
    "heating_valve_leaking": ("supply", "hot_return", "tracking"),
    "filter_fouled": ("filter_pressure_per_flow",),
    "supply_air_sensor_drift": ("supply", "tracking"),
    "fan_belt_worn": ("fan_speed_excess",),
    "cooling_capacity_low": ("supply", "tracking", "chilled_water", "chilled_return"),
}
# The rules that the diagnosis model weighs: its own name of each, and the rule that now goes by it.
_EVIDENCE: dict[str, str] = {
    "FC1": "DUCT-LOW",
    "FC2": "MIX-BELOW",
    "FC3": "MIX-ABOVE",
    "FC5": "HEAT-COLD",
    "FC7": "HEAT-WEAK",
    "FC8": "FREE-APART",
    "FC10": "MIX-OUTDOOR",
    "FC12": "COOL-WARM",
    "FC13": "COOL-WEAK",
    "SAT-WARM": "SAT-WARM",
    "SAT-COOL": "SAT-COOL",
    "HWR-HOT": "HWR-HOT",
    "OAF-DEV": "OAF-DEV",
    "AHU-SIMUL": "COILS-BOTH",
    "AHU-SATDEV": "SAT-OFF",
    "ECON-IDLE": "ECON-IDLE",
    "ECON-WARM": "ECON-WARM",
    "CMD-1": "FAN-APART",
    "CHW-1": "CHW-RISE",
    "FLT-REF": "FLT-REF",
    "BELT-REF": "BELT-REF",
}

AHU = Spec("ahu", _INPUTS, _TARGETS, _CONTEXT, AHU_FAMILIES, _SHOWS_IN, _EVIDENCE)
