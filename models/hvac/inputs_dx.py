"""What the trained models of rooftop units and heat pumps see: the air side as for air handlers, and the refrigerant cycle.

    air       mixed or return air, stages, fan    ──▶ supply air
    evaporator  air that enters, speed            ──▶ suction pressure, superheat
    condenser   outdoor air, speed, fan           ──▶ discharge pressure, liquid line
    compressor  pressures, speed                  ──▶ power, discharge line

Pressures are taken as logarithms, for they are nearly straight over temperature; what belongs to the cycle is missing while
the compressor rests or has just started.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.hvac.facts import Facts
from models.hvac.families import FAMILIES_OF
from models.hvac.inputs import Input, Spec, apart, change, held, made, over_reference, point
from models.hvac.points import Bools, Floats

# Over the five minutes of the mean: a stage that came or went within them is in transition.
_ON_FRACTION = 0.99


def compressing(f: Facts) -> Bools:
    """Units whose compressor has run for the whole window, shape (m,)."""
    status = f.of("compressor_status")
    running: Bools = np.where(np.isnan(status), f.of("compressor_power") > 300, status > _ON_FRACTION)
    return running


def in_cycle(row: Input, runs: Callable[[Facts], Bools] = compressing) -> Input:
    """The same column, missing unless the cycle has settled."""
    return row._replace(while_running=runs)


def log_pressure(column: str, name: str, middle_pascals: float) -> Input:
    """Logarithm of a pressure, a fifth up being 1 or so."""
    return made(
        column, name, 0.2, lambda f: np.log(np.maximum(f.of(name), 1e4) / middle_pascals).astype(np.float32) * 5
    )


REFRIGERANT: tuple[Input, ...] = (
    in_cycle(log_pressure("suction", "suction_pressure", 1.0e6)),
    in_cycle(log_pressure("discharge", "discharge_pressure", 2.6e6)),
    in_cycle(point("suction_temperature", 12, 8, "suction_line")),
    in_cycle(point("discharge_temperature", 75, 20, "discharge_line")),
    in_cycle(point("liquid_line_temperature", 38, 10, "liquid")),
    in_cycle(point("compressor_speed_command", 0.6, 0.25, "compressor")),
    in_cycle(over_reference("compressor_work", "compressor_power", 0.1)),
    in_cycle(over_reference("compressor_vibration", "compressor_vibration_velocity", 0.3)),
    point("condenser_fan_speed_command", 0.6, 0.3, "condenser_fan"),
    in_cycle(change("compressor_speed_command", 0.1)),
)
_FAN: tuple[Input, ...] = (
    point("supply_fan_speed_command", 0.6, 0.2, "speed"),
    over_reference("flow_per_speed", "supply_air_flow", 0.2),
    over_reference("fan_speed_excess", "supply_fan_power", 0.1),
    over_reference("filter_pressure_per_flow", "filter_differential_pressure", 0.3),
    over_reference("fan_vibration", "supply_fan_vibration_velocity", 0.3),
    held("running", "supply_fan_status", lambda f: f.running_seconds),
    change("supply_fan_speed_command", 0.1),
)
_MOVES = ("running", "supply_fan_speed_command_change")
_CYCLE_MOVES = ("compressor_speed_command_change", *_MOVES)
_FAN_TARGETS: dict[str, tuple[str, ...]] = {
    "flow_per_speed": ("speed", *_MOVES),
    "fan_speed_excess": ("speed", *_MOVES),
    "filter_pressure_per_flow": ("speed", *_MOVES),
    "fan_vibration": ("speed", *_MOVES),
}


def _cycle_targets(entering: tuple[str, ...], rejecting: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """What explains the cycle.

    Args:
        entering: Inputs that tell the air at the evaporator.
        rejecting: Inputs that tell the air at the condenser.
    """
    flow = ("speed", "flow_per_speed", "condenser_fan")
    return {
        "suction": (*entering, *rejecting, *flow, "compressor", *_CYCLE_MOVES),
        "discharge": (*entering, *rejecting, *flow, "compressor", *_CYCLE_MOVES),
        "suction_line": ("suction", *entering, *rejecting, "compressor", *_CYCLE_MOVES),
        "discharge_line": ("suction", "discharge", "suction_line", "compressor", *_CYCLE_MOVES),
        "liquid": ("discharge", *rejecting, "compressor", *_CYCLE_MOVES),
        "compressor_work": ("suction", "discharge", "compressor", *_CYCLE_MOVES),
        "compressor_vibration": ("suction", "discharge", "compressor", *_CYCLE_MOVES),
    }


_CYCLE_SHOWS: dict[str, tuple[str, ...]] = {
    "refrigerant_undercharge": ("suction", "suction_line", "discharge_line", "liquid"),
    "refrigerant_overcharge": ("discharge", "liquid", "compressor_work"),
    "compressor_weak": ("suction", "discharge", "compressor_work", "discharge_line", "compressor_vibration"),
    "condenser_fouled": ("discharge",),
    "fan_bearing_worn": ("fan_vibration",),
}


def _tracking(f: Facts) -> Floats:
    """How far supply air is above its setpoint, in steps of 3 K."""
    return (f.of("supply_air_temperature") - f.of("supply_air_temperature_setpoint")) / np.float32(3)


_RTU_ROWS: tuple[Input, ...] = (
    apart("outdoor", "outdoor_air_temperature", "return_air_temperature", 10),
    point("outdoor_air_temperature", 20, 10, "outdoor_absolute"),
    point("outdoor_air_relative_humidity", 0.5, 0.3),
    point("return_air_temperature", 22, 5, "return"),
    apart("zone", "zone_air_temperature", "return_air_temperature", 2),
    apart("mixed", "mixed_air_temperature", "return_air_temperature", 10),
    point("mixed_air_temperature", 18, 8, "mixed_absolute"),
    apart("supply", "supply_air_temperature", "mixed_air_temperature", 10),
    made("tracking", "supply_air_temperature_setpoint", 3, _tracking),
    point("outdoor_air_damper_command", 0.5, 0.5, "damper"),
    point("heating_command", 0.25, 0.25, "heating"),
    point("dx_cooling_command", 0.4, 0.3, "cooling"),
    held("heating_closed", "heating_command", lambda f: f.heating_closed_seconds),
    held("cooling_closed", "dx_cooling_command", lambda f: f.cooling_closed_seconds),
    change("dx_cooling_command", 0.1),
    change("heating_command", 0.1),
    change("mixed_air_temperature", 0.5),
    change("outdoor_air_damper_command", 0.1),
    *_FAN,
    *REFRIGERANT,
)
_RTU_AIR = (
    "mixed_absolute",
    "mixed_air_temperature_change",
    "outdoor",
    "return",
    "outdoor_air_relative_humidity",
    "damper",
)
_RTU_TARGETS: dict[str, tuple[str, ...]] = {
    "mixed": ("outdoor", "return", "damper", "outdoor_air_damper_command_change", "speed", *_MOVES),
    "supply": (
        "heating", "heating_closed", "cooling", "cooling_closed", "compressor", "dx_cooling_command_change",
        "heating_command_change", "outdoor_absolute", *_RTU_AIR, "speed", "flow_per_speed", *_MOVES,
    ),
    "tracking": ("heating", "cooling", "damper", "mixed_absolute", "return", "dx_cooling_command_change", *_MOVES),
    **_FAN_TARGETS,
    **_cycle_targets(
        ("mixed_absolute", "return", "outdoor_air_relative_humidity", "damper"), ("outdoor_absolute",)
    ),
}  # fmt: skip
RTU = Spec(
    "rtu",
    _RTU_ROWS,
    _RTU_TARGETS,
    (
        "outdoor", "outdoor_absolute", "mixed", "mixed_absolute", "damper", "heating", "cooling", "compressor", "speed",
        "tracking", "running",
    ),
    FAMILIES_OF["rtu"][:9],
    {
        "damper_stuck": ("mixed",),
        "filter_fouled": ("filter_pressure_per_flow",),
        "fan_belt_worn": ("fan_speed_excess",),
        "supply_air_sensor_drift": ("supply", "tracking"),
        **_CYCLE_SHOWS,
    },
    {},
)  # fmt: skip

_HEAT_PUMP_ROWS: tuple[Input, ...] = (
    apart("outdoor", "outdoor_air_temperature", "return_air_temperature", 10),
    point("outdoor_air_temperature", 12, 12, "outdoor_absolute"),
    point("outdoor_air_relative_humidity", 0.5, 0.3),
    point("return_air_temperature", 22, 5, "return"),
    apart("zone", "zone_air_temperature", "return_air_temperature", 2),
    apart("supply", "supply_air_temperature", "return_air_temperature", 10),
    point("heating_mode", 0.5, 0.5, "mode"),
    point("auxiliary_heating_command", 0.25, 0.25, "auxiliary"),
    change("auxiliary_heating_command", 0.1),
    change("return_air_temperature", 0.5),
    *_FAN,
    *REFRIGERANT,
)
_HEAT_PUMP_COIL = ("return", "outdoor_absolute", "outdoor_air_relative_humidity", "mode")
_HEAT_PUMP_TARGETS: dict[str, tuple[str, ...]] = {
    "zone": ("return", "outdoor", "speed", *_MOVES),
    "supply": (
        *_HEAT_PUMP_COIL, "compressor", "auxiliary", "auxiliary_heating_command_change", "speed", "flow_per_speed",
        "return_air_temperature_change", *_CYCLE_MOVES,
    ),
    **_FAN_TARGETS,
    **_cycle_targets(_HEAT_PUMP_COIL, ()),
}  # fmt: skip
HEAT_PUMP = Spec(
    "heat_pump",
    _HEAT_PUMP_ROWS,
    _HEAT_PUMP_TARGETS,
    ("outdoor", "outdoor_absolute", "return", "mode", "auxiliary", "compressor", "speed", "running"),
    FAMILIES_OF["heat_pump"][:7],
    {
        "filter_fouled": ("filter_pressure_per_flow",),
        "supply_air_sensor_drift": ("supply",),
        **_CYCLE_SHOWS,
    },
    {},
)
