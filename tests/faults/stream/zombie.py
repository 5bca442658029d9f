"""F16: a worker is killed in mid-batch, and one is stopped until others have its partitions; then it wakes up.

The sleeper still holds results, a snapshot and a commit of long ago. Whatever it does with them changes nothing.
"""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import time
from dataclasses import dataclass

from tests.faults.account import Account
from tests.faults.stream.plant import Plant
from tests.faults.stream.producing import Producing, keeping_on
from tests.faults.stream.rig import SESSION_SECONDS, Rig, judge


@dataclass(frozen=True)
class Size:
    """How large."""

    units: int = 24
    rounds_per_second: float = 2.0
    kills: int = 1
    stops: int = 1
    stopped_seconds: float = 2 * SESSION_SECONDS


FULL = Size(units=60, kills=10, stops=3, stopped_seconds=60.0)


async def zombie(rig: Rig, size: Size) -> Account:
    """Run it."""
    account = Account(
        "F16", f"worker killed {size.kills} times, stopped for {size.stopped_seconds:g} s {size.stops} times"
    )
    plant, chance = Plant("f16", size.units), random.Random(16)
    workers: list[subprocess.Popen[bytes]] = []
    try:
        async with keeping_on(rig, plant, size.rounds_per_second) as producing:
            for _ in range(size.kills):
                workers.append(rig.site.start_worker())
                await _works(rig, producing)
                await asyncio.sleep(chance.uniform(0, 0.5))
                workers[-1].kill()
                await asyncio.to_thread(workers.pop().wait, 30)
            workers.append(rig.site.start_worker())
            await _works(rig, producing)
            for _ in range(size.stops):
                workers[0].send_signal(signal.SIGSTOP)
                workers.append(rig.site.start_worker())
                stopped = time.monotonic()
                await _works(rig, producing)
                await asyncio.sleep(max(0.0, stopped + size.stopped_seconds - time.monotonic()))
                workers[0].send_signal(signal.SIGCONT)
                await asyncio.sleep(2 * SESSION_SECONDS)
                account.exactly("sleepers_gone", int(workers[0].poll() is not None), 0, "workers")
                workers.pop(0).kill()
        # Whoever comes now stands on what the others have left.
        workers.append(rig.site.start_worker())
        await rig.close_log()
        await rig.settle(120)
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
        for worker in workers:
            await asyncio.to_thread(worker.wait, 30)
    logged = await rig.logged(plant)
    account.tell("frames", len(producing.acknowledged), "frames")
    account.exactly("acknowledged_missing", len(producing.acknowledged - logged.keys()), 0, "frames")
    await judge(account, rig, plant)
    return account


async def _works(rig: Rig, producing: Producing) -> None:
    """Wait until somebody commits something new, twice."""
    for _ in range(2):
        before = await rig.site.committed()

        async def is_new(before: dict[int, int | None] = before) -> bool:
            producing.check()
            return await rig.site.committed() != before

        await rig.until(is_new, "a worker commits something")
