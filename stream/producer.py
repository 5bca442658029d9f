"""Faust's producer, taught to send whole record batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from aiokafka.partitioner import DefaultPartitioner
from faust.transport.drivers import aiokafka as driver


class Connected(Protocol):
    """What is needed of the transport."""

    connection: dict[str, Any]
    idempotent: bool


class Producer(driver.Producer):
    """Sends whole record batches, acknowledged by all replicas, idempotent where the broker knows how."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._partition_of: dict[tuple[str, bytes], int] = {}
        self._partitions: dict[str, list[int]] = {}

    def _settings_auth(self) -> Mapping[str, Any]:
        words = cast("Connected", self.transport).connection
        return {name: value for name, value in words.items() if name != "bootstrap_servers"}

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": cast("Connected", self.transport).idempotent}

    async def partition_for(self, topic: str, key: bytes) -> int:
        """Partition of a key, as every other client of Kafka finds it."""
        known = self._partition_of.get((topic, key))
        if known is not None:
            return known
        partitions = self._partitions.get(topic)
        if partitions is None:
            partitions = self._partitions[topic] = sorted(await self._ensure_producer().partitions_for(topic))
        partition: int = DefaultPartitioner()(key, partitions, partitions)
        self._partition_of[topic, key] = partition
        return partition

    async def send_many(self, topic: str, partition: int, messages: list[tuple[bytes, bytes | None]]) -> list[Any]:
        """Queue messages for one partition, in order.

        Returns:
            Futures: when all are done without an exception, the messages are stored.
        """
        producer = self._ensure_producer()
        futures = []
        batch = producer.create_batch()
        for key, value in messages:
            if batch.append(key=key, value=value, timestamp=None) is None:
                futures.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(key=key, value=value, timestamp=None)
        if messages:
            futures.append(await producer.send_batch(batch, topic, partition=partition))
        return futures
