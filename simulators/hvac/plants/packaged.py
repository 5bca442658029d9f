"""What rooftop units and heat pumps have in common: a fan with its filter, one room, and the air's way through the unit.

    fan: rise = shutoff n^2 - curve flow^2        unit and ducts: drop = (rest + filter x load) flow^2

Pressures and flows are shares of the design point, so a small and a large unit behave alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import (
    DENSITY_KILOGRAMS_PER_CUBIC_METER,
    DRY_AIR_JOULES_PER_KILOGRAM_KELVIN,
    EVAPORATION_JOULES_PER_KILOGRAM,
    Flags,
    Floats,
    enthalpy_joules_per_kilogram,
    heat_capacity_joules_per_kilogram_kelvin,
)
from simulators.hvac.plants import cycle, gauges, refrigerant, rooms
from simulators.hvac.plants.building import settle, share
from simulators.hvac.plants.cycle import Cycle, Machine, Running
from simulators.hvac.plants.faults import Condition
from simulators.hvac.plants.rooms import RoomSizes
from simulators.hvac.plants.sensing import Sensing
from simulators.hvac.plants.surroundings import Around, Surroundings

SUMMER_ROOM_CELSIUS = 24.0
WINTER_ROOM_CELSIUS = 21.0
# Below this flow the air switch stops compressor and heaters.
LEAST_FLOW_FRACTION = 0.25
# m3/s of air a watt of total cooling: 0.0515 m3/s a kilowatt, some 385 cubic feet a minute a ton.
_FLOW_PER_WATT = 5.15e-5
_OUTDOOR_AIR_METERS_PER_SECOND = 0.0005  # m3/s a m2 of floor
_DESIGN_SPEED_FRACTION = 0.9
_SHUTOFF, _CURVE = 1.5, 0.5
_INDOOR_ENTHALPY = 48_000.0  # J/kg at 24 celsius and half saturated


class Sizes(NamedTuple):
    """Of each unit and its room; shape (U,), but (1, U) in `rooms`."""

    rooms: RoomSizes
    cooling_watts: Floats  # total, at 35 celsius outdoors
    loss_watts: Floats  # of the room and its fresh air on the coldest day
    design_flow: Floats  # m3/s
    outdoor_fraction: Floats  # of the design flow, fresh air that people need
    fan_watts: Floats  # electric, at the design point
    filter_share: Floats  # of the design pressure
    filter_pascals: Floats  # clean, at design flow
    fan_vibration: Floats  # mm/s as new at design speed
    compressor_vibration: Floats
    vapour_mass: Floats  # kg of air that would store as much vapour as the room does
    infiltration_mass_flow: Floats
    moisture_gain: Floats  # kg/s with everybody there
    return_gain_kelvin: Floats
    shed_celsius: Floats  # what the sensors feel where no air passes
    heating_setpoint_celsius: Floats
    cooling_setpoint_celsius: Floats
    hunting_seconds: Floats
    hunting_phase: Floats


class Draught(NamedTuple):
    """Air that moves, shape (U,)."""

    flow: Floats  # m3/s
    flow_fraction: Floats
    mass_flow: Floats
    filter_pascals: Floats
    power_watts: Floats
    heat_watts: Floats  # into the air
    vibration: Floats


def draw(surroundings: Surroundings, rng: np.random.Generator, area_square_meters: tuple[float, float]) -> Sizes:
    """Sizes for the climates of `surroundings`, floor areas drawn evenly on a logarithmic scale."""
    units = surroundings.site.size

    def between(low: float, high: float) -> Floats:
        return rng.uniform(low, high, units)

    winter, summer = surroundings.winter_celsius, surroundings.summer_celsius
    area = np.exp(between(*np.log(area_square_meters)))
    room = rooms.draw(area[None, :], np.full((1, units), 0.6), winter, rng)
    outdoor_flow = area * _OUTDOOR_AIR_METERS_PER_SECOND
    sensible = (
        room.envelope_conductance[0] * np.maximum(summer - SUMMER_ROOM_CELSIUS, 0)
        + room.gain_watts[0]
        + 0.9 * room.solar_watts[0]
    )
    moisture = area / 10 * 1.5e-5 * between(0.7, 1.3)  # a person on 10 m2 gives about 55 g an hour
    # Fresh air at the design day, taken as damp: some 3 kJ/kg a kelvin.
    fresh = outdoor_flow * DENSITY_KILOGRAMS_PER_CUBIC_METER * 3000.0 * np.maximum(summer - 20.0, 3.0)
    cooling = (1.15 * sensible + moisture * EVAPORATION_JOULES_PER_KILOGRAM + fresh) * between(1.1, 1.35)
    flow = cooling * _FLOW_PER_WATT * between(0.95, 1.05)
    leak = room.infiltration_rate[0]
    fresh_rate = outdoor_flow * DENSITY_KILOGRAMS_PER_CUBIC_METER * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN
    loss = (room.envelope_conductance[0] + leak + fresh_rate) * np.maximum(WINTER_ROOM_CELSIUS - winter, 5.0)
    pressure = between(420, 600)
    filters = between(55, 85)
    return Sizes(
        rooms=room,
        cooling_watts=cooling,
        loss_watts=loss,
        design_flow=flow,
        outdoor_fraction=np.clip(outdoor_flow / flow, 0.08, 0.4).round(2),
        fan_watts=flow * pressure / between(0.48, 0.58),
        filter_share=filters / pressure,
        filter_pascals=filters,
        fan_vibration=between(0.9, 1.8),
        compressor_vibration=between(1.0, 2.0),
        vapour_mass=area * rooms.AIR_KILOGRAMS_PER_SQUARE_METER * between(4, 7),
        infiltration_mass_flow=leak / DRY_AIR_JOULES_PER_KILOGRAM_KELVIN,
        moisture_gain=moisture,
        return_gain_kelvin=between(0.2, 0.8),
        shed_celsius=between(21, 25),
        heating_setpoint_celsius=(between(20.5, 21.5) * 2).round() / 2,
        cooling_setpoint_celsius=(between(23.5, 24.5) * 2).round() / 2,
        hunting_seconds=between(700, 1400),
        hunting_phase=between(0, 2 * np.pi),
    )


def scroll(name: str, cooling_watts: Floats, condensing_celsius: float, rng: np.random.Generator) -> Machine:
    """A scroll compressor and its charge, for this cooling at 8 celsius evaporating."""
    one = np.ones(cooling_watts.size)

    def between(low: float, high: float) -> Floats:
        return rng.uniform(low, high, one.size)

    machine = Machine(
        refrigerant.load(name),
        one,
        volumetric_efficiency_fraction=0.97 * one,
        isentropic_efficiency_fraction=between(0.66, 0.71),
        best_pressure_ratio=2.8 * one,
        shell_loss_fraction=between(0.04, 0.07),
        superheat_kelvin=between(5.0, 7.0),
        subcooling_kelvin=between(5.0, 7.5),
        charge_kelvin=between(30, 36),
    )
    return machine._replace(swept_flow=cycle.swept_flow(machine, cooling_watts, 8.0 * one, condensing_celsius * one))


def running(speed_fraction: Floats, condition: Condition) -> Running:
    """How the compressor is driven, with the charge and the wear of this instant."""
    bad = condition.severity
    charge = 1 - 0.45 * bad["refrigerant_undercharge"] + 0.35 * bad["refrigerant_overcharge"]
    return Running(speed_fraction, charge, 0.5 * bad["compressor_weak"])


def is_broken(condition: Condition) -> Flags:
    """Where the compressor cannot run at all: worn out, without charge, or so full that a pressure switch is open."""
    bad = condition.severity
    broken: Flags = (
        (bad["compressor_weak"] >= 1) | (bad["refrigerant_undercharge"] >= 1) | (bad["refrigerant_overcharge"] >= 1)
    )
    return broken


def seen_room(celsius: Floats, sensing: Sensing) -> Floats:
    """The room as the thermostat sees it; a lost sensor shows no error: the room seems to be right."""
    seen = celsius + sensing.error("zone_air_temperature")
    return np.where(np.isnan(seen), 22.5, seen)


def blow(s: Sizes, speed_command_fraction: Floats, condition: Condition) -> Draught:
    """Flow, power and vibration of the supply fan at a speed command; 0 stands still."""
    bad = condition.severity
    clogged = bad["filter_fouled"]
    load = np.where(clogged < 1, 1 + 6 * clogged, 400.0)
    seized = bad["fan_bearing_worn"] >= 1
    grip = (~seized).astype(np.float64)
    slip = np.zeros_like(clogged)
    if "fan_belt_worn" in bad:
        slip = np.where(bad["fan_belt_worn"] < 1, 0.45 * bad["fan_belt_worn"], 1.0)
        grip = grip * (1 - slip)
    turning = speed_command_fraction * grip / _DESIGN_SPEED_FRACTION
    resistance = 1 - s.filter_share + s.filter_share * load
    fraction = turning * np.sqrt(_SHUTOFF / (_CURVE + resistance))
    shaft = turning**3 * (0.3 + 0.7 * np.minimum(fraction / np.maximum(turning, 1e-6), 1.4))
    shaft = shaft * (1 + 0.35 * bad["fan_bearing_worn"])
    # The torque is the same on both sides of a slipping belt, the speed is not; a free motor takes a little.
    idle = 0.05 * speed_command_fraction * ~seized
    power = s.fan_watts * (0.95 * shaft / np.maximum(1 - slip, 0.05) + idle)
    flow = s.design_flow * fraction
    shaken = gauges.vibration_velocity(turning > 0.05, turning, s.fan_vibration, bad["fan_bearing_worn"])
    shaken = shaken * (1 + 0.8 * slip)
    return Draught(
        flow,
        fraction,
        flow * DENSITY_KILOGRAMS_PER_CUBIC_METER,
        s.filter_pascals * load * fraction**2,
        power,
        power,
        shaken,
    )


def behind_coil(
    celsius: Floats, humidity_ratio: Floats, mass_flow: Floats, heat_watts: Floats, moisture_flow: Floats
) -> tuple[Floats, Floats]:
    """Temperature and humidity ratio of air that got heat (or with a minus lost it) and left water on the coil."""
    flow = np.maximum(mass_flow, 1e-3)
    dried = np.minimum(moisture_flow / flow, humidity_ratio)
    sensible = heat_watts + dried * flow * EVAPORATION_JOULES_PER_KILOGRAM
    rate = flow * heat_capacity_joules_per_kilogram_kelvin(humidity_ratio)
    return celsius + sensible / rate, humidity_ratio - dried


def vapour(
    s: Sizes, dt_seconds: float, humidity_ratio: Floats, supply: tuple[Floats, Floats], around: Around
) -> Floats:
    """Humidity ratio of the room after a step; `supply` is mass flow and humidity ratio of the air that enters."""
    flow, ratio = supply
    total = flow + s.infiltration_mass_flow
    balance = (
        flow * ratio
        + s.infiltration_mass_flow * around.outdoor_humidity_ratio
        + s.moisture_gain * around.presence_fraction
    ) / total
    return settle(dt_seconds, humidity_ratio, balance, total, s.vapour_mass).last


def felt(dt_seconds: float, state: Floats, passing: Floats, moves: Flags, rest_celsius: Floats) -> Floats:
    """What a duct sensor feels after a step: the air that passes it or, at rest, slowly what is around it."""
    lag = np.where(moves, share(dt_seconds, 40.0), share(dt_seconds, 1200.0))
    return state + lag * (np.where(moves, passing, rest_celsius) - state)


def compressor_stress(made: Cycle, running: Flags, starts: Floats, dt_seconds: float) -> Floats:
    """How many times faster than usual a compressor ages: hot discharge, starved of cool gas, many starts."""
    hot = 0.03 * np.maximum(made.discharge_celsius - 95.0, 0.0)
    starved = 0.06 * np.maximum(made.superheat_kelvin - 10.0, 0.0)
    head = 0.04 * np.maximum(made.condensing_celsius - 55.0, 0.0)
    return np.where(running, 1.0 + hot + starved + head, 1.0) + 8.0 * starts / dt_seconds


def swing(s: Sizes, around: Around, condition: Condition, size: float) -> Floats:
    """What a badly tuned loop adds to its output, shape (U,)."""
    angle = 2 * np.pi * around.at_ms / 1000 / s.hunting_seconds + s.hunting_phase
    return size * condition.severity["control_hunting"] * np.sin(angle)


def is_free_cooling(
    around: Around, outdoor_celsius: Floats, return_celsius: Floats, high_limit_celsius: Floats
) -> Flags:
    """Where outdoor air cools for nothing: cooler than the return air and its limit, and not damper than a room."""
    enthalpy = enthalpy_joules_per_kilogram(outdoor_celsius, around.outdoor_humidity_ratio)
    dry: Flags = enthalpy < _INDOOR_ENTHALPY
    return dry & (outdoor_celsius < np.minimum(high_limit_celsius, return_celsius - 1.0))
