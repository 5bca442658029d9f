"""When a unit runs and for which temperatures: occupied hours, optimum start before them, setback outside of them.

setback 16..29        │ optimum start │        occupied 21..24        │  setback
──────────────────────┴───────────────┴───────────────────────────────┴──────────▶
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants.surroundings import Around

SETBACK_HEATING_CELSIUS, SETBACK_COOLING_CELSIUS, SETBACK_SLACK_KELVIN = 16.0, 29.0, 1.5
_EARLY_HOURS_MAX = 3.0


class Mode(NamedTuple):
    """What holds now, shape (U,)."""

    running: Flags
    occupied: Flags
    heating_setpoint_celsius: Floats
    cooling_setpoint_celsius: Floats
    inside_kelvin: Floats  # how far within the setpoints rooms are led, so that a setback run comes to an end


class Thermostat:
    """Of U units with setpoints and a learned pace (K/h) of their own."""

    def __init__(self, heating_celsius: Floats, cooling_celsius: Floats, kelvin_per_hour: Floats) -> None:
        self._heating, self._cooling, self._pace = heating_celsius, cooling_celsius, kelvin_per_hour
        self._preparing, self._setback = np.zeros((2, heating_celsius.size), dtype=bool)

    def step(self, around: Around, mean_celsius: Floats, coldest_celsius: Floats, hottest_celsius: Floats) -> Mode:
        """Look at the clock and at the rooms, as measured, shape (U,)."""
        occupied, to_start = around.scheduled, around.hours_to_start
        gap = np.maximum(self._heating - mean_celsius, mean_celsius - self._cooling)
        soon = to_start <= np.minimum(gap / self._pace, _EARLY_HOURS_MAX)
        self._preparing = ~occupied & (soon | (self._preparing & (to_start <= _EARLY_HOURS_MAX)))
        ready = occupied | self._preparing
        slack = np.where(self._setback, SETBACK_SLACK_KELVIN, 0.0)
        cold = coldest_celsius < SETBACK_HEATING_CELSIUS + slack
        self._setback = ~ready & (cold | (hottest_celsius > SETBACK_COOLING_CELSIUS - slack))
        return Mode(
            ready | self._setback,
            occupied,
            np.where(ready, self._heating, SETBACK_HEATING_CELSIUS),
            np.where(ready, self._cooling, SETBACK_COOLING_CELSIUS),
            np.where(self._setback, SETBACK_SLACK_KELVIN + 0.5, 0.0),
        )
