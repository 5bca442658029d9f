"""What the sensors on a refrigerant cycle feel: the running cycle with a short lag, and at rest pressures that even out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants.building import share
from simulators.hvac.plants.cycle import Cycle, Guess
from simulators.hvac.plants.refrigerant import Refrigerant, saturation_pascals

_RUNNING_SECONDS = 45.0
_REST_SECONDS = 400.0
# A thermal switch in the windings opens before the gas gets any hotter.
_DISCHARGE_CELSIUS_MAX = 140.0


class Readings(NamedTuple):
    """Shape (U,) each; pressures are absolute."""

    suction_pascals: Floats
    discharge_pascals: Floats
    suction_celsius: Floats
    discharge_celsius: Floats
    liquid_celsius: Floats


class Gauges:
    """State of the sensors of U cycles, and where the next solution is looked for."""

    def __init__(self, refrigerant: Refrigerant, units: int) -> None:
        self._refrigerant = refrigerant
        rest = np.full(units, 20.0)
        pressure = saturation_pascals(refrigerant, rest)
        self.felt = Readings(pressure, pressure.copy(), rest, rest.copy(), rest.copy())
        self._guess: Guess | None = None
        self._ran: Flags = np.zeros(units, dtype=bool)

    def guess(self, cold: Guess) -> Guess:
        """The last solution of those that ran, `cold` for the others."""
        if self._guess is None:
            return cold
        ran = self._ran
        return Guess(*(np.where(ran, last, first) for last, first in zip(self._guess, cold, strict=True)))

    def step(
        self, dt_seconds: float, running: Flags, made: Cycle, inside_celsius: Floats, outside_celsius: Floats
    ) -> None:
        """Follow the cycle where it runs; elsewhere the colder end sets the pressure of both."""
        self._guess, self._ran = made.guess, running
        still = saturation_pascals(self._refrigerant, np.minimum(inside_celsius, outside_celsius))
        rest = (still, still, inside_celsius, 0.5 * (inside_celsius + outside_celsius), outside_celsius)
        moving = (
            made.suction_pascals,
            made.discharge_pascals,
            made.suction_celsius,
            np.minimum(made.discharge_celsius, _DISCHARGE_CELSIUS_MAX),
            made.liquid_celsius,
        )
        lag = np.where(running, share(dt_seconds, _RUNNING_SECONDS), share(dt_seconds, _REST_SECONDS))
        self.felt = Readings(
            *(
                felt + lag * (np.where(running, now, at_rest) - felt)
                for felt, now, at_rest in zip(self.felt, moving, rest, strict=True)
            )
        )


def vibration_velocity(running: Flags, speed_fraction: Floats, healthy: Floats, worn: Floats) -> Floats:
    """Of a compressor or fan on its feet, mm/s, shape (U,): grows with speed, and steeply with wear (4.5 is bad).

    Args:
        running: Where it turns.
        speed_fraction: How fast.
        healthy: As new at full speed.
        worn: 0 as new, 1 broken.
    """
    turning = healthy * (0.4 + 0.6 * speed_fraction) * (1 + 1.2 * worn + 4.5 * worn**3)
    return np.where(running, turning, 0.05)
