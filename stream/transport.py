"""Faust's aiokafka driver, subclassed at its own seams: one event carries all records of one partition in one fetch.

    Kafka ─▶ consumer thread ─▶ getmany ─▶ scheduler.iterate ─▶ _to_message ─▶ agent ─▶ tracker ─▶ commit
             fetch wait of ours            one batch a          one message    runtime  whole ranges
                                           partition            of it

Faust keeps membership, assignment, rebalance, the loop of commits and the producer. It costs tens of microseconds a
message and nearly nothing an event, so an event here is a batch. Where an app's records start after a rebalance is not
what was committed but what the recovered state says (`Positions`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aiokafka import ConsumerRecord
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.transport.utils import DefaultSchedulingStrategy
from faust.types import TP, ConsumerMessage, Message
from faust.types.tuples import ack_lock
from mode.utils.futures import notify

from stream.app import Record
from stream.producer import Producer
from stream.reader import ConsumerThread, Fetched
from stream.settings import ReadSettings
from stream.tracker import RangeTracker


class Positions(Protocol):
    """Whoever knows where each partition's state stands: the runtime."""

    async def recover(self, committed: Mapping[TP, int | None]) -> Mapping[TP, int]:
        """Make the state of these partitions ready; the offset at which each is to be read on."""

    async def release(self, partitions: Iterable[TP]) -> None:
        """These partitions go away: finish what is under way and store their state."""


@dataclass(slots=True)
class Records:
    """The value of a batch's event: offsets ascending, gaps where the log has none.

    `follows` is where the batch before ended: a reader that stands before it has missed a batch. `made_anew`: the log ended
    before `follows`, so it is another log, and Kafka starts at its beginning; there are no records in the batch.
    """

    tp: TP
    follows: int
    records: list[Record]
    made_anew: bool = False

    @property
    def end(self) -> int:
        """The offset behind the last record."""
        return self.records[-1].offset + 1 if self.records else self.follows


class BatchScheduler(DefaultSchedulingStrategy):
    """Gives out one batch a partition for the topics that ask for it, single records of all others."""

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics

    def iterate(self, records: Mapping[TP, list[Any]]) -> Iterator[tuple[TP, Any]]:
        single = {}
        for tp, fetched in records.items():
            if tp.topic in self.topics:
                yield tp, fetched
            else:
                single[tp] = fetched
        yield from super().iterate(single)


class Consumer(driver.Consumer):
    """Hands out batches and commits whole ranges.

    Faust acknowledges an event when its agent is done with it, an exception included; for batches that only ends the
    event. An offset is committed when the runtime said `acknowledge` for everything before it.
    """

    _thread: ConsumerThread

    def __init__(self, transport: Transport, *args: Any, **words: Any) -> None:
        super().__init__(transport, *args, **words)
        self.batched, self.checksummed = transport.batched, transport.checksummed
        self.scheduler = BatchScheduler(self.batched)
        self.positions = transport.positions
        self._trackers: dict[TP, RangeTracker] = defaultdict(RangeTracker)
        self._next: dict[TP, int] = {}
        self._seeks: dict[TP, int] = defaultdict(int)
        self._committed: dict[TP, int] = {}

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if tp.topic not in self.batched:
            return super()._to_message(tp, record)
        fetched: Fetched = record
        follows = self._next.get(tp, 0)
        last = fetched[-1]
        records: list[Record] = []
        if fetched.seeks == self._seeks[tp]:
            # A fetch may begin inside a compressed batch, before the offset that was asked for.
            records = fetched if fetched[0].offset >= follows else [one for one in fetched if one.offset >= follows]
        made_anew = fetched.seeks == self._seeks[tp] and last.offset < follows
        batch = Records(tp, follows, records, made_anew)
        if records:
            self._trackers[tp].hand_out(records[0].offset, batch.end)
            self._next[tp] = batch.end
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000,
            cast("ConsumerRecord", last).timestamp_type,
            [],
            None,
            cast("bytes", batch),  # Faust passes it through unread
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self.batched:
            await super()._add_gap(tp, offset_from, offset_to)

    def ack(self, message: Message) -> bool:
        """Faust is done with an event."""
        if message.topic not in self.batched:
            return bool(super().ack(message))
        with ack_lock:
            if message.acked:
                return False
            message.acked = True
            self._unacked_messages.discard(message)
            notify(self._waiting_for_ack)
            return True

    def acknowledge(self, batch: Records) -> None:
        """Everything that this batch leads to is stored."""
        if batch.records:
            self._trackers[batch.tp].acknowledge(batch.records[0].offset, batch.end)

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        yield from super()._filter_tps_with_pending_acks(topics)
        yield from (tp for tp in list(self._trackers) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        if tp.topic not in self.batched:
            offset: int | None = super()._new_offset(tp)
            return offset
        committable = self._trackers[tp].committable
        # State that is read again from before the commit must not take the commit back.
        return committable if committable is not None and committable > self._committed.get(tp, -1) else None

    async def _commit_offsets(self, offsets: Mapping[TP, int], start_new_transaction: bool = True) -> bool:
        done = bool(await super()._commit_offsets(offsets, start_new_transaction))
        if done:
            self._committed.update({tp: offset for tp, offset in offsets.items() if tp.topic in self.batched})
        return done

    async def perform_seek(self) -> None:
        """After a rebalance: state first, then read on from where it stands."""
        await super().perform_seek()
        committed = {ensure_TP(tp): self._committed_offset[tp] for tp in self.assignment() if tp.topic in self.batched}
        self._committed.update({tp: offset for tp, offset in committed.items() if offset is not None})
        await self.seek_batched(await self.positions.recover(committed))

    async def seek_batched(self, targets: Mapping[TP, int]) -> None:
        """Read these partitions on from these offsets; whatever was fetched before is dropped when it comes."""
        marked = {}
        for tp, offset in targets.items():
            self._seeks[tp] += 1
            self._next[tp] = offset
            self._trackers[tp].restart(offset)
            self._read_offset[tp] = offset or None
            marked[tp] = (offset, self._seeks[tp])
        await self._thread.seek_marked(marked)

    def forget_committed(self, tp: TP) -> None:
        """The log of this partition is another one: what was committed of the old one means nothing."""
        self._committed.pop(tp, None)
        self._committed_offset[tp] = None

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Faust stops the flow and waits for running events; then state is stored, and what is done committed."""
        await super().on_partitions_revoked(revoked)
        await self.positions.release(revoked)
        await self.commit()
        for tp in revoked:
            self._trackers.pop(tp, None)
            self._committed.pop(tp, None)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's guess whether an agent hangs counts messages; lag and snapshot age are in the metrics."""


class Transport(driver.Transport):
    """The driver with our consumer and producer.

    Args:
        batched: Topics whose records come as batches.
        checksummed: Those of them whose payloads carry a checksum of their own.
        connection: Where Kafka is, as aiokafka's clients take it.
        read: Fetch sizes and waits.
        positions: Who recovers state.
        idempotent: Whether the broker knows idempotent producers.
    """

    Consumer = Consumer
    Producer = Producer

    def __init__(
        self,
        *args: Any,
        batched: frozenset[str],
        checksummed: frozenset[str] = frozenset(),
        connection: dict[str, Any],
        read: ReadSettings,
        positions: Positions,
        idempotent: bool = True,
        **words: Any,
    ) -> None:
        super().__init__(*args, **words)
        self.batched, self.checksummed = batched, checksummed
        self.connection = connection
        self.read = read
        self.positions = positions
        self.idempotent = idempotent
