"""What `plenum train hvac` does: parts of what ships, rebuilt one after the other; its caller brings the simulators."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from models.contracts.equipment import EQUIPMENT
from models.contracts.exits import Exit
from models.contracts.figures import line
from models.hvac.costs import PENALTY_SEVERITY, SIZE_POINTS, KindPenalties, Penalty
from models.hvac.curriculum import Plant
from models.hvac.fleet_life import LivingPlant
from models.hvac.monitor import Monitor
from models.hvac.report import detection
from models.hvac.report.measure import measure as measure_detection

if TYPE_CHECKING:
    from models.hvac.cards import ArtifactFiles

PARTS = ("penalties", *EQUIPMENT, "risk", "detection")
# What each kind of equipment ends with, for all of them anew: the models stay as they are.
BUDGETS = "budgets"
# Penalties are measured in four weeks over the year, from Monday 5 January 2026 on.
_YEAR_START_MS, _WEEK_MS = 1_767_571_200_000, 7 * 86_400_000
_WEEKS = (1, 14, 27, 40)
# How faults are found is measured in fleets of so many units, beginning in so many seasons: minutes a kind.
_DETECTION_UNITS, _DETECTION_SEED, _DETECTION_SEASONS = 60, 61_000, 2


class Cost(Protocol):
    """What a fault costs a plant, mean over units and days."""

    @property
    def watts(self) -> Mapping[str, float]:
        """By meter."""

    @property
    def uncomfortable_hours_per_day(self) -> float:
        """Outside of comfort while in use."""


class Measured(Protocol):
    """Of one kind of equipment, as simulators give it."""

    @property
    def size_median(self) -> float:
        """Of the units' size point while they run."""

    @property
    def families(self) -> Mapping[str, Cost]:
        """Each family that the kind may have."""


class Measure(Protocol):
    """Measures what each fault of a kind costs on plants that are alike but for the fault."""

    def __call__(
        self, equipment: str, size_point: str, severity: float, starts_at_ms: Sequence[int], /
    ) -> Measured: ...


def run_train(
    plant: Plant,
    living: LivingPlant,
    measure: Measure,
    simulated: Mapping[str, Sequence[str]],
    part: str,
    out: Path,
    seed: int,
) -> int:
    """Rebuild one part, or all of them if `part` is empty; returns an exit code.

    Args:
        plant: Plays lessons.
        living: Plays fleets that wear.
        measure: What a fault costs.
        simulated: Families of faults that plants can have, by kind of equipment.
        part: One of `PARTS`, or `BUDGETS`.
        out: Where artifacts, cards and golden vectors go.
        seed: Of the training; the lessons have seeds of their own.
    """
    if part and part not in (*PARTS, BUDGETS):
        print(f"train: kind {part!r} is not known, expected one of {', '.join((*PARTS, BUDGETS))}", file=sys.stderr)
        return Exit.USAGE
    # TensorFlow is wanted only from here on.
    from models.hvac.train import train_all, train_failure_risk, train_kind
    from models.hvac.train_budget import train_budget

    for name in (part,) if part else PARTS:
        if name == "penalties":
            _write_penalties(measure, out / "penalties.json")
            continue
        if name == "detection":
            _write_detection(plant, simulated, out)
            continue
        trained: Iterable[ArtifactFiles]
        if name == "risk":
            trained = train_failure_risk(living, out, seed)
        elif name == BUDGETS:
            trained = itertools.chain.from_iterable(train_budget(plant, out, kind) for kind in EQUIPMENT)
        else:
            trained = train_all(plant, out, seed) if name == "ahu" else train_kind(plant, out, name, seed)
        for files in trained:
            print(f"{files.card.name}: {len(files.content):,} bytes in {out}", flush=True)
            for figure in files.card.metrics:
                print(line(figure), flush=True)
    return Exit.OK


def _write_penalties(measure: Measure, file: Path) -> None:
    """What each fault of each kind of equipment costs."""
    starts_at_ms = [_YEAR_START_MS + week * _WEEK_MS for week in _WEEKS]
    table = {}
    for kind, size_point in SIZE_POINTS.items():
        found = measure(kind, size_point, PENALTY_SEVERITY, starts_at_ms)
        families = {
            family: Penalty(
                round(one.watts["electricity"], 1),
                round(one.watts["fuel"] + one.watts["hot_water"], 1),
                round(one.watts["chilled_water"], 1),
                round(one.uncomfortable_hours_per_day, 3),
            )
            for family, one in found.families.items()
        }
        table[kind] = KindPenalties(round(found.size_median, 5), families)
        print(f"penalties of {kind}: {len(families)} families", flush=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(table), indent=1) + b"\n")


def _write_detection(plant: Plant, simulated: Mapping[str, Sequence[str]], out: Path) -> None:
    """How well the models of a directory find each family; kept kind by kind."""
    monitor = Monitor.load(out)
    for kind in EQUIPMENT:
        one = {kind: simulated[kind]}
        found = measure_detection(plant, monitor, one, _DETECTION_UNITS, _DETECTION_SEED, _DETECTION_SEASONS)
        detection.save(found, out / detection.DETECTION_FILE.name)
        curves = found.equipment[kind].families.values()
        cases, seen = sum(curve.cases for curve in curves), sum(curve.found for curve in curves)
        print(f"detection of {kind}: {seen} of {cases} faults in {len(curves)} families", flush=True)
