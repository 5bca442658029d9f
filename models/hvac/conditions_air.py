"""The catalogue's conditions on air handlers: Guideline 36's FC1 to FC15, and those on fan, damper, valve and reset.

Each gives its excess over the threshold, shape (m,); when it is judged is the gate's matter. MAT, SAT, RAT, OAT: mixed,
supply, return and outdoor air.
"""

from __future__ import annotations

import numpy as np

from models.hvac.conditions import either, only
from models.hvac.facts import Facts
from models.hvac.points import Bools, Floats
from models.hvac.settings import RuleSettings
from models.hvac.windows import FREE_COOLING, MIXED_COOLING


def _sat(f: Facts) -> Floats:
    return f.of("supply_air_temperature")


def _mat(f: Facts) -> Floats:
    return f.of("mixed_air_temperature")


def _oat(f: Facts) -> Floats:
    return f.of("outdoor_air_temperature")


def _rat(f: Facts) -> Floats:
    return f.of("return_air_temperature")


def _setpoint(f: Facts) -> Floats:
    return f.of("supply_air_temperature_setpoint")


def _damper(f: Facts) -> Floats:
    return f.of("outdoor_air_damper_command")


def _fan_speed(f: Facts) -> Floats:
    return f.of("supply_fan_speed_command")


def _cooling(f: Facts) -> Floats:
    return f.windows.cooling


def _heating(f: Facts) -> Floats:
    return f.windows.heating


def _duct(f: Facts) -> Floats:
    return f.of("supply_air_static_pressure")


def _duct_setpoint(f: Facts) -> Floats:
    return f.of("supply_air_static_pressure_setpoint")


def _free_cooling(f: Facts, s: RuleSettings) -> Bools:
    """Damper beyond its minimum and the coils out of use."""
    heating = _heating(f) > s.air.heating_on_fraction  # False where it is not told
    is_free: Bools = (_damper(f) > s.air.damper_minimum_fraction) & (_cooling(f) < s.air.cooling_inactive_fraction)
    return is_free & ~heating


def _mechanical_at_full_damper(f: Facts, s: RuleSettings) -> Bools:
    cooling: Bools = (_cooling(f) > s.air.cooling_on_fraction) & (_damper(f) > s.air.damper_full_fraction)
    return cooling


def _damper_at_an_end(f: Facts, s: RuleSettings) -> Bools:
    damper = _damper(f)
    at_end: Bools = (damper <= s.air.damper_minimum_fraction) | (damper > s.air.damper_full_fraction)
    return at_end


def fc1(f: Facts, s: RuleSettings) -> Floats:
    lack = _duct_setpoint(f) - _duct(f) - s.air.static_pressure_error_pascals
    return only(_fan_speed(f) >= s.air.fan_full_fraction - 1e-6, lack)


def fc2(f: Facts, s: RuleSettings) -> Floats:
    lowest = np.minimum(_rat(f) - s.air.return_air_error_celsius, _oat(f) - s.air.outdoor_air_error_celsius)
    below: Floats = lowest - _mat(f) - s.air.mixed_air_error_celsius
    return below


def fc3(f: Facts, s: RuleSettings) -> Floats:
    highest = np.maximum(_rat(f) + s.air.return_air_error_celsius, _oat(f) + s.air.outdoor_air_error_celsius)
    above: Floats = _mat(f) - s.air.mixed_air_error_celsius - highest
    return above


def fc4(f: Facts, s: RuleSettings) -> Floats:
    over: Floats = f.windows.mode_changes - np.float32(s.air.mode_changes_an_hour_max)
    return over


def fc5(f: Facts, s: RuleSettings) -> Floats:
    expected = _mat(f) - s.air.mixed_air_error_celsius + s.air.fan_heat_celsius
    return only(_heating(f) > s.air.heating_on_fraction, expected - _sat(f) - s.air.supply_air_error_celsius)


def fc6(f: Facts, s: RuleSettings) -> Floats:
    split = _oat(f) - _rat(f)
    estimated = np.maximum((_mat(f) - _rat(f)) / split, 0)
    designed = s.air.outdoor_air_design_cubic_meters_per_second / f.of("vav_total_air_flow")
    economizing = (f.windows.mode == FREE_COOLING) | (f.windows.mode == MIXED_COOLING)
    enough = np.abs(split) >= s.air.outdoor_return_split_celsius - 5e-4
    apart = np.abs(estimated - designed) - s.air.outdoor_air_fraction_error
    return only(enough & ~economizing & np.isfinite(apart), apart)


def fc7(f: Facts, s: RuleSettings) -> Floats:
    lack = _setpoint(f) - _sat(f) - s.air.setpoint_error_celsius
    return only(_heating(f) > s.air.heating_full_fraction + 1e-6, lack)


def fc8(f: Facts, s: RuleSettings) -> Floats:
    tolerance = float(np.hypot(s.air.supply_air_error_celsius, s.air.mixed_air_error_celsius))
    apart = np.abs(_sat(f) - s.air.fan_heat_celsius - _mat(f)) - tolerance
    return only(_free_cooling(f, s), apart)


def fc9(f: Facts, s: RuleSettings) -> Floats:
    useful = _setpoint(f) - s.air.fan_heat_celsius + s.air.supply_air_error_celsius
    return only(_free_cooling(f, s), _oat(f) - s.air.outdoor_air_error_celsius - useful)


def fc10(f: Facts, s: RuleSettings) -> Floats:
    tolerance = float(np.hypot(s.air.mixed_air_error_celsius, s.air.outdoor_air_error_celsius))
    return only(_mechanical_at_full_damper(f, s), np.abs(_mat(f) - _oat(f)) - tolerance)


def fc11(f: Facts, s: RuleSettings) -> Floats:
    cold = _setpoint(f) - s.air.fan_heat_celsius - s.air.supply_air_error_celsius
    return only(_mechanical_at_full_damper(f, s), cold - _oat(f) - s.air.outdoor_air_error_celsius)


def fc12(f: Facts, s: RuleSettings) -> Floats:
    rise = _sat(f) - s.air.supply_air_error_celsius - s.air.fan_heat_celsius
    cooling = (_cooling(f) > s.air.cooling_on_fraction) & _damper_at_an_end(f, s)
    return only(cooling, rise - _mat(f) - s.air.mixed_air_error_celsius)


def fc13(f: Facts, s: RuleSettings) -> Floats:
    cooling = (_cooling(f) > s.air.cooling_full_fraction) & _damper_at_an_end(f, s)
    return only(cooling, _sat(f) - _setpoint(f) - s.air.setpoint_error_celsius)


def _coil_tolerance(s: RuleSettings) -> float:
    return float(np.hypot(s.air.coil_error_celsius, s.air.coil_error_celsius)) + s.air.fan_heat_celsius


def fc14(f: Facts, s: RuleSettings) -> Floats:
    drop = f.of("cooling_coil_entering_air_temperature") - f.of("cooling_coil_leaving_air_temperature")
    damper_free = (_damper(f) > s.air.damper_minimum_fraction) & (_cooling(f) < s.air.cooling_inactive_fraction)
    inactive = damper_free | (_heating(f) > s.air.heating_on_fraction)
    return only(inactive, drop - _coil_tolerance(s))


def fc15(f: Facts, s: RuleSettings) -> Floats:
    # A valve that leaks warms the air.
    rise = f.of("heating_coil_leaving_air_temperature") - f.of("heating_coil_entering_air_temperature")
    damper_free = (_damper(f) > s.air.damper_minimum_fraction) & (_cooling(f) < s.air.cooling_inactive_fraction)
    cooling = (_cooling(f) > s.air.cooling_on_fraction) & _damper_at_an_end(f, s)
    idle = ~(_heating(f) > s.air.heating_on_fraction)
    return only((damper_free | cooling) & idle, rise - _coil_tolerance(s))


def setpoint_deviation(f: Facts, s: RuleSettings) -> Floats:
    apart: Floats = np.abs(_sat(f) - _setpoint(f)) - s.air.setpoint_deviation_celsius
    return apart


def duct_pressure_high(f: Facts, s: RuleSettings) -> Floats:
    duct = _duct(f)
    return only(
        f.settled | (duct > s.air.duct_pressure_on_pascals),
        duct - _duct_setpoint(f) - s.air.duct_pressure_margin_pascals,
    )


def heating_and_cooling(f: Facts, s: RuleSettings) -> Floats:
    both: Floats = np.minimum(_heating(f), _cooling(f)) - np.float32(s.air.valves_open_fraction)
    return both


def outdoor_sensor_differs(f: Facts, s: RuleSettings) -> Floats:
    apart: Floats = np.abs(_oat(f) - f.of("web_outdoor_air_temperature")) - s.air.web_temperature_error_celsius
    return apart


def duct_pressure_trim(f: Facts, s: RuleSettings) -> Floats:
    few = f.of("vav_pressure_request_count") < s.plant.requests_low
    return only(few, _duct(f) - s.air.duct_pressure_trim_pascals)


def unoccupied_running(f: Facts, s: RuleSettings) -> Floats:
    status = f.of("supply_fan_status")
    zone = f.of("zone_air_temperature")
    comfortable = (zone >= s.air.comfort_low_celsius - 5e-4) & (zone <= s.air.comfort_high_celsius + 5e-4)
    empty = f.of("occupancy") < 0.5
    return only(empty & (comfortable | np.isnan(zone)), status - np.float32(0.5))


def fan_disagrees(f: Facts, _: RuleSettings) -> Floats:
    status = f.of("supply_fan_status")
    return either(_fan_speed(f) >= 0.05, 1 - status, status) - np.float32(0.5)


def outdoor_fraction_low(f: Facts, s: RuleSettings) -> Floats:
    split = _oat(f) - _rat(f)
    estimated = (_mat(f) - _rat(f)) / split
    enough = np.abs(split) > s.air.fraction_split_celsius
    return only(enough, s.air.outdoor_air_fraction_min - estimated)


def damper_leaks(f: Facts, s: RuleSettings) -> Floats:
    closed = _damper(f) <= s.air.damper_minimum_fraction + 1e-6
    # Where return and outdoor air are alike, mixed air is like both, whatever the damper does.
    alike = np.abs(_rat(f) - _oat(f)) < s.air.outdoor_return_split_celsius  # False where return air is not told
    return only(closed & ~alike, s.air.damper_leak_celsius - np.abs(_mat(f) - _oat(f)))


def cooling_valve_leaks(f: Facts, s: RuleSettings) -> Floats:
    closed = _cooling(f) <= s.air.valve_closed_fraction + 1e-6
    below_setpoint = _setpoint(f) - _sat(f) - s.air.valve_leak_setpoint_celsius
    below_mixed = _mat(f) - _sat(f) - s.air.valve_leak_mixed_celsius
    return only(closed, np.fmax(below_setpoint, below_mixed))


def reset_not_followed(f: Facts, s: RuleSettings) -> Floats:
    wanted = s.air.reset_setpoint_celsius + s.air.reset_slope * (_oat(f) - s.air.reset_outdoor_celsius)
    apart = np.abs(_setpoint(f) - wanted) - s.air.reset_error_celsius
    return apart.astype(np.float32)
