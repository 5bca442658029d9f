"""The two tables of the report as rows: the three policies, and what the answer depends on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.policies import POLICIES
from models.hvac.report.rows import Outcome
from models.hvac.report.sensitivity import SCENARIOS
from models.hvac.report.study import Study, years_of
from models.hvac.report.summary import MEASURES, change_percent, changes


class Line(NamedTuple):
    """One row of the table of policies: text by policy."""

    title: str
    values: dict[str, str]
    changes: dict[str, str]


class SensitivityRow(NamedTuple):
    """Plenum against reactive under one assumption: percent by measure."""

    group: str
    title: str
    changes: dict[str, float]


_COUNTS = (
    ("planned_hours", "Of the downtime, planned work, hours"),
    ("jobs", "Repairs and renewals"),
    ("callouts", "Trips for breakdowns and complaints"),
    ("visits", "Visits by the calendar"),
    ("alerts", "Right alerts"),
    ("false_alerts", "False alerts"),
    ("fruitless", "Trips that found nothing"),
)
_BACKLOG = "Repairs due and not done at the end, money"


def policy_lines(studies: Sequence[Study], settings: ReportSettings) -> list[Line]:
    """Means a unit and year under each policy, with changes against reactive where they are figures."""
    outcomes = {study.equipment: study.outcomes for study in studies}
    years = years_of(settings)
    against = {name: changes(outcomes, name) for name in POLICIES if name != "reactive"}
    lines = []
    for measure in MEASURES:
        values = {
            name: _mean([getattr(study.outcomes[name], measure.field) for study in studies], years) for name in POLICIES
        }
        told = {}
        for name, found in against.items():
            figure = found[measure.name]
            if figure.value == figure.value:
                sign = "fall " if measure.compliance else ""
                told[name] = f"{sign}{figure.value:+.1f} % ({figure.low:+.1f} to {figure.high:+.1f})"
        unit = f", {measure.unit}" if measure.unit and measure.unit not in measure.title.lower() else ""
        lines.append(Line(f"{measure.title}{unit}", {name: _number(value) for name, value in values.items()}, told))
        if measure.name == "cost":
            for field, title in (("maintenance_cost", "of it maintenance"), ("energy_cost", "of it energy")):
                parts = {
                    name: _mean([getattr(study.outcomes[name], field) for study in studies], years) for name in POLICIES
                }
                lines.append(Line(title, {name: _number(value) for name, value in parts.items()}, {}))
    for count, title in _COUNTS:
        parts = {name: _mean([study.outcomes[name].counts[count] for study in studies], years) for name in POLICIES}
        lines.append(Line(title, {name: _number(value) for name, value in parts.items()}, {}))
    left = {name: _mean([study.outcomes[name].counts["backlog_cost"] for study in studies], 1.0) for name in POLICIES}
    return [*lines, Line(_BACKLOG, {name: _number(value) for name, value in left.items()}, {})]


def sensitivity_rows(studies: Sequence[Study]) -> list[SensitivityRow]:
    """The full runs first, then every scenario of the runs without physics."""
    rows = [SensitivityRow("Full physics", "as assumed", _changes([study.outcomes for study in studies]))]
    for place, scenario in enumerate(SCENARIOS):
        found = _changes([study.scenarios[place] for study in studies])
        rows.append(SensitivityRow(scenario.group, scenario.title, found))
    return rows


def _changes(outcomes: Sequence[dict[str, Outcome]]) -> dict[str, float]:
    return {
        measure.name: change_percent(
            np.concatenate([getattr(own["plenum"], measure.field) for own in outcomes]),
            np.concatenate([getattr(own["reactive"], measure.field) for own in outcomes]),
            measure.compliance,
        )
        for measure in MEASURES
    }


def _mean(values: Sequence[np.ndarray[tuple[int], np.dtype[np.float64]]], years: float) -> float:
    return float(np.concatenate(list(values)).mean() / years)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
