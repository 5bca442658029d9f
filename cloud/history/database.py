"""The file of the embedded history: its tables, its connections, and the numbers that stand for long names.

A stream is one epoch of one gateway. `minutes` and `hours` hold sums and numbers of good samples (minutes.py). All that may
be deleted knows when it came.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from cloud.history import HistoryError
from cloud.history.minutes import add_bytes
from models.contracts.layout import Layout

SCHEMA_VERSION = 1
_LAYOUT = msgspec.json.Decoder(Layout)

_TABLES = """
CREATE TABLE units (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, layout BLOB);
CREATE TABLE layouts (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE streams (
    id INTEGER PRIMARY KEY, gateway TEXT NOT NULL, epoch INTEGER NOT NULL,
    duplicate INTEGER NOT NULL DEFAULT 0, late INTEGER NOT NULL DEFAULT 0, last_seen_at_ms INTEGER NOT NULL DEFAULT 0,
    status BLOB, status_at_ms INTEGER, UNIQUE (gateway, epoch)
);
CREATE TABLE received (stream INTEGER, first INTEGER, last INTEGER, PRIMARY KEY (stream, first)) WITHOUT ROWID;
CREATE TABLE gaps (stream INTEGER, first INTEGER, last INTEGER, PRIMARY KEY (stream, first, last)) WITHOUT ROWID;
CREATE TABLE frames (
    id INTEGER PRIMARY KEY, unit INTEGER NOT NULL, measured_at_ms INTEGER NOT NULL, until_ms INTEGER NOT NULL,
    stream INTEGER NOT NULL, seq INTEGER NOT NULL, received_at_ms INTEGER NOT NULL, payload BLOB NOT NULL
);
CREATE INDEX frames_by_time ON frames (unit, measured_at_ms, until_ms);
CREATE INDEX frames_by_identity ON frames (stream, seq);
CREATE INDEX frames_by_arrival ON frames (received_at_ms);
CREATE TABLE minutes (
    unit INTEGER, start_at_ms INTEGER, layout INTEGER, received_at_ms INTEGER, part BLOB,
    PRIMARY KEY (unit, start_at_ms, layout)
) WITHOUT ROWID;
CREATE INDEX minutes_by_arrival ON minutes (received_at_ms);
CREATE TABLE hours (
    unit INTEGER, start_at_ms INTEGER, layout INTEGER, received_at_ms INTEGER, part BLOB,
    PRIMARY KEY (unit, start_at_ms, layout)
) WITHOUT ROWID;
CREATE INDEX hours_by_arrival ON hours (received_at_ms);
CREATE TABLE health (
    unit INTEGER, measured_at_ms INTEGER, received_at_ms INTEGER, body BLOB, PRIMARY KEY (unit, measured_at_ms)
) WITHOUT ROWID;
CREATE INDEX health_by_arrival ON health (received_at_ms);
"""


class Database:
    """One writer at a time; readers do not wait for it (WAL). Its ids are given out within `transaction` only."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            HistoryError: it cannot be opened, or a newer version wrote it.
        """
        self._path = path
        self._writing = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._connect()
            self._make_tables()
            self.units: dict[str, int] = dict(self._writer.execute("SELECT key, id FROM units"))
            self.layouts: dict[int, Layout] = {
                unsigned(id_): _LAYOUT.decode(body)
                for id_, body in self._writer.execute("SELECT id, body FROM layouts")
            }
            self.streams: dict[tuple[str, int], int] = {
                (gateway, unsigned(epoch)): stream
                for stream, gateway, epoch in self._writer.execute("SELECT id, gateway, epoch FROM streams")
            }
        except (OSError, sqlite3.Error) as error:
            raise HistoryError(f"history {path}: cannot be opened: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        with self._writing:
            for connection in (*self._idle, self._writer):
                connection.close()
            self._idle.clear()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        # An acknowledgement may follow the commit: it must survive a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.create_function("add_parts", 2, add_bytes, deterministic=True)
        return connection

    def _make_tables(self) -> None:
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise HistoryError(
                f"history {self._path}: has schema {version}, expected at most {SCHEMA_VERSION}; a newer version wrote it"
            )
        if version == 0:
            self._writer.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; ids that were given out in a transaction that failed are forgotten."""
        with self._writing:
            before = (dict(self.units), dict(self.layouts), dict(self.streams))
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                self.units, self.layouts, self.streams = before
                if isinstance(error, sqlite3.Error):
                    raise HistoryError(f"history {self._path}: nothing was stored: {error}") from error
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that no other thread uses meanwhile."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            yield connection
        except sqlite3.Error as error:
            raise HistoryError(f"history {self._path}: cannot be read: {error}") from error
        finally:
            self._idle.append(connection)

    def store_layout(self, layout: Layout) -> None:
        """Keep a layout for good: frames that are stored need it to be read."""
        if layout.id not in self.layouts:
            values = (signed(layout.id), msgspec.json.encode(layout))
            self._writer.execute("INSERT OR IGNORE INTO layouts VALUES (?, ?)", values)
            self.layouts[layout.id] = layout

    def unit(self, key: str) -> int:
        """The number of a unit (`site/unit`), a new one if it has none."""
        unit = self.units.get(key)
        if unit is None:
            unit = self.units[key] = _new_id(self._writer.execute("INSERT INTO units (key) VALUES (?)", (key,)))
        return unit

    def stream(self, gateway: str, epoch: int) -> int:
        """The number of a gateway's epoch, a new one if it has none."""
        stream = self.streams.get((gateway, epoch))
        if stream is None:
            values = (gateway, signed(epoch))
            stream = _new_id(self._writer.execute("INSERT INTO streams (gateway, epoch) VALUES (?, ?)", values))
            self.streams[gateway, epoch] = stream
        return stream


def _new_id(cursor: sqlite3.Cursor) -> int:
    if cursor.lastrowid is None:
        raise HistoryError("history: an inserted row has no id")
    return cursor.lastrowid


def signed(value: int) -> int:
    """SQLite's integers are signed: the upper half of 64 bits is stored as negative numbers."""
    return value - (1 << 64) if value >> 63 else value


def unsigned(value: int) -> int:
    """What `signed` was given."""
    return value + (1 << 64) if value < 0 else value
