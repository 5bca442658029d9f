"""Snapshots of a partition's state as records of a compacted changelog: what is written, and how it is put together again.

    key                value
    owner/7.0          segment: the rows that changed before snapshot 7, a part of them
    owner/7.1          the rest
    owner/manifest     which segments make one consistent state, in order, and the input offsets that it covers

A row may stand in several segments; the last one counts. A segment is never written over: when all its rows stand in later
ones it is deleted, and when less than half of what is stored counts any more, rows out of the emptiest segments are written
again. So a snapshot writes the rows that changed and at most as many again, and at most twice the state is stored.

The manifest is the end marker: written last, acknowledged before anything relies on it, and nothing that the newest stored
manifest names is deleted. Keys begin with a name that each owner of the partition draws for itself, so that a zombie
overwrites nothing of its successor. State is the outcome of the input up to its offsets, whoever computed it: of several
manifests the furthest wins.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from stream import snapshot_schema1 as schema1
from stream.book import Book, Place, with_moved
from stream.segment import Frozen, SnapshotError, unpack
from stream.table import State, TableSpec

__all__ = ["SCHEMA", "Entry", "Manifest", "SnapshotError", "Snapshots"]

_log = logging.getLogger(__name__)
SCHEMA = 2
_MANIFEST = b"/manifest"


class _IncompleteError(SnapshotError):
    """A snapshot whose segments are not all there: it was not finished, or its owner is long gone."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One consistent state: put these segments together, then go on at these offsets."""

    schema: int
    version: int
    owner: str
    number: int
    positions: dict[str, int]
    times_ms: dict[str, int]
    extents: dict[str, int]
    segments: dict[str, list[Place]]


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """What manifests of all schemas have."""

    schema: int
    version: int = 1
    owner: str = ""
    positions: dict[str, int] = {}


class Entry(NamedTuple):
    """A record for the changelog."""

    key: bytes
    value: bytes | None


_encode = msgspec.msgpack.Encoder().encode


class Draft(NamedTuple):
    """A snapshot that is being written; the state goes on meanwhile."""

    manifest: Manifest
    dead: list[bytes]
    parts: list[tuple[Place, Frozen, int]]

    def entries(self) -> Iterator[Entry]:
        """What comes before the manifest: deletions, then segments, each encoded when it is asked for."""
        yield from (Entry(key, None) for key in self.dead)
        for place, frozen, number in self.parts:
            yield Entry(place.key, frozen.encode(number))

    def end(self) -> Entry:
        """The manifest: to be written when everything before it is stored."""
        return Entry(f"{self.manifest.owner}".encode() + _MANIFEST, _encode(self.manifest))


class Snapshots:
    """Writes and reads the snapshots of one partition; its own book of which row lies where.

    Args:
        owner: A name that no other owner of the partition has.
        version: Of the app's state.
    """

    def __init__(self, owner: str = "", version: int = 1) -> None:
        self.owner = owner or secrets.token_hex(6)
        self.version = version
        self.number = 0
        self.foreign: set[bytes] = set()  # keys of former owners
        self._books: dict[str, Book] = {}
        self._pending: dict[str, Book] = {}
        self._written: list[bytes] = []  # segments of the snapshot under way
        self._dead: set[bytes] = set()  # own segments that no stored manifest names
        self._orphans: set[bytes] = set()  # own segments of snapshots that failed, or may have failed
        self._has_stored = False

    def begin(self, state: State) -> Draft:
        """A snapshot of the state as it is now. Rows are clean afterwards. Say `stored` or `failed` before the next."""
        self.number += 1
        self._written, self._pending = [], {}
        parts: list[tuple[Place, Frozen, int]] = []
        for name, table in state.tables.items():
            book = self._books.get(name, Book()).extended(table.extent)
            frozen = Frozen(table, with_moved(book, np.flatnonzero(table.dirty[: table.extent]), table))
            for number in range(len(frozen)):
                rows = frozen.rows(number)
                place = Place(self.owner, self.number, len(parts), len(rows))
                book.home[rows] = len(book.places)
                book.places.append(place)
                parts.append((place, frozen, number))
                self._written.append(place.key)
            self._pending[name] = book.compacted()
            table.dirty[:] = False
        manifest = Manifest(
            schema=SCHEMA,
            version=self.version,
            owner=self.owner,
            number=self.number,
            positions=dict(state.positions),
            times_ms=dict(state.times_ms),
            extents={name: table.extent for name, table in state.tables.items()},
            segments={name: book.places for name, book in self._pending.items()},
        )
        return Draft(manifest, sorted(self._dead), parts)

    def take(self, state: State) -> tuple[list[Entry], Manifest]:
        """As `begin`, all at once: the records of a snapshot, its manifest last."""
        draft = self.begin(state)
        return [*draft.entries(), draft.end()], draft.manifest

    def stored(self, manifest: Manifest) -> None:
        """The snapshot of this manifest is in the changelog, whole."""
        self._check(manifest)
        self._has_stored = True
        before = {place.key for book in self._books.values() for place in book.places if place.owner == self.owner}
        self._books = self._pending
        named = self._named()
        self._dead = (before | self._orphans) - named
        self._orphans = set()

    def failed(self, state: State, manifest: Manifest) -> None:
        """The snapshot was not stored, or nobody knows: its rows count as changed again."""
        self._check(manifest)
        for name, book in self._pending.items():
            table = state.tables[name]
            fresh = [number for number, place in enumerate(book.places) if self._is_new(place)]
            rows = np.flatnonzero(np.isin(book.home, fresh))
            table.dirty[rows[rows < table.extent]] = True
        self._orphans |= set(self._written)

    def _check(self, manifest: Manifest) -> None:
        if manifest.number != self.number:
            raise RuntimeError(f"snapshot {manifest.number} is over, {self.number} is under way")

    def _is_new(self, place: Place) -> bool:
        return place.owner == self.owner and place.number == self.number

    def _named(self) -> set[bytes]:
        return {place.key for book in self._books.values() for place in book.places}

    def forget_foreign(self) -> list[Entry]:
        """Deletions of everything of former owners that our newest stored manifest does not name."""
        gone = self.foreign - self._named() if self._has_stored else set()
        self.foreign -= gone
        return [Entry(key, None) for key in sorted(gone)]

    def restore(self, entries: Iterable[tuple[bytes, bytes | None]], specs: dict[str, TableSpec]) -> State | None:
        """The furthest whole state in a changelog, read from its beginning to its end; None when there is none.

        Raises:
            SnapshotError: a newer version wrote one of them, or what is stored does not fit this one.
        """
        held: dict[bytes, bytes] = {}
        for key, value in entries:
            if value is None:
                held.pop(key, None)
            else:
                held[key] = value
        self.foreign = set(held)
        heads = {key: self._head(value) for key, value in held.items() if key.endswith(_MANIFEST)}
        for key in sorted(heads, key=lambda one: (-sum(heads[one].positions.values()), heads[one].owner)):
            try:
                if heads[key].schema == 1:
                    return _restore_schema1(held[key], held, specs)
                return self._restore(msgspec.msgpack.decode(held[key], type=Manifest), held, specs)
            except (_IncompleteError, schema1.IncompleteError) as error:
                _log.warning("snapshot %s is left out: %s", key.decode(errors="replace"), error)
        return None

    def _head(self, value: bytes) -> _Head:
        head = msgspec.msgpack.decode(value, type=_Head)
        if head.schema > SCHEMA or head.version > self.version:
            raise SnapshotError(
                f"a newer worker wrote this state: schema {head.schema} version {head.version}, expected at most"
                f" schema {SCHEMA} version {self.version}; start the newer worker again, or delete the state's topic"
                " to compute the state anew"
            )
        return head

    def _restore(self, manifest: Manifest, held: dict[bytes, bytes], specs: dict[str, TableSpec]) -> State:
        state = State.fresh(specs)
        state.positions, state.times_ms = dict(manifest.positions), dict(manifest.times_ms)
        books: dict[str, Book] = {}
        older = manifest.version < self.version
        for name, places in manifest.segments.items():
            if name not in specs:
                if older:
                    continue
                raise SnapshotError(f"a snapshot of this version has a table that it does not know: {name!r}")
            table, extent = state.tables[name], manifest.extents[name]
            table.reserve(extent)
            keys, book = [""] * extent, Book(places).extended(extent)
            for number, place in enumerate(places):
                value = held.get(place.key)
                if value is None:
                    raise _IncompleteError(f"segment {place.key.decode()} of table {name!r} is missing")
                book.home[unpack(value, table, keys, older=older)] = number
            if (book.home < 0).any():
                raise SnapshotError(f"table {name!r} lacks {int((book.home < 0).sum())} of {extent} rows")
            table.put(keys)
            books[name] = book
        self._books = books
        if manifest.owner == self.owner:
            self.number = manifest.number
        return state


def _restore_schema1(value: bytes, held: dict[bytes, bytes], specs: dict[str, TableSpec]) -> State:
    """A state of schema 1; all of it is written anew with the next snapshot."""
    state = schema1.restore(msgspec.msgpack.decode(value, type=schema1.Manifest1), held, specs)
    for table in state.all():
        table.dirty[: table.extent] = True
    return state
