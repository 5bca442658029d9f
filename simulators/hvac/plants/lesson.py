"""Readings of a fleet over stretches of time, for training and evaluation; what lies between them passes in long steps,
or, where nothing wears, not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from simulators.hvac.plants.plant import Plant

_CHUNK_STEPS = 480
_STRIDE_SECONDS = 300.0
# A plant has settled into its short steps this long before a stretch is recorded.
_SETTLE_MS = 3_600_000


def play(
    plant: Plant, stretches: Sequence[tuple[int, float]], interval_seconds: float
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """Move a fleet through time and read it on the way.

    Args:
        plant: Standing at the start of the first stretch, or before.
        stretches: Each with its start, plant time in milliseconds, and its hours; in order of time.
        interval_seconds: Between readings.

    Yields:
        measured_at_ms, shape (n,), and values, shape (n, U, C); n at most 480, never across two stretches.
    """
    for start_ms, hours in stretches:
        if plant.wear is None:
            plant.jump(start_ms - _SETTLE_MS)
        while plant.measured_at_ms < start_ms:
            left = (start_ms - plant.measured_at_ms) / 1000
            near = plant.measured_at_ms >= start_ms - _SETTLE_MS
            plant.step(min(left, interval_seconds if near else _STRIDE_SECONDS))
        steps = round(hours * 3600 / interval_seconds)
        while steps:
            n = min(steps, _CHUNK_STEPS)
            steps -= n
            measured_at_ms = np.empty(n, dtype=np.int64)
            values = []
            for index in range(n):
                plant.step(interval_seconds)
                measured_at_ms[index] = plant.measured_at_ms
                values.append(plant.points())
            yield measured_at_ms, np.stack(values)


class Lived(NamedTuple):
    """n readings of a fleet that wears, and what was wrong with it at each: the worst severity, and whose; (n, U) each."""

    measured_at_ms: npt.NDArray[np.int64]  # (n,)
    values: npt.NDArray[np.float32]  # (n, U, C)
    severity: npt.NDArray[np.float32]
    family: npt.NDArray[np.int16]  # place in the plant's families


def live(plant: Plant, hours: float, interval_seconds: float) -> Iterator[Lived]:
    """Let a fleet live on and read it, with the truth beside; at most 480 readings at a time."""
    steps = round(hours * 3600 / interval_seconds)
    while steps:
        n = min(steps, _CHUNK_STEPS)
        steps -= n
        at_ms, values, worst, whose = np.empty(n, dtype=np.int64), [], [], []
        for index in range(n):
            plant.step(interval_seconds)
            at_ms[index] = plant.measured_at_ms
            values.append(plant.points())
            table = np.stack([plant.truth[family] for family in plant.families])
            worst.append(table.max(axis=0))
            whose.append(table.argmax(axis=0))
        yield Lived(at_ms, np.stack(values), np.stack(worst).astype(np.float32), np.stack(whose).astype(np.int16))
