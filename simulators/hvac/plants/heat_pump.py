"""Air-source heat pumps (R32): one compressor, a reversing valve, two coils, electric auxiliary heat, and one room each.

    cooling:  room air ─▶ indoor coil evaporates    outdoor coil condenses
    heating:  room air ─▶ indoor coil condenses     outdoor coil evaporates, and below freezing gathers frost
    defrost:  as cooling, the outdoor coil melts its frost; auxiliary heat keeps the air from being cold

Controls: a room thermostat with a mode that changes over with a deadband; half of the units vary the compressor's speed
with the demand, half cycle it with least times; auxiliary heat where the room stays a kelvin behind and outdoors is cold;
defrost by demand, when frost has taken half of the outdoor air; cut-outs for high head, low suction and no air.
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

_NIGHT_HEATING_CELSIUS, _NIGHT_COOLING_CELSIUS = 17.0, 28.0
_LEAST_SPEED_FRACTION = 0.3
_AUXILIARY_LOCKOUT_CELSIUS, _EARLY_LOCKOUT_CELSIUS = 12.0, -5.0
_HIGH_HEAD_CELSIUS = 65.0  # 43 bar
_LOW_SUCTION_CELSIUS = -36.0
_FREEZING_COIL_CELSIUS = -6.0  # indoors
# From air to fins at design flow, in transfer units; the others in W/K a watt of cooling.
_COIL_TRANSFER_UNITS = 2.1
_COIL_CONDUCTANCE = 0.19
_OUTDOOR_RATE = 0.135
_OUTDOOR_TRANSFER_UNITS = 1.6
_OUTDOOR_CONDUCTANCE = 0.26
# Frost that takes half of the outdoor air, kg a watt; ice melts in about five minutes.
_FROST_PER_WATT = 1.1e-4
_DEFROST_SECONDS = 290.0
_MELTING_CELSIUS = 3.0


class Habits(NamedTuple):
    """What only heat pumps have, shape (U,)."""

    variable: Flags
    auxiliary_watts: Floats
    outdoor_fan_watts: Floats


class Demand(NamedTuple):
    """What the thermostat asks for, shape (U,)."""

    fan_on: Flags
    awake: Flags
    call: Floats  # 0 to 1, of the mode
    behind_kelvin: Floats  # below the heating setpoint
    heating_setpoint_celsius: Floats
    cooling_setpoint_celsius: Floats


class HeatPumps:
    """U heat pumps; a `plant.Machine`."""

    def __init__(self, surroundings: Surroundings, rng: np.random.Generator) -> None:
        units = self._units = surroundings.site.size

        def between(low: float, high: float) -> Floats:
            return rng.uniform(low, high, units)

        s = packaged.draw(surroundings, rng, (60.0, 300.0))
        # Chosen for the larger of the two loads: about 70 % of the loss, the rest is auxiliary.
        cooling = np.maximum(s.cooling_watts, 0.75 * s.loss_watts)
        scale = cooling / s.cooling_watts
        s = self.sizes = s._replace(
            cooling_watts=cooling,
            design_flow=s.design_flow * scale,
            fan_watts=s.fan_watts * scale,
            outdoor_fraction=s.outdoor_fraction / scale,
        )
        self.habits = Habits(
            variable=between(0, 1) < 0.5,
            auxiliary_watts=s.loss_watts * between(0.6, 0.9),
            outdoor_fan_watts=cooling * between(0.022, 0.034),
        )
        self.cycle = packaged.scroll("R32", s.cooling_watts, 48.0, rng)
        self.room = Rooms(s.rooms)
        self.humidity_ratio = np.full(units, 0.007)
        self.frost_fraction = np.zeros(units)  # 1: enough for a defrost
        self._supply_felt, self._return_felt = np.full(units, 22.0), np.full(units, 22.0)
        self._heats: Flags = surroundings.winter_celsius < 10.0
        self._defrosts: Flags = np.zeros(units, dtype=bool)
        self._outdoor_fan = np.ones(units)
        self._speed = np.full(units, 0.5)
        self._auxiliary = np.zeros(units)
        self._early = EarlyStart(units, 6.0)
        self._night_call: Flags = np.zeros(units, dtype=bool)
        self._switch = Switch(units, 300.0, 300.0)
        self._gauges = gauges.Gauges(self.cycle.refrigerant, units)
        self._tripped: Flags = np.zeros(units, dtype=bool)
        self.last: Cycle | None = None

    def step(self, dt_seconds: float, around: Around, condition: Condition, sensing: Sensing) -> Outcome:
        """Move by `dt_seconds`."""
        s, h, bad = self.sizes, self.habits, condition.severity
        outdoor = around.outdoor_celsius + np.nan_to_num(sensing.error("outdoor_air_temperature"))
        demand = self._thermostat(around, sensing)
        fan = np.where(demand.fan_on, 0.75 + 0.25 * demand.call, 0.0)
        drawn = packaged.blow(s, fan, condition)
        moves = drawn.flow_fraction > packaged.LEAST_FLOW_FRACTION
        speed, starts = self._drive(dt_seconds, around, condition, demand, moves)
        self._defrost(dt_seconds)
        auxiliary = self._auxiliary_heat(dt_seconds, around, sensing, demand, outdoor, moves)

        returning = self.room.celsius[0] + s.return_gain_kelvin
        fraction = s.outdoor_fraction * around.scheduled
        mixed = returning + fraction * (around.outdoor_celsius - returning)
        mixed_humidity = self.humidity_ratio + fraction * (around.outdoor_humidity_ratio - self.humidity_ratio)
        flow = np.maximum(drawn.mass_flow, 1e-3)
        warms = self._heats & ~self._defrosts  # which way the reversing valve stands
        made = self._refrigerate(speed, (mixed, mixed_humidity), flow, drawn, around, condition)
        running = self._watch(dt_seconds, around, made, warms)
        coldest = np.where(warms, around.outdoor_celsius, mixed)
        warmest = np.where(warms, mixed, around.outdoor_celsius)
        self._gauges.step(dt_seconds, running, made, coldest, warmest)

        coil = np.where(warms, made.heating_watts, -made.cooling_watts) * running
        auxiliary_watts = h.auxiliary_watts * auxiliary
        wrung = made.moisture_flow * running * ~warms
        heat = coil + auxiliary_watts + drawn.heat_watts
        supply, supply_humidity = packaged.behind_coil(mixed, mixed_humidity, flow, heat, wrung)
        supply = np.clip(supply, 2.0, 65.0)

        self.room.expose(dt_seconds, around, demand.fan_on)
        passing = np.where(moves, drawn.mass_flow, 0.0)
        self.room.step(passing[None, :] * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN, supply)
        self.humidity_ratio = packaged.vapour(s, dt_seconds, self.humidity_ratio, (passing, supply_humidity), around)
        self._supply_felt = packaged.felt(dt_seconds, self._supply_felt, supply, moves, s.shed_celsius)
        self._return_felt = packaged.felt(dt_seconds, self._return_felt, returning, moves, s.shed_celsius)

        felt = self._gauges.felt
        compressor_watts = made.power_watts * running
        outdoor_fan = self._outdoor_fan * running * ~self._defrosts
        values = {
            "outdoor_air_temperature": around.outdoor_celsius,
            "outdoor_air_relative_humidity": around.outdoor_relative_humidity_fraction,
            "return_air_temperature": self._return_felt,
            "supply_air_temperature": self._supply_felt,
            "zone_air_temperature": self.room.celsius[0],
            "zone_air_heating_temperature_setpoint": demand.heating_setpoint_celsius,
            "zone_air_cooling_temperature_setpoint": demand.cooling_setpoint_celsius,
            "occupancy": demand.awake,
            "heating_mode": warms,
            "auxiliary_heating_command": auxiliary,
            "supply_fan_speed_command": fan,
            "supply_fan_status": demand.fan_on & (bad["fan_bearing_worn"] < 1),
            "supply_fan_power": drawn.power_watts,
            "supply_air_flow": drawn.flow,
            "filter_differential_pressure": drawn.filter_pascals,
            "compressor_status": running,
            "compressor_speed_command": np.where(running, speed, demand.call * (demand.call > 0.55)),
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
        electricity = drawn.power_watts + compressor_watts + auxiliary_watts + h.outdoor_fan_watts * outdoor_fan**3
        stress = {
            "compressor_weak": packaged.compressor_stress(made, running, starts, dt_seconds),
            "condenser_fouled": np.where(running, 1.5, 0.3),
        }
        zones = Zones(
            self.room.celsius, s.heating_setpoint_celsius, s.cooling_setpoint_celsius, np.ones((1, self._units))
        )
        return Outcome(values, {"electricity": electricity}, demand.fan_on.astype(np.float64), starts, zones, stress)

    def _thermostat(self, around: Around, sensing: Sensing) -> Demand:
        """Mode and demand of the room."""
        s = self.sizes
        seen = packaged.seen_room(self.room.celsius[0], sensing)
        off = np.maximum(s.heating_setpoint_celsius - seen, seen - s.cooling_setpoint_celsius)
        awake = self._early.step(around, off * 0.8)
        heating_setpoint = np.where(awake, s.heating_setpoint_celsius, _NIGHT_HEATING_CELSIUS)
        cooling_setpoint = np.where(awake, s.cooling_setpoint_celsius, _NIGHT_COOLING_CELSIUS)
        # Changes over at the setpoint of the other mode.
        self._heats = np.where(self._heats, seen < cooling_setpoint - 0.2, seen < heating_setpoint + 0.2)
        behind = heating_setpoint - seen
        call = np.clip(0.5 + np.where(self._heats, behind, seen - cooling_setpoint) / 1.6, 0.0, 1.0)
        self._night_call = ~awake & np.where(self._night_call, call > 0.05, call > 0.6)
        return Demand(awake | self._night_call, awake, call, behind, heating_setpoint, cooling_setpoint)

    def _drive(
        self, dt: float, around: Around, condition: Condition, demand: Demand, moves: Flags
    ) -> tuple[Floats, Floats]:
        """Compressor speed and starts."""
        h = self.habits
        broken = packaged.is_broken(condition)
        call = np.clip(demand.call + packaged.swing(self.sizes, around, condition, 0.4), 0.0, 1.0) * demand.fan_on
        start = call > np.where(h.variable, 0.3, 0.6)
        stop = (call < np.where(h.variable, 0.1, 0.3)) & ~self._defrosts
        starts = self._switch.step(dt, start | self._defrosts, stop, ~moves | broken, self._tripped)
        wanted = np.where(h.variable, np.maximum(call, _LEAST_SPEED_FRACTION), 1.0)
        # An inverter ramps; a defrost takes all that there is.
        self._speed += share(dt, 120.0) * (np.where(self._defrosts, 1.0, wanted) - self._speed)
        return np.where(h.variable, self._speed, 1.0), starts

    def _defrost(self, dt: float) -> None:
        """Begin where frost has taken its share, end where it is gone."""
        running = self._switch.on & ~self._tripped
        self.frost_fraction = np.where(
            self._defrosts & running, np.maximum(self.frost_fraction - dt / _DEFROST_SECONDS, 0.0), self.frost_fraction
        )
        going_on = self._defrosts & (self.frost_fraction > 0.02)
        self._defrosts = (going_on | (self.frost_fraction >= 1.0)) & running & self._heats

    def _auxiliary_heat(
        self, dt: float, around: Around, sensing: Sensing, demand: Demand, outdoor: Floats, moves: Flags
    ) -> Floats:
        """Share of the electric heater that is on; its limit looks at the supply sensor."""
        behind = np.clip((demand.behind_kelvin - 0.9) / 1.2, 0.0, 1.0)
        # Before people come the compressor has time to do it alone, if it is not very cold.
        lockout = np.where(demand.awake & ~around.scheduled, _EARLY_LOCKOUT_CELSIUS, _AUXILIARY_LOCKOUT_CELSIUS)
        wanted = np.where(outdoor < lockout, behind, 0.0) * self._heats
        wanted = np.where(self._defrosts, np.maximum(wanted, 0.5), wanted)
        supply = self._supply_felt + np.nan_to_num(sensing.error("supply_air_temperature"))
        limited = wanted * np.clip((52.0 - supply) / 6.0, 0.0, 1.0)
        self._auxiliary += share(dt, 90.0) * (limited - self._auxiliary)
        return np.where(demand.fan_on & moves & (self._auxiliary > 0.03), self._auxiliary, 0.0)

    def _watch(self, dt: float, around: Around, made: Cycle, warms: Flags) -> Flags:
        """Cut-outs, head control by the outdoor fan, and frost; returns where the compressor runs."""
        lowest = np.where(warms, _LOW_SUCTION_CELSIUS, np.where(self._defrosts, -25.0, _FREEZING_COIL_CELSIUS))
        # A pressure switch opens within seconds: the compressor has not run in this step.
        self._tripped = self._switch.on & (
            (made.condensing_celsius > _HIGH_HEAD_CELSIUS) | (made.evaporating_celsius < lowest)
        )
        running: Flags = self._switch.on & ~self._tripped
        head = np.where(warms, 1.0, np.clip(0.25 + (made.condensing_celsius - 30.0) / 14.0, 0.25, 1.0))
        self._outdoor_fan += share(dt, 240.0) * (head - self._outdoor_fan)
        freezes = running & warms & (made.surface_celsius < 0)
        grown = made.moisture_flow * dt / (_FROST_PER_WATT * self.sizes.cooling_watts)
        # Above freezing frost thaws by itself.
        thawed = share(dt, 1800.0) * (around.outdoor_celsius > 1.5) * ~freezes
        self.frost_fraction = np.where(freezes, self.frost_fraction + grown, self.frost_fraction * (1 - thawed))
        self.frost_fraction = np.minimum(self.frost_fraction, 1.2)
        return running

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
        warms = self._heats & ~self._defrosts
        rate = np.maximum(mass_flow * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN, 0.02 * s.cooling_watts / 11.0)
        transfer = _COIL_TRANSFER_UNITS * np.maximum(drawn.flow_fraction, 0.1) ** -0.35
        indoor = Side(*air, rate * -np.expm1(-transfer), _COIL_CONDUCTANCE * s.cooling_watts)
        # Dirt takes air and covers fins, as frost does; at last the coil is blocked.
        fouled = bad["condenser_fouled"]
        clean = np.where(fouled < 1, 1 - 0.45 * fouled, 0.1)
        frosted = np.where(warms, 1 - 0.5 * np.minimum(self.frost_fraction, 1.0), 1.0)
        blown = self._outdoor_fan * clean * frosted
        outdoor_rate = _OUTDOOR_RATE * s.cooling_watts * blown
        transfer = _OUTDOOR_TRANSFER_UNITS * blown**-0.4 * (1 - 0.25 * fouled)
        outside = outdoor_rate * -np.expm1(-transfer)
        # Melting ice takes heat without getting warmer.
        celsius = np.where(self._defrosts, _MELTING_CELSIUS, around.outdoor_celsius)
        outside = np.where(self._defrosts, 0.3 * s.cooling_watts, outside)
        outdoor = Side(celsius, around.outdoor_humidity_ratio, outside, _OUTDOOR_CONDUCTANCE * s.cooling_watts)
        cold = Side(*(np.where(warms, out, within) for out, within in zip(outdoor, indoor, strict=True)))
        hot = Side(*(np.where(warms, within, out) for out, within in zip(outdoor, indoor, strict=True)))
        running = packaged.running(speed, condition)
        first = cycle.first_guess(cold, hot)
        # A valve that has just turned over makes the last solution a bad guess.
        known = self._gauges.guess(first)
        turned = known.evaporating_celsius > cold.celsius - 1.0
        guess = cycle.Guess(*(np.where(turned, new, old) for new, old in zip(first, known, strict=True)))
        self.last = cycle.solve(self.cycle, cold, hot, running, guess)
        return self.last
