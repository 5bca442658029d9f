"""The live picture: every unit with its newest values and health, every gateway, and a stream of changes for the dashboard.

In memory, on the event loop's thread only; a restart fills it again from the history. A reader that does not keep up is
dropped, so that one slow browser costs the others nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
import numpy as np

from cloud.history import LatestUnit
from models.contracts.frame import Floats, FrameBatch, Quality
from models.contracts.layout import Layout
from models.contracts.messages import GatewayStatus, Health, LayoutMessage

ChangeKind = Literal["sample", "health", "gateway", "alert"]
# A browser that is this many changes behind asks again instead: `changes` ends, and the page reloads its state.
READER_CHANGES_MAX = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a page may show at once. `key` is `site/unit`, or `site/gateway` for a gateway.

    Payloads, ready for JSON (NaN is null):
        sample: `measured_at_ms`, `values` {point: newest}, and `trace` {`at_ms`: [...], `values`: {point: [...]}}
        health, gateway: the fields of Health and GatewayStatus
        alert: whatever the alerts service publishes
    """

    kind: ChangeKind
    key: str
    payload: dict[str, Any]


@dataclass(slots=True)
class UnitView:
    """One unit as it is now. `values` are of its newest frame's last sample, None where that is not good."""

    key: str
    site: str
    unit: str
    name: str
    equipment: str
    gateway: str  # its id within the site
    location: str = ""
    layout: Layout | None = None
    last_measured_at_ms: int | None = None
    values: dict[str, float | None] = field(default_factory=dict)
    health: Health | None = None
    # Epoch and seq of the newest frame. Not its time: a clock that was a year ahead must not freeze the picture for a year.
    newest: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class GatewayView:
    """One gateway as it last told, and when that was (wall time)."""

    key: str
    site: str
    gateway: str
    status: GatewayStatus
    last_seen_at_ms: int


@dataclass(slots=True, eq=False)
class _Reader:
    kinds: frozenset[ChangeKind]
    queue: asyncio.Queue[Change]
    dropped: bool = False


class Fleet:
    """All units and gateways, kept up to date by the ingest, read by the API."""

    def __init__(self) -> None:
        self._units: dict[str, UnitView] = {}
        self._gateways: dict[str, GatewayView] = {}
        self._readers: set[_Reader] = set()
        self.readers_dropped = 0

    def units(self) -> list[UnitView]:
        """Every unit, in the order of its key."""
        return [self._units[key] for key in sorted(self._units)]

    def unit(self, key: str) -> UnitView | None:
        """One unit by `site/unit`."""
        return self._units.get(key)

    def gateways(self) -> list[GatewayView]:
        """Every gateway, in the order of its key."""
        return [self._gateways[key] for key in sorted(self._gateways)]

    def load(self, units: Iterable[LatestUnit]) -> None:
        """Begin with what the history has stored."""
        for stored in units:
            self.apply_layout(stored.layout)
            view = self._units[f"{stored.layout.site}/{stored.layout.unit}"]
            view.last_measured_at_ms = stored.measured_at_ms
            view.values = {
                point: None if value is None else _seven_digits(value) for point, value in stored.values.items()
            }
            view.health = stored.health

    def apply_layout(self, message: LayoutMessage) -> None:
        """What a unit is; also how it comes to be in the fleet."""
        key = f"{message.site}/{message.unit}"
        view = self._units.get(key)
        if view is None:
            view = self._units[key] = UnitView(key, message.site, message.unit, "", "", "")
        view.name = message.name or message.unit
        view.equipment = message.layout.equipment
        view.gateway = message.gateway
        view.location = message.location
        view.layout = message.layout

    def apply_frames(self, batch: FrameBatch) -> None:
        """Newest values of the units of a batch. Frames from a backlog, or before a unit's newest, change nothing."""
        points = batch.layout.points
        for row, key in enumerate(batch.units):
            view = self._units.get(key)
            if view is None:
                continue
            epoch, seq = int(batch.epoch[row]), int(batch.seq[row])
            if batch.historical[row] or (epoch == view.newest[0] and seq <= view.newest[1]):
                continue
            view.newest = (epoch, seq)
            newest_at_ms = int(batch.measured_at_ms[row] + (batch.n - 1) * batch.interval_ms[row])
            values = batch.values[row]
            if batch.quality is not None:
                values = np.where(batch.quality[row] == Quality.GOOD, values, np.float32(np.nan))
            view.last_measured_at_ms = newest_at_ms
            view.values = dict(zip(points, _for_json(values[:, -1]), strict=True))
            if self._wanted("sample"):
                at_ms = batch.measured_at_ms[row] + np.arange(batch.n) * batch.interval_ms[row]
                trace = {
                    "at_ms": at_ms.tolist(),
                    "values": {point: _for_json(line) for point, line in zip(points, values, strict=True)},
                }
                payload = {"measured_at_ms": newest_at_ms, "values": view.values, "trace": trace}
                self.publish(Change("sample", key, payload))

    def apply_health(self, health: Health) -> None:
        """State of a unit; historical and older ones change nothing."""
        key = f"{health.site}/{health.unit}"
        view = self._units.get(key)
        if view is None or health.historical:
            return
        if view.health is not None and health.measured_at_ms < view.health.measured_at_ms:
            return
        view.health = health
        if self._wanted("health"):
            self.publish(Change("health", key, _payload(health)))

    def apply_gateway(self, status: GatewayStatus, at_ms: int) -> None:
        """Status of a gateway, in the order in which they come. A last will takes only `state`: its numbers are old."""
        key = f"{status.site}/{status.gateway}"
        view = self._gateways.get(key)
        if view is None:
            self._gateways[key] = GatewayView(key, status.site, status.gateway, status, at_ms)
        else:
            will = status.state == "offline" and status.epoch == view.status.epoch
            view.status = msgspec.structs.replace(view.status, state="offline") if will else status
            view.last_seen_at_ms = max(view.last_seen_at_ms, at_ms)
        if self._wanted("gateway"):
            self.publish(Change("gateway", key, _payload(self._gateways[key].status)))

    def publish(self, change: Change) -> None:
        """Give a change to every reader that asked for its kind."""
        for reader in list(self._readers):
            if change.kind not in reader.kinds:
                continue
            try:
                reader.queue.put_nowait(change)
            except asyncio.QueueFull:
                self._readers.discard(reader)
                self.readers_dropped += 1
                reader.dropped = True

    def changes(self, kinds: Collection[ChangeKind]) -> AsyncIterator[Change]:
        """Changes of these kinds from now on. Ends when the reader was too slow: then ask for the whole state again."""
        reader = _Reader(frozenset(kinds), asyncio.Queue(READER_CHANGES_MAX))
        self._readers.add(reader)
        return self._read(reader)

    async def _read(self, reader: _Reader) -> AsyncIterator[Change]:
        try:
            # A reader is dropped while it does something else, never while it waits: its queue is empty then.
            while not reader.dropped:
                yield await reader.queue.get()
        finally:
            self._readers.discard(reader)

    def _wanted(self, kind: ChangeKind) -> bool:
        return any(kind in reader.kinds for reader in self._readers)


def _for_json(values: Floats) -> list[float | None]:
    """Numbers as JSON has them; NaN becomes None."""
    return [None if value != value else _seven_digits(value) for value in values.tolist()]


def _seven_digits(value: float) -> float:
    """What a float32 holds: 18.56, not 18.559999465942383."""
    return float(f"{value:.7g}")


def _payload(message: msgspec.Struct) -> dict[str, Any]:
    payload: dict[str, Any] = msgspec.to_builtins(message)
    return payload
