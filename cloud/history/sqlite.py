"""The embedded history: one SQLite file, the frames themselves in it, minute and hour means beside them.

What is stored of a frame is the frame, so that nothing is lost and `decode_batch` reads it back. A frame counts once: the
received seqs of each gateway and epoch are kept as ranges in the same transaction as the rows that they stand for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from cloud.history import HistoryError, LatestUnit, Resolution, StoredStatus, Traces
from cloud.history.database import Database, signed, unsigned
from cloud.history.minutes import HOUR_MS, MINUTE_MS, means_of, parts_of, to_bytes
from cloud.history.traces import Piece, pieces_of_frames, to_traces
from cloud.ledger import EpochRecord, StoredFrame
from cloud.ranges import SeqSet
from cloud.settings import HistorySettings
from models.contracts.codec import decode_batch, pack
from models.contracts.frame import FrameBatch, Quality
from models.contracts.layout import Layout
from models.contracts.messages import GatewayStatus, Health, LayoutMessage, encode_json

# Raw samples of a day at one frame a minute are 1,440 frames; who asks for more than a month wants means.
FRAMES_READ_MAX = 50_000
DAY_MS = 86_400_000

_ADD_PART = "INSERT INTO {table} VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET part = add_parts(part, excluded.part)"
_STEPS = {"1m": ("minutes", MINUTE_MS), "1h": ("hours", HOUR_MS)}
_HEALTH = msgspec.json.Decoder(Health)
_STATUS = msgspec.json.Decoder(GatewayStatus)
_LAYOUT = msgspec.json.Decoder(Layout)
_LAYOUT_MESSAGE = msgspec.json.Decoder(LayoutMessage)


class SqliteHistory:
    """History in one file. One writer at a time; readers do not wait for it (WAL)."""

    def __init__(self, path: Path, settings: HistorySettings) -> None:
        """Open or make the file.

        Raises:
            HistoryError: it cannot be opened, or a newer version wrote it.
        """
        self._settings = settings
        self._db = Database(path)
        self._received: dict[int, SeqSet] = {}
        with self._db.reading() as reader:
            for stream, first, last in reader.execute(
                "SELECT stream, first, last FROM received ORDER BY stream, first"
            ):
                self._received.setdefault(stream, SeqSet()).add_range(unsigned(first), unsigned(last))

    def write_frames(self, batches: Sequence[FrameBatch], received_at_ms: int) -> list[StoredFrame]:
        """As `History.write_frames`."""
        result: list[StoredFrame] = []
        added: dict[int, SeqSet] = {}
        duplicates: dict[int, int] = {}
        with self._db.transaction() as writer:
            for batch in batches:
                fresh = self._recognise(batch, added, duplicates, result)
                if fresh:
                    self._insert(writer, batch, fresh, received_at_ms)
            self._count(writer, result, duplicates, received_at_ms)
            merged = {stream: self._merge(writer, stream, seqs) for stream, seqs in added.items()}
        self._received.update(merged)
        return result

    def _recognise(
        self,
        batch: FrameBatch,
        added: dict[int, SeqSet],
        duplicates: dict[int, int],
        result: list[StoredFrame],
    ) -> list[int]:
        """Rows of a batch that are not stored yet; says of every row what it is."""
        fresh: list[int] = []
        identities = zip(
            batch.gateways, batch.epoch.tolist(), batch.seq.tolist(), batch.historical.tolist(), strict=True
        )
        for row, (gateway, epoch, seq, historical) in enumerate(identities):
            stream = self._db.stream(gateway, epoch)
            known = self._received.get(stream)
            duplicate = (known is not None and seq in known) or not added.setdefault(stream, SeqSet()).add(seq)
            if duplicate:
                duplicates[stream] = duplicates.get(stream, 0) + 1
            else:
                fresh.append(row)
            result.append(StoredFrame(gateway, epoch, seq, historical, duplicate))
        return fresh

    def _insert(self, writer: sqlite3.Connection, batch: FrameBatch, rows: list[int], received_at_ms: int) -> None:
        """Frames, minutes and hours of some rows of a batch."""
        layout = batch.layout
        self._db.store_layout(layout)
        units = [self._db.unit(batch.units[row]) for row in rows]
        until_ms = batch.measured_at_ms + batch.n * batch.interval_ms
        writer.executemany(
            "INSERT INTO frames (unit, measured_at_ms, until_ms, stream, seq, received_at_ms, payload)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    unit,
                    int(batch.measured_at_ms[row]),
                    int(until_ms[row]),
                    self._db.streams[batch.gateways[row], int(batch.epoch[row])],
                    signed(int(batch.seq[row])),
                    received_at_ms,
                    pack(batch.headers[row]),
                )
                for unit, row in zip(units, rows, strict=True)
            ),
        )
        for table, step_ms in _STEPS.values():
            parts = parts_of(batch, rows, step_ms)
            writer.executemany(
                _ADD_PART.format(table=table),
                (
                    (units[row], start_at_ms, signed(layout.id), received_at_ms, to_bytes(sums, counts))
                    for row, start_at_ms, sums, counts in zip(
                        parts.row.tolist(), parts.start_at_ms.tolist(), parts.sums, parts.counts, strict=True
                    )
                ),
            )

    def _count(
        self, writer: sqlite3.Connection, result: list[StoredFrame], duplicates: dict[int, int], received_at_ms: int
    ) -> None:
        late: dict[int, int] = {}
        for gateway, epoch, _, historical, duplicate in result:
            stream = self._db.streams[gateway, epoch]
            late[stream] = late.get(stream, 0) + (historical and not duplicate)
        writer.executemany(
            "UPDATE streams SET late = late + ?, duplicate = duplicate + ?, last_seen_at_ms = max(last_seen_at_ms, ?)"
            " WHERE id = ?",
            [(count, duplicates.get(stream, 0), received_at_ms, stream) for stream, count in late.items()],
        )

    def _merge(self, writer: sqlite3.Connection, stream: int, added: SeqSet) -> SeqSet:
        """Store the ranges that these seqs make with those received before; the received ones with them."""
        merged = SeqSet(self._received.get(stream, ()))
        for first, last in added:
            merged.add_range(first, last)
        for first, _ in added:
            whole = tuple(signed(end) for end in merged.range_of(first))
            writer.execute("DELETE FROM received WHERE stream = ? AND first BETWEEN ? AND ?", (stream, *whole))
            writer.execute("INSERT OR REPLACE INTO received VALUES (?, ?, ?)", (stream, *whole))
        return merged

    def write_layouts(self, layouts: Sequence[LayoutMessage]) -> None:
        """As `History.write_layouts`."""
        with self._db.transaction() as writer:
            for message in layouts:
                unit = self._db.unit(f"{message.site}/{message.unit}")
                self._db.store_layout(message.layout)
                writer.execute("UPDATE units SET layout = ? WHERE id = ?", (encode_json(message), unit))

    def write_gateways(self, statuses: Sequence[StoredStatus]) -> None:
        """As `History.write_gateways`."""
        with self._db.transaction() as writer:
            for status, received_at_ms in statuses:
                stream = self._db.stream(f"{status.site}/{status.gateway}", status.epoch)
                writer.execute(
                    "UPDATE streams SET status = ?, status_at_ms = ?, last_seen_at_ms = max(last_seen_at_ms, ?)"
                    " WHERE id = ?",
                    (encode_json(status), received_at_ms, received_at_ms, stream),
                )
                gaps = [(stream, signed(gap.first), signed(gap.last)) for gap in status.gaps]
                writer.executemany("INSERT OR IGNORE INTO gaps VALUES (?, ?, ?)", gaps)

    def write_health(self, health: Sequence[Health], received_at_ms: int) -> None:
        """As `History.write_health`."""
        with self._db.transaction() as writer:
            writer.executemany(
                "INSERT OR REPLACE INTO health VALUES (?, ?, ?, ?)",
                [
                    (self._db.unit(f"{one.site}/{one.unit}"), one.measured_at_ms, received_at_ms, encode_json(one))
                    for one in health
                ],
            )

    def traces(
        self, unit_key: str, points: Sequence[str], from_ms: int, to_ms: int, resolution: Resolution = "raw"
    ) -> Traces:
        """As `History.traces`.

        Raises:
            HistoryError: more raw samples than anybody can look at.
        """
        unit = self._db.units.get(unit_key, -1)
        if resolution == "raw":
            return to_traces(self._raw(unit, from_ms, to_ms), points, from_ms, to_ms)
        table, step_ms = _STEPS[resolution]
        from_ms -= from_ms % step_ms
        return to_traces(self._means(unit, from_ms, to_ms, table, step_ms), points, from_ms, to_ms)

    def _raw(self, unit: int, from_ms: int, to_ms: int) -> list[Piece]:
        with self._db.reading() as reader:
            payloads = [
                payload
                for (payload,) in reader.execute(
                    "SELECT payload FROM frames WHERE unit = ? AND measured_at_ms < ? AND until_ms > ?"
                    " ORDER BY measured_at_ms LIMIT ?",
                    (unit, to_ms, from_ms, FRAMES_READ_MAX + 1),
                )
            ]
        if len(payloads) > FRAMES_READ_MAX:
            raise HistoryError(
                f"raw samples of more than {FRAMES_READ_MAX} frames; ask for a shorter time, or for means"
            )
        return pieces_of_frames(decode_batch(payloads, self._db.layouts).batches)

    def _means(self, unit: int, from_ms: int, to_ms: int, table: str, step_ms: int) -> list[Piece]:
        by_layout: dict[int, tuple[list[int], list[bytes]]] = {}
        with self._db.reading() as reader:
            rows = reader.execute(
                f"SELECT start_at_ms, layout, part FROM {table}"  # noqa: S608, a name from the table above
                " WHERE unit = ? AND start_at_ms >= ? AND start_at_ms < ? ORDER BY start_at_ms",
                (unit, from_ms, to_ms),
            )
            for start_at_ms, layout_id, part in rows:
                at_ms, parts = by_layout.setdefault(layout_id, ([], []))
                at_ms.append(start_at_ms)
                parts.append(part)
        return [
            Piece(
                layout=(layout := self._db.layouts[unsigned(layout_id)]),
                at_ms=np.array(at_ms, dtype=np.int64),
                step_ms=np.full(len(at_ms), step_ms, dtype=np.int64),
                values=means_of(parts, len(layout.channels)),
                quality=None,
            )
            for layout_id, (at_ms, parts) in by_layout.items()
        ]

    def health(self, unit_key: str, from_ms: int, to_ms: int) -> list[Health]:
        """As `History.health`."""
        with self._db.reading() as reader:
            rows = reader.execute(
                "SELECT body FROM health WHERE unit = ? AND measured_at_ms >= ? AND measured_at_ms < ?"
                " ORDER BY measured_at_ms",
                (self._db.units.get(unit_key, -1), from_ms, to_ms),
            )
            return [_HEALTH.decode(body) for (body,) in rows]

    def layouts(self) -> dict[int, Layout]:
        """As `History.layouts`."""
        return dict(self._db.layouts)

    def latest(self) -> list[LatestUnit]:
        """As `History.latest`."""
        found: list[LatestUnit] = []
        with self._db.reading() as reader:
            for unit, body in reader.execute(
                "SELECT id, layout FROM units WHERE layout IS NOT NULL ORDER BY key"
            ).fetchall():
                frame = reader.execute(
                    "SELECT payload FROM frames WHERE unit = ? ORDER BY measured_at_ms DESC LIMIT 1", (unit,)
                ).fetchone()
                health = reader.execute(
                    "SELECT body FROM health WHERE unit = ? ORDER BY measured_at_ms DESC LIMIT 1", (unit,)
                ).fetchone()
                measured_at_ms, values = (None, {}) if frame is None else self._newest(frame[0])
                found.append(
                    LatestUnit(
                        layout=_LAYOUT_MESSAGE.decode(body),
                        measured_at_ms=measured_at_ms,
                        values=values,
                        health=None if health is None else _HEALTH.decode(health[0]),
                    )
                )
        return found

    def _newest(self, payload: bytes) -> tuple[int, dict[str, float | None]]:
        """Time and values of a frame's last sample; None where it is not good."""
        (batch,) = decode_batch([payload], self._db.layouts).batches
        values = batch.values[0, :, -1]
        if batch.quality is not None:
            values = np.where(batch.quality[0, :, -1] == Quality.GOOD, values, np.float32(np.nan))
        newest = {
            point: None if np.isnan(value) else float(value)
            for point, value in zip(batch.layout.points, values, strict=True)
        }
        return int(batch.measured_at_ms[0] + (batch.n - 1) * batch.interval_ms[0]), newest

    def gateways(self) -> list[StoredStatus]:
        """As `History.gateways`."""
        with self._db.reading() as reader:
            rows = reader.execute(
                "SELECT status, status_at_ms FROM streams WHERE status IS NOT NULL ORDER BY status_at_ms, id"
            )
            return [StoredStatus(_STATUS.decode(status), at_ms) for status, at_ms in rows]

    def epochs(self) -> list[EpochRecord]:
        """As `History.epochs`."""
        with self._db.reading() as reader:
            gaps: dict[int, list[tuple[int, int]]] = {}
            for stream, first, last in reader.execute("SELECT stream, first, last FROM gaps"):
                gaps.setdefault(stream, []).append((unsigned(first), unsigned(last)))
            rows = reader.execute(
                "SELECT id, gateway, epoch, duplicate, late, last_seen_at_ms FROM streams ORDER BY id"
            )
            return [
                EpochRecord(
                    gateway=gateway,
                    epoch=unsigned(epoch),
                    received=tuple(self._received.get(stream, ())),
                    gaps=tuple(gaps.get(stream, ())),
                    duplicate=duplicate,
                    late=late,
                    last_seen_at_ms=last_seen_at_ms,
                )
                for stream, gateway, epoch, duplicate, late, last_seen_at_ms in rows
            ]

    def double_counted(self) -> dict[tuple[str, int], int]:
        """As `History.double_counted`."""
        with self._db.reading() as reader:
            rows = reader.execute(
                "SELECT gateway, epoch, sum(n - 1) FROM"
                " (SELECT stream, count(*) AS n FROM frames GROUP BY stream, seq HAVING n > 1)"
                " JOIN streams ON streams.id = stream GROUP BY stream"
            )
            return {(gateway, unsigned(epoch)): count for gateway, epoch, count in rows}

    def prune(self, now_ms: int) -> int:
        """As `History.prune`."""
        keep = {
            "frames": self._settings.raw_days,
            "minutes": self._settings.minute_days,
            "hours": self._settings.hour_days,
            "health": self._settings.health_days,
        }
        with self._db.transaction() as writer:
            return sum(
                writer.execute(
                    f"DELETE FROM {table} WHERE received_at_ms < ?",  # noqa: S608, names from above
                    (now_ms - days * DAY_MS,),
                ).rowcount
                for table, days in keep.items()
            )

    def close(self) -> None:
        """As `History.close`."""
        self._db.close()
