"""What the shipped models are trained and tested on: which simulated plants, on which days, with which faults.

This is data only. Whoever runs it brings the plant: a function that plays a lesson and gives its readings in chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from models.contracts.frame import as_sent
from models.contracts.layout import layout_for
from models.contracts.lesson import Lesson, Planted
from models.hvac import features
from models.hvac.families import AHU_FAMILIES as FAMILIES
from models.hvac.features import Minutes
from models.hvac.kinds import KINDS
from models.hvac.points import Floats, Ints

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000


# Plays a lesson: chunks of times (n,) and readings (n, U, C) of the lesson's channels, one after the other.
Plant = Callable[[Lesson], Iterator[tuple[Ints, Floats]]]


@dataclass(slots=True)
class Recording:
    """Minutes of U units side by side: `minute_at_ms` (n,), `means` (n, U, P), and the faults that are known in them."""

    minute_at_ms: Ints
    means: Floats
    faults: tuple[Planted, ...] = ()
    equipment: str = "ahu"


_DAYS = (
    "2026-01-14", "2026-02-17", "2026-03-18", "2026-04-15", "2026-05-12", "2026-06-17", "2026-07-15", "2026-08-12",
    "2026-09-16", "2026-10-14", "2026-11-18", "2026-12-09",
)  # fmt: skip


def _at_ms(day: str, hour: float) -> int:
    return round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000 + hour * _HOUR_MS)


def healthy_lessons(seed: int = 1000, units: int = 96) -> list[Lesson]:
    """A working day with its night, and a weekend's day, of each month, nothing broken."""
    lessons = []
    for number, day in enumerate(_DAYS):
        lessons.append(Lesson(f"healthy {day}", units, seed + number, _at_ms(day, 6), 26, 15))
        weekend = _at_ms(day, 6) + 3 * _DAY_MS
        lessons.append(Lesson(f"healthy {day} weekend", units, seed + 500 + number, weekend, 24, 15))
    return lessons


def faulty_lessons(seed: int = 2000, units: int = 120) -> list[Lesson]:
    """Two stretches of each month with a fault in every unit, of every severity, planted after 15 minutes or more."""
    lessons = []
    for number, day in enumerate(day for day in _DAYS for _ in range(2)):
        rng = np.random.default_rng([seed, number])
        start_ms = _at_ms(
            day,
            float(rng.uniform(6.5, 9.5) if number % 2 == 0 else rng.uniform(10, 14.5)),
        )
        faults = tuple(
            Planted(
                unit,
                FAMILIES[unit % len(FAMILIES)],
                start_ms + round(rng.uniform(0.25, 1 if unit % 2 else 4) * _HOUR_MS),
                float(rng.uniform(0.12, 0.97)),
                0.0,
                *_how(rng),
            )
            for unit in range(units)
        )
        lessons.append(
            Lesson(
                f"faulty {day} {number % 2}",
                units,
                seed + number,
                start_ms,
                7,
                15,
                faults,
            )
        )
    return lessons


def _how(rng: np.random.Generator) -> tuple[float, int]:
    """Where a stuck damper ends, and which way a sensor drifts."""
    stuck = rng.uniform(0, 0.2) if rng.random() < 0.5 else rng.uniform(0.8, 1)
    return float(stuck), 1 if rng.random() < 0.5 else -1


def record(plant: Plant, lesson: Lesson) -> Iterator[Recording]:
    """A lesson as minutes, chunk by chunk, made as in service: on the grid of the frames, then folded."""
    layout = layout_for(lesson.equipment, lesson.channels)
    kind = KINDS[lesson.equipment]
    positions = features.positions(kind, layout)
    rows = np.arange(lesson.units)
    state = features.new_state(lesson.units)
    interval_ms = np.full(lesson.units, round(lesson.interval_seconds * 1000))
    for times, readings in plant(lesson):
        sent = as_sent(np.ascontiguousarray(readings.transpose(1, 2, 0)), layout)
        values = features.gather(sent, None, positions)
        done = list(features.fold(state, kind, rows, np.full(lesson.units, times[0]), interval_ms, values))
        if done:
            minute_at_ms = np.array([minutes.minute_at_ms[0] for minutes in done])
            yield Recording(
                minute_at_ms,
                np.stack([minutes.means for minutes in done]),
                lesson.faults,
                lesson.equipment,
            )


def minutes_of(recording: Recording) -> Iterator[Minutes]:
    """A recording minute by minute, all units in each."""
    units = recording.means.shape[1]
    rows, whole = np.arange(units), np.ones(units, dtype=np.float32)
    kind = KINDS[recording.equipment]
    for at_ms, means in zip(recording.minute_at_ms, recording.means, strict=True):
        yield Minutes(kind, rows, np.full(units, at_ms), means, whole)


def recorded(plant: Plant, lesson: Lesson) -> Recording:
    """A whole lesson at once; for those that fit into memory."""
    chunks = list(record(plant, lesson))
    at_ms = np.concatenate([chunk.minute_at_ms for chunk in chunks])
    return Recording(at_ms, np.concatenate([chunk.means for chunk in chunks]), lesson.faults, lesson.equipment)
