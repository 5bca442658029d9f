"""The outbox of notices: rows that wait, are leased for one try, and are settled by its end.

A try is counted when the lease is taken, not when it ends, so a sender that dies again and again still stops after ten. A
lease that nobody settles runs out; the next try then carries the same webhook id, which is how the receiver knows it.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session, aliased

from cloud.alerts.database import Database
from cloud.alerts.schedule import Reply, Verdict
from cloud.alerts.tables import DeliveryRow, EndpointRow, TryRow

# What we keep of a receiver's answer in the delivery log.
REPLY_CHARACTERS_MAX = 500


class Letter(NamedTuple):
    """A leased delivery."""

    delivery_id: int
    notice_id: str
    body: bytes
    tries: int


class EndpointState(NamedTuple):
    """How deliveries to one receiver stand."""

    name: str
    disabled_at_ms: int | None
    reason: str
    waiting: int
    delivered: int
    given_up: int
    last_status: int | None
    last_error: str
    last_try_at_ms: int | None


class DeliveryTry(NamedTuple):
    """One line of the delivery log."""

    endpoint: str
    kind: str
    notice_id: str
    state: str
    attempt: int
    at_ms: int
    duration_ms: int
    status: int | None
    error: str


def disabled_endpoints(session: Session) -> set[str]:
    """Receivers that said they are gone."""
    return set(session.scalars(select(EndpointRow.name).where(EndpointRow.disabled_at_ms.is_not(None))))


def enqueue(
    session: Session, endpoint: str, notice_id: str, alert_id: str, kind: str, body: bytes, now_ms: int
) -> None:
    """Add a delivery to the caller's transaction; one that is there already stays as it is."""
    session.execute(
        insert(DeliveryRow)
        .values(
            endpoint=endpoint,
            notice_id=notice_id,
            alert_id=alert_id,
            kind=kind,
            body=body,
            created_at_ms=now_ms,
            state="waiting",
            tries=0,
            due_at_ms=now_ms,
            leased_until_ms=0,
        )
        .on_conflict_do_nothing()
    )


def _first_of_its_alert() -> ColumnElement[bool]:
    """No earlier notice of the same alert still waits for the same receiver."""
    earlier = aliased(DeliveryRow)
    return ~(
        select(earlier.id)
        .where(
            earlier.endpoint == DeliveryRow.endpoint,
            earlier.alert_id == DeliveryRow.alert_id,
            earlier.state == "waiting",
            earlier.id < DeliveryRow.id,
        )
        .exists()
    )


def lease(database: Database, endpoint: str, now_ms: int, lease_ms: int) -> Letter | None:
    """Take the next due delivery for one receiver; None when there is none.

    Notices of one alert go in order: `cleared` waits until `opened` is delivered or given up.
    """
    query = (
        select(DeliveryRow)
        .where(
            DeliveryRow.endpoint == endpoint,
            DeliveryRow.state == "waiting",
            DeliveryRow.due_at_ms <= now_ms,
            DeliveryRow.leased_until_ms <= now_ms,
            _first_of_its_alert(),
        )
        .order_by(DeliveryRow.due_at_ms, DeliveryRow.id)
        .limit(1)
    )
    with database.reading() as session:  # most looks find nothing; they need no writer's lock
        if session.scalar(query) is None:
            return None
    with database.writing() as session:
        row = session.scalar(query)
        if row is None:
            return None
        row.tries += 1
        row.leased_until_ms = now_ms + lease_ms
        return Letter(row.id, row.notice_id, row.body, row.tries)


def settle(database: Database, letter: Letter, reply: Reply, verdict: Verdict, now_ms: int) -> None:
    """Store how a try ended and what follows: done, a later try, or the end of this receiver."""
    with database.writing() as session:
        row = session.get_one(DeliveryRow, letter.delivery_id)
        session.add(
            TryRow(
                delivery_id=row.id,
                attempt=letter.tries,
                at_ms=now_ms,
                duration_ms=reply.duration_ms,
                status=reply.status,
                error=reply.error,
                reply=reply.body[:REPLY_CHARACTERS_MAX],
            )
        )
        row.leased_until_ms = 0
        if verdict.action == "retry":
            row.due_at_ms = verdict.due_at_ms
            return
        row.state = "delivered" if verdict.action == "delivered" else "given_up"
        row.settled_at_ms = now_ms
        if verdict.action == "disable":
            _disable(session, row.endpoint, f"answered {reply.status}", now_ms)


def _disable(session: Session, endpoint: str, reason: str, now_ms: int) -> None:
    values = {"disabled_at_ms": now_ms, "reason": reason}
    session.execute(
        insert(EndpointRow).values(name=endpoint, **values).on_conflict_do_update(index_elements=["name"], set_=values)
    )
    session.execute(
        update(DeliveryRow)
        .where(DeliveryRow.endpoint == endpoint, DeliveryRow.state == "waiting")
        .values(state="given_up", settled_at_ms=now_ms, leased_until_ms=0)
    )


def enable(database: Database, endpoint: str) -> None:
    """Send to a receiver again that was gone; what it missed stays given up."""
    with database.writing() as session:
        session.execute(update(EndpointRow).where(EndpointRow.name == endpoint).values(disabled_at_ms=None, reason=""))


def next_due_at_ms(database: Database, endpoint: str) -> int | None:
    """When the next waiting delivery may be tried; None when none waits."""
    due = case(
        (DeliveryRow.leased_until_ms > DeliveryRow.due_at_ms, DeliveryRow.leased_until_ms), else_=DeliveryRow.due_at_ms
    )
    with database.reading() as session:
        found: int | None = session.scalar(
            select(func.min(due)).where(
                DeliveryRow.endpoint == endpoint, DeliveryRow.state == "waiting", _first_of_its_alert()
            )
        )
        return found


def endpoint_states(database: Database, names: tuple[str, ...]) -> list[EndpointState]:
    """How deliveries stand, for each of these receivers."""
    with database.reading() as session:
        states = []
        for name in names:
            counts = dict(
                session.execute(
                    select(DeliveryRow.state, func.count())
                    .where(DeliveryRow.endpoint == name)
                    .group_by(DeliveryRow.state)
                ).all()
            )
            last = session.scalar(
                select(TryRow)
                .join(DeliveryRow, TryRow.delivery_id == DeliveryRow.id)
                .where(DeliveryRow.endpoint == name)
                .order_by(TryRow.id.desc())
                .limit(1)
            )
            row = session.get(EndpointRow, name)
            states.append(
                EndpointState(
                    name,
                    row.disabled_at_ms if row else None,
                    row.reason if row else "",
                    counts.get("waiting", 0),
                    counts.get("delivered", 0),
                    counts.get("given_up", 0),
                    last.status if last else None,
                    last.error if last else "",
                    last.at_ms if last else None,
                )
            )
        return states


def tries_of(database: Database, alert_id: str, limit: int = 200) -> list[DeliveryTry]:
    """The delivery log of one alert, oldest first."""
    with database.reading() as session:
        rows = session.execute(
            select(DeliveryRow, TryRow)
            .join(TryRow, TryRow.delivery_id == DeliveryRow.id)
            .where(DeliveryRow.alert_id == alert_id)
            .order_by(TryRow.id)
            .limit(limit)
        )
        return [
            DeliveryTry(d.endpoint, d.kind, d.notice_id, d.state, t.attempt, t.at_ms, t.duration_ms, t.status, t.error)
            for d, t in rows
        ]
