"""Reference topics: small compacted topics that every worker reads to their ends and follows, all partitions of them.

An app needs them to read its inputs (layouts) or to judge them. They are read before the first record; when a decoder meets
something that it should know, they are read to their ends again before the record is given up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from models.contracts.messages import MessageError
from stream.app import Reference

_log = logging.getLogger(__name__)
_REFRESH_SECONDS = 5.0
_PAUSE_SECONDS = 1.0


class References:
    """Follows the reference topics of an app.

    Args:
        references: What the app needs; none is fine.
        connection: Where Kafka is, as aiokafka's clients take it.
    """

    def __init__(self, references: Sequence[Reference], connection: dict[str, Any]) -> None:
        self._take = {reference.topic: reference.take for reference in references}
        self._connection = connection
        self._consumer: AIOKafkaConsumer | None = None
        self._read_until: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int | None] = {}
        self._progress = asyncio.Condition()

    async def follow(self, partitions: Mapping[str, int], ready: asyncio.Event) -> None:
        """Read the topics to their ends, say so, and go on reading until cancelled.

        Args:
            partitions: Number of partitions of each topic.
            ready: Is set when the ends are reached.

        Raises:
            KafkaError: Kafka cannot be reached at the start.
        """
        consumer = AIOKafkaConsumer(
            **self._connection, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=100
        )
        try:
            await consumer.start()
            assigned = [
                TopicPartition(topic, partition) for topic in self._take for partition in range(partitions[topic])
            ]
            if assigned:
                consumer.assign(assigned)
                self._read_until = dict.fromkeys(assigned, 0)
                self._consumer = consumer
            reader = asyncio.create_task(self._read(consumer), name="read reference topics")
            try:
                await self.refresh()
                ready.set()
                await reader
            finally:
                reader.cancel()
        finally:
            self._consumer = None
            await consumer.stop()

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        if self._consumer is None:
            await asyncio.Event().wait()  # nothing to follow
        while True:
            try:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    self._take_all(records)
                positions = {one: await consumer.position(one) for one in self._read_until}
                ends = {one: consumer.highwater(one) for one in self._read_until}
            except KafkaError as error:
                _log.warning("reference topics: reading failed, trying again: %r", error)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            async with self._progress:
                self._read_until = positions
                self._ends = ends
                self._progress.notify_all()

    def _take_all(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            if record.value is None:
                continue
            try:
                self._take[record.topic](record.value)
            except MessageError as error:
                _log.warning("%s offset %d is left out: %s", record.topic, record.offset, error)

    async def refresh(self) -> None:
        """Wait until everything that the topics hold now has been read, at most 5 s."""
        consumer = self._consumer
        if consumer is None:
            return
        try:
            async with asyncio.timeout(_REFRESH_SECONDS):
                ends = await consumer.end_offsets(list(self._read_until))
                async with self._progress:
                    await self._progress.wait_for(lambda: all(self._is_read(one, end) for one, end in ends.items()))
        except (TimeoutError, KafkaError) as error:
            _log.warning("reference topics were not read to their ends within %g s: %r", _REFRESH_SECONDS, error)

    def _is_read(self, partition: TopicPartition, end: int) -> bool:
        """As `whole.is_read`, of what the reader has got to."""
        highwater = self._ends.get(partition)
        return highwater is not None and self._read_until[partition] >= max(end, highwater)
