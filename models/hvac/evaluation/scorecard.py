"""The whole scorecard, part by part: rules, public data sets, simulated fleets; each figure as soon as it is known."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from models.contracts.exits import Exit
from models.contracts.figures import Figure, show
from models.hvac import evaluate
from models.hvac.curriculum import Plant
from models.hvac.evaluation import cmapss, fleets, lbnl, nab, refrigeration, skab
from models.hvac.evaluation.table import render
from models.hvac.fleet_life import LivingPlant
from models.hvac.monitor import Monitor
from models.hvac.rules_recorded import run_cases

_TITLE = """# Scorecard

How good the shipped rules and models are, on data that they have not learned from. Written by `make evaluate`;
intervals hold 95 %.

Read with care: the refrigeration sets share a third of their rows (see `unseen_conditions`), NAB hangs on how many rows
teach (see `other_training`), and the generic detector was designed by people who had seen both of its test sets.

"""


def run_evaluate(
    plant: Plant,
    living: LivingPlant,
    data: Path | None,
    lessons: int,
    units: int,
    fleet_units: int,
    fleet_days: float,
    scorecard: Path | None,
    json_path: str,
) -> int:
    """Work the scorecard out and print it.

    Args:
        plant: Plays lessons on the demo's simulator.
        living: Plays fleets that wear.
        data: The `hvac` folder of the public data sets; None leaves them out.
        lessons: Healthy and faulty stretches on the demo's simulator, spread over the year.
        units: In each of them.
        fleet_units: In each fleet that wears; 0 leaves these out.
        fleet_days: For how long each is watched.
        scorecard: Markdown file for the table, of what the file of figures held before (a report's) too.
        json_path: File for the figures; `-` for standard output.
    """
    if data is not None and not (data / "rules" / "oracle").is_dir():
        print(
            f"evaluate: --data {data}: found no rules/oracle in it, expected the folder `hvac` of the public data sets",
            file=sys.stderr,
        )
        return Exit.SETTINGS
    if data is None:
        print("evaluate: no --data given: rules on recorded cases and public data sets are left out", file=sys.stderr)
    found: list[Figure] = []
    for name, part in _parts(plant, living, data, lessons, units, fleet_units, fleet_days):
        began = time.monotonic()
        figures = list(part())
        show(figures, "" if json_path == "-" else json_path)
        print(f"evaluate: {name} took {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        found += figures
    if json_path == "-":
        print(msgspec.json.encode(found).decode())
    if scorecard is not None:
        if json_path and json_path != "-":
            found = msgspec.json.decode(Path(json_path).read_bytes(), type=list[Figure])
        scorecard.write_text(_TITLE + render(found), encoding="utf-8")
    return Exit.OK


def _parts(
    plant: Plant,
    living: LivingPlant,
    data: Path | None,
    lessons: int,
    units: int,
    fleet_units: int,
    fleet_days: float,
) -> Iterator[tuple[str, Callable[[], Iterable[Figure]]]]:
    if data is not None:
        yield "rules", lambda: _rules(data / "rules" / "oracle")
        for name, figures in (
            ("lbnl", lbnl.figures), ("skab", skab.figures), ("nab", nab.figures), ("cmapss", cmapss.figures),
            ("refrigeration", refrigeration.figures),
        ):  # fmt: skip
            yield name, lambda figures=figures: figures(data)  # type: ignore[misc]
    monitor = Monitor.load()
    if lessons:
        yield "faults", lambda: evaluate.evaluate(plant, monitor, lessons, units)
    if fleet_units:
        yield "fleets", lambda: fleets.figures(living, monitor, fleet_units, fleet_days)


def _rules(directory: Path) -> list[Figure]:
    verdicts = list(run_cases(directory))
    exact = sum(not verdict.differences for verdict in verdicts)
    return [
        Figure("rules.cases", len(verdicts), "cases"),
        Figure("rules.asserted", sum(verdict.asserts for verdict in verdicts), "cases"),
        Figure("rules.exact", exact, "cases"),
    ]
