"""What `plenum train hvac` does: parts of what ships, rebuilt one after the other; its caller brings the simulators."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from models.contracts.equipment import EQUIPMENT
from models.contracts.exits import Exit
from models.contracts.figures import line
from models.hvac.costs import PENALTY_SEVERITY, SIZE_POINTS, KindPenalties, Penalty
from models.hvac.curriculum import Plant
from models.hvac.fleet_life import LivingPlant

PARTS = ("penalties", *EQUIPMENT, "risk")
# Penalties are measured in four weeks over the year, from Monday 5 January 2026 on.
_YEAR_START_MS, _WEEK_MS = 1_767_571_200_000, 7 * 86_400_000
_WEEKS = (1, 14, 27, 40)


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


def run_train(plant: Plant, living: LivingPlant, measure: Measure, part: str, out: Path, seed: int) -> int:
    """Rebuild one part, or all of them if `part` is empty; returns an exit code.

    Args:
        plant: Plays lessons.
        living: Plays fleets that wear.
        measure: What a fault costs.
        part: One of `PARTS`.
        out: Where artifacts, cards and golden vectors go.
        seed: Of the training; the lessons have seeds of their own.
    """
    if part and part not in PARTS:
        print(f"train: kind {part!r} is not known, expected one of {', '.join(PARTS)}", file=sys.stderr)
        return Exit.USAGE
    # TensorFlow is wanted only from here on.
    from models.hvac.train import train_all, train_failure_risk, train_kind

    for name in (part,) if part else PARTS:
        if name == "penalties":
            _write_penalties(measure, out / "penalties.json")
            continue
        if name == "risk":
            trained = train_failure_risk(living, out, seed)
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
