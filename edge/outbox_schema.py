"""Tables, pragmas and rows of the outbox: what is on the disk. The statements that use them are in outbox.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from models.contracts.messages import Gap, SeqRange

SCHEMA_VERSION = 1
APPLICATION_ID = 0x506C656E
PAGE_BYTES = 4096

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE frames (seq INTEGER PRIMARY KEY, unit TEXT NOT NULL, measured_at_ms INTEGER NOT NULL,"
        " stored_at_ms INTEGER NOT NULL, payload BLOB NOT NULL)"
    ),
    "CREATE TABLE units (unit TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE gaps (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, reason TEXT NOT NULL)",
    "CREATE TABLE aside (seq INTEGER PRIMARY KEY, unit TEXT NOT NULL, payload BLOB NOT NULL)",
    (
        "CREATE TABLE messages (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, unit TEXT NOT NULL,"
        " payload BLOB NOT NULL)"
    ),
    (
        "CREATE TABLE layouts (id INTEGER PRIMARY KEY AUTOINCREMENT, unit TEXT NOT NULL, first_seq INTEGER NOT NULL,"
        " payload BLOB NOT NULL)"
    ),
    "CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
)
PRAGMAS = (
    # Exclusive: two agents on one store would give out the same seqs. The rest is what FAULTS.md measured.
    "PRAGMA locking_mode=EXCLUSIVE",
    f"PRAGMA page_size={PAGE_BYTES}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA journal_size_limit=8388608",
    "PRAGMA cache_size=-2048",
)

MessageKind = Literal["alert", "status"]
Encode = Callable[[int, int, int], bytes]  # epoch, seq, prior_seq


class Database(Protocol):
    """What the store needs of a connection in autocommit: sqlite3's and apsw's both have it."""

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run one statement; the result has `fetchone` and `fetchall`."""

    def executemany(self, sql: str, parameters: Any, /) -> Any:
        """Run one statement for each of these parameters."""

    def close(self) -> None:
        """Let go of the file."""


class Draft(NamedTuple):
    """A frame that has no number yet; `encode` makes its bytes when it gets one."""

    unit: str
    measured_at_ms: int
    encode: Encode


class StoredFrame(NamedTuple):
    """A frame of the store."""

    seq: int
    unit: str
    payload: bytes


class StoredMessage(NamedTuple):
    """An alert, or the closing account of a lost store."""

    id: int
    kind: MessageKind
    unit: str
    payload: bytes


class StoredLayout(NamedTuple):
    """A layout of a unit. `newest` is false for one that only frames of the backlog still need."""

    unit: str
    payload: bytes
    newest: bool


class Counts(NamedTuple):
    """What a heartbeat says of the store, all of one moment."""

    epoch: int
    last_seq: int
    backlog: int
    oldest_at_ms: int | None
    gaps: tuple[Gap, ...]


def ranges_of(seqs: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending seqs as ranges, both ends included."""
    ranges: list[tuple[int, int]] = []
    for seq in seqs:
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    return ranges


def merged(ranges: Iterable[SeqRange], last_seq: int) -> list[tuple[int, int]]:
    """Ranges in order and within 1 to `last_seq`, those that touch made one: what was acknowledged singly goes together."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted((max(part.first, 1), min(part.last, last_seq)) for part in ranges):
        if first > last:
            continue
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined
