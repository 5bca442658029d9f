"""The system itself: gateways, the loss ledger, deliveries, versions; health checks and metrics for machines."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib import metadata
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cloud.alerts.lifecycle import State
from cloud.alerts.outbox import EndpointState
from cloud.api.access import context_of, require
from cloud.api.accounts import SignedIn
from cloud.api.events import EventHub
from cloud.api.problems import Problem
from cloud.api.shapes import answer, documented
from cloud.context import Context
from cloud.ledger import LedgerRow
from models.contracts.clock import wall_ms
from models.contracts.messages import GatewayStatus

router = APIRouter(tags=["system"])
Viewer = Annotated[SignedIn, Depends(require("viewer"))]


class GatewayBody(msgspec.Struct, frozen=True):
    """One gateway as it last told. `last_seen_at_ms` is wall time."""

    key: str
    last_seen_at_ms: int
    status: GatewayStatus


class GatewaysBody(msgspec.Struct, frozen=True):
    """Every gateway."""

    gateways: list[GatewayBody]


class LedgerBody(msgspec.Struct, frozen=True):
    """The account of one gateway's epoch, in frames. The epoch is text: it does not fit a JavaScript number."""

    gateway: str
    epoch: str
    received: int
    duplicate: int
    double_counted: int
    missing: int
    reported_lost: int
    late: int
    backlog: int
    last_seq: int
    state: str
    last_seen_at_ms: int


class IngestBody(msgspec.Struct, frozen=True):
    """How what comes from Kafka is taken in."""

    kafka_connected: bool
    frames_stored: int
    lag_records: dict[str, int]
    dead: dict[str, int]
    last_error: str


class WebhookBody(msgspec.Struct, frozen=True):
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


class SystemBody(msgspec.Struct, frozen=True):
    """Everything that an operator of Plenum itself looks at."""

    version: str
    wall_ms: int
    plant_ms: int
    plant_speed: float
    ready: bool
    ingest: IngestBody
    ledger: list[LedgerBody]
    webhooks: list[WebhookBody]
    alerts: dict[State, int]
    models: dict[str, list[str]]  # version -> units scored by it
    event_readers: int


class HealthzBody(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


def version() -> str:
    """Our own version."""
    try:
        return metadata.version("plenum")
    except metadata.PackageNotFoundError:
        return "unpacked"


def ledger_bodies(rows: list[LedgerRow]) -> list[LedgerBody]:
    """The ledger as the API has it."""
    return [LedgerBody(**(row._asdict() | {"epoch": f"{row.epoch:016x}"})) for row in rows]


def webhook_bodies(states: list[EndpointState]) -> list[WebhookBody]:
    """Receivers as the API has them."""
    return [WebhookBody(**state._asdict()) for state in states]


async def ready(context: Context) -> str:
    """Why the process cannot do its work now; empty when it can."""
    if not context.ingest.kafka_connected:
        return f"Kafka is not connected: {context.ingest.last_error or 'no answer yet'}"
    await asyncio.to_thread(context.alerts.counts)
    return ""


@router.get("/v1/gateways", responses=documented(GatewaysBody), summary="Every gateway as it last told")
async def gateways(request: Request, _: Viewer) -> Response:
    """State, backlog and versions of every gateway."""
    views = context_of(request).fleet.gateways()
    return answer(GatewaysBody([GatewayBody(view.key, view.last_seen_at_ms, view.status) for view in views]))


@router.get("/v1/system", responses=documented(SystemBody), summary="Ledger, deliveries, versions, lag")
async def system(request: Request, _: Viewer) -> Response:
    """The loss ledger for each gateway and epoch, and how everything else of Plenum is."""
    context = context_of(request)
    hub: EventHub = request.app.state.hub
    return answer(
        SystemBody(
            version=version(),
            wall_ms=wall_ms(),
            plant_ms=context.clock.now_ms(),
            plant_speed=context.clock.speed,
            ready=not await ready(context),
            ingest=IngestBody(
                context.ingest.kafka_connected,
                context.ingest.frames_stored,
                dict(context.ingest.lag_records),
                dict(context.ingest.dead),
                context.ingest.last_error,
            ),
            ledger=ledger_bodies(context.ledger.rows()),
            webhooks=webhook_bodies(await asyncio.to_thread(context.alerts.endpoints)),
            alerts=await asyncio.to_thread(context.alerts.counts),
            models=model_versions(context),
            event_readers=hub.readers,
        )
    )


def model_versions(context: Context) -> dict[str, list[str]]:
    """Units by the version of the model that last scored them."""
    found: dict[str, list[str]] = {}
    for view in context.fleet.units():
        if view.health is not None:
            found.setdefault(view.health.model_version or "unknown", []).append(view.key)
    return found


@router.get("/healthz", responses=documented(HealthzBody), summary="The process answers")
async def healthz() -> Response:
    """For a supervisor: restart the process if this does not answer. Needs no login."""
    return answer(HealthzBody("ok"))


@router.get("/readyz", responses=documented(HealthzBody), summary="The process can do its work")
async def readyz(request: Request) -> Response:
    """For a load balancer: 503 while Kafka or the database cannot be used. Needs no login and tells no detail."""
    if await ready(context_of(request)):
        raise Problem("not_ready", "Kafka or the database cannot be used now; the log and the system page say why.")
    return answer(HealthzBody("ready"))


@router.get("/metrics", summary="Figures for Prometheus")
async def metrics(request: Request, _: Viewer) -> Response:
    """Gauges and counters in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_Figures(context_of(request), request.app.state.hub))
    return Response(await asyncio.to_thread(generate_latest, registry), media_type=CONTENT_TYPE_LATEST)


class _Figures(Collector):
    """Our figures, read when they are asked for."""

    def __init__(self, context: Context, hub: EventHub) -> None:
        self._context = context
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        context = self._context
        yield GaugeMetricFamily("plenum_units", "Units known", len(context.fleet.units()))
        yield GaugeMetricFamily("plenum_event_readers", "Pages that listen", self._hub.readers)
        yield CounterMetricFamily("plenum_event_readers_dropped", "Pages too slow to listen", self._hub.dropped)
        yield CounterMetricFamily("plenum_frames_stored", "Frames stored", context.ingest.frames_stored)
        yield _family("plenum_ingest_lag_records", "Records not yet taken", "topic", context.ingest.lag_records)
        yield _family("plenum_dead_letters", "Messages that could not be used", "reason", context.ingest.dead)
        yield _family("plenum_alerts", "Alerts by state", "state", context.alerts.counts())
        ledger = context.ledger.rows()
        for name in ("received", "duplicate", "double_counted", "missing", "reported_lost", "late", "backlog"):
            totals: dict[str, int] = {}
            for row in ledger:
                totals[row.gateway] = totals.get(row.gateway, 0) + getattr(row, name)
            yield _family(f"plenum_ledger_{name}_frames", f"Frames {name}, all epochs", "gateway", totals)
        states = context.alerts.endpoints()
        for name in ("waiting", "delivered", "given_up"):
            counts = {state.name: getattr(state, name) for state in states}
            yield _family(f"plenum_webhooks_{name}", f"Webhook deliveries {name}", "receiver", counts)


def _family(name: str, text: str, label: str, values: dict[str, int] | dict[State, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
