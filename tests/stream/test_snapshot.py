"""Snapshots: what is stored survives owners, deaths and compaction; one that does not come to its end changes nothing."""

from __future__ import annotations

from copy import deepcopy

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from stream import book, segment
from stream.snapshot import Entry, Snapshots
from stream.table import Columns, State, Table, TableSpec
from tests.stream.records import difference


class Note(msgspec.Struct, frozen=True, array_like=True):
    """An extra."""

    text: str


def columns(rows: int) -> Columns:
    return {"count": np.zeros(rows, dtype=np.int64), "window": np.full((rows, 3), np.nan, dtype=np.float32)}


SPECS = {"live": TableSpec(columns, Note), "past": TableSpec(columns)}


def write(table: Table, key: str, number: int) -> None:
    rows = table.rows([key])
    table.touch(rows)
    table.columns["count"][rows] += number
    table.columns["window"][rows, number % 3] = number
    if table.spec.extra is not None:
        table.set_extra(int(rows[0]), Note(f"n{number}") if number % 2 else None)


def compacted(log: list[Entry]) -> list[tuple[bytes, bytes | None]]:
    """The log as Kafka leaves it at its most eager: the newest record of each key, in order."""
    newest = {entry.key: place for place, entry in enumerate(log)}
    return [(entry.key, entry.value) for place, entry in enumerate(log) if newest[entry.key] == place]


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "SEGMENT_BYTES", 200)
    monkeypatch.setattr(book, "SEGMENT_BYTES", 200)
    monkeypatch.setattr(book, "_SEGMENTS_MAX", 4)


class Owners(RuleBasedStateMachine):
    """Owners of one partition, one after another: they write, store snapshots, die in the middle of one; compaction runs.

    The oracle is the state itself as it was at the newest stored snapshot.
    """

    @initialize()
    def first(self) -> None:
        self.log: list[Entry] = []
        self.expected: State | None = None
        self.state, self.owner = State.fresh(SPECS), Snapshots("owner0")
        self.owners = 1
        self.offset = 0

    @rule(key=st.integers(0, 12), number=st.integers(1, 9), table=st.sampled_from(["live", "past"]))
    def change(self, key: int, number: int, table: str) -> None:
        write(self.state.tables[table], f"k{key}", number)
        self.offset += 1
        self.state.positions["in"] = self.offset

    @rule()
    def store(self) -> None:
        entries, manifest = self.owner.take(self.state)
        self.log += entries
        self.owner.stored(manifest)
        if self.state.positions:
            self.expected = deepcopy(self.state)

    @rule(data=st.data())
    def store_in_part(self, data: st.DataObject) -> None:
        entries, manifest = self.owner.take(self.state)
        self.log += entries[: data.draw(st.integers(0, len(entries) - 1))]
        self.owner.failed(self.state, manifest)

    @rule()
    def another_owner(self) -> None:
        successor = Snapshots(f"owner{self.owners}")
        self.owners += 1
        restored = successor.restore([(entry.key, entry.value) for entry in self.log], SPECS)
        self.owner, self.state = successor, restored or State.fresh(SPECS)
        self.offset = self.state.positions.get("in", 0)

    @rule()
    def take_over_and_clean(self) -> None:
        self.store()
        self.log += self.owner.forget_foreign()

    @rule()
    def compact(self) -> None:
        self.log = [Entry(key, value) for key, value in compacted(self.log)]

    @invariant()
    def the_newest_stored_state_is_there(self) -> None:
        if not hasattr(self, "log"):
            return
        restored = Snapshots("reader").restore([(entry.key, entry.value) for entry in self.log], SPECS)
        if self.expected is None:
            assert restored is None or not restored.positions
        else:
            assert restored is not None
            assert restored.positions == self.expected.positions
            assert difference(restored, self.expected) == ""


def test_the_newest_stored_state_survives_owners_deaths_and_compaction() -> None:
    run_state_machine_as_test(Owners, settings=settings(max_examples=150, stateful_step_count=25, deadline=None))


def test_of_a_zombie_and_its_successor_the_one_that_came_further_wins() -> None:
    log: list[Entry] = []
    zombie_state, zombie = State.fresh(SPECS), Snapshots("zombie")
    write(zombie_state.tables["live"], "k1", 1)
    zombie_state.positions["in"] = 10
    entries, manifest = zombie.take(zombie_state)
    log += entries
    zombie.stored(manifest)
    heir = Snapshots("heir")
    state = heir.restore([(entry.key, entry.value) for entry in log], SPECS)
    assert state is not None
    for number in (20, 30):
        write(state.tables["live"], "k2", 3)
        state.positions["in"] = number
        entries, manifest = heir.take(state)
        log += entries
        heir.stored(manifest)
    write(zombie_state.tables["live"], "k1", 1)  # it wakes up, and finishes what it was at
    zombie_state.positions["in"] = 11
    log += zombie.take(zombie_state)[0]
    restored = Snapshots().restore(compacted(log), SPECS)
    assert restored is not None
    assert restored.positions == {"in": 30}
    assert difference(restored, state) == ""


def test_a_newer_worker_reads_an_older_snapshot() -> None:
    state, writer = State.fresh(SPECS), Snapshots()
    write(state.tables["live"], "k1", 5)
    state.positions["in"] = 1
    entries, _ = writer.take(state)

    def newer(rows: int) -> Columns:
        return {"count": np.zeros(rows, dtype=np.int64), "seen_at_ms": np.full(rows, -1, dtype=np.int64)}

    specs = {"live": TableSpec(newer, Note), "other": TableSpec(newer)}
    restored = Snapshots(version=2).restore([(entry.key, entry.value) for entry in entries], specs)
    assert restored is not None
    table = restored.tables["live"]
    row = table.rows(["k1"])
    assert table.columns["count"][row].tolist() == [5]
    assert table.columns["seen_at_ms"][row].tolist() == [-1]
    assert len(restored.tables["other"]) == 0


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=60), st.integers(0, 60))
def test_undo_leads_back_to_the_beginning_of_the_batch(writes: list[tuple[int, int]], cut: int) -> None:
    table, clean = Table(SPECS["live"], capacity=2), Table(SPECS["live"], capacity=2)
    for key, number in writes[:cut]:
        write(table, f"k{key}", number)
        write(clean, f"k{key}", number)
    table.begin()
    for key, number in writes[cut:]:
        write(table, f"k{key}", number)
    table.undo()
    assert table.keys == clean.keys
    assert all(table.find(key) == clean.find(key) for key in [f"k{number}" for number in range(41)])
    n = len(clean)
    for name, column in clean.columns.items():
        assert table.columns[name][:n].tobytes() == column[:n].tobytes()
    rows = table.rows([f"new{number}" for number in range(30)])
    assert all((table.columns[name][rows] == row).all() for name, row in columns(1).items() if name != "window")
    assert np.isnan(table.columns["window"][rows]).all()
    assert {row: extra for row, extra in table.extras.items() if row < n} == clean.extras
