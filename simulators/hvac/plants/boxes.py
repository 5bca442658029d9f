"""The law of a VAV box with reheat: Guideline 36's dual maximum, as the flow and the discharge temperature it settles at.

flow   max ┤\\                              ____ heating maximum
           │  \\                          /
       min ┤    \\______________________/            discharge ┤            ____ zone + 11 K
           └─────┴────────┴─────────────┴── heat      supply  ┤___________/
              cooling   dead band     heating
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Floats

DISCHARGE_ABOVE_ZONE_KELVIN = 11.0
# Supply air so much warmer than the zone heats it: the box opens for it (central warm-up).
_WARM_SUPPLY_KELVIN = 2.0


class Limits(NamedTuple):
    """Capacity flows of supply air, W/K, any shape."""

    minimum: Floats
    cooling_maximum: Floats
    heating_maximum: Floats


class Wish(NamedTuple):
    """What the box's controller asks for."""

    rate: Floats  # W/K
    discharge_celsius: Floats  # behind the reheat coil; that of the inlet where no heat is wanted
    cooling_demand: Floats  # flow that cooling would take over its maximum; above 1 where that is not enough
    heating_watts: Floats  # that the zone lacks at minimum flow; 0 in the dead band and in cooling


def settle(
    limits: Limits, zone_celsius: Floats, inlet_celsius: Floats, heating_watts: Floats, cooling_watts: Floats
) -> Wish:
    """The flow and discharge temperature at which a zone gets what it needs.

    Args:
        limits: Of each box.
        zone_celsius: As it is.
        inlet_celsius: Of the supply air.
        heating_watts: Needed to hold the heating setpoint (less than `cooling_watts` misses: then nothing is heated).
        cooling_watts: Needed to hold the cooling setpoint; negative heat is cooling.
    """
    below = zone_celsius - inlet_celsius
    at_minimum = -limits.minimum * below
    cools = np.maximum(below, 0.5)
    cooling = np.where(cooling_watts < at_minimum, -cooling_watts, 0.0) / cools
    demand = cooling / limits.cooling_maximum
    lacking = np.maximum(heating_watts, 0.0)
    heats = heating_watts > at_minimum
    # Warm supply air: the more of it the better. Else reheat to the limit first, then more flow.
    warm = -below > _WARM_SUPPLY_KELVIN
    reach = np.where(warm, -below, DISCHARGE_ABOVE_ZONE_KELVIN)
    heating = np.where(heats, lacking / reach, 0.0)
    rate = np.maximum(
        np.maximum(np.minimum(cooling, limits.cooling_maximum), np.minimum(heating, limits.heating_maximum)),
        limits.minimum,
    )
    rise = np.clip(heating_watts / rate, -below, DISCHARGE_ABOVE_ZONE_KELVIN)
    discharge = np.where(heats & ~warm, np.maximum(zone_celsius + rise, inlet_celsius), inlet_celsius)
    return Wish(rate, discharge, demand, np.where(heats, np.maximum(heating_watts - at_minimum, 0.0), 0.0))
