"""F15: workers come and go, three at most, while frames keep coming.

A pause is the longest time for which a partition stored no result between one change of the group and the next.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.contracts import topics
from tests.faults.account import Account
from tests.faults.stream.plant import Plant, partition_of
from tests.faults.stream.producing import keeping_on
from tests.faults.stream.rig import Rig, judge

WORKERS_MAX = 3


@dataclass(frozen=True)
class Size:
    """How large."""

    units: int = 24
    rounds_per_second: float = 2.0
    rebalances: int = 4
    between_seconds: float = 0.5


# Twenty in five minutes.
FULL = Size(units=60, rebalances=20, between_seconds=13.0)


async def rebalance(rig: Rig, size: Size) -> Account:
    """Run it."""
    account = Account("F15", f"{size.rebalances} rebalances, up to {WORKERS_MAX} workers")
    plant = Plant("f15", size.units)
    recovered = rig.recoveries() + 1
    workers = [rig.site.start_worker()]
    changed_at_ms: list[int] = []
    started = time.monotonic()
    try:
        await rig.recovered(recovered)
        async with keeping_on(rig, plant, size.rounds_per_second) as producing:
            await producing.some(2 * size.units)
            for number in range(size.rebalances):
                changed_at_ms.append(time.time_ns() // 1_000_000)
                await _change(rig, workers, number)
                await producing.some(2 * size.units)
                await asyncio.sleep(size.between_seconds)
        seconds = time.monotonic() - started
        await rig.close_log()
        await rig.settle(120)
    finally:
        await _stop(workers)
    account.tell("rebalances", len(changed_at_ms), "rebalances")
    account.tell("seconds", seconds, "s")
    logged = await rig.logged(plant)
    account.tell("frames", len(producing.acknowledged), "frames")
    account.exactly("acknowledged_missing", len(producing.acknowledged - logged.keys()), 0, "frames")
    pauses = await _pauses(rig, plant, changed_at_ms)
    account.at_most("pause_seconds_p95", float(np.percentile(pauses, 95)), 10.0, "s", timed=True)
    account.tell("pause_seconds_max", max(pauses), "s")
    await judge(account, rig, plant)
    return account


async def _change(rig: Rig, workers: list[subprocess.Popen[bytes]], number: int) -> None:
    """One worker more, or one less; returns when partitions have been taken up."""
    recovered = rig.recoveries() + 1
    # Up to three, then down and up again; who goes is drawn.
    if len(workers) < 2 or (len(workers) < WORKERS_MAX and number % 2 == 0):
        workers.append(rig.site.start_worker())
    else:
        gone = workers.pop(random.Random(number).randrange(len(workers)))
        gone.send_signal(signal.SIGTERM)
        await asyncio.to_thread(gone.wait, 30)
    await rig.recovered(recovered)


async def _stop(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    for worker in workers:
        worker.send_signal(signal.SIGTERM)
    for worker in workers:
        await asyncio.to_thread(worker.wait, 30)


async def _pauses(rig: Rig, plant: Plant, changed_at_ms: Sequence[int]) -> list[float]:
    """Seconds: the longest silence of each partition in each stretch between two changes."""
    stored: dict[int, list[int]] = {}
    for record in await rig.site.read([topics.HEALTH]):
        key = (record.key or b"").decode()
        if key.startswith(plant.prefix):
            stored.setdefault(partition_of(key), []).append(record.timestamp)
    pauses = []
    for times_ms in (sorted(times) for times in stored.values()):
        for begin, end in pairwise([*changed_at_ms, times_ms[-1]]):
            longest = max((b - a for a, b in pairwise(times_ms) if b >= begin and a <= end), default=0)
            pauses.append(longest / 1000)
    return pauses
