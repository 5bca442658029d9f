"""The pages: fleet, unit, alerts, alert, system. htmx asks for the parts under `/parts` again when something changes."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Form, Query, Request, Response
from fastapi import Path as InPath
from starlette.responses import JSONResponse, RedirectResponse

from cloud.alerts.lifecycle import Alert, State
from cloud.api.access import context_of, require
from cloud.api.accounts import SignedIn
from cloud.api.alerts import translated
from cloud.api.problems import CODES, Problem
from cloud.api.shapes import openapi
from cloud.api.system import ledger_bodies, model_versions
from cloud.api.units import SiteName, UnitName, find_unit
from cloud.context import Context
from cloud.dashboard import charts, login, views
from cloud.dashboard.render import STATIC, StaticPages, bare, page
from cloud.dashboard.trends import Trends
from cloud.fleet import UnitView
from models.contracts.clock import wall_ms
from models.hvac.rules import RULE_TABLE

# Rows beyond these get no trend line: nobody looks at it, and each costs a read of the history once.
TREND_ROWS_MAX = 100
ALERTS_SHOWN = 50
EVIDENCE_BEFORE_MS = 2 * 3600 * 1000
EVIDENCE_AFTER_MS = 1 * 3600 * 1000

router = APIRouter(include_in_schema=False)
Viewer = Annotated[SignedIn, Depends(require("viewer"))]
Technician = Annotated[SignedIn, Depends(require("technician"))]
AlertId = Annotated[str, InPath(max_length=100)]
Values = dict[str, Any]  # for a template
Tab = Literal["open", "acknowledged", "cleared", "all"]
_TAB_STATES: dict[Tab, tuple[State, ...]] = {
    "open": ("open",),
    "acknowledged": ("acknowledged",),
    "cleared": ("cleared",),
    "all": (),
}


def add_pages(app: FastAPI) -> None:
    """Add every page, and the files that they need."""
    app.include_router(login.router)
    app.include_router(router)
    app.mount("/static", StaticPages(directory=STATIC), name="static")
    app.state.trends = Trends(app.state.context.history)


def problem_page(request: Request, problem: Problem) -> Response:
    """A problem as a page; who has no session is led to the login and back."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if problem.code == "not_signed_in":
        if "hx-request" in request.headers:
            return Response(status_code=401, headers={"HX-Redirect": login.login_address("/")})
        return RedirectResponse(login.login_address(wanted if request.method == "GET" else "/"), 303)
    return bare("problem.html", problem.status, problem=problem, title=CODES[problem.code].title)


@router.get("/")
async def fleet(request: Request, who: Viewer, order: Annotated[views.Order, Query()] = "urgency") -> Response:
    """Every unit, the most urgent or the costliest first."""
    return await page(request, who, "fleet.html", here="fleet", **await _fleet(request, order))


@router.get("/parts/fleet")
async def fleet_part(request: Request, who: Viewer, order: Annotated[views.Order, Query()] = "urgency") -> Response:
    return await page(request, who, "parts/fleet.html", **await _fleet(request, order))


async def _fleet(request: Request, order: views.Order) -> Values:
    context = context_of(request)
    now_ms = context.clock.now_ms()
    active = await asyncio.to_thread(context.alerts.active)
    gateways = context.fleet.gateways()
    rows = views.fleet_rows(context.fleet.units(), active, gateways, now_ms, order)
    trends: Trends = request.app.state.trends

    def with_trends() -> dict[str, str]:
        return {row.view.key: trends.line(row.view, now_ms) for row in rows[:TREND_ROWS_MAX]}

    return {
        "rows": rows,
        "order": order,
        "trends": await asyncio.to_thread(with_trends),
        "tally": views.tally(rows),
        "words": views.CONDITION_WORDS,
        "gateways": gateways,
        "online": sum(gateway.status.state == "online" for gateway in gateways),
        "active": active,
    }


@router.get("/units/{site}/{unit}")
async def unit_page(request: Request, site: SiteName, unit: UnitName, who: Viewer) -> Response:
    """One unit: traces, scores, reasons, alerts."""
    view = find_unit(context_of(request), site, unit)
    drawn = charts.charts_of(view.layout) if view.layout else []
    return await page(
        request,
        who,
        "unit.html",
        here="fleet",
        charts=drawn,
        chart_json=msgspec.json.encode(drawn).decode(),
        **await _unit(request, view),
    )


@router.get("/parts/units/{site}/{unit}")
async def unit_part(request: Request, site: SiteName, unit: UnitName, who: Viewer) -> Response:
    view = find_unit(context_of(request), site, unit)
    return await page(request, who, "parts/unit.html", **await _unit(request, view))


async def _unit(request: Request, view: UnitView) -> Values:
    context = context_of(request)
    now_ms = context.clock.now_ms()
    found = await asyncio.to_thread(context.alerts.alerts, (), view.key, "", "", 20)
    active = [alert for alert in found.alerts if alert.active]
    gateway = next((g for g in context.fleet.gateways() if g.key == f"{view.site}/{view.gateway}"), None)
    units = {channel.point: channel.unit for channel in view.layout.channels} if view.layout else {}
    return {
        "row": views.unit_row(view, active, gateway, now_ms),
        "view": view,
        "health": view.health,
        "gateway": gateway,
        "faults": views.faults_of(view),
        "alerts": found.alerts,
        "points": [(point, units.get(point, "none"), view.values.get(point)) for point in units],
        "episodes": _episodes(found.alerts),
    }


def _episodes(alerts: list[Alert]) -> str:
    """Episodes for charts.js, as JSON."""
    return msgspec.json.encode(
        [
            {
                "from": alert.opened_at_ms,
                "to": alert.cleared_at_ms,
                "active": alert.active,
                "severity": alert.content.severity,
            }
            for alert in alerts
        ]
    ).decode()


@router.get("/alerts")
async def alerts_page(
    request: Request, who: Viewer, state: Annotated[Tab, Query()] = "open", cursor: Annotated[str, Query()] = ""
) -> Response:
    """Alerts in one state, newest first."""
    return await page(request, who, "alerts.html", here="alerts", **await _alerts(request, state, cursor))


@router.get("/parts/alerts")
async def alerts_part(
    request: Request, who: Viewer, state: Annotated[Tab, Query()] = "open", cursor: Annotated[str, Query()] = ""
) -> Response:
    return await page(request, who, "parts/alerts.html", **await _alerts(request, state, cursor))


async def _alerts(request: Request, tab: Tab, cursor: str) -> Values:
    context = context_of(request)
    found = await asyncio.to_thread(translated, context.alerts.alerts, _TAB_STATES[tab], "", "", cursor, ALERTS_SHOWN)
    return {
        "tab": tab,
        "tabs": list(_TAB_STATES),
        "alerts": found.alerts,
        "next_cursor": found.next_cursor,
        "names": _names(context),
    }


def _names(context: Context) -> dict[str, str]:
    return {view.key: view.name for view in context.fleet.units()}


@router.get("/alerts/{alert_id}")
async def alert_page(request: Request, alert_id: AlertId, who: Viewer) -> Response:
    """One alert: why, evidence, what to check, what happened to it."""
    context = context_of(request)
    values = await _alert(request, alert_id)
    alert: Alert = values["alert"]
    view = context.fleet.unit(alert.unit_key)
    drawn = charts.evidence_of(_evidence(alert), view.layout) if view and view.layout else []
    until_ms = (alert.cleared_at_ms or alert.measured_at_ms) + EVIDENCE_AFTER_MS
    return await page(
        request,
        who,
        "alert.html",
        here="alerts",
        view=view,
        charts=drawn,
        chart_json=msgspec.json.encode(drawn).decode(),
        episodes=_episodes([alert]),
        from_ms=alert.opened_at_ms - EVIDENCE_BEFORE_MS,
        to_ms=min(until_ms, context.clock.now_ms()),
        **values,
    )


@router.get("/parts/alerts/{alert_id}")
async def alert_part(request: Request, alert_id: AlertId, who: Viewer) -> Response:
    return await page(request, who, "parts/alert.html", **await _alert(request, alert_id))


async def _alert(request: Request, alert_id: str) -> Values:
    service = context_of(request).alerts
    alert = await asyncio.to_thread(service.alert, alert_id)
    if alert is None:
        raise Problem("alert_unknown", f"Alert {alert_id!r}: no such alert.")
    return {
        "alert": alert,
        "log": await asyncio.to_thread(service.log, alert_id),
        "deliveries": await asyncio.to_thread(service.deliveries, alert_id),
        "names": _names(context_of(request)),
        "wall_ms": wall_ms(),
    }


def _evidence(alert: Alert) -> list[str]:
    """Points that show the fault: those that the reasons name, else those of its rules."""
    named = [reason.name for reason in alert.content.reasons if reason.kind == "point"]
    rules = {reason.name for reason in alert.content.reasons if reason.kind == "rule"} | {alert.content.rule}
    for rule in RULE_TABLE:
        if rule.id in rules:
            named += [point for point in rule.points if point not in named]
    return named


@router.post("/alerts/{alert_id}/{act}")
async def act_on_alert(
    request: Request,
    alert_id: AlertId,
    act: Literal["acknowledge", "clear"],
    who: Technician,
    note: Annotated[str, Form()] = "",
    state: Annotated[Tab | Literal[""], Form()] = "",
) -> Response:
    """Acknowledge or clear; then the list again where the form stood in one, else the alert's page."""
    service = context_of(request).alerts
    call = service.acknowledge if act == "acknowledge" else service.clear
    try:
        await asyncio.to_thread(translated, call, alert_id, who.user, note)
    except Problem as problem:
        # Somebody else was faster: show how it stands now rather than an error.
        if problem.status != 409:
            raise
    if "hx-request" not in request.headers:
        return RedirectResponse(f"/alerts?state={state}" if state else f"/alerts/{alert_id}", 303)
    if state:
        return await page(request, who, "parts/alerts.html", **await _alerts(request, state, ""))
    return await page(request, who, "parts/alert.html", **await _alert(request, alert_id))


@router.get("/system")
async def system_page(request: Request, who: Viewer) -> Response:
    """Gateways, loss ledger, deliveries, versions."""
    return await page(request, who, "system.html", here="system", **await _system(request))


@router.get("/parts/system")
async def system_part(request: Request, who: Viewer) -> Response:
    return await page(request, who, "parts/system.html", **await _system(request))


async def _system(request: Request) -> Values:
    context = context_of(request)
    ledger = ledger_bodies(context.ledger.rows())
    return {
        "gateways": context.fleet.gateways(),
        "ledger": [row for row in ledger if row.state != "replaced"],
        "replaced": [row for row in ledger if row.state == "replaced"],
        "endpoints": await asyncio.to_thread(context.alerts.endpoints),
        "ingest": context.ingest,
        "models": model_versions(context),
        "readers": request.app.state.hub.readers,
        "wall_ms": wall_ms(),
        "units_total": len(context.fleet.units()),
    }


@router.get("/parts/badge")
async def badge_part(request: Request, who: Viewer) -> Response:
    return await page(request, who, "parts/badge.html")


@router.get("/openapi.json")
async def openapi_document(request: Request, _: Viewer) -> Response:
    """The API, described."""
    return JSONResponse(openapi(request.app.openapi()))
