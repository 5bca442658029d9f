"""A backtest from its rows to its figures: what is learned from, the models over it, and how good they were.

Known kinds learn of a unit as live does; with training rows they learn there, and stand afterwards. Figures are of the
rest.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.contracts.figures import Figure
from models.hvac.backtest.export import Bools, Export, ExportError, Progress, silent
from models.hvac.backtest.judge import Labelled, figures
from models.hvac.backtest.known import run_known
from models.hvac.backtest.outcome import Outcome, Training
from models.hvac.backtest.plausible import is_generic, time_text
from models.hvac.generic import GenericSettings
from models.hvac.settings import MonitorSettings

_NEVER_MS = np.iinfo(np.int64).max
_WEEK_MS = 604_800_000


def run(
    export: Export,
    training: Training | None = None,
    settings: MonitorSettings | None = None,
    generic: GenericSettings | None = None,
    artifact_dir: Path | None = None,
    site: str = "site",
    progress: Progress = silent,
) -> Outcome:
    """Judge every row of an export.

    Args:
        export: As `prepare` gives it.
        training: Until when each unit's rows teach; None: everything is judged as live.
        settings: Of the monitor, the defaults if None.
        generic: Of units of type generic, the defaults if None.
        artifact_dir: Where its models are, the shipped ones if None.
        site: Part of the alerts' ids.
        progress: Told how far it is.

    Raises:
        ExportError: there is too little to learn from.
        ArtifactError: a model is missing or failed a check.
    """
    if is_generic(export.raw):
        from models.hvac.backtest.fitted import run_generic

        return run_generic(export, training, generic or GenericSettings(), site, progress)
    return run_known(export, training, settings or MonitorSettings(), artifact_dir, site, progress)


def training_of(export: Export, until_ms: int | None, rows: int) -> Training | None:
    """What is learned from: rows before an instant, or the first rows of each unit; None if neither is asked for.

    Raises:
        ExportError: no row is left to learn from, or none to judge.
    """
    if until_ms is None and not rows:
        return None
    units = len(export.units)
    if until_ms is not None:
        end_ms = np.full(units, until_ms, dtype=np.int64)
    else:
        place = export.starts[:-1] + rows
        inside = place < export.starts[1:]
        end_ms = np.where(inside, export.at_ms[np.minimum(place, len(export.at_ms) - 1)], _NEVER_MS).astype(np.int64)
    training = Training(end_ms)
    trained = training.rows(export)
    if trained.all() or not trained.any():
        first, last = time_text(int(export.at_ms.min())), time_text(int(export.at_ms.max()))
        what = "judge: all rows are" if trained.all() else "learn from: no row is"
        where = f"{rows} rows a unit" if until_ms is None else f"rows before {time_text(until_ms)}"
        raise ExportError(
            f"{export.raw.place(0).partition(': row')[0]}: nothing to {what} in the training part ({where}), the file has"
            f" {first} to {last}; choose --train-until or --train-rows inside it"
        )
    return training


def figures_of(outcome: Outcome) -> list[Figure]:
    """Everything that is known of how good it was: counts always, the rest with labels. Rows that taught are left out."""
    export = outcome.export
    judged = ~outcome.trained
    scored = np.isfinite(outcome.score)
    span_ms = sum(
        int(at_ms[-1] - at_ms[0])
        for unit in range(len(export.units))
        if len(at_ms := export.at_ms[export.slice_of(unit)][judged[export.slice_of(unit)]])
    )
    unit = np.repeat(np.arange(len(export.units)), np.diff(export.starts))
    end_ms = {name: _first_judged(export, judged, number) for number, name in enumerate(export.units)}
    alerts = sum(alert.opened_at_ms >= end_ms[alert.unit] for alert in outcome.alerts)
    out = [
        Figure("backtest.rows", int(judged.sum()), "count"),
        Figure("backtest.scored_fraction", float(scored[judged].mean()), "fraction"),
        Figure("backtest.anomalous_fraction", float(outcome.anomalous[judged].mean()), "fraction"),
        Figure("backtest.alerts", alerts, "count"),
    ]
    if span_ms >= _WEEK_MS // 7:
        out.append(Figure("backtest.alerts_per_unit_week", alerts / (span_ms / _WEEK_MS), "count"))
    if export.raw.truth is not None:
        truth = export.raw.truth[export.row]
        told = judged & (truth >= 0)
        alarms = {"backtest": outcome.anomalous}
        if not is_generic(export.raw):  # there, an episode is a run of anomalous rows
            alarms["backtest.alert"] = outcome.alarmed()
        for prefix, alarm in alarms.items():
            rows = Labelled(unit[told], export.at_ms[told], truth[told] == 1, alarm[told])
            out += figures(rows, prefix)
    return out


def _first_judged(export: Export, judged: Bools, unit: int) -> int:
    rows = export.slice_of(unit)
    places = np.flatnonzero(judged[rows])
    return int(export.at_ms[rows][places[0]]) if len(places) else _NEVER_MS
