"""A broker with our topics, a worker as a process of its own, and an independent reader that recomputes the truth."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from models.contracts import topics
from models.contracts.messages import DeadLetter, decode_json, encode_json
from models.contracts.settings import KafkaSettings
from models.contracts.topics import kafka_topic
from stream.app import Encoded
from stream.replay import Recorded, Replay
from stream.snapshot import Snapshots
from stream.table import State
from stream.topics import ensure_topics
from stream.whole import is_read
from tests.servers import ROOT
from tests.stream import fleet

PARTITIONS = 4
WAIT_SECONDS = 1.0
INPUTS = (topics.LAYOUTS, topics.FRAMES, topics.EDGE_ALERTS)
OUTPUTS = (topics.HEALTH, topics.ALERTS, topics.HVAC_DEAD)
GROUP = "plenum-hvac"


class Message(NamedTuple):
    """What is put into the log; `at_ms` is the log's time, None for now."""

    key: str
    value: bytes
    at_ms: int | None = None


class Site:
    """One broker for the tests of a module; its log only grows, and every test judges all of it."""

    def __init__(self, bootstrap: str, directory: Path, session_seconds: float) -> None:
        self.bootstrap = bootstrap
        self.directory = directory
        self._next: dict[TopicPartition, int] = {}
        self._records: dict[str, list[Recorded]] = {}
        self._replay = Replay(fleet.app(WAIT_SECONDS))
        self._replayed: dict[tuple[str, int], int] = {}
        self._truth: list[Encoded] = []
        monitor = directory / "monitor.toml"
        monitor.write_text("[episodes]\nclear_minutes = 30\n")
        self.settings = directory / "stream.toml"
        self.settings.write_text(
            f'[kafka]\nbootstrap = ["{bootstrap}"]\npartitions = {PARTITIONS}\n'
            f"[read]\nsession_seconds = {session_seconds}\n[state]\nsnapshot_seconds = 0.3\n"
            f"[chain]\nwait_seconds = {WAIT_SECONDS}\n[model]\nmonitor_file = '{monitor}'\n"
        )

    async def prepare(self) -> None:
        """Topics and layouts."""
        names = [*INPUTS, *OUTPUTS, topics.HVAC_STATE]
        together = [topics.FRAMES, topics.EDGE_ALERTS, topics.HVAC_STATE]
        await ensure_topics(KafkaSettings(bootstrap=(self.bootstrap,), partitions=PARTITIONS), names, together)
        await self.produce(topics.LAYOUTS, [Message("plant/ahu-1", encode_json(fleet.layout_message("ahu-1")))])

    async def produce(self, topic: str, messages: Iterable[Message], pause_seconds: float = 0) -> None:
        """Put messages into the log, with a pause after each hundred."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, linger_ms=5)
        await producer.start()
        try:
            futures = []
            for count, one in enumerate(messages, 1):
                futures.append(await producer.send(topic, one.value, key=one.key.encode(), timestamp_ms=one.at_ms))
                if count % 100 == 0:
                    await asyncio.gather(*futures)
                    futures.clear()
                    await asyncio.sleep(pause_seconds)
            await asyncio.gather(*futures)
        finally:
            await producer.stop()

    def start_worker(self, more: str = "") -> subprocess.Popen[bytes]:
        """A worker with our settings and perhaps some more; its log goes to a file."""
        settings = self.directory / f"stream{zlib.crc32(more.encode())}.toml"
        settings.write_text(self.settings.read_text() + more)
        log = (self.directory / "worker.log").open("ab")
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "stream", "hvac", "--settings", str(settings)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        finally:
            log.close()

    @contextlib.asynccontextmanager
    async def worker(self, more: str = "") -> AsyncIterator[subprocess.Popen[bytes]]:
        """A worker that is stopped at the end as an operator stops it."""
        process = self.start_worker(more)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(process.wait, 20)

    def log(self) -> str:
        """What the workers have printed."""
        return (self.directory / "worker.log").read_text(errors="replace")

    async def read(self, names: Iterable[str]) -> list[Recorded]:
        """Everything that these topics hold now, topic by topic; only what is new is fetched."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
        )
        await consumer.start()
        try:
            wanted = list(names)
            partitions = [
                TopicPartition(name, number)
                for name in wanted
                for number in range(kafka_topic(name).partitions or PARTITIONS)
            ]
            consumer.assign(partitions)
            for one in partitions:
                consumer.seek(one, self._next.get(one, 0))
            ends = await consumer.end_offsets(partitions)
            left = set(partitions)
            while left:
                for one, records in (await consumer.getmany(timeout_ms=50)).items():
                    self._next[one] = records[-1].offset + 1
                    self._records.setdefault(one.topic, []).extend(
                        Recorded(one.topic, one.partition, record.offset, record.timestamp, record.key, record.value)
                        for record in records
                    )
                left = {one for one in left if not await is_read(consumer, one, ends[one])}
        finally:
            await consumer.stop()
        return [record for name in wanted for record in self._records.get(name, [])]

    async def truth(self) -> tuple[dict[int, State], list[Encoded]]:
        """State of every partition and all outputs, computed from the log without a broker."""
        records = await self.read(INPUTS)
        fresh = [one for one in records if one.offset >= self._replayed.get((one.topic, one.partition), 0)]
        self._replayed.update({(one.topic, one.partition): one.offset + 1 for one in fresh})
        self._truth += [output for _, output in self._replay.run(fresh)]
        return {number: partition.state for number, partition in self._replay.partitions.items()}, list(self._truth)

    async def said(self) -> list[Encoded]:
        """What workers have stored so far, repeats included."""
        return [Encoded(one.topic, one.key or b"", one.value or b"") for one in await self.read(OUTPUTS)]

    async def wait_until_said(self, expected: list[Encoded], seconds: float = 40) -> list[Encoded]:
        """Wait until everything expected has been stored; what was stored."""
        deadline = time.monotonic() + seconds
        wanted = {comparable(output) for output in expected}
        assert wanted
        while True:
            said = await self.said()
            missing = wanted - {comparable(output) for output in said}
            if not missing:
                return said
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{len(missing)} of {len(wanted)} outputs are missing; worker:\n{self.log()[-3000:]}"
                )
            await asyncio.sleep(0.2)

    async def committed(self) -> dict[int, int | None]:
        """Committed offset of every partition of the frames."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, group_id=GROUP, enable_auto_commit=False)
        await consumer.start()
        try:
            return {
                number: await consumer.committed(TopicPartition(topics.FRAMES, number)) for number in range(PARTITIONS)
            }
        finally:
            await consumer.stop()

    async def ends(self) -> dict[int, int]:
        """End of every partition of the frames."""
        found = dict.fromkeys(range(PARTITIONS), 0)
        for one in await self.read([topics.FRAMES]):
            found[one.partition] = max(found[one.partition], one.offset + 1)
        return found

    async def stored_state(self) -> dict[int, State]:
        """The state that the changelog holds."""
        entries = await self.read([topics.HVAC_STATE])
        specs = fleet.app().tables
        states = {}
        for number in range(PARTITIONS):
            mine = [(one.key or b"", one.value) for one in entries if one.partition == number]
            state = Snapshots().restore(mine, specs)
            if state is not None:
                states[number] = state
        return states


def comparable(output: Encoded) -> tuple[str, bytes, bytes]:
    """An output without our own clock: dead letters say when they were buried."""
    value = output.value
    if output.topic == topics.HVAC_DEAD:
        letter = decode_json(value, DeadLetter)
        value = f"{letter.partition}/{letter.offset}/{letter.reason}/{letter.error}".encode() + letter.payload
    return output.topic, output.key, value
