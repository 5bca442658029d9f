"""The page of the report: one HTML file without network or script, legible on a desk and on a phone.

field evidence ─ figures ─ what is behind them ─ table ─ weeks ─ families ─ sensitivity ─ detection ─ assumptions ─ sources
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from models.contracts.figures import Figure
from models.hvac.report import drawings, page_tables
from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.detection import Detection
from models.hvac.report.page_tables import TITLES, panel, percent
from models.hvac.report.policies import POLICIES
from models.hvac.report.sources import FIELD_EVIDENCE
from models.hvac.report.study import Study, years_of
from models.hvac.report.summary import MEASURES
from models.hvac.report.tables import Line, SensitivityRow

_HERE = Path(__file__).parent
_FAMILIES_MAX = 14


def render(
    studies: Sequence[Study],
    figures: dict[str, Figure],
    lines: Sequence[Line],
    sensitivity: Sequence[SensitivityRow],
    account: Sequence[str],
    settings: ReportSettings,
    detection: Detection,
    seed: int,
) -> str:
    """The whole page.

    Args:
        studies: One of each kind of equipment.
        figures: Plenum against reactive, by measure.
        lines: The table of the three policies.
        sensitivity: What the answer depends on.
        account: Sentences on what is behind the figures.
        settings: The assumptions.
        detection: How well faults are found, as measured.
        seed: Of the run.
    """
    fleet = settings.fleet
    kinds = ", ".join(f"{fleet.units} {study.equipment}" for study in studies)
    return Template((_HERE / "report.html").read_text(encoding="utf-8")).substitute(
        title="What Plenum is worth: three ways to look after one fleet",
        subtitle=escape(
            f"Simulated: {kinds}, {years_of(settings):.3g} years, climate {fleet.climate}, {fleet.sites}"
            f" sites, seed {seed}."
            " The same units, weather, people and lives of parts under each policy."
        ),
        css=(_HERE / "report.css").read_text(encoding="utf-8"),
        evidence=_evidence(figures["energy"]),
        cards=_cards(figures),
        account=_account(account),
        changes=_changes(figures),
        policies=page_tables.policies(lines, settings),
        weeks=_weeks(studies),
        families=_families(studies),
        sensitivity=page_tables.sensitivity(sensitivity),
        detection=page_tables.detection(studies, detection),
        assumptions=page_tables.assumptions(settings),
        sources=page_tables.sources(),
        footer=escape(
            f"Monitor {detection.monitor}. A change is 100 x (policy / reactive - 1) of sums over the fleet;"
            f" compliance is the fall"
            " in hours that were not compliant. Intervals hold 95 %, by a paired bootstrap over units: they"
            " tell the luck of"
            " the fleet, not whether the assumptions are right."
        ),
    )


def _range(figure: Figure) -> str:
    return "" if figure.low is None or figure.high is None else f"{figure.low:+.1f} to {figure.high:+.1f} %"


def _evidence(energy: Figure) -> str:
    return (
        f'<section class="panel evidence"><b>Field evidence: 9 % of energy saved (median).</b>'
        f" <span>{escape(FIELD_EVIDENCE.says)}."
        f' <a href="{escape(FIELD_EVIDENCE.address)}">{escape(FIELD_EVIDENCE.where)}</a>.</span>'
        f'<p class="sub">This simulation gives {escape(percent(energy.value))} of the energy of the units'
        f" themselves, which is a part"
        " of a building's, against a fleet that nobody maintains until it fails. A buyer should expect the"
        " field's figure,"
        " not ours, where the two differ.</p></section>"
    )


def _cards(figures: dict[str, Figure]) -> str:
    cells = []
    for measure in MEASURES:
        figure = figures[measure.name]
        title = f"{measure.title}, fall" if measure.compliance else measure.title
        claim = "" if measure.target_percent is None else f"; claimed {measure.target_percent:+.0f} %"
        cells.append(
            f'<div class="card"><dt>{escape(title)}</dt><dd>{escape(percent(figure.value))}'
            f"<small>95 %: {escape(_range(figure))}{claim}</small></dd></div>"
        )
    return f'<dl class="cards">{"".join(cells)}</dl>'


def _account(account: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in account)
    return panel("What is behind the figures", f'<ul class="plain">{items}</ul>')


def _changes(figures: dict[str, Figure]) -> str:
    known = [figure for figure in figures.values() if figure.value == figure.value]
    bounds = [bound for figure in known for bound in (figure.low, figure.high, figure.value) if bound is not None]
    targets = [measure.target_percent for measure in MEASURES if measure.target_percent is not None]
    most = drawings.round_top([np.abs(np.array([*bounds, *targets, 1.0]))])
    rows = []
    for measure in MEASURES:
        figure = figures[measure.name]
        if figure.value != figure.value or figure.low is None or figure.high is None:
            continue
        drawn = drawings.interval(
            figure.value,
            figure.low,
            figure.high,
            (-most, most),
            measure.target_percent,
            f"{measure.title}: {_range(figure)}",
        )
        better = "fall in hours: right is better" if measure.compliance else "left is better"
        rows.append(
            f'<div class="change"><span>{escape(measure.title)}<small>{better}</small></span>{drawn}'
            f"<span>{escape(percent(figure.value))}<small>{escape(_range(figure))}</small></span></div>"
        )
    ends = f'<div class="ends"><span>{-most:+.0f} %</span><span>0</span><span>{most:+.0f} %</span></div>'
    note = "Line: change. Band: 95 % interval. Dashed: what the case study claims."
    return panel("Plenum against reactive maintenance", "".join(rows) + ends, note)


def _weeks(studies: Sequence[Study]) -> str:
    blocks = []
    for field, title, unit in (
        ("energy_kwh", "Energy", "kWh a unit and week"),
        ("uncomfortable_hours", "Uncomfortable time", "hours a unit and week"),
        ("downtime_hours", "Downtime", "hours a unit, since the start"),
    ):
        series = {}
        for name in POLICIES:
            whole = sum((getattr(study.weekly[name], field) for study in studies), np.zeros(1))
            units = sum(len(study.outcomes[name].energy_kwh) for study in studies)
            weeks = np.diff(studies[0].weekly[name].hours, prepend=0.0) / 168
            series[name] = (
                np.cumsum(whole) / units if field == "downtime_hours" else whole / units / np.maximum(weeks, 1e-9)
            )
        hours = studies[0].weekly["reactive"].hours
        top = drawings.round_top(list(series.values()))
        drawn = drawings.lines(hours, series, top, f"{title}, {unit}")
        blocks.append(
            f"<div><h3>{title}: {unit}</h3>"
            f'<div class="axis"><span>{_top(top)}</span></div>{drawn}'
            f'<div class="axis"><span>0, start</span><span>week {len(hours)}</span></div></div>'
        )
    key = "".join(f'<span><i class="{name}"></i>{TITLES[name]}</span>' for name in POLICIES)
    return panel("Week by week", f'<div class="key">{key}</div><div class="weeks">{"".join(blocks)}</div>')


def _top(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _families(studies: Sequence[Study]) -> str:
    out = []
    for study in studies:
        total = float(study.outcomes["reactive"].energy_kwh.sum())
        shares = 100 * study.saved_kwh / max(total, 1e-9)
        order = [row for row in np.argsort(-np.abs(shares))[:_FAMILIES_MAX] if abs(shares[row]) >= 0.005]
        most = float(np.abs(shares).max(initial=0.0))
        rows = "".join(
            f'<div class="family"><span>{escape(study.families[row])}</span>'
            f"{drawings.bar(float(shares[row]), most, study.families[row])}<span>{shares[row]:+.2f} %</span></div>"
            for row in order
        )
        out.append(f'<h2 class="sub">{escape(study.equipment)}</h2>{rows}')
    note = (
        "Percent of the fleet's energy that Plenum saves against reactive maintenance because the fault is"
        " there for less time,"
        " as the straight lines of the sensitivity table share it out. Below zero: a unit that fails uses"
        " nothing, and one that"
        " is mended works again."
    )
    return panel("Which faults the energy is saved on", "".join(out), note)
