"""Water-cooled chillers with their cooling towers, and the buildings that they cool.

    rooms ─▶ coils ─▶ return ─▶ evaporator ─▶ supply ─▶ (pump) ─▶ coils
                                  │ cycle (R134a)
              tower ─▶ supply ─▶ condenser ─▶ return ─▶ tower ─▶ outdoor air at its wet bulb

Controls, after ASHRAE Guideline 36: chilled water setpoint that is trimmed up and responds to open coil valves,
compressor speed on leaving water, pump on differential pressure, tower fan on condenser water at the wet bulb and an
approach but never nearer to the chilled water than the least lift. Below the lockout outdoor air cools alone. Cut-outs:
high head, low suction, no flow, lost supply sensor.

Faults: fouled tubes raise the head; too little refrigerant lowers suction and subcooling; a worn compressor lets both
pressures come together; a weak tower fan leaves the condenser water warm at full command; a worn pump moves less water at
higher speed; a drifting supply sensor shifts the water by as much.
"""

from __future__ import annotations

import numpy as np

from simulators.hvac.moist import (
    DRY_AIR_JOULES_PER_KILOGRAM_KELVIN,
    EVAPORATION_JOULES_PER_KILOGRAM,
    Flags,
    Floats,
)
from simulators.hvac.plants import building, cycle, gauges
from simulators.hvac.plants.building import EarlyStart, Switch, share
from simulators.hvac.plants.chiller_sizes import ROOM_SETPOINT_CELSIUS, draw
from simulators.hvac.plants.cycle import Running, Side
from simulators.hvac.plants.faults import Condition
from simulators.hvac.plants.machine import Outcome, Zones
from simulators.hvac.plants.sensing import Sensing
from simulators.hvac.plants.surroundings import Around, Surroundings

_ROOM_HEATED_CELSIUS = 20.5  # another plant sees to that
_ROOM_HUMIDITY_RATIO = 0.0093  # at 24 celsius and half saturated
_CHILLED_CELSIUS = 6.7
_RESET_KELVIN = 4.5
_LOCKOUT_CELSIUS = 13.0
_LEAST_SPEED_FRACTION = 0.25
_LEAST_FLOW_FRACTION = 0.3
_LEAST_LIFT_KELVIN = 11.0  # condenser water above chilled water
_HIGH_HEAD_CELSIUS = 52.0
_LOW_SUCTION_CELSIUS = -4.0
_TOWER_APPROACH_KELVIN = 4.0
_RATE_SECONDS = 900.0


class Chillers:
    """U chillers; a `plant.Machine`."""

    def __init__(self, surroundings: Surroundings, rng: np.random.Generator) -> None:
        self.sizes, self.building, self.cycle = draw(surroundings, rng)
        self._units = units = surroundings.site.size
        self.room_celsius = np.full(units, 23.0)
        self.water_celsius = np.full(units, 12.0)
        self._return_celsius = np.full(units, 15.0)
        self.condenser_celsius = np.full(units, 22.0)
        self._condenser_return_celsius = np.full(units, 22.0)
        self._reset_fraction = np.full(units, 0.5)
        self._integral, self._fan_integral = np.zeros(units), np.zeros(units)
        self._early = EarlyStart(units, 4.0)
        self._switch = Switch(units, 600.0, 600.0)
        self._gauges = gauges.Gauges(self.cycle.refrigerant, units)
        self._tripped: Flags = np.zeros(units, dtype=bool)
        self._phase = rng.uniform(0, 2 * np.pi, units)
        self.last: cycle.Cycle | None = None

    def step(self, dt_seconds: float, around: Around, condition: Condition, sensing: Sensing) -> Outcome:
        """Move by `dt_seconds`."""
        s, bad = self.sizes, condition.severity
        outdoor = around.outdoor_celsius + np.nan_to_num(sensing.error("outdoor_air_temperature"))
        error_of_supply = sensing.error("chilled_water_supply_temperature")

        # Rooms: coil valves open over one kelvin, from early enough before people come.
        awake = self._early.step(around, (self.room_celsius - ROOM_SETPOINT_CELSIUS) * 0.9)
        opening = np.clip(0.5 + (self.room_celsius - ROOM_SETPOINT_CELSIUS) / 1.2, 0.0, 1.0) * awake
        free = outdoor < _LOCKOUT_CELSIUS
        coils = np.where(free, 0.0, opening)
        self._trim(dt_seconds, coils)
        # Damp air outside needs cold coils, however small the load.
        dry = np.clip((0.0125 - around.outdoor_humidity_ratio) / 0.003, 0.2, 1.0)
        setpoint = _CHILLED_CELSIUS + _RESET_KELVIN * self._reset_fraction * dry

        calls = coils > np.where(self._switch.on, 0.04, 0.12)
        wanted = np.where(calls | self._switch.on, np.maximum(coils, _LEAST_FLOW_FRACTION), 0.0)
        moved = building.pump(wanted, bad["pump_worn"])
        flows = moved.flow_fraction > 0.05
        speed, starts = self._drive(
            dt_seconds, around, condition, self.water_celsius + error_of_supply - setpoint, calls & flows
        )
        rate = np.maximum(moved.flow_fraction * s.water_rate, 0.02 * s.water_rate)
        made = self._cycle(speed, rate, condition)
        # A pressure switch opens within seconds: the compressor has not run in this step. What it would do that stands
        # still is worked out too, and not used.
        self._tripped = self._switch.on & (
            (made.condensing_celsius > _HIGH_HEAD_CELSIUS) | (made.evaporating_celsius < _LOW_SUCTION_CELSIUS)
        )
        running = self._switch.on & ~self._tripped
        cooling, shaft = made.cooling_watts * running, made.power_watts * running
        self._gauges.step(dt_seconds, running, made, self.water_celsius, self.condenser_celsius)

        taken = self._load(dt_seconds, around, opening, coils, rate * flows, cooling, free)
        lag = np.where(flows, share(dt_seconds, 60.0), share(dt_seconds, 7200.0))
        arriving = np.where(flows, self.water_celsius + taken / rate, ROOM_SETPOINT_CELSIUS)
        self._return_celsius += lag * (arriving - self._return_celsius)
        fan, tower_watts = self._tower(dt_seconds, around, condition, sensing, running, made.heating_watts * running)

        felt = self._gauges.felt
        pump_watts = s.pump_watts * moved.power_fraction
        power = shaft * 1.02 + s.standby_watts
        satisfied = (self.room_celsius < ROOM_SETPOINT_CELSIUS + 1.0) | ~around.scheduled
        values = {
            "outdoor_air_temperature": around.outdoor_celsius,
            "outdoor_air_relative_humidity": around.outdoor_relative_humidity_fraction,
            "chilled_water_supply_temperature": self.water_celsius,
            "chilled_water_supply_temperature_setpoint": setpoint,
            "chilled_water_return_temperature": self._return_celsius,
            "chilled_water_flow": moved.flow_fraction * s.water_rate / building.WATER_JOULES_PER_CUBIC_METER_KELVIN,
            "chilled_water_pump_status": flows,
            "chilled_water_pump_speed_command": moved.speed_fraction,
            "chilled_water_pump_power": pump_watts,
            "chilled_water_differential_pressure": moved.differential_fraction * s.head_pascals,
            "chilled_water_differential_pressure_setpoint": building.HELD_HEAD_FRACTION * s.head_pascals,
            "chiller_status": running,
            "chiller_power": power,
            "compressor_speed_command": speed * running,
            "suction_pressure": felt.suction_pascals,
            "discharge_pressure": felt.discharge_pascals,
            "suction_temperature": felt.suction_celsius,
            "discharge_temperature": felt.discharge_celsius,
            "liquid_line_temperature": felt.liquid_celsius,
            "condenser_water_supply_temperature": self.condenser_celsius,
            "condenser_water_return_temperature": self._condenser_return_celsius,
            "condenser_water_pump_status": running,
            "tower_fan_speed_command": fan,
            "tower_fan_power": tower_watts,
            "compressor_vibration_velocity": gauges.vibration_velocity(
                running, speed, s.healthy_vibration, bad["compressor_weak"]
            ),
            "building_zone_load_satisfied": satisfied,
        }
        electricity = power + pump_watts + tower_watts + s.condenser_pump_watts * running
        stress = {
            # A hot discharge breaks down oil; thin suction gas cools the motor badly.
            "compressor_weak": 1.0
            + 0.04 * np.maximum(made.discharge_celsius - 60.0, 0.0)
            + 0.1 * np.maximum(made.superheat_kelvin - 6.0, 0.0)
            + 20.0 * starts / dt_seconds,
            "tower_fan_weak": np.where(running, 0.4 + fan, 1.0),
            "pump_worn": 0.5 + moved.speed_fraction,
        }
        zones = Zones(
            self.room_celsius[None, :],
            np.full(self._units, _ROOM_HEATED_CELSIUS),
            np.full(self._units, ROOM_SETPOINT_CELSIUS),
            np.ones((1, self._units)),
        )
        watts = {"electricity": electricity, "chilled_water": taken}
        return Outcome(values, watts, (running | flows).astype(np.float64), starts, zones, stress)

    def _trim(self, dt: float, coils: Floats) -> None:
        """Setpoint up by itself, down again as soon as a valve is nearly open."""
        rate = np.where(coils > 0.88, -1 / 1500.0, np.where(coils < 0.8, 1 / 5400.0, 0.0))
        self._reset_fraction = np.clip(self._reset_fraction + dt * rate, 0.0, 1.0)

    def _drive(
        self, dt: float, around: Around, condition: Condition, error_kelvin: Floats, calls: Flags
    ) -> tuple[Floats, Floats]:
        """Compressor speed and starts."""
        s, bad = self.sizes, condition.severity
        lost = np.isnan(error_kelvin)
        error = np.nan_to_num(error_kelvin)
        gain = s.water_capacity / (_RATE_SECONDS * s.design_watts)
        integral = np.clip(self._integral + gain * error * dt / _RATE_SECONDS, 0.0, 1.0)
        self._integral = np.where(self._switch.on, integral, 0.35)
        swing = 0.3 * bad["control_hunting"]
        swing = swing * np.sin(2 * np.pi * around.at_ms / 1000 / s.hunting_seconds + self._phase)
        broken = (bad["compressor_weak"] >= 1) | (bad["refrigerant_undercharge"] >= 1)
        starts = self._switch.step(dt, calls & (error > 1.0), error < -1.8, ~calls | lost | broken, self._tripped)
        return np.clip(self._integral + gain * error + swing, _LEAST_SPEED_FRACTION, 1.0), starts

    def _cycle(self, speed: Floats, rate: Floats, condition: Condition) -> cycle.Cycle:
        s, bad, zero = self.sizes, condition.severity, np.zeros(self._units)
        evaporator = rate * -np.expm1(-s.evaporator_conductance / rate)
        clean = 1 - np.where(bad["condenser_fouled"] < 1, 0.6 * bad["condenser_fouled"], 0.85)
        condenser = s.condenser_rate * -np.expm1(-s.condenser_conductance * clean / s.condenser_rate)
        # Conductances hold for the water alone; the tubes' inner side is in them.
        cold = Side(self._return_celsius, zero, evaporator, 50 * evaporator)
        hot = Side(self.condenser_celsius, zero, condenser, 50 * condenser)
        charge = 1 - 0.45 * bad["refrigerant_undercharge"]
        running = Running(speed, charge, 0.5 * bad["compressor_weak"])
        self.last = cycle.solve(
            self.cycle,
            cold,
            hot,
            running,
            self._gauges.guess(cycle.Guess(cold.celsius - 8, hot.celsius + 7, cold.celsius)),
        )
        return self.last

    def _load(
        self,
        dt: float,
        around: Around,
        opening: Floats,
        coils: Floats,
        rate: Floats,
        cooling: Floats,
        free: Flags,
    ) -> Floats:
        """Water and rooms after a step; returns what the coils took up."""
        s = self.sizes
        through = np.maximum(np.minimum(coils * s.water_rate, rate), 1e-6)
        # Slow water passes its heat on worse.
        conductance = s.coil_conductance * (through / s.water_rate) ** 0.4
        passed = np.where(rate > 0, through * -np.expm1(-conductance / through), 0.0)
        # Air before a coil is warmer than the rooms by lights, fans and the outdoor air in it.
        air = self.room_celsius + 3.0
        gain = 2e-4 * s.water_rate
        balance = (passed * air + gain * ROOM_SETPOINT_CELSIUS - cooling) / (passed + gain)
        water = building.settle(dt, self.water_celsius, balance, passed + gain, s.water_capacity)
        self.water_celsius = np.maximum(water.last, 1.0)
        taken = passed * (air - water.mean)
        outdoor_cooling = np.minimum(
            opening * 0.9 * s.design_watts,
            0.06 * s.design_watts * np.maximum(self.room_celsius - around.outdoor_celsius, 0.0),
        )
        removed = np.where(free, outdoor_cooling, taken - self._ventilation_watts(around, taken))
        celsius = building.live(self.building, dt, self.room_celsius, -removed, around)
        self.room_celsius = np.maximum(celsius, _ROOM_HEATED_CELSIUS)
        return taken

    def _ventilation_watts(self, around: Around, taken: Floats) -> Floats:
        """Heat of outdoor air while the building is in use, and of its vapour as far as the coils wring it out."""
        flow = self.sizes.ventilation_flow * around.scheduled
        sensible = DRY_AIR_JOULES_PER_KILOGRAM_KELVIN * (around.outdoor_celsius - self.room_celsius)
        latent = EVAPORATION_JOULES_PER_KILOGRAM * (around.outdoor_humidity_ratio - _ROOM_HUMIDITY_RATIO)
        heat: Floats = flow * np.maximum(sensible, -20_000.0) + np.clip(flow * latent, 0.0, 0.4 * taken)
        return heat

    def _tower(
        self, dt: float, around: Around, condition: Condition, sensing: Sensing, running: Flags, heat: Floats
    ) -> tuple[Floats, Floats]:
        """Condenser water after a step; fan command and fan power."""
        s, weak = self.sizes, condition.severity["tower_fan_weak"]
        wet_bulb = around.outdoor_wet_bulb_celsius
        lowest = np.maximum(18.0, self.water_celsius + _LEAST_LIFT_KELVIN)
        setpoint = np.clip(wet_bulb + _TOWER_APPROACH_KELVIN, lowest, 29.5)
        error = self.condenser_celsius + np.nan_to_num(sensing.error("condenser_water_supply_temperature")) - setpoint
        self._fan_integral = np.where(running, np.clip(self._fan_integral + error * dt / 9000.0, 0.0, 1.0), 0.3)
        fan = np.where(running, np.clip(self._fan_integral + error / 6.0, 0.0, 1.0), 0.0)
        blown = fan * (1 - np.where(weak < 1, 0.7 * weak, 1.0))
        # Saturated air takes up less heat a kelvin when it is cold.
        damp = np.clip(0.45 + 0.022 * wet_bulb, 0.4, 1.1)
        transfer = s.tower_transfer_units * damp * (0.12 + 0.88 * blown) ** 0.6
        effectiveness = -np.expm1(-transfer)
        leaving = wet_bulb + heat / s.condenser_rate * (1 / effectiveness - 1)
        target = np.where(running, leaving, np.maximum(wet_bulb, 8.0))
        lag = np.where(running, share(dt, 600.0), share(dt, 14_400.0))
        self.condenser_celsius += lag * (target - self.condenser_celsius)
        returning = self.condenser_celsius + heat / s.condenser_rate
        self._condenser_return_celsius += share(dt, 60.0) * (returning - self._condenser_return_celsius)
        return fan, s.tower_watts * np.where(weak < 1, blown**3 * (1 + 0.4 * weak), 0.1 * fan)
