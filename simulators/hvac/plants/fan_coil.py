"""Fan-coil units: a room, its return air, two coils and a fan.

    room ──▶ filter ──▶ heating coil ──▶ cooling coil ──▶ fan ──▶ room        outdoor air comes neutral, by another unit
                           ▲ valve          ▲ valve        ▲ speed

The room's thermostat asks for heat or cold; the fan turns as fast as that needs, the valve opens as far, neither in
the dead band, where the fan only stirs. As in all plants here, loops are well tuned lags towards where they settle.
"""

from __future__ import annotations

import numpy as np

from simulators.hvac.moist import (
    DENSITY_KILOGRAMS_PER_CUBIC_METER,
    DRY_AIR_JOULES_PER_KILOGRAM_KELVIN,
    EVAPORATION_JOULES_PER_KILOGRAM,
    Flags,
    Floats,
)
from simulators.hvac.plants import coil as coils
from simulators.hvac.plants import rooms
from simulators.hvac.plants.faults import Condition
from simulators.hvac.plants.machine import Outcome, Zones
from simulators.hvac.plants.probes import follow, led, moved
from simulators.hvac.plants.sensing import Sensing
from simulators.hvac.plants.surroundings import Around, Surroundings
from simulators.hvac.plants.thermostat import Thermostat

_RATE_PER_FLOW = DENSITY_KILOGRAMS_PER_CUBIC_METER * DRY_AIR_JOULES_PER_KILOGRAM_KELVIN
_LOW_SPEED_FRACTION = 0.35
_ROOM_PACE_SECONDS, _FAN_PACE_SECONDS, _VALVE_PACE_SECONDS = 900.0, 60.0, 90.0
# Supply air is at most so much warmer or colder than the room; more heat takes more air.
_HEATING_DIFFERENCE_KELVIN, _COOLING_DIFFERENCE_KELVIN = 14.0, 10.0
_HUNTING_SHARE, _AGAINST_FRACTION = 0.8, 0.35


class FanCoils:
    """The machine of kind `fan_coil`; all arrays of shape (U,), the room's (1, U)."""

    def __init__(self, surroundings: Surroundings, rng: np.random.Generator) -> None:
        units = surroundings.site.size

        def between(low: float, high: float) -> Floats:
            return rng.uniform(low, high, units)

        winter, summer = surroundings.winter_celsius, surroundings.summer_celsius
        area, perimeter = between(18, 70), between(0.4, 1.2)
        sizes = rooms.draw(area[None], perimeter[None], winter, rng)
        self.rooms = rooms.Rooms(sizes, between(8.0, 16.0)[None])
        loss = sizes.envelope_conductance[0]
        load = loss * np.maximum(summer - 24, 0) + sizes.gain_watts[0] + 0.9 * sizes.solar_watts[0]
        heat = 1.3 * (loss + sizes.infiltration_rate[0]) * np.maximum(21 - winter, 8)
        rate = np.maximum(load * between(1.1, 1.4) / _COOLING_DIFFERENCE_KELVIN, heat / _HEATING_DIFFERENCE_KELVIN)
        self.design_rate, self.design_flow = rate, rate / _RATE_PER_FLOW
        mass_flow = self.design_flow * DENSITY_KILOGRAMS_PER_CUBIC_METER
        # Heat to 14 K above the room at full speed, with water at 50 and more.
        need = rate * _HEATING_DIFFERENCE_KELVIN / 30.0
        self.heating = coils.Coil(need * between(2.4, 3.0), need * between(2.2, 2.6), mass_flow)
        self.cooling = coils.Coil(rate * between(1.8, 2.3), rate * between(2.2, 3.0), mass_flow)
        self._design_watts = self.design_flow * between(350, 550)  # W a m3/s, of a small fan without ducts
        self._filter_pascals = between(15, 30)
        self._leak = between(0, 0.0005)
        self._hot_offset, self._chilled_offset = rng.normal(0, 1.5, units), rng.normal(0, 0.3, units)
        self._heating_setpoint = np.round(between(20.0, 22.0) * 2) / 2
        self._cooling_setpoint = np.round(between(23.5, 25.5) * 2) / 2
        self._thermostat = Thermostat(self._heating_setpoint, self._cooling_setpoint, between(2.0, 4.0))
        self._hunting_seconds, self._phase = between(480, 960), between(0, 2 * np.pi)
        self._stir = np.where(rng.uniform(size=units) < 0.6, 1.0, 0.0)  # fans that turn in the dead band
        self._vapour_mass = 3 * area * rooms.AIR_KILOGRAMS_PER_SQUARE_METER
        self._moisture_gain = area * between(1.5, 4.0) / EVAPORATION_JOULES_PER_KILOGRAM
        self._air_change = area * rooms.AIR_KILOGRAMS_PER_SQUARE_METER * between(0.3, 0.8) / 3600  # neutral outdoor air
        self.humidity_ratio = np.full(units, 0.007)
        self.speed, self.heating_valve, self.cooling_valve = np.zeros((3, units))
        self._running = np.zeros(units, dtype=bool)
        self._felt = {name: np.full(units, 22.0) for name in ("returned", "supply", "hot", "chilled")}

    def step(self, dt_seconds: float, around: Around, condition: Condition, sensing: Sensing) -> Outcome:
        """Move by `dt_seconds`."""
        sick = condition.severity
        error, blind = sensing.belief("zone_air_temperature")
        room = self.rooms.celsius[0]
        mode = self._thermostat.step(around, room + error, room + error, room + error)
        self.rooms.expose(dt_seconds, around, np.zeros_like(mode.running))
        warm = self.rooms.needed((mode.heating_setpoint_celsius + mode.inside_kelvin - error)[None], _ROOM_PACE_SECONDS)
        cool = self.rooms.needed((mode.cooling_setpoint_celsius - mode.inside_kelvin - error)[None], _ROOM_PACE_SECONDS)
        turn = around.at_ms / 1000 % self._hunting_seconds / self._hunting_seconds
        swing = 1 + _HUNTING_SHARE * sick["control_hunting"] * np.sin(2 * np.pi * turn + self._phase)
        heating, cooling = np.maximum(warm[0], 0.0) * swing, np.minimum(cool[0], 0.0) * swing
        asked = mode.running & ((heating > 0) | (cooling < 0))
        blows = mode.running & (asked | ((self._stir > 0) & mode.occupied) | blind)
        flow, power = self._blow(dt_seconds, blows, heating, cooling, blind, sick)

        mass_flow = np.maximum(flow, 0.002 * self.design_flow) * DENSITY_KILOGRAMS_PER_CUBIC_METER
        air = coils.stream(room + 0.1, self.humidity_ratio, mass_flow)
        clean = 1 - 0.75 * sick["coil_fouled"]
        heating_share, cooling_share = (coils.air_share(own, air, clean) for own in (self.heating, self.cooling))
        reset = 60 - 15 * np.clip((around.outdoor_celsius + 10) / 28, 0, 1)
        hot = reset + self._hot_offset + 0.8 * around.chance[0]
        chilled = 7 + self._chilled_offset + 0.2 * around.chance[1]
        rise = np.minimum(power / air.rate, 5.0)
        wanted = air.celsius + (heating + cooling) / air.rate - rise
        against = _AGAINST_FRACTION * sick["simultaneous_heating_cooling"]

        share = moved(dt_seconds, _VALVE_PACE_SECONDS)
        cooling_leak = coils.leak_fraction(sick["cooling_valve_leaking"], self._leak)
        freedom = coils.freedom_fraction(sick["cooling_valve_stuck"])
        ends = condition.position_fraction["cooling_valve_stuck"]
        closed = np.maximum(coils.valve_flow_fraction((1 - freedom) * ends), cooling_leak)
        heating_leak = coils.leak_fraction(sick["heating_valve_leaking"], self._leak)
        needs = coils.before(wanted, self.cooling, air, cooling_share, chilled, closed)
        amount = coils.heating_flow_fraction(self.heating, air, heating_share, hot, needs)
        command = np.where((heating > 0) & (amount > heating_leak), coils.valve_position_fraction(amount), 0.0)
        command = np.maximum(command, against) * blows
        self.heating_valve = led(self.heating_valve, command, blind & blows, share)
        hot_flow = np.maximum(coils.valve_flow_fraction(self.heating_valve), heating_leak)
        warmed = coils.heat(self.heating, air, heating_share, hot, hot_flow)

        air_between = air._replace(celsius=warmed.celsius)
        amount = coils.cooling_flow_fraction(self.cooling, air_between, cooling_share, chilled, wanted)
        position = np.where((cooling < 0) & (amount > cooling_leak), coils.valve_position_fraction(amount), 0.0)
        command = np.where(cooling < 0, coils.command_for(position, freedom, ends), 0.0) * blows
        self.cooling_valve = led(self.cooling_valve, command, blind & blows, share)
        position = freedom * self.cooling_valve + (1 - freedom) * ends
        chilled_flow = np.maximum(coils.valve_flow_fraction(position), cooling_leak)
        cooled = coils.cool(self.cooling, air_between, cooling_share, chilled, chilled_flow)
        supply = cooled.celsius + rise

        # Heat by balance, so that no more reaches the room than the coils and the fan gave.
        self.rooms.step(np.zeros_like(room)[None], room, (air.rate * (supply - air.celsius) * (flow > 0))[None])
        self._breathe(dt_seconds, around, mass_flow * (flow > 0), cooled.humidity_ratio)
        felt = self._felt
        passing = flow / self.design_flow / 20
        felt["returned"] = follow(felt["returned"], air.celsius, passing, room, 1 / 900, dt_seconds)
        near = room + 0.2 * (warmed.celsius - room) + 0.2 * (cooled.celsius - warmed.celsius)
        felt["supply"] = follow(felt["supply"], supply, passing, near, 1 / 900, dt_seconds)
        felt["hot"] = follow(felt["hot"], warmed.water_celsius, hot_flow / 15, room, 1 / 1200, dt_seconds)
        felt["chilled"] = follow(felt["chilled"], cooled.water_celsius, chilled_flow / 15, room, 1 / 1200, dt_seconds)
        started, self._running = blows & ~self._running, blows
        seized = sick["fan_bearing_worn"] >= 1
        values: dict[str, Floats | Flags] = {
            "outdoor_air_temperature": around.outdoor_celsius,
            "zone_air_temperature": self.rooms.celsius[0],
            "zone_air_heating_temperature_setpoint": mode.heating_setpoint_celsius,
            "zone_air_cooling_temperature_setpoint": mode.cooling_setpoint_celsius,
            "occupancy": mode.occupied,
            "return_air_temperature": felt["returned"],
            "supply_air_temperature": felt["supply"],
            "heating_valve_command": self.heating_valve,
            "cooling_valve_command": self.cooling_valve,
            "supply_fan_speed_command": self.speed * blows,
            "supply_fan_status": blows & ~seized,
            "supply_fan_power": power,
            "supply_air_flow": flow,
            "filter_differential_pressure": self._filter_drop(flow, sick["filter_fouled"]),
            "hot_water_supply_temperature": hot,
            "hot_water_return_temperature": felt["hot"],
            "chilled_water_supply_temperature": chilled,
            "chilled_water_return_temperature": felt["chilled"],
        }
        through = flow / self.design_flow / 0.5
        return Outcome(
            values,
            {
                "electricity": power,
                "hot_water": np.maximum(warmed.heat_watts, 0.0),
                "chilled_water": np.maximum(-cooled.heat_watts, 0.0),
            },
            blows.astype(np.float64),
            started.astype(np.float64),
            Zones(self.rooms.celsius, self._heating_setpoint, self._cooling_setpoint, np.ones_like(self.rooms.celsius)),
            {"filter_fouled": through, "coil_fouled": through, "fan_bearing_worn": (self.speed / 0.6) ** 2},
        )

    def _blow(
        self, dt_seconds: float, blows: Flags, heating: Floats, cooling: Floats, blind: Flags, sick: dict[str, Floats]
    ) -> tuple[Floats, Floats]:
        """Flow (m3/s) and electric power; no loop watches the flow, so a clogged filter simply costs air."""
        needed = np.maximum(heating / _HEATING_DIFFERENCE_KELVIN, -cooling / _COOLING_DIFFERENCE_KELVIN)
        speed = np.clip(needed / self.design_rate, _LOW_SPEED_FRACTION, 1.0)
        self.speed = led(self.speed, np.where(blows, speed, 0.0), blind & blows, moved(dt_seconds, _FAN_PACE_SECONDS))
        filters, bearing = sick["filter_fouled"], sick["fan_bearing_worn"]
        # A fifth of the resistance is the filter's, more of it the fouled coil's.
        load = 0.8 + 0.2 * np.where(filters < 1, 1 + 9 * filters, 400.0) + 0.8 * sick["coil_fouled"]
        rotation = self.speed * (1 - 0.3 * bearing) * (bearing < 1) * blows
        flow = self.design_flow * rotation / np.sqrt(load)
        shaft = self._design_watts * rotation**3 * (0.3 + 0.7 / np.sqrt(load)) * (1 + 1.2 * bearing)
        return flow, np.where(bearing < 1, shaft + 3.0 * blows, 0.0) + 2.0

    def _filter_drop(self, flow: Floats, severity: Floats) -> Floats:
        load = np.where(severity < 1, 1 + 9 * severity, 400.0)
        drop: Floats = self._filter_pascals * load * (flow / self.design_flow) ** 2
        return drop

    def _breathe(self, dt_seconds: float, around: Around, mass_flow: Floats, supply_humidity_ratio: Floats) -> None:
        fresh = np.minimum(around.outdoor_humidity_ratio, 0.009)  # outdoor air comes dried
        gained = self._moisture_gain * around.presence_fraction
        through = mass_flow + self._air_change
        target = (mass_flow * supply_humidity_ratio + self._air_change * fresh + gained) / through
        away = self.humidity_ratio - target
        self.humidity_ratio = target + away * np.exp(-dt_seconds * through / self._vapour_mass)
