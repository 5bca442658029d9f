"""The agent of one gateway: named tasks that read, gather, store and send. The wiring is the architecture.

poll NAME ──samples──▶ framers ──frames──▶ spool (thread: score, store) ──▶ publish ──▶ broker
poll NAME ──▶                                   ▲                              │
close frames, heartbeat                         └───────────── acks ───────────┘
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from edge.detector import Detector, load_detector
from edge.framing import ClosedFrame, Framer, Unit
from edge.health import Health
from edge.mqtt_link import LinkError
from edge.outbox_file import boottime_ms
from edge.publisher import Publisher
from edge.readings import Readings
from edge.settings import EdgeSettings, ModbusDevice
from edge.sources import Source, SourceError
from edge.sources.csvfile import CsvSource
from edge.sources.modbus import ModbusSource
from edge.spool import OutboxReplaced, Spool
from models.contracts.clock import PlantClock
from models.contracts.frame import Quality
from models.contracts.topics import check_name
from models.registry import ArtifactError

LOG = logging.getLogger("edge")

_RESTART_SECONDS = 5.0
_DRAIN_SECONDS = 2.0  # after SIGTERM, for what can still be sent
_GOODBYE_SECONDS = 2.0
_REPORT_SECONDS = 300.0


class Agent:
    """One gateway. `run` ends when `stop` is called, or when every source is a file and all of it has arrived."""

    def __init__(self, settings: EdgeSettings) -> None:
        """Build everything; nothing is opened but the files to be played.

        Raises:
            SourceError: a file cannot be played.
        """
        self.settings = settings
        self.health = Health(time.monotonic)
        self.clock = PlantClock(settings.clock)
        self._stopping = asyncio.Event()
        self._framers: dict[int, Framer] = {}
        self._rows = 0
        self.sources: list[Source] = build_sources(settings, self.clock, self.health, self._next_rows)
        self._polled_rows = {
            unit.row for source in self.sources if isinstance(source, ModbusSource) for unit in source.units
        }
        self.spool = Spool(settings, _detector(settings, self.health), self.health)
        self.publisher = Publisher(settings, self.spool, self.health, self._unit_names)

    def _next_rows(self, count: int) -> int:
        """Room for so many units; the row of the first."""
        first, self._rows = self._rows, self._rows + count
        return first

    def _unit_names(self) -> list[str]:
        return [framer.unit.name for framer in self._framers.values()]

    def stop(self) -> None:
        """End in good order: partial frames are closed and stored, what can be sent is sent."""
        self._stopping.set()

    async def run(self) -> None:
        """Read and send until stopped.

        Raises:
            OutboxError: the store cannot be opened.
        """
        await self.spool.start()
        LOG.info(
            "gateway %s/%s: %d sources, epoch %d, %d frames in the outbox, model %s",
            self.settings.site,
            self.settings.gateway,
            len(self.sources),
            self.spool.epoch,
            self.spool.backlog,
            self.spool.model_version or "none",
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                sending = [
                    tasks.create_task(self.spool.run(), name="spool"),
                    tasks.create_task(self.publisher.run(), name="publish"),
                    tasks.create_task(self._heartbeat(), name="heartbeat"),
                ]
                closing = tasks.create_task(self._close_due(), name="close frames")
                polls = [tasks.create_task(self._poll(source), name=f"poll {source.name}") for source in self.sources]
                stopped = tasks.create_task(self._stopping.wait(), name="stop")
                await self._until_over(polls, stopped)
                for task in [*polls, closing, stopped]:
                    task.cancel()
                await self._end()
                for task in sending:
                    task.cancel()
        finally:
            await self.spool.close()

    async def _until_over(self, polls: list[asyncio.Task[None]], stopped: asyncio.Task[bool]) -> None:
        """Until somebody stops us, or nothing is left to read and everything has arrived."""
        pending: set[asyncio.Task[None]] = set(polls)
        while pending and not stopped.done():
            await asyncio.wait([*pending, stopped], return_when=asyncio.FIRST_COMPLETED)
            pending = {task for task in pending if not task.done()}
        if stopped.done():
            return
        self._submit([frame for framer in self._framers.values() for frame in framer.close()])
        await self.spool.flush()
        while self.spool.backlog and not stopped.done():
            await asyncio.wait([stopped], timeout=0.1)

    async def _end(self) -> None:
        """Close partial frames, store them, send what can be sent within a moment, say goodbye."""
        self._submit([frame for framer in self._framers.values() for frame in framer.close()])
        await self.spool.flush()
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self.publisher.connected and self.spool.backlog and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # the backlog shrinks on another thread
        await self.publisher.say_offline(_GOODBYE_SECONDS)
        await self.spool.save()
        LOG.info("gateway ends; %d frames stay in the outbox", self.spool.backlog)

    async def _poll(self, source: Source) -> None:
        """Run one source; whatever goes wrong in it is said, counted and tried again, and stops no other."""
        while True:
            try:
                await source.run(self)
            except SourceError as error:
                LOG.error("%s; it is not read any further", error)
                self.health.device_failed(source.name, str(error))
                return
            except Exception:
                # The rim: a fault in one driver must not end the agent.
                LOG.exception("source %s failed; trying again in %g s", source.name, _RESTART_SECONDS)
                self.health.counts["errors"] += 1
                self.health.device_failed(source.name, f"source {source.name} failed; see the log")
                await asyncio.sleep(_RESTART_SECONDS)
            else:
                return

    async def _close_due(self) -> None:
        """Close frames whose time is over although their device fell silent."""
        pause = max(0.2, self.clock.wall_seconds(self.settings.poll.interval_seconds))
        while True:
            await asyncio.sleep(pause)
            now_ms = self.clock.now_ms()
            for framer in self._framers.values():
                if framer.unit.row in self._polled_rows:
                    self._submit(framer.close_due(now_ms))

    async def _heartbeat(self) -> None:
        reported_at = time.monotonic()
        while True:
            await asyncio.sleep(self.settings.status.heartbeat_seconds)
            try:
                await self.publisher.heartbeat()
            except (LinkError, OutboxReplaced) as error:
                self.health.complain("heartbeat", f"heartbeat not sent: {error}")
            if time.monotonic() - reported_at > _REPORT_SECONDS:
                reported_at = time.monotonic()
                LOG.info(
                    "counts: %s", ", ".join(f"{name} {count}" for name, count in sorted(self.health.counts.items()))
                )

    # What sources see of us.

    def add_unit(self, unit: Unit) -> None:
        """Make a unit known; again is no harm."""
        if unit.row not in self._framers:
            check_name("unit", unit.name)
            self._framers[unit.row] = Framer(unit, self.settings.frame.samples)
            self.spool.add_unit(unit)

    def take(self, unit: Unit, measured_at_ms: int, readings: Readings, jitter_ms: int) -> None:
        """One sample of one unit."""
        counts = self.health.counts
        counts["samples_read"] += 1
        if readings.quality.any():
            missing = int((readings.quality == Quality.MISSING).sum())
            counts["values_missing"] += missing
            counts["values_bad"] += int((readings.quality != Quality.GOOD).sum()) - missing
        self._submit(self._framers[unit.row].add(measured_at_ms, readings, boottime_ms(), jitter_ms))

    async def room(self) -> None:
        """Wait until frames can be stored without any being given up."""
        await self.spool.room()

    def _submit(self, frames: list[ClosedFrame]) -> None:
        for frame in frames:
            self.health.counts["frames_closed"] += 1
            self.spool.submit(frame)


def _detector(settings: EdgeSettings, health: Health) -> Detector | None:
    """The detector, if it is wanted and its models verify: a gateway never stops measuring because of a model."""
    if not settings.detector.enabled:
        return None
    try:
        return load_detector(
            settings.detector.artifact_dir, settings.site, settings.gateway, settings.detector.monitor_file
        )
    except ArtifactError as error:
        LOG.error("%s; frames go out without a score", error)
        health.counts["errors"] += 1
        return None


def build_sources(
    settings: EdgeSettings, clock: PlantClock, health: Health, next_rows: Callable[[int], int]
) -> list[Source]:
    """The sources of these settings.

    Args:
        settings: Checked ones, with all files read in.
        clock: Plant's time.
        health: Where they count and complain.
        next_rows: Makes room for so many units and says the row of the first.

    Raises:
        SourceError: a file cannot be played.
    """
    sources: list[Source] = []
    for device in settings.devices:
        if isinstance(device, ModbusDevice):
            first = next_rows(len(device.units))
            sources.append(ModbusSource(device, first, settings.interval_ms, settings.readings, clock, health))
        else:
            sources.append(CsvSource(device, lambda: next_rows(1), settings.readings, health))
    return sources
