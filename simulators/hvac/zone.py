"""The zone behind a unit: its air, its walls and furniture, its people and their hours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Flags, Floats, heat_capacity_joules_per_kilogram_kelvin
from simulators.hvac.parameters import Parameters
from simulators.hvac.weather import Calendar


class Supply(NamedTuple):
    """Air that enters the zone, shape (U,)."""

    mass_flow: Floats
    celsius: Floats
    humidity_ratio: Floats


class ZoneState(NamedTuple):
    """Shape (U,) each."""

    celsius: Floats
    humidity_ratio: Floats
    mass_celsius: Floats


class ZoneHeat(NamedTuple):
    """Heat that reached the zone's air during a step, mean watts, shape (U,)."""

    supply_watts: Floats
    outdoor_watts: Floats
    mass_watts: Floats
    gain_watts: Floats


def scheduled(p: Parameters, now: Calendar) -> Flags:
    """Which units are in occupied hours: working days between two hours of each unit's own."""
    open_hours: Flags = (now.hour >= p.occupied_from_hour) & (now.hour < p.occupied_until_hour)
    return open_hours & (now.weekday < 5)


def presence_fraction(p: Parameters, now: Calendar) -> Floats:
    """How much of the staff is in: an hour to fill, an hour to empty, a dip at noon; 0 outside of the schedule."""
    arriving = np.clip(now.hour - p.occupied_from_hour, 0, 1)
    leaving = np.clip(p.occupied_until_hour - now.hour, 0, 1)
    noon = 1 - 0.2 * np.exp(-(((now.hour - 12.5) / 0.5) ** 2))
    share: Floats = np.minimum(arriving, leaving) * noon * float(now.weekday < 5)
    return share


def gains(p: Parameters, now: Calendar, restlessness: Floats, sun_fraction: Floats) -> tuple[Floats, Floats]:
    """Heat (W) and vapour (kg/s) of people, lights, machines and sun.

    Args:
        p: Sizes.
        now: What the clock says.
        restlessness: How far today's people stray from the usual number, in spreads of it.
        sun_fraction: Of the strongest sun.
    """
    presence = presence_fraction(p, now) * np.clip(1 + 0.12 * restlessness, 0.5, 1.5)
    heat = (
        p.base_gain_watts + (p.internal_gain_watts - p.base_gain_watts) * presence + p.solar_gain_watts * sun_fraction
    )
    return heat, p.moisture_gain * presence


def step(
    p: Parameters,
    dt_seconds: float,
    state: ZoneState,
    supply: Supply,
    outdoor: tuple[Floats, Floats],
    gains: tuple[Floats, Floats],
    pressurised: Flags,
) -> tuple[ZoneState, ZoneHeat]:
    """One step of the zone (backward Euler for the air, so any step is stable).

    Args:
        p: Sizes.
        dt_seconds: Length of the step.
        state: At its start.
        supply: From the duct; as much leaves as return and exhaust air.
        outdoor: Temperature and humidity ratio.
        gains: Heat of people, lights and sun (W) and vapour of people (kg/s).
        pressurised: Where the fan runs, little outdoor air comes in by itself.
    """
    supply_rate = supply.mass_flow * heat_capacity_joules_per_kilogram_kelvin(supply.humidity_ratio)
    infiltration = p.infiltration_mass_flow * np.where(pressurised, 0.2, 1.0)
    outdoor_rate = p.envelope_conductance + infiltration * heat_capacity_joules_per_kilogram_kelvin(outdoor[1])
    storage = p.zone_air_capacity / dt_seconds
    celsius = (
        storage * state.celsius
        + supply_rate * supply.celsius
        + outdoor_rate * outdoor[0]
        + p.zone_mass_conductance * state.mass_celsius
        + gains[0]
    ) / (storage + supply_rate + outdoor_rate + p.zone_mass_conductance)
    into_mass = p.zone_mass_conductance * (celsius - state.mass_celsius)
    # Vapour is stored in more than the air: furniture and paper take some.
    vapour_storage = 3 * p.zone_air_mass / dt_seconds
    humidity = (
        vapour_storage * state.humidity_ratio
        + supply.mass_flow * supply.humidity_ratio
        + infiltration * outdoor[1]
        + gains[1]
    ) / (vapour_storage + supply.mass_flow + infiltration)
    heat = ZoneHeat(
        supply_rate * (supply.celsius - celsius), outdoor_rate * (outdoor[0] - celsius), -into_mass, gains[0]
    )
    return ZoneState(celsius, humidity, state.mass_celsius + into_mass * dt_seconds / p.zone_mass_capacity), heat
