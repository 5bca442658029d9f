"""Air handlers, single-zone and multi-zone VAV with reheat, with controls after ASHRAE Guideline 36.

              ┌──────────────◀── return air ◀──────────────┐
       damper │                                            │      ┌─▶ box, reheat ─▶ core
    outdoor ──┴▶ mixed ─▶ filter ─▶ heating ─▶ cooling ─▶ fan ─▶ duct ─▶ box, reheat ─▶ east
                                     coil       coil       ▲      ├─▶ box, reheat ─▶ south
                                     ▲          ▲        speed    └─▶ box, reheat ─▶ west
                                    valve      valve                (or one large room)

A step asks in turn: does the fan run; what heat does each zone need; which flows and pressures follow; which mixture,
and which valves, make the supply air right; what comes of it. Every loop is taken as well tuned: it moves, as a lag of its
own pace, towards the command at which what it measures meets its setpoint, or to its limit. So 15 s and 300 s agree.
Trim and respond (supply temperature, static pressure) is taken as the value that it hovers about.
"""

from __future__ import annotations

import numpy as np

from simulators.hvac.moist import Flags, Floats, relative_humidity_fraction
from simulators.hvac.plants.air_handler_sizes import RATE_PER_FLOW, ZONES, draw
from simulators.hvac.plants.air_path import AirPath, Passage, Task, Water
from simulators.hvac.plants.boxes import Wish, settle
from simulators.hvac.plants.duct import Draught, Parts, blow
from simulators.hvac.plants.faults import Condition
from simulators.hvac.plants.machine import Outcome, Zones
from simulators.hvac.plants.probes import follow, moved
from simulators.hvac.plants.rooms import Rooms
from simulators.hvac.plants.sensing import Sensing
from simulators.hvac.plants.surroundings import Around, Surroundings
from simulators.hvac.plants.thermostat import Mode, Thermostat

_WARM_UP_SUPPLY_CELSIUS, _SINGLE_ZONE_SUPPLY_MAX_CELSIUS, _MILD_SUPPLY_CELSIUS = 30.0, 36.0, 18.0
_ZONE_PACE_SECONDS, _BOX_PACE_SECONDS, _REHEAT_PACE_SECONDS = 900.0, 60.0, 120.0
_SUPPLY_RESET_SECONDS, _SINGLE_ZONE_RESET_SECONDS, _STATIC_RESET_SECONDS = 600.0, 180.0, 480.0
_BOX_OPEN_FRACTION = 0.9  # trim and respond settles where the most open box is so far open
_REHEAT_EFFECTIVENESS_MAX = 0.7
_DUCT_RATE, _DUCT_REST_RATE = 1 / 20, 1 / 900  # of a duct sensor at design flow, and at rest towards the room, 1/s
_PIPE_RATE, _PIPE_REST_RATE = 1 / 15, 1 / 1200


class AirHandlers:
    """The machine of kind `ahu`: `single_zone_share` of its units serve one room, the others four zones."""

    def __init__(self, surroundings: Surroundings, rng: np.random.Generator, single_zone_share: float = 0.4) -> None:
        self.sizes = s = draw(surroundings, rng, single_zone_share)
        units = s.design_flow.size
        self.rooms = Rooms(s.rooms)
        self.path = AirPath(s, rng.uniform(0, 2 * np.pi, units))
        self.passage: Passage
        self.draught: Draught
        self.zone_rate = s.limits.minimum * (s.share > 0)  # W/K into each zone, (Z, U)
        self.reheat_kelvin = np.zeros((ZONES, units))
        self.supply_setpoint_celsius = np.full(units, _MILD_SUPPLY_CELSIUS)
        self.static_setpoint_pascals = s.static_minimum_pascals.copy()
        self.humidity_ratio = np.full(units, 0.007)
        self._used = s.share > 0
        self._thermostat = Thermostat(s.heating_setpoint_celsius, s.cooling_setpoint_celsius, s.warm_up_kelvin_per_hour)
        self._warming, self._running = np.zeros((2, units), dtype=bool)
        self._rate = self.zone_rate  # as the boxes ask for it
        self._supply_celsius = np.full(units, _MILD_SUPPLY_CELSIUS)
        names = ("mixed", "supply", "returned", "hot", "chilled")
        self._felt = {name: s.room_celsius.copy() for name in names}

    def step(self, dt_seconds: float, around: Around, condition: Condition, sensing: Sensing) -> Outcome:
        """Move by `dt_seconds`."""
        s, sick = self.sizes, condition.severity
        zone_error, blind = sensing.belief("zone_air_temperature")
        mode = self._start_and_stop(around, zone_error)
        started, self._running = mode.running & ~self._running, mode.running
        self.rooms.expose(dt_seconds, around, mode.running)
        wish = self._serve_zones(dt_seconds, mode, zone_error, blind)
        static_error = sensing.belief("supply_air_static_pressure")[0]
        self.draught = draught = self._blow(dt_seconds, mode, sick, static_error)
        self._reset_supply(dt_seconds, mode, around, wish)
        returned = (self._rate * self.rooms.celsius).sum(axis=0) / self._rate.sum(axis=0)
        task = Task(
            mode.running,
            mode.occupied,
            self._warming,
            self.supply_setpoint_celsius,
            draught.flow,
            draught.heat_watts,
            np.where(mode.running, returned + s.return_gain_kelvin, self._zone_celsius()),
            self.humidity_ratio,
        )
        water = self._water(around, sick)
        self.passage = passage = self.path.step(dt_seconds, task, around, condition, sensing, water)
        self._supply_celsius = np.where(mode.running, passage.supply_celsius, _MILD_SUPPLY_CELSIUS)
        self._heat_zones(dt_seconds, mode, wish, water)
        self._breathe(dt_seconds, around, passage.mass_flow * mode.running, passage.cooling.humidity_ratio)
        self._feel(dt_seconds, task, around)
        watts = {
            "electricity": draught.power_watts,
            "hot_water": passage.heating.heat_watts * (passage.heating.heat_watts > 0)
            + (self.zone_rate * self.reheat_kelvin).sum(axis=0),
            "chilled_water": np.maximum(-passage.cooling.heat_watts, 0.0),
        }
        return Outcome(
            self._values(mode, around, sick, water),
            watts,
            mode.running.astype(np.float64),
            started.astype(np.float64),
            Zones(self.rooms.celsius, s.heating_setpoint_celsius, s.cooling_setpoint_celsius, s.share),
            self._stress(sick),
        )

    def _zone_celsius(self) -> Floats:
        mean: Floats = (self.sizes.share * self.rooms.celsius).sum(axis=0)
        return mean

    def _start_and_stop(self, around: Around, zone_error: Floats) -> Mode:
        mean = self._zone_celsius() + zone_error
        celsius = np.where(self._used, self.rooms.celsius + zone_error, mean)
        mode = self._thermostat.step(around, mean, celsius.min(axis=0), celsius.max(axis=0))
        running = mode.running & (self.path.frozen_seconds == 0)
        # Central warm-up: return air only and warm supply air, until the rooms are near their setpoint.
        near = mode.heating_setpoint_celsius + mode.inside_kelvin - np.where(self._warming, 0.0, 0.5)
        self._warming = ~mode.occupied & running & (mean < near)
        return mode._replace(running=running)

    def _serve_zones(self, dt_seconds: float, mode: Mode, zone_error: Floats, blind: Flags) -> Wish:
        s = self.sizes
        warm_enough = mode.heating_setpoint_celsius + mode.inside_kelvin - zone_error
        cool_enough = mode.cooling_setpoint_celsius - mode.inside_kelvin - zone_error
        heating = self.rooms.needed(warm_enough, _ZONE_PACE_SECONDS)
        cooling = self.rooms.needed(cool_enough, _ZONE_PACE_SECONDS)
        wish = settle(s.limits, self.rooms.celsius, self._supply_celsius, heating, cooling)
        # A lost sensor shows no error: the boxes hold.
        rate = np.where(blind, self._rate, wish.rate * self._used)
        self._rate = self._rate + moved(dt_seconds, _BOX_PACE_SECONDS) * (rate - self._rate)
        return wish

    def _blow(self, dt_seconds: float, mode: Mode, sick: dict[str, Floats], static_error: Floats) -> Draught:
        s = self.sizes
        most = s.limits.cooling_maximum
        reference = s.terminal_resistance * (most.sum(axis=0) / RATE_PER_FLOW) ** 2
        wanted = reference * ((self._rate / most).max(axis=0) / _BOX_OPEN_FRACTION) ** 2
        wanted = np.clip(wanted, s.static_minimum_pascals, s.static_maximum_pascals)
        wanted = np.where(mode.running, wanted, s.static_minimum_pascals)
        setpoint = self.static_setpoint_pascals
        setpoint = setpoint + moved(dt_seconds, _STATIC_RESET_SECONDS) * (wanted - setpoint)
        # One room has no static loop: its fan turns as fast as the room wants, into diffusers that stay as they are.
        own = s.terminal_resistance * (self._rate.sum(axis=0) / RATE_PER_FLOW) ** 2
        self.static_setpoint_pascals = np.where(s.single_zone, own, setpoint)
        static = np.where(s.single_zone, own, np.maximum(setpoint - static_error, 10.0))
        self._rate = np.where(s.single_zone, self._rate, np.minimum(self._rate, most * np.sqrt(static / reference)))
        wanted_flow = self._rate.sum(axis=0) / RATE_PER_FLOW
        filters, belt, bearing = sick["filter_fouled"], sick["fan_belt_worn"], sick["fan_bearing_worn"]
        parts = Parts(
            np.where(filters < 1, 1 + 6 * filters, 400.0),
            1 + 2.5 * sick["coil_fouled"],
            np.where(belt < 1, 0.45 * belt, 1.0),
            0.15 * bearing,
            bearing < 1,
        )
        draught = blow(s, mode.running, wanted_flow, static, parts)
        self.zone_rate = self._rate * (draught.flow / wanted_flow)
        return draught

    def _reset_supply(self, dt_seconds: float, mode: Mode, around: Around, wish: Wish) -> None:
        """The supply setpoint: cold enough for the neediest zone, no colder than the weather asks for."""
        s, cold = self.sizes, self.sizes.supply_cold_celsius
        warmest = cold + np.clip((21.0 - around.outdoor_celsius) / 5.0, 0.0, 1.0) * (_MILD_SUPPLY_CELSIUS - cold)
        need = np.where(self._used, wish.cooling_demand, 0.0).max(axis=0)
        wanted = warmest - (warmest - cold) * np.clip((need - 0.65) / 0.3, 0.0, 1.0)
        # One room: the supply air itself is as warm as the room needs it.
        own = np.where(wish.heating_watts[0] > 0, wish.discharge_celsius[0], wanted)
        own = np.minimum(own, _SINGLE_ZONE_SUPPLY_MAX_CELSIUS)
        wanted = np.where(s.single_zone, own, np.where(self._warming, _WARM_UP_SUPPLY_CELSIUS, wanted))
        wanted = np.where(mode.running, wanted, _MILD_SUPPLY_CELSIUS)
        slow, fast = (moved(dt_seconds, pace) for pace in (_SUPPLY_RESET_SECONDS, _SINGLE_ZONE_RESET_SECONDS))
        share = np.where(self._warming | s.single_zone, fast, slow)
        self.supply_setpoint_celsius = self.supply_setpoint_celsius + share * (wanted - self.supply_setpoint_celsius)

    def _water(self, around: Around, sick: dict[str, Floats]) -> Water:
        """Hot water by the boiler's reset: 70 celsius at -10 outdoors, 45 from 18 on; chilled water at 7."""
        s, low = self.sizes, sick["cooling_capacity_low"]
        reset = 70 - 25 * np.clip((around.outdoor_celsius + 10) / 28, 0, 1)
        return Water(
            reset + s.hot_water_offset_kelvin + 0.8 * around.chance[0],
            7 + s.chilled_water_offset_kelvin + 0.2 * around.chance[1] + np.where(low < 1, 4.0 * low, 10.0),
            np.where(low < 1, 1 - 0.9 * low, 0.0),
        )

    def _heat_zones(self, dt_seconds: float, mode: Mode, wish: Wish, water: Water) -> None:
        supply = self.passage.supply_celsius
        reheat = np.where(mode.running & ~self.sizes.single_zone, wish.discharge_celsius - supply, 0.0)
        most = _REHEAT_EFFECTIVENESS_MAX * np.maximum(water.hot_celsius - supply, 0.0)
        share = moved(dt_seconds, _REHEAT_PACE_SECONDS)
        self.reheat_kelvin = self.reheat_kelvin + share * (np.clip(reheat, 0.0, most) - self.reheat_kelvin)
        self.rooms.step(self.zone_rate, supply + self.reheat_kelvin)

    def _breathe(self, dt_seconds: float, around: Around, mass_flow: Floats, supply_humidity_ratio: Floats) -> None:
        """Vapour of all rooms together: people, supply air and what leaks in."""
        s = self.sizes
        leaks = s.infiltration_mass_flow * np.where(self._running, 0.2, 1.0)
        through = mass_flow + leaks
        gained = s.moisture_gain * around.presence_fraction
        target = (mass_flow * supply_humidity_ratio + leaks * around.outdoor_humidity_ratio + gained) / through
        away = self.humidity_ratio - target
        self.humidity_ratio = target + away * np.exp(-dt_seconds * through / s.vapour_mass)

    def _feel(self, dt_seconds: float, task: Task, around: Around) -> None:
        """What duct and pipe sensors feel: what passes them or, where nothing does, the plant room."""
        s, p, felt, room = self.sizes, self.passage, self._felt, self.sizes.room_celsius
        passing = _DUCT_RATE * task.flow / s.design_flow
        # A mixing box never mixes well: its sensor sits in air of a slightly other mixture.
        streaky = p.mixed_celsius + s.stratification_fraction * (around.outdoor_celsius - task.returned_celsius)
        # At rest the supply sensor feels some of the warmth of the coils beside it.
        near = room + 0.3 * (p.heating.celsius - room) + 0.3 * (p.cooling.celsius - p.heating.celsius)
        for name, value, rest in (
            ("mixed", streaky, room),
            ("supply", p.supply_celsius, near),
            ("returned", task.returned_celsius, room),
        ):
            felt[name] = follow(felt[name], value, passing, rest, _DUCT_REST_RATE, dt_seconds)
        for name, leaving, flow in (
            ("hot", p.heating.water_celsius, p.hot_flow_fraction),
            ("chilled", p.cooling.water_celsius, p.chilled_flow_fraction),
        ):
            felt[name] = follow(felt[name], leaving, _PIPE_RATE * flow, room, _PIPE_REST_RATE, dt_seconds)

    def _values(self, mode: Mode, around: Around, sick: dict[str, Floats], water: Water) -> dict[str, Floats | Flags]:
        s, felt, draught = self.sizes, self._felt, self.draught
        turning = draught.rotation_fraction**2 * mode.running
        worn = 9.0 * sick["fan_bearing_worn"] ** 1.5 + 2.5 * sick["fan_belt_worn"]
        return {
            "outdoor_air_temperature": around.outdoor_celsius,
            "outdoor_air_relative_humidity": around.outdoor_relative_humidity_fraction,
            "return_air_temperature": felt["returned"],
            "mixed_air_temperature": felt["mixed"],
            "supply_air_temperature": felt["supply"],
            "supply_air_temperature_setpoint": self.supply_setpoint_celsius,
            "zone_air_temperature": self._zone_celsius(),
            "zone_air_heating_temperature_setpoint": mode.heating_setpoint_celsius,
            "zone_air_cooling_temperature_setpoint": mode.cooling_setpoint_celsius,
            "outdoor_air_damper_command": self.path.damper,
            "heating_valve_command": self.path.heating_valve,
            "cooling_valve_command": self.path.cooling_valve,
            "supply_fan_speed_command": draught.speed_command_fraction,
            "supply_fan_status": mode.running & (sick["fan_bearing_worn"] < 1),
            "supply_fan_power": draught.power_watts,
            "supply_air_flow": draught.flow,
            "supply_air_static_pressure": draught.static_pascals,
            "supply_air_static_pressure_setpoint": self.static_setpoint_pascals,
            "filter_differential_pressure": draught.filter_pascals,
            "hot_water_supply_temperature": water.hot_celsius,
            "hot_water_return_temperature": felt["hot"],
            "chilled_water_supply_temperature": water.chilled_celsius,
            "chilled_water_return_temperature": felt["chilled"],
            "occupancy": around.scheduled,
            "return_air_relative_humidity": relative_humidity_fraction(felt["returned"], self.humidity_ratio),
            "supply_fan_vibration_velocity": (s.vibration_millimeters_per_second + worn) * turning,
        }

    def _stress(self, sick: dict[str, Floats]) -> dict[str, Floats]:
        """Dust comes with the air, belts and bearings wear with speed, a bad belt is hard on bearings."""
        through = self.draught.flow / self.sizes.design_flow / 0.6
        speed = (self.draught.rotation_fraction / 0.75) ** 2
        return {
            "filter_fouled": through,
            "coil_fouled": through,
            "fan_belt_worn": speed,
            "fan_bearing_worn": speed * (1 + sick["fan_belt_worn"]),
        }
