"""The path of the air: mixing box, filter, fan with its belt, duct and terminals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import (
    DENSITY_KILOGRAMS_PER_CUBIC_METER,
    Floats,
    enthalpy_joules_per_kilogram,
    temperature_celsius,
)
from simulators.hvac.parameters import Parameters

# Draught through a unit at rest, as a share of the design flow; also keeps every division finite.
_REST_FLOW_FRACTION = 0.002


class Draught(NamedTuple):
    """What the fan moves, shape (U,)."""

    flow: Floats  # m3/s
    mass_flow: Floats  # kg/s
    filter_pascals: Floats
    static_pascals: Floats
    fan_pascals: Floats
    power_watts: Floats  # electric, at the drive
    heat_watts: Floats  # into the air


class Mixture(NamedTuple):
    """Air behind the mixing box, shape (U,)."""

    celsius: Floats
    humidity_ratio: Floats
    outdoor_fraction: Floats


def blow(
    p: Parameters, motor_speed_fraction: Floats, belt_slip_fraction: Floats, filter_load: Floats, terminal: Floats
) -> Draught:
    """Flow and pressures where the fan's curve meets the resistance of the path.

    Args:
        p: Sizes.
        motor_speed_fraction: Speed of the motor over its full speed, 0 to 1.
        belt_slip_fraction: Share of the motor's speed that the belt loses; 1 is a broken belt.
        filter_load: Filter resistance over that of a clean one.
        terminal: Opening of the zone terminals, 0 to 1.
    """
    speed = motor_speed_fraction * (1 - belt_slip_fraction) / p.design_speed_fraction
    # A filter's drop grows with the flow, all other drops with its square: one quadratic equation.
    square = p.fan_curve + p.coil_resistance + p.duct_resistance + p.terminal_resistance / terminal**2
    linear = p.filter_resistance * filter_load
    shutoff = p.fan_shutoff_pascals * speed**2
    flow = 2 * shutoff / (linear + np.sqrt(linear**2 + 4 * square * shutoff) + 1e-9)
    fan_pascals = shutoff - p.fan_curve * flow**2
    # At zero flow a centrifugal fan takes about 0.3 of its design power at the same speed.
    loading = flow / p.design_flow / np.maximum(speed, 1e-6)
    shaft = p.fan_design_shaft_watts * speed**3 * (0.3 + 0.7 * np.minimum(loading, 1.4))
    # The torque is the same on both sides of a slipping belt, the speed is not. A free motor takes a little.
    turning = shaft / np.maximum(1 - belt_slip_fraction, 0.05)
    idle = 0.04 * p.fan_design_shaft_watts * motor_speed_fraction
    power = (turning + idle) / p.motor_efficiency_fraction + p.drive_standby_watts
    flow = np.maximum(flow, _REST_FLOW_FRACTION * p.design_flow)
    return Draught(
        flow,
        flow * DENSITY_KILOGRAMS_PER_CUBIC_METER,
        linear * flow,
        p.terminal_resistance / terminal**2 * flow**2,
        fan_pascals,
        power,
        power - p.drive_standby_watts,
    )


def outdoor_fraction(p: Parameters, damper_position_fraction: Floats) -> Floats:
    """Share of outdoor air in the supply air, at this position of the (linked) dampers."""
    share: Floats = p.damper_leak_fraction + (0.98 - p.damper_leak_fraction) * np.power(
        np.clip(damper_position_fraction, 0, 1), p.damper_exponent
    )
    return share


def mix(outdoor: tuple[Floats, Floats], inside: tuple[Floats, Floats], fraction: Floats) -> Mixture:
    """Outdoor and return air (temperature, humidity ratio), mixed by mass and enthalpy."""
    humidity = fraction * outdoor[1] + (1 - fraction) * inside[1]
    enthalpy = fraction * enthalpy_joules_per_kilogram(*outdoor) + (1 - fraction) * enthalpy_joules_per_kilogram(
        *inside
    )
    return Mixture(temperature_celsius(enthalpy, humidity), humidity, fraction)
