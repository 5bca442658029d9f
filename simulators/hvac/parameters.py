"""What makes each air handler its own: sizes, tolerances and habits, drawn once from the seed.

Everything scales with the design air flow, so that a small and a large unit behave alike; the draws around the scale are
what a model must not mistake for a fault.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.hvac.moist import (
    DENSITY_KILOGRAMS_PER_CUBIC_METER,
    DRY_AIR_JOULES_PER_KILOGRAM_KELVIN,
    EVAPORATION_JOULES_PER_KILOGRAM,
    Floats,
)

# Zone 24 celsius less supply 13 celsius: the difference that the design air flow is chosen for.
_DESIGN_DIFFERENCE_KELVIN = 11.0
_DESIGN_SPEED_FRACTION = 0.85


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of all units; every array has shape (U,)."""

    design_flow: Floats  # m3/s, and this flow in kg/s and W/K
    design_mass_flow: Floats
    design_capacity_rate: Floats
    # Fan: pressure rise = shutoff * n^2 - curve * flow^2, n the speed over the design speed.
    design_speed_fraction: Floats
    fan_shutoff_pascals: Floats
    fan_curve: Floats  # Pa/(m3/s)^2, as are the resistances
    fan_design_shaft_watts: Floats
    motor_efficiency_fraction: Floats
    drive_standby_watts: Floats
    filter_resistance: Floats  # Pa/(m3/s)
    filter_age_days: Floats
    coil_resistance: Floats
    duct_resistance: Floats
    terminal_resistance: Floats
    terminal_minimum_fraction: Floats
    static_setpoint_pascals: Floats
    # Mixing box.
    damper_minimum_fraction: Floats
    damper_leak_fraction: Floats
    damper_exponent: Floats
    stratification_fraction: Floats
    # Coils: conductances in W/K at design flow, capacities in J/K for half a coil, water flows in W/K.
    heating_air_conductance: Floats
    heating_water_conductance: Floats
    heating_water_rate: Floats
    heating_metal_capacity: Floats
    heating_valve_leak_fraction: Floats
    cooling_air_conductance: Floats
    cooling_water_conductance: Floats
    cooling_water_rate: Floats
    cooling_metal_capacity: Floats
    cooling_valve_leak_fraction: Floats
    hot_water_offset_kelvin: Floats
    chilled_water_offset_kelvin: Floats
    valve_stroke_seconds: Floats
    damper_stroke_seconds: Floats
    # Zone.
    zone_air_capacity: Floats  # J/K
    zone_mass_capacity: Floats
    zone_mass_conductance: Floats  # W/K
    envelope_conductance: Floats
    zone_air_mass: Floats  # kg
    infiltration_mass_flow: Floats  # kg/s with the fan off
    internal_gain_watts: Floats
    base_gain_watts: Floats
    solar_gain_watts: Floats
    moisture_gain: Floats  # kg/s
    return_gain_kelvin: Floats
    room_celsius: Floats  # the mechanical room around unit and pipes
    # Habits.
    occupied_from_hour: Floats
    occupied_until_hour: Floats
    heating_setpoint_celsius: Floats
    cooling_setpoint_celsius: Floats
    supply_cold_celsius: Floats
    high_limit_celsius: Floats


def draw(units: int, rng: np.random.Generator, occupied_hours: tuple[float, float] | None = None) -> Parameters:
    """Parameters of a fleet.

    Args:
        units: How many, U.
        rng: Where the draws come from.
        occupied_hours: First and last hour of the schedule for all units; None draws each unit's own.
    """

    def between(low: float, high: float) -> Floats:
        return rng.uniform(low, high, units)

    flow = between(1.5, 6.0)
    mass_flow = flow * DENSITY_KILOGRAMS_PER_CUBIC_METER
    rate = mass_flow * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN
    load = rate * _DESIGN_DIFFERENCE_KELVIN
    static = between(220, 280)
    filter_pressure = between(65, 95)
    coil_pressure = between(160, 220)
    duct_pressure = between(200, 280)
    fan_pressure = filter_pressure + coil_pressure + duct_pressure + static
    fan_efficiency = between(0.55, 0.65)
    envelope = between(0.15, 0.28) * load / _DESIGN_DIFFERENCE_KELVIN
    zone_volume = flow * between(400, 550)
    zone_air_mass = zone_volume * DENSITY_KILOGRAMS_PER_CUBIC_METER
    from_hour, until_hour = np.round(between(6.0, 7.5) * 4) / 4, np.round(between(17.5, 19.5) * 4) / 4
    if occupied_hours is not None:
        from_hour, until_hour = (np.full(units, hour) for hour in occupied_hours)
    return Parameters(
        design_flow=flow,
        design_mass_flow=mass_flow,
        design_capacity_rate=rate,
        design_speed_fraction=_DESIGN_SPEED_FRACTION * between(0.97, 1.03),
        fan_shutoff_pascals=1.5 * fan_pressure,
        fan_curve=0.5 * fan_pressure / flow**2,
        fan_design_shaft_watts=fan_pressure * flow / fan_efficiency,
        motor_efficiency_fraction=between(0.84, 0.91),
        drive_standby_watts=between(20, 60),
        filter_resistance=filter_pressure / flow,
        filter_age_days=between(0, 120),
        coil_resistance=coil_pressure / flow**2,
        duct_resistance=duct_pressure / flow**2,
        terminal_resistance=static / flow**2,
        terminal_minimum_fraction=between(0.32, 0.40),
        static_setpoint_pascals=np.round(static / 5) * 5,
        damper_minimum_fraction=np.round(between(0.15, 0.25), 2),
        damper_leak_fraction=between(0.01, 0.04),
        damper_exponent=between(0.9, 1.2),
        stratification_fraction=rng.normal(0, 0.02, units),
        heating_air_conductance=rate * between(0.9, 1.1),
        heating_water_conductance=rate * between(2.0, 2.6),
        heating_water_rate=rate * between(0.9, 1.1),
        heating_metal_capacity=rate * between(12, 18),
        heating_valve_leak_fraction=between(0, 0.0005),
        cooling_air_conductance=rate * between(3.0, 3.5),
        cooling_water_conductance=rate * between(7.0, 8.5),
        cooling_water_rate=rate * between(3.3, 3.8),
        cooling_metal_capacity=rate * between(20, 28),
        cooling_valve_leak_fraction=between(0, 0.0005),
        hot_water_offset_kelvin=rng.normal(0, 1.5, units),
        chilled_water_offset_kelvin=rng.normal(0, 0.3, units),
        valve_stroke_seconds=between(60, 100),
        damper_stroke_seconds=between(80, 120),
        zone_air_capacity=zone_air_mass * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN * between(2.5, 3.5),
        zone_mass_capacity=envelope * between(25, 45) * 3600,
        zone_mass_conductance=load / _DESIGN_DIFFERENCE_KELVIN * between(2.0, 3.0),
        envelope_conductance=envelope,
        zone_air_mass=zone_air_mass,
        infiltration_mass_flow=zone_air_mass * between(0.1, 0.25) / 3600,
        internal_gain_watts=load * between(0.58, 0.72),
        base_gain_watts=load * between(0.04, 0.08),
        solar_gain_watts=load * between(0.10, 0.22),
        moisture_gain=load * between(0.06, 0.12) / EVAPORATION_JOULES_PER_KILOGRAM,
        return_gain_kelvin=between(0.2, 0.8),
        room_celsius=between(21, 25),
        occupied_from_hour=from_hour,
        occupied_until_hour=until_hour,
        heating_setpoint_celsius=np.round(between(20.5, 21.5) * 2) / 2,
        cooling_setpoint_celsius=np.round(between(23.0, 24.5) * 2) / 2,
        supply_cold_celsius=np.round(between(12.5, 13.5) * 2) / 2,
        high_limit_celsius=np.round(between(21.0, 23.0) * 2) / 2,
    )
