"""What the API answers with: structs, their JSON, and their schemas for OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import Response

from cloud.alerts.lifecycle import Act, Alert, State
from cloud.fleet import UnitView
from models.contracts.messages import Health, Reason, Risk, Severity, WaitingCost


class UnitBody(msgspec.Struct, frozen=True):
    """One unit as it is now. `values` are of its newest sample, null where that is not good."""

    key: str
    site: str
    unit: str
    name: str
    location: str
    equipment: str
    gateway: str
    last_measured_at_ms: int | None
    values: Mapping[str, float | None]
    units: Mapping[str, str]
    health: Health | None
    alerts_active: int


class UnitsBody(msgspec.Struct, frozen=True):
    """Every unit; `now_ms` is the plant's time."""

    now_ms: int
    units: list[UnitBody]


class TracesBody(msgspec.Struct, frozen=True):
    """Samples or means. `values[i]` belongs to `points[i]`; null where nothing good was measured."""

    unit: str
    resolution: str
    from_ms: int
    to_ms: int
    points: tuple[str, ...]
    units: tuple[str, ...]
    at_ms: list[int]
    values: list[list[float]]


class HealthBody(msgspec.Struct, frozen=True):
    """States of a unit, in time order."""

    unit: str
    health: list[Health]


class AlertBody(msgspec.Struct, frozen=True):
    """One alert. Times of the episode are the plant's, those of people the wall clock's."""

    alert_id: str
    state: State
    active: bool
    site: str
    unit: str
    gateway: str
    equipment: str
    title: str
    severity: Severity
    family: str
    rule: str
    opened_at_ms: int
    measured_at_ms: int
    cleared_at_ms: int | None
    acknowledged: Act | None
    cleared_by: Act | None
    reasons: tuple[Reason, ...]
    checks: tuple[str, ...]
    fault_probabilities: Mapping[str, float]
    risks: tuple[Risk, ...]
    hours_to_failure: float | None
    hours_to_failure_low: float | None
    hours_to_failure_high: float | None
    waiting: WaitingCost | None
    retrospective: bool
    model_version: str


class AlertsBody(msgspec.Struct, frozen=True):
    """A page of alerts, newest first. `next_cursor` is empty on the last."""

    alerts: list[AlertBody]
    next_cursor: str


class LogBody(msgspec.Struct, frozen=True):
    """One line of an alert's history."""

    kind: str
    by: str
    at_ms: int
    measured_at_ms: int | None
    note: str


class AlertDetailBody(msgspec.Struct, frozen=True):
    """An alert with what happened to it."""

    alert: AlertBody
    log: list[LogBody]


def unit_body(view: UnitView, alerts_active: int) -> UnitBody:
    """A unit of the fleet as the API has it."""
    channels = view.layout.channels if view.layout else ()
    return UnitBody(
        key=view.key,
        site=view.site,
        unit=view.unit,
        name=view.name,
        location=view.location,
        equipment=view.equipment,
        gateway=view.gateway,
        last_measured_at_ms=view.last_measured_at_ms,
        values=view.values,
        units={channel.point: channel.unit for channel in channels},
        health=view.health,
        alerts_active=alerts_active,
    )


def alert_body(alert: Alert) -> AlertBody:
    """An alert as the API has it."""
    content = alert.content
    return AlertBody(
        alert_id=alert.alert_id,
        state=alert.state,
        active=alert.active,
        site=content.site,
        unit=content.unit,
        gateway=content.gateway,
        equipment=content.equipment,
        title=content.title,
        severity=content.severity,
        family=content.family,
        rule=content.rule,
        opened_at_ms=alert.opened_at_ms,
        measured_at_ms=alert.measured_at_ms,
        cleared_at_ms=alert.cleared_at_ms,
        acknowledged=alert.acknowledged,
        cleared_by=alert.cleared_by,
        reasons=content.reasons,
        checks=content.checks,
        fault_probabilities=content.fault_probabilities,
        risks=content.risks,
        hours_to_failure=content.hours_to_failure,
        hours_to_failure_low=content.hours_to_failure_low,
        hours_to_failure_high=content.hours_to_failure_high,
        waiting=content.waiting,
        retrospective=content.retrospective,
        model_version=content.model_version,
    )


class AlertSummary(msgspec.Struct, frozen=True):
    """What the event stream tells of an alert: enough to announce it; the rest is fetched."""

    alert_id: str
    state: State
    severity: Severity
    title: str
    family: str
    opened_at_ms: int


def alert_summary(alert: Alert) -> AlertSummary:
    """The short form of an alert."""
    content = alert.content
    return AlertSummary(
        alert.alert_id, alert.state, content.severity, content.title, content.family, alert.opened_at_ms
    )


def answer(body: msgspec.Struct) -> Response:
    """A struct as a JSON response."""
    return Response(msgspec.json.encode(body), media_type="application/json")


def documented(kind: type[msgspec.Struct]) -> dict[int | str, dict[str, Any]]:
    """The `responses` argument of a route that answers with this struct."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    _DOCUMENTED.add(kind)
    return {
        200: {"description": (kind.__doc__ or "").split(".")[0], "content": {"application/json": {"schema": schema}}}
    }


_DOCUMENTED: set[type[msgspec.Struct]] = set()


def openapi(document: dict[str, Any]) -> dict[str, Any]:
    """FastAPI's document with the schemas of every documented struct and of what they hold."""
    kinds = sorted(_DOCUMENTED, key=lambda kind: kind.__name__)
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    document.setdefault("components", {}).setdefault("schemas", {}).update(components)
    return document
