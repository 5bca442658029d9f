"""Reference topics as an executor reads them: whole before its first record, then what is new, by a connection that lives
only as long as that takes. The worker follows them all the time; a Python process of Spark is asleep between its tasks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from models.contracts.messages import MessageError
from models.contracts.settings import KafkaSettings
from stream.app import Reference
from stream.connection import connection
from stream.whole import is_read

_log = logging.getLogger(__name__)
_AGE_SECONDS_MAX = 5.0
_SILENCE_SECONDS = 30.0


class KafkaReferences:
    """The reference topics of one app in one process.

    Args:
        references: What the app needs; none is fine.
        partitions: Number of partitions of each topic.
        settings: Where Kafka is.
    """

    def __init__(self, references: Sequence[Reference], partitions: Mapping[str, int], settings: KafkaSettings) -> None:
        self._take = {reference.topic: reference.take for reference in references}
        self._next = {TopicPartition(topic, number): 0 for topic in self._take for number in range(partitions[topic])}
        self._settings = settings
        self._read_at = -_AGE_SECONDS_MAX

    def refresh_if_old(self) -> None:
        """Read on, unless that was done less than 5 s ago."""
        if time.monotonic() - self._read_at >= _AGE_SECONDS_MAX:
            self.refresh()

    def refresh(self) -> None:
        """Read on to the ends of the topics.

        Raises:
            KafkaError: Kafka cannot be reached, or sends nothing more though there is more.
        """
        if self._next:
            asyncio.run(self._read_on())
        self._read_at = time.monotonic()

    async def _read_on(self) -> None:
        consumer = AIOKafkaConsumer(
            **connection(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
        )
        await consumer.start()
        try:
            left = set(self._next)
            consumer.assign(list(left))
            for one, offset in self._next.items():
                consumer.seek(one, offset)
            ends = await consumer.end_offsets(list(left))
            moved_at = time.monotonic()
            while left:
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    moved_at = time.monotonic()
                    self._take_all(records)
                left = {one for one in left if not await is_read(consumer, one, ends[one])}
                if time.monotonic() - moved_at > _SILENCE_SECONDS:
                    raise KafkaTimeoutError(
                        f"reference topics: nothing came for {_SILENCE_SECONDS:g} s before their end"
                    )
            self._next = {one: await consumer.position(one) for one in self._next}
        finally:
            await consumer.stop()

    def _take_all(self, records: Sequence[ConsumerRecord]) -> None:
        for record in records:
            if record.value is None:
                continue
            try:
                self._take[record.topic](record.value)
            except MessageError as error:
                _log.warning("%s offset %d is left out: %s", record.topic, record.offset, error)
