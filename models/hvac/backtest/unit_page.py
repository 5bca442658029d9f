"""One unit in the report: its score, its labels, its episodes and rules as a timeline, and its traces. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from models.contracts.columnmap import GENERIC
from models.contracts.points import POINTS
from models.hvac.backtest.charts import Axis, Bools, Ints, Span, Values, axis_of, bars, drawing, line, rects, ticks
from models.hvac.backtest.outcome import Outcome
from models.hvac.kinds import KINDS

_COLOURS = 8
_LINES_MAX, _TRACES_MAX, _LANES_MAX = 6, 16, 24
_GROUPS = {
    "celsius": "Temperatures, °C",
    "fraction": "Signals and shares, %",
    "pascals": "Pressures, Pa",
    "watts": "Power, W",
    "cubic_meters_per_second": "Flows, m³/s",
    "amperes": "Currents, A",
    "hertz": "Frequencies, Hz",
    "millimeters_per_second": "Vibration, mm/s",
    "ppm": "CO₂, ppm",
}
_SCORE_LOW = 0.1  # scores are drawn on a scale of tenfolds: what is far over the alarm level hides nothing near it


class _Part(NamedTuple):
    """The rows of one unit; `until_ms` is to when each row holds."""

    at_ms: Ints
    until_ms: Ints
    rows: slice
    unit: int


def unit_section(outcome: Outcome, unit: int, span: Span) -> str:
    """The whole section of one unit."""
    part = _part(outcome, unit)
    lanes = [
        *_truth_lane(outcome, part, span),
        *_episode_lanes(outcome, part, span),
        *_rule_lanes(outcome, part, span),
        *_state_lanes(outcome, part, span),
    ]
    marks = "".join(f'<span style="left:{100 * share:.2f}%">{escape(text)}</span>' for share, text in ticks(span))
    axis = f'<div class="times"><span class="now"></span><div class="row">{marks}</div></div>'
    key = ['<span style="--swatch:var(--alarm)">anomalous</span>']
    if outcome.trained[part.rows].any():
        key.append('<span style="--swatch:var(--train)">learned from</span>')
    timeline = f'<div class="lanes"><h3>Timeline</h3>{"".join(lanes)}</div>' if lanes else ""
    covered = f'data-first="{span.first_ms}" data-last="{span.last_ms}" data-zone="{escape(str(span.zone))}"'
    reset = '<button class="reset" type="button">whole time</button>'
    return (
        f'<section class="panel" {covered}><div class="head"><h2>{escape(outcome.export.units[unit])}</h2>{reset}</div>'
        f'<div class="key">{"".join(key)}</div>{_score_chart(outcome, part, span)}{axis}{timeline}'
        f"{''.join(_traces(outcome, part, span))}</section>"
    )


def _part(outcome: Outcome, unit: int) -> _Part:
    rows = outcome.export.slice_of(unit)
    at_ms = outcome.export.at_ms[rows]
    steps = np.diff(at_ms)
    usual = float(np.median(steps)) if len(steps) else 1000.0
    until_ms = np.minimum(np.append(at_ms[1:], at_ms[-1] + usual), at_ms + 1.5 * usual).astype(np.int64)
    return _Part(at_ms, until_ms, rows, unit)


def _plot(inner: str, height: int, label: str) -> str:
    return f'<div class="plot">{drawing(inner, height, label)}<div class="cursor"></div><div class="band"></div></div>'


def _grid(axis: Axis, at: Sequence[float], css: str) -> str:
    lines = (f'<line class="{css}" x1="0" x2="1200" y1="{y:.1f}" y2="{y:.1f}"/>' for y in axis.y(np.array(at)).tolist())
    return "".join(lines)


def _chart(title: str, names: Sequence[str], axis: Axis, inner: str, height: int) -> str:
    shown = ["" if name == title else escape(name) for name in names]
    legend = "".join(
        f'<li style="--swatch:var(--c{index % _COLOURS})"><i></i><span>{name}</span><b></b></li>'
        for index, name in enumerate(shown)
    )
    scale = f'data-low="{axis.low:.10g}" data-high="{axis.high:.10g}" data-logarithmic="{int(axis.logarithmic)}"'
    ends = f'<span class="high">{axis.high:.4g}</span><span class="low">{axis.low:.4g}</span>'
    side = f'<div class="side"><h3>{escape(title)}</h3><ul class="legend">{legend}</ul>{ends}</div>'
    return f'<figure class="chart" {scale}>{side}{_plot(inner, height, title)}</figure>'


def _path(span: Span, axis: Axis, part: _Part, values: Values, colour: int) -> str:
    return f'<path data-line style="--swatch:var(--c{colour % _COLOURS})" d="{line(span, axis, part.at_ms, values)}"/>'


def _score_chart(outcome: Outcome, part: _Part, span: Span) -> str:
    score = outcome.score[part.rows]
    known = score[np.isfinite(score)]
    top = float(known.max()) if len(known) else 1.0
    axis = Axis(_SCORE_LOW, 10.0 ** max(1, np.ceil(np.log10(max(top, 1.0)))), logarithmic=True)
    trained = rects(bars(span, part.at_ms, outcome.trained[part.rows], part.until_ms), "train")
    alarms = rects(bars(span, part.at_ms, outcome.anomalous[part.rows], part.until_ms), "alarm")
    inner = trained + alarms + _grid(axis, [1.0], "limit") + _path(span, axis, part, score, 0)
    return _chart("Anomaly score", ["score; alarm level 1"], axis, inner, 120)


def _lane(name: str, hint: str, inner: str) -> str:
    return f'<div class="lane"><span title="{escape(hint)}">{escape(name)}</span>{_plot(inner, 14, hint)}</div>'


def _truth_lane(outcome: Outcome, part: _Part, span: Span) -> list[str]:
    truth = outcome.export.raw.truth
    if truth is None:
        return []
    faulty: Bools = truth[outcome.export.row[part.rows]] == 1
    return [
        _lane(
            "Label: fault",
            "the truth, as the file's label has it",
            rects(bars(span, part.at_ms, faulty, part.until_ms), "truth"),
        )
    ]


def _episode_lanes(outcome: Outcome, part: _Part, span: Span) -> list[str]:
    name = outcome.export.units[part.unit]
    by_family: dict[str, list[str]] = {}
    titles: dict[str, str] = {}
    for alert in outcome.alerts:
        if alert.unit == name:
            until = span.last_ms if alert.cleared_at_ms is None else alert.cleared_at_ms
            left, right = span.x(np.array([alert.opened_at_ms, until], dtype=np.int64)).tolist()
            css = f"bar-{alert.severity}"
            by_family.setdefault(alert.family, []).append(rects([(left, max(1.5, right - left))], css))
            titles[alert.family] = alert.title or alert.family
    return [
        _lane(f"Alert: {family.replace('_', ' ')}", titles[family], "".join(found))
        for family, found in by_family.items()
    ]


def _rule_lanes(outcome: Outcome, part: _Part, span: Span) -> list[str]:
    numbers = outcome.rules[part.rows]
    present = np.unique(numbers)
    lists = {int(one): outcome.rule_lists.texts[one].split(";") for one in present if one}
    names = sorted({name for members in lists.values() for name in members})
    kind = KINDS.get(outcome.export.raw.layout.equipment)
    titles = {} if kind is None else {rule.id: rule.title for rule in kind.rules}
    out = []
    for name in names[:_LANES_MAX]:
        flags = np.isin(numbers, [one for one, members in lists.items() if name in members])
        title = titles.get(name, name)
        out.append(
            _lane(f"Rule {name}", f"{name}: {title}", rects(bars(span, part.at_ms, flags, part.until_ms), "bar-rule"))
        )
    return out


def _state_lanes(outcome: Outcome, part: _Part, span: Span) -> list[str]:
    out = []
    for number, channel in enumerate(outcome.export.raw.layout.channels):
        if channel.unit == "state":
            flags = outcome.export.values[part.rows, number] > 0.5
            label = _label(channel.point)
            out.append(_lane(f"On: {label}", label, rects(bars(span, part.at_ms, flags, part.until_ms), "bar-info")))
    return out


def _label(point: str) -> str:
    return POINTS[point].label if point in POINTS else point


def _traces(outcome: Outcome, part: _Part, span: Span) -> list[str]:
    layout = outcome.export.raw.layout
    groups: dict[str, list[int]] = {}
    for number, channel in enumerate(layout.channels):
        if channel.unit != "state" and np.isfinite(outcome.export.values[part.rows, number]).any():
            own = layout.equipment == GENERIC or channel.unit not in _GROUPS
            groups.setdefault(channel.point if own else channel.unit, []).append(number)
    out = []
    for group, numbers in groups.items():
        for first in range(0, len(numbers), _LINES_MAX):
            members = numbers[first : first + _LINES_MAX]
            scale = 100 if group == "fraction" else 1
            values = outcome.export.values[part.rows][:, members] * np.float32(scale)
            axis = axis_of(values)
            inner = _grid(axis, [(axis.low + axis.high) / 2], "grid")
            inner += "".join(_path(span, axis, part, values[:, index], index) for index in range(len(members)))
            title = _GROUPS.get(group, _label(group))
            names = [_label(layout.points[number]) for number in members]
            out.append(_chart(title, names, axis, inner, 132 if len(members) > 3 else 84))
    if len(out) > _TRACES_MAX:
        out[_TRACES_MAX:] = [f'<p class="sub">{len(out) - _TRACES_MAX} more points are not drawn.</p>']
    return out
