"""Units: as they are now, and as they were."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from cloud.api.access import context_of, require
from cloud.api.accounts import SignedIn
from cloud.api.problems import Problem
from cloud.api.shapes import HealthBody, TracesBody, UnitBody, UnitsBody, answer, documented, unit_body
from cloud.context import Context
from cloud.fleet import UnitView
from cloud.history import Resolution, Traces

router = APIRouter(prefix="/v1/units", tags=["units"])

Viewer = Annotated[SignedIn, Depends(require("viewer"))]
SiteName = Annotated[str, Path(max_length=63)]
UnitName = Annotated[str, Path(max_length=63)]
Instant = Annotated[str | None, Query(max_length=40, description="plant time: milliseconds UTC, or RFC 3339")]
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
# Longest range of one request, by resolution: about 100,000 columns each.
_RANGE_MS_MAX: dict[Resolution, int] = {"raw": DAY_MS, "1m": 62 * DAY_MS, "1h": 10 * 366 * DAY_MS}
POINTS_MAX = 64


@router.get("", responses=documented(UnitsBody), summary="Every unit as it is now")
async def units(request: Request, _: Viewer) -> Response:
    """Newest values, health and the number of active alerts of every unit."""
    context = context_of(request)
    active = Counter(alert.unit_key for alert in await asyncio.to_thread(context.alerts.active))
    return answer(
        UnitsBody(context.clock.now_ms(), [unit_body(view, active[view.key]) for view in context.fleet.units()])
    )


@router.get("/{site}/{unit}", responses=documented(UnitBody), summary="One unit as it is now")
async def one_unit(request: Request, site: SiteName, unit: UnitName, _: Viewer) -> Response:
    """Newest values and health of one unit."""
    context = context_of(request)
    view = find_unit(context, site, unit)
    page = await asyncio.to_thread(context.alerts.alerts, ("open", "acknowledged"), view.key)
    return answer(unit_body(view, len(page.alerts)))


@router.get("/{site}/{unit}/traces", responses=documented(TracesBody), summary="What was measured")
async def traces(
    request: Request,
    site: SiteName,
    unit: UnitName,
    _: Viewer,
    points: Annotated[str, Query(description="names, comma between; empty: all", max_length=4000)] = "",
    begin: Annotated[Instant, Query(alias="from")] = None,
    end: Annotated[Instant, Query(alias="to")] = None,
    resolution: Annotated[Literal["auto", "raw", "1m", "1h"], Query()] = "auto",
) -> Response:
    """Samples, or means of minutes or hours. Without a range: the hour before the newest sample."""
    context = context_of(request)
    view = find_unit(context, site, unit)
    from_ms, to_ms = read_range(context, view, begin, end)
    chosen = choose_resolution(from_ms, to_ms) if resolution == "auto" else resolution
    check_range(from_ms, to_ms, chosen)
    names = [name for name in points.split(",") if name]
    if len(names) > POINTS_MAX:
        raise Problem("request_invalid", f"points: {len(names)} names, expected at most {POINTS_MAX}.")
    found = await asyncio.to_thread(context.history.traces, view.key, names, from_ms, to_ms, chosen)
    return answer(traces_body(view.key, chosen, from_ms, to_ms, found))


@router.get("/{site}/{unit}/health", responses=documented(HealthBody), summary="Scores and risks over time")
async def health(
    request: Request,
    site: SiteName,
    unit: UnitName,
    _: Viewer,
    begin: Annotated[Instant, Query(alias="from")] = None,
    end: Annotated[Instant, Query(alias="to")] = None,
) -> Response:
    """Anomaly scores, rules, fault and failure probabilities."""
    context = context_of(request)
    view = find_unit(context, site, unit)
    from_ms, to_ms = read_range(context, view, begin, end)
    check_range(from_ms, to_ms, "1m")
    found = await asyncio.to_thread(context.history.health, view.key, from_ms, to_ms)
    return answer(HealthBody(view.key, found))


def traces_body(unit_key: str, resolution: Resolution, from_ms: int, to_ms: int, found: Traces) -> TracesBody:
    """Traces as the API has them: six digits are more than any sensor has."""
    values = [[float(f"{value:.6g}") for value in line] for line in found.values.tolist()]
    return TracesBody(unit_key, resolution, from_ms, to_ms, found.points, found.units, found.at_ms.tolist(), values)


def find_unit(context: Context, site: str, unit: str) -> UnitView:
    """A unit of the fleet.

    Raises:
        Problem: `unit_unknown`.
    """
    view = context.fleet.unit(f"{site}/{unit}")
    if view is None:
        raise Problem(
            "unit_unknown", f"Unit {site}/{unit}: no gateway has announced it; GET /v1/units lists those known."
        )
    return view


def read_range(context: Context, view: UnitView, begin: str | None, end: str | None) -> tuple[int, int]:
    """The range that a request asks for, from before to."""
    newest_ms = view.last_measured_at_ms or context.clock.now_ms()
    to_ms = newest_ms + 1 if end is None else read_instant("to", end)
    from_ms = to_ms - HOUR_MS if begin is None else read_instant("from", begin)
    return from_ms, to_ms


def read_instant(name: str, text: str) -> int:
    """Milliseconds UTC from a number or RFC 3339.

    Raises:
        Problem: it is neither.
    """
    try:
        if text.lstrip("-").isdigit():
            return max(-(10**15), min(int(text), 10**15))
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            raise ValueError("no time zone")
        return int(at.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Problem(
            "range_invalid", f"{name} {text!r}: expected milliseconds UTC or a time like 2026-02-03T04:05:06Z."
        ) from error


def choose_resolution(from_ms: int, to_ms: int) -> Resolution:
    """What a screen can show of this range: samples of two hours, minutes of four days, hours beyond."""
    span_ms = to_ms - from_ms
    if span_ms <= 2 * HOUR_MS:
        return "raw"
    return "1m" if span_ms <= 4 * DAY_MS else "1h"


def check_range(from_ms: int, to_ms: int, resolution: Resolution) -> None:
    """Refuse a range that is empty or too long for its resolution.

    Raises:
        Problem: `range_invalid`.
    """
    if to_ms <= from_ms:
        raise Problem("range_invalid", f"The range from {from_ms} to {to_ms} is empty; from must lie before to.")
    longest_ms = _RANGE_MS_MAX[resolution]
    if to_ms - from_ms > longest_ms:
        raise Problem(
            "range_invalid",
            f"The range has {(to_ms - from_ms) / HOUR_MS:.0f} h; {resolution} allows {longest_ms // HOUR_MS} h."
            " Ask for less, or for a coarser resolution.",
        )
