"""The comparisons behind our own rules: each gives its excess over the threshold for every unit at once, in its own unit.

Above 0 the condition holds; NaN means that it cannot be judged now: a point is missing, the fan is off or has just started,
or the mode is another. Thresholds are in RuleSettings; names of quantities follow ASHRAE Guideline 36.
"""

from __future__ import annotations

import numpy as np

from models.hvac.conditions import either, when
from models.hvac.facts import Facts
from models.hvac.points import Bools, Floats
from models.hvac.settings import RuleSettings

_ONE = np.array(1, dtype=np.float32)


def static_pressure_low(f: Facts, s: RuleSettings) -> Floats:
    lack = f.of("supply_air_static_pressure_setpoint") - f.of("supply_air_static_pressure")
    full = f.of("supply_fan_speed_command") >= s.fan_full_fraction
    return when(
        f.settled,
        either(full, lack, np.minimum(lack, 0)) - s.static_pressure_error_pascals,
    )


def mixed_air_below_envelope(f: Facts, s: RuleSettings) -> Floats:
    return_low = f.of("return_air_temperature") - s.return_air_error_celsius
    outdoor_low = f.of("outdoor_air_temperature") - s.outdoor_air_error_celsius
    mixed = f.of("mixed_air_temperature") + s.mixed_air_error_celsius
    return when(f.settled, np.minimum(return_low, outdoor_low) - mixed)


def mixed_air_above_envelope(f: Facts, s: RuleSettings) -> Floats:
    return_high = f.of("return_air_temperature") + s.return_air_error_celsius
    outdoor_high = f.of("outdoor_air_temperature") + s.outdoor_air_error_celsius
    mixed = f.of("mixed_air_temperature") - s.mixed_air_error_celsius
    return when(f.settled, mixed - np.maximum(return_high, outdoor_high))


def supply_cold_while_heating(f: Facts, s: RuleSettings) -> Floats:
    mixed = f.of("mixed_air_temperature") - s.mixed_air_error_celsius + s.fan_heat_celsius
    supply = f.of("supply_air_temperature") + s.supply_air_error_celsius
    heating = (f.of("heating_valve_command") > s.valve_open_fraction) & (f.heating_closed_seconds == 0)
    return when(f.settled & heating, mixed - supply)


def _heating_setpoint(f: Facts) -> Floats:
    own = f.of("supply_air_temperature_setpoint")
    return either(np.isnan(own), f.of("supply_air_heating_temperature_setpoint"), own)


def _cooling_setpoint(f: Facts) -> Floats:
    own = f.of("supply_air_temperature_setpoint")
    return either(np.isnan(own), f.of("supply_air_cooling_temperature_setpoint"), own)


def supply_low_at_full_heating(f: Facts, s: RuleSettings) -> Floats:
    lack = _heating_setpoint(f) - f.of("supply_air_temperature")
    valve = f.of("heating_valve_command")
    full = valve >= s.valve_full_fraction
    return when(
        f.settled & (valve > s.valve_open_fraction),
        either(full, lack, np.minimum(lack, 0)),
    ) - np.float32(s.setpoint_error_celsius)


def _coils_at_rest(f: Facts, s: RuleSettings) -> Bools:
    rested: Bools = (f.heating_closed_seconds > s.coil_rest_seconds) & (f.cooling_closed_seconds > s.coil_rest_seconds)
    return rested


def supply_air_rise(f: Facts, s: RuleSettings) -> Floats:
    """How far supply air is above mixed air and the fan's heat, shape (m,)."""
    rise: Floats = f.of("supply_air_temperature") - f.of("mixed_air_temperature") - np.float32(s.fan_heat_celsius)
    return rise


def supply_differs_in_economizer(f: Facts, s: RuleSettings) -> Floats:
    tolerance = np.hypot(s.supply_air_error_celsius, s.mixed_air_error_celsius)
    open_damper = f.of("outdoor_air_damper_command") > 0.05
    gate = f.settled & open_damper & _coils_at_rest(f, s)
    return when(gate, np.abs(supply_air_rise(f, s)) - np.float32(tolerance))


def mixed_differs_at_open_damper(f: Facts, s: RuleSettings) -> Floats:
    tolerance = np.hypot(s.mixed_air_error_celsius, s.outdoor_air_error_celsius)
    split = np.abs(f.of("return_air_temperature") - f.of("outdoor_air_temperature"))
    gate = (f.of("outdoor_air_damper_command") > s.damper_open_fraction) & (split > s.outdoor_return_split_celsius)
    # A closed damper still leaks a little and an open one does not seal off the return: a share of the split is allowed.
    apart = np.abs(f.of("mixed_air_temperature") - f.of("outdoor_air_temperature"))
    return when(f.settled & gate, apart - np.float32(tolerance) - np.float32(0.1) * split)


def supply_above_mixed_while_cooling(f: Facts, s: RuleSettings) -> Floats:
    cooling = f.of("cooling_valve_command") > s.valve_open_fraction
    tolerance = np.float32(s.supply_air_error_celsius + s.mixed_air_error_celsius)
    return when(f.settled & cooling, supply_air_rise(f, s) - tolerance)


def supply_high_at_full_cooling(f: Facts, s: RuleSettings) -> Floats:
    above = f.of("supply_air_temperature") - _cooling_setpoint(f)
    valve = f.of("cooling_valve_command")
    full = valve >= s.valve_full_fraction
    return when(
        f.settled & (valve > s.valve_open_fraction),
        either(full, above, np.minimum(above, 0)),
    ) - np.float32(s.setpoint_error_celsius)


def supply_warm_with_coils_closed(f: Facts, s: RuleSettings) -> Floats:
    return when(
        f.settled & _coils_at_rest(f, s),
        supply_air_rise(f, s) - np.float32(s.balance_error_celsius),
    )


def supply_cool_with_coils_closed(f: Facts, s: RuleSettings) -> Floats:
    return when(
        f.settled & _coils_at_rest(f, s),
        -supply_air_rise(f, s) - np.float32(s.balance_error_celsius),
    )


def hot_water_returns_hot(f: Facts, s: RuleSettings) -> Floats:
    rested = f.heating_closed_seconds > s.coil_rest_seconds
    drop = f.of("hot_water_supply_temperature") - f.of("hot_water_return_temperature")
    supply_is_hot = f.of("hot_water_supply_temperature") > f.of("mixed_air_temperature") + 2 * s.hot_water_rest_celsius
    return when(f.settled & rested & supply_is_hot, np.float32(s.hot_water_rest_celsius) - drop)


def outdoor_air_fraction(f: Facts, s: RuleSettings) -> Floats:
    """Share of outdoor air that the temperatures tell, shape (m,); NaN where outdoor and return air are too alike."""
    split = f.of("outdoor_air_temperature") - f.of("return_air_temperature")
    wide = np.abs(split) >= s.outdoor_return_split_celsius
    share = (f.of("mixed_air_temperature") - f.of("return_air_temperature")) / either(wide, split, _ONE)
    return when(wide, share)


def outdoor_air_fraction_differs(f: Facts, s: RuleSettings) -> Floats:
    differs = np.abs(outdoor_air_fraction(f, s) - f.of("outdoor_air_damper_command"))
    return when(f.settled, differs - np.float32(s.outdoor_air_fraction_error))


def heating_and_cooling(f: Facts, s: RuleSettings) -> Floats:
    both = np.minimum(f.of("heating_valve_command"), f.of("cooling_valve_command"))
    return when(f.settled, both - np.float32(s.valve_open_fraction))


def setpoint_deviation(f: Facts, s: RuleSettings) -> Floats:
    high = f.of("supply_air_temperature") - _cooling_setpoint(f)
    low = _heating_setpoint(f) - f.of("supply_air_temperature")
    return when(f.settled, np.fmax(high, low) - np.float32(s.setpoint_deviation_celsius))


def economizer_idle(f: Facts, s: RuleSettings) -> Floats:
    outdoor = f.of("outdoor_air_temperature")
    cooling = f.of("cooling_valve_command") > s.valve_open_fraction
    useful = outdoor < f.of("return_air_temperature") - s.outdoor_return_split_celsius
    closed = np.float32(s.economizer_damper_fraction) - f.of("outdoor_air_damper_command")
    return when(f.settled & cooling & useful, closed)


def economizer_when_warm(f: Facts, s: RuleSettings) -> Floats:
    warm = f.of("outdoor_air_temperature") > f.of("return_air_temperature") + s.outdoor_return_split_celsius
    return when(
        f.settled & warm,
        f.of("outdoor_air_damper_command") - np.float32(s.economizer_damper_fraction),
    )


def fan_disagrees(f: Facts, _: RuleSettings) -> Floats:
    commanded = f.of("supply_fan_speed_command") > 0.05
    status = f.of("supply_fan_status")
    disagree = either(commanded, 1 - status, status) - np.float32(0.5)
    return when(f.known("supply_fan_speed_command"), disagree)


def low_chilled_water_rise(f: Facts, s: RuleSettings) -> Floats:
    rise = f.of("chilled_water_return_temperature") - f.of("chilled_water_supply_temperature")
    cooling = f.of("cooling_valve_command") > 0.5
    return when(f.settled & cooling, np.float32(s.chilled_water_rise_celsius) - rise)


def filter_resistance_high(f: Facts, s: RuleSettings) -> Floats:
    return when(
        f.settled,
        f.reference("filter_resistance_rise") - np.float32(s.filter_resistance_rise),
    )


def fan_outruns_flow(f: Facts, s: RuleSettings) -> Floats:
    return when(f.settled, f.reference("fan_speed_excess") - np.float32(s.fan_speed_excess))
