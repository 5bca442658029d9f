"""The thread that stores: a disk that takes nothing for a while costs nothing, memory has a limit, order is kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from edge import spool as spool_module
from edge.detector import Detector
from edge.framing import ClosedFrame, Unit
from edge.health import Health
from edge.outbox import Outbox
from edge.readings import Named, layout_of
from edge.settings import EdgeSettings, OutboxSettings
from edge.spool import Spool
from models.contracts.codec import parse
from models.contracts.messages import Ack, Gap, SeqRange
from tests.edge.field import eventually

LAYOUT = layout_of("ahu", [Named("supply_air_temperature", "celsius")])
UNIT = Unit(0, "u", LAYOUT, 1000)


def _frame(number: int) -> ClosedFrame:
    values = np.full((1, 60), 20, dtype=np.float32)
    return ClosedFrame(UNIT, number * 60_000, values, np.zeros((1, 60), dtype=np.uint8), (), 0)


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    settings = EdgeSettings(
        site="s",
        gateway="g",
        outbox=OutboxSettings(path=str(tmp_path / "o"), size_bytes_max=8_388_608, commit_seconds=0),
    )
    made = Spool(settings, None, Health(time.monotonic))
    await made.start()
    made.add_unit(UNIT)
    yield made
    await made.close()


def _take_nothing(outbox: Outbox, yes: bool) -> None:
    """Every write fails, or works again: a disk that is full, as SQLite sees it."""
    outbox._db.execute(f"PRAGMA query_only={int(yes)}").fetchall()


async def test_a_full_disk_makes_frames_wait_and_loses_none(spool: Spool) -> None:
    spool.submit(_frame(1))
    assert await spool.flush()
    await spool._ask(lambda outbox: _take_nothing(outbox, True))
    for number in range(2, 60):
        spool.submit(_frame(number))
        if number % 10 == 0:
            assert not await spool.flush(), "said, and tried again later"
    assert [frame.seq for frame in await spool.frames(1, 99, 99)] == [1]
    await spool._ask(lambda outbox: _take_nothing(outbox, False))
    assert await spool.flush()
    frames = [parse(frame.payload) for frame in await spool.frames(1, 99, 99)]
    assert [(frame.seq, frame.measured_at_ms) for frame in frames] == [(n, n * 60_000) for n in range(1, 60)]
    assert (await spool.counts()).gaps == ()


async def test_memory_has_a_limit_and_what_it_cannot_hold_is_a_gap(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "_WAITING_MAX", 20)
    await spool._ask(lambda outbox: _take_nothing(outbox, True))
    for number in range(1, 51):
        spool.submit(_frame(number))
        if number % 7 == 0:
            await spool.flush()
    await spool._ask(lambda outbox: _take_nothing(outbox, False))
    assert await spool.flush()
    frames = [parse(frame.payload) for frame in await spool.frames(1, 99, 99)]
    counts = await spool.counts()
    lost = 50 - len(frames)
    assert len(frames) >= 20
    assert counts.gaps == (Gap(1, lost, "quota"),)
    assert [(frame.seq, frame.measured_at_ms // 60_000) for frame in frames] == [(n, n) for n in range(lost + 1, 51)]


async def test_acks_are_kept_while_the_disk_takes_nothing(spool: Spool) -> None:
    for number in range(1, 11):
        spool.submit(_frame(number))
    assert await spool.flush()
    await spool._ask(lambda outbox: _take_nothing(outbox, True))
    spool.acknowledge(Ack(spool.epoch, (SeqRange(2, 9),)))
    assert not await spool.flush()
    await spool._ask(lambda outbox: _take_nothing(outbox, False))
    assert await spool.flush()
    assert [frame.seq for frame in await spool.frames(1, 99, 99)] == [1, 10]


async def test_a_failing_detector_costs_scores_and_no_frame(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Detector):
        def __init__(self) -> None:
            """Nothing."""

        @property
        def version(self) -> str:
            return "broken"

        def judge(self, _frames: object) -> object:  # type: ignore[override]
            raise ZeroDivisionError

    monkeypatch.setattr(spool, "_detector", Broken())
    spool.submit(_frame(1))
    assert await spool.flush()
    (frame,) = await spool.frames(1, 9, 9)
    assert not parse(frame.payload).HasField("score")


async def test_a_source_that_can_wait_waits(spool: Spool) -> None:
    for number in range(1, 600):
        spool.submit(_frame(number))
    waited = False
    started = time.monotonic()

    async def wait() -> None:
        nonlocal waited
        await spool.room()
        waited = True

    task = asyncio.create_task(wait())
    await asyncio.sleep(0.05)
    assert not waited
    await spool.flush()
    await eventually(lambda: waited, 5)
    await task
    assert time.monotonic() - started < 5
