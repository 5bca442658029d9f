"""Topics of the bench on a real Kafka: making them, filling them with a plant's frames, reading what engines say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from tests.bench.stream.plant import Plant
from tests.bench.stream.truth import Found, Truth
from tests.bench.stream.workload import Alert

PARTITIONS = 4
_BATCH_BYTES = 1_000_000
_SOURCE = {"retention.ms": "-1", "retention.bytes": "-1"}
# The broker's own clock says when an alert was stored: no observer costs time or CPU while an engine runs.
_ALERTS = {"message.timestamp.type": "LogAppendTime"}
_STATE = {"cleanup.policy": "compact"}


class _Health(msgspec.Struct, frozen=True):
    """What the whole app says of a unit's minute, as far as the bench needs it; `measured_at_ms` is the minute's end."""

    site: str
    unit: str
    measured_at_ms: int
    anomaly_score: float | None = None


class Topics:
    """Makes and deletes topics."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    async def make(
        self,
        source: Iterable[str] = (),
        alerts: Iterable[str] = (),
        state: Iterable[str] = (),
        other: Iterable[str] = (),
    ) -> None:
        """Topics for frames, for alerts, for an engine's state, and plain ones."""
        wanted = [(name, configs) for names, configs in self._kinds(source, alerts, state, other) for name in names]
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            await admin.create_topics(
                [NewTopic(name, PARTITIONS, 1, topic_configs=configs) for name, configs in wanted]
            )
        finally:
            await admin.close()

    @staticmethod
    def _kinds(
        source: Iterable[str], alerts: Iterable[str], state: Iterable[str], other: Iterable[str]
    ) -> list[tuple[Iterable[str], dict[str, str]]]:
        return [(source, _SOURCE), (alerts, _ALERTS), (state, _STATE), (other, {})]

    async def delete(self, prefix: str) -> None:
        """Every topic whose name begins so, an engine's own ones included."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            names = [name for name in await admin.list_topics() if name.startswith(prefix)]
            if names:
                await admin.delete_topics(names)
        except UnknownTopicOrPartitionError:
            pass
        finally:
            await admin.close()


class Filler:
    """Writes frames, each partition's in large record batches, without compression, as the bridge does by default."""

    def __init__(self, bootstrap: str, topic: str, plant: Plant) -> None:
        self.topic = topic
        self.plant = plant
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            acks=1,
            linger_ms=0,
            max_batch_size=_BATCH_BYTES,
            max_request_size=8 * _BATCH_BYTES,
        )
        self._keys = [name.encode() for name in plant.names]
        self._partition = plant.partition.tolist()

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def send(self, frames: list[bytes], first_unit: int, timestamp_ms: int) -> list[asyncio.Future[object]]:
        """Queue frames of consecutive units; futures that are done when they are stored."""
        batches: dict[int, Any] = {}
        futures = []
        for unit, frame in enumerate(frames, first_unit):
            partition = self._partition[unit]
            batch = batches.get(partition)
            if batch is None:
                batch = batches[partition] = self._producer.create_batch()
            if batch.append(key=self._keys[unit], value=frame, timestamp=timestamp_ms) is None:
                futures.append(await self._producer.send_batch(batch, self.topic, partition=partition))
                batch = batches[partition] = self._producer.create_batch()
                batch.append(key=self._keys[unit], value=frame, timestamp=timestamp_ms)
        for partition, batch in batches.items():
            futures.append(await self._producer.send_batch(batch, self.topic, partition=partition))
        return futures


async def fill(bootstrap: str, topic: str, truth: Truth) -> None:
    """Write a plant's whole log, and learn what is to be said of it. The log's time is the plant's."""
    plant = truth.plant
    async with Filler(bootstrap, topic, plant) as filler:
        for number, planes in enumerate(plant.planes()):
            frames = plant.encoded(number, planes)
            truth.add(planes, frames)
            await asyncio.gather(*await filler.send(frames, 0, plant.measured_at_ms(number)))


class AlertReader:
    """Reads an alert topic from its beginning, as it grows."""

    def __init__(self, bootstrap: str, topic: str, *, is_health: bool = False) -> None:
        self._topic = topic
        self._is_health = is_health
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        self._alert = msgspec.json.Decoder(Alert)
        self._health = msgspec.json.Decoder(_Health)

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign([TopicPartition(self._topic, number) for number in range(PARTITIONS)])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def read(self, seconds: float) -> list[Found]:
        """What has come since, waiting at most so long for anything."""
        found = []
        for records in (await self._consumer.getmany(timeout_ms=round(seconds * 1000))).values():
            found += [Found(self._alert_of(record.value), record.timestamp) for record in records]
        return found

    def _alert_of(self, value: bytes) -> Alert:
        if not self._is_health:
            return self._alert.decode(value)
        health = self._health.decode(value)
        return Alert(f"{health.site}/{health.unit}", "health", health.measured_at_ms, 0.0, 0)
