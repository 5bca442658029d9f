"""Alerts: lists, one with its history, and what a person does with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal, ParamSpec, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from cloud.alerts.lifecycle import AlertError, State
from cloud.alerts.service import NOTE_CHARACTERS_MAX, PAGE_MAX, STATES
from cloud.api.access import context_of, require
from cloud.api.accounts import SignedIn
from cloud.api.problems import CODES, Problem
from cloud.api.shapes import AlertBody, AlertDetailBody, AlertsBody, LogBody, alert_body, answer, documented
from models.contracts.messages import Severity

P = ParamSpec("P")
R = TypeVar("R")

router = APIRouter(prefix="/v1", tags=["alerts"])

Viewer = Annotated[SignedIn, Depends(require("viewer"))]
Technician = Annotated[SignedIn, Depends(require("technician"))]
Admin = Annotated[SignedIn, Depends(require("admin"))]
AlertId = Annotated[str, InPath(max_length=100)]


class Note(BaseModel):
    """What a person adds to an act."""

    model_config = ConfigDict(extra="forbid")
    note: str = Field(default="", max_length=NOTE_CHARACTERS_MAX)


@router.get("/alerts", responses=documented(AlertsBody), summary="Alerts, newest first")
async def alerts(
    request: Request,
    _: Viewer,
    state: Annotated[str, Query(description="of open, acknowledged, cleared; comma between; empty: all")] = "",
    unit: Annotated[str, Query(description="only of this unit, site/unit", max_length=130)] = "",
    severity: Annotated[Severity | Literal[""], Query()] = "",
    cursor: Annotated[str, Query(max_length=300)] = "",
    limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 50,
) -> Response:
    """A page of alerts; `next_cursor` leads to the next."""
    service = context_of(request).alerts
    page = await asyncio.to_thread(translated, service.alerts, read_states(state), unit, severity, cursor, limit)
    return answer(AlertsBody([alert_body(alert) for alert in page.alerts], page.next_cursor))


@router.get("/alerts/{alert_id}", responses=documented(AlertDetailBody), summary="One alert with its history")
async def one_alert(request: Request, alert_id: AlertId, _: Viewer) -> Response:
    """An alert, and who did what and when."""
    service = context_of(request).alerts
    alert = await asyncio.to_thread(service.alert, alert_id)
    if alert is None:
        raise Problem("alert_unknown", f"Alert {alert_id!r}: no such alert.")
    log = await asyncio.to_thread(service.log, alert_id)
    return answer(AlertDetailBody(alert_body(alert), [LogBody(*entry) for entry in log]))


@router.post("/alerts/{alert_id}/acknowledge", responses=documented(AlertBody), summary="A person has seen it")
async def acknowledge(request: Request, alert_id: AlertId, who: Technician, note: Note | None = None) -> Response:
    """Acknowledge an alert that is open."""
    service = context_of(request).alerts
    text = note.note if note else ""
    return answer(alert_body(await asyncio.to_thread(translated, service.acknowledge, alert_id, who.user, text)))


@router.post("/alerts/{alert_id}/clear", responses=documented(AlertBody), summary="A person ends its episode")
async def clear(request: Request, alert_id: AlertId, who: Technician, note: Note | None = None) -> Response:
    """Clear an alert. A new one is opened if the fault comes again."""
    service = context_of(request).alerts
    text = note.note if note else ""
    return answer(alert_body(await asyncio.to_thread(translated, service.clear, alert_id, who.user, text)))


@router.post("/webhooks/{name}/enable", status_code=204, summary="Send to a receiver again that answered 410")
async def enable_webhook(request: Request, name: Annotated[str, InPath(max_length=100)], _: Admin) -> None:
    """Take back the end of a receiver."""
    await asyncio.to_thread(translated, context_of(request).alerts.enable_endpoint, name)


def read_states(text: str) -> tuple[State, ...]:
    """States from a list with commas.

    Raises:
        Problem: one of them is no state.
    """
    wanted = [word for word in text.split(",") if word]
    unknown = [word for word in wanted if word not in STATES]
    if unknown:
        raise Problem("request_invalid", f"state {unknown[0]!r}: expected some of {', '.join(STATES)}.")
    return tuple(state for state in STATES if state in wanted)


def translated(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call the alerts service; what a person cannot do becomes a problem."""
    try:
        return call(*args, **kwargs)
    except AlertError as error:
        text = str(error)
        raise Problem(
            error.code if error.code in CODES else "request_invalid", text[:1].upper() + text[1:] + "."
        ) from error
