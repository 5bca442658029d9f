"""What `plenum rules list` and `plenum rules test` do: rim of the rule table, of recorded cases and of files with a map."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from models.contracts.columnmap import load_map
from models.contracts.equipment import EQUIPMENT
from models.contracts.exits import Exit
from models.contracts.figures import Figure, show
from models.contracts.settings import load
from models.contracts.units import conversion
from models.hvac.backtest import reader
from models.hvac.backtest.export import ExportError, Raw
from models.hvac.kinds import KINDS
from models.hvac.points import Ints, P
from models.hvac.rules import RULE_BY_ID
from models.hvac.rules_list import Listed, document, list_rules
from models.hvac.rules_recorded import Verdict, case_folders, run_cases
from models.hvac.rules_run import FAULT, NOT_APPLICABLE, Outcome, run_rules
from models.hvac.settings import MonitorSettings

_WIDE = 150  # columns of a terminal from which four columns of a table read better than two


app = App(
    name="plenum rules",
    help="The rules that judge units: what they say, and what they find in recorded data.",
    version_flags=[],
)


@app.command(name="list")
def list_table(
    *, equipment: str = "", settings: Path | None = None, json: str = "", markdown: Path | None = None
) -> int:
    """List the rules: equation, points, thresholds and source of each.

    Args:
        equipment: Of one kind only: ahu, rtu, heat_pump, chiller, boiler, fan_coil or vav_box.
        settings: TOML as monitor.sample.toml has it, to show other thresholds than the defaults.
        json: File for the same as JSON; - for standard output.
        markdown: File for the same as a document.
    """
    if equipment and equipment not in EQUIPMENT:
        return _refuse(f"equipment {equipment!r} is not known; expected one of {', '.join(EQUIPMENT)}")
    rules = list_rules(_settings(settings).rules, equipment)
    if markdown is not None:
        markdown.write_text(document(), encoding="utf-8")
    if json:
        _write_json([rule._asdict() for rule in rules], json)
    if json != "-":
        console = Console()
        console.print(_table(rules, console.width))
        own = sum(not RULE_BY_ID[rule.id].catalogue for rule in rules)
        console.print(f"{len(rules)} rules, {len(rules) - own} of the catalogue and {own} of our own")
    return Exit.OK


def _table(rules: Sequence[Listed], width: int) -> Table:
    table = Table(box=None, padding=(0, 1, 1, 0))
    wide = width >= _WIDE
    for heading in ("rule", "holds where", "reads", "thresholds under [rules]") if wide else ("rule", "what it says"):
        table.add_column(heading, no_wrap=heading == "rule", overflow="fold")
    for rule in rules:
        when = f"{rule.judged}; confirmed after {rule.confirmation_seconds // 60} min"
        what = f"[bold]{rule.title}[/bold]\n{_plain(rule.equation)}\n{when}\n[dim]{_source(rule)}[/dim]"
        reads = "\n".join((*rule.points, *(f"if told: {point}" for point in rule.optional)))
        limits = "\n".join(f"{name} = {value:g}" for name, value in rule.thresholds.items())
        if wide:
            table.add_row(rule.id, what, reads, limits)
        else:
            kept = f"reads {', '.join(rule.points)}"
            table.add_row(rule.id, "\n".join(part for part in (what, kept, limits) if part))
    return table


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _source(rule: Listed) -> str:
    kin = f"; kin of {rule.kin}" if rule.kin else ""
    return f"{rule.source}{kin}; {', '.join(rule.equipment)}"


@app.command(name="test")
def try_rules(
    path: Path,
    *,
    map_file: Annotated[Path | None, Parameter(name="--map")] = None,
    rule: tuple[str, ...] = (),
    settings: Path | None = None,
    json: str = "",
) -> int:
    """Try rules on recorded data: a file with a map, or a tree of cases that say what must come out.

    Args:
        path: CSV or Parquet, gzipped or not; or a folder with cases (history_wide.csv, columns.csv, expected.json).
        map_file: TOML that says which column is which point, in which unit; for a file.
        rule: Try this one only; may be given several times.
        settings: TOML as monitor.sample.toml has it, to try other thresholds on a file.
        json: File for the outcome; - for standard output.
    """
    unknown = [one for one in rule if one not in RULE_BY_ID]
    if unknown:
        return _refuse(f"rules {', '.join(map(repr, unknown))} are not in the table; see `plenum rules list`")
    if path.is_dir():
        return _test_cases(path, rule, json)
    if not path.exists():
        return _refuse(f"{path}: no such file or folder")
    if map_file is None:
        return _refuse(f"file {path}: needs a map that says which column is which point; give it with --map MAP.toml")
    try:
        return _test_file(path, map_file, rule, _settings(settings), json)
    except ExportError as error:
        return _refuse(str(error))


def _test_cases(root: Path, rules: Sequence[str], json_path: str) -> int:
    if not case_folders(root):
        return _refuse(
            f"folder {root}: no recorded cases; expected folders with history_wide.csv, columns.csv and expected.json"
        )
    verdicts = [one for one in run_cases(root) if not rules or _rule_of(one) in rules]
    for verdict in verdicts:
        if verdict.differences:
            print(f"{verdict.case}: {'; '.join(verdict.differences)}")
    exact = sum(not verdict.differences for verdict in verdicts)
    print(f"{exact} of {len(verdicts)} recorded cases came out exactly")
    show(
        [
            Figure("rules.cases", len(verdicts), "cases"),
            Figure("rules.asserted", sum(verdict.asserts for verdict in verdicts), "cases"),
            Figure("rules.exact", exact, "cases"),
        ],
        json_path,
    )
    return Exit.OK if exact == len(verdicts) else Exit.FINDINGS


def _rule_of(verdict: Verdict) -> str:
    return verdict.outcome.rule if verdict.outcome else ""


class _Tried(NamedTuple):
    unit: str
    outcome: Outcome


def _test_file(path: Path, map_file: Path, rules: Sequence[str], settings: MonitorSettings, json_path: str) -> int:
    columns = load_map(map_file)
    if columns.type not in KINDS:
        return _refuse(f"map {map_file}: type {columns.type!r} has no rules; expected one of {', '.join(KINDS)}")
    kind = KINDS[columns.type]
    raw = reader.read([path], columns)
    tried = [
        _Tried(unit, outcome)
        for number, unit in enumerate(raw.unit_names)
        for outcome in run_rules(kind, *_rows_of(raw, number, kind.slot), settings, rules)
        if rules or outcome.status != NOT_APPLICABLE
    ]
    if json_path:
        _write_json([_row(one) for one in tried], json_path)
    if json_path != "-":
        Console().print(_outcomes(tried))
        for note in raw.notes:
            print(note)
    return Exit.OK


def _rows_of(raw: Raw, unit: int, slot: Mapping[str, int]) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Times (n,) and values (n, P) of one unit, in our units; what the gateway would not believe is kept: rules say so."""
    rows = np.flatnonzero(raw.unit == unit)
    values = np.full((len(rows), P), np.nan)
    for number, point in enumerate(raw.layout.points):
        if point in slot:
            how = conversion(raw.file_units[number])
            values[:, slot[point]] = raw.columns[number][rows] * how.factor + how.offset
    return raw.at_ms[rows], values


def _outcomes(tried: Sequence[_Tried]) -> Table:
    table = Table(box=None)
    for heading in ("unit", "rule", "status", "first", "fault hours", "title"):
        table.add_column(heading, no_wrap=heading != "title", justify="right" if heading == "fault hours" else "left")
    order = {FAULT: 0, "PASS": 1}
    for unit, outcome in sorted(tried, key=lambda one: (one.unit, order.get(one.outcome.status, 2))):
        said = RULE_BY_ID[outcome.rule].title
        if outcome.missing:
            said += f" (not read: {', '.join(outcome.missing)})"
        hours = f"{outcome.fault_hours:.2f}" if outcome.status == FAULT else ""
        table.add_row(unit, outcome.rule, outcome.status, _first(outcome), hours, said)
    return table


def _first(outcome: Outcome) -> str:
    if outcome.first_at_ms < 0:
        return ""
    return datetime.fromtimestamp(outcome.first_at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _row(one: _Tried) -> dict[str, object]:
    outcome = one.outcome
    return {
        "unit": one.unit,
        "rule": outcome.rule,
        "status": outcome.status,
        "first_at": _first(outcome) or None,
        "fault_hours": round(outcome.fault_hours, 4),
        "missing": outcome.missing,
    }


def _settings(path: Path | None) -> MonitorSettings:
    return MonitorSettings() if path is None else load(path, MonitorSettings)


def _write_json(rows: Sequence[dict[str, object]], path: str) -> None:
    text = msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n"
    if path == "-":
        sys.stdout.write(text.decode())
    else:
        Path(path).write_bytes(text)


def _refuse(why: str) -> int:
    print(f"rules: {why}", file=sys.stderr)
    return Exit.USAGE
