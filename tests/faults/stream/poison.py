"""F13: 1 % of the records are poison: cut, altered, of another schema, garbage, no protobuf.

Each becomes a dead letter that names its reason and its offset, nothing else changes, and the pace stays. What was refused
only because its layout was not known is put back by `plenum stream dead put-back` once the layout is there.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import psutil

from models.contracts import topics
from models.contracts.layout import layout_for
from models.contracts.messages import DeadLetter, LayoutMessage, decode_json, encode_json
from models.contracts.points import AHU_POINTS
from simulators.load.disorder import Planned, Shares, schedule
from simulators.load.fleet import FleetPlan, LoadFleet
from tests.faults.account import Account
from tests.faults.stream.outcome import clean_run, compare
from tests.faults.stream.plant import Plant
from tests.faults.stream.rig import Rig
from tests.servers import ROOT, free_port
from tests.stream.site import Message

_ROUND_SECONDS = 0.25
_PACE_UNITS = 1000


@dataclass(frozen=True)
class Size:
    """How large. `pace_frames` are worked off clean and poisoned, `pace_runs` times each; 0 leaves that out."""

    units: int = 24
    rounds: int = 14
    poison: float = 0.05
    pace_frames: int = 0
    pace_runs: int = 3


FULL = Size(units=120, rounds=100, poison=0.01, pace_frames=30_000)


async def poison(rig: Rig, size: Size) -> Account:
    """Run it."""
    account = Account("F13", f"{size.poison:.0%} poison: cut, altered, of another schema, garbage, no protobuf")
    plant, stranger = Plant("f13", size.units), Plant("f13new", 2)
    for sender in stranger.senders:
        sender.layout = layout_for("ahu", tuple(reversed(AHU_POINTS)))
    start_at_ms = rig.now_ms()
    frames = plant.rounds(size.rounds)
    rate = size.units / _ROUND_SECONDS
    clean = plant.messages(schedule(frames, rate, Shares(), 0), start_at_ms)
    planned = list(schedule(frames, rate, Shares(poison=size.poison), 13))
    unknown = stranger.messages(schedule(stranger.rounds(4), rate, Shares(), 0), start_at_ms)
    rig.go_ahead(clean[-1].at_ms or 0)
    async with rig.site.worker():
        await rig.site.produce(topics.FRAMES, [*plant.messages(planned, start_at_ms), *unknown])
        closing = await rig.close_log()
        await rig.settle()
        await _dead_letters(account, rig, planned)
        await _put_back(account, rig, stranger, unknown)
        closing += await rig.close_log()
        await rig.settle()
    compare(account, await rig.outcome(plant), clean_run(plant, [*clean, *closing]))
    found, expected = await rig.outcome(stranger), clean_run(stranger, [*unknown, *closing])
    differing = sum(found.rows.get(key) != row for key, row in expected.rows.items())
    account.exactly("put_back_units_differing", differing, 0, "units")
    account.exactly("put_back_health_missing", len(expected.health.keys() - found.health.keys()), 0, "records")
    if size.pace_frames:
        await _pace(account, rig, size)
    return account


async def _dead_letters(account: Account, rig: Rig, planned: Sequence[Planned]) -> None:
    """Each poison has one letter, with its reason and the place in the log where an independent reader finds it."""
    expected = Counter((one.frame.payload, one.reason) for one in planned if one.kind == "poison")
    places: dict[bytes, set[tuple[int, int]]] = {}
    for record in await rig.site.read([topics.FRAMES]):
        places.setdefault(record.value or b"", set()).add((record.partition, record.offset))
    letters = [decode_json(output.value, DeadLetter) for output in await rig.site.said() if _is_dead(output.topic)]
    letters = [letter for letter in letters if letter.reason != "layout"]
    found = Counter(
        (letter.payload, letter.reason)
        for letter in letters
        if letter.source == topics.FRAMES and (letter.partition, letter.offset) in places.get(letter.payload, set())
    )
    account.tell("poison", sum(expected.values()), "records")
    account.at_least("reasons", len({reason for _, reason in expected}), 4, "reasons")
    account.exactly("dead_letters_missing", sum((expected - found).values()), 0, "records")
    account.exactly("dead_letters_extra", len(letters) - sum((expected & found).values()), 0, "records")


def _is_dead(topic: str) -> bool:
    return topic == topics.HVAC_DEAD


async def _put_back(account: Account, rig: Rig, stranger: Plant, unknown: list[Message]) -> None:
    """The tool puts back nothing while the layout is missing, and everything once it is there; twice is as good as once."""
    first = await _tool(rig, "put-back", "--reason", "layout")
    account.exactly("put_back_too_soon", first, 0, "records")
    for name in stranger.names:
        layout = stranger.senders[0].layout
        message = LayoutMessage(site=stranger.site, gateway="gw0", unit=name, layout=layout)
        await rig.site.produce(topics.LAYOUTS, [Message(f"{stranger.site}/{name}", encode_json(message))])
    for name in ("put_back", "put_back_again"):
        done = await _tool(rig, "put-back", "--all")
        account.exactly(name, done, len(unknown), "records")


async def _tool(rig: Rig, *words: str) -> int:
    """How many letters were put back."""
    command = [sys.executable, "-m", "stream", "dead", *words, "--settings", str(rig.site.settings)]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    found = re.search(r"^(\d+) put back, ", done.stdout, re.MULTILINE)
    if found is None:
        raise AssertionError(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return int(found[1])


async def _pace(account: Account, rig: Rig, size: Size) -> None:
    """Frames of a large fleet, worked off from a standing backlog: clean and poisoned in turn, one worker at a time."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    costs: dict[bool, list[float]] = {False: [], True: []}
    for run in range(2 * size.pace_runs + 1):
        poisoned = run % 2 == 0
        shares = Shares(poison=size.poison if poisoned else 0)
        records = await standing_backlog(rig, f"pace{run}", size.pace_frames, shares, run)
        rate, cost = await work_off(rig, records)
        if run:  # the first one warms up
            rates[poisoned].append(rate)
            costs[poisoned].append(cost)
    clean, dirty = statistics.median(rates[False]), statistics.median(rates[True])
    account.tell("records_per_second_clean", clean, "records/s")
    account.at_least("throughput_fraction", dirty / clean, 0.9, "fraction", timed=True)
    account.tell(
        "throughput_fraction_per_cpu_second",
        statistics.median(costs[False]) / statistics.median(costs[True]),
        "fraction",
    )


async def standing_backlog(rig: Rig, site: str, frames: int, shares: Shares, seed: int) -> int:
    """Put frames of 1,000 units into the log, each unit's a second apart by the log's time; how many records they are."""
    fleet = LoadFleet(FleetPlan(site=site, units=_PACE_UNITS, samples=10, pattern_hours=6))
    layout = next(fleet.layout_messages())
    await rig.site.produce(topics.LAYOUTS, [Message(f"{layout.site}/{layout.unit}", encode_json(layout))])
    start_at_ms = rig.now_ms()
    backlog = [
        Message(fleet.keys[one.frame.unit].decode(), one.frame.payload, start_at_ms + round(one.at_seconds * 1000))
        for one in schedule(islice(fleet.frames(), frames), _PACE_UNITS, shares, seed)
    ]
    rig.go_ahead(backlog[-1].at_ms or 0)
    await rig.site.produce(topics.FRAMES, backlog)
    return len(backlog)


async def work_off(rig: Rig, records: int) -> tuple[float, float]:
    """A worker works off a backlog: records a second since it began, and CPU seconds a record."""
    port, recovered = free_port(), rig.recoveries() + 1
    async with rig.site.worker(f"[metrics]\nport = {port}\n") as process:
        watched = psutil.Process(process.pid)
        await rig.recovered(recovered)
        began, before = time.monotonic(), _cpu_seconds(watched)

        async def is_done() -> bool:
            return await asyncio.to_thread(stored_records, port) >= records

        await rig.until(is_done, "the backlog is worked off", 600)
        seconds, cpu_seconds = time.monotonic() - began, _cpu_seconds(watched) - before
        await rig.settle()
    return records / seconds, cpu_seconds / records


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def stored_records(port: int) -> float:
    """Records whose results are stored, as a worker's metrics have it; 0 while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0.0
    found = re.search(r"^plenum_stream_end_to_end_seconds_count (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
