"""The worker: it carries batches from Kafka through an app's core and back.

    Faust agent ─▶ take ─▶ Partition.process ─▶ Delivery ─▶ acknowledged ─▶ committed
                                                snapshots every few seconds, at revoke and at stop

Order of what is stored: results, then the commit of their input. A snapshot may lie behind the commit: recovery loads it,
reads the input again from its offset, and stays silent up to the commit. Nothing is promised "exactly once": outputs carry
deterministic ids, so one that is sent twice is the same one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import numpy as np
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from faust.types import TP

from models.contracts.clock import wall_ms
from stream.app import Decoded, StreamApp
from stream.closed import expect_closed_connections
from stream.connection import connection
from stream.delivery import Delivery, store
from stream.faustapp import new_faust
from stream.memory import keep_buffers, spare_the_collector
from stream.metrics import Metrics, Standing
from stream.partition import Partition
from stream.producer import Producer
from stream.references import References
from stream.settings import StreamSettings
from stream.snapshot import Entry, SnapshotError, Snapshots
from stream.table import State
from stream.transport import Consumer, Records
from stream.whole import read_each

_log = logging.getLogger(__name__)
# Former owners' snapshots are removed this long after a takeover: by then a worker that does not know yet that it lost
# the partition has been told.
_FOREIGN_SECONDS = 120.0
# Of a snapshot, between two looks at the batches that have come: about a megabyte.
_ENTRIES_AT_ONCE = 5


@dataclass(slots=True)
class _Owned:
    """A partition that this worker has."""

    core: Partition
    snapshots: Snapshots
    delivery: Delivery
    since: float
    stored_at: float  # monotonic time of the newest snapshot
    stored_positions: dict[str, int]
    timer: asyncio.Task[None] | None = None


class Worker:
    """One process's share of an app's partitions.

    Args:
        app: The app.
        settings: Of the worker.
        idempotent: Whether the broker knows idempotent producers.
    """

    def __init__(self, app: StreamApp, settings: StreamSettings, *, idempotent: bool = True) -> None:
        keep_buffers()
        expect_closed_connections()
        self.app = app
        self.settings = settings
        self.metrics = Metrics()
        self.references = References(app.references, connection(settings.kafka))
        self.faust = new_faust(app, settings, self, idempotent=idempotent)
        self.faust.on_before_shutdown.connect(self._before_shutdown)
        self._owned: dict[int, _Owned] = {}
        self._changing = asyncio.Lock()
        self._storing = asyncio.Lock()  # one snapshot at a time: each holds a copy of what has changed
        self.progress = 0  # grows while a snapshot is being stored
        self.refused = ""  # why the stored state cannot be used, a sentence
        self.on_refused = asyncio.Event()
        self.metrics.on_scrape(self._standings)

    @property
    def _consumer(self) -> Consumer:
        return cast("Consumer", self.faust.consumer)

    @property
    def _producer(self) -> Producer:
        return cast("Producer", self.faust.producer)

    async def take(self, batch: Records) -> None:
        """Process one batch, and hand its results to the delivery."""
        topic, partition = batch.tp
        owned = self._owned.get(partition)
        if owned is None:
            return
        if batch.made_anew:
            await self._start_over(batch.tp, owned)
        if not batch.records:
            return
        position = owned.core.state.positions.get(topic, 0)
        if batch.follows > position:
            # Faust drops events when it stops the flow; what was lost on the way to here is read again.
            self.metrics.missed.inc()
            await self._consumer.seek_batched({batch.tp: position})
            return
        source = self.app.input(topic)
        decoded: Decoded | None = source.decode([record.value or b"" for record in batch.records])
        if decoded is not None and any(rejected.retry for rejected in decoded.rejected):
            await self.references.refresh()
            decoded = None
        done = owned.core.process(topic, batch.records, decoded, wall_ms())
        self.metrics.records.labels(topic).inc(done.records)
        self.metrics.batch.observe(done.records)
        self.metrics.evicted.inc(done.evicted)
        for reason, count in done.dead.items():
            self.metrics.dead.labels(topic, reason).inc(count)
        times_ms = np.fromiter((one.timestamp for one in batch.records), dtype=np.int64, count=len(batch.records))

        def stored() -> None:
            self._consumer.acknowledge(batch)
            self.metrics.stored(times_ms)
            for output in done.outputs:
                self.metrics.outputs.labels(output.topic).inc()

        await owned.delivery.put(done.outputs, stored)

    async def _start_over(self, tp: TP, owned: _Owned) -> None:
        """A log that ends before our position is another one: somebody made the topic anew, or the broker forgot it."""
        _log.error("%s partition %d was made anew; it is read from its beginning", *tp)
        first = (await self._consumer.earliest_offsets(tp))[tp]
        owned.core.state.positions[tp.topic] = first
        owned.core.silent_until.pop(tp.topic, None)
        self._consumer.forget_committed(tp)
        await self._consumer.seek_batched({tp: first})

    async def _look_after(self, partition: int, owned: _Owned) -> None:
        """Snapshots, and an eye on logs that were made anew, for as long as the partition is ours."""
        while True:
            await asyncio.sleep(self.settings.state.snapshot_seconds)
            for topic, position in list(owned.core.state.positions.items()):
                end = self._consumer.highwater(TP(topic, partition))
                if end is not None and end < position:
                    await self._start_over(TP(topic, partition), owned)
            await self._snapshot(partition, owned)

    async def _snapshot(self, partition: int, owned: _Owned) -> None:
        """Write what has changed; if that fails, the next snapshot does."""
        state = owned.core.state
        if state.positions == owned.stored_positions:
            owned.stored_at = time.monotonic()
            return
        async with self._storing:
            draft = owned.snapshots.begin(state)
            try:
                # A snapshot must not be ahead of the results that it holds: after a crash nobody would send them.
                await owned.delivery.flush()
                entries = draft.entries()
                while group := list(islice(entries, _ENTRIES_AT_ONCE)):
                    await self._store(partition, group)
                    self.progress += 1
                await self._store(partition, [draft.end()])
            except BaseException as error:
                owned.snapshots.failed(state, draft.manifest)
                if not isinstance(error, KafkaError):
                    raise
                _log.warning("snapshot of partition %d was not stored: %r", partition, error)
                return
        owned.snapshots.stored(draft.manifest)
        owned.stored_at = time.monotonic()
        owned.stored_positions = draft.manifest.positions
        if owned.snapshots.foreign and time.monotonic() - owned.since > _FOREIGN_SECONDS:
            await self._store(partition, owned.snapshots.forget_foreign())

    async def _store(self, partition: int, entries: list[Entry]) -> None:
        await store(self._producer, self.app.state_topic, partition, [(entry.key, entry.value) for entry in entries])

    async def recover(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int]:
        """Load the state of these partitions; where each of their topics is to be read on."""
        async with self._changing:
            missing = sorted({tp.partition for tp in committed} - set(self._owned))
            if missing:
                await self._load(missing, committed)
            targets = {}
            first = dict(await self._consumer.earliest_offsets(*committed))
            for tp in committed:
                positions = self._owned[tp.partition].core.state.positions
                position = positions.get(tp.topic, first[tp])
                if position < first[tp]:
                    _log.error(
                        "%s partition %d begins at offset %d, behind %d where its state stands: the log was cut too early",
                        *tp,
                        first[tp],
                        position,
                    )
                    position = first[tp]
                positions[tp.topic] = targets[tp] = position
            return targets

    async def _load(self, partitions: list[int], committed: Mapping[TP, int | None]) -> None:
        started = time.monotonic()
        # One partition after another: the log of one and the state of all is what has to fit into memory.
        restoring, read_bytes = 0.0, 0
        async for partition, records in read_each(connection(self.settings.kafka), self.app.state_topic, partitions):
            read_bytes += sum(len(record.value or b"") for record in records)
            restoring -= time.monotonic()
            snapshots = Snapshots(version=self.app.state_version)
            state = self._restore(partition, snapshots, records)
            restoring += time.monotonic()
            silent = {tp.topic: offset for tp, offset in committed.items() if tp.partition == partition and offset}
            core = Partition(self.app, partition, state, silent)
            now = time.monotonic()
            delivery = Delivery(self._producer, f"{self.app.name} partition {partition}", self.metrics.failures.inc)
            owned = _Owned(core, snapshots, delivery, now, now, dict(core.state.positions))
            owned.timer = asyncio.create_task(self._look_after(partition, owned), name=f"look after {partition}")
            self._owned[partition] = owned
        rows = sum(len(table) for partition in partitions for table in self._owned[partition].core.state.all())
        spare_the_collector()
        seconds = time.monotonic() - started
        _log.info(
            "partitions %s: %d rows of state recovered in %.2f s (%.0f MiB read, then %.2f s)",
            partitions,
            rows,
            seconds,
            read_bytes / 2**20,
            restoring,
        )

    def _restore(self, partition: int, snapshots: Snapshots, records: list[ConsumerRecord]) -> State | None:
        try:
            return snapshots.restore(_emptied(records), self.app.tables)
        except SnapshotError as error:
            self.refused = f"{self.app.name} partition {partition}: {error}"
            self.on_refused.set()
            raise

    async def release(self, partitions: Iterable[TP]) -> None:
        """Store results and state of these partitions, and forget them."""
        async with self._changing:
            gone = sorted({tp.partition for tp in partitions} & set(self._owned))
            await asyncio.gather(*(self._close(partition) for partition in gone))

    async def _close(self, partition: int) -> None:
        owned = self._owned[partition]
        if owned.timer is not None:
            owned.timer.cancel()
            await asyncio.wait({owned.timer})
        await owned.delivery.flush()
        await self._snapshot(partition, owned)
        owned.delivery.stop()
        del self._owned[partition]

    async def _before_shutdown(self, *_: Any, **__: Any) -> None:
        await self.release([TP("", partition) for partition in list(self._owned)])
        await self._consumer.commit()

    def _standings(self) -> Iterator[Standing]:
        now = time.monotonic()
        for partition, owned in list(self._owned.items()):
            for topic, position in list(owned.core.state.positions.items()):
                end = self._consumer.highwater(TP(topic, partition))
                lag = None if end is None else max(0, end - position)
                yield Standing(topic, partition, lag, now - owned.stored_at)


def _emptied(records: list[ConsumerRecord]) -> Iterator[tuple[bytes, bytes | None]]:
    """Key and value of each record; the list lets go of them on the way."""
    records.reverse()
    while records:
        record = records.pop()
        yield record.key or b"", record.value
