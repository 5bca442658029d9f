"""What a backtest costs: a million rows of 20 points, from the file to its three outputs, by the command that users call.

    python -m tests.bench.bench_backtest --json bench.json

    fleet     1,000 air handlers x 1,000 minutes, one CSV file     rules, models, diagnosis, episodes
    generic   one unit x 1,000,000 rows, one CSV file              a model fitted to the first 10 %
    one       one air handler x 20,000 minutes                     a minute of one unit costs what a minute of a fleet costs

Each is the median of three runs; the file is made anew from a seed. A minute of a known kind builds on the one before, so
what makes a fleet fast is that all its units are worked on at once; `one` says what that means for a single unit.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from models.contracts.figures import Figure, show
from models.contracts.points import AHU_POINTS, POINTS

RUNS = 3
SECONDS_MAX = 60.0
START_MS = 1_748_844_000_000
COLUMNS = 20
ONE_UNIT_MINUTES = 20_000
POINTS_READ = AHU_POINTS[:COLUMNS]


def _fleet_values(units: int, minutes: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Points of air handlers that move as plants do, each within its plausible range, shape (minutes * units,)."""
    hour = np.repeat(np.arange(minutes) / 60 % 24, units)
    swing = np.sin((hour - 9) * np.pi / 12)
    columns = {}
    for name in POINTS_READ:
        point = POINTS[name]
        low, high = (
            (max(point.low, -10.0), min(point.high, 40.0)) if point.unit == "celsius" else (point.low, point.high)
        )
        middle, half = (low + high) / 2, (high - low) / 2
        values = middle + half * (0.3 * swing + 0.03 * rng.standard_normal(len(hour)))
        if point.unit == "state":
            values = np.ones(len(hour))
        columns[name] = np.clip(values, low, high).round(3)
    return columns


def write_fleet(path: Path, units: int, minutes: int, seed: int) -> None:
    """An export of a fleet, as a historian writes it: minute by minute, every unit in it."""
    rng = np.random.default_rng(seed)
    at_ms = np.repeat(START_MS + 60_000 * np.arange(minutes), units)
    names = pa.array([f"ahu-{number}" for number in range(units)]).take(pa.array(np.tile(np.arange(units), minutes)))
    table = pa.table({"time": at_ms, "unit": names, **_fleet_values(units, minutes, rng)})
    arrow_csv.write_csv(table, path)


def write_generic(path: Path, rows: int, seed: int) -> None:
    """One machine with twenty sensors that hang together."""
    rng = np.random.default_rng(seed)
    driver = np.cumsum(rng.standard_normal((rows, 3)) * 0.01, axis=0)
    driver -= np.linspace(0, 1, rows)[:, None] * driver[-1]
    values = driver @ rng.standard_normal((3, COLUMNS)) + 0.1 * rng.standard_normal((rows, COLUMNS))
    columns = {f"sensor {number}": values[:, number].round(4) for number in range(COLUMNS)}
    arrow_csv.write_csv(pa.table({"time": START_MS + 60_000 * np.arange(rows), **columns}), path)


def _map(kind: str) -> str:
    if kind == "generic":
        return 'time = "time"\nunit_id = "machine"\ntype = "generic"\n'
    points = "".join(f'[points.{name}]\ncolumn = "{name}"\nunit = "{POINTS[name].unit}"\n' for name in POINTS_READ)
    return f'time = "time"\nunit_column = "unit"\ntype = "ahu"\n{points}'


def seconds(directory: Path, rows: Path, kind: str, *words: str) -> tuple[float, float]:
    """Wall and CPU seconds of one backtest as a process: start, imports and all."""
    map_file, out = directory / f"{kind}.toml", directory / "out"
    map_file.write_text(_map(kind), encoding="utf-8")
    command = [sys.executable, "-m", "plenum", "backtest", "hvac", str(rows), "--map", str(map_file), "--out", str(out)]
    before = os.times()
    done = subprocess.run(
        [*command, "--force", *words],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    after = os.times()
    if done.returncode:
        raise SystemExit(f"bench: backtest ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return after.elapsed - before.elapsed, cpu


def main() -> int:
    """Print the figures; 1 if one of the two that have a limit is over it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", default="", help="file for the figures; - for standard output")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the fleet and of the generic unit")
    parser.add_argument("--runs", type=int, default=RUNS)
    chosen = parser.parse_args()
    units = 1_000
    minutes = max(1, chosen.rows // units)
    figures = []
    with tempfile.TemporaryDirectory(prefix="plenum-bench-") as name:
        directory = Path(name)
        fleet, generic, one = directory / "fleet.csv", directory / "generic.csv", directory / "one.csv"
        write_fleet(fleet, units, minutes, seed=1)
        write_generic(generic, chosen.rows, seed=2)
        write_fleet(one, 1, ONE_UNIT_MINUTES, seed=3)
        tasks: dict[str, tuple[Path, str, tuple[str, ...]]] = {
            "fleet": (fleet, "ahu", ()),
            "generic": (generic, "generic", ("--train-rows", str(chosen.rows // 10))),
            "one_unit": (one, "ahu", ()),
        }
        for task, (rows, kind, words) in tasks.items():
            taken = [seconds(directory, rows, kind, *words) for _ in range(chosen.runs)]
            for number, what in enumerate(("seconds", "cpu_seconds")):
                found = [run[number] for run in taken]
                name = f"backtest.{what}_{task}"
                figures.append(Figure(name, statistics.median(found), "seconds", min(found), max(found)))
    value = {figure.name: figure.value for figure in figures}
    million = value["backtest.seconds_one_unit"] * 1_000_000 / ONE_UNIT_MINUTES
    figures.append(Figure("backtest.seconds_one_unit_million_minutes", million, "seconds"))
    show(figures, chosen.json)
    return int(max(value["backtest.seconds_fleet"], value["backtest.seconds_generic"]) > SECONDS_MAX)


if __name__ == "__main__":
    sys.exit(main())
