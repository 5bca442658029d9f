"""Raw values become readings: our points, our units, and what is known of each. Pure; all points of a unit at once.

A bad value is flagged and never becomes a number that somebody could score: out of range and missing are not 0.

    value in the device's unit ──factor, offset──▶ ours ──▶ missing? out of range? stale? stuck? ──▶ quality
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.frame import Codes, Floats, Quality
from models.contracts.layout import Channel, Layout, layout_for
from models.contracts.points import POINTS
from models.contracts.units import conversion

GENERIC = "generic"


class Named(NamedTuple):
    """A point by its name and the unit in which its source tells it."""

    point: str
    unit: str


def layout_of(equipment: str, points: Sequence[Named]) -> Layout:
    """The layout of a unit with these points. Points outside the vocabulary travel as float32, in our unit."""
    if equipment != GENERIC:
        return layout_for(equipment, [named.point for named in points])
    return Layout(equipment=equipment, channels=tuple(_channel(named) for named in points))


def _channel(named: Named) -> Channel:
    row = POINTS.get(named.point)
    if row is not None:
        return Channel(point=row.name, unit=row.unit, scale=row.scale, brick=row.brick)
    return Channel(point=named.point, unit=conversion(named.unit).ours, scale=0.0)


class Readings(NamedTuple):
    """One sample of a unit: `values` (C,) in our units, NaN where missing, and the `quality` of each."""

    values: Floats
    quality: Codes


class Reader:
    """Judges the samples of one unit; remembers only for how long each value has not moved.

    Args:
        points: The points of the unit and the units of their source, in the order of its layout.
        stuck_seconds: Temperatures and humidities that stay bit for bit the same for so long are stuck; 0: never.
        stale_seconds: Values that came so much later than asked for are stale; 0: never.
    """

    def __init__(self, points: Sequence[Named], stuck_seconds: float, stale_seconds: float) -> None:
        self.points = tuple(points)
        how = [conversion(named.unit) for named in points]
        self._factor = np.array([one.factor for one in how])
        self._offset = np.array([one.offset for one in how])
        rows = [POINTS.get(named.point) for named in points]
        self.low = np.array([-np.inf if row is None else row.low for row in rows])
        self.high = np.array([np.inf if row is None else row.high for row in rows])
        self._stuck_ms = stuck_seconds * 1000
        self._stale_ms = stale_seconds * 1000
        self._watched = np.array([_moves(named.point) for named in points], dtype=bool)
        self._last = np.full(len(points), np.nan)
        self._moved_at_ms = np.zeros(len(points), dtype=np.int64)

    def judge(self, values: npt.NDArray[np.float64], measured_at_ms: int, late_ms: int = 0) -> Readings:
        """Convert and judge one sample.

        Args:
            values: Shape (C,) in the units of the source, NaN where it gave none.
            measured_at_ms: Plant's time of the sample.
            late_ms: By how much the answer came later than that.
        """
        ours = values * self._factor + self._offset
        missing = np.isnan(ours)
        with np.errstate(invalid="ignore"):
            wrong = (ours < self.low) | (ours > self.high)
        quality = np.zeros(len(ours), dtype=np.uint8)
        if self._stuck_ms:
            moved = (ours != self._last) & ~missing
            self._last[moved] = ours[moved]
            self._moved_at_ms[moved] = measured_at_ms
            stuck = self._watched & (measured_at_ms - self._moved_at_ms >= self._stuck_ms) & ~np.isnan(self._last)
            quality[stuck] = Quality.STUCK
        if self._stale_ms and late_ms > self._stale_ms:
            quality[:] = Quality.STALE
        quality[wrong] = Quality.OUT_OF_RANGE
        quality[missing] = Quality.MISSING
        return Readings(ours.astype(np.float32), quality)

    def nothing(self) -> Readings:
        """The sample of a device that did not answer."""
        return Readings(
            np.full(len(self.points), np.nan, dtype=np.float32),
            np.full(len(self.points), np.uint8(Quality.MISSING), dtype=np.uint8),
        )


def _moves(point: str) -> bool:
    """Whether a healthy sensor of this point is never still: what is set by somebody, or rests at 0, may be."""
    row = POINTS.get(point)
    if row is None or point.endswith(("_setpoint", "_command")):
        return False
    return row.unit == "celsius" or point.endswith("_relative_humidity")


def number_text(value: float) -> str:
    """A value as people write it: four significant digits, no exponent for what a plant measures."""
    return f"{value:.6g}" if abs(value) >= 1000 else f"{value:.4g}"
