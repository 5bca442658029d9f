"""The plant: a fleet of air handlers, each with its zone, under the weather of its site.

    outdoor ──▶ damper ┐
                       ├▶ mixed ▶ filter ▶ heating coil ▶ cooling coil ▶ fan ▶ supply ──▶ terminal ▶ zone
    return ──▶ damper ─┘                                                                          │
       ▲──────────────────────────────────────────────────────────────────────────────────────────┘

All units are computed at once, in arrays of shape (U,). A step is cut into substeps of at most 15 s, in each of which the
controllers look at the sensors, the actuators move and the balances of heat, air and vapour are taken. Equal seed, plans
and steps give equal values, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.points import AHU_POINTS
from simulators.hvac import airside, coils, parameters, sensors, zone
from simulators.hvac.controls import Controller, Inputs
from simulators.hvac.faults import Effects, FaultPlan, Faults
from simulators.hvac.moist import (
    Flags,
    Floats,
    heat_capacity_joules_per_kilogram_kelvin,
    relative_humidity_fraction,
)
from simulators.hvac.sensors import COLUMN
from simulators.hvac.weather import CLIMATES, Calendar, Weather, calendar

_SUBSTEP_SECONDS_MAX = 15.0
_FILTER_CHANGE_DAYS = 120.0
_FAN_RAMP_SECONDS = 45.0
_FAN_HEAT_KELVIN_MAX = 15.0


class WorldError(ValueError):
    """A fleet that cannot be built."""


class Instant(NamedTuple):
    """What happened in the last substep, for tests of the balances; shape (U,) in every field."""

    draught: airside.Draught
    mixed: airside.Mixture
    heating: coils.Passage
    cooling: coils.Passage
    supply: zone.Supply
    zone_heat: zone.ZoneHeat


class Fleet:
    """A running plant. `step` moves it, `points` reads it, `truth` and `failed_at_ms` know what is wrong with it.

    Args:
        units: How many air handlers, U.
        seed: Of everything that is drawn.
        start_at_ms: Plant time of the first instant; taken as local time.
        plans: Faults.
        climate: One of `weather.CLIMATES`, or `mixed` for one after the other over the sites.
        sites: Units stand on this many sites in turn, each with weather of its own.
        occupied_hours: First and last hour of working days for all units; None draws each unit's own.
        warmup_hours: How long the plant has run before `start_at_ms`, so that it starts in a settled state.

    Raises:
        WorldError: no such climate, or no unit.
    """

    def __init__(
        self,
        units: int,
        seed: int,
        start_at_ms: int,
        plans: Sequence[FaultPlan] = (),
        climate: str = "temperate",
        *,
        sites: int = 1,
        occupied_hours: tuple[float, float] | None = None,
        warmup_hours: float = 12.0,
    ) -> None:
        if units < 1 or sites < 1:
            raise WorldError(f"fleet of {units} units on {sites} sites: expected at least 1 of each")
        names = list(CLIMATES) if climate == "mixed" else [climate]
        if names[0] not in CLIMATES:
            raise WorldError(f"climate {climate!r} is not known; expected mixed or one of {', '.join(CLIMATES)}")
        streams = np.random.default_rng(seed).spawn(5)
        self.units = units
        self.parameters = p = parameters.draw(units, streams[0], occupied_hours)
        self.weather = Weather([CLIMATES[names[site % len(names)]] for site in range(sites)], streams[1])
        self.controller = Controller(p)
        self.faults = Faults(units, plans)
        self.last: Instant | None = None
        self._site = np.arange(units) % sites
        self._rng, self._sensor_rng = streams[2], streams[3]
        self._offsets = sensors.draw_offsets(units, streams[4])
        self._heating = coils.Coil(
            p.heating_air_conductance,
            p.heating_water_conductance,
            p.heating_metal_capacity,
            p.design_mass_flow,
            p.heating_water_rate,
        )
        self._cooling = coils.Coil(
            p.cooling_air_conductance,
            p.cooling_water_conductance,
            p.cooling_metal_capacity,
            p.design_mass_flow,
            p.cooling_water_rate,
        )
        room = p.room_celsius
        self._noise = self._rng.standard_normal((3, units))  # hot water, chilled water, people
        self._motor_speed = np.zeros(units)
        self._damper = np.zeros(units)
        self._heating_valve = np.zeros(units)
        self._cooling_valve = np.zeros(units)
        self._heating_metal = (room.copy(), room.copy())
        self._cooling_metal = (room.copy(), room.copy())
        self._probes = sensors.Probes(p)
        self.zone = zone.ZoneState(np.full(units, 22.0), np.full(units, 0.007), np.full(units, 22.5))
        self._static_pascals = np.zeros(units)
        self._at_ms = float(start_at_ms - round(warmup_hours * 3_600_000))
        self.measured_at_ms = int(self._at_ms)
        self._effects: Effects
        for _ in range(max(round(warmup_hours * 60), 1)):
            self.step(60.0 if warmup_hours else 1.0)
        self._at_ms = float(start_at_ms)
        self.measured_at_ms = start_at_ms

    @property
    def truth(self) -> dict[str, Floats]:
        """Severity of each fault family now, shape (U,), 0 to 1."""
        return self.faults.truth

    @property
    def failed_at_ms(self) -> npt.NDArray[np.int64]:
        """When each unit failed, shape (U,); -1 while it works."""
        return self.faults.failed_at_ms

    def points(self) -> npt.NDArray[np.float32]:
        """What the controllers' registers hold now, shape (U, 24) in the order of AHU_POINTS; NaN for a lost sensor."""
        return self._read.copy()

    def plant(self, plan: FaultPlan) -> None:
        """One more fault; takes effect with the next step."""
        self.faults.add(plan)

    def repair(self, unit_index: int) -> None:
        """Everything in this unit works again."""
        self.faults.repair(unit_index, self.measured_at_ms)

    def step(self, dt_seconds: float) -> None:
        """Move the plant by `dt_seconds` and read all sensors at the end."""
        self._at_ms += dt_seconds * 1000
        self.measured_at_ms = round(self._at_ms)
        now = calendar(self.measured_at_ms)
        self.weather.step(dt_seconds, self.measured_at_ms)
        memory_seconds = np.array([[3600.0], [1800.0], [2700.0]])
        keep = np.exp(-dt_seconds / memory_seconds)
        self._noise = keep * self._noise + np.sqrt(1 - keep**2) * self._rng.standard_normal(self._noise.shape)
        self.faults.update(self.measured_at_ms)
        self._effects = self.faults.effects(self.parameters)
        substeps = math.ceil(dt_seconds / _SUBSTEP_SECONDS_MAX)
        for _ in range(substeps):
            self._substep(dt_seconds / substeps, now)
        self._read = sensors.read(self._true_points(), self._offsets, self._sensor_rng)

    def _substep(self, dt: float, now: Calendar) -> None:
        p, c, fault = self.parameters, self.controller, self._effects
        outdoor = (self.weather.outdoor_celsius[self._site], self.weather.outdoor_humidity_ratio[self._site])
        scheduled = zone.scheduled(p, now)
        c.step(dt, scheduled, self._seen(outdoor[0]))
        self._move(dt)

        age = (p.filter_age_days + self._at_ms / 86_400_000) % _FILTER_CHANGE_DAYS
        filter_load = (1 + 0.8 * age / _FILTER_CHANGE_DAYS) * fault.filter_load
        draught = airside.blow(p, self._motor_speed, fault.belt_slip_fraction, filter_load, c.terminal_fraction)
        running = draught.flow > 0.05 * p.design_flow
        self._static_pascals = draught.static_pascals

        back = (self.zone.celsius + p.return_gain_kelvin * running, self.zone.humidity_ratio)
        mixed = airside.mix(outdoor, back, airside.outdoor_fraction(p, self._damper))
        self._hot_supply, hot_rate, self._chilled_supply, chilled_rate = self._water(outdoor[0])
        heating = coils.step(
            self._heating,
            dt,
            self._heating_metal,
            (mixed.celsius, mixed.humidity_ratio, draught.mass_flow),
            (self._hot_supply, hot_rate),
            wet=False,
        )
        cooling = coils.step(
            self._cooling,
            dt,
            self._cooling_metal,
            (heating.air_celsius, heating.humidity_ratio, draught.mass_flow),
            (self._chilled_supply, chilled_rate),
            wet=True,
        )
        self._heating_metal = (heating.first_metal_celsius, heating.second_metal_celsius)
        self._cooling_metal = (cooling.first_metal_celsius, cooling.second_metal_celsius)
        air_rate = draught.mass_flow * heat_capacity_joules_per_kilogram_kelvin(cooling.humidity_ratio)
        fan_rise = np.minimum(draught.heat_watts / air_rate, _FAN_HEAT_KELVIN_MAX)
        supply = zone.Supply(draught.mass_flow, cooling.air_celsius + fan_rise, cooling.humidity_ratio)
        gains = zone.gains(p, now, self._noise[2], self.weather.sun_fraction[self._site])
        self.zone, zone_heat = zone.step(p, dt, self.zone, supply, outdoor, gains, running)
        # A mixing box never mixes well: its sensor sits in air of a slightly other mixture.
        streaky = mixed.celsius + p.stratification_fraction * (outdoor[0] - back[0])
        self._probes.step(
            dt,
            draught.flow / p.design_flow,
            sensors.Passing(streaky, supply.celsius, back[0]),
            heating.second_metal_celsius,
            (heating.water_celsius, hot_rate / p.heating_water_rate),
            (cooling.water_celsius, chilled_rate / p.cooling_water_rate),
        )
        self._power_watts, self._flow, self._filter_pascals = draught.power_watts, draught.flow, draught.filter_pascals
        self._outdoor = outdoor
        self.last = Instant(draught, mixed, heating, cooling, supply, zone_heat)

    def _seen(self, outdoor_celsius: Floats) -> Inputs:
        """What the controllers measure: the sensors' felt values with offsets and faults, filtered of noise."""
        offset, at = self._offsets, COLUMN
        drift = self._effects.supply_sensor_offset_kelvin
        return Inputs(
            outdoor_celsius + offset[:, at["outdoor_air_temperature"]],
            self._probes.mixed_celsius + offset[:, at["mixed_air_temperature"]],
            self._probes.supply_celsius + drift + offset[:, at["supply_air_temperature"]],
            self.zone.celsius + offset[:, at["zone_air_temperature"]],
            self._static_pascals + offset[:, at["supply_air_static_pressure"]],
        )

    def _move(self, dt: float) -> None:
        """Actuators follow their commands at their own pace; a stuck damper follows little or not at all."""
        p, c, fault = self.parameters, self.controller, self._effects
        wanted = (
            fault.damper_freedom_fraction * c.damper_command_fraction
            + (1 - fault.damper_freedom_fraction) * fault.damper_stuck_fraction
        )
        self._damper = _towards(self._damper, wanted, dt / p.damper_stroke_seconds)
        self._heating_valve = _towards(self._heating_valve, c.heating_command_fraction, dt / p.valve_stroke_seconds)
        self._cooling_valve = _towards(self._cooling_valve, c.cooling_command_fraction, dt / p.valve_stroke_seconds)
        self._motor_speed = _towards(self._motor_speed, c.speed_command_fraction, dt / _FAN_RAMP_SECONDS)

    def _water(self, outdoor_celsius: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Temperature and flow (W/K) of the hot and of the chilled water that reach the coils."""
        p, fault = self.parameters, self._effects
        # The boiler's reset: 70 celsius at -10 outdoors, 45 from 18 on.
        reset = 70 - 25 * np.clip((outdoor_celsius + 10) / 28, 0, 1)
        hot = reset + p.hot_water_offset_kelvin + 0.8 * self._noise[0]
        chilled = 7 + p.chilled_water_offset_kelvin + 0.2 * self._noise[1] + fault.chilled_water_offset_kelvin
        hot_flow = coils.valve_flow_fraction(self._heating_valve, fault.heating_leak_fraction)
        chilled_flow = coils.valve_flow_fraction(self._cooling_valve, p.cooling_valve_leak_fraction)
        return (
            hot,
            p.heating_water_rate * hot_flow,
            chilled,
            p.cooling_water_rate * chilled_flow * fault.chilled_water_fraction,
        )

    def _true_points(self) -> Floats:
        """What each sensor feels, shape (U, 24), before offset and noise."""
        c, probes = self.controller, self._probes
        felt: dict[str, Floats | Flags] = {
            "outdoor_air_temperature": self._outdoor[0],
            "outdoor_air_relative_humidity": relative_humidity_fraction(*self._outdoor),
            "return_air_temperature": probes.return_celsius,
            "mixed_air_temperature": probes.mixed_celsius,
            "supply_air_temperature": probes.supply_celsius + self._effects.supply_sensor_offset_kelvin,
            "supply_air_temperature_setpoint": c.supply_setpoint_celsius,
            "zone_air_temperature": self.zone.celsius,
            "zone_air_heating_temperature_setpoint": c.zone_heating_setpoint_celsius,
            "zone_air_cooling_temperature_setpoint": c.zone_cooling_setpoint_celsius,
            "outdoor_air_damper_command": c.damper_command_fraction,
            "heating_valve_command": c.heating_command_fraction,
            "cooling_valve_command": c.cooling_command_fraction,
            "supply_fan_speed_command": c.speed_command_fraction,
            "supply_fan_status": c.fan_on,
            "supply_fan_power": self._power_watts,
            "supply_air_flow": self._flow,
            "supply_air_static_pressure": self._static_pascals,
            "supply_air_static_pressure_setpoint": c.static_setpoint_pascals,
            "filter_differential_pressure": self._filter_pascals,
            "hot_water_supply_temperature": self._hot_supply,
            "hot_water_return_temperature": probes.hot_return_celsius,
            "chilled_water_supply_temperature": self._chilled_supply,
            "chilled_water_return_temperature": probes.chilled_return_celsius,
            "occupancy": c.occupied,
        }
        table = np.empty((self.units, len(AHU_POINTS)))
        for column, point in enumerate(AHU_POINTS):
            table[:, column] = felt[point]
        return table


def run(fleet: Fleet, steps: int, dt_seconds: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Run a fleet as fast as it goes and keep every reading.

    Returns:
        measured_at_ms, shape (steps,), and values, shape (steps, U, 24) in the order of AHU_POINTS.
    """
    measured_at_ms = np.empty(steps, dtype=np.int64)
    values = np.empty((steps, fleet.units, len(AHU_POINTS)), dtype=np.float32)
    for index in range(steps):
        fleet.step(dt_seconds)
        measured_at_ms[index] = fleet.measured_at_ms
        values[index] = fleet.points()
    return measured_at_ms, values


def _towards(position: Floats, wanted: Floats, step_max: Floats | float) -> Floats:
    """A position that moves at a limited pace."""
    return position + np.clip(wanted - position, -step_max, step_max)
