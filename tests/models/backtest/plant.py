"""Small exports of simulated air handlers, and the map that fits them."""

from __future__ import annotations

import csv
from pathlib import Path

from models.contracts.points import AHU_POINTS, POINTS
from simulators.hvac.faults import FaultPlan
from simulators.hvac.world import Fleet, run

START_MS = 1_748_844_000_000  # a Monday in June, 06:00
SLIPS_AFTER_MINUTES = 90
MINUTES = 240


def write_export(directory: Path, minutes: int = MINUTES) -> Path:
    """Five hours of two air handlers; the fan belt of the second slips after an hour and a half, as the label says."""
    slips_at_ms = START_MS + SLIPS_AFTER_MINUTES * 60_000
    fleet = Fleet(
        2,
        5,
        START_MS,
        [FaultPlan(1, "fan_belt_worn", slips_at_ms, 0.9)],
        occupied_hours=(0, 24),
        warmup_hours=2,
    )
    times, values = run(fleet, minutes, 60.0)
    path = directory / "plant.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["time", "unit", *AHU_POINTS, "faulty"])
        for row, at_ms in enumerate(times.tolist()):
            for unit in range(2):
                cells = [f"{value:.6g}" for value in values[row, unit].tolist()]
                writer.writerow([at_ms, f"ahu-{unit + 1}", *cells, int(unit == 1 and at_ms >= slips_at_ms)])
    return path


def write_map(directory: Path) -> Path:
    """The map of `write_export`, without its label."""
    points = "".join(f'[points.{name}]\ncolumn = "{name}"\nunit = "{POINTS[name].unit}"\n' for name in AHU_POINTS)
    path = directory / "map.toml"
    path.write_text(f'time = "time"\nunit_column = "unit"\ntype = "ahu"\nignore = []\n{points}', encoding="utf-8")
    return path
