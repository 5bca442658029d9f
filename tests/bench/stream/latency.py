"""How long an engine takes from a frame to its alert, at a given rate.

    frame due ──▶ sent ──▶ broker ──▶ engine ──▶ alert sent ──▶ broker's time of the alert
    |<--------------------------- latency ------------------------------>|      one machine, one clock, whole milliseconds

The frames come from a process of its own, each at its instant; a sender that is late counts against nobody but the frame,
since its latency begins when it was due. One frame in twenty raises or clears an alert.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.bench.stream import model
from tests.bench.stream.contract import Contract
from tests.bench.stream.engines import Engine
from tests.bench.stream.plant import Plant
from tests.bench.stream.processes import EngineError, Running
from tests.bench.stream.throughput import check, make_topics
from tests.bench.stream.topic import PARTITIONS, AlertReader, Topics
from tests.bench.stream.truth import Found, Truth
from tests.servers import ROOT

UNITS = 1_000
BUSY_FRACTION = 0.15
LEAD_SECONDS = 2.0
_SEED = 2
_WARM_ROUNDS = (20, 100)
_FRAMES_MAX = 240_000
_PATIENCE_SECONDS = 180.0


class Latency(NamedTuple):
    """One run of one engine at one rate."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    cores: float
    alerts: int
    sender_late_ms: float


async def measure(
    engine: Engine, bootstrap: str, name: str, rate: float, seconds: float, capacity: float, directory: Path
) -> Latency:
    """Run an engine at a rate of frames a second.

    Args:
        engine: Which.
        bootstrap: Kafka.
        name: Of this run: prefix of its topics, its group.
        rate: Frames a second.
        seconds: For which is measured, after a lead.
        capacity: Frames a second that it can do, about: it is warmed with five seconds of that.
        directory: Of this run, empty.

    Raises:
        EngineError: it ended, did not come to the end, or said something else than the truth.
    """
    warm_rounds = int(np.clip(5 * capacity / UNITS, *_WARM_ROUNDS))
    paced = min(_FRAMES_MAX, round((LEAD_SECONDS + seconds) * rate))
    rounds = warm_rounds + max(1, paced // UNITS)
    plant = Plant(UNITS, rounds, _SEED, busy_fraction=BUSY_FRACTION, partitions=PARTITIONS)
    source = f"{name}.frames"
    told = Contract(bootstrap, source, f"{name}.alerts", name, directory)
    topics = Topics(bootstrap)
    await topics.make(source=[source])
    await make_topics(topics, engine, name)
    pace = [
        *(sys.executable, "-m", "tests.bench.stream.pace", "--bootstrap", bootstrap, "--topic", source),
        *("--units", str(UNITS), "--rounds", str(rounds), "--warm-rounds", str(warm_rounds)),
        *("--rate", str(rate), "--seed", str(_SEED), "--partitions", str(PARTITIONS), "--busy", str(BUSY_FRACTION)),
    ]
    sender = await asyncio.create_subprocess_exec(
        *pace, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, limit=1 << 16
    )
    try:
        assert sender.stdin is not None
        assert sender.stdout is not None
        truth = Truth(plant, model.load())
        for planes in plant.planes():
            truth.add(planes, [])
        if (await sender.stdout.readline()).strip() != b"ready":
            raise EngineError("the sender of the latency run did not come up")
        async with (
            AlertReader(bootstrap, told.alerts, is_health=engine.is_health) as reader,
            Running(engine.command(told), directory / "engine.log") as running,
        ):
            found: list[Found] = []
            await _until(found, reader, running, truth, warm_rounds - 1, engine.is_health)
            sender.stdin.write(b"\n")
            await sender.stdin.drain()
            words = (await sender.stdout.readline()).split()
            started_at_ms, late_ms = float(words[0]), float(words[1])
            ended_at_ms = time.time() * 1000
            await _until(found, reader, running, truth, rounds - 1, engine.is_health)
            cores = (running.cpu_seconds_at(ended_at_ms) - running.cpu_seconds_at(started_at_ms)) / (
                (ended_at_ms - started_at_ms) / 1000
            )
        check(engine, truth, found)
        milliseconds = latencies_ms(found, truth, warm_rounds * UNITS, started_at_ms, rate)
        p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99))
        return Latency(float(p50), float(p95), float(p99), cores, len(milliseconds), late_ms)
    finally:
        if sender.returncode is None:
            sender.kill()
        await sender.wait()
        await topics.delete(name)


def latencies_ms(found: list[Found], truth: Truth, warm_frames: int, started_at_ms: float, rate: float) -> list[float]:
    """From when a frame was due to when the broker had its alert, for the frames after the lead."""
    out = []
    for one in found:
        sent_before = truth.index(one.alert.unit, one.alert.measured_at_ms) - warm_frames
        if sent_before >= LEAD_SECONDS * rate:
            out.append(one.appended_at_ms - (started_at_ms + 1000 * sent_before / rate))
    return out


async def _until(
    found: list[Found], reader: AlertReader, running: Running, truth: Truth, last_round: int, is_health: bool
) -> None:
    """Read on, until the alerts of this round and all before have come."""
    expected = {key for key in truth.alerts if truth.round_of(key[1]) <= last_round}
    if is_health:
        expected = {(unit, truth.plant.measured_at_ms(last_round)) for unit in truth.plant.names}
    expected -= {(one.alert.unit, one.alert.measured_at_ms) for one in found}
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while expected:
        new = await reader.read(0.25)
        running.check()
        found += new
        expected -= {(one.alert.unit, one.alert.measured_at_ms) for one in new}
        if time.monotonic() > deadline:
            raise EngineError(
                f"did not come to round {last_round} within {_PATIENCE_SECONDS:.0f} s: {len(expected)} alerts missing;"
                f" its log ends:\n{running.log()}"
            )
