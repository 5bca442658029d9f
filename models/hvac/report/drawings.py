"""Drawings of the report as SVG of any width, without a script: intervals, lines over weeks, bars. Pure.

Each is 1,000 wide and 100 high in its own coordinates and stretches with its place; words stand beside it as HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from models.hvac.report.chances import Floats

_WIDTH = 1000.0


def svg(inner: str, height: int, label: str) -> str:
    """An SVG of this height in pixels, as wide as its place."""
    return (
        f'<svg viewBox="0 0 {_WIDTH:.0f} 100" preserveAspectRatio="none" style="height:{height}px" role="img"'
        f' aria-label="{escape(label)}">{inner}</svg>'
    )


def interval(value: float, low: float, high: float, ends: tuple[float, float], target: float | None, label: str) -> str:
    """A change with its interval on a line from `ends[0]` to `ends[1]`, its zero, and what was claimed."""

    def x(at: float) -> float:
        return float(np.clip((at - ends[0]) / (ends[1] - ends[0]), 0, 1) * _WIDTH)

    bar = f'<rect class="bar" x="{x(low):.1f}" width="{max(2.0, x(high) - x(low)):.1f}" y="34" height="32" rx="2"/>'
    marks = f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="100"/>{bar}'
    marks += f'<line class="value" x1="{x(value):.1f}" x2="{x(value):.1f}" y1="18" y2="82"/>'
    if target is not None:
        marks += f'<line class="target" x1="{x(target):.1f}" x2="{x(target):.1f}" y1="4" y2="96"/>'
    return svg(marks, 34, label)


def lines(x: Floats, series: Mapping[str, Floats], top: float, label: str) -> str:
    """Lines of one scale from 0 to `top`, one a policy, drawn in the order given; `x` in any unit."""
    last = max(float(x[-1]), 1e-9)
    paths = []
    for name, values in series.items():
        points = " ".join(
            f"{at / last * _WIDTH:.1f},{100 - 96 * min(value / max(top, 1e-9), 1.0):.1f}"
            for at, value in zip(x.tolist(), values.tolist(), strict=True)
        )
        paths.append(f'<polyline class="line {escape(name)}" points="{points}"/>')
    grid = "".join(f'<line class="grid" x1="0" x2="{_WIDTH:.0f}" y1="{y}" y2="{y}"/>' for y in (4, 52, 100))
    return svg(grid + "".join(paths), 150, label)


def bar(value: float, most: float, label: str) -> str:
    """A bar from the middle, to the right where positive, as long as its share of `most`."""
    half = _WIDTH / 2
    length = float(np.clip(abs(value) / max(most, 1e-9), 0, 1)) * half
    left = half if value >= 0 else half - length
    side = "gain" if value >= 0 else "loss"
    inner = f'<line class="zero" x1="{half}" x2="{half}" y1="0" y2="100"/>'
    return svg(f'{inner}<rect class="{side}" x="{left:.1f}" width="{length:.1f}" y="20" height="60"/>', 16, label)


def round_top(values: Sequence[Floats]) -> float:
    """A round number above all values."""
    most = max((float(np.max(one)) for one in values if len(one)), default=0.0)
    if most <= 0:
        return 1.0
    step = 10 ** np.floor(np.log10(most))
    return float(next(nice * step for nice in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if nice * step >= most - 1e-12))
