"""Reading snapshots of schema 1, which the first release wrote: chunks of consecutive rows, each in one of two slots."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from stream.segment import SnapshotError, place, put_extras
from stream.table import HOUR_MS, SEEN_HOUR, State, TableSpec


class IncompleteError(SnapshotError):
    """A snapshot whose chunks are not all there."""


class _Place(msgspec.Struct, frozen=True, array_like=True):
    owner: str
    slot: int
    number: int


class Manifest1(msgspec.Struct, frozen=True, kw_only=True):
    """One consistent state; chunk n of a table holds its rows from n times `rows_a_chunk` on."""

    positions: dict[str, int]
    stream_time_ms: int
    rows: dict[str, int]
    chunks: dict[str, list[_Place]]


class _Column(msgspec.Struct, frozen=True, array_like=True):
    dtype: str
    shape: tuple[int, ...]
    data: bytes


class _Chunk(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    first: int
    keys: list[str]
    columns: dict[str, _Column]
    extras: dict[int, bytes]


def restore(manifest: Manifest1, held: Mapping[bytes, bytes], specs: dict[str, TableSpec]) -> State:
    """The state that a manifest describes.

    Raises:
        IncompleteError: a chunk is missing or of another snapshot.
        SnapshotError: a column does not fit this version.
    """
    state = State.fresh(specs)
    state.positions = dict(manifest.positions)
    state.times_ms = dict.fromkeys(manifest.positions, manifest.stream_time_ms)
    for name, places in manifest.chunks.items():
        if name not in specs:
            continue
        table, keys = state.tables[name], list[str]()
        table.reserve(manifest.rows[name])
        for number, one in enumerate(places):
            value = held.get(f"{one.owner}/{name}/{number}/{one.slot}".encode())
            if value is None:
                raise IncompleteError(f"chunk {number} of table {name!r} is missing")
            chunk = msgspec.msgpack.decode(value, type=_Chunk)
            if chunk.number != one.number:
                raise IncompleteError(
                    f"chunk {number} of table {name!r} is of snapshot {chunk.number}, expected {one.number}"
                )
            columns = {
                name: np.frombuffer(column.data, dtype=np.dtype(column.dtype)).reshape(column.shape)
                for name, column in chunk.columns.items()
            }
            place(table, slice(chunk.first, chunk.first + len(chunk.keys)), columns)
            put_extras(table, chunk.extras)
            keys += chunk.keys
        if len(keys) != manifest.rows[name]:
            raise IncompleteError(f"table {name!r} has {len(keys)} rows, expected {manifest.rows[name]}")
        table.put(keys)
        table.columns[SEEN_HOUR][: len(keys)] = manifest.stream_time_ms // HOUR_MS
    return state
