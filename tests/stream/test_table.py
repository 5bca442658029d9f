"""Tables: growth costs little a row, and what it costs is known; snapshots write what changed and little more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream.snapshot import Manifest, Snapshots
from stream.table import Columns, State, Table, TableSpec

ROWS = 100_000
SLOTS = 24


def columns(rows: int) -> Columns:
    return {"sum": np.zeros((rows, SLOTS)), "seen": np.zeros(rows, dtype=np.int64)}


def filled(rows: int) -> State:
    state = State.fresh({"live": TableSpec(columns)})
    table = state.tables["live"]
    table.begin()
    found = table.rows([f"site/unit-{number:06d}" for number in range(rows)])
    table.touch(found)
    table.columns["sum"][found] = np.random.default_rng(1).normal(size=(rows, SLOTS))
    table.keep()
    return state


def change(state: State, rows: np.ndarray) -> None:
    table = state.tables["live"]
    table.begin()
    table.touch(rows)
    table.columns["sum"][rows] += 1
    table.keep()


class Log:
    """A changelog without garbage, and the bytes written to it."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}
        self.writer = Snapshots("one")

    def snapshot(self, state: State) -> tuple[int, Manifest]:
        entries, manifest = self.writer.take(state)
        for entry in entries:
            if entry.value is None:
                del self.held[entry.key]
            else:
                self.held[entry.key] = entry.value
        self.writer.stored(manifest)
        return sum(len(entry.value or b"") for entry in entries), manifest

    @property
    def held_bytes(self) -> int:
        return sum(map(len, self.held.values()))


def test_a_snapshot_of_a_hundred_thousand_rows_with_one_percent_changed_writes_about_one_percent() -> None:
    state, log, chance = filled(ROWS), Log(), np.random.default_rng(2)
    whole, _ = log.snapshot(state)
    written = []
    for _ in range(150):
        change(state, np.sort(chance.choice(ROWS, ROWS // 100, replace=False)))
        written.append(log.snapshot(state)[0])
    assert written[0] < 0.015 * whole
    # In the long run rows out of nearly empty segments are written again: as many as changed, at most.
    assert np.mean(written) < 0.025 * whole
    assert log.held_bytes < 2.3 * whole
    restored = Snapshots().restore(list(log.held.items()), {"live": TableSpec(columns)})
    assert restored is not None
    assert (
        restored.tables["live"].columns["sum"][:ROWS].tobytes() == state.tables["live"].columns["sum"][:ROWS].tobytes()
    )


def test_rows_that_change_in_turn_are_never_written_for_nothing() -> None:
    state, log = filled(6_000), Log()
    whole, _ = log.snapshot(state)
    written = [0]
    for turn in range(60):
        change(state, np.arange(1_000) + turn % 6 * 1_000)
        written.append(log.snapshot(state)[0])
    assert max(written) < 0.2 * whole
    assert log.held_bytes < 1.3 * whole


def test_many_small_snapshots_stay_few_segments() -> None:
    state, log = filled(3_000), Log()
    log.snapshot(state)
    manifest = None
    for turn in range(2_000):
        change(state, np.array([turn % 3_000]))
        _, manifest = log.snapshot(state)
    assert manifest is not None
    assert len(manifest.segments["live"]) < 300


def test_growth_copies_each_row_twice_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(TableSpec(columns))
    copied = 0
    reserve = Table.reserve

    def counted(self: Table, capacity: int) -> None:
        nonlocal copied
        copied += self.extent
        reserve(self, capacity)

    monkeypatch.setattr(Table, "reserve", counted)
    for number in range(50_000):
        table.rows([f"k{number}"])
    assert copied < 2 * 50_000


def test_new_room_is_memory_only_when_rows_come() -> None:
    table = Table(TableSpec(lambda rows: {"wide": np.full((rows, 1_000), np.nan)}))
    before = resident_bytes()
    table.reserve(50_000)  # 400 MB
    assert resident_bytes() - before < 40e6
    rows = table.rows([f"k{number}" for number in range(1_000)])
    assert np.isnan(table.columns["wide"][rows]).all()


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="key of a row is empty"):
        Table(TableSpec(columns)).rows(["a", ""])
