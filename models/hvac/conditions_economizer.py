"""The catalogue's conditions on economizers and on mechanical cooling in cool weather."""

from __future__ import annotations

import numpy as np

from models.hvac.conditions import MECHANICAL_PROOF, only, proven, when
from models.hvac.conditions_weather import web_dew_point
from models.hvac.facts import Facts
from models.hvac.points import Bools, Floats
from models.hvac.settings import RuleSettings

# Proof of mechanical cooling in an air handler: a chilled water valve alone is a demand, not a machine.
_DIRECT_EXPANSION = ("compressor_status", "dx_cooling_command")


def _damper(f: Facts) -> Floats:
    return f.of("outdoor_air_damper_command")


def stuck_closed(f: Facts, s: RuleSettings) -> Floats:
    mild = f.of("outdoor_air_temperature") > s.economizer.closed_outdoor_celsius + 5e-4
    return only(mild, np.float32(s.economizer.closed_damper_fraction) - _damper(f))


def open_when_warm(f: Facts, s: RuleSettings) -> Floats:
    warm = f.of("outdoor_air_temperature") > s.economizer.warm_outdoor_celsius + 5e-4
    return only(warm, _damper(f) - np.float32(s.economizer.warm_damper_fraction))


def _band(f: Facts, low_celsius: float, high_celsius: float, dew_point_celsius: float) -> tuple[Bools, Bools]:
    """Whether the weather suits, and whether that can be told."""
    air, dew = f.of("web_outdoor_air_temperature"), web_dew_point(f)
    suits: Bools = (air >= low_celsius - 5e-4) & (air < high_celsius - 5e-4) & (dew < dew_point_celsius - 5e-4)
    return suits, ~(np.isnan(air) | np.isnan(dew))


def not_integrated(f: Facts, s: RuleSettings) -> Floats:
    e = s.economizer
    suits, told = _band(f, e.integrated_low_celsius, e.integrated_high_celsius, e.integrated_dew_point_celsius)
    cooling = f.windows.cooling > s.air.cooling_on_fraction
    return when(told, only(suits & cooling, np.float32(e.integrated_damper_fraction) - _damper(f)))


def outdoor_fraction_low(f: Facts, s: RuleSettings) -> Floats:
    split = f.of("outdoor_air_temperature") - f.of("return_air_temperature")
    estimated = (f.of("mixed_air_temperature") - f.of("return_air_temperature")) / split
    enough = np.abs(split) > s.air.fraction_split_celsius
    return only(enough, np.float32(s.economizer.outdoor_air_fraction_min) - estimated)


def preheat_too_warm(f: Facts, s: RuleSettings) -> Floats:
    outdoor, setpoint = f.of("outdoor_air_temperature"), f.of("supply_air_temperature_setpoint")
    heating = f.windows.heating > s.air.heating_on_fraction
    target = np.maximum(outdoor, setpoint)
    over = f.of("preheat_leaving_air_temperature") - target - s.economizer.preheat_error_celsius
    return only(heating, over)


def open_when_freezing(f: Facts, s: RuleSettings) -> Floats:
    air = f.of("web_outdoor_air_temperature")
    freezing = air < s.economizer.freezing_outdoor_celsius - 5e-4
    return when(~np.isnan(air), only(freezing, _damper(f) - np.float32(s.economizer.freezing_damper_fraction)))


def not_economizing(f: Facts, s: RuleSettings) -> Floats:
    e = s.economizer
    suits, told = _band(f, e.free_low_celsius, e.free_high_celsius, e.free_dew_point_celsius)
    demand = (f.windows.cooling > s.air.cooling_on_fraction) | proven(f, _DIRECT_EXPANSION, s)
    return when(told, only(suits & demand, np.float32(e.free_damper_fraction) - _damper(f)))


def mechanical_when_cool(f: Facts, s: RuleSettings) -> Floats:
    air = f.of("web_outdoor_air_temperature")
    cooling = proven(f, MECHANICAL_PROOF, s)
    if "heating_mode" in f.kind.slot:  # a heat pump's compressor cools only while its valve is not reversed
        cooling &= ~(f.of("heating_mode") > 0.5)
    return only(cooling, s.economizer.mechanical_outdoor_celsius - air)
