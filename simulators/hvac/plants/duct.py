"""The path of the air at rest: where the fan's curve, the static pressure loop and the resistances agree.

filter + coils + duct + static pressure before the terminals = shutoff n^2 - curve flow^2
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants.air_handler_sizes import Sizes

MINIMUM_SPEED_FRACTION = 0.2


class Parts(NamedTuple):
    """How worn the parts are that move air, shape (U,)."""

    filter_load: Floats  # resistance over that of a clean filter
    coil_load: Floats
    belt_slip_fraction: Floats  # 1: the belt is gone
    friction: Floats  # extra shaft power of bad bearings, as a share
    turns: Flags  # False: the bearing has seized and the drive has tripped


class Draught(NamedTuple):
    """What moves, shape (U,)."""

    flow: Floats  # m3/s
    speed_command_fraction: Floats
    static_pascals: Floats
    filter_pascals: Floats
    power_watts: Floats  # electric, at the drive
    heat_watts: Floats  # into the air
    rotation_fraction: Floats  # of the fan, over its design speed


def blow(s: Sizes, running: Flags, wanted_flow: Floats, wanted_static: Floats, parts: Parts) -> Draught:
    """Flow and pressures when the terminals ask for `wanted_flow` and the loop holds `wanted_static` where it can.

    Args:
        s: Sizes.
        running: Where the controller runs the fan.
        wanted_flow: Of all terminals together, m3/s.
        wanted_static: Pressure before the terminals, pascals.
        parts: Their wear.
    """
    square = s.coil_resistance * parts.coil_load + s.duct_resistance + s.fan_curve
    linear = s.filter_resistance * parts.filter_load
    grip = (1 - parts.belt_slip_fraction) * parts.turns / s.design_speed_fraction  # rotation at full command
    strongest = s.fan_shutoff_pascals * grip**2
    # With all terminals wide open and the motor at full speed no more than this flows.
    open_square = square + s.terminal_resistance
    limit = 2 * strongest / (linear + np.sqrt(linear**2 + 4 * open_square * strongest) + 1e-9)
    flow = np.minimum(wanted_flow, limit)
    drop = linear * flow + square * flow**2
    static = np.clip(strongest - drop, 0.0, wanted_static)
    rotation = np.sqrt((drop + static) / s.fan_shutoff_pascals)
    command = np.clip(rotation / np.maximum(grip, 1e-6), MINIMUM_SPEED_FRACTION, 1.0)
    # Terminals short of flow let the loop push to the full speed.
    command = np.where(wanted_flow > limit, 1.0, command) * running
    rotation = command * grip
    static = np.maximum(s.fan_shutoff_pascals * rotation**2 - drop, 0.0) * running
    flow = flow * running
    # At zero flow a centrifugal fan takes about 0.3 of its design power at the same speed.
    loading = flow / s.design_flow / np.maximum(rotation, 1e-6)
    shaft = s.fan_design_shaft_watts * rotation**3 * (0.3 + 0.7 * np.minimum(loading, 1.4)) * (1 + parts.friction)
    # The torque is the same on both sides of a slipping belt, the speed is not. A free motor takes a little.
    turning = shaft / np.maximum(1 - parts.belt_slip_fraction, 0.05)
    idle = 0.04 * s.fan_design_shaft_watts * command * parts.turns
    power = (turning + idle) / s.motor_efficiency_fraction + s.drive_standby_watts
    return Draught(flow, command, static, linear * flow, power, power - s.drive_standby_watts, rotation)
