"""From the mixing box to the supply duct: damper, heating coil and cooling coil in the order in which one loop uses them.

    supply loop    heating valve │ economizer │ cooling valve      (above the high limit the damper stays at minimum)

Asked backwards: what must the air be before the cooling coil, before the heating coil, behind the mixing box, for the
supply air to read as its setpoint? Then forwards, with parts as they are: stuck, leaking, fouled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.airside import mix
from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants import coil as coils
from simulators.hvac.plants.air_handler_sizes import Sizes
from simulators.hvac.plants.faults import Condition
from simulators.hvac.plants.probes import led, moved
from simulators.hvac.plants.sensing import Sensing
from simulators.hvac.plants.surroundings import Around

_DAMPER_PACE_SECONDS, _VALVE_PACE_SECONDS = 120.0, 90.0
_MIXED_LOW_LIMIT_CELSIUS = 4.0
# A freezestat behind the heating coil stops the fan and opens the heating valve; someone resets it an hour later.
_FREEZE_CELSIUS, _FREEZE_SECONDS = 1.5, 3600.0
_FAN_RISE_KELVIN_MAX = 15.0
_HUNTING_KELVIN, _AGAINST_FRACTION = 5.0, 0.4
_OPEN_FRACTION = 0.98  # outdoor air at a fully open damper


class Task(NamedTuple):
    """What the supply loop has to do, shape (U,)."""

    running: Flags
    ventilating: Flags  # people are expected: at least the minimum outdoor air
    warming: Flags  # return air only
    supply_setpoint_celsius: Floats
    flow: Floats  # m3/s
    fan_heat_watts: Floats
    returned_celsius: Floats
    returned_humidity_ratio: Floats


class Water(NamedTuple):
    """Supply temperatures, and the share of chilled water that still comes."""

    hot_celsius: Floats
    chilled_celsius: Floats
    chilled_fraction: Floats


class Passage(NamedTuple):
    """Air along the path and water of the coils, shape (U,); flows of water over the design flow."""

    mass_flow: Floats
    rate: Floats
    outdoor_fraction: Floats
    mixed_celsius: Floats
    mixed_humidity_ratio: Floats
    heating: coils.Leaving
    hot_flow_fraction: Floats
    cooling: coils.Leaving
    chilled_flow_fraction: Floats
    fan_rise_kelvin: Floats
    supply_celsius: Floats


class AirPath:
    """Commands of U units: `damper`, `heating_valve`, `cooling_valve`, 0 to 1, shape (U,)."""

    def __init__(self, sizes: Sizes, hunting_phase: Floats) -> None:
        units = sizes.design_flow.size
        self.sizes = sizes
        self._phase = hunting_phase
        self.damper, self.heating_valve, self.cooling_valve = np.zeros((3, units))
        self.frozen_seconds = np.zeros(units)
        self._free = np.zeros(units, dtype=bool)

    def step(
        self, dt_seconds: float, task: Task, around: Around, condition: Condition, sensing: Sensing, water: Water
    ) -> Passage:
        """Settle the commands for `dt_seconds` and send the air through."""
        s, sick = self.sizes, condition.severity
        mass_flow = np.maximum(task.flow, 0.002 * s.design_flow) * (s.design_mass_flow / s.design_flow)
        back = coils.stream(task.returned_celsius, task.returned_humidity_ratio, mass_flow)
        rise = np.minimum(task.fan_heat_watts / back.rate, _FAN_RISE_KELVIN_MAX)
        clean = 1 - 0.5 * sick["coil_fouled"]
        heating_share, cooling_share = (coils.air_share(own, back, clean) for own in (s.heating, s.cooling))
        heating_leak = coils.leak_fraction(sick["heating_valve_leaking"], s.valve_leak_fraction)
        cooling_leak = coils.leak_fraction(sick["cooling_valve_leaking"], s.valve_leak_fraction)

        error, lost = sensing.belief("supply_air_temperature")
        hold = lost & task.running
        turn = around.at_ms / 1000 % s.hunting_seconds / s.hunting_seconds
        swing = _HUNTING_KELVIN * sick["control_hunting"] * np.sin(2 * np.pi * turn + self._phase)
        target = task.supply_setpoint_celsius - error - rise + swing
        before_cooling = coils.before(target, s.cooling, back, cooling_share, water.chilled_celsius, cooling_leak)
        before_heating = coils.before(before_cooling, s.heating, back, heating_share, water.hot_celsius, heating_leak)
        share = self._mix(dt_seconds, task, around, condition, sensing, before_heating, hold)
        outdoor = (around.outdoor_celsius, around.outdoor_humidity_ratio)
        mixed = mix(outdoor, (task.returned_celsius, task.returned_humidity_ratio), share)

        valve_moved = moved(dt_seconds, _VALVE_PACE_SECONDS)
        air = coils.stream(mixed.celsius, mixed.humidity_ratio, mass_flow)
        flow = coils.heating_flow_fraction(s.heating, air, heating_share, water.hot_celsius, before_cooling)
        command = np.where(flow > heating_leak, coils.valve_position_fraction(flow), 0.0)
        # Someone holds the heating valve open: the cooling valve takes the heat away again.
        command = np.maximum(command, _AGAINST_FRACTION * sick["simultaneous_heating_cooling"]) * task.running
        command = np.where(self.frozen_seconds > 0, 1.0, command)
        self.heating_valve = led(self.heating_valve, command, hold, valve_moved)
        hot_flow = np.maximum(coils.valve_flow_fraction(self.heating_valve), heating_leak)
        heating = coils.heat(s.heating, air, heating_share, water.hot_celsius, hot_flow)
        self.frozen_seconds = np.where(
            task.running & (heating.celsius < _FREEZE_CELSIUS),
            _FREEZE_SECONDS,
            np.maximum(self.frozen_seconds - dt_seconds, 0.0),
        )

        air = air._replace(celsius=heating.celsius)
        flow = coils.cooling_flow_fraction(s.cooling, air, cooling_share, water.chilled_celsius, target)
        flow = np.minimum(flow / np.maximum(water.chilled_fraction, 1e-3), 1.0)
        command = np.where(flow > cooling_leak, coils.valve_position_fraction(flow), 0.0) * task.running
        self.cooling_valve = led(self.cooling_valve, command, hold, valve_moved)
        chilled_flow = np.maximum(coils.valve_flow_fraction(self.cooling_valve), cooling_leak) * water.chilled_fraction
        cooling = coils.cool(s.cooling, air, cooling_share, water.chilled_celsius, chilled_flow)
        return Passage(
            mass_flow,
            air.rate,
            share,
            mixed.celsius,
            mixed.humidity_ratio,
            heating,
            hot_flow,
            cooling,
            chilled_flow,
            rise,
            cooling.celsius + rise,
        )

    def _mix(
        self,
        dt_seconds: float,
        task: Task,
        around: Around,
        condition: Condition,
        sensing: Sensing,
        wanted_celsius: Floats,
        hold: Flags,
    ) -> Floats:
        """Command the damper; the share of outdoor air that comes of it."""
        s, sick = self.sizes, condition.severity
        seen_outdoor = around.outdoor_celsius + sensing.belief("outdoor_air_temperature")[0]
        limit = s.high_limit_celsius + np.where(self._free, 0.5, -0.5)
        self._free = s.has_economizer & (seen_outdoor < limit)
        free = self._free & ~task.warming & task.running
        colder = task.returned_celsius - around.outdoor_celsius
        least = np.where(task.ventilating, s.minimum_outdoor_flow / np.maximum(task.flow, 1e-3), 0.0)
        least = np.minimum(least, 1.0)
        too_warm = task.returned_celsius - wanted_celsius
        share = np.where(colder > 0.3, too_warm / np.maximum(colder, 0.3), np.where(too_warm > 0, 1.0, 0.0))
        share = np.where(free, np.clip(share, least, 1.0), least)
        # Modulating low limit: never so much outdoor air that the mixture comes near to frost.
        warm = task.returned_celsius - _MIXED_LOW_LIMIT_CELSIUS + sensing.belief("mixed_air_temperature")[0]
        share = np.where(colder > warm, np.clip(warm / np.maximum(colder, 0.3), 0.0, share), share)

        leak, stuck = sick["damper_leaking"], sick["damper_stuck"]
        closed = s.damper_leak_fraction + np.where(leak < 1, 0.45 * leak, 0.6)
        span = _OPEN_FRACTION - closed
        position = np.clip((share - closed) / span, 0.0, 1.0) ** (1 / s.damper_exponent)
        lowest = np.clip((least - closed) / span, 0.0, 1.0) ** (1 / s.damper_exponent)
        freedom, ends = coils.freedom_fraction(stuck), condition.position_fraction["damper_stuck"]
        command = np.maximum(coils.command_for(position, freedom, ends), np.minimum(lowest, position)) * task.running
        command = np.where(free | (stuck == 0), command, np.minimum(lowest, position) * task.running)
        self.damper = led(self.damper, command, hold, moved(dt_seconds, _DAMPER_PACE_SECONDS))
        position = freedom * self.damper + (1 - freedom) * ends
        mixture: Floats = closed + span * position**s.damper_exponent
        return mixture
