"""VAV boxes with reheat, each with its room and as much of its air handler as the box can tell.

    air handler ──supply air──▶ [flow sensor] damper ──▶ reheat coil ──▶ room
      its own fan, reset and pressure            ▲            ▲ valve
                                        flow loop ◀── room's thermostat (dual maximum, boxes.py)

The air handler is no plant of its own here: its supply temperature follows Guideline 36's reset, its duct pressure wanders
about a setpoint. Its fan runs when the room's thermostat says so.
"""

from __future__ import annotations

import numpy as np

from simulators.hvac.moist import (
    DENSITY_KILOGRAMS_PER_CUBIC_METER,
    DRY_AIR_JOULES_PER_KILOGRAM_KELVIN,
    Flags,
    Floats,
)
from simulators.hvac.plants import coil as coils
from simulators.hvac.plants import rooms
from simulators.hvac.plants.boxes import Limits, Wish, settle
from simulators.hvac.plants.faults import Condition
from simulators.hvac.plants.machine import Outcome, Zones
from simulators.hvac.plants.probes import follow, led, moved
from simulators.hvac.plants.sensing import Sensing
from simulators.hvac.plants.surroundings import Around, Surroundings
from simulators.hvac.plants.thermostat import Mode, Thermostat

_RATE_PER_FLOW = DENSITY_KILOGRAMS_PER_CUBIC_METER * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN
_ROOM_PACE_SECONDS, _DAMPER_PACE_SECONDS, _VALVE_PACE_SECONDS = 900.0, 75.0, 120.0
_SUPPLY_RESET_SECONDS = 600.0
_DAMPER_EXPONENT, _DAMPER_LEAK = 1.3, 0.02
_HUNTING_SHARE, _AGAINST_FRACTION = 0.7, 0.4
# What the air handler spends on this box's air: fan power a m3/s, and outdoor air in its mixture.
_FAN_WATTS_PER_FLOW, _OUTDOOR_FRACTION = 1300.0, 0.25
_DRY_HUMIDITY_RATIO = 0.007


class VavBoxes:
    """The machine of kind `vav_box`; arrays of shape (U,), the room's (1, U)."""

    def __init__(self, surroundings: Surroundings, rng: np.random.Generator) -> None:
        units = surroundings.site.size

        def between(low: float, high: float) -> Floats:
            return rng.uniform(low, high, units)

        winter, summer = surroundings.winter_celsius, surroundings.summer_celsius
        area = between(30, 150)
        perimeter = np.where(rng.uniform(size=units) < 0.3, 0.0, between(0.5, 1.2))
        sizes = rooms.draw(area[None], perimeter[None], winter, rng)
        self.rooms = rooms.Rooms(sizes, between(8.0, 16.0)[None])
        loss = sizes.envelope_conductance[0]
        load = loss * np.maximum(summer - 24, 0) + sizes.gain_watts[0] + 0.9 * sizes.solar_watts[0]
        cooling = load * between(1.05, 1.3) / 11.0
        low = np.minimum(np.maximum(0.15 * cooling, 0.0004 * area * _RATE_PER_FLOW), 0.6 * cooling)
        heat = 1.3 * (loss + 0.3 * sizes.infiltration_rate[0]) * np.maximum(21 - winter, 8) / 11.0
        self.limits = Limits(low, cooling, np.clip(heat, 1.2 * low, 0.7 * cooling))
        warm = self.limits.heating_maximum
        self.reheat = coils.Coil(
            warm * between(1.6, 2.0), warm * between(0.9, 1.2), warm / DRY_AIR_JOULES_PER_KILOGRAM_KELVIN
        )
        self._oversize = between(1.15, 1.4)  # flow of the open damper at the usual pressure, over the cooling maximum
        self._leak = between(0, 0.0005)
        self._cold = np.round(between(12.5, 14.0) * 2) / 2
        self._pressure_spread = between(0.05, 0.15)
        self._hot_offset, self._duct_gain = rng.normal(0, 1.5, units), between(0.2, 0.9)
        self._heating_setpoint = np.round(between(20.0, 21.5) * 2) / 2
        self._cooling_setpoint = np.round(between(23.0, 24.5) * 2) / 2
        self._thermostat = Thermostat(self._heating_setpoint, self._cooling_setpoint, between(1.5, 3.0))
        self._hunting_seconds, self._phase = between(480, 960), between(0, 2 * np.pi)
        self.supply_celsius = np.full(units, 17.0)
        self.damper, self.reheat_valve, self.rate = np.zeros((3, units))
        self._running = np.zeros(units, dtype=bool)
        self._felt = {name: np.full(units, 21.0) for name in ("inlet", "discharge")}

    def step(self, dt_seconds: float, around: Around, condition: Condition, sensing: Sensing) -> Outcome:
        """Move by `dt_seconds`."""
        sick = condition.severity
        error, blind = sensing.belief("zone_air_temperature")
        room = self.rooms.celsius[0]
        mode = self._thermostat.step(around, room + error, room + error, room + error)
        self.rooms.expose(dt_seconds, around, mode.running)
        self._reset_supply(dt_seconds, around, mode, room + error)
        inlet = self.supply_celsius + self._duct_gain
        hot = 65 - 20 * np.clip((around.outdoor_celsius + 10) / 28, 0, 1) + self._hot_offset + 0.8 * around.chance[0]

        freedom = coils.freedom_fraction(sick["reheat_valve_stuck"])
        ends = condition.position_fraction["reheat_valve_stuck"]
        leak = coils.leak_fraction(sick["reheat_valve_leaking"], self._leak)
        always = np.maximum(coils.valve_flow_fraction((1 - freedom) * ends), leak)
        air = coils.stream(inlet, np.full_like(inlet, _DRY_HUMIDITY_RATIO), self._mass_flow(self.rate))
        share = coils.air_share(self.reheat, air)
        least = coils.heat(self.reheat, air, share, hot, always).celsius
        wish = self._ask(mode, least, error, sick["control_hunting"], around)
        flow_setpoint = self._move_damper(dt_seconds, around, mode, wish, condition, sensing, blind)

        air = coils.stream(inlet, air.humidity_ratio, self._mass_flow(self.rate))
        share = coils.air_share(self.reheat, air)
        amount = coils.heating_flow_fraction(self.reheat, air, share, hot, wish.discharge_celsius)
        position = np.where(wish.heating_watts > 0, coils.valve_position_fraction(amount), 0.0)
        command = coils.command_for(np.where(amount > always, position, 0.0), freedom, ends)
        command = np.where(wish.heating_watts > 0, command, 0.0)
        command = np.maximum(command, _AGAINST_FRACTION * sick["simultaneous_heating_cooling"]) * mode.running
        hold = blind & mode.running
        self.reheat_valve = led(self.reheat_valve, command, hold, moved(dt_seconds, _VALVE_PACE_SECONDS))
        position = freedom * self.reheat_valve + (1 - freedom) * ends
        reheated = coils.heat(self.reheat, air, share, hot, np.maximum(coils.valve_flow_fraction(position), leak))

        blows = mode.running & (self.rate > 0)
        self.rooms.step((self.rate * mode.running)[None], reheated.celsius)
        started, self._running = mode.running & ~self._running, mode.running
        felt, passing = self._felt, self.rate * mode.running / self.limits.cooling_maximum / 20
        felt["inlet"] = follow(felt["inlet"], inlet, passing, room, 1 / 1200, dt_seconds)
        near = room + 0.3 * (reheated.celsius - inlet)
        felt["discharge"] = follow(felt["discharge"], reheated.celsius, passing, near, 1 / 1200, dt_seconds)
        flow = self.rate / _RATE_PER_FLOW * mode.running
        values: dict[str, Floats | Flags] = {
            "outdoor_air_temperature": around.outdoor_celsius,
            "zone_air_temperature": self.rooms.celsius[0],
            "zone_air_heating_temperature_setpoint": mode.heating_setpoint_celsius,
            "zone_air_cooling_temperature_setpoint": mode.cooling_setpoint_celsius,
            "occupancy": mode.occupied,
            "zone_damper_command": self.damper,
            "zone_air_flow": flow,
            "zone_air_flow_setpoint": flow_setpoint,
            "zone_air_flow_minimum_setpoint": self.limits.minimum / _RATE_PER_FLOW * mode.running,
            "reheat_valve_command": self.reheat_valve,
            "terminal_inlet_air_temperature": felt["inlet"],
            "terminal_discharge_air_temperature": felt["discharge"],
            "parent_supply_air_temperature": self.supply_celsius,
            "supply_fan_status": mode.running,
        }
        # The air handler cools a mixture of return and outdoor air, or outdoor air alone where that is colder.
        mixed = np.minimum(around.outdoor_celsius, room + _OUTDOOR_FRACTION * (around.outdoor_celsius - room))
        mixed = np.where(around.outdoor_celsius < 20, mixed, room + _OUTDOOR_FRACTION * (around.outdoor_celsius - room))
        cooled = self.rate * np.maximum(mixed - self.supply_celsius, 0.0) * blows
        return Outcome(
            values,
            {
                "electricity": flow * _FAN_WATTS_PER_FLOW,
                "hot_water": np.maximum(reheated.heat_watts, 0.0) * blows,
                "chilled_water": cooled,
            },
            mode.running.astype(np.float64),
            started.astype(np.float64),
            Zones(self.rooms.celsius, self._heating_setpoint, self._cooling_setpoint, np.ones_like(self.rooms.celsius)),
            {},
        )

    def _mass_flow(self, rate: Floats) -> Floats:
        flow: Floats = np.maximum(rate, 0.01 * self.limits.cooling_maximum) / DRY_AIR_JOULES_PER_KILOGRAM_KELVIN
        return flow

    def _reset_supply(self, dt_seconds: float, around: Around, mode: Mode, seen_celsius: Floats) -> None:
        """Guideline 36's reset by outdoor air; warm air where the building is being warmed up."""
        mild = np.clip((21.0 - around.outdoor_celsius) / 5.0, 0.0, 1.0)
        wanted = self._cold + mild * (17.5 - self._cold) + 0.3 * around.chance[1]
        warming = mode.running & ~mode.occupied & (seen_celsius < mode.heating_setpoint_celsius + mode.inside_kelvin)
        wanted = np.where(warming, 30.0, wanted)
        share = moved(dt_seconds, _SUPPLY_RESET_SECONDS)
        self.supply_celsius = self.supply_celsius + share * (wanted - self.supply_celsius)

    def _ask(self, mode: Mode, least_celsius: Floats, error: Floats, hunting: Floats, around: Around) -> Wish:
        warm_enough = mode.heating_setpoint_celsius + mode.inside_kelvin - error
        cool_enough = mode.cooling_setpoint_celsius - mode.inside_kelvin - error
        turn = around.at_ms / 1000 % self._hunting_seconds / self._hunting_seconds
        swing = 1 + _HUNTING_SHARE * hunting * np.sin(2 * np.pi * turn + self._phase)
        return settle(
            self.limits,
            self.rooms.celsius[0],
            least_celsius,
            self.rooms.needed(warm_enough[None], _ROOM_PACE_SECONDS)[0] * swing,
            self.rooms.needed(cool_enough[None], _ROOM_PACE_SECONDS)[0] * swing,
        )

    def _move_damper(
        self,
        dt_seconds: float,
        around: Around,
        mode: Mode,
        wish: Wish,
        condition: Condition,
        sensing: Sensing,
        blind: Flags,
    ) -> Floats:
        """Lead the damper to where the flow reads as asked; the flow's setpoint, m3/s."""
        setpoint = wish.rate / _RATE_PER_FLOW
        flow_error, flow_lost = sensing.belief("zone_air_flow")
        # True flow at which the sensor reads the setpoint: errors of this sensor grow with the flow.
        true_flow = self.rate / _RATE_PER_FLOW
        reads = np.where(true_flow > 0, 1 + flow_error / np.maximum(true_flow, 1e-4), 1.0)
        wanted = setpoint / np.clip(reads, 0.2, 5.0)
        pressure = np.maximum(1 + self._pressure_spread * around.chance[1], 0.3)
        most = self.limits.cooling_maximum / _RATE_PER_FLOW * self._oversize * np.sqrt(pressure)
        span = 1 - _DAMPER_LEAK
        position = np.clip((wanted / most - _DAMPER_LEAK) / span, 0.0, 1.0) ** (1 / _DAMPER_EXPONENT)
        freedom = coils.freedom_fraction(condition.severity["damper_stuck"])
        ends = condition.position_fraction["damper_stuck"]
        command = coils.command_for(position, freedom, ends) * mode.running
        hold = (blind | flow_lost) & mode.running
        self.damper = led(self.damper, command, hold, moved(dt_seconds, _DAMPER_PACE_SECONDS))
        position = freedom * self.damper + (1 - freedom) * ends
        self.rate = most * (_DAMPER_LEAK + span * position**_DAMPER_EXPONENT) * _RATE_PER_FLOW
        return setpoint * mode.running
