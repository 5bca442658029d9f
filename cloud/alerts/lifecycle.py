"""The life of one alert, without I/O: what an event or a person makes of it, and what receivers hear of that.

             event: opened            event: cleared, or a person clears
    (nothing) ────────▶ open ──────────────────────────────────────▶ cleared
                          │ a person acknowledges                       ▲
                          └────────────▶ acknowledged ──────────────────┘

Law: `merge` is a join. Events may come twice and in any order, over two Kafka partitions or after a restart; the alert is
the same in the end. So a cleared alert never opens again: the next episode of the same fault has an id of its own.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from models.contracts.messages import AlertEvent, Severity, Transition, encode_json

State = Literal["open", "acknowledged", "cleared"]
Kind = Literal["opened", "updated", "acknowledged", "cleared"]

_RANK: dict[Transition, int] = {"opened": 0, "updated": 1, "cleared": 2}
SEVERITY_RANK: dict[Severity, int] = {"info": 0, "warning": 1, "critical": 2}


class Act(msgspec.Struct, frozen=True):
    """What a person did, and when by the wall clock."""

    by: str
    at_ms: int
    note: str = ""


class Alert(msgspec.Struct, frozen=True):
    """One episode of one fault of one unit.

    `content` is the event that says most: the newest that is not the clearing one, which may give no reasons any more.
    Times of the episode are the plant's; those of people (`Act.at_ms`) are the wall clock's.
    """

    content: AlertEvent
    opened_at_ms: int
    measured_at_ms: int
    cleared_at_ms: int | None = None
    acknowledged: Act | None = None
    cleared_by: Act | None = None

    @property
    def alert_id(self) -> str:
        return self.content.alert_id

    @property
    def unit_key(self) -> str:
        return f"{self.content.site}/{self.content.unit}"

    @property
    def active(self) -> bool:
        """Whether the episode still runs: neither the monitor nor a person has ended it."""
        return self.cleared_at_ms is None and self.cleared_by is None

    @property
    def state(self) -> State:
        if not self.active:
            return "cleared"
        return "open" if self.acknowledged is None else "acknowledged"


class AlertError(ValueError):
    """What a person asked for cannot be done with this alert as it is. `code` names it for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def merge(alert: Alert | None, event: AlertEvent) -> Alert:
    """The alert after an event; the same for every order of events and however often each comes."""
    cleared_at_ms = None
    if event.transition == "cleared":
        cleared_at_ms = event.measured_at_ms if event.cleared_at_ms is None else event.cleared_at_ms
    if alert is None:
        return Alert(event, event.opened_at_ms, event.measured_at_ms, cleared_at_ms)
    ends = [at_ms for at_ms in (alert.cleared_at_ms, cleared_at_ms) if at_ms is not None]
    return msgspec.structs.replace(
        alert,
        content=max(alert.content, event, key=_says),
        opened_at_ms=min(alert.opened_at_ms, event.opened_at_ms),
        measured_at_ms=max(alert.measured_at_ms, event.measured_at_ms),
        cleared_at_ms=min(ends) if ends else None,
    )


def _says(event: AlertEvent) -> tuple[bool, int, int, bytes]:
    """Order of events by what they tell a person; the bytes make it total, so that no tie depends on arrival."""
    return event.transition != "cleared", event.measured_at_ms, _RANK[event.transition], encode_json(event)


def acknowledge(alert: Alert, act: Act) -> Alert:
    """A person has seen it. The first who did stays named.

    Raises:
        AlertError: it is acknowledged already, or cleared.
    """
    if alert.acknowledged is not None:
        raise AlertError(
            "alert_acknowledged", f"alert {alert.alert_id}: acknowledged already by {alert.acknowledged.by}"
        )
    if not alert.active:
        raise AlertError("alert_cleared", f"alert {alert.alert_id}: cleared already; there is nothing to acknowledge")
    return msgspec.structs.replace(alert, acknowledged=act)


def clear(alert: Alert, act: Act) -> Alert:
    """A person ends the episode. The monitor opens a new one, with its own id, if the fault comes again.

    Raises:
        AlertError: it is cleared already.
    """
    if not alert.active:
        raise AlertError("alert_cleared", f"alert {alert.alert_id}: cleared already")
    return msgspec.structs.replace(alert, cleared_by=act)


class Notice(msgspec.Struct, frozen=True):
    """Something that every receiver is told once. `id` is the webhook's: equal however often it is computed."""

    id: str
    kind: Kind
    alert: Alert


def notices(before: Alert | None, after: Alert) -> list[Notice]:
    """What receivers are told of a change, in order. A first event that already clears is told as opened and cleared."""
    told: list[tuple[Kind, str]] = []
    if before is None:
        told.append(("opened", ""))
    elif SEVERITY_RANK[after.content.severity] > SEVERITY_RANK[before.content.severity]:
        told.append(("updated", after.content.severity))
    if after.acknowledged is not None and (before is None or before.acknowledged is None):
        told.append(("acknowledged", ""))
    if not after.active and (before is None or before.active):
        told.append(("cleared", ""))
    return [Notice(notice_id(after.alert_id, kind, detail), kind, after) for kind, detail in told]


def notice_id(alert_id: str, kind: Kind, detail: str = "") -> str:
    """Webhook id of a transition of an alert: a receiver drops what it has seen by it."""
    return "msg_" + hashlib.sha256(f"{alert_id}/{kind}/{detail}".encode()).hexdigest()[:24]
