"""Will this unit fail soon? Health figures, followed over running time, and what a trained hazard makes of them.

One model for all kinds of equipment gives the probability that a unit which still works at the start of an interval fails
within it (a discrete-time hazard), for intervals that end at the hours below; probabilities at the horizons, the median
time and an interval of it follow. What it sees: how far targets and fault families stood out over two hours, a day and a
week of running, the kind, how long the unit has been known and has run, and how often it started.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from models.contracts.equipment import EQUIPMENT
from models.hvac import survival
from models.hvac.anomaly import Anomaly
from models.hvac.facts import NAN, Facts, place
from models.hvac.families import FAMILY, HORIZONS_HOURS, H
from models.hvac.kinds import Kind
from models.hvac.points import Floats, Ints, Rows, State
from models.registry import Artifact

INTERVAL_ENDS_HOURS: tuple[int, ...] = (24, 72, 168, 336, 720, 1440, 2880)
K = len(INTERVAL_ENDS_HOURS)
RISK_OUTPUTS: tuple[str, ...] = tuple(f"hazard_until_{hours}h" for hours in INTERVAL_ENDS_HOURS)
# Levels between which nine of ten held-out lives ended.
RISK_LEVELS: tuple[str, ...] = ("interval.low", "interval.high")
_MEMORIES: tuple[tuple[str, float], ...] = (("health_fast", 120.0), ("health_slow", 1440.0), ("health_week", 10_080.0))
_SLOW = 1  # place of `health_slow` among them
_OVER_MAX = 6.0
_NOTHING, _ONE = np.array(0, dtype=np.float32), np.array(1, dtype=np.float32)
_HOUR_MS = 3_600_000


class Risk(NamedTuple):
    """Of m units: `probability` (m, H) of a failure within each horizon; hours to it (m,), the median and an interval.

    The median is NaN where more than half of such units outlive the last interval, the upper bound infinite where one in
    twenty or more do.
    """

    probability: Floats
    hours: Floats
    hours_low: Floats
    hours_high: Floats


_LEADING = 2  # how many of the targets that stand out most
_FIGURES = (*(f"over_{place + 1}" for place in range(_LEADING)), "filter_resistance_rise", "fan_speed_excess")
_FAMILY_INDEX = {family: place for place, family in enumerate(FAMILY)}
_KIND_INDEX = {kind: place for place, kind in enumerate(EQUIPMENT)}
RISK_INPUTS: tuple[str, ...] = (
    *(
        f"{name.removeprefix('health_')}_{figure}"
        for name, _ in _MEMORIES
        for figure in (*_FIGURES, "fault_1", "fault_2")
    ),
    *(f"slow_{family}" for family in FAMILY),
    *(f"is_{kind}" for kind in EQUIPMENT),
    "run_minutes",
    "known_hours",
    "starts_a_day",
)


def follow(state: State, facts: Facts, anomaly: Anomaly) -> None:
    """Take one minute into the slow view of each unit's health; minutes at rest or in start-up are left out."""
    at, spec = facts.at, facts.kind.models
    targets, families = len(spec.targets), len(spec.families)
    width = targets + 2 + families
    figures = np.empty((len(facts.rows), width), dtype=np.float32)
    figures[:, :targets] = np.minimum(anomaly.over, np.float32(_OVER_MAX))
    rise = facts.known_reference("filter_resistance_rise", 1)
    figures[:, targets] = 2 * np.log(np.maximum(rise, np.float32(0.5)))
    figures[:, targets + 1] = 10 * facts.known_reference("fan_speed_excess", 0)
    own = figures[:, targets : targets + 2]
    np.minimum(np.maximum(own, -2, out=own), 6, out=own)
    figures[:, targets + 2 :] = state["fault_level"][at, :families]
    took = np.where(facts.settled, facts.elapsed_minutes, _NOTHING)
    minutes = state["health_minutes"][at] + took
    for name, memory in _MEMORIES:
        # A plain mean at first, then one that forgets.
        part = took / np.maximum(np.minimum(minutes, np.float32(memory)), _ONE)
        before = state[name][at, :width]
        state[name][at, :width] = before + np.minimum(part, _ONE)[:, None] * (figures - before)
    state["health_minutes"][at] = minutes
    first = state["health_known_since_ms"][at]
    state["health_known_since_ms"][at] = np.where(first < 0, facts.at_ms, first)
    was = state["health_running"][at]
    state["health_starts"][at] += facts.running & ~was & ~facts.broken
    state["health_running"][at] = facts.running


class _Columns(NamedTuple):
    """Where inputs of the hazard model stand, of one kind of equipment."""

    families: Rows  # of the model's families, shape (families of the spec,)
    kind: int


_PER_MEMORY = len(_FIGURES) + 2
_FAMILIES_FROM = len(_MEMORIES) * _PER_MEMORY
_KINDS_FROM = _FAMILIES_FROM + len(_FAMILY_INDEX)
_EXTRA_FROM = _KINDS_FROM + len(_KIND_INDEX)


@lru_cache(maxsize=64)
def _columns(kind: Kind) -> _Columns:
    families = [_FAMILIES_FROM + _FAMILY_INDEX[family] for family in kind.models.families]
    return _Columns(np.array(families, dtype=np.intp), _KINDS_FROM + _KIND_INDEX[kind.name])


def risk_inputs(state: State, kind: Kind, rows: Rows, at_ms: Ints) -> Floats:
    """What the hazard model sees of some units of a kind, shape (m, len(RISK_INPUTS)).

    Every kind has targets and families of its own: what stands out most is compared, whatever it is.
    """
    spec, at, columns = kind.models, place(rows), _columns(kind)
    targets, families = len(spec.targets), len(spec.families)
    figures = np.empty((len(rows), len(_MEMORIES), targets + 2 + families), dtype=np.float32)
    for number, (name, _) in enumerate(_MEMORIES):
        figures[:, number] = state[name][at, : figures.shape[2]]
    inputs = np.zeros((len(rows), len(RISK_INPUTS)), dtype=np.float32)
    seen = inputs[:, :_FAMILIES_FROM].reshape(len(rows), len(_MEMORIES), _PER_MEMORY)
    seen[:, :, :_LEADING] = _leading(figures[:, :, :targets])
    seen[:, :, _LEADING:-_LEADING] = figures[:, :, targets : targets + 2]
    seen[:, :, -_LEADING:] = _leading(figures[:, :, targets + 2 :])
    inputs[:, :_FAMILIES_FROM] = seen.reshape(len(rows), _FAMILIES_FROM)
    inputs[:, columns.families] = figures[:, _SLOW, targets + 2 :]
    inputs[:, columns.kind] = 1
    hours = np.maximum(at_ms - state["health_known_since_ms"][at], 0) / _HOUR_MS
    starts = state["health_starts"][at] / np.maximum(hours / 24, 1)
    inputs[:, _EXTRA_FROM] = np.log1p(state["health_minutes"][at]) / 8
    inputs[:, _EXTRA_FROM + 1] = np.log1p(hours) / 6
    inputs[:, _EXTRA_FROM + 2] = np.log1p(starts) / 2
    return inputs


def _leading(figures: Floats) -> Floats:
    """The largest figures of each unit, falling, shape (m, memories, 2)."""
    return -np.partition(-figures, _LEADING - 1, axis=2)[:, :, :_LEADING]


def failure_risk(state: State, facts: Facts, artifact: Artifact) -> Risk:
    """Probability and time of a failure, as of this minute."""
    levels = artifact.thresholds(RISK_LEVELS)
    return survive(artifact.model(risk_inputs(state, facts.kind, facts.rows, facts.at_ms)), (levels[0], levels[1]))


def unknown(units: int) -> Risk:
    """Nothing is known of so many units: they are of a kind whose failures no model was trained on."""
    nothing = np.full(units, np.nan, dtype=np.float32)
    return Risk(np.full((units, H), np.nan, dtype=np.float32), nothing, nothing, nothing)


def survive(logits: Floats, levels: tuple[float, float]) -> Risk:
    """Hazards (m, K) as logits, turned into probabilities at the horizons, median and interval of the hours left."""
    curves = survival.curves(logits, INTERVAL_ENDS_HOURS)
    median, low, high = curves.quantiles((0.5, float(levels[0]), float(levels[1])))
    return Risk(curves.failing_within(HORIZONS_HOURS), np.where(np.isfinite(median), median, NAN), low, high)
