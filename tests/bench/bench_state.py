"""What many units cost: memory, recovery and speed of the whole HVAC app's worker with 100,000 units, against 1,000.

    python -m tests.bench.bench_state --json bench.json

Real frames (24 channels x 60 samples) on a real Kafka. For each number of units:

    frames of two minutes ─▶ worker ─▶ stopped: its state is on Kafka     every unit has its row, windows and chain
    frames of some minutes more wait
    a fresh process: state recovered, then the backlog                    seconds, CPU a frame, largest resident set

Recovery is what the worker says of it: from asking for the log of its state until all partitions have theirs. Speed is
frames a CPU second, from then until every frame is committed; both fleets send as many frames.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from models.contracts import topics
from models.contracts.figures import Figure, show
from models.contracts.messages import LayoutMessage, encode_json
from models.contracts.settings import KafkaSettings
from stream.topics import ensure_topics
from tests.bench.stream.model import LAYOUT
from tests.bench.stream.plant import FRAME_MS, GATEWAY, SITE, Plant
from tests.servers import ROOT, Kafka, why_no_kafka

UNITS_MANY, UNITS_FEW = 100_000, 1_000
ROUNDS_WARM = 2
PARTITIONS = 4
RECOVERY_SECONDS_MAX, RSS_MEBIBYTES_MAX, THROUGHPUT_FRACTION_MIN = 10.0, 2048.0, 0.9
_RECOVERED = re.compile(r"partitions \[[\d, ]*\]: (\d+) rows of state recovered in ([\d.]+) s")
_WAIT_SECONDS = 1800
_UNACKNOWLEDGED = 2_000


class Cost(NamedTuple):
    """Of one fleet."""

    recovery_seconds: float
    rows: int
    rss_mebibytes: float
    frames_per_cpu_second: float


class Worker:
    """A worker of the HVAC app, as a process."""

    def __init__(self, directory: Path, bootstrap: str) -> None:
        settings, self.log = directory / "stream.toml", directory / f"worker{time.monotonic_ns()}.log"
        settings.write_text(f'[kafka]\nbootstrap = ["{bootstrap}"]\npartitions = {PARTITIONS}\n')
        with self.log.open("wb") as log:
            self.process = psutil.Popen(
                [sys.executable, "-m", "stream", "hvac", "--settings", str(settings)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )

    def recovered(self) -> tuple[int, float]:
        """Wait until it has its state: rows and seconds."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while not (found := _RECOVERED.findall(self.log.read_text())):
            self.check(deadline)
            time.sleep(0.05)
        return sum(int(rows) for rows, _ in found), sum(float(seconds) for _, seconds in found)

    def check(self, deadline: float) -> None:
        """Raise if it has ended, or if it is too late."""
        if self.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"worker does not work; the end of its log:\n{self.log.read_text()[-2000:]}")

    @property
    def cpu_seconds(self) -> float:
        """Used so far."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def rss_mebibytes_max(self) -> float:
        """Its largest resident set so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024

    def stop(self) -> None:
        """As an operator stops it: its state is stored."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


async def produce(bootstrap: str, plant: Plant, rounds: Iterator[list[bytes]], first: int) -> None:
    """Put rounds of frames into the log, a minute of its time each, units one after another."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=262_144)
    await producer.start()
    started_ms = int(time.time() * 1000) - (plant.rounds + 1) * FRAME_MS
    try:
        for number, frames in enumerate(rounds, first):
            futures = []
            for place, (name, partition, frame) in enumerate(
                zip(plant.names, plant.partition.tolist(), frames, strict=True)
            ):
                at_ms = started_ms + number * FRAME_MS + place * FRAME_MS // plant.units
                futures.append(
                    await producer.send(topics.FRAMES, frame, name.encode(), partition=partition, timestamp_ms=at_ms)
                )
                if len(futures) == _UNACKNOWLEDGED:
                    await asyncio.gather(*futures)
                    futures.clear()
            await asyncio.gather(*futures)
    finally:
        await producer.stop()


async def wait_until_committed(bootstrap: str, worker: Worker) -> None:
    """Wait until the worker has committed everything."""
    partitions = [TopicPartition(topics.FRAMES, number) for number in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id="plenum-hvac", enable_auto_commit=False)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(partitions)
        deadline = time.monotonic() + _WAIT_SECONDS
        left = set(partitions)
        while left := {one for one in left if (await consumer.committed(one) or 0) < ends[one]}:
            worker.check(deadline)
            await asyncio.sleep(0.1)
    finally:
        await consumer.stop()


async def measure(units: int, rounds: int) -> Cost:
    """What a fleet of so many units costs."""
    plant = Plant(units=units, rounds=ROUNDS_WARM + rounds)
    log = plant.log()
    with Kafka() as kafka, tempfile.TemporaryDirectory() as folder:
        settings = KafkaSettings(bootstrap=(kafka.bootstrap,), partitions=PARTITIONS)
        together = [topics.FRAMES, topics.EDGE_ALERTS, topics.HVAC_STATE]
        await ensure_topics(settings, [*together, topics.LAYOUTS], together)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
        await producer.start()
        message = LayoutMessage(site=SITE, gateway=GATEWAY, unit="ahu-000000", layout=LAYOUT)
        await producer.send_and_wait(topics.LAYOUTS, encode_json(message), plant.names[0].encode())
        await producer.stop()
        await produce(kafka.bootstrap, plant, islice(log, ROUNDS_WARM), 0)
        first = Worker(Path(folder), kafka.bootstrap)
        await wait_until_committed(kafka.bootstrap, first)
        first_rss = first.rss_mebibytes_max()
        first.stop()
        await produce(kafka.bootstrap, plant, log, ROUNDS_WARM)
        second = Worker(Path(folder), kafka.bootstrap)
        try:
            rows, seconds = second.recovered()
            print(second.log.read_text().partition("partitions [")[2].partition("\n")[0], file=sys.stderr)
            began = second.cpu_seconds
            await wait_until_committed(kafka.bootstrap, second)
            spent = second.cpu_seconds - began
            return Cost(seconds, rows, max(first_rss, second.rss_mebibytes_max()), units * rounds / spent)
        finally:
            second.stop()


def main() -> int:
    """Measure and print; 1 if a limit is not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_state")
    parser.add_argument("--json", default="", help="file for the figures; - for standard output")
    parser.add_argument("--units", type=int, default=UNITS_MANY, help="of the large fleet; fewer for a trial")
    parser.add_argument("--rounds", type=int, default=3, help="frames of each of its units in the backlog")
    arguments = parser.parse_args()
    if reason := why_no_kafka():
        print(f"bench_state: {reason}", file=sys.stderr)
        return 2
    units, rounds = arguments.units, arguments.rounds
    few = min(UNITS_FEW, units)
    small = asyncio.run(measure(few, units * rounds // few))
    large = asyncio.run(measure(units, rounds))
    if large.rows < units:
        raise RuntimeError(f"{large.rows} rows of {units} units were recovered")
    fraction = large.frames_per_cpu_second / small.frames_per_cpu_second
    name = f"{units // 1000}k"
    show(
        [
            Figure(f"stream.recovery_seconds_{name}", large.recovery_seconds, "s"),
            Figure(f"stream.rss_mebibytes_{name}", large.rss_mebibytes, "MiB"),
            Figure(f"stream.throughput_{name}_fraction", fraction, "fraction"),
            Figure(f"stream.hvac.frames_per_cpu_second_{name}", large.frames_per_cpu_second, "frames/s"),
            Figure("stream.hvac.frames_per_cpu_second_1k", small.frames_per_cpu_second, "frames/s"),
        ],
        arguments.json,
    )
    kept = (
        large.recovery_seconds <= RECOVERY_SECONDS_MAX
        and large.rss_mebibytes <= RSS_MEBIBYTES_MAX
        and fraction >= THROUGHPUT_FRACTION_MIN
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
