"""Rows of a table as one record of a changelog, and back: into a table of this version, whatever version wrote them.

Of each column only the slots are stored in which some row differs from one never seen: a unit with 24 points leaves half of
the 48 empty. How a column of an older version reads here:

    it is missing                      rows are as never seen
    this version lacks it              left out
    its type was narrower              widened, where numpy calls that safe (int32 to int64, float32 to float64)
    it had fewer slots along an axis   they come first, the others are as never seen
    anything else                      SnapshotError
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from stream.table import Columns, Rows, Table

# A record is at most about half of what a broker takes by default, extras of one row apart.
SEGMENT_BYTES = 400_000
_encode = msgspec.msgpack.Encoder().encode


class SnapshotError(ValueError):
    """A snapshot that cannot be read."""


class Column(msgspec.Struct, frozen=True, array_like=True):
    """Rows of one column: the slots (uint16, behind the row axis) that are stored, and what the others are."""

    dtype: str
    shape: tuple[int, ...]
    fill: bytes
    slots: bytes
    data: bytes


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of one table. `rows` and `freed` are uint32; `freed` are those whose keys were removed."""

    rows: bytes
    freed: bytes
    keys: list[str]
    columns: dict[str, Column]
    extras: dict[int, bytes]


class Frozen:
    """Rows of a table as they are now, in parts of about SEGMENT_BYTES; the table may go on while parts are written."""

    def __init__(self, table: Table, rows: Rows) -> None:
        held = np.array([table.keys[row] != "" for row in rows.tolist()], dtype=bool)
        self._freed, self._rows = rows[~held], rows[held]
        numbers = self._rows.tolist()
        self._keys = [table.keys[row] for row in numbers]
        self._fresh = table.fresh
        self._columns = {name: column[self._rows] for name, column in table.columns.items()}
        self._extras = {row: _encode(table.extras[row]) for row in numbers if row in table.extras}
        sizes = np.full(len(numbers), table.row_bytes + 40)
        if self._extras:
            sizes += np.array([len(self._extras.get(row, b"")) for row in numbers], dtype=np.intp)
        part = np.cumsum(sizes) // SEGMENT_BYTES
        self._cuts = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(numbers)]

    def __len__(self) -> int:
        """How many parts there are."""
        return len(self._cuts) - 1 if len(self._rows) or len(self._freed) else 0

    def rows(self, part: int) -> Rows:
        """Rows of a part; those that are free go with the first."""
        rows = self._rows[self._cuts[part] : self._cuts[part + 1]]
        return rows if part else np.concatenate([rows, self._freed])

    def encode(self, part: int) -> bytes:
        """A part as a segment."""
        first, end = self._cuts[part], self._cuts[part + 1]
        rows, freed = self._rows[first:end], self._freed if part == 0 else self._freed[:0]
        return _encode(
            Segment(
                rows=rows.astype("<u4").tobytes(),
                freed=freed.astype("<u4").tobytes(),
                keys=self._keys[first:end],
                columns={name: _column(column[first:end], self._fresh[name]) for name, column in self._columns.items()},
                extras={row: self._extras[row] for row in rows.tolist() if row in self._extras},
            )
        )


def _column(part: npt.NDArray[Any], fresh: npt.NDArray[Any]) -> Column:
    slots = fresh.size
    flat, one = part.reshape(len(part), slots), fresh.reshape(1, slots)
    bits = f"u{part.dtype.itemsize}"  # as integers: NaN is equal to itself
    used = np.flatnonzero((flat.view(bits) != one.view(bits)).any(axis=0))
    fill = one[:, :1] if (one.view(bits) == one[:, :1].view(bits)).all() else one
    return Column(
        part.dtype.str, fresh.shape[1:], fill.tobytes(), used.astype("<u2").tobytes(), flat[:, used].tobytes()
    )


def unpack(value: bytes, table: Table, keys: list[str], *, older: bool) -> Rows:
    """Put a segment's rows into a table, and their keys into `keys`; the rows, freed ones among them.

    `older`: an older version wrote it, so it may have columns that this one has given up.

    Raises:
        SnapshotError: it is no segment, or one of its columns does not fit here.
    """
    try:
        segment = msgspec.msgpack.decode(value, type=Segment)
    except msgspec.MsgspecError as error:
        raise SnapshotError(f"segment of a snapshot is damaged: {error}") from error
    rows = np.frombuffer(segment.rows, dtype="<u4").astype(np.intp)
    freed = np.frombuffer(segment.freed, dtype="<u4").astype(np.intp)
    for row, key in zip(rows.tolist(), segment.keys, strict=True):
        keys[row] = key
    for row in freed.tolist():
        keys[row] = ""
    for row in [*rows.tolist(), *freed.tolist()]:
        table.extras.pop(row, None)
    unknown = sorted(set(segment.columns) - set(table.columns))
    if unknown and not older:
        raise SnapshotError(f"a snapshot of this version has columns that it does not know: {', '.join(unknown)}")
    columns = {name: _dense(column, len(rows)) for name, column in segment.columns.items() if name in table.columns}
    place(table, rows, columns)
    for name, fresh in table.fresh.items():
        table.columns[name][freed] = fresh
    put_extras(table, segment.extras)
    return np.concatenate([rows, freed])


def _dense(column: Column, rows: int) -> npt.NDArray[Any]:
    dtype, slots = np.dtype(column.dtype), math.prod(column.shape)
    used = np.frombuffer(column.slots, dtype="<u2")
    data = np.frombuffer(column.data, dtype=dtype).reshape(rows, len(used))
    if len(used) == slots:
        return data.reshape(rows, *column.shape)
    whole = np.empty((rows, slots), dtype=dtype)
    whole[:] = np.frombuffer(column.fill, dtype=dtype)
    whole[:, used] = data
    return whole.reshape(rows, *column.shape)


def place(table: Table, rows: Rows | slice, columns: Columns) -> None:
    """Put columns of some version into rows of a table of this one; columns that it lacks become as never seen.

    Raises:
        SnapshotError: a column does not fit.
    """
    for name, fresh in table.fresh.items():
        ours, theirs = table.columns[name], columns.get(name)
        if theirs is None:
            ours[rows] = fresh
            continue
        old, new = theirs.shape[1:], ours.shape[1:]
        fits = len(old) == len(new) and all(a <= b for a, b in zip(old, new, strict=True))
        if not fits or not np.can_cast(theirs.dtype, ours.dtype, "safe"):
            raise SnapshotError(
                f"column {name!r} of a snapshot has {theirs.dtype} {old}, expected what fits into {ours.dtype} {new};"
                " give the new column another name"
            )
        if old == new:
            ours[rows] = theirs
            continue
        whole = np.repeat(fresh, len(theirs), axis=0)
        whole[(slice(None), *(slice(length) for length in old))] = theirs
        ours[rows] = whole


def put_extras(table: Table, extras: dict[int, bytes]) -> None:
    """Decode extras into a table; fields that were added to the struct take their defaults.

    Raises:
        SnapshotError: an extra is not what this version expects.
    """
    kind = table.spec.extra
    if kind is None:
        return
    for row, data in extras.items():
        try:
            table.extras[row] = msgspec.msgpack.decode(data, type=kind)
        except msgspec.MsgspecError as error:
            raise SnapshotError(f"extra of row {row} of a snapshot is no {kind.__name__}: {error}") from error
