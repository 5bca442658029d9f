"""The thread that talks to Kafka: how it fetches, how it hands over what came, and how it seeks."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from stream.app import Record
from stream.fetch import drain, wait_for_records

if TYPE_CHECKING:
    from stream.transport import Consumer, Transport

_IDLE_SECONDS = 0.1
_WAIT_MS_MAX = 250
_MANY_RECORDS = 64


class Fetched(list[Record]):
    """Records of one partition out of one fetch. `seeks` is how often the partition had been sought by then."""

    seeks: int = 0


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that talks to Kafka. Its consumer is made here, because Faust has no setting for the fetch wait."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seeks: dict[TP, int] = defaultdict(int)
        self._idle_seconds = 0.0
        self._wait_ms = 0

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        ours = cast("Transport", transport)
        conf, read = self.app.conf, ours.read
        self._wait_ms = read.fetch_wait_ms
        # All topics have as many partitions and the same keys; range gives partition n of each to the same worker.
        self._assignor = RangePartitionAssignor
        return AIOKafkaConsumer(
            **ours.connection,
            client_id=conf.broker_client_id,
            group_id=conf.id,
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=read.fetch_bytes_max,
            fetch_max_wait_ms=read.fetch_wait_ms,
            request_timeout_ms=40_000,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
        )

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> dict[TP, Fetched]:
        ours, fetcher = cast("Consumer", self.consumer), consumer._fetcher
        deadline = time.monotonic() + (timeout or 0)
        while True:
            if self.consumer.flow_active and not fetcher._closed:
                drained = drain(fetcher, ours.batched, active_partitions, ours.checksummed)
                if drained:
                    self._pace(fetcher, len(max(drained.values(), key=len)))
                    return {tp: self._marked(tp, records) for tp, records in drained.items()}
            # Errors, topics of single records, and what a rebalance wants to be waited for.
            others = await super()._fetch_records(consumer, active_partitions, 0, max_records)
            if others:
                return {ensure_TP(one): self._marked(ensure_TP(one), records) for one, records in others.items()}
            left = deadline - time.monotonic()
            if left <= 0 or not self.consumer.flow_active:
                return {}
            if not await wait_for_records(fetcher, min(left, _IDLE_SECONDS)):
                self._pace(fetcher, 0)

    def _marked(self, tp: TP, records: list[Any]) -> Fetched:
        fetched = Fetched(records)
        fetched.seeks = self.seeks[tp]
        return fetched

    def _pace(self, fetcher: Fetcher, records: int) -> None:
        """How long Kafka may hold back the next fetch, after so many records of a partition came at once.

        Only one fetch is under way to a broker. While some partitions wait in it for records, others that were just read
        must wait for its end: so it is short when few records come, which are to be quick, and a little longer when many
        come, which take their time here. When none come, all partitions wait in it, and the first record ends it at once:
        then it grows, and costs nothing.
        """
        if records:
            self._idle_seconds = 0.0
            wait_ms = self._wait_ms if records < _MANY_RECORDS else 5 * self._wait_ms
        else:
            self._idle_seconds += _IDLE_SECONDS
            wait_ms = round(min(_WAIT_MS_MAX, 250 * self._idle_seconds))
        fetcher._fetch_max_wait_ms = max(self._wait_ms, wait_ms)

    async def seek_marked(self, targets: Mapping[TP, tuple[int, int]]) -> None:
        """Seek each partition to an offset; what is fetched from then on bears the given number of seeks."""
        await self.call_thread(self._seek_marked, targets)

    async def _seek_marked(self, targets: Mapping[TP, tuple[int, int]]) -> None:
        consumer = self._ensure_consumer()
        for tp, (offset, seeks) in targets.items():
            consumer.seek(TopicPartition(tp.topic, tp.partition), offset)
            self.seeks[tp] = seeks
