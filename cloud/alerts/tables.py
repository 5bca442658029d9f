"""Tables of alerts and their delivery. Times are integer milliseconds UTC: each says whether of the plant or the wall."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cloud.alerts.database import Base


class AlertRow(Base):
    """One alert: `body` is `lifecycle.Alert` as JSON, the columns beside it are what lists are filtered and sorted by."""

    __tablename__ = "alerts"

    alert_id: Mapped[str] = mapped_column(primary_key=True)
    unit_key: Mapped[str] = mapped_column(index=True)
    state: Mapped[str]
    severity: Mapped[str]
    opened_at_ms: Mapped[int]  # plant
    changed_at_ms: Mapped[int]  # wall
    body: Mapped[bytes]

    __table_args__ = (
        Index("alerts_by_state", "state", "opened_at_ms", "alert_id"),
        Index("alerts_by_time", "opened_at_ms", "alert_id"),
    )


class LogRow(Base):
    """What happened to an alert, by whom: appended, never changed. `entry` makes a repeated event one row."""

    __tablename__ = "alert_log"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.alert_id"))
    entry: Mapped[str]
    kind: Mapped[str]
    by: Mapped[str]  # a user, or `monitor`
    at_ms: Mapped[int]  # wall
    measured_at_ms: Mapped[int | None]  # plant, for what the monitor did
    note: Mapped[str]

    __table_args__ = (UniqueConstraint("alert_id", "entry"),)


class DeliveryRow(Base):
    """The outbox: one notice to one receiver. Written with the change that it tells of, leased by the sender."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    endpoint: Mapped[str]
    notice_id: Mapped[str]
    alert_id: Mapped[str] = mapped_column(ForeignKey("alerts.alert_id"), index=True)
    kind: Mapped[str]
    body: Mapped[bytes]
    created_at_ms: Mapped[int]  # wall, as all below
    state: Mapped[str]  # waiting, delivered, given_up
    tries: Mapped[int]
    due_at_ms: Mapped[int]
    leased_until_ms: Mapped[int]
    settled_at_ms: Mapped[int | None]

    __table_args__ = (
        UniqueConstraint("endpoint", "notice_id"),
        Index("outbox_due", "endpoint", "state", "due_at_ms"),
    )


class TryRow(Base):
    """The delivery log: one row for each POST that came to an end."""

    __tablename__ = "delivery_log"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), index=True)
    attempt: Mapped[int]
    at_ms: Mapped[int]
    duration_ms: Mapped[int]
    status: Mapped[int | None]
    error: Mapped[str]
    reply: Mapped[str]


class EndpointRow(Base):
    """What we learned of a receiver; its address and secret stay in the settings."""

    __tablename__ = "endpoints"

    name: Mapped[str] = mapped_column(primary_key=True)
    disabled_at_ms: Mapped[int | None]
    reason: Mapped[str]
