"""Records out of what aiokafka has fetched, whole batches of them, without an object of aiokafka's for each.

aiokafka unpacks a record, then makes a dataclass of it with topic, partition, sizes and headers, one `next` after another:
2 µs a record, most of what a worker spends on it. What is inside, its C reader's own record, has all that we need: offset,
timestamp, key and value. This file is the only one that looks into aiokafka's fetcher; the version is pinned for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import CorruptRecordException
from faust.types import TP


def drain(
    fetcher: Fetcher, topics: Collection[str], partitions: Collection[TP] | None, checksummed: Collection[str]
) -> dict[TP, list[Any]]:
    """Everything that was fetched of these topics and partitions; nothing while a rebalance is under way.

    `checksummed` are topics whose payloads carry a checksum of their own: Kafka's is not computed again.

    Raises:
        CorruptRecordException: a batch does not match its checksum.
    """
    drained: dict[TP, list[Any]] = {}
    if fetcher._subscriptions.reassignment_in_progress:
        return drained
    with fetcher._subscriptions.fetch_context():
        for one in list(fetcher._records):
            result = fetcher._records[one]
            if type(result) is not FetchResult or one.topic not in topics or (partitions and one not in partitions):
                continue
            try:
                records = _unpack(one, result, check=one.topic not in checksummed)
            finally:
                del fetcher._records[one]
                fetcher._notify(fetcher._wait_consume_future)
            if records:
                drained[TP(one.topic, one.partition)] = records
    return drained


def _unpack(one: Any, result: FetchResult, *, check: bool) -> list[Any]:
    """The records of one fetch, and the partition's position behind them."""
    if not result.check_assignment(one) or not result.has_more():
        return []
    held = result._partition_records
    records: list[Any] = []
    while held._records.has_next():
        batch = held._records.next_batch()
        if check and not batch.validate_crc():
            raise CorruptRecordException(f"{one.topic} partition {one.partition}: a batch does not match its checksum")
        if not batch.is_control_batch:
            fresh = list(batch)
            # A fetch may begin inside a compressed batch, before the offset that was asked for.
            if fresh and fresh[0].offset < held.next_fetch_offset:
                fresh = [record for record in fresh if record.offset >= held.next_fetch_offset]
            records += fresh
        held.next_fetch_offset = batch.next_offset
    result._update_position()
    result._partition_records = None
    held._records_iterator = None  # it refers to what holds it: a megabyte that only the collector would free
    return records


async def wait_for_records(fetcher: Fetcher, seconds: float) -> bool:
    """Wait until something was fetched; whether it was, within this time.

    Raises:
        KafkaError: the fetcher failed.
    """
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=seconds)
    if not done:
        waiter.cancel()
        return False
    waiter.result()
    return True
