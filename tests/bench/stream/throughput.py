"""How fast an engine goes through a log that is there already, measured from outside.

    time  start ......... first alert ... warm | measured ........................ | a second for stragglers, ended
    log   0 ............................. p0   |................................ p1

Alerts are rare and each stems from a known place in the log, so the broker's times of alerts say how far an engine was and
when: from `warm` on, the frames between two alerts by the time between them. The process is warm after some seconds of
work, or a quarter of the log if that comes first.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from tests.bench.stream.contract import Contract
from tests.bench.stream.engines import Engine
from tests.bench.stream.processes import EngineError, Running
from tests.bench.stream.topic import AlertReader, Topics
from tests.bench.stream.truth import Found, Truth

WARM_SECONDS = 5.0
MEASURED_SECONDS = 10.0
_WARM_PART = 0.25
_STRAGGLERS_SECONDS = 1.5
_START_SECONDS = 180.0
_SILENCE_SECONDS = 60.0
_POLL_SECONDS = 0.25


class Speed(NamedTuple):
    """One run of one engine."""

    messages_per_second: float
    messages_per_cpu_second: float
    cores: float
    peak_mebibytes: float
    frames: int
    seconds: float


class Progress(NamedTuple):
    """How many frames had been worked off at an instant."""

    at_ms: int
    frames: int


def progress_of(found: list[Found], truth: Truth) -> list[Progress]:
    """From alerts in the order of the broker's times."""
    reached: dict[int, int] = {}
    out: list[Progress] = []
    total = 0
    for one in sorted(found, key=lambda one: one.appended_at_ms):
        place = truth.place(one.alert.unit, one.alert.measured_at_ms)
        before = reached.get(place.partition, 0)
        if place.position + 1 > before:
            reached[place.partition] = place.position + 1
            total += place.position + 1 - before
        if out and out[-1].at_ms == one.appended_at_ms:
            out[-1] = Progress(one.appended_at_ms, total)
        else:
            out.append(Progress(one.appended_at_ms, total))
    return out


def speed_of(progress: list[Progress], running: Running, log_frames: int) -> Speed:
    """The speed between the first alert after the warm part, and the last one.

    Raises:
        EngineError: there is no such time.
    """
    first = progress[0].at_ms
    begin = next(
        (one for one in progress if one.at_ms >= first + 1000 * WARM_SECONDS or one.frames >= _WARM_PART * log_frames),
        None,
    )
    end = progress[-1]
    if begin is None or end.at_ms <= begin.at_ms:
        raise EngineError(f"went too little beyond its warm part: {end.frames} frames; its log ends:\n{running.log()}")
    frames, seconds = end.frames - begin.frames, (end.at_ms - begin.at_ms) / 1000
    cpu_seconds = running.cpu_seconds_at(end.at_ms) - running.cpu_seconds_at(begin.at_ms)
    return Speed(frames / seconds, frames / cpu_seconds, cpu_seconds / seconds, running.peak_mebibytes, frames, seconds)


async def measure(engine: Engine, bootstrap: str, source: str, name: str, truth: Truth, directory: Path) -> Speed:
    """Run an engine over the log.

    Args:
        engine: Which.
        bootstrap: Kafka.
        source: The topic, filled.
        name: Of this run: prefix of its topics, its group.
        truth: Of the log.
        directory: Of this run, empty.

    Raises:
        EngineError: it ended, said nothing, or said something else than the truth.
    """
    told = Contract(bootstrap, source, f"{name}.alerts", name, directory)
    topics = Topics(bootstrap)
    await make_topics(topics, engine, name)
    try:
        async with (
            AlertReader(bootstrap, told.alerts, is_health=engine.is_health) as reader,
            Running(engine.command(told), directory / "engine.log") as running,
        ):
            found = await _collect(reader, running, truth)
        check(engine, truth, found)
        return speed_of(progress_of(found, truth), running, truth.plant.frames)
    finally:
        await topics.delete(name)


async def make_topics(topics: Topics, engine: Engine, name: str) -> None:
    """Those that an engine's run needs."""
    extra = engine.needs_topics
    await topics.make(
        alerts=[f"{name}.alerts"],
        state=[f"{name}.state"] if extra else (),
        other=[f"{name}.dead", f"{name}.hvac"] if extra else (),
    )


def check(engine: Engine, truth: Truth, found: list[Found]) -> None:
    """Compare with the truth.

    Raises:
        EngineError: it said something else.
    """
    difference = truth.health_differs(found) if engine.is_health else truth.differs(found)
    if difference:
        raise EngineError(f"said something else than the oracle: {difference}")


async def _collect(reader: AlertReader, running: Running, truth: Truth) -> list[Found]:
    found: list[Found] = []
    silent_since = time.monotonic()
    ends_at = float("inf")
    at_end: set[int] = set()
    while time.monotonic() < ends_at:
        new = await reader.read(_POLL_SECONDS)
        running.check()
        now = time.monotonic()
        if new:
            silent_since = now
            if not found:
                ends_at = now + WARM_SECONDS + MEASURED_SECONDS
            found += new
        at_end.update(
            truth.place(one.alert.unit, one.alert.measured_at_ms).partition
            for one in new
            if truth.round_of(one.alert.measured_at_ms) == truth.rounds - 1
        )
        if len(at_end) == truth.plant.partitions:
            break
        patience = _SILENCE_SECONDS if found else _START_SECONDS
        if now - silent_since > patience:
            raise EngineError(f"said nothing for {patience:.0f} s; its log ends:\n{running.log()}")
    limit_ms = max(one.appended_at_ms for one in found)
    ends_at = time.monotonic() + _STRAGGLERS_SECONDS
    while time.monotonic() < ends_at:
        found += await reader.read(_POLL_SECONDS)
    # Alerts of one partition may lie on several of the output's, so wait for those before the last that counts.
    return _up_to(found, limit_ms, truth)


def _up_to(found: list[Found], limit_ms: int, truth: Truth) -> list[Found]:
    reached: dict[int, int] = {}
    placed = [(truth.place(one.alert.unit, one.alert.measured_at_ms), one) for one in found]
    for place, one in placed:
        if one.appended_at_ms <= limit_ms:
            reached[place.partition] = max(reached.get(place.partition, -1), place.position)
    return [one for place, one in placed if place.position <= reached.get(place.partition, -1)]
