"""Fleets that wear, followed as the service would follow them: what was known of each unit when, and what became of it.

truth    ____________________/‾‾‾‾‾‾‾‾‾ 1, failed      severity of the worst part
seen       . . . . . . . . . . . . .                   inputs of the risk model, every six hours
told                 ▲ episode opened                  lead time: from here to the failure
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from models.contracts.frame import as_sent
from models.contracts.layout import layout_for
from models.contracts.lesson import Lesson
from models.hvac import episodes, features, risk
from models.hvac.families import FAMILIES_OF
from models.hvac.kinds import KINDS
from models.hvac.monitor import Monitor
from models.hvac.points import Bools, Floats, Ints

_HOUR_MS = 3_600_000
_WEEK_HOURS = 168.0
_SEEN_EVERY_MS = 6 * _HOUR_MS
# Below it a unit counts as healthy: an alert then is false.
HEALTHY_SEVERITY = 0.05
# A part that fails from less than this in one step was not worn out: nothing could have told.
_WORN_SEVERITY = 0.5


class Lived(Protocol):
    """n readings of a fleet and the truth beside them, as simulators give them."""

    @property
    def measured_at_ms(self) -> Ints:
        """Shape (n,)."""

    @property
    def values(self) -> Floats:
        """Shape (n, U, C)."""

    @property
    def severity(self) -> Floats:
        """Of the worst part of each unit, shape (n, U)."""

    @property
    def family(self) -> npt.NDArray[np.int16]:
        """Which part that is, as a place among the plant's families, shape (n, U)."""


# Plays a lesson in which parts wear.
LivingPlant = Callable[[Lesson], tuple[tuple[str, ...], Iterator[Lived]]]


class Told(NamedTuple):
    """An episode that opened: whose, what was said, what was true."""

    unit: int
    family: str
    opened_at_ms: int
    severity: float
    true_family: str


@dataclass(slots=True)
class FleetLife:
    """Of N moments of U units' lives, until each fails: what the risk model saw, what it said, and what was left."""

    inputs: Floats  # (N, columns of the risk model)
    probability: Floats  # (N, H), NaN without a risk model
    hours_low: Floats  # (N,)
    hours_high: Floats  # (N,)
    left_hours: Floats  # (N,): to the failure, or to the end of the record
    recorded_hours: Floats  # (N,): to the end of the record
    failed: Bools  # (N,): whether it was a failure
    unit: Ints  # (N,)
    told: list[Told]
    failed_at_ms: Ints  # (U,), -1: never
    worn: Bools  # (U,): whether it failed by wear
    healthy_unit_weeks: float

    def lead_hours(self) -> list[float]:
        """For each unit that wore out: from the first right alert to its failure, 0 if none came."""
        leads = []
        for unit in np.flatnonzero((self.failed_at_ms >= 0) & self.worn):
            end = int(self.failed_at_ms[unit])
            opened = [
                one.opened_at_ms
                for one in self.told
                if one.unit == unit and one.severity >= HEALTHY_SEVERITY and one.opened_at_ms <= end
            ]
            leads.append((end - min(opened, default=end)) / _HOUR_MS)
        return leads

    def false_episodes(self) -> Ints:
        """Episodes that opened while the unit was healthy, shape (U,)."""
        false = [one.unit for one in self.told if one.severity < HEALTHY_SEVERITY]
        return np.bincount(false, minlength=len(self.failed_at_ms)).astype(np.int64)


def follow(plant: LivingPlant, lesson: Lesson, monitor: Monitor) -> FleetLife:
    """Run a monitor over a fleet until its units fail, as an agent and a worker would."""
    kind = KINDS[lesson.equipment]
    truth_families, chunks = plant(lesson)
    layout = layout_for(lesson.equipment, lesson.channels)
    positions = features.positions(kind, layout)
    units = lesson.units
    rows, interval_ms = np.arange(units), np.full(units, round(lesson.interval_seconds * 1000))
    state = features.new_state(units)
    failed_at_ms, worn = np.full(units, -1, dtype=np.int64), np.zeros(units, dtype=bool)
    before = np.zeros(units, dtype=np.float32)
    seen: dict[str, list[npt.NDArray[np.generic]]] = {name: [] for name in ("x", "p", "low", "high", "at", "unit")}
    told: list[Told] = []
    healthy_steps = 0
    now_ms = lesson.start_at_ms
    for chunk in chunks:
        sent = as_sent(np.ascontiguousarray(chunk.values.transpose(1, 2, 0)), layout)
        values = features.gather(sent, None, positions)
        first_ms = int(chunk.measured_at_ms[0])
        for minutes in features.fold(state, kind, rows, np.full(units, first_ms), interval_ms, values):
            now_ms = int(minutes.minute_at_ms[0])
            at = min(max((now_ms - first_ms) // int(interval_ms[0]), 0), len(chunk.measured_at_ms) - 1)
            severity = chunk.severity[at]
            gone = (severity >= 1) & (failed_at_ms < 0)
            failed_at_ms[gone], worn[gone] = now_ms, before[gone] >= _WORN_SEVERITY
            before = severity
            alive = failed_at_ms < 0
            healthy_steps += int((alive & (severity < HEALTHY_SEVERITY)).sum())
            verdicts = monitor.step(state, minutes)
            for change in episodes.decide(state, verdicts, monitor.settings.episodes):
                if change.transition == "opened" and alive[change.row]:
                    true = truth_families[int(chunk.family[at, change.row])]
                    told.append(Told(change.row, change.family, change.opened_at_ms, float(severity[change.row]), true))
            if now_ms % _SEEN_EVERY_MS < interval_ms[0]:
                some = np.flatnonzero(alive & (state["health_minutes"] > 0))
                seen["x"].append(risk.risk_inputs(state, kind, some, np.full(len(some), now_ms)))
                seen["p"].append(verdicts.failure_probability[some])
                seen["low"].append(verdicts.hours_to_failure_low[some])
                seen["high"].append(verdicts.hours_to_failure_high[some])
                seen["at"].append(np.full(len(some), now_ms))
                seen["unit"].append(some)
    unit, at_ms = np.concatenate(seen["unit"]).astype(np.int64), np.concatenate(seen["at"]).astype(np.int64)
    failed = failed_at_ms[unit] >= 0
    left = (np.where(failed, failed_at_ms[unit], now_ms) - at_ms) / _HOUR_MS
    return FleetLife(
        np.concatenate(seen["x"]).astype(np.float32),
        np.concatenate(seen["p"]).astype(np.float32),
        np.concatenate(seen["low"]).astype(np.float32),
        np.concatenate(seen["high"]).astype(np.float32),
        left.astype(np.float32),
        ((now_ms - at_ms) / _HOUR_MS).astype(np.float32),
        failed,
        unit,
        told,
        failed_at_ms,
        worn,
        healthy_steps * lesson.interval_seconds / 3600 / _WEEK_HOURS,
    )


def families_told(lives: Sequence[FleetLife], equipment: str) -> dict[str, tuple[int, int]]:
    """For each family how many alerts named it rightly, and how many named it while a part was worn at all."""
    found = dict.fromkeys(FAMILIES_OF[equipment], (0, 0))
    for life in lives:
        for one in life.told:
            if one.severity >= HEALTHY_SEVERITY:
                right, all_of = found[one.family]
                found[one.family] = (right + (one.family == one.true_family), all_of + 1)
    return found


def pooled(lives: Sequence[FleetLife]) -> FleetLife:
    """Several fleets as one, their units numbered on."""
    before = np.cumsum([0, *(len(life.failed_at_ms) for life in lives)])
    units = [life.unit + first for life, first in zip(lives, before[:-1], strict=True)]
    told = [
        one._replace(unit=one.unit + int(first))
        for life, first in zip(lives, before[:-1], strict=True)
        for one in life.told
    ]
    return FleetLife(
        np.concatenate([life.inputs for life in lives]),
        np.concatenate([life.probability for life in lives]),
        np.concatenate([life.hours_low for life in lives]),
        np.concatenate([life.hours_high for life in lives]),
        np.concatenate([life.left_hours for life in lives]),
        np.concatenate([life.recorded_hours for life in lives]),
        np.concatenate([life.failed for life in lives]),
        np.concatenate(units),
        told,
        np.concatenate([life.failed_at_ms for life in lives]),
        np.concatenate([life.worn for life in lives]),
        sum(life.healthy_unit_weeks for life in lives),
    )
