"""Lessons for the kinds of equipment beside the shipped air handler: units that are met in one season and live through all.

    healthy   | 36 hours |  . . two months . . | a day |  . . two months . . | a day | ...   the year round
    faulty    | 36 hours |  . . . weeks . . . | hours before, fault, seven hours |

So what a unit taught of itself in its first day and a half is what it is held against in another season, as in service.
"""

from __future__ import annotations

import numpy as np

from models.contracts.lesson import Lesson, Planted
from models.hvac.kinds import KINDS

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_YEAR_START_MS = 1_767_571_200_000  # Monday 5 January 2026, 00:00
_FIRST_HOURS = 36.0
_INTERVAL_SECONDS = 60.0
# Readings every five minutes, and lives a third as long as the table says: enough failures in a season.
WEAR_SECONDS = 300.0
WEAR_TIMES = 3.0
_SEASONS = 4
_SEASON_MS = 91 * _DAY_MS


def healthy_years(equipment: str, seed: int = 11_000, units: int = 24, days: int = 6) -> list[Lesson]:
    """Healthy fleets, one met in each season, seen on a day and its night every two months from then on."""
    lessons = []
    for season in range(_SEASONS):
        start_ms = _YEAR_START_MS + season * _SEASON_MS
        stretches = [(start_ms, _FIRST_HOURS)]
        # 54 days apart: round the year, and every day of the week comes.
        stretches += [(start_ms + (2 + 54 * (day + 1)) * _DAY_MS, 24.0) for day in range(days)]
        lessons.append(_lesson(f"healthy {equipment} {season}", equipment, units, seed + season, tuple(stretches)))
    return lessons


def faulty_days(equipment: str, seed: int = 12_000, units: int = 96, number: int = 8) -> list[Lesson]:
    """Fleets with a fault in every unit, of every severity, each planted within a working day of some week of the year."""
    families = KINDS[equipment].models.families
    lessons = []
    for index in range(number):
        rng = np.random.default_rng([seed, index])
        start_ms = _YEAR_START_MS + (index % _SEASONS) * _SEASON_MS
        day_ms = start_ms + int(7 * rng.integers(1, 40) + rng.integers(0, 5)) * _DAY_MS
        begin_ms = day_ms + round(float(rng.uniform(5, 12)) * _HOUR_MS)
        faults = tuple(
            Planted(
                unit,
                families[unit % len(families)],
                begin_ms + round(rng.uniform(0.5, 3) * _HOUR_MS),
                float(rng.uniform(0.12, 0.97)),
                0.0,
                float(rng.uniform(0, 0.2) if rng.random() < 0.5 else rng.uniform(0.8, 1)),
                1 if rng.random() < 0.5 else -1,
            )
            for unit in range(units)
        )
        stretches = ((start_ms, _FIRST_HOURS), (begin_ms, 9.0))
        lessons.append(_lesson(f"faulty {equipment} {index}", equipment, units, seed + index, stretches, faults))
    return lessons


def wearing_fleet(equipment: str, seed: int, units: int, days: float, climate: str = "mixed", start: int = 0) -> Lesson:
    """A fleet in the middle of its life that wears, fails and is not mended.

    Args:
        equipment: Kind.
        seed: Of everything.
        units: How many.
        days: How long it is watched.
        climate: `mixed`, or `unseen` for what no training has met.
        start: Season in which it begins, 0 to 3.
    """
    start_ms = _YEAR_START_MS + start * _SEASON_MS
    name = f"wearing {equipment} {climate} {seed}"
    return Lesson(name, units, seed, start_ms, days * 24, WEAR_SECONDS, (), equipment, (), climate, WEAR_TIMES)


def healthy_fleet(equipment: str, seed: int, units: int, days: float, climate: str = "mixed", start: int = 0) -> Lesson:
    """A fleet of which nothing wears, read as `wearing_fleet` is: every alert on it is false."""
    start_ms = _YEAR_START_MS + start * _SEASON_MS
    name = f"healthy {equipment} {climate} {seed}"
    stretches = ((start_ms, days * 24),)
    return Lesson(name, units, seed, start_ms, days * 24, WEAR_SECONDS, (), equipment, stretches, climate)


def _lesson(
    name: str,
    equipment: str,
    units: int,
    seed: int,
    stretches: tuple[tuple[int, float], ...],
    faults: tuple[Planted, ...] = (),
    climate: str = "mixed",
) -> Lesson:
    start_ms = stretches[0][0]
    end_ms = stretches[-1][0] + round(stretches[-1][1] * _HOUR_MS)
    hours = (end_ms - start_ms) / _HOUR_MS
    return Lesson(
        name, units, seed, start_ms, hours, _INTERVAL_SECONDS, faults, equipment, stretches, climate
    )  # fmt: skip
