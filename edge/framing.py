"""Samples become frames: n samples of one unit on a grid of equal intervals. Pure.

grid      |    |    |    |    |    |         measured_at_ms + i * interval_ms
samples   .    .         .    .   .          each in the slot that is nearest; its distance is the jitter
frame     [ 0    1    -    3    4  ] close   a slot without sample is missing, never 0
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edge.readings import Readings
from models.contracts.frame import Codes, Floats, Quality
from models.contracts.layout import Layout


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of this gateway. `row` is its place in everything that holds one row a unit."""

    row: int
    name: str
    layout: Layout
    interval_ms: int
    title: str = ""
    location: str = ""


@dataclass(slots=True)
class ClosedFrame:
    """A full (or ended) frame, not yet numbered: `values` (C, n) as read, `quality` (C, n)."""

    unit: Unit
    measured_at_ms: int
    values: Floats
    quality: Codes
    jitter_ms: tuple[int, ...]
    boottime_ms: int


@dataclass(slots=True)
class _Open:
    """A frame that is being filled."""

    measured_at_ms: int
    boottime_ms: int
    values: Floats
    quality: Codes
    jitter_ms: npt.NDArray[np.int64]
    filled: int = 0  # slots up to the newest sample
    seen: bool = False  # anything that is not missing


@dataclass(slots=True)
class Framer:
    """Gathers the samples of one unit. `late` counts samples that came for a slot that was already taken or sent."""

    unit: Unit
    samples: int
    late: int = 0
    _open: _Open | None = field(default=None, repr=False)
    _newest_at_ms: int | None = field(default=None, repr=False)

    def add(self, measured_at_ms: int, readings: Readings, boottime_ms: int, jitter_ms: int = 0) -> list[ClosedFrame]:
        """Put one sample in its slot.

        Args:
            measured_at_ms: Plant's time of the sample.
            readings: Shape (C,) each.
            boottime_ms: Milliseconds since the machine started, for frames of a machine that had lost its clock.
            jitter_ms: By how much it was really read later than `measured_at_ms`.

        Returns:
            Frames that are complete now: usually none or one.
        """
        interval = self.unit.interval_ms
        if self._newest_at_ms is not None and measured_at_ms <= self._newest_at_ms:
            self.late += 1
            return []
        closed: list[ClosedFrame] = []
        frame = self._open
        slot = 0 if frame is None else round((measured_at_ms - frame.measured_at_ms) / interval)
        if frame is not None and slot < frame.filled:
            self.late += 1
            return []
        if frame is not None and slot >= self.samples:
            closed += self.close()
            frame = None
        if frame is None:
            channels = len(self.unit.layout.channels)
            frame = self._open = _Open(
                measured_at_ms=measured_at_ms,
                boottime_ms=boottime_ms,
                values=np.full((channels, self.samples), np.nan, dtype=np.float32),
                quality=np.full((channels, self.samples), np.uint8(Quality.MISSING), dtype=np.uint8),
                jitter_ms=np.zeros(self.samples, dtype=np.int64),
            )
            slot = 0
        frame.values[:, slot] = readings.values
        frame.quality[:, slot] = readings.quality
        frame.jitter_ms[slot] = measured_at_ms + jitter_ms - frame.measured_at_ms - slot * interval
        frame.filled = slot + 1
        frame.seen = frame.seen or bool((readings.quality != Quality.MISSING).any())
        self._newest_at_ms = measured_at_ms
        if frame.filled == self.samples:
            closed += self.close()
        return closed

    def close_due(self, now_ms: int) -> list[ClosedFrame]:
        """Close a frame whose time is over although its last samples never came; `now_ms` is plant's time."""
        if self._open is None or now_ms < self._open.measured_at_ms + (self.samples + 1) * self.unit.interval_ms:
            return []
        return self.close()

    def close(self) -> list[ClosedFrame]:
        """Close the open frame as it is; one in which nothing at all was read is no frame."""
        frame, self._open = self._open, None
        if frame is None or not frame.seen:
            return []
        n = frame.filled
        jitter = frame.jitter_ms[:n]
        return [
            ClosedFrame(
                unit=self.unit,
                measured_at_ms=frame.measured_at_ms,
                values=frame.values[:, :n].copy(),
                quality=frame.quality[:, :n].copy(),
                jitter_ms=tuple(jitter.tolist()) if jitter.any() else (),
                boottime_ms=frame.boottime_ms,
            )
        ]
