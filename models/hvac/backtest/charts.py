"""Drawings of the report: SVG that stretches to any width, made by us; no script is needed to see them. Pure.

Every drawing is 1,200 wide and 100 high in its own coordinates, whatever its size on the screen; words stand beside it as
HTML, so that they stay legible on a phone. More rows than fit are drawn as the lowest and highest value of each column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from html import escape

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Values = npt.NDArray[np.floating]

WIDTH = 1200
_GAP_STEPS = 3.5  # a line is broken where nothing was read for so many usual steps
_TICK_STEPS_SECONDS = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 345_600,
    604_800, 1_209_600, 2_592_000, 7_776_000, 15_552_000, 31_536_000,
)  # fmt: skip
_TICKS_MAX = 8


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a drawing covers, and its zone."""

    first_ms: int
    last_ms: int
    zone: tzinfo

    def x(self, at_ms: Ints) -> npt.NDArray[np.float64]:
        """Where instants stand, 0 to `WIDTH`."""
        share = (at_ms - self.first_ms) / max(1, self.last_ms - self.first_ms)
        return np.asarray(share * WIDTH, dtype=np.float64)

    def column(self, at_ms: Ints) -> npt.NDArray[np.intp]:
        """The column of pixels of each instant."""
        return np.clip(self.x(at_ms).astype(np.intp), 0, WIDTH - 1)


@dataclass(frozen=True, slots=True)
class Axis:
    """The values at the bottom and at the top of a drawing."""

    low: float
    high: float
    logarithmic: bool = False

    def y(self, values: Values) -> npt.NDArray[np.float64]:
        """Where values stand, 0 at the top to 100."""
        low, high, wide = self.low, self.high, values.astype(np.float64)
        if self.logarithmic:
            low, high, wide = np.log(low), np.log(high), np.log(np.maximum(wide, low))
        return np.asarray(np.clip(100 - (wide - low) * (100 / (high - low)), -2, 102), dtype=np.float64)


def axis_of(values: Values) -> Axis:
    """An axis with round ends that holds the values, but for the most extreme thousandth."""
    known = values[np.isfinite(values)]
    bottom, top = (float(np.quantile(known, q)) for q in (0.001, 0.999)) if len(known) else (0.0, 1.0)
    top = max(top, bottom + 1e-9)
    step = 10 ** np.floor(np.log10(max(top - bottom, 1e-6) / 2))
    for nice in (1, 2, 5, 10):
        if (top - bottom) / (step * nice) <= 4:
            step *= nice
            break
    ends = np.floor(bottom / step + 1e-9) * step, np.ceil(top / step - 1e-9) * step
    return Axis(float(ends[0]), float(ends[1]) if ends[1] > ends[0] else float(ends[0] + step))


def line(span: Span, axis: Axis, at_ms: Ints, values: Values) -> str:
    """The `d` of a path: lowest and highest value of each column of pixels; broken where nothing is known."""
    there = np.isfinite(values)
    at_ms, values = at_ms[there], values[there]
    if not len(at_ms):
        return ""
    column = span.column(at_ms)
    starts = np.flatnonzero(np.append(True, np.diff(column) != 0))
    lowest, highest = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    x, y_low, y_high = span.x(at_ms[starts]), axis.y(lowest), axis.y(highest)
    steps = np.diff(at_ms)
    usual = float(np.median(steps)) if len(steps) else 0.0
    broken = np.append(True, steps > _GAP_STEPS * usual)
    breaks = np.logical_or.reduceat(broken, starts)
    parts = []
    for place, (left, bottom, top, new) in enumerate(
        zip(x.tolist(), y_low.tolist(), y_high.tolist(), breaks.tolist(), strict=True)
    ):
        parts.append(f"{'M' if new or place == 0 else 'L'}{left:.1f} {bottom:.1f}")
        if bottom - top > 0.05:
            parts.append(f"L{left:.1f} {top:.1f}")
        elif new:
            parts.append(f"L{left + 0.6:.1f} {bottom:.1f}")
    return "".join(parts)


def bars(span: Span, at_ms: Ints, flags: Bools, until_ms: Ints) -> list[tuple[float, float]]:
    """Where flags are set, as (left, width); stretches that touch on the screen are one."""
    rows = np.flatnonzero(flags)
    if not len(rows):
        return []
    left, right = span.x(at_ms[rows]), np.minimum(span.x(until_ms[rows]), WIDTH)
    ends = np.maximum.accumulate(right)
    begins = np.append(True, left[1:] > ends[:-1] + 0.8)
    starts = np.flatnonzero(begins)
    stops = np.append(starts[1:], len(rows)) - 1
    return [(float(left[a]), max(1.2, float(ends[b] - left[a]))) for a, b in zip(starts, stops, strict=True)]


def rects(found: Sequence[tuple[float, float]], css: str) -> str:
    """Bars over the whole height of a drawing."""
    return "".join(
        f'<rect class="{css}" x="{left:.1f}" width="{width:.1f}" y="0" height="100"/>' for left, width in found
    )


def drawing(inner: str, height: int, label: str) -> str:
    """An SVG of this height in pixels, as wide as its place."""
    return (
        f'<svg viewBox="0 0 {WIDTH} 100" preserveAspectRatio="none" style="height:{height}px" role="img"'
        f' aria-label="{escape(label)}">{inner}</svg>'
    )


def ticks(span: Span) -> list[tuple[float, str]]:
    """Round times as (share of the width, text), in the zone of the map."""
    seconds = max(1, (span.last_ms - span.first_ms) / 1000)
    step = next((one for one in _TICK_STEPS_SECONDS if seconds / one <= _TICKS_MAX), _TICK_STEPS_SECONDS[-1])
    start = datetime.fromtimestamp(span.first_ms / 1000, span.zone)
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    behind = (start.replace(tzinfo=None) - midnight.replace(tzinfo=None)).total_seconds()
    local = midnight.replace(tzinfo=None) + timedelta(seconds=-(-behind // step) * step)
    form = "%H:%M:%S" if step < 60 else "%H:%M" if step < 86_400 else "%d %b" if step < 15_552_000 else "%b %Y"
    found = []
    for _ in range(2 * _TICKS_MAX):
        at_ms = local.replace(tzinfo=span.zone).timestamp() * 1000
        if at_ms > span.last_ms:
            break
        is_day = local.hour == local.minute == local.second == 0 and step < 86_400
        share = (at_ms - span.first_ms) / max(1, span.last_ms - span.first_ms)
        if 0 <= share <= 0.97:
            found.append((share, local.strftime("%d %b" if is_day else form).lstrip("0")))
        local += timedelta(seconds=step)
    return found
