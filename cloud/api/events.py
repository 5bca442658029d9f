"""The event stream: what changes, told to every browser that listens (server-sent events).

    Fleet ──▶ EventHub ──▶ reader (queue, 1 MiB) ──▶ browser
                 └──▶ the last events, kept

A reader that falls behind is dropped: its browser comes back with Last-Event-ID and gets what it missed, or `reset`.

Health, gateways and alerts have ids and are kept for those who come back. Samples are many: they go only to readers of that
unit, without an id; a page that comes back asks for the traces that it missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterator
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from cloud.alerts.lifecycle import Alert
from cloud.api.access import SESSION_COOKIE, accounts_of, require
from cloud.api.accounts import SignedIn
from cloud.api.problems import Problem
from cloud.api.shapes import alert_summary
from cloud.context import Context
from cloud.fleet import Change, ChangeKind

READER_BYTES_MAX = 1024 * 1024
KEPT_EVENTS_MAX = 2000
KEPT_BYTES_MAX = 4 * 1024 * 1024
READERS_MAX = 500
# A browser that takes nothing for this long has gone, even if its connection has not.
_SEND_SECONDS_MAX = 10
_PING_SECONDS = 15
_KEPT_KINDS: tuple[ChangeKind, ...] = ("health", "gateway", "alert")
_SAMPLES: tuple[ChangeKind, ...] = ("sample",)
_KINDS: tuple[ChangeKind, ...] = (*_SAMPLES, *_KEPT_KINDS)


class Event(msgspec.Struct, frozen=True):
    """One event, encoded once for all readers."""

    kind: str
    key: str
    data: str
    id: str = ""

    def to_sse(self) -> ServerSentEvent:
        return ServerSentEvent(self.data, event=self.kind, id=self.id or None)


class Reader:
    """One browser's queue, bounded in bytes."""

    def __init__(self, kinds: Collection[str], unit_key: str) -> None:
        self.kinds = frozenset(kinds)
        self.unit_key = unit_key
        self.dropped = False
        self._queue: deque[Event] = deque()
        self._bytes = 0
        self._ready = asyncio.Event()

    def wants(self, kind: str, key: str) -> bool:
        return kind in self.kinds and (not self.unit_key or kind == "gateway" or key == self.unit_key)

    def put(self, event: Event) -> None:
        """Queue an event, or drop the reader if it is too far behind."""
        self._bytes += len(event.data)
        if self._bytes > READER_BYTES_MAX:
            self.drop()
            return
        self._queue.append(event)
        self._ready.set()

    def drop(self) -> None:
        self.dropped = True
        self._queue.clear()
        self._ready.set()

    async def next(self) -> Event | None:
        """The next event; None once the reader is dropped."""
        while not self._queue and not self.dropped:
            self._ready.clear()
            await self._ready.wait()
        if self.dropped:
            return None
        event = self._queue.popleft()
        self._bytes -= len(event.data)
        return event


class EventHub:
    """Between the fleet and the browsers, on the event loop's thread."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._readers: set[Reader] = set()
        self._kept: deque[Event] = deque()
        self._kept_bytes = 0
        self._boot = secrets.token_hex(4)
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._samples: asyncio.Task[None] | None = None
        self.dropped = 0
        context.alerts.listen(self._on_alert)

    @property
    def readers(self) -> int:
        return len(self._readers)

    async def run(self) -> None:
        """Pass on what changes, until cancelled."""
        self._loop = asyncio.get_running_loop()
        try:
            while True:
                await self._pass_on(_KEPT_KINDS)
                # The fleet dropped us: something was missed, so everybody asks again.
                self.close()
                self._kept.clear()
                self._kept_bytes = 0
                self._boot = secrets.token_hex(4)
        finally:
            if self._samples is not None:
                self._samples.cancel()

    async def _pass_on(self, kinds: Collection[ChangeKind]) -> None:
        async for change in self._context.fleet.changes(kinds):
            self.tell(change)

    def close(self) -> None:
        """End every stream, so that a server that stops need not wait for them."""
        for reader in list(self._readers):
            reader.drop()

    def tell(self, change: Change) -> None:
        """Give a change to the readers that want it, and keep it unless it is a sample."""
        wanting = [reader for reader in self._readers if reader.wants(change.kind, change.key)]
        if change.kind == "sample":
            if not wanting:
                return
            event = Event(change.kind, change.key, _encode(change))
        else:
            self._count += 1
            event = Event(change.kind, change.key, _encode(change), f"{self._boot}-{self._count}")
            self._keep(event)
        for reader in wanting:
            reader.put(event)
            if reader.dropped:
                self._readers.discard(reader)
                self.dropped += 1

    def _keep(self, event: Event) -> None:
        self._kept.append(event)
        self._kept_bytes += len(event.data)
        while len(self._kept) > KEPT_EVENTS_MAX or self._kept_bytes > KEPT_BYTES_MAX:
            self._kept_bytes -= len(self._kept.popleft().data)

    def missed(self, last_id: str) -> list[Event] | None:
        """What was kept after this id; None if it is too long ago, or another process gave the id."""
        boot, _, number = last_id.partition("-")
        if boot != self._boot or not (number.isascii() and number.isdigit()):
            return None
        behind = self._count - int(number[:18])
        if not 0 <= behind <= len(self._kept):
            return None
        return list(self._kept)[len(self._kept) - behind :]

    @contextlib.contextmanager
    def reading(self, kinds: Collection[str], unit_key: str, last_id: str) -> Iterator[Reader]:
        """A reader, with what it missed already in its queue."""
        reader = Reader(kinds, unit_key)
        if last_id:
            missed = self.missed(last_id)
            if missed is None:
                reader.put(Event("reset", "", "{}", f"{self._boot}-{self._count}"))
            for event in missed or ():
                if reader.wants(event.kind, event.key):
                    reader.put(event)
        else:
            reader.put(Event("hello", "", "{}", f"{self._boot}-{self._count}"))
        self._readers.add(reader)
        self._listen_to_samples()
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            self._listen_to_samples()

    def _listen_to_samples(self) -> None:
        """Samples cost the fleet something: it makes them only while somebody looks at a unit."""
        wanted = any("sample" in reader.kinds for reader in self._readers)
        if wanted and (self._samples is None or self._samples.done()):
            self._samples = asyncio.create_task(self._pass_on(_SAMPLES), name="events samples")
        elif not wanted and self._samples is not None:
            self._samples.cancel()
            self._samples = None

    def _on_alert(self, alert: Alert) -> None:
        """From the thread that changed the alert to the loop's."""
        change = Change("alert", alert.unit_key, msgspec.to_builtins(alert_summary(alert)))
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._context.fleet.publish, change)


router = APIRouter(prefix="/v1", tags=["events"])


@router.get("/events", response_class=EventSourceResponse, summary="What changes, as server-sent events")
async def events(
    request: Request,
    _: Annotated[SignedIn, Depends(require("viewer"))],
    kinds: Annotated[
        str, Query(description="of sample, health, gateway, alert; comma between")
    ] = "health,gateway,alert",
    unit: Annotated[str, Query(description="only of this unit, site/unit; needed for samples", max_length=130)] = "",
) -> EventSourceResponse:
    """Each event's data is `{key, payload}`. `reset` tells a reader that comes back too late to load everything again."""
    wanted = [kind for kind in kinds.split(",") if kind]
    unknown = [kind for kind in wanted if kind not in _KINDS]
    if unknown or not wanted:
        raise Problem("request_invalid", f"kinds {kinds!r}: expected some of {', '.join(_KINDS)}.")
    if "sample" in wanted and not unit:
        raise Problem("request_invalid", "kinds: samples are sent for one unit only; name it with unit=site/unit.")
    hub: EventHub = request.app.state.hub
    if hub.readers >= READERS_MAX:
        raise Problem("not_ready", f"{READERS_MAX} pages listen already; close some.")
    last_id = request.headers.get("last-event-id", "")[:64]
    return EventSourceResponse(
        _stream(hub, request, wanted, unit, last_id), ping=_PING_SECONDS, send_timeout=_SEND_SECONDS_MAX
    )


async def _stream(
    hub: EventHub, request: Request, kinds: list[str], unit_key: str, last_id: str
) -> AsyncIterator[ServerSentEvent]:
    """Events until the reader is dropped, goes, or its session ends."""
    accounts, cookie = accounts_of(request), request.cookies.get(SESSION_COOKIE)
    with hub.reading(kinds, unit_key, last_id) as reader:
        yield ServerSentEvent(comment="plenum", retry=2000)
        checked_at = time.monotonic()
        while True:
            event: Event | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PING_SECONDS):
                    event = await reader.next()
            if reader.dropped:
                return
            if time.monotonic() - checked_at >= _PING_SECONDS:
                if await asyncio.to_thread(accounts.session, cookie) is None:
                    return
                checked_at = time.monotonic()
            if event is not None:
                yield event.to_sse()


def _encode(change: Change) -> str:
    return msgspec.json.encode({"key": change.key, "payload": change.payload}).decode()
