"""Opening the outbox: a damaged or foreign file is set aside, never repaired in place, and its loss is told."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

from edge.outbox import Outbox, OutboxError

# A whole check of a small file takes milliseconds; a large one would delay the start: its pages are checked when read.
_CHECKED_BYTES_MAX = 32 * 1024 * 1024
_ASIDE_FILES_MAX = 2
_SUFFIXES = ("", "-wal", "-shm")


class Loss(NamedTuple):
    """A store that was given up. `epoch` is 0 when it could not even be told which one; seqs that may be lost otherwise."""

    cause: str
    epoch: int
    first: int
    last: int


class Opened(NamedTuple):
    """A store that can be used, and what was lost to get there, if anything."""

    outbox: Outbox
    loss: Loss | None


def boot_id() -> int:
    """A number for this run of the machine; 0 where the system tells none."""
    with contextlib.suppress(OSError):
        text = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        return int.from_bytes(hashlib.sha256(text).digest()[:6], "big") + 1
    return 0


def boottime_ms() -> int:
    """Milliseconds since the machine started, sleep included: no setting of the clock moves it."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


def is_damage(error: Exception) -> bool:
    """Whether this error means that the file itself is damaged, rather than full, locked or unreadable for now."""
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _code(error: Exception) -> int:
    """SQLite's primary code of an error; 0 for one that is not SQLite's."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def open_outbox(path: Path, size_bytes_max: int, wall_ms: int) -> Opened:
    """The store at this path; made anew where there is none or where it is damaged.

    Args:
        path: Its file; the folder is made if need be.
        size_bytes_max: Quota.
        wall_ms: For the name of a file that is set aside.

    Raises:
        OutboxError: the folder cannot be written, or another agent has the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Opened(_open(path, size_bytes_max), None)
    except sqlite3.Error as error:
        # A table that is not there is told as a plain error; a file that cannot be written can still be moved.
        if not is_damage(error) and _code(error) not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_ERROR):
            raise OutboxError(_why(path, error)) from error
        cause = f"outbox {path}: {error}"
    except OutboxError as error:
        cause = f"{error} [{path}]"
    except OSError as error:
        raise OutboxError(f"outbox {path}: cannot be made: {error.strerror}; choose another outbox.path") from error
    return start_over(path, size_bytes_max, wall_ms, cause)


def start_over(path: Path, size_bytes_max: int, wall_ms: int, cause: str) -> Opened:
    """Set the file aside and begin a new one, in a new epoch.

    Raises:
        OutboxError: the file cannot be moved, or no new one can be made.
    """
    loss = _account(path, cause)
    try:
        for suffix in _SUFFIXES:
            here = Path(f"{path}{suffix}")
            if here.exists():
                here.rename(f"{path}.lost-{wall_ms}{suffix}")
        for old in sorted(path.parent.glob(f"{path.name}.lost-*"), reverse=True)[_ASIDE_FILES_MAX * len(_SUFFIXES) :]:
            old.unlink()
        return Opened(_open(path, size_bytes_max), loss)
    except (sqlite3.Error, OSError) as error:
        raise OutboxError(f"outbox {path}: {cause}; and no new one can be made: {error}") from error


def _open(path: Path, size_bytes_max: int) -> Outbox:
    database = sqlite3.connect(path, isolation_level=None, timeout=2)
    try:
        outbox = Outbox(database, size_bytes_max, boot_id())
        if path.stat().st_size <= _CHECKED_BYTES_MAX:
            verdict = database.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise OutboxError(f"outbox is damaged: {verdict}")
        # The ends of the table are read once, so that a file cut short is found now and not in the middle of a send.
        database.execute("SELECT seq, payload FROM frames ORDER BY seq LIMIT 1").fetchall()
        database.execute("SELECT seq, payload FROM frames ORDER BY seq DESC LIMIT 1").fetchall()
    except BaseException:
        database.close()
        raise
    return outbox


def _why(path: Path, error: sqlite3.Error) -> str:
    if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"outbox {path}: another agent has it open; give each agent its own outbox.path"
    return f"outbox {path}: {error}; check the folder's rights and the free space"


def _account(path: Path, cause: str) -> Loss:
    """What a damaged store still says of itself. The ledger takes off what did arrive, so the range may be too wide."""
    lost = Loss(cause, 0, 0, 0)
    with contextlib.suppress(sqlite3.Error, TypeError, ValueError, KeyError):
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, timeout=0.2)
        with contextlib.closing(database):
            meta = dict(database.execute("SELECT key, value FROM meta").fetchall())
            lost = Loss(cause, int(meta["epoch"]), 1, int(meta["last_seq"]))
            oldest = database.execute("SELECT MIN(seq) FROM frames").fetchone()[0]
            lost = lost._replace(first=int(oldest) if oldest else lost.last + 1)
    return lost
