"""Reading a topic from its beginning to its end: changelogs at recovery, logs for a recording."""

from __future__ import annotations

import time
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaTimeoutError

_SILENCE_SECONDS = 30


async def read_whole(connection: dict[str, Any], topic: str, partitions: list[int]) -> dict[int, list[ConsumerRecord]]:
    """Every record that these partitions hold now, in order.

    Raises:
        KafkaError: Kafka cannot be reached, or sends nothing more though there is more.
    """
    held: dict[int, list[ConsumerRecord]] = {partition: [] for partition in partitions}
    # aiokafka resets a fresh assignment by itself, to the end unless told otherwise, and races with `seek_to_beginning`.
    consumer = AIOKafkaConsumer(
        **connection, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        assigned = [TopicPartition(topic, partition) for partition in partitions]
        consumer.assign(assigned)
        ends = await consumer.end_offsets(assigned)
        left = set(assigned)
        moved_at = time.monotonic()
        while left:
            for one, records in (await consumer.getmany(timeout_ms=200)).items():
                moved_at = time.monotonic()
                held[one.partition] += records
            left = {one for one in left if not await is_read(consumer, one, ends[one])}
            if time.monotonic() - moved_at > _SILENCE_SECONDS:
                raise KafkaTimeoutError(
                    f"{topic}: nothing came for {_SILENCE_SECONDS} s, {len(left)} partitions not at their end"
                )
    finally:
        await consumer.stop()
    return held


async def is_read(consumer: AIOKafkaConsumer, partition: TopicPartition, end: int) -> bool:
    """Whether a partition has been read to its end.

    `end` is what the broker answers when asked. Embedded, that is the first offset behind the newest batch's beginning
    (measured); what comes with every fetch is right on both.
    """
    highwater = consumer.highwater(partition)
    return highwater is not None and await consumer.position(partition) >= max(end, highwater)
