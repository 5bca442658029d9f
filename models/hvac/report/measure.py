"""Measures how a monitor finds faults, on simulated fleets: `detection.json` holds what comes of it.

    severity 1 ┤                      ╱     grows over two months, in each season
               │               ╱
             0 ┼─────┬──┬──┬──┬──┬──┬──▶    one day in six is watched, as the monitor would live
           two days of learning

The severity at which the right episode opens is kept; what opens in healthy units beside them is false.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.contracts.lesson import Lesson, Planted
from models.hvac import curriculum, episodes, features
from models.hvac.curriculum import Plant
from models.hvac.families import FAMILIES_OF
from models.hvac.monitor import Monitor
from models.hvac.report.detection import ABRUPT, Case, Detection, KindDetection, curve

# Has no family of its own in plants: a sensor fault is planted by point.
_UNPLANTED = frozenset({"sensor_fault"})
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_WEEK_MS = 7 * _DAY_MS
_YEAR_START_MS = 1_767_571_200_000  # Monday 5 January 2026, 00:00
_SEASON_MS = 91 * _DAY_MS
_LEARNING_HOURS = 48.0
_GROWTH_DAYS = 56.0
_WATCHED_EVERY_DAYS = 6
_HEALTHY_FRACTION = 0.2


class Watched(NamedTuple):
    """What a monitor made of some lessons."""

    cases: list[Case]
    delays_hours: list[float]
    false_families: list[str]  # of what opened in healthy units
    healthy_unit_weeks: float


def lessons(
    equipment: str, simulated: Sequence[str], units: int = 60, seed: int = 61_000, seasons: int = 4
) -> list[Lesson]:
    """Fleets of one kind in which one family grows in each of most units; the others stay healthy.

    Args:
        equipment: The kind.
        simulated: Families that its plants can have; those of them that the monitor knows are planted in turn.
        units: In each lesson.
        seed: Of everything that is drawn.
        seasons: One lesson each, 1 to 4.
    """
    families = [family for family in FAMILIES_OF[equipment] if family in simulated and family not in _UNPLANTED]
    healthy = round(_HEALTHY_FRACTION * units)
    out = []
    for season in range(seasons):
        rng = np.random.default_rng([seed, season])
        start_ms = _YEAR_START_MS + season * _SEASON_MS
        faults = []
        for place, unit in enumerate(range(healthy, units)):
            family = families[(place + season) % len(families)]
            abrupt = family in ABRUPT
            severity = float(rng.uniform(0.15, 1.0)) if abrupt else 0.0
            faults.append(
                Planted(
                    unit,
                    family,
                    start_ms + round(rng.uniform(2.2, 6.0) * _DAY_MS),
                    severity,
                    0.0 if abrupt else 1 / _GROWTH_DAYS,
                    float(rng.uniform(0, 0.2) if rng.random() < 0.5 else rng.uniform(0.8, 1)),
                    1 if rng.random() < 0.5 else -1,
                )
            )
        days = np.arange(_WATCHED_EVERY_DAYS, _GROWTH_DAYS + 6, _WATCHED_EVERY_DAYS)
        stretches = ((start_ms, _LEARNING_HOURS), *((int(start_ms + day * _DAY_MS), 24.0) for day in days))
        hours = (stretches[-1][0] - start_ms) / _HOUR_MS + 24.0
        out.append(
            Lesson(
                f"growing {equipment} {season}", units, seed + season, start_ms, hours, 60.0, tuple(faults),
                equipment, stretches, "unseen",
            )
        )  # fmt: skip
    return out


def watch(plant: Plant, monitor: Monitor, lesson: Lesson) -> Watched:
    """Run the monitor over a lesson as an agent would, and hold what opened against what was planted."""
    state = features.new_state(lesson.units)
    opened: list[tuple[int, str, int]] = []
    days: list[int] = []
    for recording in curriculum.record(plant, lesson):
        for minutes in curriculum.minutes_of(recording):
            at_ms = int(minutes.minute_at_ms[0])
            if not days or at_ms - days[-1] >= _DAY_MS:
                days.append(at_ms)
            verdicts = monitor.step(state, minutes)
            opened += [
                (change.row, change.family, at_ms)
                for change in episodes.decide(state, verdicts, monitor.settings.episodes)
                if change.transition == "opened"
            ]
    return judge(lesson, opened, days)


def judge(lesson: Lesson, opened: Sequence[tuple[int, str, int]], days: Sequence[int]) -> Watched:
    """Hold episodes (unit, family, opened at) against the faults of a lesson that was watched from each of `days` on."""
    faulty = {fault.unit for fault in lesson.faults}
    watched_ms = sum(hours for _, hours in lesson.stretches) * _HOUR_MS
    cases, delays = [], []
    for fault in lesson.faults:
        seen = [day for day in days if day + _DAY_MS > fault.at_ms]
        if not seen:
            continue
        right = [
            at for unit, family, at in opened if (unit, family) == (fault.unit, fault.family) and at >= fault.at_ms
        ]
        at_ms = min(right, default=None)
        if at_ms is None:
            cases.append(Case(fault.family, False, _severity(fault, seen[-1] + _DAY_MS), 0.0, float(len(seen))))
            continue
        earlier = [day + _DAY_MS for day in seen if day + _DAY_MS <= at_ms]
        before = _severity(fault, earlier[-1]) if earlier and fault.growth_per_day else 0.0
        cases.append(Case(fault.family, True, _severity(fault, at_ms), before, float(len(earlier) + 1)))
        if not fault.growth_per_day:
            unwatched = sum(
                max(0, b - max(a + _DAY_MS, fault.at_ms))
                for a, b in itertools.pairwise(days)
                if fault.at_ms < b <= at_ms
            )
            delays.append((at_ms - fault.at_ms - unwatched) / _HOUR_MS)
    false = [family for unit, family, _ in opened if unit not in faulty]
    return Watched(cases, delays, false, (lesson.units - len(faulty)) * watched_ms / _WEEK_MS)


def _severity(fault: Planted, at_ms: int) -> float:
    return float(min(1.0, fault.severity + fault.growth_per_day * max(0, at_ms - fault.at_ms) / _DAY_MS))


def summarize(watched: Sequence[Watched]) -> KindDetection:
    """Curves and rates of one kind of equipment from all of its lessons."""
    cases = [case for one in watched for case in one.cases]
    families = sorted({case.family for case in cases})
    delays = [delay for one in watched for delay in one.delays_hours]
    weeks = max(sum(one.healthy_unit_weeks for one in watched), 1e-9)
    false = Counter(family for one in watched for family in one.false_families)
    return KindDetection(
        {
            family: curve([case for case in cases if case.family == family], false[family] / weeks / 7)
            for family in families
        },
        round(false.total() / weeks, 4),
        round(weeks, 1),
        round(float(np.median(delays)), 2) if delays else 24.0,
    )


def measure(
    plant: Plant,
    monitor: Monitor,
    simulated: Mapping[str, Sequence[str]],
    units: int = 60,
    seed: int = 61_000,
    seasons: int = 4,
) -> Detection:
    """Measure a monitor on simulated fleets of climates and units that no training has met.

    Args:
        plant: Plays a lesson.
        monitor: With its models and thresholds.
        simulated: Families that plants can have, by kind; these kinds are measured.
        units: In each lesson; a fifth of them stay healthy.
        seed: Apart from those of training.
        seasons: Of the year, 1 to 4.
    """
    kinds = {
        kind: summarize([watch(plant, monitor, lesson) for lesson in lessons(kind, families, units, seed, seasons)])
        for kind, families in simulated.items()
    }
    measured = f"simulated fleets, climates and units unseen in training, {units} units in each of {seasons} seasons"
    return Detection(monitor.version, measured, kinds)
