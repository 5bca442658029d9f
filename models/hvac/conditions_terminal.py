"""The catalogue's conditions on VAV boxes and zones."""

from __future__ import annotations

import numpy as np

from models.hvac.conditions import only
from models.hvac.facts import Facts
from models.hvac.points import Floats
from models.hvac.settings import RuleSettings


def zone_uncomfortable(f: Facts, s: RuleSettings) -> Floats:
    zone = f.of("zone_air_temperature")
    outside: Floats = np.maximum(s.terminal.zone_low_celsius - zone, zone - s.terminal.zone_high_celsius)
    return outside


def setback_missed(f: Facts, s: RuleSettings) -> Floats:
    empty = f.of("occupancy") < 0.5
    return only(empty, f.of("zone_air_temperature") - s.terminal.setback_celsius)


def reheat_when_warm(f: Facts, s: RuleSettings) -> Floats:
    warm = f.of("outdoor_air_temperature") > s.terminal.warm_outdoor_celsius + 5e-4
    return only(warm, f.of("reheat_valve_command") - np.float32(s.terminal.warm_reheat_fraction))


def damper_stays_open(f: Facts, s: RuleSettings) -> Floats:
    over: Floats = f.windows.damper_open_hours - np.float32(s.terminal.damper_open_hours)
    return over


def flow_through_closed_damper(f: Facts, s: RuleSettings) -> Floats:
    closed = f.of("zone_damper_command") < s.terminal.closed_damper_fraction - 1e-5
    return only(closed, f.of("zone_air_flow") - np.float32(s.terminal.closed_flow_cubic_meters_per_second))


def reheat_when_cooling_is_free(f: Facts, s: RuleSettings) -> Floats:
    cool = f.of("outdoor_air_temperature") < s.terminal.cool_outdoor_celsius - 5e-4
    unavailable = f.of("cooling_available") < 0.5  # False where it is not told
    return only(cool & ~unavailable, f.of("reheat_valve_command") - np.float32(s.terminal.cool_reheat_fraction))


def reheat_without_rise(f: Facts, s: RuleSettings) -> Floats:
    rise = f.of("terminal_discharge_air_temperature") - f.of("terminal_inlet_air_temperature")
    reheating = f.of("reheat_valve_command") > s.terminal.reheat_open_fraction + 1e-5
    return only(reheating, s.terminal.reheat_rise_celsius - rise)


def discharge_apart_from_parent(f: Facts, s: RuleSettings) -> Floats:
    apart = np.abs(f.of("terminal_discharge_air_temperature") - f.of("parent_supply_air_temperature"))
    over: Floats = apart - s.terminal.parent_difference_celsius
    return over


def flow_at_odds_with_minimum(f: Facts, s: RuleSettings) -> Floats:
    t = s.terminal
    flow, least = f.of("zone_air_flow"), f.of("zone_air_flow_minimum_setpoint")
    under = np.where(np.isnan(least), np.float32(-1), least - flow)
    flows = flow > t.flow_on_cubic_meters_per_second
    flat = (
        (f.windows.flow_spread < t.fixed_flow_spread_cubic_meters_per_second) & (f.windows.flow_coverage >= 0.5) & flows
    )
    fixed = only(flat, f.windows.flow_mean - np.float32(t.fixed_flow_mean_cubic_meters_per_second))
    high = only(flat & ~np.isnan(least), least - np.float32(t.minimum_flow_high_cubic_meters_per_second))
    worst: Floats = np.maximum(under, np.maximum(fixed, high))
    return worst
