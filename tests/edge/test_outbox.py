"""The outbox never loses, never reorders, and deletes only what was acknowledged: by a machine that tries everything."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge.outbox import Outbox, OutboxError
from edge.outbox_file import open_outbox
from edge.outbox_schema import Draft, merged
from models.contracts.messages import Gap, SeqRange

QUOTA = 1_048_576


def _draft(unit: str, size: int = 100) -> Draft:
    return Draft(unit, 5, lambda epoch, seq, prior: f"{epoch} {seq} {prior} {unit} ".encode().ljust(size, b"."))


def _store(outbox: Outbox, *drafts: Draft, at_ms: int = 0) -> list[int]:
    with outbox.transaction():
        return outbox.store(drafts, at_ms)


def _seqs(outbox: Outbox) -> list[int]:
    return [frame.seq for frame in outbox.frames(1, 2**62, 10**6)]


def _acknowledge(outbox: Outbox, *ranges: tuple[int, int], epoch: int = 0) -> int:
    with outbox.transaction():
        return outbox.acknowledge(epoch or outbox.epoch, [SeqRange(*part) for part in ranges])


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened = open_outbox(tmp_path / "o.sqlite3", QUOTA, 1).outbox
    yield opened
    opened.close()


class Machine(RuleBasedStateMachine):
    """Compares the store with lists. Frames are small and the quota large: nothing is dropped here but by ack."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.outbox = open_outbox(self.folder / "o.sqlite3", 16 * QUOTA, 1).outbox
        self.epoch = self.outbox.epoch
        self.sizes: dict[int, str] = {}  # seq -> unit, all that ever were
        self.waiting: list[int] = []
        self.gaps: set[int] = set()
        self.priors: dict[str, int] = {}

    @rule(units=st.lists(st.sampled_from("abc"), max_size=5), size=st.integers(40, 5000))
    def store(self, units: list[str], size: int) -> None:
        seqs = _store(self.outbox, *(_draft(unit, size) for unit in units))
        first = len(self.sizes) + 1
        assert seqs == list(range(first, first + len(units)))
        for seq, unit in zip(seqs, units, strict=True):
            (frame,) = self.outbox.frames(seq, seq, 1)
            assert frame.payload.split()[:4] == f"{self.epoch} {seq} {self.priors.get(unit, 0)} {unit}".encode().split()
            self.priors[unit] = seq
            self.sizes[seq] = unit
        self.waiting += seqs

    @rule(units=st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
    def give_up(self, units: list[str]) -> None:
        with self.outbox.transaction():
            self.outbox.give_up([_draft(unit) for unit in units])
        for unit in units:
            seq = len(self.sizes) + 1
            self.sizes[seq] = unit
            self.priors[unit] = seq
            self.gaps.add(seq)

    @rule(ranges=st.lists(st.tuples(st.integers(-3, 40), st.integers(0, 60)), max_size=4))
    def acknowledge(self, ranges: list[tuple[int, int]]) -> None:
        gone = {seq for seq in self.waiting for first, more in ranges if first <= seq <= first + more}
        assert _acknowledge(self.outbox, *((first, first + more) for first, more in ranges)) == len(gone)
        self.waiting = [seq for seq in self.waiting if seq not in gone]

    @rule(first=st.integers(1, 40), epoch=st.integers(1, 2**52))
    def acknowledge_another_epoch(self, first: int, epoch: int) -> None:
        if epoch != self.epoch:
            assert _acknowledge(self.outbox, (first, 2**40), epoch=epoch) == 0

    @rule(data=st.data())
    def set_aside(self, data: st.DataObject) -> None:
        seqs = data.draw(st.lists(st.integers(1, 60), max_size=3, unique=True))
        present = [seq for seq in seqs if seq in self.waiting]
        with self.outbox.transaction():
            assert self.outbox.set_aside(seqs) == len(present)
        self.waiting = [seq for seq in self.waiting if seq not in present]
        self.gaps |= set(present)

    @rule(units=st.lists(st.sampled_from("abc"), min_size=1, max_size=3))
    def fail_in_the_middle(self, units: list[str]) -> None:
        def fail(_epoch: int, _seq: int, _prior: int) -> bytes:
            raise ZeroDivisionError

        try:
            with self.outbox.transaction():
                self.outbox.acknowledge(self.epoch, [SeqRange(1, 2**40)])
                self.outbox.store([*(_draft(unit) for unit in units), Draft("a", 0, fail)], 0)
        except ZeroDivisionError:
            return
        pytest.fail("an error inside a transaction comes out of it")

    @rule()
    def restart(self) -> None:
        self.outbox.close()
        opened = open_outbox(self.folder / "o.sqlite3", 16 * QUOTA, 1)
        assert opened.loss is None
        self.outbox = opened.outbox

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "outbox"):
            return
        counts = self.outbox.counts()
        assert _seqs(self.outbox) == self.waiting
        assert (counts.epoch, counts.last_seq, counts.backlog) == (self.epoch, len(self.sizes), len(self.waiting))
        told = [seq for gap in counts.gaps for seq in range(gap.first, gap.last + 1)]
        assert sorted(told) == sorted(set(told)), "no gap is told twice"
        assert set(told) == self.gaps

    def teardown(self) -> None:
        if hasattr(self, "outbox"):
            self.outbox.close()
            shutil.rmtree(self.folder)


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestMachine = Machine.TestCase


def test_the_quota_drops_the_oldest_and_says_exactly_which(outbox: Outbox) -> None:
    for _ in range(60):
        _store(outbox, *(_draft("u", 3000) for _ in range(10)))
    seqs, counts = _seqs(outbox), outbox.counts()
    assert seqs == list(range(seqs[0], 601)), "what is left is the newest, without a hole"
    assert counts.gaps == (Gap(1, seqs[0] - 1, "quota"),)
    assert counts.backlog == len(seqs) > 150


def test_what_was_acknowledged_is_in_no_gap(outbox: Outbox) -> None:
    _store(outbox, *(_draft("u", 3000) for _ in range(100)))
    _acknowledge(outbox, (3, 3), (10, 12))
    for _ in range(60):
        _store(outbox, *(_draft("u", 3000) for _ in range(10)))
    gaps = outbox.counts().gaps
    assert [(gap.first, gap.last) for gap in gaps[:3]] == [(1, 2), (4, 9), (13, _seqs(outbox)[0] - 1)]


def test_alerts_outlive_all_frames(outbox: Outbox) -> None:
    with outbox.transaction():
        outbox.add_message("alert", "u", b"first alert")
    for _ in range(100):
        _store(outbox, *(_draft("u", 3000) for _ in range(10)))
    assert [message.payload for message in outbox.messages(0, 10)] == [b"first alert"]
    with outbox.transaction():
        outbox.drop_messages([1])
    assert outbox.messages(0, 10) == []


def test_a_frame_larger_than_the_quota_leaves_does_not_stop_the_store(outbox: Outbox) -> None:
    _store(outbox, _draft("u"))
    with pytest.raises(sqlite3.OperationalError, match="full"):
        _store(outbox, _draft("u", 2_000_000))
    assert _seqs(outbox) == [1], "nothing was dropped for it either"
    assert _store(outbox, _draft("u")) == [2]


def test_frames_grow_old_by_the_machine_not_by_the_clock(outbox: Outbox) -> None:
    for at_ms in (1000, 2000, 3000):
        _store(outbox, _draft("u"), at_ms=at_ms)
    assert outbox.demote(1000) == 1
    assert outbox.demote(2500) == 3
    assert outbox.demote(9000) == 4
    _store(outbox, _draft("u"), at_ms=9500)
    assert outbox.demote(9000) == 4


def test_frames_of_an_earlier_boot_are_a_backlog(tmp_path: Path) -> None:
    path = tmp_path / "o"
    for boot, expected in ((1, 1), (1, 1), (2, 3)):
        outbox = Outbox(sqlite3.connect(path, isolation_level=None), QUOTA, boot)
        assert outbox.live_from == expected
        if outbox.last_seq == 0:
            _store(outbox, _draft("u"), _draft("u"))
        outbox.close()


def test_layouts_stay_as_long_as_frames_need_them(outbox: Outbox) -> None:
    with outbox.transaction():
        assert outbox.set_layout("u", b"one")
        assert not outbox.set_layout("u", b"one")
    _store(outbox, _draft("u"))
    with outbox.transaction():
        assert outbox.set_layout("u", b"two")
    _store(outbox, _draft("u"))
    assert [(layout.payload, layout.newest) for layout in outbox.layouts({"u"})] == [(b"one", False), (b"two", True)]
    _acknowledge(outbox, (1, 1))
    assert [layout.payload for layout in outbox.layouts({"u"})] == [b"two"]
    assert [layout.payload for layout in outbox.layouts(())] == [b"two"], "a frame of a unit that is gone waits"
    _acknowledge(outbox, (2, 2))
    assert outbox.layouts(()) == []


def test_acks_are_merged_and_kept_within_what_exists() -> None:
    ranges = [SeqRange(5, 5), SeqRange(1, 2), SeqRange(6, 9), SeqRange(3, 3), SeqRange(-7, 0), SeqRange(8, 2**63)]
    assert merged(ranges, 20) == [(1, 3), (5, 20)]


def test_one_store_has_one_agent(tmp_path: Path) -> None:
    first = open_outbox(tmp_path / "o", QUOTA, 1).outbox
    with pytest.raises(OutboxError, match="another agent has it open"):
        open_outbox(tmp_path / "o", QUOTA, 1)
    first.close()


def _fill(path: Path) -> tuple[int, list[int]]:
    outbox = open_outbox(path, 16 * QUOTA, 1).outbox
    _store(outbox, *(_draft("u", 3000) for _ in range(50)))
    _acknowledge(outbox, (1, 10))
    found = outbox.epoch, _seqs(outbox)
    outbox.close()
    return found


@pytest.mark.parametrize("damage", ["noise", "cut", "text", "other_schema", "no_tables"])
def test_a_store_that_cannot_be_used_is_set_aside_and_the_loss_told(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "o"
    epoch, _ = _fill(path)
    content = bytearray(path.read_bytes())
    if damage == "noise":
        content[4096 * 2 : 4096 * 20] = bytes(255 - byte for byte in content[4096 * 2 : 4096 * 20])
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "text":
        path.write_text("this is no database\n" * 1000)
    elif damage == "other_schema":
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version=77")
        database.close()
    else:
        database = sqlite3.connect(path)
        database.execute("DROP TABLE frames")
        database.commit()
        database.close()
    opened = open_outbox(path, 16 * QUOTA, 1234)
    assert opened.loss is not None
    assert opened.outbox.epoch != epoch
    assert opened.outbox.last_seq == 0
    assert (tmp_path / "o.lost-1234").exists(), "kept for people to look at"
    if damage == "other_schema":
        assert (opened.loss.epoch, opened.loss.first, opened.loss.last) == (epoch, 11, 50)
    elif opened.loss.epoch:
        assert (opened.loss.epoch, opened.loss.last) == (epoch, 50)
    _store(opened.outbox, _draft("u"))
    opened.outbox.close()
    again = open_outbox(path, 16 * QUOTA, 1235)
    assert again.loss is None
    again.outbox.close()


def test_flipped_bytes_never_stop_the_store(tmp_path: Path) -> None:
    """Whatever one flipped byte does, the store opens, and it takes frames or says that it is damaged."""
    path = tmp_path / "o"
    epoch, _ = _fill(path)
    clean = path.read_bytes()
    lost = 0
    for place in range(0, len(clean), len(clean) // 60):
        for leftover in tmp_path.glob("o*"):
            leftover.unlink()
        flipped = bytearray(clean)
        flipped[place] ^= 0xFF
        path.write_bytes(flipped)
        opened = open_outbox(path, 16 * QUOTA, 1)
        lost += opened.loss is not None
        try:
            _store(opened.outbox, _draft("u"))
            assert opened.outbox.epoch == epoch or opened.loss is not None
        except sqlite3.DatabaseError:
            pass  # the spool replaces it then
        opened.outbox.close()
    assert lost > 0
