"""Tables of the report's page as HTML: policies, sensitivity, detection, assumptions, sources. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import msgspec

from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.detection import Detection
from models.hvac.report.policies import POLICIES
from models.hvac.report.sources import SOURCES
from models.hvac.report.study import Study
from models.hvac.report.summary import MEASURES
from models.hvac.report.tables import Line, SensitivityRow
from models.hvac.report.tasks import TASKS

TITLES = {"reactive": "Reactive", "scheduled": "Scheduled", "plenum": "Plenum"}


def percent(value: float) -> str:
    """A change as people write it."""
    return "–" if value != value else f"{value:+.1f} %"


def panel(title: str, inner: str, note: str = "") -> str:
    """A section of the page; `inner` is HTML, title and note are text."""
    sub = f'<p class="sub">{escape(note)}</p>' if note else ""
    return f'<section class="panel"><h2>{escape(title)}</h2>{sub}{inner}</section>'


def table_of(heads: str, rows: Sequence[str], css: str = "") -> str:
    """A table of rows that are HTML already."""
    name = f' class="{css}"' if css else ""
    return f"<table{name}><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _numbers(cells: Sequence[str]) -> str:
    return "".join(f'<td class="num">{escape(cell)}</td>' for cell in cells)


def policies(lines: Sequence[Line], settings: ReportSettings) -> str:
    """Means of each policy, and their changes."""
    heads = "".join(f'<th class="num">{TITLES[name]}</th>' for name in POLICIES)
    rows = []
    for line in lines:
        cells = "".join(
            f'<td class="num">{line.values[name]}<small>{line.changes.get(name, "")}</small></td>' for name in POLICIES
        )
        rows.append(f"<tr><th>{escape(line.title)}</th>{cells}</tr>")
    table = table_of(f"<th>A unit and year</th>{heads}", rows, "wide")
    note = (
        f"Means over all units, with the change against reactive and its 95 % interval. Money in"
        f" {settings.cost.currency};"
        " the product's own price is in the cost of Plenum."
    )
    return panel("The three policies", f'<div class="scroll">{table}</div>', note)


def sensitivity(rows: Sequence[SensitivityRow]) -> str:
    """Plenum against reactive under each assumption."""
    heads = "".join(f'<th class="num">{escape(measure.short)}</th>' for measure in MEASURES)
    body, group = [], ""
    for row in rows:
        if row.group != group:
            group = row.group
            body.append(f'<tr class="group"><th colspan="{len(MEASURES) + 1}">{escape(group)}</th></tr>')
        cells = "".join(f'<td class="num">{escape(percent(row.changes[measure.name]))}</td>' for measure in MEASURES)
        css = ' class="central"' if row.group in ("Central", "Full physics") else ""
        body.append(f"<tr{css}><th>{escape(row.title)}</th>{cells}</tr>")
    note = (
        "Plenum against reactive, one assumption changed at a time. These runs have the same lives and"
        " policies but no physics:"
        " energy and comfort follow straight lines fitted on the full runs. The first two rows say how well"
        " that does."
    )
    table = table_of(f"<th>Assumption</th>{heads}", body, "wide")
    return panel("What the answer depends on", f'<div class="scroll">{table}</div>', note)


def detection(studies: Sequence[Study], measured: Detection) -> str:
    """How well each fault is found."""
    out = []
    for study in studies:
        kind = measured.equipment[study.equipment]
        rows = []
        for family in study.families:
            curve = kind.families.get(family)
            cells = (
                ("no alert names it", "", "")
                if curve is None
                else (
                    f"{curve.severity_half:.2f}",
                    f"{1 - curve.never_fraction:.0%}",
                    f"{curve.found} of {curve.cases}",
                )
            )
            rows.append(f"<tr><th>{escape(family)}</th>{_numbers(cells)}</tr>")
        heads = '<th>Fault</th><th class="num">half of them found at severity</th><th class="num">ever found</th>'
        heads += '<th class="num">in the trial</th>'
        table = table_of(heads, rows)
        false = f"{kind.false_episodes_per_unit_week:.3g} false episodes a unit-week"
        rate = f"{false}, over {kind.healthy_unit_weeks:,.0f} unit-weeks"
        out.append(f'<h2 class="sub">{escape(study.equipment)}: {rate}</h2><div class="scroll">{table}</div>')
    return panel("How well faults are found", "".join(out), f"Measured, not assumed: {measured.measured}.")


def assumptions(settings: ReportSettings) -> str:
    """Every setting, and what each repair takes."""
    rows = []
    for part, values in msgspec.to_builtins(settings).items():
        if part == "tasks":
            continue
        for name, value in values.items():
            shown = ", ".join(value) if isinstance(value, (list, tuple)) else f"{value}"
            rows.append(f"<tr><th>{escape(part)}.{escape(name)}</th><td>{escape(shown)}</td></tr>")
    tasks = []
    for family in TASKS:
        task = settings.task(family)
        cells = (
            "yes" if task.stops else "no", f"{task.work_hours:g}", f"{task.outage_hours:g}", f"{task.parts_hours:g}",
            f"{task.parts_cost:,.0f}", f"{task.visible_severity:g}" if task.visible_severity < 1 else "no",
            f"{task.renew_months:g}" if task.renew_months else "",
        )  # fmt: skip
        tasks.append(f"<tr><th>{escape(family)}</th>{_numbers(cells)}</tr>")
    heads = (
        "stops the unit",
        "work h",
        "planned outage h",
        "parts h",
        f"parts {settings.cost.currency}",
        "seen from",
        "renewed, months",
    )
    head = "".join(f'<th class="num">{escape(name)}</th>' for name in heads)
    return panel(
        "Assumptions",
        f"<details><summary>All settings</summary><table><tbody>{''.join(rows)}</tbody></table></details>"
        f'<details><summary>Repairs</summary><div class="scroll"><table><thead><tr><th>Fault</th>{head}</tr></thead>'
        f"<tbody>{''.join(tasks)}</tbody></table></div></details>",
        "Each is a setting: copy models/hvac/report/report.sample.toml, change it, and give it with --settings.",
    )


def sources() -> str:
    """What is published, and what we take from it."""
    rows = "".join(
        f"<tr><th>{escape(source.subject)}</th><td>{escape(source.says)}<small>"
        f"<a"
        f' href="{escape(source.address)}">{escape(source.where)}</a></small></td><td>{escape(source.used)}</td></tr>'
        for source in SOURCES
    )
    heads = "<th>Subject</th><th>What is published</th><th>What we take from it</th>"
    table = table_of(heads, [rows], "sources")
    return panel("Sources", table)
