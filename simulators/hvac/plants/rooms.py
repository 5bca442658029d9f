"""Rooms: air and mass of each zone, exact over a step of any length while what surrounds them stays as it is.

    outdoor air ──envelope, infiltration──▶ ┌──────────┐ ◀── people, lights, machines, sun
    supply air ───────────────────────────▶ │ zone air │ ◀──▶ walls and furniture (mass)
                                            └──────────┘

`needed` turns the balance round: the heat that takes the air where the thermostat wants it, at a pace of its own. A well
tuned loop finds that heat, whatever the load; so the controls are as right at 300 s as at 15 s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.hvac.moist import DRY_AIR_JOULES_PER_KILOGRAM_KELVIN, Flags, Floats
from simulators.hvac.plants.surroundings import Around

AIR_KILOGRAMS_PER_SQUARE_METER = 2.8 * 1.2
# Hours at which the sun stands before each facade: roof or core, east, south, west.
_FACADE_HOURS = (12.0, 9.0, 12.0, 15.5)


@dataclass(frozen=True, slots=True)
class RoomSizes:
    """Of Z zones of U units, shape (Z, U)."""

    area_square_meters: Floats
    air_capacity: Floats  # J/K
    mass_capacity: Floats
    mass_conductance: Floats  # W/K
    envelope_conductance: Floats
    infiltration_rate: Floats  # W/K with the fan off
    base_gain_watts: Floats
    gain_watts: Floats  # with everybody there
    solar_watts: Floats  # at the strongest sun straight before the facade


def draw(area_square_meters: Floats, perimeter: Floats, winter_celsius: Floats, rng: np.random.Generator) -> RoomSizes:
    """Rooms of these areas.

    Args:
        area_square_meters: Shape (Z, U).
        perimeter: How much of a facade each zone has, 0 (core) to 1, shape (Z, U).
        winter_celsius: What the building was insulated for, shape (U,).
        rng: Where the draws come from.
    """
    units = winter_celsius.size
    area = area_square_meters

    def between(low: float, high: float) -> Floats:
        return rng.uniform(low, high, units)

    # Cold climates insulate: conductance falls to a half from +5 to -20 celsius.
    insulation = np.clip(1 - 0.5 * (5 - winter_celsius) / 25, 0.45, 1.0)
    full = between(15, 24)
    return RoomSizes(
        area,
        area * AIR_KILOGRAMS_PER_SQUARE_METER * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN * between(3, 5),
        area * between(50, 110) * 3600,
        area * between(6, 9),
        area * insulation * (0.25 + between(0.9, 1.5) * perimeter),
        area
        * AIR_KILOGRAMS_PER_SQUARE_METER
        * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN
        / 3600
        * between(0.1, 0.3)
        * (0.3 + perimeter),
        area * full * between(0.1, 0.2),
        area * full,
        area * (3 + between(25, 50) * perimeter),
    )


class Rooms:
    """State of all zones; `celsius` and `mass_celsius` have shape (Z, U).

    `facade_hours`, shape (Z, U), says when the sun stands before each zone; without it the rows are core or roof, east,
    south, west.
    """

    def __init__(self, sizes: RoomSizes, facade_hours: Floats | None = None, celsius: float = 21.5) -> None:
        self.sizes = sizes
        self.celsius = np.full(sizes.area_square_meters.shape, celsius)
        self.mass_celsius = np.full(sizes.area_square_meters.shape, celsius)
        rows = sizes.area_square_meters.shape[0]
        self._facades = np.array(_FACADE_HOURS[:rows])[:, None] if facade_hours is None else facade_hours

    def expose(self, dt_seconds: float, around: Around, pressurised: Flags) -> None:
        """Take in what works on the rooms for the next `dt_seconds`; where fans run, little outdoor air leaks in."""
        s = self.sizes
        turn = np.maximum(np.cos((around.now.hour - self._facades) * (np.pi / 11)), 0.15)
        self.gain_watts = (
            s.base_gain_watts
            + (s.gain_watts - s.base_gain_watts) * around.presence_fraction
            + s.solar_watts * turn * around.sun_fraction
        )
        self._outward = s.envelope_conductance + s.infiltration_rate * np.where(pressurised, 0.2, 1.0)
        self._drive = s.mass_conductance * self.mass_celsius + self._outward * around.outdoor_celsius + self.gain_watts
        self._rate = s.mass_conductance + self._outward
        self._dt, self._outdoor_celsius = dt_seconds, around.outdoor_celsius
        rest = np.exp(self._rate * (-dt_seconds / s.air_capacity))
        self._stiffness = self._rate / (1 - rest)
        self._rest_celsius = self.celsius * rest

    def needed(self, wanted_celsius: Floats, pace_seconds: float) -> Floats:
        """Heat (W, mean of the step) that moves the air towards `wanted_celsius` as a lag of `pace_seconds` would."""
        moved = -np.expm1(-self._dt / pace_seconds)
        end = self.celsius + moved * (wanted_celsius - self.celsius)
        watts: Floats = self._stiffness * (end - self._rest_celsius) - self._drive
        return watts

    def step(self, supply_rate: Floats, supply_celsius: Floats, extra_watts: Floats | float = 0.0) -> Floats:
        """Advance by the step that was exposed.

        Args:
            supply_rate: Capacity flow of supply air, W/K, shape (Z, U).
            supply_celsius: Its temperature, shape (Z, U) or (U,).
            extra_watts: Heat of radiators and the like.

        Returns:
            Mean temperature of the air over the step, shape (Z, U): what left with the return air.
        """
        s, dt = self.sizes, self._dt
        rate = self._rate + supply_rate
        target = (self._drive + supply_rate * supply_celsius + extra_watts) / rate
        exponent = rate * (dt / s.air_capacity)
        rest = np.exp(-exponent)
        away = self.celsius - target
        mean: Floats = target + away * ((1 - rest) / exponent)
        self.celsius = target + away * rest
        self.outward_watts = self._outward * (mean - self._outdoor_celsius)
        self.mass_celsius = self.mass_celsius + s.mass_conductance * (mean - self.mass_celsius) * (dt / s.mass_capacity)
        return mean
