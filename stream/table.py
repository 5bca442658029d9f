"""State as dense arrays: one row a key, grown by doubling, with the rows that changed and a way back.

    key ─▶ row      columns["open_sum"][row] ...      extras[row]: the few things of a row that are no numbers

A batch works between `begin` and `keep`; `undo` puts every touched row back as it was, so that one bad record costs
nothing but itself. Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Columns = dict[str, npt.NDArray[Any]]
Rows = npt.NDArray[np.intp]
_ROWS_FIRST = 16


@dataclass(frozen=True, slots=True)
class TableSpec:
    """How a table is made: fresh columns for so many rows, and the struct of its extras, if it has any.

    `extra_bytes` is about the size of an extra where most rows have a large one, so that chunks of a snapshot stay small.
    """

    new_columns: Callable[[int], Columns]
    extra: type[msgspec.Struct] | None = None
    extra_bytes: int = 0


@dataclass(slots=True)
class _Before:
    """Rows as they were before a batch touched them."""

    rows: Rows
    columns: Columns
    extras: dict[int, msgspec.Struct | None]


class Table:
    """Rows by key. Mark rows with `touch` before writing to them, else they are neither saved nor undone."""

    def __init__(self, spec: TableSpec, capacity: int = _ROWS_FIRST) -> None:
        self.spec = spec
        self.columns: Columns = spec.new_columns(capacity)
        self.keys: list[str] = []
        self.extras: dict[int, msgspec.Struct] = {}
        self.dirty = np.zeros(capacity, dtype=bool)
        self._row_of: dict[str, int] = {}
        self._saved: npt.NDArray[np.bool_] = np.zeros(capacity, dtype=bool)
        self._before: list[_Before] = []
        self._keys_before = 0

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, key: str) -> int | None:
        """The row of a key, None if it was never seen."""
        return self._row_of.get(key)

    def rows(self, keys: Sequence[str]) -> Rows:
        """Rows of these keys, new ones for those never seen, shape (len(keys),)."""
        row_of = self._row_of
        found = [row_of.get(key, -1) for key in keys]
        if -1 in found:
            found = [self._add(key) if row < 0 else row for key, row in zip(keys, found, strict=True)]
        return np.array(found, dtype=np.intp)

    def _add(self, key: str) -> int:
        row = self._row_of.get(key)
        if row is not None:
            return row
        row = len(self.keys)
        if row == len(self.dirty):
            self.reserve(2 * row)
        self.keys.append(key)
        self._row_of[key] = row
        self.dirty[row] = True
        return row

    def reserve(self, capacity: int) -> None:
        """Room for this many rows."""
        held = len(self.dirty)
        if capacity <= held:
            return
        grown = self.spec.new_columns(capacity)
        for name, column in self.columns.items():
            grown[name][:held] = column
        # In place: the models hold the dictionary, not its arrays.
        self.columns.update(grown)
        self.dirty = np.concatenate([self.dirty, np.zeros(capacity - held, dtype=bool)])
        self._saved = np.concatenate([self._saved, np.zeros(capacity - held, dtype=bool)])

    def begin(self) -> None:
        """A batch starts: from here on `undo` leads back."""
        self._forget()
        self._keys_before = len(self.keys)

    def touch(self, rows: Rows) -> None:
        """These rows are about to change."""
        self.dirty[rows] = True
        fresh = np.unique(rows[~self._saved[rows]])
        if not len(fresh):
            return
        self._saved[fresh] = True
        columns = {name: column[fresh] for name, column in self.columns.items()}
        extras = {row: self.extras.get(row) for row in fresh.tolist()} if self.spec.extra else {}
        self._before.append(_Before(fresh, columns, extras))

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
        for key in self.keys[self._keys_before :]:
            del self._row_of[key]
        self.dirty[self._keys_before :] = False
        del self.keys[self._keys_before :]
        self._forget()

    def _forget(self) -> None:
        for before in self._before:
            self._saved[before.rows] = False
        self._before.clear()

    def put(self, first: int, keys: Sequence[str], columns: Columns, extras: dict[int, msgspec.Struct]) -> None:
        """Rows out of a snapshot, from `first` on. Columns that it lacks stay fresh; those unknown here are left out."""
        end = first + len(keys)
        capacity = len(self.dirty)
        while capacity < end:
            capacity *= 2
        self.reserve(capacity)
        self.keys += [""] * (end - len(self.keys))
        self.keys[first:end] = keys
        self._row_of.update({key: first + place for place, key in enumerate(keys)})
        for name, values in columns.items():
            column = self.columns.get(name)
            if column is not None and column.shape[1:] == values.shape[1:]:
                column[first:end] = values
        for row, extra in extras.items():
            self.set_extra(row, extra)


@dataclass(slots=True)
class State:
    """Everything that one partition of an app remembers.

    Attributes:
        tables: By name.
        positions: The next offset of each input topic: what the tables hold is the outcome of everything before it.
        stream_time_ms: The newest timestamp met in the log; what waits, waits by it.
    """

    tables: dict[str, Table]
    positions: dict[str, int] = field(default_factory=dict)
    stream_time_ms: int = 0

    @classmethod
    def fresh(cls, specs: dict[str, TableSpec]) -> State:
        """State that has seen nothing."""
        return cls({name: Table(spec) for name, spec in specs.items()})

    def all(self) -> Iterable[Table]:
        """The tables."""
        return self.tables.values()
