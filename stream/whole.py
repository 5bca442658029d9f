"""Reading a topic from its beginning to its end: changelogs at recovery, logs for a recording."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaTimeoutError

_SILENCE_SECONDS = 30
_FETCH_BYTES = 8 * 1024 * 1024


async def read_each(
    connection: dict[str, Any], topic: str, partitions: list[int]
) -> AsyncIterator[tuple[int, list[ConsumerRecord]]]:
    """Every record that these partitions hold now, in order, one partition after another.

    Raises:
        KafkaError: Kafka cannot be reached, or sends nothing more though there is more.
    """
    # aiokafka resets a fresh assignment by itself, to the end unless told otherwise, and races with `seek_to_beginning`.
    consumer = AIOKafkaConsumer(
        **connection,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    await consumer.start()
    try:
        for partition in partitions:
            yield partition, await _read(consumer, TopicPartition(topic, partition))
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, one: TopicPartition) -> list[ConsumerRecord]:
    held: list[ConsumerRecord] = []
    consumer.assign([one])
    end = (await consumer.end_offsets([one]))[one]
    moved_at = time.monotonic()
    while not await is_read(consumer, one, end):
        for records in (await consumer.getmany(timeout_ms=200)).values():
            moved_at = time.monotonic()
            held += records
        if time.monotonic() - moved_at > _SILENCE_SECONDS:
            raise KafkaTimeoutError(
                f"{one.topic}: nothing came for {_SILENCE_SECONDS} s, partition {one.partition} is not at its end"
            )
    return held


async def read_whole(connection: dict[str, Any], topic: str, partitions: list[int]) -> dict[int, list[ConsumerRecord]]:
    """As `read_each`, all at once."""
    return {partition: records async for partition, records in read_each(connection, topic, partitions)}


async def is_read(consumer: AIOKafkaConsumer, partition: TopicPartition, end: int) -> bool:
    """Whether a partition has been read to its end.

    `end` is what the broker answers when asked. Embedded, that is the first offset behind the newest batch's beginning
    (measured); what comes with every fetch is right on both.
    """
    highwater = consumer.highwater(partition)
    return highwater is not None and await consumer.position(partition) >= max(end, highwater)
