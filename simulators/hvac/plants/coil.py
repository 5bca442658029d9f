"""A water coil at rest: where water, metal and air agree, and the water flow that makes the air leave as wanted.

    water ──G_w──▶ metal ──G_a──▶ air         G_a = C_air (1 - exp(-UA / C_air)),  G_w = e C_water f

One lump of metal; air leaves part of the way (1 - exp(-UA / C_air)) to its temperature and, where it is below the dew
point, as far to the humidity of saturation at it. Both ways of asking are closed forms or a few steps of Newton, so a
step of 300 s costs what one of 15 s does. `simulators.hvac.coils` is the finer coil of the world that runs at 15 s.
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

_RANGEABILITY = 20.0
_LOG_RANGEABILITY = np.log(_RANGEABILITY)
# Magnus: d ln(saturation pressure) / dT = 17.625 x 243.04 / (T + 243.04)^2
_MAGNUS_SLOPE = 17.625 * 243.04


class Coil(NamedTuple):
    """Sizes: conductance from metal to air at design flow, and water's capacity flow at an open valve, both W/K."""

    air_conductance: Floats
    water_rate: Floats
    design_mass_flow: Floats
    water_effectiveness: float = 0.9


class Stream(NamedTuple):
    """Air that enters: temperature, humidity ratio, mass flow (kg/s, above 0), capacity flow (W/K)."""

    celsius: Floats
    humidity_ratio: Floats
    mass_flow: Floats
    rate: Floats


class Leaving(NamedTuple):
    """What leaves, and the heat from water to air (negative: cooling), watts."""

    celsius: Floats
    humidity_ratio: Floats
    water_celsius: Floats
    heat_watts: Floats


def stream(celsius: Floats, humidity_ratio: Floats, mass_flow: Floats) -> Stream:
    """Air with its capacity flow."""
    return Stream(
        celsius, humidity_ratio, mass_flow, mass_flow * heat_capacity_joules_per_kilogram_kelvin(humidity_ratio)
    )


def air_share(coil: Coil, air: Stream, clean_fraction: Floats | float = 1.0) -> Floats:
    """How far air comes to the metal's temperature, 0 to 1; the conductance grows with flow to the power 0.6."""
    conductance = coil.air_conductance * clean_fraction * (air.mass_flow / coil.design_mass_flow) ** 0.6
    share: Floats = -np.expm1(-conductance / air.rate)
    return share


def valve_flow_fraction(position_fraction: Floats) -> Floats:
    """Water flow through an equal-percentage valve (rangeability 20), as a share of the design flow."""
    flow: Floats = np.expm1(_LOG_RANGEABILITY * position_fraction) / (_RANGEABILITY - 1)
    return flow


def valve_position_fraction(flow_fraction: Floats) -> Floats:
    """The opening that lets this flow through; the inverse of `valve_flow_fraction`."""
    position: Floats = np.log1p((_RANGEABILITY - 1) * flow_fraction) / _LOG_RANGEABILITY
    return position


def heat(coil: Coil, air: Stream, share: Floats, water_celsius: Floats, flow_fraction: Floats) -> Leaving:
    """Air behind a dry coil at this water flow."""
    from_water = coil.water_effectiveness * coil.water_rate * flow_fraction
    to_air = air.rate * share
    metal = (from_water * water_celsius + to_air * air.celsius) / (from_water + to_air)
    watts = to_air * (metal - air.celsius)
    returning = water_celsius - coil.water_effectiveness * (water_celsius - metal)
    return Leaving(air.celsius + share * (metal - air.celsius), air.humidity_ratio, returning, watts)


def heating_flow_fraction(
    coil: Coil, air: Stream, share: Floats, water_celsius: Floats, wanted_celsius: Floats
) -> Floats:
    """Water flow at which air leaves a dry coil as wanted, 0 to 1 where that is out of reach."""
    rise = np.maximum(wanted_celsius - air.celsius, 0.0)
    metal = air.celsius + rise / share
    above = water_celsius - metal
    flow = air.rate * rise / (coil.water_effectiveness * coil.water_rate * np.maximum(above, 1e-3))
    return np.clip(flow, 0.0, 1.0)


def cool(coil: Coil, air: Stream, share: Floats, water_celsius: Floats, flow_fraction: Floats) -> Leaving:
    """Air behind a coil on which vapour may condense, at this water flow.

    The metal's temperature solves  G_w (T - T_water) = G_a (T_air - T) + m share h (w - w_saturated(T)): three steps of
    Newton from the dry answer, then what the water takes beyond the sensible part is the latent part, so heat adds up.
    """
    to_water = coil.water_effectiveness * coil.water_rate * flow_fraction
    from_air = air.rate * share
    dry = (to_water * water_celsius + from_air * air.celsius) / (to_water + from_air)
    vapour = air.mass_flow * share * EVAPORATION_JOULES_PER_KILOGRAM
    wet = saturation_humidity_ratio(dry) < air.humidity_ratio
    metal = dry
    if wet.any():
        for _ in range(3):
            saturated = saturation_humidity_ratio(metal)
            slope = saturated * (1 + saturated / 0.621945) * _MAGNUS_SLOPE / (metal + 243.04) ** 2
            excess = (to_water + from_air) * (metal - dry) - vapour * (air.humidity_ratio - saturated)
            metal = metal - excess / (to_water + from_air + vapour * slope)
        metal = np.where(wet, metal, dry)
    sensible = from_air * (air.celsius - metal)
    watts = to_water * (metal - water_celsius)
    latent = np.where(wet, np.maximum(watts - sensible, 0.0), 0.0)
    humidity = air.humidity_ratio - latent / (air.mass_flow * EVAPORATION_JOULES_PER_KILOGRAM)
    returning = water_celsius + coil.water_effectiveness * (metal - water_celsius)
    return Leaving(air.celsius - share * (air.celsius - metal), humidity, returning, -(sensible + latent))


def cooling_flow_fraction(
    coil: Coil, air: Stream, share: Floats, water_celsius: Floats, wanted_celsius: Floats
) -> Floats:
    """Water flow at which air leaves as wanted, vapour included, 0 to 1 where that is out of reach."""
    fall = np.maximum(air.celsius - wanted_celsius, 0.0)
    metal = air.celsius - fall / share
    latent = np.maximum(air.humidity_ratio - saturation_humidity_ratio(np.maximum(metal, -40.0)), 0.0)
    watts = air.rate * fall + air.mass_flow * share * EVAPORATION_JOULES_PER_KILOGRAM * latent * (fall > 0)
    above = metal - water_celsius
    flow = watts / (coil.water_effectiveness * coil.water_rate * np.maximum(above, 1e-3))
    return np.clip(flow, 0.0, 1.0)


def leak_fraction(severity: Floats, tight: Floats | float) -> Floats:
    """Water flow through a closed valve; at severity 1 it no longer closes at all."""
    return np.where(severity < 1, np.maximum(0.25 * severity, tight), 1.0)


def before(
    wanted_celsius: Floats, coil: Coil, air: Stream, share: Floats, water_celsius: Floats, flow_fraction: Floats
) -> Floats:
    """What air must be before a (dry) coil with this water flow to leave it as wanted."""
    from_water = coil.water_effectiveness * coil.water_rate * flow_fraction
    towards = share * from_water / (from_water + air.rate * share)
    sought: Floats = (wanted_celsius - towards * water_celsius) / (1 - towards)
    return sought


def freedom_fraction(severity: Floats) -> Floats:
    """How far a part that sticks still follows its command: 1, to 0 from severity 0.8 on."""
    return np.maximum(1 - 1.25 * severity, 0.0)


def command_for(position_fraction: Floats, freedom: Floats, stuck_fraction: Floats) -> Floats:
    """The command at which a sticking part stands as wanted, or the limit to which its loop pushes it."""
    command = (position_fraction - (1 - freedom) * stuck_fraction) / np.maximum(freedom, 0.02)
    return np.clip(command, 0.0, 1.0)
