"""Sends what the outbox holds, over MQTT: alerts first, then live frames in order, then the backlog.

    connect ─▶ subscribe to acks ─▶ birth ─▶ layouts ─▶ alerts ─▶ live ─▶ backfill ─▶ ... until the connection is lost
       ▲                                                                                      │
       └──────────── pause, doubling, half of it by chance ◀──────────────────────────────────┘

A PUBACK deletes no frame: the broker may forget. Frames leave the outbox on the ack that the cloud publishes when it has
stored them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import time
from collections.abc import Callable

from edge.health import Health
from edge.mqtt_link import LinkError, MqttLink
from edge.outbox import OutboxError
from edge.outbox_schema import Counts, StoredFrame
from edge.outgoing import status
from edge.settings import EdgeSettings
from edge.spool import OutboxReplaced, Spool
from edge.window import Window
from models.contracts.clock import wall_ms
from models.contracts.codec import mark_historical
from models.contracts.messages import Ack, GatewayStatus, MessageError, decode_json, encode_json
from models.contracts.settings import SettingsError
from models.contracts.topics import device_name, mqtt_topic

LOG = logging.getLogger("edge")

_AT_ONCE = 64
_GRACE_SECONDS = 0.3  # for acknowledgements that the broker kept for us
_PAUSE_SECONDS = 0.25
_STEADY_SECONDS = 10.0
_SEQ_MAX = 2**62
_IDLE_SECONDS = 1.0


class Publisher:
    """The gateway's end of the link."""

    def __init__(self, settings: EdgeSettings, spool: Spool, health: Health, units: Callable[[], list[str]]) -> None:
        """Prepare to send.

        Args:
            settings: Site, gateway, broker.
            spool: What there is to send.
            health: Counts, complaints, failing devices.
            units: Tells the names of the units that exist now.
        """
        self.connected = False
        self._settings = settings
        self._spool = spool
        self._health = health
        self._units = units
        self._started_at_ms = wall_ms()
        self._window = Window(settings.publish.in_flight_max, settings.publish.ack_timeout_seconds)
        self._wake = asyncio.Event()
        self._link: MqttLink | None = None
        self._unconfirmed: dict[int, int] = {}  # number of a publish -> id of its message in the outbox, 0: a frame
        self._message_cursor = 0
        self._live_from = 1
        self._epoch = 0
        self._leaving = False

    def _topic(self, name: str, unit: str = "") -> str:
        return mqtt_topic(name, self._settings.site, self._settings.gateway, unit, self._settings.mqtt.root)

    async def run(self) -> None:
        """Connect, send, connect again, until cancelled."""
        failures = 0
        while not self._leaving:
            started = time.monotonic()
            try:
                await self._connect()
                await self._send_until_lost()
            except OutboxReplaced:
                pass  # connecting introduces the new one
            except (LinkError, SettingsError) as error:
                self._health.complain("link", f"{error}; frames wait in the outbox")
            except (sqlite3.Error, OutboxError) as error:
                self._health.complain("outbox", f"outbox cannot be read: {error}; check free space and the disk")
            finally:
                await self._drop_link()
            failures = 0 if time.monotonic() - started > _STEADY_SECONDS else min(failures + 1, 16)
            pause = min(_PAUSE_SECONDS * 2**failures, self._settings.publish.reconnect_seconds_max)
            self._health.counts["reconnects"] += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _connect(self) -> None:
        counts = await self._spool.counts()
        link = self._link = MqttLink(
            self._settings.mqtt,
            device_name(self._settings.site, self._settings.gateway),
            self._arrived,
            self._delivered,
        )
        await link.open(self._topic("status"), encode_json(self._status(counts, online=False)))
        await link.subscribe(self._topic("ack"))
        if link.session_present:
            await asyncio.sleep(_GRACE_SECONDS)
        await self._spool.flush()
        self._unconfirmed.clear()
        self.connected = True
        await self._introduce()
        LOG.info("mqtt %s:%d: connected", self._settings.mqtt.host, self._settings.mqtt.port)

    async def _introduce(self) -> None:
        """Say who we are, of a new connection or a new store; everything unacknowledged is to be sent from the start."""
        self._window.reset()
        if self._spool.epoch != self._epoch:
            self._window.forget()
            self._epoch = self._spool.epoch
        self._message_cursor = 0
        await self._send_messages()  # the account of a lost store comes before the birth of the new one
        await self.heartbeat()
        await self._send_layouts(None)

    async def _drop_link(self) -> None:
        self.connected = False
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _send_until_lost(self) -> None:
        """Send whatever there is, then wait for something new, an ack or a timeout."""
        link = self._link
        while link is not None and not link.lost.is_set():
            self._wake.clear()
            try:
                if self._spool.epoch != self._epoch:
                    raise OutboxReplaced
                self._live_from = await self._spool.demote()
                await self._send_messages()
                await self._send_overdue()
                if fresh := self._spool.fresh_layouts():
                    await self._send_layouts(fresh)
                busy = await self._send_live() or await self._send_backfill()
            except OutboxReplaced:
                await self._introduce()
                continue
            if not busy:
                await self._pause(link)

    async def _pause(self, link: MqttLink) -> None:
        """Until something was stored, acknowledged, delivered or lost, or a frame is overdue."""
        deadline = self._window.next_deadline()
        seconds = _IDLE_SECONDS if deadline is None else min(max(deadline - time.monotonic(), 0.01), _IDLE_SECONDS)
        waits = [asyncio.ensure_future(event.wait()) for event in (self._wake, self._spool.stored, link.lost)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._spool.stored.clear()

    def _room(self, *, backfill: bool = False) -> int:
        """Frames that may go out now: by our own window, and by what the broker is ready to take."""
        most = self._link.receive_maximum if self._link is not None else 0
        return max(0, min(self._window.room(backfill=backfill), most - len(self._unconfirmed), _AT_ONCE))

    async def _send_live(self) -> bool:
        """Frames that are not too old, in order of seq; whether there were any."""
        room = self._room()
        if not room:
            return False
        window = self._window
        frames = await self._spool.frames(max(window.next_live, self._live_from), _SEQ_MAX, room)
        for frame in frames:
            if not window.flies(frame.seq):
                self._send_frame(frame)
            window.next_live = frame.seq + 1
        return bool(frames)

    async def _send_backfill(self) -> bool:
        """Frames that waited too long, when nothing live waits; whether there were any."""
        room = self._room(backfill=True)
        if not room:
            return False
        window = self._window
        frames = await self._spool.frames(window.next_backfill, self._live_from - 1, room)
        for frame in frames:
            if not window.flies(frame.seq):
                self._send_frame(frame)
            window.next_backfill = frame.seq + 1
        return bool(frames)

    async def _send_overdue(self) -> None:
        """Frames for which no ack came in time: again, or, after ten times, never again."""
        overdue = self._window.overdue(time.monotonic(), _AT_ONCE)
        if overdue.hopeless:
            self._health.complain(
                "hopeless",
                f"{len(overdue.hopeless)} frames were sent ten times without an ack while others had theirs, first"
                f" seq {overdue.hopeless[0]}; set aside and reported as a gap",
            )
            self._spool.set_aside(overdue.hopeless)
        if not overdue.again:
            return
        frames = await self._spool.frames_at(overdue.again)
        # Whoever has lost them may have lost their layouts too.
        await self._send_layouts({frame.unit for frame in frames})
        for frame in frames:
            self._health.counts["frames_resent"] += 1
            self._send_frame(frame)
        self._window.gone(set(overdue.again) - {frame.seq for frame in frames})

    def _send_frame(self, frame: StoredFrame) -> None:
        if self._link is None:
            raise LinkError("the connection is closed")
        payload = frame.payload if frame.seq >= self._live_from else mark_historical(frame.payload)
        number = self._link.publish(self._topic("frame", frame.unit), payload)
        self._unconfirmed[number] = 0
        self._window.sent(frame.seq, time.monotonic())
        self._health.counts["frames_sent"] += 1

    async def _send_messages(self) -> None:
        """Alerts, and the closing account of a lost store, the oldest first."""
        while self._link is not None:
            messages = await self._spool.messages(self._message_cursor, _AT_ONCE)
            for message in messages:
                number = self._link.publish(
                    self._topic(message.kind, message.unit), message.payload, retain=message.kind == "status"
                )
                self._unconfirmed[number] = message.id
                self._message_cursor = message.id
            if len(messages) < _AT_ONCE:
                return

    async def _send_layouts(self, units: set[str] | None) -> None:
        """What the frames need to be read; only the newest of each unit is kept by the broker."""
        for layout in await self._spool.layouts(units):
            if self._link is not None:
                self._link.publish(self._topic("layout", layout.unit), layout.payload, retain=layout.newest)

    async def heartbeat(self) -> None:
        """Say that we are there and how we are; nothing while there is no connection."""
        if self.connected and not self._leaving:
            await self._say(online=True)

    async def say_offline(self, seconds: float) -> None:
        """The last word of a gateway that ends by itself; waits until the broker has it, at most so long."""
        self._leaving = True  # no heartbeat and no new birth may come after it
        if not self.connected:
            return
        try:
            number = await self._say(online=False)
            self._unconfirmed[number] = 0
            async with asyncio.timeout(seconds):
                while number in self._unconfirmed:
                    self._wake.clear()
                    await self._wake.wait()
        except (LinkError, TimeoutError, OutboxReplaced, sqlite3.Error) as error:
            LOG.info("offline status was not delivered: %s; the broker says it by our last will", error)

    async def _say(self, *, online: bool) -> int:
        counts = await self._spool.counts()
        if self._link is None or (online and self._leaving):
            raise LinkError("the connection is closed")
        return self._link.publish(self._topic("status"), encode_json(self._status(counts, online=online)), retain=True)

    def _status(self, counts: Counts, *, online: bool) -> GatewayStatus:
        return status(
            self._settings,
            counts,
            online=online,
            sent_at_ms=wall_ms(),
            started_at_ms=self._started_at_ms,
            units=self._units(),
            model_version=self._spool.model_version,
            failing=self._health.failing,
        )

    # From the link, on the loop.

    def _arrived(self, _topic: str, payload: bytes) -> None:
        """An ack. What cannot be read is counted and left: the frames will be sent again."""
        try:
            ack = decode_json(payload, Ack)
        except MessageError as error:
            self._health.complain("ack", f"ack cannot be read: {error}; expected epoch and ranges")
            return
        self._spool.acknowledge(ack)
        if ack.epoch == self._spool.epoch:
            self._window.acknowledged(ack.ranges)
        self._wake.set()

    def _delivered(self, number: int, taken: bool) -> None:
        message = self._unconfirmed.pop(number, None)
        if message and taken:
            self._spool.messages_done([message])
        if not taken:
            self._health.complain(
                "refused",
                "mqtt: the broker refused a message of ours, expected it to take all; check its ACL and quota",
            )
        self._wake.set()
