"""The store on disk: frames are in it before anything is sent, and leave it only when the cloud says that it has them.

    store ──▶ | backfill | live |  ──publish──▶  ack of exactly these seqs ──▶ deleted
              seq 41 ... 970   971 ... 1003      quota: the oldest go first, each in a gap record; alerts last of all

Promises: seqs of an epoch count up by one, without a hole; what was committed survives a power cut (WAL, synchronous=FULL,
several frames a commit); only an acknowledgement of this epoch, the quota or ten unanswered sends take a frame out, and the
last two leave an exact record. Not promised: that a frame is sent only once; receivers know it by (gateway, epoch, seq).

Alerts and layouts lie here too. They carry no seq: an alert is sent until the broker took it, and sent again it changes
nothing, since its id is made of what it says; the frames that prove it are acknowledged end to end anyway.

All statements run on any connection that has sqlite3's `execute`, so that the tests can run the very same code on a disk
that loses power.
"""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from edge.outbox_schema import (
    APPLICATION_ID,
    PAGE_BYTES,
    PRAGMAS,
    SCHEMA_VERSION,
    TABLES,
    Counts,
    Database,
    Draft,
    MessageKind,
    StoredFrame,
    StoredLayout,
    StoredMessage,
    merged,
    ranges_of,
)
from models.contracts.messages import Gap, SeqRange

# Part of the quota for frames; the rest is room for deletions, gap records and alerts when the frames fill theirs.
_FRAMES_FRACTION = 0.9
_MESSAGES_MAX = 10_000
_ASIDE_MAX = 200
_DROP_AT_LEAST = 16


class OutboxError(RuntimeError):
    """A store that cannot be used as it is."""


class Outbox:
    """The store, on an open connection. One thread only; every change inside `with outbox.transaction():`."""

    def __init__(self, database: Database, size_bytes_max: int, boot_id: int) -> None:
        """Take over a store, or make a new one in an empty file.

        Args:
            database: A connection in autocommit.
            size_bytes_max: Quota of the file.
            boot_id: Names this run of the machine: frames of an earlier one are a backlog, however old they are.

        Raises:
            OutboxError: the file has a schema that this release does not know.
        """
        self._db = database
        for pragma in PRAGMAS:
            database.execute(pragma).fetchall()
        self._pages_max = size_bytes_max // PAGE_BYTES
        database.execute(f"PRAGMA max_page_count={self._pages_max}").fetchall()
        version = self._number("PRAGMA user_version")
        if version == 0 and not self._number("SELECT COUNT(*) FROM sqlite_master"):
            self._create(boot_id)
        elif version != SCHEMA_VERSION or self._number("PRAGMA application_id") != APPLICATION_ID:
            raise OutboxError(f"outbox has schema {version}, expected {SCHEMA_VERSION}")
        meta = dict(database.execute("SELECT key, value FROM meta").fetchall())
        if not meta.keys() >= {"epoch", "last_seq", "backlog", "boot_id"}:
            raise OutboxError(
                f"outbox says only {sorted(meta)} of itself, expected epoch, last_seq, backlog and boot_id"
            )
        self.epoch: int = meta["epoch"]
        self.last_seq: int = meta["last_seq"]
        self.backlog: int = meta["backlog"]
        self._prior: dict[str, int] = dict(database.execute("SELECT unit, seq FROM units").fetchall())
        # Frames from here on are live; those before came to be too old.
        self.live_from = 1
        if meta["boot_id"] != boot_id:
            self.live_from = self.last_seq + 1
            database.execute("UPDATE meta SET value = ? WHERE key = 'boot_id'", (boot_id,)).fetchall()

    def _create(self, boot_id: int) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        for statement in TABLES:
            self._db.execute(statement)
        # 52 bits, so that every reader of JSON can hold it.
        epoch = secrets.randbelow(2**52 - 1) + 1
        rows = [("epoch", epoch), ("last_seq", 0), ("backlog", 0), ("boot_id", boot_id)]
        self._db.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", rows)
        self._db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self._db.execute("COMMIT")

    def _number(self, sql: str, parameters: Sequence[object] = ()) -> int:
        row = self._db.execute(sql, parameters).fetchone()
        return int(row[0]) if row and row[0] is not None else 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is on the disk when it ends, or nothing of it."""
        before = (self.last_seq, self.backlog, dict(self._prior))
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'last_seq'", (self.last_seq,))
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'backlog'", (self.backlog,))
            self._db.execute("COMMIT")
        except BaseException as error:
            self.last_seq, self.backlog, self._prior = before
            try:
                self._db.execute("ROLLBACK")
            except Exception as second:  # noqa: BLE001 - of whichever library; the first error is the one that counts
                error.add_note(f"and the rollback failed: {second}")
            raise

    def store(self, drafts: Iterable[Draft], stored_at_ms: int) -> list[int]:
        """Number frames and keep them; inside a transaction.

        Args:
            drafts: In the order in which they are to be sent.
            stored_at_ms: Milliseconds since the machine started: ages are told by it, whatever the clock does.

        Returns:
            Their seqs.
        """
        rows: list[tuple[int, str, int, int, bytes]] = []
        for draft in drafts:
            self.last_seq += 1
            payload = draft.encode(self.epoch, self.last_seq, self._prior.get(draft.unit, 0))
            self._prior[draft.unit] = self.last_seq
            rows.append((self.last_seq, draft.unit, draft.measured_at_ms, stored_at_ms, payload))
        # A frame takes its own bytes, those of its row, and what is left over of its last page.
        pages = sum((len(row[4]) + 100) // PAGE_BYTES + 1 for row in rows)
        self._make_room(pages)
        self._db.executemany(
            "INSERT INTO frames (seq, unit, measured_at_ms, stored_at_ms, payload) VALUES (?, ?, ?, ?, ?)", rows
        )
        units = {row[1]: row[0] for row in rows}
        self._db.executemany("INSERT OR REPLACE INTO units (unit, seq) VALUES (?, ?)", list(units.items()))
        self.backlog += len(rows)
        return [row[0] for row in rows]

    def give_up(self, drafts: Sequence[Draft]) -> None:
        """Number frames that could not be kept, and record them as lost; inside a transaction."""
        first = self.last_seq + 1
        for draft in drafts:
            self.last_seq += 1
            self._prior[draft.unit] = self.last_seq
            self._db.execute("INSERT OR REPLACE INTO units (unit, seq) VALUES (?, ?)", (draft.unit, self.last_seq))
        if self.last_seq >= first:
            self._record_gap(first, self.last_seq, "quota")

    def _make_room(self, pages: int) -> None:
        """Drop the oldest until so many pages are free: what was set aside, then backfill, then live, never alerts."""
        limit = int(self._pages_max * _FRAMES_FRACTION)
        for _ in range(1000):
            used = self._number("PRAGMA page_count") - self._number("PRAGMA freelist_count")
            short = used + pages - limit
            if short <= 0:
                return
            if self._number("SELECT COUNT(*) FROM aside"):
                self._db.execute("DELETE FROM aside")
                continue
            oldest = self._db.execute(
                "SELECT seq FROM frames ORDER BY seq LIMIT ?", (max(short, _DROP_AT_LEAST),)
            ).fetchall()
            if not oldest:
                return
            self._drop([row[0] for row in oldest], "quota")

    def _drop(self, seqs: Sequence[int], reason: Literal["quota", "set_aside"]) -> None:
        """Take frames out that the cloud does not have, and record exactly these."""
        for first, last in ranges_of(seqs):
            self._db.execute("DELETE FROM frames WHERE seq BETWEEN ? AND ?", (first, last))
            self._record_gap(first, last, reason)
        self.backlog -= len(seqs)

    def _record_gap(self, first: int, last: int, reason: str) -> None:
        before = self._db.execute(
            "SELECT first FROM gaps WHERE last = ? AND reason = ?", (first - 1, reason)
        ).fetchone()
        if before:
            self._db.execute("UPDATE gaps SET last = ? WHERE first = ?", (last, before[0]))
        else:
            self._db.execute("INSERT INTO gaps (first, last, reason) VALUES (?, ?, ?)", (first, last, reason))

    def set_aside(self, seqs: Sequence[int]) -> int:
        """Stop sending frames that nobody takes, and report them; the newest are kept for a person to look at."""
        marks = [(seq,) for seq in seqs]
        present = [seq for seq in seqs if self._number("SELECT COUNT(*) FROM frames WHERE seq = ?", (seq,))]
        self._db.executemany(
            "INSERT OR REPLACE INTO aside (seq, unit, payload) SELECT seq, unit, payload FROM frames WHERE seq = ?",
            marks,
        )
        self._drop(sorted(present), "set_aside")
        self._db.execute(
            "DELETE FROM aside WHERE seq NOT IN (SELECT seq FROM aside ORDER BY seq DESC LIMIT ?)", (_ASIDE_MAX,)
        )
        return len(present)

    def acknowledge(self, epoch: int, ranges: Iterable[SeqRange]) -> int:
        """Delete exactly these frames; an acknowledgement of another epoch deletes nothing. Inside a transaction.

        Returns:
            How many were deleted.
        """
        if epoch != self.epoch:
            return 0
        deleted = 0
        for first, last in merged(ranges, self.last_seq):
            self._db.execute("DELETE FROM frames WHERE seq BETWEEN ? AND ?", (first, last))
            deleted += self._number("SELECT changes()")
            self._db.execute("DELETE FROM aside WHERE seq BETWEEN ? AND ?", (first, last))
        self.backlog -= deleted
        return deleted

    def demote(self, stored_before_ms: int) -> int:
        """Let frames that were stored before this moment be a backlog; the first seq that is live."""
        row = self._db.execute(
            "SELECT seq FROM frames WHERE seq >= ? AND stored_at_ms >= ? ORDER BY seq LIMIT 1",
            (self.live_from, stored_before_ms),
        ).fetchone()
        self.live_from = int(row[0]) if row else self.last_seq + 1
        return self.live_from

    def frames(self, first: int, last: int, limit: int) -> list[StoredFrame]:
        """The oldest frames with seqs from `first` to `last`, at most `limit`."""
        rows = self._db.execute(
            "SELECT seq, unit, payload FROM frames WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?", (first, last, limit)
        ).fetchall()
        return [StoredFrame(*row) for row in rows]

    def add_message(self, kind: MessageKind, unit: str, payload: bytes) -> None:
        """Keep an alert until the broker has it; inside a transaction."""
        self._db.execute("INSERT INTO messages (kind, unit, payload) VALUES (?, ?, ?)", (kind, unit, payload))
        self._db.execute("DELETE FROM messages WHERE id <= (SELECT MAX(id) FROM messages) - ?", (_MESSAGES_MAX,))

    def messages(self, after: int, limit: int) -> list[StoredMessage]:
        """Alerts that the broker does not have yet, the oldest first."""
        rows = self._db.execute(
            "SELECT id, kind, unit, payload FROM messages WHERE id > ? ORDER BY id LIMIT ?", (after, limit)
        ).fetchall()
        return [StoredMessage(*row) for row in rows]

    def drop_messages(self, ids: Iterable[int]) -> None:
        """The broker has these alerts; inside a transaction."""
        self._db.executemany("DELETE FROM messages WHERE id = ?", [(number,) for number in ids])

    def set_layout(self, unit: str, payload: bytes) -> bool:
        """Say which layout the unit's next frames have; False if it had it already. Inside a transaction."""
        newest = self._db.execute(
            "SELECT payload FROM layouts WHERE unit = ? ORDER BY id DESC LIMIT 1", (unit,)
        ).fetchone()
        if newest and bytes(newest[0]) == payload:
            return False
        self._db.execute(
            "INSERT INTO layouts (unit, first_seq, payload) VALUES (?, ?, ?)", (unit, self.last_seq + 1, payload)
        )
        return True

    def layouts(self, units: Container[str], *, only: bool = False) -> list[StoredLayout]:
        """Layouts that are needed to read what the store holds or will hold, each unit's in order of use.

        Args:
            units: Those that exist now, whose newest layout is always needed.
            only: Leave out all other units, even if frames of theirs wait.
        """
        oldest = self._number("SELECT MIN(seq) FROM frames") or self.last_seq + 1
        rows = self._db.execute("SELECT unit, first_seq, payload FROM layouts ORDER BY unit, id").fetchall()
        found = []
        for (unit, _, payload), following in zip(rows, [*rows[1:], ("", 0, b"")], strict=True):
            if only and unit not in units:
                continue
            newest = following[0] != unit
            waiting = self._prior.get(unit, 0) >= oldest
            if (newest and (waiting or unit in units)) or (not newest and following[1] > oldest):
                found.append(StoredLayout(unit, bytes(payload), newest))
        return found

    def save_state(self, key: str, value: bytes) -> None:
        """Keep what the detector knows; inside a transaction."""
        self._db.execute("INSERT OR REPLACE INTO state (key, value) VALUES (?, ?)", (key, value))

    def state(self, key: str) -> bytes | None:
        """What was kept under this key."""
        row = self._db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
        return bytes(row[0]) if row else None

    def counts(self, gaps_max: int = 1000) -> Counts:
        """The account of this moment, with the newest gap records."""
        oldest = self._db.execute("SELECT measured_at_ms FROM frames ORDER BY seq LIMIT 1").fetchone()
        rows = self._db.execute(
            "SELECT first, last, reason FROM gaps ORDER BY first DESC LIMIT ?", (gaps_max,)
        ).fetchall()
        return Counts(
            epoch=self.epoch,
            last_seq=self.last_seq,
            backlog=self.backlog,
            oldest_at_ms=int(oldest[0]) if oldest else None,
            gaps=tuple(Gap(*row) for row in reversed(rows)),
        )

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()
