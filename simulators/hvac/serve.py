"""A plant as a process: it keeps plant time, answers Modbus, and obeys lines of JSON on its standard input.

stdin   {"plant": {"unit": "ahu-03", "family": "damper_stuck", "severity": 0.8}}   break something now
        {"repair": {"unit": "ahu-03"}}                                             mend everything in a unit
        {"lie": {"unit": "ahu-03", "how": "stall"}}                                make a controller lie; "" ends it
stdout  {"ready": {"host": …, "port": …, "profile": …, "units": {"ahu-01": 1, …}}, "measured_at_ms": …}
        {"planted": …} {"repaired": …} {"lying": …}, each with measured_at_ms; {"error": "…"} where a line was wrong
"""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from typing import Any, TextIO

import msgspec

from models.contracts.clock import PlantClock
from models.contracts.messages import Name
from simulators.hvac.emit import LIES, Emitter, Gateway, Lie
from simulators.hvac.faults import FaultError, FaultPlan
from simulators.hvac.registers import find_profile
from simulators.hvac.settings import PlantSettings, Severity, SimulatorSettings
from simulators.hvac.world import Fleet

_WALL_SECONDS_MIN = 0.05
# After a pause (a laptop that slept) the plant catches up in steps of this length, at most so many a turn.
_STEP_SECONDS_MAX = 60.0
_STEPS_A_TURN_MAX = 20
_LINE_BYTES_MAX = 4096


class PlantCommand(msgspec.Struct, forbid_unknown_fields=True):
    """Break something now."""

    unit: Name
    family: str
    severity: Severity
    growth_per_day: float = 0.0
    stuck_position_fraction: float = 0.05
    direction: int = 1


class RepairCommand(msgspec.Struct, forbid_unknown_fields=True):
    """Mend everything in a unit."""

    unit: Name


class LieCommand(msgspec.Struct, forbid_unknown_fields=True):
    """Make a controller lie; an empty `how` makes it honest again."""

    unit: Name
    how: str


class Command(msgspec.Struct, forbid_unknown_fields=True):
    """One line of standard input: exactly one of the three."""

    plant: PlantCommand | None = None
    repair: RepairCommand | None = None
    lie: LieCommand | None = None


class CommandError(ValueError):
    """A line of standard input that cannot be obeyed."""


class Plant:
    """Fleet, registers and clock together; everything but the waiting."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings
        self.clock = PlantClock(settings.clock)
        start_at_ms = self.clock.now_ms()
        self.fleet = build_fleet(settings, start_at_ms)
        self.emitter = Emitter(
            [
                Gateway(server.host, server.port, find_profile(server.profile), server.units)
                for server in settings.servers
            ]
        )
        self.emitter.update(self.fleet.points())

    def advance(self) -> bool:
        """Move the plant to where its clock is, and its registers with it; False if it is still behind."""
        for _ in range(_STEPS_A_TURN_MAX):
            behind_seconds = (self.clock.now_ms() - self.fleet.measured_at_ms) / 1000
            if behind_seconds <= 0:
                break
            self.fleet.step(min(behind_seconds, _STEP_SECONDS_MAX))
        self.emitter.update(self.fleet.points())
        return self.clock.now_ms() - self.fleet.measured_at_ms < _STEP_SECONDS_MAX * 1000

    def obey(self, line: bytes) -> dict[str, Any]:
        """Do what a line of standard input says, and the answer to it.

        Raises:
            CommandError: it cannot be done; nothing has changed.
        """
        try:
            command = msgspec.json.decode(line, type=Command)
        except (msgspec.DecodeError, ValueError) as error:
            raise CommandError(f"command {line.decode(errors='replace').strip()!r}: {error}") from error
        answer: dict[str, Any] = {"measured_at_ms": self.fleet.measured_at_ms}
        if command.plant is not None:
            self._break(command.plant)
            return {"planted": command.plant} | answer
        if command.repair is not None:
            self.fleet.repair(self._index(command.repair.unit))
            return {"repaired": command.repair} | answer
        if command.lie is not None:
            self._index(command.lie.unit)
            self.emitter.lie(command.lie.unit, _lie(command.lie.how))
            return {"lying": command.lie} | answer
        raise CommandError("command is empty: expected plant, repair or lie")

    def ready_lines(self) -> list[dict[str, Any]]:
        """One line a gateway, once all of them listen."""
        return [
            {
                "ready": {
                    "host": gateway.host,
                    "port": gateway.port,
                    "profile": gateway.profile.name,
                    "units": {unit: address.device_id for unit, address in gateway.addresses().items()},
                },
                "measured_at_ms": self.fleet.measured_at_ms,
            }
            for gateway in self.emitter.gateways
        ]

    def _break(self, wanted: PlantCommand) -> None:
        try:
            self.fleet.plant(
                FaultPlan(
                    unit_index=self._index(wanted.unit),
                    family=wanted.family,
                    at_ms=self.fleet.measured_at_ms,
                    severity=wanted.severity,
                    growth_per_day=wanted.growth_per_day,
                    stuck_position_fraction=wanted.stuck_position_fraction,
                    direction=wanted.direction,
                )
            )
        except FaultError as error:
            raise CommandError(str(error)) from error

    def _index(self, unit: str) -> int:
        if unit not in self.emitter.units:
            raise CommandError(f"unit {unit!r} is not in this plant; expected one of {', '.join(self.emitter.units)}")
        return self.emitter.units.index(unit)


def build_fleet(settings: SimulatorSettings, start_at_ms: int) -> Fleet:
    """The fleet that the settings describe, its faults planted."""
    plant = settings.plant
    return Fleet(
        len(settings.units),
        plant.seed,
        start_at_ms,
        [
            FaultPlan(
                unit_index=settings.units.index(fault.unit),
                family=fault.family,
                at_ms=start_at_ms + round(fault.after_seconds * 1000),
                severity=fault.severity,
                growth_per_day=fault.growth_per_day,
                stuck_position_fraction=fault.stuck_position_fraction,
                direction=fault.direction,
            )
            for fault in settings.faults
        ],
        plant.climate,
        sites=plant.sites,
        occupied_hours=_hours(plant),
        warmup_hours=plant.warmup_hours,
    )


async def serve(settings: SimulatorSettings) -> None:
    """Run a plant until SIGTERM or SIGINT.

    Raises:
        EmitError: a Modbus server cannot listen.
    """
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, ended.set)
    plant = Plant(settings)
    await plant.emitter.start()
    try:
        for line in plant.ready_lines():
            _say(line)
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(_keep_time(plant, settings), name="plant time"),
            asyncio.create_task(_listen(plant), name="commands"),
            asyncio.create_task(ended.wait(), name="end"),
        ]
        while not ended.is_set():
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
                tasks.remove(task)
        for task in tasks:
            task.cancel()
    finally:
        await plant.emitter.stop()


async def _keep_time(plant: Plant, settings: SimulatorSettings) -> None:
    pause = max(plant.clock.wall_seconds(settings.plant.step_seconds), _WALL_SECONDS_MIN)
    while True:
        caught_up = plant.advance()
        await asyncio.sleep(pause if caught_up else 0)


async def _listen(plant: Plant) -> None:
    """Obey standard input until it ends; a plant whose input is closed runs on."""
    if not _can_be_typed(sys.stdin):
        return
    reader = asyncio.StreamReader(limit=_LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while True:
        try:
            line = await reader.readline()
        except ValueError:  # the reader has thrown the line away
            _say({"error": f"command of more than {_LINE_BYTES_MAX} bytes: expected one line of JSON"})
            continue
        if not line:
            return
        if line.strip():
            try:
                _say(plant.obey(line))
            except CommandError as error:
                _say({"error": str(error)})


def _can_be_typed(stream: TextIO | None) -> bool:
    """Whether commands can ever come from there: a pipe, a socket or a terminal, not a file, nothing or /dev/null."""
    if stream is None or stream.closed:
        return False
    mode = os.fstat(stream.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stream.isatty()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    sys.stdout.flush()


def _lie(how: str) -> Lie | None:
    if how == "":
        return None
    for known in LIES:
        if how == known:
            return known
    raise CommandError(f"lie {how!r} is not known; expected one of {', '.join(LIES)}, or nothing to end it")


def _hours(plant: PlantSettings) -> tuple[float, float] | None:
    both = (plant.occupied_from_hour, plant.occupied_until_hour)
    return both if any(both) else None
