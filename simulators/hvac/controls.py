"""The controller of an air handler, as building management systems have it. It sees sensors only, never the plant.

zone loop      heating demand 0..1   cooling demand 0..1  ──▶ supply air setpoint, terminal opening
supply loop    -1 ......... 0 .......... 1 .......... 2
               heating valve | economizer | cooling valve       above the dry-bulb high limit the economizer
                                                                part is left out and the damper stays at minimum
pressure loop  duct static pressure ──▶ supply fan speed
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Flags, Floats
from simulators.hvac.parameters import Parameters

_SETBACK_HEATING_CELSIUS = 16.0
_SETBACK_COOLING_CELSIUS = 29.0
_NEUTRAL_SUPPLY_CELSIUS = 18.0
_WARM_SUPPLY_CELSIUS = 32.0
_FREEZE_CELSIUS = 3.0
_MINIMUM_SPEED_FRACTION = 0.2


class Inputs(NamedTuple):
    """What the controller measures, shape (U,), sensor faults included; NaN where a sensor gives nothing."""

    outdoor_celsius: Floats
    mixed_celsius: Floats
    supply_celsius: Floats
    zone_celsius: Floats
    static_pascals: Floats


class Loop:
    """Proportional and integral action with limits, for U units; the integral stops at the limits (no wind-up)."""

    def __init__(self, units: int, gain: float, integral_seconds: float, low: float, high: float) -> None:
        self.integral = np.zeros(units)
        self._gain, self._integral_seconds, self._low, self._high = gain, integral_seconds, low, high

    def step(self, error: Floats, dt_seconds: float) -> Floats:
        """The output for this error (positive error raises it)."""
        proportional = self._gain * error
        moved = self.integral + proportional * (dt_seconds / self._integral_seconds)
        self.integral = np.clip(moved, self._low, self._high)
        output: Floats = np.clip(self.integral + proportional, self._low, self._high)
        return output


class Controller:
    """Commands and setpoints of all units; public arrays have shape (U,)."""

    def __init__(self, p: Parameters) -> None:
        units = p.design_flow.size
        self._p = p
        self._zone_heating = Loop(units, 0.4, 900, 0, 1)
        self._zone_cooling = Loop(units, 0.4, 900, 0, 1)
        self._supply = Loop(units, 0.03, 150, -1, 2)
        self._pressure = Loop(units, 0.08, 45, _MINIMUM_SPEED_FRACTION, 1)
        self._pressure.integral[:] = _MINIMUM_SPEED_FRACTION
        self._free_cooling = np.zeros(units, dtype=bool)
        self._terminal_slow = np.full(units, 0.5)
        self.occupied = np.zeros(units, dtype=bool)
        self.fan_on = np.zeros(units, dtype=bool)
        self.zone_heating_setpoint_celsius = np.full(units, _SETBACK_HEATING_CELSIUS)
        self.zone_cooling_setpoint_celsius = np.full(units, _SETBACK_COOLING_CELSIUS)
        self.supply_setpoint_celsius = np.full(units, _NEUTRAL_SUPPLY_CELSIUS)
        self.static_setpoint_pascals = p.static_setpoint_pascals.copy()
        self.terminal_fraction = np.full(units, 0.5)
        self.damper_command_fraction = np.zeros(units)
        self.heating_command_fraction = np.zeros(units)
        self.cooling_command_fraction = np.zeros(units)
        self.speed_command_fraction = np.zeros(units)

    def step(self, dt_seconds: float, scheduled: Flags, seen: Inputs) -> None:
        """One cycle of the controller."""
        self._start_and_stop(scheduled, seen)
        self._zone(dt_seconds, seen)
        self._air(dt_seconds, seen)
        self._fan(dt_seconds, seen)

    def _start_and_stop(self, scheduled: Flags, seen: Inputs) -> None:
        p = self._p
        self.occupied = scheduled
        self.zone_heating_setpoint_celsius = np.where(scheduled, p.heating_setpoint_celsius, _SETBACK_HEATING_CELSIUS)
        self.zone_cooling_setpoint_celsius = np.where(scheduled, p.cooling_setpoint_celsius, _SETBACK_COOLING_CELSIUS)
        # Out of hours the fan starts at the setback limits and stops 1.5 K inside of them.
        slack = np.where(self.fan_on, 1.5, 0.0)
        cold = seen.zone_celsius < self.zone_heating_setpoint_celsius + slack
        hot = seen.zone_celsius > self.zone_cooling_setpoint_celsius - slack
        self.fan_on = scheduled | cold | hot

    def _zone(self, dt_seconds: float, seen: Inputs) -> None:
        p, running = self._p, self.fan_on
        for loop in (self._zone_heating, self._zone_cooling):
            loop.integral *= running
        heating = self._zone_heating.step(self.zone_heating_setpoint_celsius - seen.zone_celsius, dt_seconds)
        cooling = self._zone_cooling.step(seen.zone_celsius - self.zone_cooling_setpoint_celsius, dt_seconds)
        # Cooling first lowers the supply air, then opens the terminals; heating does both at once.
        colder = np.minimum(2 * cooling, 1)
        setpoint = (
            _NEUTRAL_SUPPLY_CELSIUS
            + heating * (_WARM_SUPPLY_CELSIUS - _NEUTRAL_SUPPLY_CELSIUS)
            - colder * (_NEUTRAL_SUPPLY_CELSIUS - p.supply_cold_celsius)
        )
        self.supply_setpoint_celsius = np.where(running, setpoint, _NEUTRAL_SUPPLY_CELSIUS)
        least = p.terminal_minimum_fraction
        more = np.maximum(np.maximum(2 * cooling - 1, 0), 0.5 * heating)
        self.terminal_fraction = least + (1 - least) * more
        self._terminal_slow += (self.terminal_fraction - self._terminal_slow) * min(dt_seconds / 600, 1.0)
        self.static_setpoint_pascals = p.static_setpoint_pascals * (0.6 + 0.4 * self._terminal_slow)

    def _air(self, dt_seconds: float, seen: Inputs) -> None:
        p, running, loop = self._p, self.fan_on, self._supply
        limit = p.high_limit_celsius + np.where(self._free_cooling, 0.5, -0.5)
        free_cooling = seen.outdoor_celsius < limit
        # The economizer's part of the range comes or goes: move the integral with it, so that the valve stays where it is.
        cooling_now = loop.integral > 0
        loop.integral += np.where(cooling_now, free_cooling * 1.0 - self._free_cooling * 1.0, 0.0)
        self._free_cooling = free_cooling
        loop.integral *= running
        # A lost sensor shows no error: the loop holds its last output.
        error = np.nan_to_num(seen.supply_celsius - self.supply_setpoint_celsius, nan=0.0)
        demand = loop.step(error, dt_seconds)
        least = np.where(self.occupied, p.damper_minimum_fraction, 0.0)
        freezing = seen.mixed_celsius < _FREEZE_CELSIUS
        opening = np.where(free_cooling, np.clip(demand, 0, 1), 0.0)
        damper = np.where(freezing, 0.0, least + (1 - least) * opening)
        heating = np.maximum(np.clip(-demand, 0, 1), freezing * 0.3)
        cooling = np.clip(demand - np.where(free_cooling, 1.0, 0.0), 0, 1)
        self.damper_command_fraction = damper * running
        self.heating_command_fraction = heating * running
        self.cooling_command_fraction = cooling * running

    def _fan(self, dt_seconds: float, seen: Inputs) -> None:
        loop = self._pressure
        loop.integral = np.where(self.fan_on, loop.integral, _MINIMUM_SPEED_FRACTION)
        error = (self.static_setpoint_pascals - seen.static_pascals) / self._p.static_setpoint_pascals
        self.speed_command_fraction = loop.step(error, dt_seconds) * self.fan_on
