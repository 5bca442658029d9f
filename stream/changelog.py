"""The changelog of snapshots on Kafka: read one partition from its beginning to its end."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


async def read_changelogs(
    connection: dict[str, Any], topic: str, partitions: list[int]
) -> dict[int, list[tuple[bytes, bytes | None]]]:
    """Every record that the partitions hold now, in order.

    Raises:
        KafkaError: Kafka cannot be reached.
    """
    entries: dict[int, list[tuple[bytes, bytes | None]]] = {partition: [] for partition in partitions}
    # aiokafka resets a fresh assignment by itself, to the end unless told otherwise, and races with `seek_to_beginning`.
    consumer = AIOKafkaConsumer(
        **connection, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=50
    )
    await consumer.start()
    try:
        assigned = [TopicPartition(topic, partition) for partition in partitions]
        consumer.assign(assigned)
        ends = await consumer.end_offsets(assigned)
        while [one for one in assigned if await consumer.position(one) < ends[one]]:
            for one, records in (await consumer.getmany(timeout_ms=200)).items():
                entries[one.partition] += [(record.key or b"", record.value) for record in records]
    finally:
        await consumer.stop()
    return entries
