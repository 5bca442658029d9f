"""`plenum report hvac`: runs the studies, prints the tables and figures, and writes the page. The rim of this package."""

from __future__ import annotations

import csv
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.contracts.exits import Exit
from models.contracts.figures import show
from models.contracts.settings import load as load_settings
from models.hvac.report import detection as measured
from models.hvac.report import page
from models.hvac.report.account import account
from models.hvac.report.assumptions import ReportSettings, with_fleet
from models.hvac.report.detection import Detection
from models.hvac.report.page_tables import TITLES, percent
from models.hvac.report.policies import POLICIES
from models.hvac.report.sources import FIELD_EVIDENCE
from models.hvac.report.study import Study, World, kind_detection, study
from models.hvac.report.summary import MEASURES, changes, figures
from models.hvac.report.tables import Line, SensitivityRow, policy_lines, sensitivity_rows

_WIDTH = 132  # of the tables where the output is no terminal
PAGE, UNITS, SENSITIVITY = "report.html", "units.csv", "sensitivity.csv"


def run_report(
    world: World,
    *,
    units: int | None = None,
    years: float | None = None,
    seed: int = 7,
    equipment: str = "",
    settings_file: Path | None = None,
    detection_file: Path | None = None,
    out: Path | None = None,
    json_path: str = "",
    processes: int = 2,
) -> int:
    """Run, print and write; the exit code.

    Args:
        world: The simulators.
        units: Of each kind, instead of the settings'.
        years: Length, instead of the settings'.
        seed: Of everything that is drawn.
        equipment: Kinds, separated by commas, instead of the settings'.
        settings_file: Assumptions; the sample's by default.
        detection_file: How well faults are found; what ships by default.
        out: Directory for the page and the tables; None writes nothing.
        json_path: File for the figures.
        processes: Kinds that are run at once.

    Raises:
        SettingsError: a setting, size or kind that cannot be, or a kind whose detection has not been measured.
    """
    settings = ReportSettings() if settings_file is None else load_settings(settings_file, ReportSettings)
    settings = with_fleet(settings, units, years, equipment)
    detection = measured.load(detection_file or measured.DETECTION_FILE)
    for kind in settings.fleet.equipment:
        kind_detection(detection, kind)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    studies = run_studies(world, settings, detection, seed, processes)
    outcomes = {one.equipment: one.outcomes for one in studies}
    against = changes(outcomes)
    lines, sensitivity = policy_lines(studies, settings), sensitivity_rows(studies)
    words = account(studies, against, settings, detection)
    _print(lines, sensitivity, words, settings)
    show(figures(outcomes), json_path)
    if out is not None:
        html = page.render(studies, against, lines, sensitivity, words, settings, detection, seed)
        (out / PAGE).write_text(html, encoding="utf-8")
        _write_units(out / UNITS, studies)
        _write_sensitivity(out / SENSITIVITY, sensitivity)
        print(f"report: {out / PAGE}, {UNITS}, {SENSITIVITY}", file=sys.stderr)
    return Exit.OK


def run_studies(
    world: World, settings: ReportSettings, detection: Detection, seed: int, processes: int = 1
) -> list[Study]:
    """One study of each kind, in the order of the settings, each in a process of its own where more than one may run."""
    kinds = settings.fleet.equipment
    if min(processes, len(kinds)) < 2:
        return [study(kind, settings, detection, seed, world) for kind in kinds]
    with ProcessPoolExecutor(min(processes, len(kinds))) as pool:
        jobs = [pool.submit(study, kind, settings, detection, seed, world) for kind in kinds]
        return [job.result() for job in jobs]


def _print(lines: list[Line], sensitivity: list[SensitivityRow], words: list[str], settings: ReportSettings) -> None:
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    table = Table(
        title="A unit and year under each policy (change against reactive, 95 % interval)", title_justify="left"
    )
    table.add_column("")
    for name in POLICIES:
        table.add_column(TITLES[name], justify="right")
    for line in lines:
        cells = [
            f"{line.values[name]}\n{line.changes[name]}" if name in line.changes else line.values[name]
            for name in POLICIES
        ]
        table.add_row(line.title, *cells)
    console.print(table)
    table = Table(title="What it depends on: Plenum against reactive", title_justify="left")
    table.add_column("assumption")
    for measure in MEASURES:
        table.add_column(measure.short, justify="right", no_wrap=True)
    for row in sensitivity:
        told = [percent(row.changes[measure.name]) for measure in MEASURES]
        table.add_row(f"{row.group}: {row.title}", *told)
    console.print(table)
    for word in words:
        console.print(f"- {word}", highlight=False, markup=False)
    console.print(
        f"Field evidence: {FIELD_EVIDENCE.says} ({FIELD_EVIDENCE.where}). Assumptions and their sources: docs/report.md;"
        f" money in {settings.cost.currency}.",
        highlight=False,
        markup=False,
    )


def _write_units(path: Path, studies: list[Study]) -> None:
    """Every unit under every policy, so that anyone can work the figures out again."""
    fields = (
        "downtime_hours",
        "breakdowns",
        "energy_kwh",
        "occupied_hours",
        "uncomfortable_hours",
        "late_hours",
        "cost",
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("equipment", "unit", "policy", *fields))
        for one in studies:
            for policy, outcome in one.outcomes.items():
                columns = [getattr(outcome, field) for field in fields]
                for unit, values in enumerate(zip(*columns, strict=True)):
                    writer.writerow((one.equipment, unit, policy, *(f"{value:.6g}" for value in values)))


def _write_sensitivity(path: Path, rows: list[SensitivityRow]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("group", "assumption", *(f"{measure.name}_change_percent" for measure in MEASURES)))
        for row in rows:
            writer.writerow((row.group, row.title, *(f"{row.changes[measure.name]:.4g}" for measure in MEASURES)))
