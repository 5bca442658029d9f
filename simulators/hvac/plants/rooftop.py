"""Rooftop units: mixing box with economizer, filter, direct-expansion coil (R410A), gas heat, fan, and one room each.

    outdoor ─▶ damper ┐                    ┌ compressor, condenser, outdoor fan
                      ├▶ mixed ▶ filter ▶ coil ▶ furnace ▶ fan ▶ supply ─▶ room
    return ─▶ damper ─┘

Controls, after ASHRAE Guideline 36 for single-zone units: cooling demand of the room first lowers the supply setpoint, then
raises the fan's speed; one loop on the supply air moves gas heat, economizer and compressor in turn. Half of the units have
two stages with least times, half a compressor with variable speed. Cut-outs: high head, low suction, no air.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import DRY_AIR_JOULES_PER_KILOGRAM_KELVIN, Flags, Floats
from simulators.hvac.plants import cycle, gauges, packaged
from simulators.hvac.plants.building import EarlyStart, Switch, share
from simulators.hvac.plants.cycle import Cycle, Side
from simulators.hvac.plants.faults import Condition
from simulators.hvac.plants.machine import Outcome, Zones
from simulators.hvac.plants.packaged import Draught
from simulators.hvac.plants.rooms import Rooms
from simulators.hvac.plants.sensing import Sensing
from simulators.hvac.plants.surroundings import Around, Surroundings

_NIGHT_HEATING_CELSIUS, _NIGHT_COOLING_CELSIUS = 16.0, 29.0
_SUPPLY_NEUTRAL_CELSIUS, _SUPPLY_HOT_CELSIUS = 20.0, 37.0
_LEAST_FAN_FRACTION = 0.55
_LEAST_SPEED_FRACTION = 0.3
_DX_LOCKOUT_CELSIUS = 11.0
_FURNACE_EFFICIENCY_FRACTION = 0.81
_HIGH_HEAD_CELSIUS = 64.0  # 42 bar
_LOW_SUCTION_CELSIUS = -6.0
# From air to fins at design flow, in transfer units; the others in W/K a watt of cooling.
_COIL_TRANSFER_UNITS = 2.1
_COIL_CONDUCTANCE = 0.19
_CONDENSER_RATE = 0.125
_CONDENSER_CONDUCTANCE = 0.19


class Habits(NamedTuple):
    """What only rooftop units have, shape (U,)."""

    staged: Flags
    economizer: Flags
    high_limit_celsius: Floats
    supply_cold_celsius: Floats
    damper_leak_fraction: Floats
    stratification_fraction: Floats
    fuel_watts: Floats
    outdoor_fan_watts: Floats


class Demand(NamedTuple):
    """What the room's loop asks for, shape (U,)."""

    fan_on: Flags
    awake: Flags
    cooling: Floats  # 0 to 1
    heating: Floats
    heating_setpoint_celsius: Floats
    cooling_setpoint_celsius: Floats
    supply_setpoint_celsius: Floats
    speed: Floats


class Rooftops:
    """U rooftop units; a `plant.Machine`."""

    def __init__(self, surroundings: Surroundings, rng: np.random.Generator) -> None:
        units = self._units = surroundings.site.size

        def between(low: float, high: float) -> Floats:
            return rng.uniform(low, high, units)

        s = self.sizes = packaged.draw(surroundings, rng, (120.0, 700.0))
        self.habits = Habits(
            staged=between(0, 1) < 0.5,
            economizer=between(0, 1) < 0.85,
            high_limit_celsius=(between(19.5, 23.0) * 2).round() / 2,
            supply_cold_celsius=(between(12.5, 14.0) * 2).round() / 2,
            damper_leak_fraction=between(0.01, 0.04),
            stratification_fraction=rng.normal(0, 0.02, units),
            fuel_watts=s.loss_watts * between(1.3, 1.7) / _FURNACE_EFFICIENCY_FRACTION,
            outdoor_fan_watts=s.cooling_watts * between(0.028, 0.042),
        )
        self.cycle = packaged.scroll("R410A", s.cooling_watts, 49.0, rng)
        self.room = Rooms(s.rooms)
        self.humidity_ratio = np.full(units, 0.007)
        self._mixed_felt, self._supply_felt, self._return_felt = (np.full(units, 22.0) for _ in range(3))
        self._loop = np.zeros(units)  # -1 to 0 gas, 0 to 1 economizer, then compressor
        self._damper = np.zeros(units)
        self._outdoor_fan = np.ones(units)
        self._early = EarlyStart(units, 4.0)
        self._night_call: Flags = np.zeros(units, dtype=bool)
        self._first, self._second = Switch(units, 300.0, 300.0), Switch(units, 300.0, 300.0)
        self._gas = Switch(units, 300.0, 300.0)
        self._gauges = gauges.Gauges(self.cycle.refrigerant, units)
        self._tripped: Flags = np.zeros(units, dtype=bool)
        self.last: Cycle | None = None

    def step(self, dt_seconds: float, around: Around, condition: Condition, sensing: Sensing) -> Outcome:
        """Move by `dt_seconds`."""
        s, h, bad = self.sizes, self.habits, condition.severity
        outdoor = around.outdoor_celsius + np.nan_to_num(sensing.error("outdoor_air_temperature"))
        demand = self._room_loop(around, sensing)
        drawn = packaged.blow(s, demand.speed * demand.fan_on, condition)
        moves = drawn.flow_fraction > packaged.LEAST_FLOW_FRACTION
        free = packaged.is_free_cooling(
            around,
            outdoor,
            self._return_felt + np.nan_to_num(sensing.error("return_air_temperature")),
            h.high_limit_celsius,
        )
        gas, damper, dx = self._supply_loop(dt_seconds, around, condition, sensing, demand, free & h.economizer)
        dx = np.where(outdoor > _DX_LOCKOUT_CELSIUS, dx, 0.0)
        speed, starts = self._stages(dt_seconds, dx, moves, condition)
        gas_starts = self._gas.step(dt_seconds, gas > 0.1, gas < 0.03, ~demand.fan_on | ~moves)
        firing = np.where(self._gas.on, np.where(h.staged, np.where(gas > 0.55, 1.0, 0.5), np.maximum(gas, 0.25)), 0.0)

        # The air's way through the unit.
        returning = self.room.celsius[0] + s.return_gain_kelvin
        mixed, mixed_humidity, streak = self._mix(dt_seconds, around, condition, damper, returning)
        flow = np.maximum(drawn.mass_flow, 1e-3)
        made = self._refrigerate(speed, (mixed, mixed_humidity), flow, drawn, around, condition)
        # A pressure switch opens within seconds: the compressor has not run in this step.
        self._tripped = self._first.on & (
            (made.condensing_celsius > _HIGH_HEAD_CELSIUS) | (made.evaporating_celsius < _LOW_SUCTION_CELSIUS)
        )
        running = self._first.on & ~self._tripped
        head = 0.25 + (made.condensing_celsius - 30.0) / 14.0
        self._outdoor_fan += share(dt_seconds, 240.0) * (np.clip(head, 0.25, 1.0) - self._outdoor_fan)
        self._gauges.step(dt_seconds, running, made, mixed, around.outdoor_celsius)
        fuel = h.fuel_watts * firing
        heat = fuel * _FURNACE_EFFICIENCY_FRACTION + drawn.heat_watts - made.cooling_watts * running
        supply, supply_humidity = packaged.behind_coil(mixed, mixed_humidity, flow, heat, made.moisture_flow * running)
        # A furnace without air is cut out by its limit; little air gets no hotter than this.
        supply = np.clip(supply, 2.0, 70.0)

        # The room.
        self.room.expose(dt_seconds, around, demand.fan_on)
        rate = np.where(moves, drawn.mass_flow, 0.0) * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN
        self.room.step(rate[None, :], supply)
        self.humidity_ratio = packaged.vapour(
            s, dt_seconds, self.humidity_ratio, (np.where(moves, drawn.mass_flow, 0.0), supply_humidity), around
        )
        self._mixed_felt = packaged.felt(dt_seconds, self._mixed_felt, mixed + streak, moves, s.shed_celsius)
        self._supply_felt = packaged.felt(dt_seconds, self._supply_felt, supply, moves, s.shed_celsius)
        self._return_felt = packaged.felt(dt_seconds, self._return_felt, returning, moves, s.shed_celsius)

        felt = self._gauges.felt
        compressor_watts = made.power_watts * running
        outdoor_fan = self._outdoor_fan * running
        values = {
            "outdoor_air_temperature": around.outdoor_celsius,
            "outdoor_air_relative_humidity": around.outdoor_relative_humidity_fraction,
            "return_air_temperature": self._return_felt,
            "mixed_air_temperature": self._mixed_felt,
            "supply_air_temperature": self._supply_felt,
            "supply_air_temperature_setpoint": demand.supply_setpoint_celsius,
            "zone_air_temperature": self.room.celsius[0],
            "zone_air_heating_temperature_setpoint": demand.heating_setpoint_celsius,
            "zone_air_cooling_temperature_setpoint": demand.cooling_setpoint_celsius,
            "occupancy": demand.awake,
            "outdoor_air_damper_command": damper,
            "heating_command": firing,
            "dx_cooling_command": dx,
            "supply_fan_speed_command": demand.speed * demand.fan_on,
            "supply_fan_status": demand.fan_on & (bad["fan_bearing_worn"] < 1),
            "supply_fan_power": drawn.power_watts,
            "supply_air_flow": drawn.flow,
            "filter_differential_pressure": drawn.filter_pascals,
            "compressor_status": running,
            "compressor_speed_command": np.where(dx > 0.02, np.where(running, speed, dx), 0.0),
            "compressor_power": compressor_watts,
            "suction_pressure": felt.suction_pascals,
            "discharge_pressure": felt.discharge_pascals,
            "suction_temperature": felt.suction_celsius,
            "discharge_temperature": felt.discharge_celsius,
            "liquid_line_temperature": felt.liquid_celsius,
            "condenser_fan_speed_command": outdoor_fan,
            "supply_fan_vibration_velocity": drawn.vibration,
            "compressor_vibration_velocity": gauges.vibration_velocity(
                running, speed, s.compressor_vibration, bad["compressor_weak"]
            ),
        }
        electricity = drawn.power_watts + compressor_watts + h.outdoor_fan_watts * outdoor_fan**3
        stress = {
            "compressor_weak": packaged.compressor_stress(made, running, starts, dt_seconds),
            "condenser_fouled": np.where(running, 1.5, 0.3),
            "fan_belt_worn": 0.7 + 0.5 * demand.speed,
            "fan_bearing_worn": 1.0 + (2.0 * bad["fan_belt_worn"]),
        }
        zones = Zones(
            self.room.celsius, s.heating_setpoint_celsius, s.cooling_setpoint_celsius, np.ones((1, self._units))
        )
        watts = {"electricity": electricity, "fuel": fuel}
        return Outcome(values, watts, demand.fan_on.astype(np.float64), starts + gas_starts, zones, stress)

    def _room_loop(self, around: Around, sensing: Sensing) -> Demand:
        """Demand of the room, fan speed and supply setpoint that follow from it."""
        s, h = self.sizes, self.habits
        seen = packaged.seen_room(self.room.celsius[0], sensing)
        off = np.maximum(s.heating_setpoint_celsius - seen, seen - s.cooling_setpoint_celsius)
        awake = self._early.step(around, off * 0.6)
        heating_setpoint = np.where(awake, s.heating_setpoint_celsius, _NIGHT_HEATING_CELSIUS)
        cooling_setpoint = np.where(awake, s.cooling_setpoint_celsius, _NIGHT_COOLING_CELSIUS)
        cooling = np.clip(0.4 + (seen - cooling_setpoint) / 1.6, 0.0, 1.0)
        heating = np.clip(0.4 + (heating_setpoint - seen) / 1.6, 0.0, 1.0)
        calls = np.maximum(cooling, heating)
        self._night_call = ~awake & np.where(self._night_call, calls > 0.05, calls > 0.5)
        fan_on = awake | self._night_call
        cold, hot = np.minimum(2 * cooling, 1.0), np.minimum(1.6 * heating, 1.0)
        setpoint = np.where(
            heating > 0,
            _SUPPLY_NEUTRAL_CELSIUS + (_SUPPLY_HOT_CELSIUS - _SUPPLY_NEUTRAL_CELSIUS) * hot,
            _SUPPLY_NEUTRAL_CELSIUS + (h.supply_cold_celsius - _SUPPLY_NEUTRAL_CELSIUS) * cold,
        )
        least = np.where(heating > 0, 0.7, _LEAST_FAN_FRACTION)
        speed = least + (1 - least) * np.clip(2 * np.maximum(cooling, heating) - 1, 0.0, 1.0)
        return Demand(fan_on, awake, cooling, heating, heating_setpoint, cooling_setpoint, setpoint, speed)

    def _supply_loop(
        self, dt: float, around: Around, condition: Condition, sensing: Sensing, demand: Demand, free: Flags
    ) -> tuple[Floats, Floats, Floats]:
        """Commands of gas heat, damper and compressor from one integral on the supply temperature."""
        s = self.sizes
        error = self._supply_felt + sensing.error("supply_air_temperature") - demand.supply_setpoint_celsius
        # A lost sensor shows no error: the loop holds its last output.
        error = np.nan_to_num(error)
        # The nearer the outdoor air is to the return air, the less the damper does.
        damper_kelvin = np.clip(self._return_felt - around.outdoor_celsius, 8.0, 40.0)
        opens = free.astype(np.float64)
        effect = np.where(self._loop < 0, 26.0, np.where(self._loop < opens, damper_kelvin, 17.0))
        moved = self._loop + share(dt, 260.0) * error / effect
        lowest = np.where(demand.heating > 0, -1.0, 0.0)
        highest = np.where(demand.heating > 0, 0.0, opens + (demand.cooling > 0))
        self._loop = np.clip(moved, lowest, highest) * demand.fan_on
        output = self._loop + packaged.swing(s, around, condition, 0.45) * demand.fan_on
        output = np.clip(output, lowest, highest)
        least = np.where(around.scheduled, s.outdoor_fraction, 0.0)
        damper = least + (1 - least) * np.clip(output, 0.0, opens)
        return np.maximum(-output, 0.0), damper * demand.fan_on, np.clip(output - opens, 0.0, 1.0)

    def _stages(self, dt: float, dx: Floats, moves: Flags, condition: Condition) -> tuple[Floats, Floats]:
        """Compressor speed (1 for both stages) and starts."""
        h = self.habits
        broken = packaged.is_broken(condition)
        halt = ~moves | broken
        starts = self._first.step(dt, dx > np.where(h.staged, 0.25, 0.12), dx < 0.03, halt, self._tripped)
        starts = starts + self._second.step(dt, (dx > 0.8) & h.staged, dx < 0.45, halt | ~self._first.on)
        speed = np.where(h.staged, 0.5 + 0.5 * self._second.on, np.maximum(dx, _LEAST_SPEED_FRACTION))
        return speed, starts

    def _mix(
        self, dt: float, around: Around, condition: Condition, damper: Floats, returning: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Mixed air: temperature, humidity ratio, and by how much its sensor sits in other air."""
        h, bad = self.habits, condition.severity
        freedom = np.maximum(1 - 1.25 * bad["damper_stuck"], 0.0)
        wanted = freedom * damper + (1 - freedom) * condition.position_fraction["damper_stuck"]
        self._damper += share(dt, 60.0) * (wanted - self._damper)
        leak = h.damper_leak_fraction + 0.35 * bad["damper_leaking"]
        fraction = leak + (1 - leak) * self._damper
        mixed = returning + fraction * (around.outdoor_celsius - returning)
        humidity = self.humidity_ratio + fraction * (around.outdoor_humidity_ratio - self.humidity_ratio)
        return mixed, humidity, h.stratification_fraction * (around.outdoor_celsius - returning)

    def _refrigerate(
        self,
        speed: Floats,
        air: tuple[Floats, Floats],
        mass_flow: Floats,
        drawn: Draught,
        around: Around,
        condition: Condition,
    ) -> Cycle:
        """The cycle as it would run; where the compressor stands still it is not used."""
        s, bad = self.sizes, condition.severity
        rate = np.maximum(mass_flow * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN, 0.02 * s.cooling_watts / 11.0)
        transfer = _COIL_TRANSFER_UNITS * np.maximum(drawn.flow_fraction, 0.1) ** -0.35
        cold = Side(*air, rate * -np.expm1(-transfer), _COIL_CONDUCTANCE * s.cooling_watts)
        # Dirt takes air and covers fins; at last the coil is blocked.
        fouled = bad["condenser_fouled"]
        blown = self._outdoor_fan * np.where(fouled < 1, 1 - 0.45 * fouled, 0.1)
        outdoor_rate = _CONDENSER_RATE * s.cooling_watts * blown
        conductance = _CONDENSER_CONDUCTANCE * s.cooling_watts * blown**0.5 * (1 - 0.3 * fouled)
        condenser = outdoor_rate * -np.expm1(-conductance / outdoor_rate)
        hot = Side(around.outdoor_celsius, np.zeros(self._units), condenser, 20.0 * condenser)
        running = packaged.running(speed, condition)
        self.last = cycle.solve(self.cycle, cold, hot, running, self._gauges.guess(cycle.first_guess(cold, hot)))
        return self.last
