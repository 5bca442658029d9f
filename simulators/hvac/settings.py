"""Settings of a simulated plant. `simulators.sample.toml`, one folder up, shows every key with its default and unit."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from models.contracts.messages import Name
from models.contracts.settings import ClockSettings, Count, LogSettings, Port, Positive, Settings, SettingsError
from simulators.hvac.faults import FAMILIES
from simulators.hvac.registers import PROFILES
from simulators.hvac.weather import CLIMATES

Severity = Annotated[float, msgspec.Meta(ge=0, le=1)]
Hour = Annotated[float, msgspec.Meta(ge=0, le=24)]


class PlantSettings(Settings, frozen=True):
    """What plant it is. Its time begins where the clock stands when it starts."""

    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    climate: str = "temperate"
    sites: Count = 1
    # Both 0: each unit draws its own hours.
    occupied_from_hour: Hour = 0.0
    occupied_until_hour: Hour = 0.0
    warmup_hours: Annotated[float, msgspec.Meta(ge=0, le=240)] = 12.0
    # Plant seconds between two updates of the registers; never less than 0.05 s on the wall.
    step_seconds: Positive = 7.5


class ServerSettings(Settings, frozen=True):
    """One Modbus TCP server with the units behind it, whose device ids count from 1 in this order."""

    units: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=247)]
    host: str = "127.0.0.1"
    port: Port = 0
    profile: str = "metric"


class FaultSettings(Settings, frozen=True):
    """A fault that is planted by itself, `after_seconds` of plant time from the start."""

    unit: Name
    family: str
    severity: Severity
    after_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    growth_per_day: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    stuck_position_fraction: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.05
    direction: Literal[-1, 1] = 1


class SimulatorSettings(Settings, frozen=True):
    """A plant, its clock and its servers."""

    clock: ClockSettings = ClockSettings()
    log: LogSettings = LogSettings()
    plant: PlantSettings = PlantSettings()
    servers: tuple[ServerSettings, ...] = ()
    faults: tuple[FaultSettings, ...] = ()

    @property
    def units(self) -> tuple[str, ...]:
        """All units, in the order of the fleet."""
        return tuple(unit for server in self.servers for unit in server.units)


def check_settings(settings: SimulatorSettings) -> None:
    """Refuse settings whose parts do not fit together.

    Raises:
        SettingsError: with the key at fault.
    """
    units = settings.units
    if not units:
        raise SettingsError("settings: no units; add at least one [[servers]] with units")
    twice = sorted({unit for unit in units if units.count(unit) > 1})
    if twice:
        raise SettingsError(f"settings: unit {twice[0]!r} is there twice [servers.units]; give each its own name")
    if settings.plant.climate not in (*CLIMATES, "mixed"):
        raise _unknown("climate", settings.plant.climate, (*CLIMATES, "mixed"), "plant.climate")
    for server in settings.servers:
        if server.profile not in PROFILES:
            raise _unknown("profile", server.profile, tuple(PROFILES), "servers.profile")
    for fault in settings.faults:
        if fault.family not in FAMILIES:
            raise _unknown("fault family", fault.family, FAMILIES, "faults.family")
        if fault.unit not in units:
            raise _unknown("unit", fault.unit, units, "faults.unit")
    clock = settings.clock
    if clock.speed != 1 and clock.origin_wall_ms == 0:
        raise SettingsError(
            f"settings: clock speed {clock.speed:g} without origins; set origin_wall_ms to now and origin_plant_ms to the"
            " plant's time of day at that moment [clock]"
        )


def _unknown(what: str, seen: str, known: tuple[str, ...], where: str) -> SettingsError:
    return SettingsError(f"settings: {what} {seen!r} is not known, expected one of {', '.join(known)} [{where}]")
