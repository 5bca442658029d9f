"""Frames that keep coming while a fault happens, and the ledger of those that Kafka said it has."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from models.contracts import topics
from simulators.load.fleet import Numbered
from tests.faults.stream.plant import Frame, Plant
from tests.faults.stream.rig import Rig

# A faulty unit is faulty for the first half of them.
_ROUNDS_MADE = 12


class Producing:
    """A gateway's bridge: `acks=all`, idempotent; `acknowledged` is the ledger of what Kafka said it has."""

    def __init__(self, rig: Rig, plant: Plant) -> None:
        self.acknowledged: set[Frame] = set()
        self.sent = 0
        self.task: asyncio.Task[None] | None = None
        self._rig, self._plant = rig, plant

    async def run(self, rounds: Iterable[list[Numbered]], rate: float) -> None:
        """Send so many rounds a second; a broker that is away is waited for."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._rig.site.bootstrap, acks="all", enable_idempotence=True, request_timeout_ms=90_000
        )
        await producer.start()
        try:
            started = time.monotonic()
            futures = []
            for place, frames in enumerate(rounds):
                await asyncio.sleep(max(0.0, started + place / rate - time.monotonic()))
                at_ms = self._rig.now_ms()
                for frame in frames:
                    key = self._plant.key(frame).encode()
                    future = await producer.send(topics.FRAMES, frame.payload, key=key, timestamp_ms=at_ms)
                    future.add_done_callback(self._noting(frame))
                    futures.append(future)
                    self.sent += 1
            await asyncio.gather(*futures)
        finally:
            await producer.stop()

    def _noting(self, frame: Numbered) -> Callable[[asyncio.Future[Any]], None]:
        def note(future: asyncio.Future[Any]) -> None:
            if not future.cancelled() and future.exception() is None:
                self.acknowledged.add(self._plant.identity(frame))

        return note

    def check(self) -> None:
        """Raise what ended the producing, if something did."""
        if self.task is not None and self.task.done():
            self.task.result()
            raise AssertionError("the frames ended too soon")

    async def some(self, count: int) -> None:
        """Wait until so many more are acknowledged."""
        until = len(self.acknowledged) + count
        while len(self.acknowledged) < until:
            self.check()
            await asyncio.sleep(0.05)


@asynccontextmanager
async def keeping_on(rig: Rig, plant: Plant, rounds_per_second: float) -> AsyncIterator[Producing]:
    """Produce rounds of frames for as long as it takes; all are acknowledged at the end."""
    stop = asyncio.Event()

    def rounds() -> Iterator[list[Numbered]]:
        while True:
            for frames in plant.in_rounds(_ROUNDS_MADE):
                if stop.is_set():
                    return
                yield frames

    made = Producing(rig, plant)
    task = made.task = asyncio.create_task(made.run(rounds(), rounds_per_second), name="produce")
    try:
        yield made
        stop.set()
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
