"""What makes each air handler its own: rooms, coils, fan, dampers and habits, drawn once and sized for its climate.

Two makes: single-zone (the fan's speed serves one large room) and multi-zone VAV (a core and three facades with boxes
and reheat). A single-zone unit has its room in row 0; its other rows are empty and move no air.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.hvac.moist import (
    DENSITY_KILOGRAMS_PER_CUBIC_METER,
    DRY_AIR_JOULES_PER_KILOGRAM_KELVIN,
    EVAPORATION_JOULES_PER_KILOGRAM,
    Flags,
    Floats,
)
from simulators.hvac.plants import rooms
from simulators.hvac.plants.boxes import Limits
from simulators.hvac.plants.coil import Coil
from simulators.hvac.plants.surroundings import Surroundings

ZONES = 4
RATE_PER_FLOW = DENSITY_KILOGRAMS_PER_CUBIC_METER * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN  # W/K a m3/s
_SUPPLY_DIFFERENCE_KELVIN = 11.0
_SUMMER_ROOM_CELSIUS = 24.0
_WINTER_ROOM_CELSIUS = 21.0
_REHEAT_KELVIN = 11.0
_OUTDOOR_AIR_METERS_PER_SECOND = 0.0004  # m3/s a m2: an office by ASHRAE 62.1


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of all units; shape (U,), or (Z, U) in `limits`, `reheat` and the rooms."""

    single_zone: Flags
    rooms: rooms.RoomSizes
    share: Floats  # of the unit's people in each zone, (Z, U)
    limits: Limits
    reheat: Coil
    design_flow: Floats  # m3/s
    design_mass_flow: Floats
    minimum_outdoor_flow: Floats
    # Fan: rise = shutoff n^2 - curve flow^2, n the speed over the design speed; resistances in Pa/(m3/s) and ^2.
    design_speed_fraction: Floats
    fan_shutoff_pascals: Floats
    fan_curve: Floats
    fan_design_shaft_watts: Floats
    motor_efficiency_fraction: Floats
    drive_standby_watts: Floats
    filter_resistance: Floats
    coil_resistance: Floats
    duct_resistance: Floats
    terminal_resistance: Floats  # of all boxes wide open, or of a single zone's diffusers
    static_minimum_pascals: Floats
    static_maximum_pascals: Floats
    vibration_millimeters_per_second: Floats
    # Mixing box.
    has_economizer: Flags
    high_limit_celsius: Floats
    damper_leak_fraction: Floats
    damper_exponent: Floats
    stratification_fraction: Floats
    # Coils and their water.
    heating: Coil
    cooling: Coil
    valve_leak_fraction: Floats
    hot_water_offset_kelvin: Floats
    chilled_water_offset_kelvin: Floats
    # Rooms as one for vapour, and the plant room.
    vapour_mass: Floats  # kg of air that stores it
    infiltration_mass_flow: Floats
    moisture_gain: Floats  # kg/s with everybody there
    return_gain_kelvin: Floats
    room_celsius: Floats
    # Habits.
    heating_setpoint_celsius: Floats
    cooling_setpoint_celsius: Floats
    supply_cold_celsius: Floats
    warm_up_kelvin_per_hour: Floats
    hunting_seconds: Floats


def draw(surroundings: Surroundings, rng: np.random.Generator, single_zone_share: float) -> Sizes:
    """Sizes of a fleet.

    Args:
        surroundings: Design temperatures of each unit's site.
        rng: Where the draws come from.
        single_zone_share: How many of the units serve one room.
    """
    units = surroundings.site.size
    winter, summer = surroundings.winter_celsius, surroundings.summer_celsius

    def between(low: float, high: float) -> Floats:
        return rng.uniform(low, high, units)

    single = rng.uniform(size=units) < single_zone_share
    area = np.where(single, between(200, 900), between(700, 2500))
    core = between(0.3, 0.5)
    facades = rng.dirichlet(np.full(ZONES - 1, 12.0), units).T * (1 - core)
    share = np.where(single, np.array([[1.0], [0.0], [0.0], [0.0]]), np.vstack([core, facades]))
    perimeter = np.where(single, 0.6, np.array([[0.0], [1.0], [1.0], [1.0]])) * np.ones((ZONES, units))
    # An empty row keeps a square meter, so that its arithmetic stays finite; no air, people or meters reach it.
    room = rooms.draw(np.maximum(share * area, 1.0), perimeter, winter, rng)
    used = share > 0
    gains = room.gain_watts + 0.9 * room.solar_watts
    load = room.envelope_conductance * np.maximum(summer - _SUMMER_ROOM_CELSIUS, 0) + gains
    cooling_flow = load * between(1.0, 1.25) / _SUPPLY_DIFFERENCE_KELVIN / RATE_PER_FLOW * used
    loss = (room.envelope_conductance + 0.3 * room.infiltration_rate) * np.maximum(_WINTER_ROOM_CELSIUS - winter, 5)
    heating_flow = 1.3 * loss / _REHEAT_KELVIN / RATE_PER_FLOW * used
    outdoor_flow = share * area * _OUTDOOR_AIR_METERS_PER_SECOND
    low_flow = np.maximum(0.15 * cooling_flow, outdoor_flow * np.where(single, 1.0, 0.8))
    low_flow = np.minimum(np.where(single, np.maximum(low_flow, 0.4 * cooling_flow), low_flow), 0.6 * cooling_flow)
    warm_flow = np.clip(heating_flow, 1.2 * low_flow, np.where(single, 1.0, 0.7) * cooling_flow)
    limits = Limits(*(RATE_PER_FLOW * np.maximum(flow, 1e-6) for flow in (low_flow, cooling_flow, warm_flow)))

    flow = cooling_flow.sum(axis=0) * np.where(single, 1.0, 0.88)
    mass_flow = flow * DENSITY_KILOGRAMS_PER_CUBIC_METER
    rate = flow * RATE_PER_FLOW
    static = np.where(single, between(80, 150), between(220, 280))
    filter_pressure, coil_pressure = between(65, 95), between(160, 220)
    duct_pressure = np.where(single, 0.5, 1.0) * between(200, 280)
    fan_pressure = filter_pressure + coil_pressure + duct_pressure + static
    terminal_flow = np.where(single, flow, cooling_flow.sum(axis=0))
    reheat_rate = RATE_PER_FLOW * np.maximum(warm_flow, 1e-5)
    outdoor = outdoor_flow.sum(axis=0)
    # What the coils must do on the worst days: the air of both ways mixed, to 35 or 20, and to 12.5 celsius.
    coldest = np.minimum(_WINTER_ROOM_CELSIUS - (outdoor / flow) * (_WINTER_ROOM_CELSIUS - winter), 20.0)
    heating_need = rate * (np.where(single, 36.0, 32.0) - coldest) / (65.0 - coldest)
    exhaust_mass = RATE_PER_FLOW / DRY_AIR_JOULES_PER_KILOGRAM_KELVIN * low_flow.sum(axis=0)
    return Sizes(
        single_zone=single,
        rooms=room,
        share=share,
        limits=limits,
        reheat=Coil(1.2 * reheat_rate, 0.6 * reheat_rate, reheat_rate / DRY_AIR_JOULES_PER_KILOGRAM_KELVIN),
        design_flow=flow,
        design_mass_flow=mass_flow,
        minimum_outdoor_flow=outdoor,
        design_speed_fraction=between(0.82, 0.88),
        fan_shutoff_pascals=1.5 * fan_pressure,
        fan_curve=0.5 * fan_pressure / flow**2,
        fan_design_shaft_watts=fan_pressure * flow / between(0.55, 0.65),
        motor_efficiency_fraction=between(0.84, 0.91),
        drive_standby_watts=between(20, 60),
        filter_resistance=filter_pressure / flow,
        coil_resistance=coil_pressure / flow**2,
        duct_resistance=duct_pressure / flow**2,
        terminal_resistance=np.where(single, 1.0, 0.55) * static / terminal_flow**2,
        static_minimum_pascals=np.full(units, 40.0),
        static_maximum_pascals=np.round(static / 5) * 5,
        vibration_millimeters_per_second=between(0.8, 1.8),
        has_economizer=rng.uniform(size=units) < 0.8,
        high_limit_celsius=np.round(between(18.0, 23.0) * 2) / 2,
        damper_leak_fraction=between(0.01, 0.04),
        damper_exponent=between(0.9, 1.3),
        stratification_fraction=rng.normal(0, 0.02, units),
        heating=Coil(heating_need * between(2.2, 2.8), heating_need * between(1.9, 2.3), mass_flow),
        cooling=Coil(rate * between(3.0, 3.6), rate * between(3.4, 4.2), mass_flow),
        valve_leak_fraction=between(0, 0.0005),
        hot_water_offset_kelvin=rng.normal(0, 1.5, units),
        chilled_water_offset_kelvin=rng.normal(0, 0.3, units),
        vapour_mass=3 * area * rooms.AIR_KILOGRAMS_PER_SQUARE_METER,
        infiltration_mass_flow=0.05 * exhaust_mass,
        moisture_gain=area * between(1.5, 4.0) / EVAPORATION_JOULES_PER_KILOGRAM,
        return_gain_kelvin=between(0.2, 0.8),
        room_celsius=between(20, 25),
        heating_setpoint_celsius=np.round(between(20.5, 21.5) * 2) / 2,
        cooling_setpoint_celsius=np.round(between(23.0, 24.5) * 2) / 2,
        supply_cold_celsius=np.round(between(12.0, 13.5) * 2) / 2,
        warm_up_kelvin_per_hour=between(1.2, 2.2),
        hunting_seconds=between(480, 960),
    )
