"""Recorded cases: a folder each with `history_wide.csv`, `columns.csv` (column to point role) and `expected.json`.

Their readings are in the catalogue's units (degrees Fahrenheit, inches of water, cfm, gpm, psi; signals 0 to 1 or in
percent) and their points are named by its roles; both are translated here, and nothing else is known of any case.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from models.contracts.exportfile import EMPTY, STATES
from models.contracts.points import POINTS
from models.contracts.units import to_ours
from models.hvac.kinds import KINDS, Kind
from models.hvac.points import Ints, P
from models.hvac.rule import Rule
from models.hvac.rules import RULE_BY_ID
from models.hvac.rules_roles import ROLES
from models.hvac.rules_run import FAULT, PASS, Outcome, run_rules
from models.hvac.settings import MonitorSettings, RuleSettings

_EQUIPMENT = {
    "AHU": "ahu", "RTU": "rtu", "VAV": "vav_box", "ZONE": "vav_box", "CHILLER": "chiller", "CHW_PLANT": "chiller",
    "COOLING_TOWER": "chiller", "BOILER": "boiler", "HP": "heat_pump", "HEATPUMP": "heat_pump", "WEATHER": "ahu",
}  # fmt: skip
_WORDS = {**STATES, "occupied": 1.0, "unoccupied": 0.0, "enabled": 1.0, "disabled": 0.0, "1": 1.0, "0": 0.0}
# A signal that ever shows more than this is in percent.
_SIGNAL_MAX = 1.5
_HOURS_TOLERANCE = 0.01
# As the catalogue has it: no start-up time of our own, and a share of the recorded time, however short.
_PLAIN = MonitorSettings()
CATALOGUE_SETTINGS = msgspec.structs.replace(
    _PLAIN,
    rules=msgspec.structs.replace(
        _PLAIN.rules,
        startup_seconds=0,
        plant=msgspec.structs.replace(_PLAIN.rules.plant, always_on_hours_min=0.0),
    ),
)


class CaseError(ValueError):
    """A recorded case that cannot be read."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a case asserts, as its `expected.json` has it; other keys are notes."""

    rule: str
    equipment: str
    poll_seconds: float
    params: Mapping[str, float]
    any_fault: bool | None = None
    status: str | None = None
    fault_hours: float | None = None
    tolerance: float = _HOURS_TOLERANCE

    @property
    def asserts(self) -> bool:
        """Whether it asserts anything at all: others need only run."""
        return not (self.any_fault is None and self.status is None and self.fault_hours is None)


@dataclass(slots=True)
class Case:
    """One folder, read: times (n,) and values (n, P) in the slots of its kind of equipment."""

    name: str
    kind: Kind
    expected: Expected
    at_ms: Ints
    values: npt.NDArray[np.float64]


class Verdict(NamedTuple):
    """How a case came out. `differences` are sentences, none if it is exact."""

    case: str
    asserts: bool
    outcome: Outcome | None
    differences: tuple[str, ...]


def case_folders(root: Path) -> list[Path]:
    """Folders of recorded cases below a folder, itself included, in order of their names."""
    return sorted(path.parent for path in root.rglob("expected.json"))


def run_cases(root: Path) -> Iterator[Verdict]:
    """Run every case of a tree; one that cannot be read differs."""
    for folder in case_folders(root):
        name = str(folder.relative_to(root))
        try:
            case = read_case(folder, name)
            outcome = run_case(case)
        except CaseError as error:
            yield Verdict(name, True, None, (str(error),))
            continue
        yield Verdict(name, case.expected.asserts, outcome, differences(case.expected, outcome))


def run_case(case: Case) -> Outcome:
    """Judge the case's rule with the case's parameters.

    Raises:
        CaseError: a parameter is none of the rule's.
    """
    expected = case.expected
    settings = msgspec.structs.replace(
        CATALOGUE_SETTINGS, rules=with_parameters(CATALOGUE_SETTINGS.rules, RULE_BY_ID[expected.rule], expected.params)
    )
    if not len(case.at_ms):
        raise CaseError(f"case {case.name}: history_wide.csv has no rows")
    return run_rules(
        case.kind, case.at_ms, case.values, settings, [expected.rule], round(expected.poll_seconds * 1000)
    )[0]


def differences(expected: Expected, outcome: Outcome) -> tuple[str, ...]:
    """In which assertions an outcome differs from what a case expects."""
    found = []
    any_fault = outcome.status == FAULT
    if expected.any_fault is not None and any_fault != expected.any_fault:
        found.append(f"any_fault {any_fault}, expected {expected.any_fault} (status {outcome.status})")
    wanted = PASS if expected.status == "NO_FAULT" else expected.status
    if wanted is not None and outcome.status != wanted:
        found.append(f"status {outcome.status}, expected {expected.status}")
    if expected.fault_hours is not None and abs(outcome.fault_hours - expected.fault_hours) > expected.tolerance + 1e-9:
        found.append(f"fault hours {outcome.fault_hours:.3f}, expected {expected.fault_hours} ± {expected.tolerance}")
    return tuple(found)


def with_parameters(settings: RuleSettings, rule: Rule, params: Mapping[str, float]) -> RuleSettings:
    """The settings with some of the catalogue's parameters of one rule, in its units.

    Raises:
        CaseError: one is none of the rule's, or out of bounds.
    """
    changed: dict[str, Any] = msgspec.to_builtins(settings)
    by_name = {threshold.parameter: threshold for threshold in rule.thresholds}
    for name, value in params.items():
        if name in ("confirm_min", "confirm_seconds"):
            seconds = round(value * 60) if name == "confirm_min" else round(value)
            changed["confirmation_seconds"] = {**changed["confirmation_seconds"], rule.id: seconds}
            continue
        if name == "startup_delay_min":
            changed["startup_seconds"] = round(value * 60)
            continue
        if name not in by_name:
            raise CaseError(f"rule {rule.id}: parameter {name!r} is not known; it has {', '.join(by_name) or 'none'}")
        for setting in by_name[name].settings:
            table, _, key = setting.partition(".")
            whole = isinstance(changed[table][key], int)
            ours = by_name[name].ours(float(value))
            changed[table][key] = round(ours) if whole else ours
    try:
        return msgspec.convert(changed, RuleSettings)
    except msgspec.ValidationError as error:
        raise CaseError(f"rule {rule.id}: parameters {dict(params)!r}: {error}") from error


def read_case(folder: Path, name: str = "") -> Case:
    """One folder.

    Raises:
        CaseError: a file is missing or cannot be understood.
    """
    name = name or folder.name
    try:
        raw = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        with (folder / "columns.csv").open(encoding="utf-8", newline="") as stream:
            roles = {row["col"].strip(): row["point_role"].strip() for row in csv.DictReader(stream)}
        with (folder / "history_wide.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CaseError(f"case {name}: cannot be read: {error}") from error
    expected = _expected(raw, name)
    kind = _kind(expected, name)
    values = np.full((len(rows), P), np.nan)
    for column, role in roles.items():
        point = next((one for one in ROLES.get(role, ()) if one in kind.slot), None)
        if point is not None and rows and column in rows[0]:
            values[:, kind.slot[point]] = _in_our_unit(point, [row[column] for row in rows], name)
    times = np.array([_time_ms(row, name) for row in rows], dtype=np.int64)
    return Case(name, kind, expected, times, values)


def _expected(raw: Mapping[str, Any], name: str) -> Expected:
    rule = str(raw.get("pandas_rule_id") or raw.get("rule_id") or "")
    if rule not in RULE_BY_ID:
        raise CaseError(f"case {name}: rule {rule!r} is not in the table; see `plenum rules list`")
    return Expected(
        rule=rule,
        equipment=str(raw.get("equipment_type") or "").upper(),
        poll_seconds=float(raw.get("poll_seconds") or 0),
        params={str(key): float(value) for key, value in (raw.get("params") or {}).items()},
        any_fault=raw.get("any_fault"),
        status=raw.get("expect_status"),
        fault_hours=raw.get("fault_hours"),
        tolerance=float(raw.get("fault_hours_tol", _HOURS_TOLERANCE)),
    )


def _kind(expected: Expected, name: str) -> Kind:
    if expected.equipment and expected.equipment not in _EQUIPMENT:
        raise CaseError(
            f"case {name}: equipment_type {expected.equipment!r} is not known; expected one of {', '.join(_EQUIPMENT)}"
        )
    return KINDS[_EQUIPMENT.get(expected.equipment, RULE_BY_ID[expected.rule].equipment[0])]


def _time_ms(row: Mapping[str, str], name: str) -> int:
    text = next(iter(row.values())) if "timestamp_utc" not in row else row["timestamp_utc"]
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise CaseError(f"case {name}: time {text!r} in history_wide.csv, expected ISO 8601") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


_UNITS = {
    "celsius": "degF", "cubic_meters_per_second": "cfm", "watts": "kw", "amperes": "a", "pascals": "psi",
}  # fmt: skip


def _in_our_unit(point: str, cells: list[str], name: str) -> npt.NDArray[np.float64]:
    """A column of the catalogue's units in ours; NaN where a cell is empty."""
    numbers = np.array([_number(cell, point, name) for cell in cells], dtype=np.float64)
    unit = POINTS[point].unit
    if unit == "fraction":
        percent = bool((np.abs(numbers[~np.isnan(numbers)]) > _SIGNAL_MAX).any())
        return numbers / 100 if percent else numbers
    if unit in ("state", "none"):
        return numbers
    theirs = _UNITS[unit]
    if point.startswith("supply_air_static"):
        theirs = "inH2O"
    if point.endswith("water_flow"):
        theirs = "gpm"
    return np.array([to_ours(number, theirs) for number in numbers])


def _number(cell: str | None, point: str, name: str) -> float:
    text = (cell or "").strip().lower()
    if text in EMPTY:
        return float("nan")
    if text in _WORDS:
        return _WORDS[text]
    try:
        return float(text)
    except ValueError:
        raise CaseError(f"case {name}: {text!r} in history_wide.csv, expected a number ({point})") from None
