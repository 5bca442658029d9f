"""State as dense arrays: one row a key, grown by doubling, with the rows that changed and a way back.

    key ─▶ row      columns["open_sum"][row] ...      extras[row]: the few things of a row that are no numbers

A batch works between `begin` and `keep`; `undo` puts every touched row back as it was, so that one bad record costs
nothing but itself. A row of a key that was removed is given to the next new key. Pure: no I/O, no clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Columns = dict[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.intp]
# A column that every table has: the hour of the log, since 1970, in which a row was touched last.
SEEN_HOUR = "seen_hour"
NEVER = -1
HOUR_MS = 3_600_000
_ROWS_FIRST = 16


@dataclass(frozen=True, slots=True)
class TableSpec:
    """How a table is made: fresh columns for so many rows, all rows alike, and the struct of its extras, if it has any."""

    new_columns: Callable[[int], Columns]
    extra: type[msgspec.Struct] | None = None

    def fresh(self) -> Columns:
        """One row that was never seen."""
        return {**self.new_columns(1), SEEN_HOUR: np.full(1, NEVER, dtype=np.int32)}


@dataclass(slots=True)
class _Before:
    """Rows as they were before a batch touched them."""

    rows: Rows
    columns: Columns
    extras: dict[int, msgspec.Struct | None]


class Table:
    """Rows by key. Mark rows with `touch` before writing to them, else they are neither saved nor undone.

    Attributes:
        columns: Arrays of one length; what lies behind `extent` means nothing.
        keys: Of each row up to `extent`, "" where a row is free.
        extras: By row.
        dirty: Rows changed since the last snapshot.
        hour: The hour of the log that is now; touched rows take it as the one in which they were seen.
    """

    def __init__(self, spec: TableSpec, capacity: int = _ROWS_FIRST) -> None:
        self.spec = spec
        self.fresh = spec.fresh()
        self.columns: Columns = {name: np.repeat(row, capacity, axis=0) for name, row in self.fresh.items()}
        self.keys: list[str] = []
        self.extras: dict[int, msgspec.Struct] = {}
        self.dirty = np.zeros(capacity, dtype=bool)
        self.hour = 0
        self._row_of: dict[str, int] = {}
        self._free: list[int] = []  # a heap: which row a key gets follows from the log alone
        self._saved: npt.NDArray[np.bool_] = np.zeros(capacity, dtype=bool)
        self._before: list[_Before] = []
        self._added: list[int] = []
        self._extent_before = 0

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._row_of)

    @property
    def extent(self) -> int:
        """Rows in use or free: all that mean anything lie before this one."""
        return len(self.keys)

    @property
    def row_bytes(self) -> int:
        """Of all columns together; extras come on top."""
        return sum(row.nbytes for row in self.fresh.values())

    def find(self, key: str) -> int | None:
        """The row of a key, None if it was never seen or was removed."""
        return self._row_of.get(key)

    def rows(self, keys: Sequence[str]) -> Rows:
        """Rows of these keys, new ones for those never seen, shape (len(keys),)."""
        row_of = self._row_of
        found = [row_of.get(key, -1) for key in keys]
        if -1 in found:
            before = self.extent
            added = len(self._added)
            found = [self._add(key) if row < 0 else row for key, row in zip(keys, found, strict=True)]
            self._clear(slice(before, self.extent))
            self.columns[SEEN_HOUR][self._added[added:]] = self.hour
        return np.array(found, dtype=np.intp)

    def _add(self, key: str) -> int:
        row = self._row_of.get(key)
        if row is not None:
            return row
        if not key:
            raise ValueError("key of a row is empty; expected a name")
        if self._free:
            row = heapq.heappop(self._free)
            self.keys[row] = key
        else:
            row = len(self.keys)
            if row == len(self.dirty):
                self.reserve(2 * row)
            self.keys.append(key)
        self._row_of[key] = row
        self._added.append(row)
        self.dirty[row] = True
        return row

    def _clear(self, rows: Rows | slice) -> None:
        for name, fresh in self.fresh.items():
            self.columns[name][rows] = fresh

    def reserve(self, capacity: int) -> None:
        """Room for this many rows. New room stays untouched memory until its rows are used."""
        held = len(self.dirty)
        if capacity <= held:
            return
        # One column after another, and in place: the models hold the dictionary, not its arrays.
        for name, column in self.columns.items():
            grown = np.zeros((capacity, *column.shape[1:]), dtype=column.dtype)
            grown[: self.extent] = column[: self.extent]
            self.columns[name] = grown
        self.dirty = np.concatenate([self.dirty, np.zeros(capacity - held, dtype=bool)])
        self._saved = np.concatenate([self._saved, np.zeros(capacity - held, dtype=bool)])

    def begin(self) -> None:
        """A batch starts: from here on `undo` leads back."""
        self._forget()
        self._extent_before = self.extent

    def touch(self, rows: Rows) -> None:
        """These rows are about to change."""
        self.dirty[rows] = True
        fresh = _distinct(rows[~self._saved[rows]])
        if not len(fresh):
            return
        self._saved[fresh] = True
        columns = {name: column[fresh] for name, column in self.columns.items()}
        extras = {row: self.extras.get(row) for row in fresh.tolist()} if self.spec.extra else {}
        self._before.append(_Before(fresh, columns, extras))
        self.columns[SEEN_HOUR][fresh] = np.maximum(columns[SEEN_HOUR], self.hour)

    def set_extra(self, row: int, extra: msgspec.Struct | None) -> None:
        """Replace the extra of a touched row; extras are values and never changed in place."""
        if extra is None:
            self.extras.pop(row, None)
        else:
            self.extras[row] = extra

    def keep(self) -> None:
        """The batch is done: its changes stay."""
        self._forget()

    def undo(self) -> None:
        """Everything as it was at `begin`; rows stay marked dirty, which costs a write and no more."""
        for before in reversed(self._before):
            for name, column in before.columns.items():
                self.columns[name][before.rows] = column
            for row, extra in before.extras.items():
                self.set_extra(row, extra)
        for row in reversed(self._added):
            del self._row_of[self.keys[row]]
            self.extras.pop(row, None)
            if row >= self._extent_before:
                self.keys.pop()
                self.dirty[row] = False
            else:
                self.keys[row] = ""
                heapq.heappush(self._free, row)
        self._forget()

    def _forget(self) -> None:
        for before in self._before:
            self._saved[before.rows] = False
        self._before.clear()
        self._added.clear()

    def unseen_since(self, hour: int) -> Rows:
        """Rows of keys that were last touched before this hour of the log, ascending."""
        seen = self.columns[SEEN_HOUR][: self.extent]
        old = np.flatnonzero(seen < hour)
        return old[[self.keys[row] != "" for row in old.tolist()]] if len(old) else old

    def remove(self, rows: Rows) -> None:
        """Forget these keys; between batches only. One that comes back starts anew."""
        for row in rows.tolist():
            del self._row_of[self.keys[row]]
            self.keys[row] = ""
            self.extras.pop(row, None)
            heapq.heappush(self._free, row)
        self._clear(rows)
        self.dirty[rows] = True

    def put(self, keys: Sequence[str]) -> None:
        """The keys of a table that was read from a snapshot, "" for rows that are free; columns and extras are there."""
        self.keys = list(keys)
        self._row_of = {key: row for row, key in enumerate(keys) if key}
        self._free = [row for row, key in enumerate(keys) if not key]


@dataclass(slots=True)
class State:
    """Everything that one partition of an app remembers.

    Attributes:
        tables: By name.
        positions: The next offset of each input topic: what the tables hold is the outcome of everything before it.
        times_ms: The newest timestamp met in each topic; what waits, waits by it, whatever other topics say.
    """

    tables: dict[str, Table]
    positions: dict[str, int] = field(default_factory=dict)
    times_ms: dict[str, int] = field(default_factory=dict)

    @classmethod
    def fresh(cls, specs: dict[str, TableSpec]) -> State:
        """State that has seen nothing."""
        return cls({name: Table(spec) for name, spec in specs.items()})

    def all(self) -> Iterable[Table]:
        """The tables."""
        return self.tables.values()


def _distinct(rows: Rows) -> Rows:
    """Each row once, ascending; a fifth of what `np.unique` takes on so few."""
    ordered = np.sort(rows)
    begins = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    return ordered[begins]
