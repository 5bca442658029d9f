"""The whole demo, unattended: time to the dashboard, memory of all its processes together, time to the first alert.

    python -m tests.bench.bench_demo --json bench.json

Each of the three runs is `plenum demo --seconds 120 --check` in a process of its own; figures are medians. Memory is the
proportional set size, summed over every process of the run, at its largest: pages that processes share are counted once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from models.contracts.figures import Figure, show

RUNS = 3
SECONDS = 120


def _memory_mebibytes(process: psutil.Process) -> float:
    """Proportional set size of a process and all its children."""
    total = 0
    with contextlib.suppress(psutil.Error):
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += one.memory_full_info().pss
    return total / 2**20


def _run() -> dict[str, float]:
    """One run; its figures."""
    with tempfile.TemporaryDirectory() as directory:
        figures_path = Path(directory) / "figures.json"
        command = [
            sys.executable,
            "-m",
            "plenum",
            "demo",
            "--seconds",
            str(SECONDS),
            "--check",
            "--json",
            str(figures_path),
        ]
        started = time.monotonic()
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        found = {"dashboard": 0.0, "memory": 0.0}

        def watch() -> None:
            process = psutil.Process(child.pid)
            while child.poll() is None:
                found["memory"] = max(found["memory"], _memory_mebibytes(process))
                time.sleep(2)

        watcher = threading.Thread(target=watch)
        watcher.start()
        for line in child.stdout or ():
            if "Dashboard" in line:
                found["dashboard"] = time.monotonic() - started
            sys.stderr.write(line)
        watcher.join()
        if child.wait() != 0:
            raise SystemExit(f"bench demo: plenum demo ended with {child.returncode}, expected 0")
        figures = {row["name"]: row["value"] for row in json.loads(figures_path.read_text())}
        return {**found, "first_alert": figures["demo.seconds_to_first_alert"]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_demo")
    parser.add_argument("--json", default="", help="file for the figures; - for standard output")
    arguments = parser.parse_args()
    runs = [_run() for _ in range(RUNS)]

    def median(name: str) -> float:
        return statistics.median(run[name] for run in runs)

    show(
        [
            Figure("demo.seconds_to_dashboard", median("dashboard"), "seconds"),
            Figure("demo.memory_mebibytes", median("memory"), "mebibytes"),
            Figure("demo.seconds_to_first_alert", median("first_alert"), "seconds"),
        ],
        arguments.json,
    )


if __name__ == "__main__":
    main()
