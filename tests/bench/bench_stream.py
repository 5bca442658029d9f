"""One workload on eight stream engines, on a real Kafka: how fast, at what cost, how soon; and whether they say the same.

    python -m tests.bench.bench_stream --json bench.json --table docs/bench_stream.md
    python -m tests.bench.bench_stream --engines plenum,kafka_streams --runs 1 --frames 200000 --seconds 5

Peers are installed by `make bench-peers`; one that is missing stands in the table as not installed. Every run's alerts are
compared with an oracle: an engine that says something else fails, and with it the bench.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop
from aiokafka.errors import KafkaError

from models.contracts.exits import Exit
from models.contracts.figures import show
from tests.bench.stream import latency, model, throughput
from tests.bench.stream.engines import ENGINES, NOT_INSTALLED
from tests.bench.stream.plant import Plant
from tests.bench.stream.processes import EngineError
from tests.bench.stream.report import FIXED_RATE, Results, figures_of, table_of
from tests.bench.stream.topic import PARTITIONS, Topics, fill
from tests.bench.stream.truth import Truth
from tests.servers import Kafka, why_no_kafka

UNITS = 1_000
SOURCE = "bench.frames"
# A sender of one process does this much beside a broker and an engine on two cores.
_HALF_RATE_MAX = 30_000.0
NOTES = (
    "Throughput: the log is there already. An engine is warm after"
    f" {throughput.WARM_SECONDS:.0f} s of work or a quarter of the log; then it is measured for"
    f" {throughput.MEASURED_SECONDS:.0f} s or to the end, by the broker's own times of its alerts, each of which stems from"
    " a known place in the log.\n"
    "CPU is that of the engine's processes with all their children (for Java that is the whole JVM: compiler and collector"
    " too), from /proc, without the broker. Memory is the largest proportional set size of the same processes, start and"
    " warm-up included.\n"
    "Latency: frames come from a process of their own, each at its instant. It ends with the broker's time of the alert;"
    " both are of one machine's clock, in whole milliseconds. The first two seconds do not count.\n"
    f"Half capacity is half of the engine's own median throughput, at most {_HALF_RATE_MAX:,.0f}/s: the sender cannot do"
    " more beside the others.\n"
    "In every run the set of alerts (unit, state, time, rules) must be the oracle's, and every score within 1e-6."
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    engines: tuple[str, ...]
    frames: int
    runs: int
    seconds: float
    deadline: float  # monotonic
    latencies: bool


async def bench(plan: Plan, bootstrap: str, directory: Path) -> list[Results]:
    """Run it all; what fails is in the results. A signal ends it with everything that it has started."""
    if (ours := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ours.cancel)
    results = [Results(engine) for engine in ENGINES if engine.name in plan.engines]
    present = []
    for one in results:
        if one.engine.version():
            present.append(one)
        else:
            _say(f"{one.engine.name}: {NOT_INSTALLED}")
    truth = Truth(Plant(UNITS, max(1, plan.frames // UNITS), partitions=PARTITIONS), model.load())
    await Topics(bootstrap).make(source=[SOURCE])
    started = time.monotonic()
    await fill(bootstrap, SOURCE, truth)
    _say(
        f"{truth.plant.frames:,} frames written in {time.monotonic() - started:.0f} s, {len(truth.alerts)} alerts to be"
    )
    difference = truth.differs_from_oracle()
    if difference:
        raise EngineError(f"the batch form differs from the oracle: {difference}")

    async def speed(one: Results, name: str, where: Path) -> None:
        found = await throughput.measure(one.engine, bootstrap, SOURCE, name, truth, where)
        one.speeds.append(found)
        _say(
            f"{name}: {found.messages_per_second:,.0f}/s, {found.messages_per_cpu_second:,.0f} a CPU-second,"
            f" {found.cores:.2f} cores, {found.peak_mebibytes:.0f} MiB, {found.frames:,} frames in {found.seconds:.1f} s"
        )

    async def fixed(one: Results, name: str, where: Path) -> None:
        capacity = one.messages_per_second
        found = await latency.measure(one.engine, bootstrap, name, FIXED_RATE, plan.seconds, capacity, where)
        one.fixed.append(found)
        _say_latency(name, FIXED_RATE, found)

    async def half(one: Results, name: str, where: Path) -> None:
        capacity = one.messages_per_second
        one.half_rate = min(_HALF_RATE_MAX, capacity / 2)
        found = await latency.measure(one.engine, bootstrap, name, one.half_rate, plan.seconds / 2, capacity, where)
        one.half.append(found)
        _say_latency(name, one.half_rate, found)

    kinds = (speed, fixed, half) if plan.latencies else (speed,)
    for kind in kinds:
        for run in range(plan.runs):
            for one in present[run % len(present) :] + present[: run % len(present)] if present else ():
                if kind is not speed and not one.speeds:
                    continue
                await _try(kind, one, f"{one.engine.name}.{kind.__name__}.{run}", directory, plan.deadline)
    return results


Kind = Callable[[Results, str, Path], Awaitable[None]]


async def _try(kind: Kind, one: Results, name: str, directory: Path, deadline: float) -> None:
    """One run; what goes wrong is noted, and the bench goes on."""
    if time.monotonic() > deadline:
        one.failures.append(f"{name} was not run: time was up")
        _say(one.failures[-1])
        return
    where = directory / name
    where.mkdir()
    try:
        await kind(one, name, where)
    except (EngineError, KafkaError) as error:
        one.failures.append(f"{name}: {error}".partition("; its log ends:")[0])
        _say(f"{name} FAILED: {error}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _say_latency(name: str, rate: float, found: latency.Latency) -> None:
    _say(
        f"{name}: p50 {found.p50_ms:.1f} ms, p95 {found.p95_ms:.1f} ms, p99 {found.p99_ms:.1f} ms at {rate:,.0f}/s,"
        f" {found.cores:.2f} cores, {found.alerts:,} alerts, sender at most {found.sender_late_ms:.1f} ms late"
    )


def main() -> int:
    """Measure and print; the exit code."""
    names = [engine.name for engine in ENGINES]
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_stream")
    parser.add_argument("--json", default="", help="file for the figures; - for standard output")
    parser.add_argument("--table", default="", help="file for the table in Markdown")
    parser.add_argument("--engines", default=",".join(names), help=f"some of {', '.join(names)}")
    parser.add_argument("--frames", type=int, default=800_000, help="frames in the log of the throughput runs")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--seconds", type=float, default=20, help="for which a latency is measured; half that at half capacity"
    )
    parser.add_argument("--minutes", type=float, default=58, help="after which no run is begun")
    parser.add_argument("--no-latency", action="store_true", help="throughput only")
    words = parser.parse_args()
    engines = tuple(words.engines.split(","))
    unknown = sorted(set(engines) - set(names))
    if unknown:
        parser.error(f"engines {unknown}, expected some of {', '.join(names)}")
    if reason := why_no_kafka():
        _say(f"bench stream: {reason}")
        return Exit.USAGE
    deadline = time.monotonic() + 60 * words.minutes
    plan = Plan(engines, words.frames, words.runs, words.seconds, deadline, not words.no_latency)
    with Kafka() as kafka, tempfile.TemporaryDirectory(prefix="plenum-bench-", ignore_cleanup_errors=True) as directory:
        results = uvloop.run(bench(plan, kafka.bootstrap, Path(directory)))
    show(figures_of(results), words.json)
    table = table_of(results, plan.runs, NOTES.splitlines())
    if words.table:
        Path(words.table).write_text(table)
    else:
        _say(table)
    return Exit.FINDINGS if any(one.failures for one in results) else Exit.OK


if __name__ == "__main__":
    sys.exit(main())
