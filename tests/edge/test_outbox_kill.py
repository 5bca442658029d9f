"""The outbox in real processes that are killed at any moment, checked by a reader of our own."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import random
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from edge.outbox_file import open_outbox
from edge.outbox_schema import Draft
from models.contracts.messages import SeqRange

QUOTA = 64 * 1024 * 1024


def _payload(epoch: int, seq: int, prior: int) -> bytes:
    return f"{epoch} {seq} {prior} ".encode() * (3 + seq % 60)


def _work(path: str, seed: int, told: Any) -> None:
    """The victim: stores and acknowledges as fast as it can, and says what is committed, after it is."""
    chance = random.Random(seed)
    opened = open_outbox(Path(path), QUOTA, 1)
    assert opened.loss is None
    outbox = opened.outbox
    waiting = [frame.seq for frame in outbox.frames(1, 2**62, 10**6)]
    while True:
        drafts = [Draft(f"u{chance.randrange(4)}", 1, _payload) for _ in range(chance.randrange(1, 6))]
        acked = [seq for seq in waiting if chance.random() < 0.4]
        told.send(("about", acked))
        with outbox.transaction():
            seqs = outbox.store(drafts, 1)
            outbox.acknowledge(outbox.epoch, [SeqRange(seq, seq) for seq in acked])
        told.send(("done", seqs))
        waiting = [seq for seq in waiting if seq not in acked] + seqs


def _read(path: Path) -> tuple[int, int, dict[int, bytes]]:
    """Epoch, last seq and frames, by plain sqlite3."""
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    meta = dict(database.execute("SELECT key, value FROM meta").fetchall())
    frames = dict(database.execute("SELECT seq, payload FROM frames").fetchall())
    assert meta["backlog"] == len(frames)
    database.close()
    return meta["epoch"], meta["last_seq"], frames


def _kill_loop(path: Path, kills: int) -> None:
    base = int(os.environ.get("PLENUM_SEED", random.randrange(2**30)))
    print(f"seed {base} (PLENUM_SEED repeats it)")
    chance = random.Random(base)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.edge.test_outbox_kill"])
    must: set[int] = set()  # stored for certain, acknowledged by nobody
    epoch = last = commits = 0
    for number in range(kills):
        ours, theirs = context.Pipe(duplex=False)
        victim = context.Process(target=_work, args=(str(path), base + number, theirs))
        victim.start()
        theirs.close()
        assert ours.poll(20), "the victim opens the store within 5 s, and then some"
        time.sleep(chance.random() * 0.03)
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        victim.join()
        doubtful: set[int] = set()
        for kind, seqs in _said(ours):
            if kind == "about":
                doubtful = set(seqs)
            else:
                must = (must - doubtful) | set(seqs)
                last, commits, doubtful = max(last, *seqs), commits + 1, set()
        found_epoch, found_last, frames = _read(path)
        assert epoch in (0, found_epoch), "the same store goes on"
        epoch = found_epoch
        assert must - doubtful <= frames.keys(), f"lost {sorted(must - doubtful - frames.keys())} at kill {number}"
        assert not doubtful or doubtful <= frames.keys() or not doubtful & frames.keys(), "a commit is whole"
        assert found_last >= last
        fresh = set(range(last + 1, found_last + 1))
        assert frames.keys() - must == fresh, "what was acknowledged stays away, and no seq is left out"
        for seq, payload in frames.items():
            prior = int(payload.split()[2])
            assert payload == _payload(epoch, seq, prior)
            assert prior < seq
        must, last = set(frames), found_last
    assert commits > kills, "the victims did some work"


def _said(pipe: multiprocessing.connection.Connection) -> list[tuple[str, list[int]]]:
    said = []
    try:
        while pipe.poll():
            said.append(pipe.recv())
    except (EOFError, OSError):
        pass  # killed in the middle of a word
    return said


def test_kills_lose_nothing(tmp_path: Path) -> None:
    _kill_loop(tmp_path / "outbox.sqlite3", 200)


@pytest.mark.long
def test_many_kills_lose_nothing(tmp_path: Path) -> None:
    _kill_loop(tmp_path / "outbox.sqlite3", 10_000)
