"""Everything that is done with alerts: events come in, people act, receivers are told, lists are read.

A change and the notices of it are one transaction: whoever dies between them leaves neither or both. Methods are plain
functions that any thread may call; `run` is the sender and belongs to the event loop.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from sqlalchemy import and_, func, or_, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from cloud.alerts import lifecycle, outbox
from cloud.alerts.database import Database
from cloud.alerts.lifecycle import SEVERITY_RANK, Act, Alert, AlertError, State
from cloud.alerts.outbox import DeliveryTry, EndpointState
from cloud.alerts.sender import Sender
from cloud.alerts.tables import AlertRow, LogRow
from cloud.alerts.webhooks import Endpoint, body_of
from cloud.settings import AlertSettings
from models.contracts.clock import wall_ms
from models.contracts.messages import AlertEvent, encode_json

MONITOR = "monitor"
STATES: tuple[State, ...] = ("open", "acknowledged", "cleared")
PAGE_MAX = 200
NOTE_CHARACTERS_MAX = 2000
_ALERT = msgspec.json.Decoder(Alert)


class LogEntry(NamedTuple):
    """One line of an alert's history. `measured_at_ms` is the plant's time of what the monitor did."""

    kind: str
    by: str
    at_ms: int
    measured_at_ms: int | None
    note: str


class Page(NamedTuple):
    """A page of alerts, newest first; `next_cursor` is empty on the last."""

    alerts: list[Alert]
    next_cursor: str


class AlertService:
    """The alerts of a plant, in one database."""

    def __init__(
        self,
        database: Database | Path,
        endpoints: Sequence[Endpoint] = (),
        settings: AlertSettings | None = None,
        public_url: str = "",
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        """Open or make the database.

        Args:
            database: The database, or where its file is to be.
            endpoints: Receivers of webhooks.
            settings: Waits between tries.
            public_url: What links in messages begin with.
            now_ms: Wall time.
        """
        self.database = Database(database) if isinstance(database, Path) else database
        self._endpoints = tuple(endpoints)
        self._public_url = public_url.rstrip("/")
        self._listeners: list[Callable[[Alert], None]] = []
        self._now_ms = now_ms
        self._sender = Sender(self.database, self._endpoints, settings or AlertSettings(), now_ms)

    async def run(self) -> None:
        """Deliver notices until cancelled."""
        await self._sender.run()

    def listen(self, listener: Callable[[Alert], None]) -> None:
        """Call this after each change is stored, on the thread that made it; the live view of the dashboard does."""
        self._listeners.append(listener)

    def apply(self, event: AlertEvent) -> Alert:
        """Take an event into account; one that is known, or older than what is known, changes nothing."""
        return self.apply_all([event])[0]

    def apply_all(self, events: Iterable[AlertEvent]) -> list[Alert]:
        """Take events into account in one transaction; the alert after each."""
        now_ms = self._now_ms()
        results: list[Alert] = []
        changed: dict[str, Alert] = {}
        with self.database.writing() as session:
            for event in events:
                before = _load(session, event.alert_id)
                after = lifecycle.merge(before, event)
                if after != before:
                    self._store(session, before, after, now_ms)
                    changed[after.alert_id] = after
                if event.transition != "updated" or _escalates(before, after):
                    _log(session, event.alert_id, event.transition, MONITOR, now_ms, event.measured_at_ms, event.title)
                results.append(after)
        self._tell(changed.values())
        return results

    def acknowledge(self, alert_id: str, by: str, note: str = "") -> Alert:
        """A person has seen the alert.

        Raises:
            AlertError: no such alert, or it is acknowledged or cleared already.
        """
        return self._act(alert_id, "acknowledged", by, note, lifecycle.acknowledge)

    def clear(self, alert_id: str, by: str, note: str = "") -> Alert:
        """A person ends the alert's episode.

        Raises:
            AlertError: no such alert, or it is cleared already.
        """
        return self._act(alert_id, "cleared", by, note, lifecycle.clear)

    def _act(self, alert_id: str, kind: str, by: str, note: str, change: Callable[[Alert, Act], Alert]) -> Alert:
        if len(note) > NOTE_CHARACTERS_MAX:
            raise AlertError(
                "note_too_long", f"note has {len(note)} characters, expected at most {NOTE_CHARACTERS_MAX}"
            )
        now_ms = self._now_ms()
        with self.database.writing() as session:
            before = _load(session, alert_id)
            if before is None:
                raise AlertError("alert_unknown", f"alert {alert_id!r}: no such alert")
            after = change(before, Act(by, now_ms, note))
            self._store(session, before, after, now_ms)
            _log(session, alert_id, kind, by, now_ms, None, note)
        self._tell([after])
        return after

    def _store(self, session: Session, before: Alert | None, after: Alert, now_ms: int) -> None:
        """The row and the notices of one change, in the caller's transaction."""
        values = {
            "unit_key": after.unit_key,
            "state": after.state,
            "severity": after.content.severity,
            "opened_at_ms": after.opened_at_ms,
            "changed_at_ms": now_ms,
            "body": encode_json(after),
        }
        session.execute(
            insert(AlertRow)
            .values(alert_id=after.alert_id, **values)
            .on_conflict_do_update(index_elements=["alert_id"], set_=values)
        )
        told = lifecycle.notices(before, after)
        if not told or not self._endpoints:
            return
        disabled = outbox.disabled_endpoints(session)
        for notice in told:
            body = body_of(notice, self._public_url)
            for endpoint in self._endpoints:
                if endpoint.name not in disabled:
                    outbox.enqueue(session, endpoint.name, notice.id, after.alert_id, notice.kind, body, now_ms)

    def _tell(self, changed: Iterable[Alert]) -> None:
        for alert in changed:
            for listener in self._listeners:
                listener(alert)
        self._sender.wake()

    def alert(self, alert_id: str) -> Alert | None:
        """One alert, None if there is none of this id."""
        with self.database.reading() as session:
            return _load(session, alert_id)

    def alerts(
        self, states: Sequence[State] = (), unit_key: str = "", severity: str = "", cursor: str = "", limit: int = 50
    ) -> Page:
        """A page of alerts, newest episode first.

        Args:
            states: Only these; empty: all.
            unit_key: Only of this unit, `site/unit`.
            severity: Only of this severity.
            cursor: `next_cursor` of the page before.
            limit: At most this many, up to 200.

        Raises:
            AlertError: the cursor is not one of ours.
        """
        limit = max(1, min(limit, PAGE_MAX))
        query = select(AlertRow).order_by(AlertRow.opened_at_ms.desc(), AlertRow.alert_id.desc()).limit(limit + 1)
        if states:
            query = query.where(AlertRow.state.in_(states))
        if unit_key:
            query = query.where(AlertRow.unit_key == unit_key)
        if severity:
            query = query.where(AlertRow.severity == severity)
        if cursor:
            at_ms, alert_id = _read_cursor(cursor)
            query = query.where(
                or_(AlertRow.opened_at_ms < at_ms, and_(AlertRow.opened_at_ms == at_ms, AlertRow.alert_id < alert_id))
            )
        with self.database.reading() as session:
            rows = list(session.scalars(query))
        found = [_ALERT.decode(row.body) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(found, _cursor(rows[limit - 1].opened_at_ms, rows[limit - 1].alert_id) if more else "")

    def active(self) -> list[Alert]:
        """Every alert that is open or acknowledged, the most severe first, then the oldest."""
        with self.database.reading() as session:
            rows = session.scalars(select(AlertRow).where(AlertRow.state != "cleared"))
            found = [_ALERT.decode(row.body) for row in rows]
        return sorted(found, key=lambda alert: (-SEVERITY_RANK[alert.content.severity], alert.opened_at_ms))

    def counts(self) -> dict[State, int]:
        """How many alerts are in each state."""
        with self.database.reading() as session:
            found = dict(session.execute(select(AlertRow.state, func.count()).group_by(AlertRow.state)).all())
        return {state: found.get(state, 0) for state in STATES}

    def log(self, alert_id: str) -> list[LogEntry]:
        """What happened to an alert, oldest first."""
        with self.database.reading() as session:
            rows = session.scalars(select(LogRow).where(LogRow.alert_id == alert_id).order_by(LogRow.id))
            return [LogEntry(row.kind, row.by, row.at_ms, row.measured_at_ms, row.note) for row in rows]

    def deliveries(self, alert_id: str) -> list[DeliveryTry]:
        """The delivery log of an alert."""
        return outbox.tries_of(self.database, alert_id)

    def endpoints(self) -> list[EndpointState]:
        """How deliveries to each receiver stand."""
        return outbox.endpoint_states(self.database, tuple(endpoint.name for endpoint in self._endpoints))

    def enable_endpoint(self, name: str) -> None:
        """Send to a receiver again that answered 410.

        Raises:
            AlertError: the settings name no such receiver.
        """
        if name not in {endpoint.name for endpoint in self._endpoints}:
            raise AlertError("webhook_unknown", f"webhook {name!r}: no such receiver in the settings")
        outbox.enable(self.database, name)
        self._sender.wake()


def _load(session: Session, alert_id: str) -> Alert | None:
    row = session.get(AlertRow, alert_id, populate_existing=True)
    return None if row is None else _ALERT.decode(row.body)


def _escalates(before: Alert | None, after: Alert) -> bool:
    return before is not None and SEVERITY_RANK[after.content.severity] > SEVERITY_RANK[before.content.severity]


def _log(
    session: Session, alert_id: str, kind: str, by: str, at_ms: int, measured_at_ms: int | None, note: str
) -> None:
    entry = f"{kind}:{measured_at_ms if by == MONITOR else at_ms}:{by}"
    session.execute(
        insert(LogRow)
        .values(alert_id=alert_id, entry=entry, kind=kind, by=by, at_ms=at_ms, measured_at_ms=measured_at_ms, note=note)
        .on_conflict_do_nothing()
    )


def _cursor(opened_at_ms: int, alert_id: str) -> str:
    return base64.urlsafe_b64encode(f"{opened_at_ms}:{alert_id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at_ms, _, alert_id = text.partition(":")
        return int(at_ms), alert_id
    except ValueError as error:
        raise AlertError("cursor_invalid", f"cursor {cursor!r}: not one that a page of alerts gave") from error
