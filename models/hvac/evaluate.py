"""The shipped monitor on simulated units that no training has seen: what it finds, how soon, and how often it cries wolf.

Seeds lie apart from the curriculum's, so units, weather and faults are new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.contracts.figures import Figure, wilson
from models.contracts.lesson import Lesson, Planted
from models.hvac import curriculum, episodes, features
from models.hvac.curriculum import Plant
from models.hvac.families import AHU_FAMILIES as FAMILIES
from models.hvac.monitor import Monitor

_SEED = 91_000
_HOUR_MS = 3_600_000
_WEEK_MS = 7 * 86_400_000
# A fault of less is real but may be within what a healthy plant shows.
_SEVERITY_MIN = 0.6
_BOOTSTRAPS = 500


@dataclass(slots=True)
class _Opened:
    """Episodes of one lesson: (unit, family, plant time of opening)."""

    episodes: list[tuple[int, str, int]] = field(default_factory=list)


def evaluate(plant: Plant, monitor: Monitor, lessons_max: int = 6, units: int = 48) -> list[Figure]:
    """Score a monitor on fresh simulated fleets.

    Args:
        plant: Plays a lesson.
        monitor: With its models and thresholds.
        lessons_max: Healthy and faulty lessons of each kind, spread over the year.
        units: In each lesson.

    Returns:
        For each family the fraction of faults (severity 0.6 or more) that opened the right episode in the lesson, and the
        median plant minutes that took; then the fraction of alerts that named the right family, and false episodes a
        unit-week.
    """
    faulty = _spread(curriculum.faulty_lessons(seed=_SEED, units=units), lessons_max)
    healthy = _spread(curriculum.healthy_lessons(seed=_SEED + 500, units=units), lessons_max)
    found: dict[str, list[float]] = {family: [] for family in FAMILIES}  # minutes until found; inf: never
    right = named = 0
    for lesson in faulty:
        opened = _play(plant, monitor, lesson).episodes
        for fault in lesson.faults:
            own = [(family, at_ms) for unit, family, at_ms in opened if unit == fault.unit and at_ms >= fault.at_ms]
            named += len(own)
            right += sum(family == fault.family for family, _ in own)
            if fault.severity >= _SEVERITY_MIN:
                found[fault.family].append(_minutes_until(fault, own))
    false_by_unit: list[int] = []
    watched_ms = 0
    for lesson in healthy:
        opened = _play(plant, monitor, lesson).episodes
        false_by_unit += np.bincount([unit for unit, _, _ in opened], minlength=lesson.units).tolist()
        watched_ms += round(lesson.hours * _HOUR_MS) * lesson.units
    return _figures(found, right, named, false_by_unit, watched_ms)


def _spread(lessons: Sequence[Lesson], most: int) -> list[Lesson]:
    """At most so many of them, spread over the year."""
    return [lessons[index] for index in np.unique(np.linspace(0, len(lessons) - 1, most).astype(int))]


def _play(plant: Plant, monitor: Monitor, lesson: Lesson) -> _Opened:
    """Run the monitor over a lesson as an agent would."""
    state = features.new_state(lesson.units)
    out = _Opened()
    for recording in curriculum.record(plant, lesson):
        for minutes in curriculum.minutes_of(recording):
            verdicts = monitor.step(state, minutes)
            out.episodes += [
                (change.row, change.family, change.opened_at_ms)
                for change in episodes.decide(state, verdicts, monitor.settings.episodes)
                if change.transition == "opened"
            ]
    return out


def _minutes_until(fault: Planted, own: Sequence[tuple[str, int]]) -> float:
    times = [at_ms for family, at_ms in own if family == fault.family]
    return (min(times) - fault.at_ms) / 60_000 if times else np.inf


def _figures(
    found: dict[str, list[float]], right: int, named: int, false_by_unit: Sequence[int], watched_ms: int
) -> list[Figure]:
    figures = []
    for family, minutes in found.items():
        hits = sum(np.isfinite(minutes))
        low, high = wilson(int(hits), len(minutes))
        share = hits / len(minutes) if minutes else np.nan
        figures.append(Figure(f"evaluate.detected.{family}", float(share), "fraction", low, high))
        if hits:
            figures.append(
                Figure(
                    f"evaluate.minutes_to_detect.{family}",
                    float(np.median([m for m in minutes if np.isfinite(m)])),
                    "minutes",
                )
            )
    low, high = wilson(right, named)
    figures.append(Figure("evaluate.right_family", right / max(named, 1), "fraction", low, high))
    unit_weeks = watched_ms / _WEEK_MS
    counts = np.array(false_by_unit)
    draw = np.random.default_rng(_SEED)
    sums = [draw.choice(counts, len(counts)).sum() / unit_weeks for _ in range(_BOOTSTRAPS)]
    bounds = np.quantile(sums, (0.025, 0.975))
    figures.append(
        Figure(
            "evaluate.false_episodes_per_unit_week",
            float(counts.sum() / unit_weeks),
            "episodes",
            float(bounds[0]),
            float(bounds[1]),
        )
    )
    return figures
