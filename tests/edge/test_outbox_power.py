"""The outbox on a disk that loses power: what was committed is there, a commit is whole or not at all."""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from dataclasses import dataclass, field

import apsw
import pytest

from edge.outbox import Outbox
from edge.outbox_schema import Draft
from models.contracts.messages import SeqRange
from tests.edge.power import Disk, PowerCut

QUOTA = 64 * 1024 * 1024


@dataclass
class Truth:
    """What must be there: by what the outbox itself said was done. `doubtful` is the commit that the cut met."""

    epoch: int = 0
    last_seq: int = 0
    frames: dict[int, bytes] = field(default_factory=dict)
    alerts: set[bytes] = field(default_factory=set)
    doubtful: tuple[dict[int, bytes], set[int], set[bytes]] = ({}, set(), set())


def _open(disk: Disk) -> tuple[apsw.Connection, Outbox]:
    database = apsw.Connection("outbox", vfs=disk.name)
    try:
        return database, Outbox(database, QUOTA, boot_id=1)
    except BaseException:
        with suppress(PowerCut, apsw.Error):
            database.close()
        raise


def _payload(seq: int, chance: random.Random) -> bytes:
    return seq.to_bytes(8, "big") + chance.randbytes(chance.choice((40, 800, 3000, 9000)))


def _work(outbox: Outbox, truth: Truth, chance: random.Random) -> None:
    """One commit of what an agent does: store, acknowledge, alert."""
    new: dict[int, bytes] = {}

    def encode(_epoch: int, seq: int, _prior: int) -> bytes:
        new[seq] = _payload(seq, chance)
        return new[seq]

    drafts = [Draft(f"unit-{chance.randrange(5)}", 1, encode) for _ in range(chance.randrange(4))]
    acked = {seq for seq in truth.frames if chance.random() < 0.3}
    alerts = {chance.randbytes(60)} if chance.random() < 0.2 else set()
    truth.doubtful = (new, acked, alerts)
    with outbox.transaction():
        outbox.store(drafts, 1)
        outbox.acknowledge(outbox.epoch, [SeqRange(seq, seq) for seq in acked])
        for alert in alerts:
            outbox.add_message("alert", "unit-0", alert)
    truth.frames.update(new)
    for seq in acked:
        del truth.frames[seq]
    truth.last_seq = outbox.last_seq
    truth.alerts |= alerts
    truth.doubtful = ({}, set(), set())


def _check(database: apsw.Connection, outbox: Outbox, truth: Truth) -> None:
    """Compare with the truth; take over the doubtful commit if it was made."""
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert outbox.epoch == truth.epoch
    found = {frame.seq: frame.payload for frame in outbox.frames(1, 2**62, 10**6)}
    new, acked, alerts = truth.doubtful
    before = truth.frames
    after = {seq: payload for seq, payload in {**before, **new}.items() if seq not in acked}
    messages = {message.payload for message in outbox.messages(0, 10**6)}
    if (found, messages) == (before, truth.alerts):
        assert outbox.last_seq == truth.last_seq
    else:
        assert found == after, "a commit is there as a whole"
        assert messages == truth.alerts | alerts
        assert outbox.last_seq == max([truth.last_seq, *new])
        truth.frames, truth.alerts, truth.last_seq = after, messages, outbox.last_seq
    assert outbox.backlog == len(found)
    truth.doubtful = ({}, set(), set())


def _first_start(disk: Disk, chance: random.Random) -> tuple[apsw.Connection, Outbox]:
    """A store that is made while the power goes: whatever is left of it, the next start makes a whole one."""
    disk.operations = chance.randrange(0, 40)
    with suppress(PowerCut, apsw.Error):
        database, _ = _open(disk)
        database.close()
    disk.cut(chance)
    return _open(disk)


def _one_life(seed: int) -> float:
    """A few power cuts of one disk; the longest start afterwards, in seconds."""
    chance = random.Random(seed)
    disk = Disk(f"power-{seed}")
    truth = Truth()
    database, outbox = _first_start(disk, chance)
    truth.epoch = outbox.epoch
    database.execute("PRAGMA wal_autocheckpoint=8")  # so that cuts meet checkpoints too
    slowest = 0.0
    for _ in range(4):
        disk.operations = chance.randrange(1, 150)
        with suppress(PowerCut, apsw.Error):
            for _ in range(200):
                _work(outbox, truth, chance)
        assert disk.dead, f"seed {seed}: the cut never came"
        with suppress(PowerCut, apsw.Error):
            database.close()
        disk.cut(chance)
        started = time.monotonic()
        database, outbox = _open(disk)
        slowest = max(slowest, time.monotonic() - started)
        database.execute("PRAGMA wal_autocheckpoint=8")
        try:
            _check(database, outbox, truth)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
    database.close()
    disk.unregister()
    return slowest


def _cuts(count: int) -> None:
    base = int(os.environ.get("PLENUM_SEED", random.randrange(2**30)))
    print(f"seed {base} (PLENUM_SEED repeats it)")
    slowest = max(_one_life(base + number) for number in range(count // 4))
    assert slowest < 5, f"start after a cut took {slowest:.1f} s, expected at most 5 s"


def test_200_power_cuts_lose_nothing() -> None:
    _cuts(200)


@pytest.mark.long
def test_10000_power_cuts_lose_nothing() -> None:
    _cuts(10_000)


def test_the_disk_of_these_tests_does_lose_what_was_not_synced() -> None:
    """With synchronous=OFF the same cuts must do damage, or the tests above prove nothing."""
    damaged = 0
    for seed in range(40):
        chance = random.Random(seed)
        disk = Disk(f"unsafe-{seed}")
        database, outbox = _open(disk)
        database.execute("PRAGMA synchronous=OFF")
        truth = Truth(epoch=outbox.epoch)
        disk.operations = chance.randrange(30, 90)
        with suppress(PowerCut, apsw.Error):
            for _ in range(200):
                _work(outbox, truth, chance)
        with suppress(PowerCut, apsw.Error):
            database.close()
        disk.cut(chance)
        try:
            database, outbox = _open(disk)
            _check(database, outbox, truth)
        except (AssertionError, apsw.Error, KeyError):
            damaged += 1
        with suppress(PowerCut, apsw.Error):
            database.close()
        disk.unregister()
    assert damaged > 20
