"""F14: the Kafka broker is killed in the middle of everything, and comes back.

The ledger is what the broker acknowledged: all of it is in the log afterwards, and all of it has its results. Back is when
the worker stores results again.
"""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import dataclass

from models.contracts import topics
from tests.faults.account import Account
from tests.faults.stream.plant import Plant
from tests.faults.stream.producing import keeping_on
from tests.faults.stream.rig import Rig, judge


@dataclass(frozen=True)
class Size:
    """How large."""

    units: int = 24
    rounds_per_second: float = 2.0
    kills: int = 1
    away_seconds: float = 1.0
    between_seconds: float = 1.0


FULL = Size(units=60, kills=4, away_seconds=8.0, between_seconds=10.0)
_BACK_SECONDS_MAX = 30.0


async def broker(rig: Rig, size: Size) -> Account:
    """Run it."""
    account = Account("F14", f"broker killed {size.kills} times, away for {size.away_seconds:g} s")
    plant = Plant("f14", size.units)
    back = []
    recovered = rig.recoveries() + 1
    async with rig.site.worker():
        async with keeping_on(rig, plant, size.rounds_per_second) as producing:
            await rig.recovered(recovered)
            for _ in range(size.kills):
                await producing.some(size.units)
                await asyncio.sleep(size.between_seconds)
                rig.server.kill(signal.SIGKILL)
                await asyncio.sleep(size.away_seconds)
                await asyncio.to_thread(rig.server.start)
                back.append(await _back(rig))
        await rig.close_log()
        await rig.settle(120)
    logged = await rig.logged(plant)
    account.tell("frames_acknowledged", len(producing.acknowledged), "frames")
    account.exactly("frames_not_acknowledged", producing.sent - len(producing.acknowledged), 0, "frames")
    account.exactly("acknowledged_missing", len(producing.acknowledged - logged.keys()), 0, "frames")
    account.exactly("logged_twice", sum(logged.values()) - len(logged), 0, "frames")
    account.at_most("back_seconds", max(back), _BACK_SECONDS_MAX, "s", timed=True)
    await judge(account, rig, plant)
    return account


async def _back(rig: Rig) -> float:
    """Seconds from now, when the broker listens again, until results that were made since are found stored."""
    started, started_at_ms = time.monotonic(), time.time_ns() // 1_000_000

    async def is_back() -> bool:
        return any(record.timestamp > started_at_ms for record in await rig.site.read([topics.HEALTH]))

    await rig.until(is_back, "results are stored again", 4 * _BACK_SECONDS_MAX)
    return time.monotonic() - started
