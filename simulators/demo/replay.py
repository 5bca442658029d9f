"""`plenum replay`: a recorded file through the whole path, from an agent that reads it to the alerts that it raises."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.contracts.clock import wall_ms
from models.contracts.columnmap import load_map
from models.contracts.exits import Exit
from models.contracts.figures import Figure
from models.contracts.figures import show as show_figures
from models.contracts.settings import SettingsError
from simulators.demo.client import CloudError
from simulators.demo.console import Show
from simulators.demo.recording import Recording, RecordingError, look_into, place_alerts
from simulators.demo.site import clock_section, write_recording
from simulators.demo.supervisor import Child, ChildError
from simulators.demo.system import System, running_system

# After the file's last frame was acknowledged, until the stream has judged it.
_SETTLE_SECONDS = 15.0


def run_replay(
    file: Path, map_file: Path, *, speed: float, seconds: float = 0, keep: Path | None = None, json_path: str = ""
) -> int:
    """Play a file; returns the exit code. See `plenum replay --help`."""
    try:
        if speed <= 0:
            raise SettingsError(f"replay: speed {speed:g}, expected above 0 [--speed]")
        columns = load_map(map_file)
        map_text = map_file.read_text(encoding="utf-8")
        recording = look_into(file, columns)
        return asyncio.run(_play(file.resolve(), map_text, columns.zone, recording, speed, seconds, keep, json_path))
    except (SettingsError, RecordingError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return Exit.SETTINGS
    except (ChildError, CloudError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return Exit.FINDINGS


async def _play(
    file: Path,
    map_text: str,
    zone: str,
    recording: Recording,
    speed: float,
    seconds: float,
    keep: Path | None,
    json_path: str,
) -> int:
    show = Show()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    span_seconds = (recording.last_at_ms - recording.first_at_ms) / 1000
    clock = clock_section(speed, wall_ms(), recording.first_at_ms)
    async with running_system(show, clock, show.alert, keep=keep) as system:
        await system.wait_until_up()
        broker = (system.brokers.mqtt_host, system.brokers.mqtt_port)
        path = write_recording(system.directory, file, map_text, broker, speed, clock)
        show.plain(
            f"\n   Dashboard   {system.dashboard}\n   Sign in     {system.client.user}   {system.secrets.password}"
        )
        show.plain(
            f"   {span_seconds / 86400:.1f} days of {file.name}, about {span_seconds / speed:.0f} s at this speed\n"
        )
        agent = await system.supervisor.start("replay", ["-m", "edge", "run", str(path)])
        await _until_played(system, agent, stop, seconds)
        if stop.is_set():
            return Exit.OK
        await asyncio.sleep(2)
        alerts, ledger = await system.client.settled(system.supervisor, _SETTLE_SECONDS)
    place_alerts(recording, alerts, zone)
    _print_days(recording)
    show_figures(_figures(recording, alerts, ledger), json_path)
    return Exit.OK


async def _until_played(system: System, agent: Child, stop: asyncio.Event, seconds: float) -> None:
    """The agent ends by itself once all of its file has been acknowledged.

    Raises:
        ChildError: it ended with an error, or another process ended.
    """
    started = system.show.seconds
    while not stop.is_set() and not (seconds and system.show.seconds - started > seconds):
        if agent.process.returncode is not None:
            if agent.process.returncode != 0:
                system.supervisor.check()
            system.supervisor.children.remove(agent)
            system.show.step("the file was played to its end, and every frame of it was acknowledged")
            return
        others = [child for child in system.supervisor.children if child is not agent]
        if any(child.process.returncode is not None for child in others):
            system.supervisor.check()
        await asyncio.sleep(0.2)


def _print_days(recording: Recording) -> None:
    """Day by day: what the label says, and what was alerted."""
    table = Table("day", "rows", "labelled faulty", "alerts opened", "families open", box=None)
    for date, day in recording.days.items():
        truth = f"{day.faulty_rows / day.rows:.0%}" if recording.labelled else "no label"
        families = ", ".join(sorted(family.replace("_", " ") for family in day.families))
        table.add_row(date, str(day.rows), truth, "; ".join(day.opened) or "-", families or "-")
    Console(soft_wrap=True).print(table)


def _figures(recording: Recording, alerts: list[dict[str, object]], ledger: list[dict[str, int]]) -> list[Figure]:
    figures = [
        Figure("replay.alerts", len(alerts), "alerts"),
        Figure("replay.frames", sum(row["received"] for row in ledger), "frames"),
        Figure("replay.frames_lost", sum(row["missing"] + row["reported_lost"] for row in ledger), "frames"),
        Figure("replay.frames_duplicate", sum(row["double_counted"] for row in ledger), "frames"),
    ]
    if recording.labelled:
        faulty = [day for day in recording.days.values() if day.faulty_rows >= day.rows / 2]
        healthy = [day for day in recording.days.values() if day.faulty_rows == 0]
        figures += [
            Figure("replay.faulty_days", len(faulty), "days"),
            Figure("replay.faulty_days_alerted", sum(bool(day.families) for day in faulty), "days"),
            Figure("replay.healthy_days", len(healthy), "days"),
            Figure("replay.healthy_days_alerted", sum(bool(day.families) for day in healthy), "days"),
        ]
    return figures
