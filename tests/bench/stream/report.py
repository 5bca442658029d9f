"""Figures and the table of a bench: medians of the runs, with the lowest and the highest."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from models.contracts.figures import Figure
from tests.bench.stream.engines import NOT_INSTALLED, Engine
from tests.bench.stream.latency import Latency
from tests.bench.stream.model import CHANNELS, SAMPLES
from tests.bench.stream.throughput import Speed

FIXED_RATE = 2_000
READINGS = CHANNELS * SAMPLES
_MACHINE = (
    "Machine: {cores} cores ({cpu}), {memory:.0f} GiB, {system}, Python {python}."
    " The broker (Apache Kafka, one process) and, for the latencies, the sender run on the same cores."
    " Medians of {runs} runs, in brackets the lowest and the highest; the order of the engines rotates from run to run."
)
_WORKLOAD = (
    "Workload: frames of 24 channels x 60 samples (protobuf, 3 kB, one layout, 1,000 units, 4 partitions) are decoded;"
    " mean and variance of each channel, exponentially weighted over its samples, are carried on; six rules; a dense model"
    " 24-16-8-1; a latch; an alert for one frame in 500. Offsets are committed and state is logged once a second by every"
    " engine that has such a setting. One worker each."
)
_LATENCY = (
    "Latency in milliseconds, from when a frame was due to when the broker had its alert; one frame in twenty raises or"
    " clears one."
)
T = TypeVar("T")


@dataclass(slots=True)
class Results:
    """What came of one engine's runs."""

    engine: Engine
    speeds: list[Speed] = field(default_factory=list)
    fixed: list[Latency] = field(default_factory=list)
    half: list[Latency] = field(default_factory=list)
    half_rate: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def messages_per_second(self) -> float:
        """Median; 0 before there is any."""
        return statistics.median(one.messages_per_second for one in self.speeds) if self.speeds else 0.0


def figures_of(results: Sequence[Results]) -> list[Figure]:
    """Every figure of every engine."""
    figures: list[Figure] = []
    per_cpu = {
        one.engine.name: statistics.median(speed.messages_per_cpu_second for speed in one.speeds)
        for one in results
        if one.speeds
    }
    for one in results:
        name = f"stream.{one.engine.name}"

        def add(label: str, unit: str, values: list[float], name: str = name) -> None:
            if values:
                figures.append(Figure(f"{name}.{label}", statistics.median(values), unit, min(values), max(values)))

        add("messages_per_second", "frames/s", [speed.messages_per_second for speed in one.speeds])
        add("readings_per_second", "readings/s", [READINGS * speed.messages_per_second for speed in one.speeds])
        add("messages_per_cpu_second", "frames/s", [speed.messages_per_cpu_second for speed in one.speeds])
        add("cpu_cores", "cores", [speed.cores for speed in one.speeds])
        add("rss_mebibytes", "MiB", [speed.peak_mebibytes for speed in one.speeds])
        for label, latencies in (("latency_ms", one.fixed), ("half_latency_ms", one.half)):
            add(f"{label}_p50", "ms", [latency.p50_ms for latency in latencies])
            add(f"{label}_p95", "ms", [latency.p95_ms for latency in latencies])
            add(f"{label}_p99", "ms", [latency.p99_ms for latency in latencies])
        add("fixed_cpu_cores", "cores", [latency.cores for latency in one.fixed])
        if one.half:
            figures.append(Figure(f"{name}.half_messages_per_second", one.half_rate, "frames/s"))
    for engine, value in per_cpu.items():
        if engine not in ("plenum", "plenum_whole") and "plenum" in per_cpu:
            figures.append(Figure(f"stream.ratio.{engine}", per_cpu["plenum"] / value, "times"))
    return figures


def table_of(results: Sequence[Results], runs: int, notes: Sequence[str]) -> str:
    """The bench as a page of Markdown."""
    figures = {figure.name: figure for figure in figures_of(results)}
    lines = [
        "# `plenum bench stream`: one workload on several engines",
        "",
        _MACHINE.format(
            cores=os.cpu_count(),
            cpu=_cpu_name(),
            memory=_memory_gibibytes(),
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            runs=runs,
        ),
        "",
        _WORKLOAD,
        "",
        "| engine | version | messages/s | readings/s | cores | messages a CPU-second | Plenum is | memory, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        name = f"stream.{one.engine.name}"
        if not one.engine.version():
            lines.append(f"| {one.engine.title} | {NOT_INSTALLED} | | | | | | |")
            continue
        ratio = figures.get(f"stream.ratio.{one.engine.name}")
        lines.append(
            f"| {one.engine.title} | {one.engine.version()} | {_cell(figures, f'{name}.messages_per_second')} |"
            f" {_cell(figures, f'{name}.readings_per_second')} | {_cell(figures, f'{name}.cpu_cores', '.2f')} |"
            f" {_cell(figures, f'{name}.messages_per_cpu_second')} |"
            f" {f'{ratio.value:.2f} times' if ratio else ''} | {_cell(figures, f'{name}.rss_mebibytes')} |"
        )
    lines += [
        "",
        _LATENCY,
        "",
        f"| engine | p50 at {FIXED_RATE:,}/s | p95 | p99 | cores | half its capacity | p50 | p95 | p99 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        if one.fixed:
            name = f"stream.{one.engine.name}"
            cells = [_cell(figures, f"{name}.latency_ms_{p}", ".1f") for p in ("p50", "p95", "p99")]
            halves = [_cell(figures, f"{name}.half_latency_ms_{p}", ".1f") for p in ("p50", "p95", "p99")]
            cores = _cell(figures, f"{name}.fixed_cpu_cores", ".2f")
            rate = f"{one.half_rate:,.0f}/s" if one.half else ""
            lines.append(f"| {one.engine.title} | {' | '.join(cells)} | {cores} | {rate} | {' | '.join(halves)} |")
    lines += ["", "## What is unequal", ""]
    lines += [f"- **{one.engine.title}**: {one.engine.notes}." for one in results]
    lines += ["", "## How it is measured", ""]
    lines += [f"- {note}" for note in notes]
    lines += [f"- {_frames(one)}" for one in results if one.speeds]
    failures = [f"- **{one.engine.title}**: {failure}" for one in results for failure in one.failures]
    if failures:
        lines += ["", "## Failures", "", *failures]
    return "\n".join(lines) + "\n"


def _frames(one: Results) -> str:
    frames = _range(one.speeds, lambda speed: speed.frames)
    seconds = _range(one.speeds, lambda speed: speed.seconds, ".1f")
    return f"{one.engine.title}: {frames} frames in {seconds} s a run."


def _range(values: Sequence[T], of: Callable[[T], float], how: str = ",.0f") -> str:
    low, high = min(map(of, values)), max(map(of, values))
    return f"{low:{how}} to {high:{how}}"


def _cell(figures: dict[str, Figure], name: str, how: str = ",.0f") -> str:
    figure = figures.get(name)
    if figure is None or figure.low is None or figure.high is None:
        return ""
    return f"{figure.value:{how}} ({figure.low:{how}}-{figure.high:{how}})"


def _cpu_name() -> str:
    with open("/proc/cpuinfo") as file:  # noqa: PTH123 - no path of ours
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gibibytes() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
