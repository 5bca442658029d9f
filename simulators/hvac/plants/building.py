"""The rooms that a water plant heats or cools, and the pump that brings them water.

    weather, sun ──▶ ┌───────┐ ◀── people, lights                    pump:  head = shutoff * n^2 - curve * flow^2
                     │ rooms │ ◀── water through coils or radiators   pipes: head = held pressure + resistance * flow^2
                     └───────┘

The rooms of a building are one node; what single zones do beyond that is not the plant's doing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants.surroundings import Around

WATER_JOULES_PER_CUBIC_METER_KELVIN = 4.15e6
# Pump and pipes in shares of the design head and flow.
_SHUTOFF_HEAD_FRACTION = 1.5
_CURVE_FRACTION = 0.35
HELD_HEAD_FRACTION = 0.6
_WORN_HEAD_FRACTION = 0.5
_WORN_EFFICIENCY_FRACTION = 0.35
_LOCKOUT_SECONDS = 1800.0
_FROST_CELSIUS = 7.0


class Building(NamedTuple):
    """Sizes of a building, shape (U,)."""

    envelope_conductance: Floats  # W/K
    ventilation_conductance: Floats  # W/K, while it is scheduled
    capacity: Floats  # J/K
    base_gain_watts: Floats
    people_gain_watts: Floats  # people and what they switch on, when all are there
    solar_gain_watts: Floats  # at full sun


class Pumping(NamedTuple):
    """A pump at work, shape (U,)."""

    flow_fraction: Floats  # of the design flow
    speed_fraction: Floats  # commanded
    differential_fraction: Floats  # of the design head, across the far end of the pipes
    power_fraction: Floats  # of the power at design flow


class Held(NamedTuple):
    """A node that drifted towards a balance: where it ended and its mean, shape (U,)."""

    last: Floats
    mean: Floats


def gain_watts(building: Building, around: Around) -> Floats:
    """Heat of people, lights, machines and sun, shape (U,)."""
    return (
        building.base_gain_watts
        + building.people_gain_watts * around.presence_fraction
        + building.solar_gain_watts * around.sun_fraction
    )


def settle(dt_seconds: float, value: Floats, balance: Floats, conductance: Floats, capacity: Floats) -> Held:
    """Move a node with a capacity towards its balance, exactly for any step as long as the balance stands still.

    Args:
        dt_seconds: Length of the step.
        value: At its start.
        balance: Where it would end.
        conductance: That pulls it there, above 0.
        capacity: That holds it back, in the same unit times seconds.
    """
    steps = dt_seconds * conductance / capacity
    kept = np.exp(-steps)
    return Held(balance + (value - balance) * kept, balance + (value - balance) * (1 - kept) / steps)


def live(building: Building, dt_seconds: float, celsius: Floats, water_watts: Floats, around: Around) -> Floats:
    """Temperature of the rooms after a step in which the water brought (or with a minus took) heat, shape (U,)."""
    conductance = building.envelope_conductance + building.ventilation_conductance * around.scheduled
    # People open windows before they melt, where that helps, and bring heaters before the pipes freeze.
    opened = np.clip(celsius - 28.0, 0.0, 1.0) * (around.outdoor_celsius < celsius)
    conductance = conductance * (1 + 16 * opened)
    balance = around.outdoor_celsius + (gain_watts(building, around) + water_watts) / conductance
    return np.maximum(settle(dt_seconds, celsius, balance, conductance, building.capacity).last, _FROST_CELSIUS)


class EarlyStart:
    """Wakes a controller before its occupied hours, by as much as the rooms are off, and lets it not doze off again."""

    def __init__(self, units: int, hours_max: float) -> None:
        self._hours_max = hours_max
        self._awake: Flags = np.zeros(units, dtype=bool)

    def step(self, around: Around, needed_hours: Floats) -> Flags:
        """Which units work as if occupied, shape (U,)."""
        left = around.hours_to_start
        early = (left < np.clip(needed_hours, 0.0, self._hours_max)) | (self._awake & (left < self._hours_max))
        self._awake = early & ~around.scheduled
        return around.scheduled | early


def pump(wanted_flow_fraction: Floats, worn: Floats) -> Pumping:
    """A pump that holds the pressure at the far end of the pipes, at the speed that this needs, at most its full speed.

    Args:
        wanted_flow_fraction: What open valves let through at the held pressure, of the design flow; 0 stops the pump.
        worn: 0 as new; the head falls and more is lost in the gaps; at 1 it moves nothing.
    """
    on = wanted_flow_fraction > 0
    shutoff = _SHUTOFF_HEAD_FRACTION * (1 - _WORN_HEAD_FRACTION * worn)
    pipes = (1 - HELD_HEAD_FRACTION) + _CURVE_FRACTION
    needed = np.sqrt((HELD_HEAD_FRACTION + pipes * wanted_flow_fraction**2) / shutoff)
    speed = np.clip(needed, 0.25, 1.0) * on
    # Open valves are a resistance: at full speed of a weak pump flow and pressure fall together.
    openness = HELD_HEAD_FRACTION / np.maximum(wanted_flow_fraction, 1e-3) ** 2
    flow = speed * np.sqrt(shutoff / (openness + pipes)) * (worn < 1)
    held = openness * flow**2
    losses = 0.15 * speed**3
    lifted = 0.85 * flow * (held + (1 - HELD_HEAD_FRACTION) * flow**2) / (1 - _WORN_EFFICIENCY_FRACTION * worn)
    return Pumping(flow, speed, held, losses + lifted)


def share(dt_seconds: float, seconds: float) -> float:
    """Share of the way that a first-order lag of so many seconds goes in a step."""
    return float(-np.expm1(-dt_seconds / seconds))


class Switch:
    """On and off with least times in either state, as every burner and compressor has, shape (U,)."""

    def __init__(self, units: int, seconds_on: float, seconds_off: float) -> None:
        self.on: Flags = np.zeros(units, dtype=bool)
        self._seconds = np.full(units, 1e6)
        self._on_min, self._off_min = seconds_on, seconds_off

    def step(self, dt_seconds: float, start: Flags, stop: Flags, halt: Flags, cut_out: Flags | bool = False) -> Floats:
        """One decision of all units; returns starts, 0 or 1, shape (U,).

        Args:
            dt_seconds: Since the last one.
            start: Goes on, if it has been off for long enough.
            stop: Goes off, if it has been on for long enough.
            halt: Goes off at once.
            cut_out: Goes off at once and stays off for half an hour: a pressure switch with its lockout.
        """
        self._seconds += dt_seconds
        # Half a second of slack: a controller of 300 s steps does not wait for a second step.
        ready = self._seconds + 0.5 > np.where(self.on, self._on_min, self._off_min)
        now = np.where(self.on, ~(stop & ready), start & ready) & ~(halt | cut_out)
        self._seconds = np.where(now != self.on, 0.0, self._seconds)
        self._seconds = np.where(cut_out, self._off_min - _LOCKOUT_SECONDS, self._seconds)
        starts = (now & ~self.on).astype(np.float64)
        self.on = now
        return starts
