"""How well alerts find faults, in three numbers a family, as `measure.py` has measured it: the report rests on them.

share of faults that have been found
  1 ┤
    │- - - - - - - - - - - - - -  1 - never_fraction
    │               .‾‾‾‾‾‾‾‾‾‾
    │             ╱
    │- - - - - - │ - - - - - - -  half of them
  0 ┼────────'───┴─────────────▶ severity
              severity_half      (severity_spread: of the logistic curve)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from models.contracts.settings import SettingsError
from models.hvac.report.chances import Floats

DETECTION_FILE = Path(__file__).parents[1] / "artifact" / "detection.json"
_DOUBT = 0.5  # of log likelihood
_SEVERITIES = np.linspace(0.05, 1.0, 20)
# What a controller does wrong is there from one day to the next; parts wear.
ABRUPT = frozenset({"control_hunting", "schedule_wrong", "simultaneous_heating_cooling"})


class Curve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a family is found. `cases` are the faults that this was measured on, `found` those of them that were found."""

    severity_half: float
    severity_spread: float
    never_fraction: float
    cases: int
    found: int


class KindDetection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one kind of equipment. A family without a curve is never found."""

    families: dict[str, Curve]
    false_episodes_per_unit_week: float
    healthy_unit_weeks: float
    delay_hours: float  # median, from a fault that is there at once to its alert


class Detection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By kind of equipment, and which models it was measured with, on what."""

    monitor: str
    measured: str
    equipment: dict[str, KindDetection]


class Case(NamedTuple):
    """One fault that was watched: found at `severity`, `before` being that of the last day on which it was not.

    Where it was not found, `severity` is the largest that the monitor has seen. `days`: watched until then.
    """

    family: str
    found: bool
    severity: float
    before: float
    days: float


def load(path: Path = DETECTION_FILE) -> Detection:
    """The detection that was measured.

    Raises:
        SettingsError: no such file, or not of this shape.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Detection)
    except FileNotFoundError:
        raise SettingsError(f"detection {path}: no such file; measure it with: plenum train hvac") from None
    except msgspec.MsgspecError as error:
        raise SettingsError(f"detection {path}: {error}; measure it anew with: plenum train hvac") from error


def save(detection: Detection, path: Path = DETECTION_FILE) -> None:
    """Write it; kinds of equipment that it does not have stay as they were."""
    before = load(path).equipment if path.exists() else {}
    merged = msgspec.structs.replace(detection, equipment=before | detection.equipment)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(merged), indent=2) + b"\n")


def curve(cases: Sequence[Case], false_per_day: float = 0.0) -> Curve:
    """The likeliest curve of these cases, on a grid: a fault that was found has been found since it was last not.

    Args:
        cases: Of one family.
        false_per_day: How often healthy units are said to have this fault. Who cries wolf every day finds every fault: what
            such alerts would have found by chance is no merit.
    """
    quiet = np.exp(-false_per_day * np.array([case.days for case in cases]))  # no false alert in all that time
    severity = np.array([case.severity for case in cases])
    before = np.array([case.before for case in cases])
    found = np.array([case.found for case in cases])
    if not found.any():
        return Curve(1.0, 0.05, 1.0, len(cases), 0)
    tried = []
    for half in np.arange(0.02, 1.01, 0.02):
        for spread in (0.02, 0.04, 0.07, 0.1, 0.14, 0.2):
            at = _logistic(severity, half, spread)
            since = np.where(before > 0, _logistic(before, half, spread), 0.0)
            worth = float(_logistic(_SEVERITIES, half, spread).mean())
            for never in np.arange(0.0, 1.01, 0.05):
                missed = 1 - (1 - never) * at
                merit = (1 - never) * np.maximum(at - since, 1e-4)
                chance = np.where(found, merit + missed * false_per_day, missed) * quiet
                likelihood = float(np.log(np.maximum(chance, 1e-6)).sum())
                tried.append((likelihood, (1 - never) * worth, float(half), float(spread), float(never)))
    best = max(one[0] for one in tried)
    # Of curves that say the data hardly worse, the one that finds least: in doubt against us.
    _, _, half, spread, never = min((one for one in tried if one[0] >= best - _DOUBT), key=lambda one: one[1])
    return Curve(round(half, 3), round(spread, 3), round(never, 3), len(cases), int(found.sum()))


def _logistic(severity: Floats, half: float, spread: float) -> Floats:
    risen: Floats = 1 / (1 + np.exp(-(severity - half) / spread))
    return risen
