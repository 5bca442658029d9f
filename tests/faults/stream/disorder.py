"""F12: 10 % of the frames duplicated, 10 % reordered, and some up to an hour late.

Within the wait for a missing link nothing may change: state and alerts are those of the clean run, bit for bit. Later than
that, a frame is history: it is scored once, in silence, and live state is that of a run in which it never came.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from models.contracts import topics
from models.contracts.messages import Health, decode_json
from simulators.load.disorder import Planned, Shares, schedule
from tests.faults.account import Account
from tests.faults.stream.outcome import clean_run, compare
from tests.faults.stream.plant import Plant
from tests.faults.stream.rig import Rig
from tests.stream.site import WAIT_SECONDS, Message

# The log's time between two frames of a unit: short, so that frames overtake; long, so that an hour holds many.
_FAST_SECONDS = 0.25
_SLOW_SECONDS = 300.0


@dataclass(frozen=True)
class Size:
    """How large."""

    units: int = 24
    rounds: int = 16
    late_units: int = 24
    late_rounds: int = 14


FULL = Size(units=120, rounds=200, late_units=120, late_rounds=60)


async def disorder(rig: Rig, size: Size) -> Account:
    """Run it."""
    account = Account("F12", "10 % duplicated, 10 % reordered, 2 % up to 1 h late")
    start_at_ms = rig.now_ms()
    near, far = Plant("f12", size.units), Plant("f12late", size.late_units)
    clean_near, sent_near = _within_the_wait(near, size.rounds, start_at_ms)
    clean_far, sent_far, late = _late(far, size.late_rounds, start_at_ms)
    messages = list(heapq.merge(sent_near, sent_far, key=lambda message: message.at_ms or 0))
    rig.go_ahead(messages[-1].at_ms or 0)
    async with rig.site.worker():
        await rig.site.produce(topics.FRAMES, messages)
        closing = await rig.close_log()
        await rig.settle()

    logged = await rig.logged(near) + await rig.logged(far)
    account.tell("records", len(messages), "records")
    account.exactly("records_missing_in_log", len(messages) - sum(logged.values()), 0, "records")
    account.at_least("duplicates", sum(logged.values()) - len(logged), 0.08 * len(logged), "records")
    clean = clean_run(near, [*clean_near, *closing]).without_log_time()
    compare(account, (await rig.outcome(near)).without_log_time(), clean)
    found = await rig.outcome(far)
    clean = clean_run(far, [*clean_far, *closing]).without_log_time()
    compare(account, found.without_history().without_log_time(), clean, "late_")
    silent = [one for value in found.health if (one := decode_json(value, Health)).historical]
    account.tell("late_frames", len(late), "frames")
    account.exactly("late_frames_scored", len(silent), len(late), "frames")
    return account


def _within_the_wait(plant: Plant, rounds: int, start_at_ms: int) -> tuple[list[Message], list[Message]]:
    """The clean log, and the log as it came."""
    frames = plant.rounds(rounds)
    rate = len(plant.names) / _FAST_SECONDS
    shares = Shares(duplicates=0.1, reordered=0.1, reorder_seconds=0.9 * WAIT_SECONDS)
    clean = plant.messages(schedule(frames, rate, Shares(), 0), start_at_ms)
    return clean, plant.messages(schedule(frames, rate, shares, 12), start_at_ms)


def _late(plant: Plant, rounds: int, start_at_ms: int) -> tuple[list[Message], list[Message], set[int]]:
    """The clean log without what came too late, the log as it came, and what came too late, by its place.

    The last frames of each unit are in time: what comes behind them is late indeed.
    """
    rate = len(plant.names) / _SLOW_SECONDS
    frames, last = plant.rounds(rounds), plant.rounds(2)
    shares = Shares(duplicates=0.1, late=0.02, late_seconds=3600, reorder_seconds=0.9 * WAIT_SECONDS)
    planned = list(schedule(frames, rate, shares, 13))
    late = {id(one.frame) for one in planned if one.kind == "late"}
    begins = len(frames) / rate
    ends = [one._replace(at_seconds=one.at_seconds + begins) for one in schedule(last, rate, Shares(), 0)]
    in_time = [one for one in schedule(frames, rate, Shares(), 0) if id(one.frame) not in late]
    came: list[Planned] = list(heapq.merge(planned, ends, key=lambda one: one.at_seconds))
    return plant.messages([*in_time, *ends], start_at_ms), plant.messages(came, start_at_ms), late
