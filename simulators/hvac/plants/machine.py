"""What every kind of machine is to its plant: one step of its physics and controls, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants.faults import Condition
from simulators.hvac.plants.sensing import Sensing
from simulators.hvac.plants.surroundings import Around


class Zones(NamedTuple):
    """What people feel: Z zones a unit; `share` of the unit's people in each, shape (Z, U)."""

    celsius: Floats  # (Z, U)
    heating_setpoint_celsius: Floats  # (U,), of occupied hours
    cooling_setpoint_celsius: Floats
    share: Floats  # (Z, U), adds up to 1 over the zones


class Outcome(NamedTuple):
    """What a machine did in one step; (U,) where nothing else is said."""

    values: Mapping[str, Floats | Flags]  # every point of EQUIPMENT[kind].simulated, as it truly is
    watts: Mapping[str, Floats]  # mean of the step, by meter
    running_fraction: Floats  # share of the step for which it ran
    starts: Floats  # how often it started (a fraction where a step holds a part of a cycle)
    zones: Zones | None
    stress: Mapping[str, Floats]  # by family, how many times faster than usual parts aged


class Machine(Protocol):
    """The physics and controls of U units of one kind."""

    def step(self, dt_seconds: float, around: Around, condition: Condition, sensing: Sensing) -> Outcome:
        """Move by `dt_seconds`, 1 to 300; `around` is the world at the end of the step."""
        ...
