"""Load into Kafka, as the bridge writes it: whole record batches, `acks=all`, each in the ledger when it is stored."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, UnknownError, UnsupportedVersionError
from aiokafka.partitioner import DefaultPartitioner

from models.contracts import topics
from models.contracts.messages import GatewayStatus, LayoutMessage, encode_json
from models.contracts.topics import kafka_topic
from simulators.load.disorder import Planned
from simulators.load.fleet import LoadError, LoadFleet
from simulators.load.ledger import Ledger

_BATCH_BYTES = 262_144
_UNDER_WAY_MAX = 64


class KafkaSink:
    """One producer.

    Args:
        address: host:port.
        partitions: Of topics that do not exist yet.
    """

    def __init__(self, address: str, partitions: int) -> None:
        self._address = address
        self._new_partitions = partitions
        self._under_way: deque[tuple[asyncio.Future[Any], list[Planned]]] = deque()
        self._partitions: list[int] = []
        self._partition_of: list[int] = []
        self._keys: list[bytes] = []
        self._ledger: Ledger | None = None
        self._producer: AIOKafkaProducer | None = None

    async def connect(self) -> None:
        """Connect, and make the topics that are missing.

        Raises:
            LoadError: Kafka cannot be reached.
        """
        try:
            await self._make_topics()
            self._producer = await self._new_producer()
            self._partitions = sorted(await self._producer.partitions_for(topics.FRAMES))
        except KafkaError as error:
            raise LoadError(f"kafka {self._address}: {error!r}; is it running there? [--kafka]") from error

    def start(self, fleet: LoadFleet, ledger: Ledger) -> None:
        """Whose frames they will be, and who is told what Kafka has of them."""
        find = DefaultPartitioner()
        self._keys, self._ledger = fleet.keys, ledger
        self._partition_of = [find(key, self._partitions, self._partitions) for key in fleet.keys]

    async def _new_producer(self) -> AIOKafkaProducer:
        """An idempotent producer, or a plain one where the broker (the embedded one) knows none."""
        noisy = logging.getLogger("aiokafka.producer.sender")
        for idempotent in (True, False):
            noisy.setLevel(logging.CRITICAL if idempotent else logging.NOTSET)
            producer = AIOKafkaProducer(
                bootstrap_servers=self._address,
                acks="all",
                enable_idempotence=idempotent,
                max_batch_size=_BATCH_BYTES,
                linger_ms=0,
            )
            try:
                await producer.start()
            except (UnknownError, UnsupportedVersionError):
                await producer.stop()
                if not idempotent:
                    raise
                continue
            except KafkaError:
                await producer.stop()
                raise
            noisy.setLevel(logging.NOTSET)
            return producer
        raise AssertionError("either of two connections returns or raises")

    async def _make_topics(self) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self._address)
        try:
            await admin.start()
            there = set(await admin.list_topics())
            rows = [kafka_topic(name) for name in (topics.FRAMES, topics.LAYOUTS, topics.GATEWAYS)]
            new = [
                NewTopic(
                    name=row.name,
                    num_partitions=row.partitions or self._new_partitions,
                    replication_factor=1,
                    topic_configs={"cleanup.policy": "compact"} if row.compacted else {},
                )
                for row in rows
                if row.name not in there
            ]
            if new:
                await admin.create_topics(new)
        except TopicAlreadyExistsError:
            pass
        finally:
            await admin.close()

    async def tell(self, messages: Iterable[LayoutMessage | GatewayStatus]) -> None:
        """Layouts and accounts of gateways, on the compacted topics; returns when all are stored."""
        producer = self._ready()
        futures: deque[asyncio.Future[Any]] = deque()
        try:
            for message in messages:
                if isinstance(message, LayoutMessage):
                    topic, key = topics.LAYOUTS, f"{message.site}/{message.unit}/{message.layout.id:016x}"
                else:
                    topic, key = topics.GATEWAYS, f"{message.site}/{message.gateway}"
                futures.append(await producer.send(topic, encode_json(message), key=key.encode()))
                if len(futures) > 1000:
                    await futures.popleft()
            for future in futures:
                await future
        except KafkaError as error:
            raise self._lost(error) from error

    async def send(self, records: Sequence[Planned]) -> None:
        """Hand records over; waits while much is under way.

        Raises:
            LoadError: Kafka did not take some that were handed over before.
        """
        producer = self._ready()
        parts: dict[int, list[Planned]] = {}
        for record in records:
            parts.setdefault(self._partition_of[record.frame.unit], []).append(record)
        try:
            for partition, part in parts.items():
                await self._send_part(producer, partition, part)
            await self._settle(_UNDER_WAY_MAX)
        except KafkaError as error:
            raise self._lost(error) from error

    async def _send_part(self, producer: AIOKafkaProducer, partition: int, part: list[Planned]) -> None:
        batch, first = producer.create_batch(), 0
        for place, record in enumerate(part):
            key, value = self._keys[record.frame.unit], record.frame.payload
            if batch.append(key=key, value=value, timestamp=None) is None:
                future = await producer.send_batch(batch, topics.FRAMES, partition=partition)
                self._under_way.append((future, part[first:place]))
                batch, first = producer.create_batch(), place
                batch.append(key=key, value=value, timestamp=None)
        future = await producer.send_batch(batch, topics.FRAMES, partition=partition)
        self._under_way.append((future, part[first:]))

    async def _settle(self, left_max: int) -> None:
        """Write down what is stored; wait until at most so many batches are under way."""
        under_way = self._under_way
        while under_way and (len(under_way) > left_max or under_way[0][0].done()):
            future, records = under_way.popleft()
            await future
            if self._ledger is not None:
                self._ledger.acknowledged(records)

    async def flush(self) -> None:
        """Wait until everything is stored.

        Raises:
            LoadError: something is not.
        """
        try:
            await self._settle(0)
        except KafkaError as error:
            raise self._lost(error) from error

    async def stop(self) -> None:
        """Leave."""
        if self._producer is not None:
            await self._producer.stop()

    def _ready(self) -> AIOKafkaProducer:
        assert self._producer is not None, "connect comes first"  # noqa: S101 - programmer error
        return self._producer

    def _lost(self, error: KafkaError) -> LoadError:
        return LoadError(f"kafka {self._address}: records were not stored: {error!r}; is it running there? [--kafka]")
