"""What judging a unit's minute costs: windows, rules, anomaly, diagnosis and failure risk together, for each kind.

    python -m tests.bench.bench_monitor --json bench.json

One core, CPU time, median of three runs of an hour of plant time; one unit alone, as on the smallest gateway, and fifty
together, as on a large one.
"""

from __future__ import annotations

import argparse
import os

# Must be set before numpy is imported: one core is what we state.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import time

import numpy as np

from models.contracts.equipment import EQUIPMENT
from models.contracts.figures import Figure, show
from models.contracts.layout import layout_for
from models.hvac import episodes, features
from models.hvac.features import Minutes
from models.hvac.kinds import KINDS
from models.hvac.monitor import Monitor
from models.hvac.points import P
from simulators.hvac.plants.plant import make

START_AT_MS = 1_776_124_800_000 + 10 * 3_600_000  # 14 April 2026, 10:00
WARM_MINUTES, MINUTES, RUNS = 20, 60, 3


def unit_minute_ms(monitor: Monitor, name: str, units: int) -> float:
    """CPU milliseconds of one minute of one unit, `units` of them judged together."""
    kind = KINDS[name]
    points = EQUIPMENT[name].simulated
    positions = features.positions(kind, layout_for(name, points))
    plant = make(name, units, 3, START_AT_MS, warmup_hours=2)
    rows, whole = np.arange(units), np.ones(units, dtype=np.float32)
    state = features.new_state(units)
    seconds = []
    for run in range(RUNS):
        spent = 0.0
        for minute in range(WARM_MINUTES + MINUTES):
            plant.step(60)
            values = features.gather(plant.points()[:, :, None], None, positions)[:, :, 0]
            means = np.full((units, P), np.nan, dtype=np.float32)
            means[:, : values.shape[1]] = values
            minutes = Minutes(kind, rows, np.full(units, plant.measured_at_ms), means, whole)
            started = time.process_time()
            verdicts = monitor.step(state, minutes)
            episodes.decide(state, verdicts, monitor.settings.episodes)
            if run or minute >= WARM_MINUTES:
                spent += time.process_time() - started
        seconds.append(spent / (MINUTES if run == 0 else WARM_MINUTES + MINUTES))
    return 1000 * statistics.median(seconds) / units


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_monitor")
    parser.add_argument("--json", default="", help="file for the figures; - for standard output")
    arguments = parser.parse_args()
    monitor = Monitor.load()
    figures = []
    for name in KINDS:
        for units in (1, 50):
            figure = Figure(f"monitor.{name}.unit_minute_ms_of_{units}", unit_minute_ms(monitor, name, units), "ms")
            figures.append(figure)
    show(figures, arguments.json)


if __name__ == "__main__":
    main()
