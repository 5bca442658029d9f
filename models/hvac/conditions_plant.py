"""The catalogue's conditions on chillers, towers, boilers and heat pumps, and on what never rests."""

from __future__ import annotations

import numpy as np

from models.hvac.conditions import only, when
from models.hvac.conditions_weather import web_wet_bulb
from models.hvac.facts import Facts
from models.hvac.points import Bools, Floats
from models.hvac.settings import RuleSettings


def _pump(f: Facts) -> Floats:
    return f.of("chilled_water_pump_speed_command")


def _pump_full(f: Facts, s: RuleSettings) -> Bools:
    full: Bools = _pump(f) >= s.plant.pump_full_fraction - 1e-6
    return full


def water_hardly_warms(f: Facts, s: RuleSettings) -> Floats:
    rise = f.of("chilled_water_return_temperature") - f.of("chilled_water_supply_temperature")
    lack: Floats = s.plant.water_rise_celsius - rise
    return lack


def pressure_low_at_full_pump(f: Facts, s: RuleSettings) -> Floats:
    lack = f.of("chilled_water_differential_pressure_setpoint") - f.of("chilled_water_differential_pressure")
    return only(_pump_full(f, s), lack - np.float32(s.plant.differential_pressure_margin_pascals))


def supply_outside_deadband(f: Facts, s: RuleSettings) -> Floats:
    apart = np.abs(f.of("chilled_water_supply_temperature") - f.of("chilled_water_supply_temperature_setpoint"))
    return only(_pump(f) > 0.01, apart - s.plant.supply_deadband_celsius)


def flow_high_at_full_pump(f: Facts, s: RuleSettings) -> Floats:
    over = f.of("chilled_water_flow") - np.float32(s.plant.flow_high_cubic_meters_per_second)
    return only(_pump_full(f, s), over)


def runs_without_load(f: Facts, _: RuleSettings) -> Floats:
    zones, handlers = f.of("building_zone_load_satisfied"), f.of("building_ahu_load_satisfied")
    satisfied = np.fmax(zones, handlers)
    over: Floats = satisfied - np.float32(0.5)
    return over


def hot_supply_trim(f: Facts, s: RuleSettings) -> Floats:
    few = f.of("hot_water_reset_request_count") < s.plant.requests_low
    return only(few, f.of("hot_water_supply_temperature") - s.plant.hot_supply_high_celsius)


def chilled_supply_trim(f: Facts, s: RuleSettings) -> Floats:
    few = f.of("chilled_water_reset_request_count") < s.plant.requests_low
    return only(few, s.plant.supply_low_celsius - f.of("chilled_water_supply_temperature"))


def _approach(f: Facts) -> Floats:
    approach: Floats = f.of("condenser_water_supply_temperature") - web_wet_bulb(f)
    return approach


def _tower_full(f: Facts, s: RuleSettings) -> Bools:
    full: Bools = f.of("tower_fan_speed_command") >= s.plant.tower_fan_full_fraction - 1e-6
    return full


def tower_overcools(f: Facts, s: RuleSettings) -> Floats:
    lack: Floats = s.plant.tower_approach_celsius - s.plant.tower_slack_celsius - _approach(f)
    return lack


def tower_approach_high(f: Facts, s: RuleSettings) -> Floats:
    fan = f.of("tower_fan_speed_command")
    return when(~np.isnan(fan), only(_tower_full(f, s), _approach(f) - s.plant.tower_approach_max_celsius))


def tower_fan_in_vain(f: Facts, s: RuleSettings) -> Floats:
    fan = f.of("tower_fan_speed_command")
    limit = s.plant.tower_approach_celsius + s.plant.tower_excess_celsius
    return when(~np.isnan(fan), only(_tower_full(f, s), _approach(f) - limit))


def discharge_cold_when_heating(f: Facts, s: RuleSettings) -> Floats:
    cold = f.of("zone_air_temperature") < s.plant.zone_cold_celsius - 5e-4
    return only(cold, s.plant.heating_supply_celsius - f.of("supply_air_temperature"))


def always_on(f: Facts, s: RuleSettings) -> Floats:
    enough = f.windows.seen_hours >= s.plant.always_on_hours_min - 1e-3
    return when(enough, f.windows.on_fraction - np.float32(s.plant.always_on_fraction))
