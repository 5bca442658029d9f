"""Moist air where a weather service tells no dew point or wet bulb: both from dry bulb and relative humidity."""

from __future__ import annotations

import numpy as np

from models.hvac.facts import Facts
from models.hvac.points import Floats

# Magnus' formula over water, coefficients of Alduchov and Eskridge (1996).
_MAGNUS_FACTOR, _MAGNUS_CELSIUS = 17.625, 243.04


def dew_point_celsius(air_celsius: Floats, relative_humidity_fraction: Floats) -> Floats:
    """Temperature at which this air becomes saturated, by Magnus' formula: within 0.2 K of ASHRAE's above freezing.

    Args:
        air_celsius: Dry bulb, any shape.
        relative_humidity_fraction: Same shape, 0 to 1 (not percent).

    Returns:
        Same shape; NaN where an input is NaN or the air is bone-dry.
    """
    humidity = np.where(relative_humidity_fraction > 0, np.minimum(relative_humidity_fraction, 1), np.float32(np.nan))
    gamma = np.log(humidity) + _MAGNUS_FACTOR * air_celsius / (_MAGNUS_CELSIUS + air_celsius)
    dew: Floats = (_MAGNUS_CELSIUS * gamma / (_MAGNUS_FACTOR - gamma)).astype(np.float32)
    return dew


def wet_bulb_celsius(air_celsius: Floats, relative_humidity_fraction: Floats) -> Floats:
    """Wet bulb at sea level, by Stull's fit (2011): within 1 K for 5 to 99 % and -20 to 50 celsius.

    Args:
        air_celsius: Dry bulb, any shape.
        relative_humidity_fraction: Same shape, 0 to 1 (not percent).

    Returns:
        Same shape; NaN where an input is NaN.
    """
    percent = 100 * np.clip(relative_humidity_fraction, 0, 1)
    wet: Floats = (
        air_celsius * np.arctan(0.151977 * np.sqrt(percent + 8.313659))
        + np.arctan(air_celsius + percent)
        - np.arctan(percent - 1.676331)
        + 0.00391838 * np.power(percent, 1.5) * np.arctan(0.023101 * percent)
        - 4.686035
    ).astype(np.float32)
    return wet


def web_dew_point(f: Facts) -> Floats:
    """As the weather service tells it, else from its dry bulb and humidity, shape (m,)."""
    told = f.of("web_outdoor_air_dew_point_temperature")
    if not np.isnan(told).any():
        return told
    air, humidity = f.of("web_outdoor_air_temperature"), f.of("web_outdoor_air_relative_humidity")
    computed: Floats = np.where(np.isnan(told), dew_point_celsius(air, humidity), told)
    return computed


def web_wet_bulb(f: Facts) -> Floats:
    """As the weather service tells it, else from its dry bulb and humidity, shape (m,)."""
    told = f.of("web_outdoor_air_wet_bulb_temperature")
    if not np.isnan(told).any():
        return told
    air, humidity = f.of("web_outdoor_air_temperature"), f.of("web_outdoor_air_relative_humidity")
    computed: Floats = np.where(np.isnan(told), wet_bulb_celsius(air, humidity), told)
    return computed
