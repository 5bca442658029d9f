"""Versions of the state: a newer worker reads what older ones wrote, an older one refuses what newer ones wrote."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from stream.hvac import state as hvac_state
from stream.snapshot import SCHEMA, Manifest, SnapshotError, Snapshots
from stream.table import Columns, State, TableSpec
from tests.stream.golden import make

GOLDEN = sorted(path.stem for path in make.FOLDER.glob("*.bin"))
Stored = list[tuple[bytes, bytes | None]]


class Note(msgspec.Struct, frozen=True, array_like=True):
    """An extra of the first version."""

    text: str


class LongerNote(msgspec.Struct, frozen=True, array_like=True):
    """The same with a field more."""

    text: str
    author: str = "nobody"


def first_columns(rows: int) -> Columns:
    return {
        "count": np.zeros(rows, dtype=np.int32),
        "window": np.full((rows, 2, 3), np.nan, dtype=np.float32),
        "given_up": np.zeros(rows, dtype=np.float32),
    }


def stored_by_first(positions: int = 1) -> Stored:
    """Three rows, the second of which was forgotten."""
    state = State.fresh({"live": TableSpec(first_columns, Note), "old": TableSpec(first_columns)})
    table = state.tables["live"]
    table.begin()
    rows = table.rows(["a", "b", "c"])
    table.touch(rows)
    table.columns["count"][rows] = [1, 2, 3]
    table.columns["window"][rows, 1] = [[1, 2, 3], [4, 5, 6], [7, 8, np.inf]]
    table.set_extra(0, Note("first"))
    table.keep()
    table.remove(rows[1:2])
    state.positions = {"in": positions}
    return [(entry.key, entry.value) for entry in Snapshots("first").take(state)[0]]


def newer(columns: Callable[[int], Columns], extra: type[msgspec.Struct] = Note) -> State:
    state = Snapshots(version=2).restore(stored_by_first(), {"live": TableSpec(columns, extra)})
    assert state is not None
    return state


def test_columns_may_be_added_removed_and_widened() -> None:
    def columns(rows: int) -> Columns:
        return {
            "count": np.zeros(rows, dtype=np.int64),
            "window": np.full((rows, 3, 5), -1, dtype=np.float64),
            "added": np.full(rows, 7, dtype=np.int8),
        }

    table = newer(columns).tables["live"]
    rows = [row for row in (table.find("a"), table.find("c")) if row is not None]
    assert table.find("b") is None
    assert table.columns["count"][rows].tolist() == [1, 3]
    assert table.columns["added"][rows].tolist() == [7, 7]
    expected = np.full((2, 3, 5), -1.0)
    expected[:, 0, :3] = np.nan
    expected[:, 1, :3] = [[1, 2, 3], [7, 8, np.inf]]
    np.testing.assert_array_equal(table.columns["window"][rows], expected)
    assert table.rows(["d"]).tolist() == [1]  # the forgotten key's row


def test_a_table_may_be_added_or_given_up_and_an_extra_extended() -> None:
    specs = {"live": TableSpec(first_columns, LongerNote), "added": TableSpec(first_columns)}
    state = Snapshots(version=2).restore(stored_by_first(), specs)
    assert state is not None
    assert state.tables["live"].extras == {0: LongerNote("first", "nobody")}
    assert len(state.tables["added"]) == 0
    assert set(state.tables) == {"live", "added"}


@pytest.mark.parametrize(
    ("dtype", "shape"), [(np.int16, ()), (np.float32, ()), (np.int32, (2,))], ids=["narrower", "float", "other axes"]
)
def test_a_column_that_does_not_fit_is_refused(dtype: type, shape: tuple[int, ...]) -> None:
    def columns(rows: int) -> Columns:
        return {**first_columns(rows), "count": np.zeros((rows, *shape), dtype=dtype)}

    with pytest.raises(SnapshotError, match=r"column 'count' .* int32 .* give the new column another name"):
        newer(columns)


def test_an_extra_that_does_not_fit_is_refused() -> None:
    class Other(msgspec.Struct, array_like=True):
        number: int

    with pytest.raises(SnapshotError, match="extra of row 0 of a snapshot is no Other"):
        newer(first_columns, Other)


def test_an_older_worker_refuses_what_a_newer_one_wrote() -> None:
    state = State.fresh({"live": TableSpec(first_columns)})
    entries, _ = Snapshots(version=3).take(state)
    stored: Stored = [*stored_by_first(positions=1_000), *((entry.key, entry.value) for entry in entries)]
    with pytest.raises(SnapshotError, match=r"a newer worker wrote this state: schema 2 version 3, expected at most"):
        Snapshots(version=2).restore(stored, {"live": TableSpec(first_columns, Note)})


def test_a_later_schema_is_refused_whatever_it_looks_like() -> None:
    later = msgspec.msgpack.encode({"schema": SCHEMA + 1, "positions": {"in": 5}, "anything": [1, 2]})
    with pytest.raises(SnapshotError, match="start the newer worker again"):
        Snapshots().restore([(b"owner/manifest", later)], {})


def test_columns_that_this_version_should_know_are_not_dropped_in_silence() -> None:
    def fewer(rows: int) -> Columns:
        return {"count": np.zeros(rows, dtype=np.int32), "window": np.full((rows, 2, 3), np.nan, dtype=np.float32)}

    with pytest.raises(SnapshotError, match="columns that it does not know: given_up"):
        Snapshots().restore(stored_by_first(), {"live": TableSpec(fewer, Note), "old": TableSpec(fewer)})


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_snapshots_of_every_version_are_read(name: str) -> None:
    state = Snapshots(version=hvac_state.VERSION).restore(make.entries(name), hvac_state.TABLES)
    assert state is not None
    found, expected = make.meaning(state), make.expected(name)
    assert (found["positions"], found["times_ms"]) == (expected["positions"], expected["times_ms"])
    for table, kept in expected["tables"].items():
        if table not in found["tables"]:
            continue
        now = found["tables"][table]
        assert now["keys"] == kept["keys"]
        assert now["extras"] == kept["extras"]
        unchanged = {column for column, (dtype, shape, _) in kept["columns"].items() if _is(now, column, dtype, shape)}
        assert unchanged
        assert {one: now["columns"][one] for one in unchanged} == {one: kept["columns"][one] for one in unchanged}


def _is(now: make.Meaning, column: str, dtype: str, shape: list[int]) -> bool:
    return column in now["columns"] and now["columns"][column][:2] == [dtype, shape]


def test_todays_columns_are_those_of_the_golden_snapshot_of_todays_version() -> None:
    """Fails when columns change and the version does not: raise `stream.hvac.state.VERSION`, then make a golden."""
    kept = make.expected(make.name_of_today())["tables"]
    today = make.meaning(State.fresh(hvac_state.TABLES))["tables"]
    assert {name: _shapes(table) for name, table in today.items()} == {
        name: _shapes(table) for name, table in kept.items()
    }


def _shapes(table: make.Meaning) -> dict[str, list[object]]:
    return {name: column[:2] for name, column in table["columns"].items()}


def test_a_golden_state_written_again_is_the_same() -> None:
    state = Snapshots().restore(make.entries("hvac_schema1_version1"), hvac_state.TABLES)
    assert state is not None
    before = make.meaning(state)
    entries, manifest = Snapshots("again").take(state)
    assert isinstance(manifest, Manifest)
    again = Snapshots().restore([(entry.key, entry.value) for entry in entries], hvac_state.TABLES)
    assert again is not None
    assert make.meaning(again) == before
