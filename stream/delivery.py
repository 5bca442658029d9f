"""Results on their way to Kafka, one queue a partition: in order, in batches, until they are stored.

What waits while the batch before is under way goes out together with the next. A source batch is acknowledged when
everything that came of it is stored, and of everything before it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.errors import KafkaError

from stream.app import Encoded
from stream.producer import Producer

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5
_QUEUE_BATCHES_MAX = 64


@dataclass(slots=True)
class _Parcel:
    """The results of one source batch."""

    outputs: Sequence[Encoded]
    stored: Callable[[], None]


class Delivery:
    """The queue of one partition."""

    def __init__(self, producer: Producer, name: str, failed: Callable[[], None]) -> None:
        self._producer = producer
        self._failed = failed
        self._queue: asyncio.Queue[_Parcel] = asyncio.Queue(_QUEUE_BATCHES_MAX)
        self._task = asyncio.create_task(self._run(), name=f"deliver {name}")

    async def put(self, outputs: Sequence[Encoded], stored: Callable[[], None]) -> None:
        """Send these; `stored` is called when they are stored. Waits while much is under way."""
        await self._queue.put(_Parcel(outputs, stored))

    async def flush(self) -> None:
        """Wait until everything put so far is stored."""
        stored = asyncio.Event()
        await self.put((), stored.set)
        await stored.wait()

    def stop(self) -> None:
        """Give up what is under way; it was not acknowledged and will come again."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            parcels = [await self._queue.get()]
            while not self._queue.empty():
                parcels.append(self._queue.get_nowait())
            await self._send([output for parcel in parcels for output in parcel.outputs])
            for parcel in parcels:
                parcel.stored()

    async def _send(self, outputs: list[Encoded]) -> None:
        """Store these, however long it takes: a broker that is away comes back, and nothing overtakes."""
        left: dict[tuple[str, int], list[tuple[bytes, bytes | None]]] = {}
        for output in outputs:
            partition = await self._retry(self._producer.partition_for, output.topic, output.key)
            left.setdefault((output.topic, partition), []).append((output.key, output.value))
        await asyncio.gather(*(self._store(topic, number, part) for (topic, number), part in left.items()))

    async def _store(self, topic: str, partition: int, messages: list[tuple[bytes, bytes | None]]) -> None:
        await self._retry(store, self._producer, topic, partition, messages)

    async def _retry(self, action: Callable[..., Any], *args: Any) -> Any:
        while True:
            try:
                return await action(*args)
            except KafkaError as error:
                self._failed()
                _log.warning("results were not stored, trying again: %r", error)
                await asyncio.sleep(_RETRY_SECONDS)


async def store(producer: Producer, topic: str, partition: int, messages: list[tuple[bytes, bytes | None]]) -> None:
    """Store messages on one partition.

    Raises:
        KafkaError: some or all are not stored.
    """
    for future in await producer.send_many(topic, partition, messages):
        await future
