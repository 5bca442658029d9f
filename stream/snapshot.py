"""Snapshots of a partition's state as records of a compacted changelog: what is written, and how it is put together again.

    key                          value
    owner/live/0/1               chunk: rows 0..k of table `live`, slot 1
    owner/live/1/0               chunk: the next rows
    owner/manifest               where every chunk of one consistent state lies, and the input offsets that it covers

The manifest is the end marker: written last, acknowledged before anything relies on it. A chunk goes alternately to two
slots, so the one that the newest manifest names is never overwritten by a snapshot that does not come to its end. Keys
begin with a name that each owner of the partition draws for itself, so that a zombie overwrites nothing of its successor.
State is the outcome of the input up to its offsets, whoever computed it: of several manifests the furthest wins.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from stream.table import Columns, State, Table, TableSpec

SCHEMA = 1
_CHUNK_BYTES = 200_000
_CHUNK_ROWS_MAX = 1024


class SnapshotError(ValueError):
    """A snapshot that cannot be read."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where the valid version of a chunk lies. `number` is the snapshot that wrote it."""

    owner: str
    slot: int
    number: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One consistent state: read these chunks, then go on at these offsets."""

    schema: int
    owner: str
    number: int
    positions: dict[str, int]
    stream_time_ms: int
    rows: dict[str, int]
    rows_a_chunk: dict[str, int]
    chunks: dict[str, list[Place]]


class Column(msgspec.Struct, frozen=True, array_like=True):
    """Rows of one column, as bytes."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive rows of one table."""

    number: int
    first: int
    keys: list[str]
    columns: dict[str, Column]
    extras: dict[int, bytes]


class Entry(NamedTuple):
    """A record for the changelog."""

    key: bytes
    value: bytes | None


_encode = msgspec.msgpack.Encoder().encode


class Snapshots:
    """Writes and reads the snapshots of one partition; its own book of which chunk lies where."""

    def __init__(self, owner: str = "") -> None:
        self.owner = owner or secrets.token_hex(6)
        self.number = 0
        self.foreign: set[bytes] = set()  # keys of former owners
        self._places: dict[str, list[Place]] = {}
        self._rows_a_chunk: dict[str, int] = {}

    def take(self, state: State) -> tuple[list[Entry], Manifest]:
        """The records of a snapshot: chunks with changed rows, then the manifest.

        Rows are clean afterwards. Say `stored` or `failed` before the next.
        """
        self.number += 1
        entries: list[Entry] = []
        taken: dict[str, list[Place]] = {}
        for name, table in state.tables.items():
            places = taken[name] = list(self._places.get(name, ()))
            step = self._rows_a_chunk.setdefault(name, _rows_a_chunk(table))
            dirty = np.flatnonzero(table.dirty[: len(table)])
            for chunk in np.unique(dirty // step).tolist():
                slot = 0
                if chunk < len(places) and places[chunk].owner == self.owner:
                    slot = 1 - places[chunk].slot
                place = Place(self.owner, slot, self.number)
                entries.append(Entry(_chunk_key(name, chunk, place), _chunk(table, chunk * step, step, self.number)))
                if chunk < len(places):
                    places[chunk] = place
                else:
                    places.append(place)
            table.dirty[:] = False
        manifest = Manifest(
            schema=SCHEMA,
            owner=self.owner,
            number=self.number,
            positions=dict(state.positions),
            stream_time_ms=state.stream_time_ms,
            rows={name: len(table) for name, table in state.tables.items()},
            rows_a_chunk=dict(self._rows_a_chunk),
            chunks=taken,
        )
        entries.append(Entry(f"{self.owner}/manifest".encode(), _encode(manifest)))
        return entries, manifest

    def stored(self, manifest: Manifest) -> None:
        """A snapshot is in the changelog, whole: the slots that it left are free."""
        self._places = manifest.chunks

    def failed(self, state: State, manifest: Manifest) -> None:
        """A snapshot was not stored: its rows count as changed again."""
        for name, places in manifest.chunks.items():
            step, table = self._rows_a_chunk[name], state.tables[name]
            for chunk, place in enumerate(places):
                if place.number == manifest.number and place.owner == self.owner:
                    table.dirty[chunk * step : min((chunk + 1) * step, len(table))] = True

    def own_all(self, state: State) -> None:
        """Mark the rows whose chunks still lie with former owners, so that the next snapshot takes them over."""
        for name, places in self._places.items():
            step, table = self._rows_a_chunk[name], state.tables[name]
            for chunk, place in enumerate(places):
                if place.owner != self.owner:
                    table.dirty[chunk * step : min((chunk + 1) * step, len(table))] = True

    def forget_foreign(self) -> list[Entry]:
        """Tombstones for everything of former owners; empty while a chunk of theirs is still needed."""
        if any(place.owner != self.owner for places in self._places.values() for place in places):
            return []
        entries = [Entry(key, None) for key in sorted(self.foreign)]
        self.foreign = set()
        return entries

    def restore(self, entries: Iterable[tuple[bytes, bytes | None]], specs: dict[str, TableSpec]) -> State | None:
        """The furthest whole state in a changelog, read from its beginning to its end; None when there is none."""
        held: dict[bytes, bytes] = {}
        for key, value in entries:
            if value is None:
                held.pop(key, None)
            else:
                held[key] = value
        self.foreign = set(held)
        manifests = []
        for key, value in held.items():
            if key.endswith(b"/manifest"):
                manifest = msgspec.msgpack.decode(value, type=Manifest)
                if manifest.schema <= SCHEMA:
                    manifests.append(manifest)
        for manifest in sorted(manifests, key=lambda one: (-sum(one.positions.values()), one.owner)):
            try:
                state = _restore(manifest, held, specs)
            except SnapshotError:
                continue
            self._places = {name: places for name, places in manifest.chunks.items() if name in specs}
            self._rows_a_chunk = {name: rows for name, rows in manifest.rows_a_chunk.items() if name in specs}
            return state
        return None


def _rows_a_chunk(table: Table) -> int:
    row_bytes = sum(column[:1].nbytes for column in table.columns.values()) + 40 + table.spec.extra_bytes
    return max(1, min(_CHUNK_ROWS_MAX, _CHUNK_BYTES // row_bytes))


def _chunk_key(table: str, chunk: int, place: Place) -> bytes:
    return f"{place.owner}/{table}/{chunk}/{place.slot}".encode()


def _chunk(table: Table, first: int, rows: int, number: int) -> bytes:
    end = min(first + rows, len(table))
    columns = {}
    for name, column in table.columns.items():
        part = column[first:end]
        columns[name] = Column(part.dtype.str, part.shape, part.tobytes())
    extras = {row: _encode(extra) for row, extra in table.extras.items() if first <= row < end}
    return _encode(Chunk(number=number, first=first, keys=table.keys[first:end], columns=columns, extras=extras))


def _restore(manifest: Manifest, held: dict[bytes, bytes], specs: dict[str, TableSpec]) -> State:
    state = State.fresh(specs)
    state.positions = dict(manifest.positions)
    state.stream_time_ms = manifest.stream_time_ms
    for name, places in manifest.chunks.items():
        if name not in specs:
            continue
        table = state.tables[name]
        table.reserve(manifest.rows[name])
        for number, place in enumerate(places):
            value = held.get(_chunk_key(name, number, place))
            if value is None:
                raise SnapshotError(f"chunk {number} of table {name!r} is missing")
            chunk = msgspec.msgpack.decode(value, type=Chunk)
            if chunk.number != place.number:
                raise SnapshotError(
                    f"chunk {number} of table {name!r} is of snapshot {chunk.number}, expected {place.number}"
                )
            extra = specs[name].extra
            extras = (
                {row: msgspec.msgpack.decode(data, type=extra) for row, data in chunk.extras.items()} if extra else {}
            )
            table.put(chunk.first, chunk.keys, _columns(chunk), extras)
        if len(table) != manifest.rows[name]:
            raise SnapshotError(f"table {name!r} has {len(table)} rows, expected {manifest.rows[name]}")
        table.dirty[:] = False
    return state


def _columns(chunk: Chunk) -> Columns:
    return {
        name: np.frombuffer(column.data, dtype=np.dtype(column.dtype)).reshape(column.shape)
        for name, column in chunk.columns.items()
    }
