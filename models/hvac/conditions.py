"""When a rule is judged at all, and the two words in which the catalogue's conditions are written.

A condition gives its excess over the threshold for every unit at once, in its own unit: above 0 it holds. `only` puts a
value well below 0 where the other half of a condition is not met: the rule was looked at and does not hold. Of one unit
alone a condition gets numbers instead of arrays (`Facts.numbers`), for which a plain `if` is the cheaper `where`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models.hvac.facts import NAN, Facts
from models.hvac.points import Bools, Floats, Rows
from models.hvac.rules_settings import PlantRules
from models.hvac.settings import RuleSettings

if TYPE_CHECKING:
    from models.hvac.kinds import Kind

_NOT_MET = np.array(-1, dtype=np.float32)


def only(condition: Bools, margin: npt.NDArray[np.floating]) -> Floats:
    """The margin where the condition is met, a value below 0 elsewhere."""
    if not condition.ndim:
        return margin if condition else _NOT_MET
    return np.where(condition, margin, _NOT_MET)


def when(known: Bools, value: Floats) -> Floats:
    """The value where it can be told, NaN (no verdict) elsewhere."""
    if not known.ndim:
        return value if known else NAN
    return np.where(known, value, NAN)


def either(condition: Bools, value: Floats, other: Floats) -> Floats:
    """One value where the condition is met, another elsewhere."""
    if not condition.ndim:
        return value if condition else other
    return np.where(condition, value, other)


@lru_cache(maxsize=256)
def _slots(kind: Kind, points: tuple[str, ...]) -> Rows:
    return np.array([kind.slot[point] for point in points if point in kind.slot], dtype=np.intp)


def _told(f: Facts, points: tuple[str, ...]) -> Bools:
    """Whether any of these points is read, shape (m,)."""
    read: Bools = ~np.isnan(f.now[:, _slots(f.kind, points)])
    told: Bools = np.logical_or.reduce(read, axis=1)
    return told


def _running_points(f: Facts) -> tuple[str, ...]:
    return tuple(point for point, _ in f.kind.operation.running)


PLANT_PROOF: tuple[str, ...] = (
    "chiller_status", "chiller_current", "chiller_power", "compressor_status", "chilled_water_pump_status", "pump_status",
    "chilled_water_pump_speed_command", "boiler_status", "hot_water_pump_status", "hot_water_pump_speed_command",
)  # fmt: skip
MECHANICAL_PROOF: tuple[str, ...] = (
    "compressor_status", "compressor_power", "compressor_current", "chiller_status", "chiller_power", "chiller_current",
    "dx_cooling_command", "chilled_water_pump_status",
)  # fmt: skip
FLOW_PROOF: tuple[str, ...] = ("zone_air_flow", "supply_fan_status", "supply_fan_speed_command")


@lru_cache(maxsize=256)
def _least(kind: Kind, points: tuple[str, ...], s: PlantRules) -> Floats:
    """Above which each of the points that the kind has says on, shape (k,)."""
    least = {"_power": s.power_on_watts, "_current": s.current_on_amperes}
    there = [point for point in points if point in kind.slot]
    return np.array([least.get(point[point.rfind("_") :], 0.05) for point in there], dtype=np.float32)


def proven(f: Facts, points: tuple[str, ...], s: RuleSettings) -> Bools:
    """Whether any of these points says that the machine is on, shape (m,)."""
    says_on: Bools = f.now[:, _slots(f.kind, points)] > _least(f.kind, points, s.plant)
    on: Bools = np.logical_or.reduce(says_on, axis=1)
    return on


def _any(f: Facts, _: RuleSettings) -> Bools:
    return np.ones(len(f.rows), dtype=bool)


def _fan(f: Facts, _: RuleSettings) -> Bools:
    return f.settled


def _fan_if_told(f: Facts, _: RuleSettings) -> Bools:
    return f.settled if f.settled.all() else f.settled | ~_told(f, _running_points(f))


def _steady(f: Facts, s: RuleSettings) -> Bools:
    """Delay of a mode change: Guideline 36 judges its fault conditions in a settled operating mode only."""
    return f.windows.mode_seconds >= s.air.mode_delay_seconds


def _mode(f: Facts, s: RuleSettings) -> Bools:
    return _fan(f, s) & _steady(f, s)


def _mode_if_told(f: Facts, s: RuleSettings) -> Bools:
    return _fan_if_told(f, s) & _steady(f, s)


def _flow(f: Facts, s: RuleSettings) -> Bools:
    """Air flows through a terminal unit: by its own flow, else by its fan or its air handler's, else taken as given."""
    flow = f.of("zone_air_flow")
    fan = f.running | ~_told(f, FLOW_PROOF[1:])
    flows: Bools = np.where(np.isnan(flow), fan, flow > s.terminal.flow_on_cubic_meters_per_second)
    return flows


def _plant(f: Facts, s: RuleSettings) -> Bools:
    """Machine or pump on; a machine that tells its own state has also left its start-up behind."""
    return proven(f, PLANT_PROOF, s) & (f.settled | ~f.running)


def _plant_if_told(f: Facts, s: RuleSettings) -> Bools:
    return _plant(f, s) | ~_told(f, PLANT_PROOF)


# By the name in a rule's row: whether the unit does what the rule is about.
GATES: dict[str, Callable[[Facts, RuleSettings], Bools]] = {
    "any": _any,
    "fan": _fan,
    "fan_if_told": _fan_if_told,
    "mode": _mode,
    "mode_if_told": _mode_if_told,
    "flow": _flow,
    "plant": _plant,
    "plant_if_told": _plant_if_told,
}
# What the gate means, for people.
GATE_TITLES: dict[str, str] = {
    "any": "always",
    "fan": "while the fan runs",
    "fan_if_told": "while the fan runs, if that is told",
    "mode": "while the fan runs in one mode",
    "mode_if_told": "while the fan runs in one mode, if that is told",
    "flow": "while air flows, if that is told",
    "plant": "while machine or pump are proven on",
    "plant_if_told": "while machine or pump are proven on, if that is told",
}
# Gates that need proof: without any of these points the rule cannot be judged.
GATE_PROOF: dict[str, tuple[str, ...]] = {
    "fan": ("supply_fan_status", "supply_fan_speed_command", "supply_air_flow"),
    "mode": ("supply_fan_status", "supply_fan_speed_command", "supply_air_flow"),
    "plant": PLANT_PROOF,
}
