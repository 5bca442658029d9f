"""F17: the state is lost, its topic and all. A worker makes it again from the log, in silence, and nothing is said twice.

With `keys`, a large fleet's state is recovered from its topic too, and the seconds are told.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import islice

from aiokafka.admin import AIOKafkaAdminClient

from models.contracts import topics
from models.contracts.messages import encode_json
from models.contracts.settings import KafkaSettings
from simulators.load.disorder import Shares, schedule
from simulators.load.fleet import FleetPlan, LoadFleet
from stream.topics import ensure_topics
from tests.faults.account import Account
from tests.faults.stream.plant import Plant
from tests.faults.stream.rig import Rig, judge
from tests.stream.site import PARTITIONS, Message, comparable

_RECOVERED = re.compile(r"(\d+) rows of state recovered in ([\d.]+) s")
_ROUND_SECONDS = 0.25
_RECOVERY_SECONDS_MAX = 60.0


@dataclass(frozen=True)
class Size:
    """How large."""

    units: int = 24
    rounds: int = 12
    keys: int = 0


# A million keys need more memory than most machines have; what a tenth of them takes is told.
FULL = Size(units=60, rounds=60, keys=100_000)


async def recovery(rig: Rig, size: Size) -> Account:
    """Run it."""
    account = Account("F17", "the topic of the state is lost")
    plant = Plant("f17", size.units)
    start_at_ms = rig.now_ms()
    planned = schedule(plant.rounds(size.rounds), size.units / _ROUND_SECONDS, Shares(), 0)
    messages = plant.messages(planned, start_at_ms)
    rig.go_ahead(messages[-1].at_ms or 0)
    async with rig.site.worker():
        await rig.site.produce(topics.FRAMES, messages)
        await rig.close_log()
        await rig.settle()
    before = Counter(comparable(output) for output in await rig.site.said())
    await _lose_state(rig)
    await _recover(rig)
    said = Counter(comparable(output) for output in await rig.site.said())
    account.exactly("said_again", sum((said - before).values()), 0, "records")
    await judge(account, rig, plant)
    if size.keys:
        await _many_keys(account, rig, size.keys)
    return account


async def _lose_state(rig: Rig) -> None:
    """Delete the topic, and make it anew."""
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.site.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topics.HVAC_STATE])

        async def is_gone() -> bool:
            return topics.HVAC_STATE not in await admin.list_topics()

        await rig.until(is_gone, "the topic is deleted")
    finally:
        await admin.close()
    rig.site.forget(topics.HVAC_STATE)
    settings = KafkaSettings(bootstrap=(rig.site.bootstrap,), partitions=PARTITIONS)
    await ensure_topics(settings, [topics.FRAMES, topics.HVAC_STATE], [topics.FRAMES, topics.HVAC_STATE])


async def _recover(rig: Rig) -> tuple[int, float]:
    """A worker starts, and stores the whole state again; rows that it found and seconds that it took for them."""
    recovered = rig.recoveries() + 1
    async with rig.site.worker():
        await rig.recovered(recovered, 300)
        ends = await rig.site.ends()

        async def is_stored() -> bool:
            states = await rig.site.stored_state()
            return {number: state.positions.get(topics.FRAMES) for number, state in states.items()} == ends

        await rig.until(is_stored, "the state is stored again", 300)
    rows, seconds = _RECOVERED.findall(rig.site.log())[-1]
    return int(rows), float(seconds)


async def _many_keys(account: Account, rig: Rig, keys: int) -> None:
    """State of many units: stored by one worker, recovered by the next."""
    fleet = LoadFleet(FleetPlan(site="f17keys", units=keys, gateways=keys // 25, samples=10, pattern_hours=2))
    layout = next(fleet.layout_messages())
    await rig.site.produce(topics.LAYOUTS, [Message(f"{layout.site}/{layout.unit}", encode_json(layout))])
    frames = (Message(fleet.keys[one.unit].decode(), one.payload, rig.now_ms()) for one in islice(fleet.frames(), keys))
    await rig.site.produce(topics.FRAMES, frames)
    await rig.close_log()
    async with rig.site.worker():
        await rig.settle(900)
    rows, seconds = await _recover(rig)
    account.at_least("recovered_rows", rows, keys, "rows")
    account.at_most("recovery_seconds", seconds, _RECOVERY_SECONDS_MAX, "s", timed=True)
