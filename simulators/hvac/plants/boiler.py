"""Hot water boilers: burner, heat exchanger, pump, and the building that they heat.

    fuel ─▶ burner ─▶ gas ─▶ exchanger ─▶ flue          supply ─▶ radiators ─▶ return
                                └────────▶ water ──────────┘         ▼
                                                                   rooms

Controls: outdoor reset of the supply temperature, night setback with early start, a modulating burner that cycles below its
least fire, a pump on differential pressure, cut-outs for no flow, high temperature and a lost supply sensor.

Faults: a fouled exchanger lets more heat out with the flue gas, until its limiter locks the fire out; a weak
burner gives less fire, with more excess air, and at last none; a worn pump moves less water at higher speed; a drifting
supply sensor shifts the water by as much.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants import building
from simulators.hvac.plants.building import Building, EarlyStart, Switch, share
from simulators.hvac.plants.faults import Condition
from simulators.hvac.plants.machine import Outcome, Zones
from simulators.hvac.plants.sensing import Sensing
from simulators.hvac.plants.surroundings import Around, Surroundings

_ROOM_SETPOINT_CELSIUS = 21.0
_DESIGN_DROP_KELVIN = 15.0  # of the water, over the radiators
_LEAST_FIRE_FRACTION = 0.2
_LEAST_FLOW_FRACTION = 0.3
_BOILER_ROOM_CELSIUS = 22.0
# Of fuel counted by its higher heating value, what is not bound in the vapour of the flue gas.
_SENSIBLE_FRACTION = 0.90
_DEW_POINT_CELSIUS = 57.0
_HIGH_LIMIT_CELSIUS = 95.0
_RATE_SECONDS = 900.0  # in which the controller takes back an error of the supply temperature


class Sizes(NamedTuple):
    """Of each boiler and its building, shape (U,)."""

    design_watts: Floats
    fuel_watts: Floats  # at full fire
    condenses: Floats  # 1 where flue gas may condense
    transfer_units: Floats  # of the exchanger at full fire
    water_capacity: Floats  # J/K of water and iron
    water_rate: Floats  # W/K at design flow
    radiator_conductance: Floats
    jacket_conductance: Floats
    pump_watts: Floats
    supply_high_celsius: Floats
    supply_low_celsius: Floats
    winter_celsius: Floats
    setback_celsius: Floats
    hunting_seconds: Floats


def _draw(surroundings: Surroundings, rng: np.random.Generator) -> tuple[Sizes, Building]:
    units = surroundings.site.size

    def between(low: float, high: float) -> Floats:
        return rng.uniform(low, high, units)

    # Where winters are warm, boilers are still not built for nothing.
    winter = np.minimum(surroundings.winter_celsius, 12.0)
    design = np.exp(between(np.log(80e3), np.log(700e3)))
    conductance = design / (_ROOM_SETPOINT_CELSIUS - winter)
    condenses = (between(0, 1) < 0.6).astype(np.float64)
    high = np.where(condenses > 0, between(65, 72), between(76, 82)).round()
    water_rate = design / _DESIGN_DROP_KELVIN
    effectiveness = _DESIGN_DROP_KELVIN / (high - _ROOM_SETPOINT_CELSIUS)
    fuel = design * between(1.25, 1.5) / np.where(condenses > 0, 0.90, 0.82)
    sizes = Sizes(
        design_watts=design,
        fuel_watts=fuel,
        condenses=condenses,
        transfer_units=np.where(condenses > 0, between(3.9, 4.3), between(2.7, 3.0)),
        water_capacity=design * between(45, 70),
        water_rate=water_rate,
        radiator_conductance=-np.log1p(-effectiveness) * water_rate * between(1.2, 1.45),
        jacket_conductance=design * between(0.006, 0.012) / 50,
        pump_watts=design * between(0.006, 0.010),
        supply_high_celsius=high,
        supply_low_celsius=np.where(condenses > 0, between(38, 45), between(58, 62)).round(),
        winter_celsius=winter,
        setback_celsius=between(16.5, 18.5).round(),
        hunting_seconds=between(800, 1500),
    )
    house = Building(
        envelope_conductance=conductance * 0.72,
        ventilation_conductance=conductance * 0.28,
        capacity=conductance * between(20, 36) * 3600,
        base_gain_watts=design * between(0.02, 0.05),
        people_gain_watts=design * between(0.10, 0.22),
        solar_gain_watts=design * between(0.06, 0.16),
    )
    return sizes, house


class Boilers:
    """U boilers; a `plant.Machine`."""

    def __init__(self, surroundings: Surroundings, rng: np.random.Generator) -> None:
        self.sizes, self.building = _draw(surroundings, rng)
        self._units = units = surroundings.site.size
        self.room_celsius = np.full(units, 20.5)
        self.water_celsius = np.full(units, 45.0)
        self._return_celsius = np.full(units, 40.0)
        self._flue_celsius = np.full(units, 40.0)
        self._season = np.zeros(units, dtype=bool)
        self._integral = np.zeros(units)
        self._early = EarlyStart(units, 16.0)
        self._burner = Switch(units, 180.0, 300.0)
        self._phase = rng.uniform(0, 2 * np.pi, units)

    def step(self, dt_seconds: float, around: Around, condition: Condition, sensing: Sensing) -> Outcome:
        """Move by `dt_seconds`."""
        s, bad = self.sizes, condition.severity
        outdoor = around.outdoor_celsius + np.nan_to_num(sensing.error("outdoor_air_temperature"))
        seen = self.water_celsius + sensing.error("hot_water_supply_temperature")

        # Rooms: radiator valves open over one kelvin; before people come, all is opened early.
        self._season = np.where(self._season, outdoor < 18.5, outdoor < 16.5)
        awake = self._early.step(around, (_ROOM_SETPOINT_CELSIUS - self.room_celsius) * 2.5)
        room_setpoint = np.where(awake, _ROOM_SETPOINT_CELSIUS, s.setback_celsius)
        opening = np.clip(0.5 + (room_setpoint - self.room_celsius) / 1.2, 0.0, 1.0) * self._season
        calls = opening > 0.03

        # What radiators do not take goes through a bypass, so that the boiler always has its least flow.
        wanted = np.where(calls, np.maximum(opening, _LEAST_FLOW_FRACTION), 0.0)
        moved = building.pump(wanted, bad["pump_worn"])
        flows = moved.flow_fraction > 0.03
        rate = np.maximum(moved.flow_fraction * s.water_rate, 1e-6)
        radiators = np.maximum(rate * opening / np.maximum(wanted, opening + 1e-9), 1e-6)
        passed = radiators * -np.expm1(-s.radiator_conductance / radiators)

        cold = np.clip((16.0 - outdoor) / (16.0 - s.winter_celsius), 0.0, 1.0)
        boost = 5.0 * (awake & ~around.scheduled)
        setpoint = np.minimum(
            s.supply_low_celsius + (s.supply_high_celsius - s.supply_low_celsius) * cold + boost, 85.0
        )
        fire, starts = self._fire(dt_seconds, around, condition, setpoint - seen, calls & flows)

        # Water between the fire and the radiators.
        lit = self._burner.on & (bad["burner_weak"] < 1) & (bad["heat_exchanger_fouled"] < 1)
        fuel = np.where(lit, fire * s.fuel_watts * (1 - 0.6 * bad["burner_weak"]), 0.0)
        flue, efficiency = self._burn(fuel / s.fuel_watts, condition)
        conductance = passed * flows + s.jacket_conductance
        balance = (
            fuel * efficiency + passed * flows * self.room_celsius + s.jacket_conductance * _BOILER_ROOM_CELSIUS
        ) / conductance
        water = building.settle(dt_seconds, self.water_celsius, balance, conductance, s.water_capacity)
        heat = passed * flows * (water.mean - self.room_celsius)
        self.room_celsius = building.live(self.building, dt_seconds, self.room_celsius, heat, around)
        self.water_celsius = water.last
        leaving = np.where(flows, self.water_celsius - heat / rate, _BOILER_ROOM_CELSIUS)
        lag = np.where(flows, share(dt_seconds, 60.0), share(dt_seconds, 5400.0))
        self._return_celsius += lag * (leaving - self._return_celsius)
        rest = _BOILER_ROOM_CELSIUS + 0.4 * (self.water_celsius - _BOILER_ROOM_CELSIUS)
        self._flue_celsius += share(dt_seconds, 150.0) * (np.where(lit, flue, rest) - self._flue_celsius)
        pump_watts = s.pump_watts * moved.power_fraction
        values = {
            "outdoor_air_temperature": around.outdoor_celsius,
            "hot_water_supply_temperature": self.water_celsius,
            "hot_water_supply_temperature_setpoint": setpoint,
            "hot_water_return_temperature": self._return_celsius,
            "hot_water_flow": moved.flow_fraction * s.water_rate / building.WATER_JOULES_PER_CUBIC_METER_KELVIN,
            "hot_water_pump_status": flows,
            "hot_water_pump_speed_command": moved.speed_fraction,
            "hot_water_pump_power": pump_watts,
            "boiler_status": lit,
            "boiler_firing_rate_command": fire,
            "boiler_fuel_power": fuel,
            "flue_gas_temperature": self._flue_celsius,
        }
        fan_watts = 0.004 * fuel
        watts = {"electricity": pump_watts + fan_watts, "fuel": fuel, "hot_water": heat}
        zones = Zones(
            self.room_celsius[None, :],
            np.full(self._units, _ROOM_SETPOINT_CELSIUS),
            # Nothing here cools: a warm summer is not the boiler's doing.
            np.full(self._units, 60.0),
            np.ones((1, self._units)),
        )
        # Every start soots and shakes; burning at full blast wears too.
        stress = {
            "burner_weak": np.where(lit, 0.7 + 0.6 * fire + 40.0 * starts / dt_seconds, 1.0),
            "heat_exchanger_fouled": np.where(lit, 0.6 + 0.8 * fire + 1.5 * bad["burner_weak"], 1.0),
        }
        return Outcome(values, watts, (flows | lit).astype(np.float64), starts, zones, stress)

    def _fire(
        self, dt: float, around: Around, condition: Condition, error_kelvin: Floats, calls: Flags
    ) -> tuple[Floats, Floats]:
        """Firing command and starts. A lost supply sensor, hot water or still water puts the fire out."""
        s = self.sizes
        lost = np.isnan(error_kelvin)
        error = np.nan_to_num(error_kelvin)
        gain = s.water_capacity / (_RATE_SECONDS * s.fuel_watts * 0.85)
        integral = self._integral + gain * error * dt / (2 * _RATE_SECONDS)
        self._integral = np.where(self._burner.on, np.clip(integral, 0.0, 1.0), 0.3 * calls)
        swing = 0.35 * condition.severity["control_hunting"]
        swing = swing * np.sin(2 * np.pi * around.at_ms / 1000 / s.hunting_seconds + self._phase)
        wanted = np.clip(self._integral + gain * error + swing, _LEAST_FIRE_FRACTION, 1.0)
        too_hot = self.water_celsius > _HIGH_LIMIT_CELSIUS
        starts = self._burner.step(dt, calls & (error > 3.0), error < -4.0, ~calls | lost | too_hot)
        return np.where(self._burner.on, wanted, 0.0), starts

    def _burn(self, load_fraction: Floats, condition: Condition) -> tuple[Floats, Floats]:
        """Flue gas temperature behind the exchanger, and the share of the fuel's heat that the water gets."""
        s, bad = self.sizes, condition.severity
        flame = 1780.0 - 420.0 * bad["burner_weak"]  # excess air cools it
        fouled = 1 - 0.3 * bad["heat_exchanger_fouled"]
        transfer_units = s.transfer_units * fouled * np.maximum(load_fraction, 0.1) ** -0.25
        water = np.where(s.condenses > 0, self._return_celsius, self.water_celsius)
        flue = water + (flame - water) * np.exp(-transfer_units)
        condensed = s.condenses * np.clip((_DEW_POINT_CELSIUS - flue) / 35.0, 0.0, 0.8)
        sensible = (flame - flue) / (flame - _BOILER_ROOM_CELSIUS)
        return flue, _SENSIBLE_FRACTION * sensible + (1 - _SENSIBLE_FRACTION) * condensed
