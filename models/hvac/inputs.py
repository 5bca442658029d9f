"""What the trained models see of a minute: points normalised by the unit's condition, with a mask of what is there.

Air temperatures are taken relative to the return or mixed air, flow, power and filter pressure relative to the unit's own
reference, so that size and season drop out. The anomaly model reconstructs each *target* from the inputs that physics ties
it to, never from itself:

    mixing    outdoor, return, damper            ──▶ mixed air
    coils     mixed air, valves, water, flow     ──▶ supply air, water returns
    control   valves, damper                     ──▶ deviation from the setpoint
    fan       speed, flow, setpoint              ──▶ flow, power, filter pressure, duct pressure
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from models.hvac.facts import Facts
from models.hvac.families import F
from models.hvac.points import COLUMN, Bools, Floats

_SLOW = 1800.0


class Input(NamedTuple):
    """One column. `unit_step` is the change of the point, in its own unit, for a change of 1 in the column."""

    name: str
    point: str
    unit_step: float
    of: Callable[[Facts], Floats]


def _point(name: str, middle: float, step: float, column: str = "") -> Input:
    return Input(
        column or name,
        name,
        step,
        lambda f: (f.of(name) - np.float32(middle)) / np.float32(step),
    )


def _apart(column: str, name: str, other: str, step: float) -> Input:
    return Input(column, name, step, lambda f: (f.of(name) - f.of(other)) / np.float32(step))


def _change(name: str, step: float) -> Input:
    """How far the last minute is from the mean over five: what is on the move is hard to explain."""
    column = COLUMN[name]
    return Input(
        f"{name}_change",
        name,
        step,
        lambda f: (f.now[:, column] - f.mean[:, column]) / np.float32(step),
    )


def _log_reference(column: str, point: str, step: float) -> Input:
    return Input(column, point, step, lambda f: f.reference(column) / np.float32(step))


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


def _held(seconds: str) -> Callable[[Facts], Floats]:
    return lambda f: np.minimum(getattr(f, seconds) / _SLOW, 1).astype(np.float32)


INPUTS: tuple[Input, ...] = (
    _apart("outdoor", "outdoor_air_temperature", "return_air_temperature", 10),
    _point("outdoor_air_relative_humidity", 0.5, 0.3),
    _point("return_air_temperature", 22, 5, "return"),
    _apart("zone", "zone_air_temperature", "return_air_temperature", 2),
    _apart("mixed", "mixed_air_temperature", "return_air_temperature", 10),
    _point("mixed_air_temperature", 18, 8, "mixed_absolute"),
    _apart("supply", "supply_air_temperature", "mixed_air_temperature", 10),
    Input("tracking", "supply_air_temperature_setpoint", 3, _tracking),
    _point("outdoor_air_damper_command", 0.5, 0.5, "damper"),
    _point("heating_valve_command", 0.25, 0.25, "heating"),
    _point("cooling_valve_command", 0.25, 0.25, "cooling"),
    _point("supply_fan_speed_command", 0.6, 0.2, "speed"),
    _log_reference("flow_per_speed", "supply_air_flow", 0.2),
    _log_reference("fan_speed_excess", "supply_fan_power", 0.1),
    _log_reference("filter_pressure_per_flow", "filter_differential_pressure", 0.3),
    Input("duct", "supply_air_static_pressure", 0.2, _duct),
    _point("supply_air_static_pressure_setpoint", 220, 60, "duct_setpoint"),
    _point("hot_water_supply_temperature", 52, 8, "hot_water"),
    _point("hot_water_return_temperature", 25, 10, "hot_return"),
    _point("chilled_water_supply_temperature", 7, 3, "chilled_water"),
    _point("chilled_water_return_temperature", 16, 5, "chilled_return"),
    Input("heating_closed", "heating_valve_command", 1, _held("heating_closed_seconds")),
    Input("cooling_closed", "cooling_valve_command", 1, _held("cooling_closed_seconds")),
    Input("running", "supply_fan_status", 1, _held("running_seconds")),
    _change("mixed_air_temperature", 0.5),
    _change("supply_air_temperature", 0.5),
    _change("outdoor_air_damper_command", 0.1),
    _change("heating_valve_command", 0.1),
    _change("cooling_valve_command", 0.1),
    _change("supply_fan_speed_command", 0.1),
)
D = len(INPUTS)
INPUT_INDEX: dict[str, int] = {row.name: index for index, row in enumerate(INPUTS)}

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
TARGETS: dict[str, tuple[str, ...]] = {
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
T = len(TARGETS)
TARGET_INPUTS = np.array([INPUT_INDEX[name] for name in TARGETS])
TARGET_COLUMNS = np.array([COLUMN[INPUTS[index].point] for index in TARGET_INPUTS])
TARGET_STEPS = np.array([INPUTS[index].unit_step for index in TARGET_INPUTS], dtype=np.float32)
J = T + 2 + F  # health figures that the failure risk follows
# Shape (T, D): which input each target may see.
VISIBLE: Floats = np.array(
    [[row.name in seen for row in INPUTS] for seen in TARGETS.values()], dtype=np.float32
)  # fmt: skip

ANOMALY_INPUTS: tuple[str, ...] = (*(row.name for row in INPUTS), *(f"there_{row.name}" for row in INPUTS))
ANOMALY_OUTPUTS: tuple[str, ...] = (
    *(f"expected_{name}" for name in TARGETS),
    *(f"sigma_log_{name}" for name in TARGETS),
)


def inputs(facts: Facts) -> tuple[Floats, Bools]:
    """The columns of each minute, shape (m, D), 0 where missing, and whether they are there, shape (m, D).

    Values beyond what any healthy plant shows are cut, so that no fault leads the models far off.
    """
    x = np.empty((len(facts.rows), D), dtype=np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        for index, row in enumerate(INPUTS):
            x[:, index] = row.of(facts)
    there = np.isfinite(x)
    x = np.clip(np.where(there, x, np.float32(0)), np.float32(-6), np.float32(6))
    return x, there
