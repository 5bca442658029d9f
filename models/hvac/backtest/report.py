"""The report of a backtest: one HTML file without network, legible on a desk and on a phone. Pure but for its templates.

figures ─ notes ─ for each of the units that alarmed most: score, labels, episodes, rules, traces ─ alerts ─ all units
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from models.contracts.figures import Figure
from models.hvac.backtest.charts import Span
from models.hvac.backtest.outcome import Alert, Outcome
from models.hvac.backtest.unit_page import unit_section

_HERE = Path(__file__).parent
_UNITS_MAX, _ALERTS_MAX, _REASONS_MAX, _FLEET_MAX, _NOTES_MAX = 8, 100, 4, 100, 40
_COUNTS = {
    "backtest.rows": "Rows judged",
    "backtest.scored_fraction": "of them scored",
    "backtest.anomalous_fraction": "of them anomalous",
    "backtest.alerts": "Alerts",
    "backtest.alerts_per_unit_week": "Alerts a unit-week",
}
_AGAINST_LABELS = {
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "false_alarm_rate": "False-alarm rate",
    "missed_alarm_rate": "Missed-alarm rate",
    "episodes": "Labelled episodes",
    "episodes_detected": "of them detected",
    "detection_delay_seconds": "Detection delay, median",
}


def render(outcome: Outcome, figures: Sequence[Figure], files: Sequence[str], zone: tzinfo) -> str:
    """The whole page.

    Args:
        outcome: Of the backtest.
        figures: As they are printed.
        files: Names of the input files.
        zone: In which times are written.
    """
    export = outcome.export
    equipment = export.raw.layout.equipment
    first, last = int(export.at_ms.min()), int(export.at_ms.max())
    units = _worst_first(outcome)
    subtitle = (
        f"{_count(len(export.units), 'unit')} of type {equipment}, {_count(export.rows_total, 'row')},"
        f" {_count(len(export.raw.layout.channels), 'point')}, {_when(first, zone)} to {_when(last, zone)} ({zone})"
    )
    more = len(units) - _UNITS_MAX
    shown = "".join(unit_section(outcome, unit, _span(outcome, unit, zone)) for unit in units[:_UNITS_MAX])
    if more > 0:
        shown += f'<p class="sub">{more:,} more units are listed below; every row is in scores.csv.</p>'
    return Template((_HERE / "report.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"Backtest of {', '.join(files[:3])}{' and more' if len(files) > 3 else ''}"),
        subtitle=escape(subtitle),
        css=(_HERE / "report.css").read_text(encoding="utf-8"),
        script=(_HERE / "report.js").read_text(encoding="utf-8"),
        cards=_cards(figures),
        notes=_notes([*export.raw.notes, *outcome.notes]),
        units=shown,
        alerts=_alerts(outcome.alerts, zone, len(export.units) > 1),
        fleet=_fleet(outcome, units),
        footer=escape(f"Model {outcome.version}. Times are in {zone}. An anomaly score of 1 is the alarm level."),
    )


def _span(outcome: Outcome, unit: int, zone: tzinfo) -> Span:
    at_ms = outcome.export.at_ms[outcome.export.slice_of(unit)]
    return Span(int(at_ms[0]), max(int(at_ms[-1]), int(at_ms[0]) + 1), zone)


def _worst_first(outcome: Outcome) -> list[int]:
    """Units that have rows, those with the most alerts and the most anomalous rows first."""
    export = outcome.export
    alerts = dict.fromkeys(export.units, 0)
    for alert in outcome.alerts:
        alerts[alert.unit] += 1
    loud = {}
    for unit, name in enumerate(export.units):
        span = export.slice_of(unit)
        if span.stop > span.start:
            loud[unit] = (alerts[name], float(outcome.anomalous[span].mean()))
    return sorted(loud, key=lambda unit: (*(-value for value in loud[unit]), unit))


def _when(at_ms: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, zone).strftime("%Y-%m-%d %H:%M")


def figure_text(figure: Figure) -> str:
    """A figure's value as people write it."""
    return _value_text(figure.value, figure.unit)


def _value_text(value: float, unit: str) -> str:
    if unit == "fraction":
        return f"{100 * value:.1f} %"
    if unit == "seconds":
        for size, name in ((172_800, "d"), (7_200, "h"), (120, "min")):
            if value >= size:
                return f"{value / {'d': 86_400, 'h': 3_600, 'min': 60}[name]:.3g} {name}"
        return f"{value:.3g} s"
    return f"{value:,.0f}" if value == int(value) else f"{value:.3g}"


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _cards(figures: Sequence[Figure]) -> str:
    """Counts as cards, and what labels tell as a table: by anomalous rows, and by rows in an open alert."""
    by_name = {figure.name: figure for figure in figures}
    cells = [
        f'<div class="card"><dt>{title}</dt><dd>{figure_text(by_name[name])}</dd></div>'
        for name, title in _COUNTS.items()
        if name in by_name
    ]
    columns = {"backtest": "anomalous rows", "backtest.alert": "rows in an open alert"}
    shown = [prefix for prefix in columns if any(name.rpartition(".")[0] == prefix for name in by_name)]
    rows = []
    for name, title in _AGAINST_LABELS.items():
        found = [by_name.get(f"{prefix}.{name}") for prefix in shown]
        if any(found):
            rows.append(f"<tr><th>{title}</th>{''.join(map(_figure_cell, found))}</tr>")
    out = f'<dl class="cards">{"".join(cells)}</dl>'
    if not rows:
        return out
    heads = f"<th></th>{''.join(f'<th>{columns[prefix]}</th>' for prefix in shown)}"
    return (
        f'{out}<section class="panel"><h2>Against the labels</h2><table class="figures"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></section>"
    )


def _figure_cell(figure: Figure | None) -> str:
    if figure is None:
        return '<td class="muted">cannot be told</td>'
    range_ = ""
    if figure.low is not None and figure.high is not None:
        low, high = (_value_text(bound, figure.unit) for bound in (figure.low, figure.high))
        range_ = f" <small>{low} to {high}</small>"
    return f"<td><b>{figure_text(figure)}</b>{range_}</td>"


def _notes(notes: Sequence[str]) -> str:
    if not notes:
        return ""
    items = "".join(f"<li>{escape(note)}</li>" for note in notes[:_NOTES_MAX])
    if len(notes) > _NOTES_MAX:
        items += f"<li>and {len(notes) - _NOTES_MAX} more</li>"
    return f'<section class="panel"><h2>What the file is like</h2><ul class="notes">{items}</ul></section>'


def _alerts(alerts: Sequence[Alert], zone: tzinfo, many: bool) -> str:
    if not alerts:
        return '<section class="panel"><h2>Alerts</h2><p class="sub">No alert would have been raised.</p></section>'
    rows = []
    for alert in alerts[:_ALERTS_MAX]:
        until = "still open" if alert.cleared_at_ms is None else _when(alert.cleared_at_ms, zone)
        reasons = "".join(f"<li>{escape(reason.text)}</li>" for reason in alert.reasons[:_REASONS_MAX])
        unit = f'<td data-name="Unit">{escape(alert.unit)}</td>' if many else ""
        rows.append(
            f'<tr><td class="when" data-name="Opened">{_when(alert.opened_at_ms, zone)}</td>'
            f'<td class="when" data-name="Cleared">{until}</td>{unit}'
            f'<td><b>{escape(alert.title or alert.family)}</b><br><span class="tag {escape(alert.severity)}">'
            f"{escape(alert.severity)}</span> {escape(alert.rule)}</td><td><ul>{reasons}</ul></td></tr>"
        )
    more = (
        f'<p class="sub">{len(alerts) - _ALERTS_MAX:,} more are in alerts.jsonl.</p>'
        if len(alerts) > _ALERTS_MAX
        else ""
    )
    unit = "<th>Unit</th>" if many else ""
    heads = f"<th>Opened</th><th>Cleared</th>{unit}<th>Fault, and what opened it</th><th>Why</th>"
    return (
        f'<section class="panel"><h2>Alerts ({len(alerts):,})</h2><table class="alerts"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>{more}</section>"
    )


def _fleet(outcome: Outcome, units: Sequence[int]) -> str:
    if len(units) < 2:
        return ""
    export = outcome.export
    count = dict.fromkeys(export.units, 0)
    for alert in outcome.alerts:
        count[alert.unit] += 1
    rows = []
    for unit in units[:_FLEET_MAX]:
        span = export.slice_of(unit)
        score = outcome.score[span]
        known = score[np.isfinite(score)]
        high = f"{float(np.quantile(known, 0.99)):.2f}" if len(known) else "not scored"
        cells = (
            f"{span.stop - span.start:,}",
            f"{count[export.units[unit]]:,}",
            f"{100 * outcome.anomalous[span].mean():.1f} %",
            high,
        )
        numbers = "".join(f'<td class="num">{cell}</td>' for cell in cells)
        rows.append(f"<tr><td>{escape(export.units[unit])}</td>{numbers}</tr>")
    more = (
        f'<p class="sub">{len(units) - _FLEET_MAX:,} more units are in scores.csv.</p>'
        if len(units) > _FLEET_MAX
        else ""
    )
    heads = "".join(f'<th class="num">{name}</th>' for name in ("Rows", "Alerts", "Anomalous", "Score, 99 %"))
    return (
        f'<section class="panel"><h2>All units ({len(units):,})</h2><table><thead><tr><th>Unit</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>{more}</section>"
    )
