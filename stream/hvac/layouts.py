"""What every unit is and which channels its frames have: `hvac.layouts.v1`, read to its end and followed.

The bridge writes a layout before any frame that needs it, so whoever meets an unknown one reads this topic to its end
before giving the frame up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from models.contracts import topics
from models.contracts.layout import Layout
from models.contracts.messages import LayoutMessage, MessageError, decode_json

_log = logging.getLogger(__name__)
_REFRESH_SECONDS = 5.0
_PAUSE_SECONDS = 1.0


class Layouts:
    """Layouts by id, units by key. `add` is all that a replay needs; a worker also runs `follow`."""

    def __init__(self) -> None:
        self.by_id: dict[int, Layout] = {}
        self.units: dict[str, LayoutMessage] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._read_until: dict[TopicPartition, int] = {}
        self._progress = asyncio.Condition()

    def add(self, message: LayoutMessage) -> None:
        """One more unit, or a unit that has changed."""
        self.by_id[message.layout.id] = message.layout
        self.units[f"{message.site}/{message.unit}"] = message

    def equipment(self, unit: str) -> str:
        """What kind of equipment a unit is (`site/unit`); `generic` while that is unknown."""
        message = self.units.get(unit)
        return message.layout.equipment if message else "generic"

    async def follow(self, new_consumer: Callable[[], AIOKafkaConsumer], ready: Callable[[], None]) -> None:
        """Read the topic to its end, say so, and go on reading until cancelled.

        Raises:
            KafkaError: Kafka cannot be reached at the start.
        """
        consumer = new_consumer()
        try:
            await consumer.start()
            partitions = sorted(consumer.partitions_for_topic(topics.LAYOUTS) or {0})
            assigned = [TopicPartition(topics.LAYOUTS, partition) for partition in partitions]
            consumer.assign(assigned)
            await consumer.seek_to_beginning(*assigned)
            self._read_until = dict.fromkeys(assigned, 0)
            self._consumer = consumer
            reader = asyncio.create_task(self._read(consumer), name="read layouts")
            try:
                await self.refresh()
                ready()
                await reader
            finally:
                reader.cancel()
        finally:
            self._consumer = None
            await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            try:
                fetched = await consumer.getmany(timeout_ms=200)
            except KafkaError as error:
                _log.warning("layouts: reading %s failed, trying again: %s", topics.LAYOUTS, error)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            for records in fetched.values():
                self._take(records)
            async with self._progress:
                for partition in self._read_until:
                    self._read_until[partition] = await consumer.position(partition)
                self._progress.notify_all()

    def _take(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            if record.value is None:
                continue
            try:
                self.add(decode_json(record.value, LayoutMessage))
            except MessageError as error:
                _log.warning("layouts: offset %d of %s is no layout: %s", record.offset, topics.LAYOUTS, error)

    async def refresh(self) -> None:
        """Wait until everything that the topic holds now has been read, at most 5 s."""
        consumer = self._consumer
        if consumer is None:
            return
        try:
            async with asyncio.timeout(_REFRESH_SECONDS):
                ends = await consumer.end_offsets(list(self._read_until))
                async with self._progress:
                    await self._progress.wait_for(
                        lambda: all(self._read_until[partition] >= end for partition, end in ends.items())
                    )
        except (TimeoutError, KafkaError) as error:
            _log.warning("layouts: %s was not read to its end within %g s: %r", topics.LAYOUTS, _REFRESH_SECONDS, error)
