"""How fast simulated fleets run: a year of 1,000 units at 5-minute steps, for each kind of equipment.

    python -m tests.bench.bench_plants --json bench.json

One core, wear on, every reading taken. A spring, a summer and a winter day are run (the coils are dry, wet, and hot); the
year is what their median day comes to, 365 times. Building the fleet and its hour of running in are not counted.
"""

from __future__ import annotations

import argparse
import os

# Must be set before numpy is imported: one core is what we state.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import time

from models.contracts.figures import Figure, show
from simulators.hvac.plants.faults import FAMILIES
from simulators.hvac.plants.plant import make
from simulators.hvac.plants.wear import Wear

UNITS = 1000
STEP_SECONDS = 300
STEPS_A_DAY = 86_400 // STEP_SECONDS
DAYS_A_YEAR = 365
YEAR_SECONDS_MAX = 600
# 2026-04-14, 2026-07-14 and 2026-01-13, all Tuesdays.
STARTS_AT_MS = (1_776_124_800_000, 1_783_987_200_000, 1_768_262_400_000)


def day_seconds(equipment: str, start_at_ms: int) -> float:
    """Wall time of one day of the fleet."""
    wear = Wear(FAMILIES[equipment], UNITS, seed=1)
    plant = make(equipment, UNITS, 1, start_at_ms, wear=wear, warmup_hours=1)
    started = time.perf_counter()
    for _ in range(STEPS_A_DAY):
        plant.step(STEP_SECONDS)
        plant.points()
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_plants")
    parser.add_argument("--json", default="", help="file for the figures; - for standard output")
    parser.add_argument("--kind", action="append", choices=list(FAMILIES), help="only this kind; may be repeated")
    arguments = parser.parse_args()
    figures = []
    for equipment in arguments.kind or FAMILIES:
        year_seconds = DAYS_A_YEAR * statistics.median(day_seconds(equipment, at_ms) for at_ms in STARTS_AT_MS)
        figures += [
            Figure(f"plants.{equipment}.year_seconds", year_seconds, "seconds"),
            Figure(f"plants.{equipment}.unit_years_per_minute", 60 * UNITS / year_seconds, "count"),
        ]
    show(figures, arguments.json)


if __name__ == "__main__":
    main()
