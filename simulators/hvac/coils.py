"""A water coil as two halves in counterflow, each a lump of metal between water and air.

    air in ──▶ [ first half ] ──▶ [ second half ] ──▶ air out
    water out ◀──[ first half ]◀──[ second half ]◀── water in

Air leaves a half part of the way to the metal's temperature and, where the metal is below the dew point, part of the way
to the humidity of saturation at it (the apparatus dew point with a bypass factor). The two metal temperatures of the
next instant are solved together (backward Euler), so any step is stable and the heat of water, metal and air adds up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import (
    EVAPORATION_JOULES_PER_KILOGRAM,
    Floats,
    heat_capacity_joules_per_kilogram_kelvin,
    saturation_humidity_ratio,
)


class Coil(NamedTuple):
    """Of U units: conductances (W/K) of the whole coil at design flow, `metal_capacity` (J/K) of a half of it."""

    air_conductance: Floats
    water_conductance: Floats
    metal_capacity: Floats
    design_mass_flow: Floats
    design_water_rate: Floats


class Passage(NamedTuple):
    """What came out of one step, shape (U,); heats in watts, mean over the step."""

    first_metal_celsius: Floats
    second_metal_celsius: Floats
    air_celsius: Floats
    humidity_ratio: Floats
    water_celsius: Floats
    water_heat_watts: Floats  # from water to metal
    air_heat_watts: Floats  # from metal to air, sensible
    latent_heat_watts: Floats  # from condensing vapour to metal


def valve_flow_fraction(position_fraction: Floats, leak_fraction: Floats) -> Floats:
    """Water flow through an equal-percentage valve (rangeability 20) with a leak, as a share of the design flow."""
    flow: Floats = np.maximum((20.0**position_fraction - 1) / 19, leak_fraction)
    return flow


def step(
    coil: Coil,
    dt_seconds: float,
    metal_celsius: tuple[Floats, Floats],
    air: tuple[Floats, Floats, Floats],
    water: tuple[Floats, Floats],
    wet: bool,
) -> Passage:
    """One step of a coil.

    Args:
        coil: Sizes.
        dt_seconds: At most about 20 where the coil is wet: condensation is taken at the start of the step.
        metal_celsius: Of the first and second half at the start.
        air: Temperature, humidity ratio and mass flow (kg/s, above 0) of the air that enters.
        water: Temperature of the water that enters, and its flow in W/K (0 is allowed).
        wet: Whether vapour can condense here.
    """
    first, second = metal_celsius
    air_in, humidity_in, mass_flow = air
    water_in, water_rate = water
    air_rate = mass_flow * heat_capacity_joules_per_kilogram_kelvin(humidity_in)
    # Conductances fall with the flow: exponents 0.6 (air over fins) and 0.8 (turbulent water).
    air_units = 0.5 * coil.air_conductance * (mass_flow / coil.design_mass_flow) ** 0.6 / air_rate
    flow_fraction = np.maximum(water_rate / coil.design_water_rate, 1e-6)
    water_units = 0.5 * coil.water_conductance / coil.design_water_rate * flow_fraction**-0.2
    air_share = -np.expm1(-air_units)
    water_share = -np.expm1(-water_units)

    if wet:
        latent_first = mass_flow * air_share * np.maximum(humidity_in - saturation_humidity_ratio(first), 0)
        humidity_between = humidity_in - latent_first / mass_flow
        latent_second = mass_flow * air_share * np.maximum(humidity_between - saturation_humidity_ratio(second), 0)
        humidity_out = humidity_between - latent_second / mass_flow
        latent_first = latent_first * EVAPORATION_JOULES_PER_KILOGRAM
        latent_second = latent_second * EVAPORATION_JOULES_PER_KILOGRAM
    else:
        latent_first = latent_second = np.zeros_like(air_in)
        humidity_out = humidity_in

    # (s + w + a) first  - w r second = s first0 + w (1 - r) water + a air + latent      r: water_share, b: air_share
    # -a b first + (s + w + a) second = s second0 + w water + a (1 - b) air + latent
    storage = coil.metal_capacity / dt_seconds
    to_water = water_rate * water_share
    to_air = air_rate * air_share
    diagonal = storage + to_water + to_air
    right_first = storage * first + to_water * (1 - water_share) * water_in + to_air * air_in + latent_first
    right_second = storage * second + to_water * water_in + to_air * (1 - air_share) * air_in + latent_second
    upper = to_water * water_share
    lower = to_air * air_share
    determinant = diagonal * diagonal - upper * lower
    first = (diagonal * right_first + upper * right_second) / determinant
    second = (diagonal * right_second + lower * right_first) / determinant

    water_between = water_in + water_share * (second - water_in)
    water_out = water_between + water_share * (first - water_between)
    air_between = air_in + air_share * (first - air_in)
    air_out = air_between + air_share * (second - air_between)
    return Passage(
        first,
        second,
        air_out,
        humidity_out,
        water_out,
        water_rate * (water_in - water_out),
        air_rate * (air_out - air_in),
        latent_first + latent_second,
    )
