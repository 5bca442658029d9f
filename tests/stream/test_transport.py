"""The transport between fetch and commit: batches, what a seek leaves behind, logs with gaps. No broker is asked."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, cast

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from models.contracts import topics
from stream.reader import Fetched
from stream.runtime import Worker
from stream.settings import StreamSettings
from stream.transport import BatchScheduler, Consumer, Records
from tests.stream import fleet

FRAMES_0 = TP(topics.FRAMES, 0)


@dataclass
class Rec:
    """A record as the consumer thread gives it."""

    offset: int
    timestamp: int = 1_764_000_000_000
    timestamp_type: int = 0


def fetched(offsets: list[int], seeks: int = 0) -> Fetched:
    made = Fetched([cast("Any", Rec(offset)) for offset in offsets])
    made.seeks = seeks
    return made


@pytest.fixture
async def consumer() -> Consumer:
    """A consumer that is not connected."""
    return cast("Consumer", Worker(fleet.app(), StreamSettings()).faust.consumer)


def take(consumer: Consumer, offsets: list[int], seeks: int = 0) -> Records:
    return cast("Records", consumer._to_message(FRAMES_0, fetched(offsets, seeks)).value)


def test_topics_that_ask_get_one_batch_a_partition_the_others_single_records() -> None:
    scheduler = BatchScheduler(frozenset({"batched"}))
    records = {TP("batched", 0): [1, 2], TP("single", 0): [3, 4], TP("batched", 1): [5]}
    assert list(scheduler.iterate(records)) == [
        (TP("batched", 0), [1, 2]),
        (TP("batched", 1), [5]),
        (TP("single", 0), 3),
        (TP("single", 0), 4),
    ]


async def test_a_batch_says_where_the_one_before_ended(consumer: Consumer) -> None:
    first, second = take(consumer, [0, 1, 2]), take(consumer, [7, 9])
    assert (first.follows, first.end) == (0, 3)
    assert (second.follows, second.end) == (3, 10)
    consumer.acknowledge(second)
    assert consumer._new_offset(FRAMES_0) is None
    consumer.acknowledge(first)
    assert consumer._new_offset(FRAMES_0) == 10


async def test_faust_s_own_acknowledgement_commits_nothing(consumer: Consumer) -> None:
    message = consumer._to_message(FRAMES_0, fetched([0, 1]))
    message.incref()
    assert message.ack(consumer)
    assert message.acked
    assert consumer._new_offset(FRAMES_0) is None


async def test_records_before_the_position_are_left_out(consumer: Consumer) -> None:
    take(consumer, [0, 1, 2, 3])
    again = take(consumer, [2, 3, 4, 5])  # a compressed batch comes whole
    assert [one.offset for one in again.records] == [4, 5]
    assert again.end == 6


async def test_what_was_fetched_before_a_seek_is_dropped_when_it_comes(
    consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(targets: object) -> None:
        _ = targets

    monkeypatch.setattr(consumer._thread, "seek_marked", nothing)
    take(consumer, list(range(100)))
    await consumer.seek_batched({FRAMES_0: 50})
    late = take(consumer, list(range(100, 120)), seeks=0)
    assert late.records == []
    assert not late.made_anew
    fresh = take(consumer, list(range(50, 60)), seeks=1)
    assert (fresh.follows, fresh.end) == (50, 60)


async def test_a_log_that_ends_before_the_position_is_another_log(consumer: Consumer) -> None:
    take(consumer, list(range(100)))
    other = take(consumer, [0, 1, 2])
    assert other.made_anew
    assert other.records == []


@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=60), st.lists(st.integers(1, 10), min_size=1), st.integers(0, 99)
)
def test_every_offset_is_handed_out_once_and_committed_at_the_end(steps: list[int], cuts: list[int], seed: int) -> None:
    offsets = [sum(steps[: count + 1]) for count in range(len(steps))]  # with gaps, as compaction leaves them
    connected = cast("Consumer", _made())
    tp = TP(topics.FRAMES, 1)
    batches: list[Records] = []
    left, place = list(offsets), 0
    while left:
        size = cuts[place % len(cuts)]
        place += 1
        batches.append(cast("Records", connected._to_message(tp, fetched(left[:size])).value))
        left = left[size:]
    assert [one.offset for batch in batches for one in batch.records] == offsets
    shuffled = list(batches)
    Random(seed).shuffle(shuffled)
    for batch in shuffled:
        connected.acknowledge(batch)
    assert connected._new_offset(tp) == offsets[-1] + 1


def _made() -> Any:
    import asyncio

    async def make() -> Any:
        return Worker(fleet.app(), StreamSettings()).faust.consumer

    return asyncio.run(make())
