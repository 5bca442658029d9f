"""The catalogue's conditions on sensors and control outputs of any equipment: the worst one of the unit counts.

`culprits` tells which one it was, for the sentence that people read; it is asked only where a rule has been confirmed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.hvac.conditions import either, when
from models.hvac.facts import NAN, Facts
from models.hvac.points import Floats, Rows
from models.hvac.rules_settings import SensorRules
from models.hvac.settings import RuleSettings
from models.hvac.windows import ANY_SENSOR, OUTDOOR, tuned, watched

_NOTHING_FOUND = np.array(-1, dtype=np.float32)
_NOTHING = np.array(-np.inf, dtype=np.float32)
_ONE, _THREE = np.array(1, dtype=np.float32), np.array(3, dtype=np.float32)


def _worst(values: Floats) -> Floats:
    """The largest along the last axis, NaN where nothing could be judged."""
    largest: Floats = np.fmax.reduce(values, axis=1)
    return largest


def _outside_range(f: Facts, s: SensorRules) -> Floats:
    """How far beyond its range, as a share of it, (m, P)."""
    limits = tuned(f.kind.points, s)
    beyond: Floats = (np.abs(f.now - limits.middle) - limits.half) / limits.span
    return beyond


def out_of_range(f: Facts, s: RuleSettings) -> Floats:
    return _worst(_outside_range(f, s.sensor))


def flat_line(f: Facts, s: RuleSettings) -> Floats:
    return _worst(f.windows.steady_hours) - np.float32(s.sensor.flatline_hours)


def jumps(f: Facts, _: RuleSettings) -> Floats:
    over: Floats = f.windows.jump[..., ANY_SENSOR] - np.float32(1)
    return over


def outdoor_jumps(f: Facts, s: RuleSettings) -> Floats:
    over: Floats = f.windows.jump[..., OUTDOOR] - np.float32(s.sensor.outdoor_spike_celsius)
    return when(f.known("outdoor_air_temperature"), either(np.isnan(over), _NOTHING_FOUND, over))


def stale(f: Facts, s: RuleSettings) -> Floats:
    over: Floats = f.windows.stale_hours - np.float32(s.sensor.stale_hours)
    return over


def _too_fast(f: Facts, s: SensorRules) -> Floats:
    """Sustained change over what the quantity allows, less 1, (m, P)."""
    allowed = np.where(f.windows.transition, _THREE, _ONE).reshape(-1, 1)
    over: Floats = f.windows.rate / (tuned(f.kind.points, s).rate * allowed) - 1
    return over


def changes_too_fast(f: Facts, s: RuleSettings) -> Floats:
    return _worst(_too_fast(f, s.sensor))


def _hunting(f: Facts, s: SensorRules) -> Floats:
    """The least met of travel, span, cycles and reversals over its limit, less 1, (m, C): all must be reached."""
    c = len(watched(f.kind.points).outputs)
    travel, span, turns = f.windows.travel[:, :c], f.windows.span[:, :c], f.windows.reversals[:, :c]
    cycles = np.where(span > 0, travel / (2 * span), np.float32(0))
    met = np.minimum(travel / np.float32(s.hunting_travel), span / np.float32(s.hunting_span_fraction))
    met = np.minimum(met, np.minimum(cycles / np.float32(s.hunting_cycles), turns / np.float32(s.hunting_reversals)))
    read = ~np.isnan(f.now[:, watched(f.kind.points).outputs])
    return np.where(read, met - 1, NAN)


def output_hunts(f: Facts, s: RuleSettings) -> Floats:
    covered = f.windows.hour_coverage >= s.sensor.hunting_coverage_fraction
    if not (f.windows.travel >= s.sensor.hunting_travel * (1 - 1e-5)).any():  # as nearly always
        told = (~np.isnan(f.now[:, watched(f.kind.points).outputs])).any(axis=1)
        return when(covered & told, _NOTHING_FOUND)
    return when(covered, _worst(_hunting(f, s.sensor)))


def _steady(f: Facts, _: SensorRules) -> Floats:
    return f.windows.steady_hours


_BY_POINT: dict[str, Callable[[Facts, SensorRules], Floats]] = {
    "SV-RANGE": _outside_range,
    "SV-FLATLINE": _steady,
    "SV-RATE": _too_fast,
    "PID-HUNT-1": _hunting,
}


def culprits(rule: str, f: Facts, s: RuleSettings) -> Rows:
    """Slot of the point by which one of these rules holds, shape (m,); -1 for a rule that is about no single one."""
    if rule == "SV-SPIKE":
        return f.windows.jump_column.astype(np.intp)
    if rule not in _BY_POINT:
        return np.full(len(f.rows), -1, dtype=np.intp)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = _BY_POINT[rule](f, s.sensor)
    column: Rows = np.where(np.isnan(values), _NOTHING, values).argmax(axis=1)
    return watched(f.kind.points).outputs[column] if rule == "PID-HUNT-1" else column
