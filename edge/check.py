"""What a technician asks on site: is everything right (`check`), and what do the devices say now (`read-once`)."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.agent import build_sources
from edge.detector import load_detector
from edge.framing import Unit
from edge.health import Health
from edge.mqtt_link import LinkError, MqttLink
from edge.outbox_schema import APPLICATION_ID, SCHEMA_VERSION
from edge.readings import Readings, number_text
from edge.settings import EdgeSettings
from edge.sources import Source, SourceError
from edge.sources.modbus import ModbusSource
from models.contracts.clock import PlantClock
from models.contracts.exits import Exit
from models.contracts.frame import Quality
from models.contracts.settings import SettingsError
from models.contracts.topics import device_name, mqtt_topic
from models.registry import ArtifactError


class Finding(NamedTuple):
    """One line of the check; `exit` is OK where nothing is wrong."""

    what: str
    exit: Exit
    text: str


class _Samples:
    """Takes the first sample of every unit."""

    def __init__(self) -> None:
        self.units: dict[int, Unit] = {}
        self.readings: dict[int, Readings] = {}

    def add_unit(self, unit: Unit) -> None:
        self.units[unit.row] = unit

    def take(self, unit: Unit, _measured_at_ms: int, readings: Readings, _jitter_ms: int) -> None:
        self.units[unit.row] = unit
        self.readings.setdefault(unit.row, readings)

    async def room(self) -> None:
        """There is always room for one."""


class _AllRead(Exception):  # noqa: N818 - ends the playing of a file
    pass


class _FirstOnly(_Samples):
    """Ends a file after the first sample."""

    def take(self, unit: Unit, _measured_at_ms: int, readings: Readings, _jitter_ms: int) -> None:
        super().take(unit, _measured_at_ms, readings, _jitter_ms)
        raise _AllRead


async def _sample(settings: EdgeSettings, health: Health) -> list[tuple[Source, _Samples]]:
    """Every source read once, all at the same time."""
    clock = PlantClock(settings.clock)
    rows = 0

    def next_rows(count: int) -> int:
        nonlocal rows
        first, rows = rows, rows + count
        return first

    sources = build_sources(settings, clock, health, next_rows)

    async def one(source: Source) -> _Samples:
        if isinstance(source, ModbusSource):
            samples = _Samples()
            for unit in source.units:
                samples.add_unit(unit)
            try:
                await source.poll(samples, clock.now_ms())
            finally:
                source.close()
            return samples
        first = _FirstOnly()
        with contextlib.suppress(_AllRead):
            await source.run(first)
        return first

    return list(zip(sources, await asyncio.gather(*(one(source) for source in sources)), strict=True))


async def read_once(settings: EdgeSettings) -> int:
    """Print every point of every unit: 0 all good, 1 some not, 4 no device answered."""
    health = Health(time.monotonic)
    try:
        sampled = await _sample(settings, health)
    except SourceError as error:
        print(f"plenum edge: {error}")
        return Exit.SETTINGS
    rows = [("unit", "point", "value", "unit", "quality")]
    worst, answered = Exit.OK, False
    for _, samples in sampled:
        for row, unit in samples.units.items():
            readings = samples.readings[row]
            for channel, value, quality in zip(unit.layout.channels, readings.values, readings.quality, strict=True):
                code = Quality(int(quality))
                text = "-" if np.isnan(value) else number_text(float(value))
                rows.append((unit.name, channel.point, text, channel.unit, code.name.lower()))
                answered = answered or code is not Quality.MISSING
                worst = worst if code is Quality.GOOD else Exit.FINDINGS
    _print_columns(rows)
    return worst if answered else Exit.NETWORK


async def check(settings: EdgeSettings) -> int:
    """Try everything that the agent will need; the exit code of the worst finding."""
    findings = [Finding("settings", Exit.OK, f"{settings.site}/{settings.gateway}, {len(settings.devices)} devices")]
    findings.append(_check_outbox(settings))
    findings.append(_check_models(settings))
    findings += await _check_devices(settings)
    findings.append(await _check_broker(settings))
    words = {Exit.OK: "ok", Exit.FINDINGS: "FINDING", Exit.SETTINGS: "SETTINGS", Exit.NETWORK: "NO ANSWER"}
    _print_columns([(finding.what, words.get(finding.exit, "?"), finding.text) for finding in findings])
    return max(finding.exit for finding in findings)


def _check_outbox(settings: EdgeSettings) -> Finding:
    path = Path(settings.outbox.path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            probe.write(b"plenum")
    except OSError as error:
        return Finding(
            "outbox", Exit.SETTINGS, f"{path.parent} cannot be written: {error.strerror}; choose another path"
        )
    free = shutil.disk_usage(path.parent).free
    used = path.stat().st_size if path.exists() else 0
    if free + used < settings.outbox.size_bytes_max:
        return Finding(
            "outbox",
            Exit.FINDINGS,
            f"{path.parent} has {free / 2**20:.0f} MiB free, expected room for"
            f" {settings.outbox.size_bytes_max / 2**20:.0f} MiB; lower outbox.size_bytes_max",
        )
    if not path.exists():
        return Finding("outbox", Exit.OK, f"{path} will be made")
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=0.2)) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            owner = database.execute("PRAGMA application_id").fetchone()[0]
            if (version, owner) != (SCHEMA_VERSION, APPLICATION_ID):
                return Finding(
                    "outbox", Exit.FINDINGS, f"{path} is of another release; it will be set aside at the start"
                )
            backlog = database.execute("SELECT value FROM meta WHERE key = 'backlog'").fetchone()[0]
    except sqlite3.OperationalError as error:
        return Finding("outbox", Exit.OK, f"{path} is in use by a running agent ({error})")
    except (sqlite3.Error, TypeError) as error:
        return Finding("outbox", Exit.FINDINGS, f"{path} is damaged ({error}); it will be set aside at the start")
    return Finding("outbox", Exit.OK, f"{path} can be written, {backlog} frames wait in it")


def _check_models(settings: EdgeSettings) -> Finding:
    if not settings.detector.enabled:
        return Finding("models", Exit.OK, "switched off")
    try:
        detector = load_detector(
            settings.detector.artifact_dir, settings.site, settings.gateway, settings.detector.monitor_file
        )
    except ArtifactError as error:
        return Finding("models", Exit.FINDINGS, str(error))
    return Finding("models", Exit.OK, f"version {detector.version}")


async def _check_devices(settings: EdgeSettings) -> list[Finding]:
    health = Health(time.monotonic)
    try:
        sampled = await _sample(settings, health)
    except SourceError as error:
        return [Finding("devices", Exit.SETTINGS, str(error))]
    findings = []
    for source, samples in sampled:
        for row, unit in samples.units.items():
            findings.append(_judge_device(source, unit, samples.readings[row], health))
    return findings


def _judge_device(source: Source, unit: Unit, readings: Readings, health: Health) -> Finding:
    what = f"device {source.name} unit {unit.name}"
    total = len(readings.quality)
    missing = [unit.layout.points[index] for index in np.flatnonzero(readings.quality == Quality.MISSING)]
    wrong = [unit.layout.points[index] for index in np.flatnonzero(readings.quality == Quality.OUT_OF_RANGE)]
    if len(missing) == total:
        failing = health.failing
        why = failing.get(source.name) or failing.get(f"{source.name}/{unit.name}") or "no value at all"
        return Finding(what, Exit.NETWORK, why)
    parts = [f"{total - len(missing) - len(wrong)} of {total} points good"]
    if wrong:
        parts.append(f"out of range: {', '.join(wrong)}; check scale and unit")
    if missing:
        parts.append(f"missing: {', '.join(missing)}; check register and type")
    return Finding(what, Exit.FINDINGS if wrong or missing else Exit.OK, "; ".join(parts))


async def _check_broker(settings: EdgeSettings) -> Finding:
    """Connect under another client id, so that a running agent is not thrown off, and subscribe."""
    where = f"mqtt {settings.mqtt.host}:{settings.mqtt.port}"
    name = device_name(settings.site, settings.gateway)
    link: MqttLink | None = None
    try:
        link = MqttLink(settings.mqtt, f"{name}:check", lambda _topic, _payload: None, lambda _number, _taken: None)
        await link.open()
        await link.subscribe(mqtt_topic("ack", settings.site, settings.gateway, "", settings.mqtt.root))
    except SettingsError as error:
        return Finding("broker", Exit.SETTINGS, str(error))
    except LinkError as error:
        return Finding("broker", Exit.NETWORK, str(error))
    finally:
        if link is not None:
            await link.close()
    return Finding("broker", Exit.OK, f"{where} answers and lets us subscribe")


def _print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows in columns, the last one as wide as it is."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
