"""Weather of one or several sites: season, day, passing fronts, sun and humidity. Plant time is taken as local time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Floats, saturation_humidity_ratio

_DAY_MS = 86_400_000
# 1970-01-01 was a Thursday: this many days after it the first Monday begins.
_FIRST_MONDAY = 4
_WARMEST_DAY = 205.0  # of the year, northern half
_WARMEST_HOUR = 15.0
_FRONT_SECONDS = 60 * 3600.0
_CLOUD_SECONDS = 2 * 3600.0
_GUST_SECONDS = 1800.0


class Climate(NamedTuple):
    """Yearly mean, swings to either side of it, spread of the fronts, and how far the dew point lies below."""

    mean_celsius: float
    season_kelvin: float
    day_kelvin: float
    front_kelvin: float
    dew_point_depression_kelvin: float
    latitude_degrees: float


CLIMATES: dict[str, Climate] = {
    "temperate": Climate(12.0, 10.0, 4.5, 2.5, 6.0, 46.0),
    "cold": Climate(5.0, 14.0, 4.0, 4.0, 5.0, 56.0),
    "hot_dry": Climate(22.0, 9.0, 7.0, 2.0, 16.0, 33.0),
    "hot_humid": Climate(26.0, 4.0, 3.5, 1.2, 3.5, 21.0),
}


class Calendar(NamedTuple):
    """What the clock says: `hour` 0 to 24, `weekday` 0 for Monday, `year_day` 0 to 365.25."""

    hour: float
    weekday: int
    year_day: float


def calendar(at_ms: int) -> Calendar:
    """Plant time as hour, weekday and day of the year."""
    days = at_ms / _DAY_MS
    return Calendar((days % 1) * 24, (at_ms // _DAY_MS - _FIRST_MONDAY) % 7, days % 365.25)


class Weather:
    """State of the sky over S sites; every public array has shape (S,)."""

    def __init__(self, climates: list[Climate], rng: np.random.Generator) -> None:
        self._rng = rng
        self._climate = np.array(climates, dtype=np.float64)
        self._noise = rng.standard_normal((4, len(climates)))  # front, dryness, cloud, gust: each of unit variance
        self._memory_seconds = np.array([[_FRONT_SECONDS], [_FRONT_SECONDS], [_CLOUD_SECONDS], [_GUST_SECONDS]])
        self.outdoor_celsius = np.zeros(len(climates))
        self.outdoor_humidity_ratio = np.zeros(len(climates))
        self.sun_fraction = np.zeros(len(climates))

    def step(self, dt_seconds: float, at_ms: int) -> None:
        """Move to `at_ms`, `dt_seconds` after the last step."""
        keep = np.exp(-dt_seconds / self._memory_seconds)
        draws = self._rng.standard_normal(self._noise.shape)
        self._noise = keep * self._noise + np.sqrt(1 - keep**2) * draws
        self._look(calendar(at_ms))

    def _look(self, now: Calendar) -> None:
        self.outdoor_celsius, self.outdoor_humidity_ratio, self.sun_fraction = sky(self._climate, self._noise, now)


class Sky(NamedTuple):
    """Air and sun over S sites, shape (S,)."""

    outdoor_celsius: Floats
    outdoor_humidity_ratio: Floats
    sun_fraction: Floats


def sky(climates: Floats, noise: Floats, now: Calendar) -> Sky:
    """What the clock, the climate and chance make of the weather.

    Args:
        climates: Rows of `Climate`, shape (S, 6).
        noise: Front, dryness, cloud and gust, each of mean 0 and variance 1, shape (4, S).
        now: What the clock says.
    """
    mean, season, day, front, depression, latitude = climates.T
    front_noise, dryness, cloud, gust = noise
    clear: Floats = 1 / (1 + np.exp(-1.2 * cloud - 0.4))
    yearly = np.cos(2 * np.pi * (now.year_day - _WARMEST_DAY) / 365.25)
    daily = np.cos(2 * np.pi * (now.hour - _WARMEST_HOUR) / 24)
    slow = mean + season * yearly + front * front_noise
    celsius = slow + day * (0.6 + 0.5 * clear) * daily + 0.3 * gust
    dew_point = np.minimum(slow - depression + 1.5 * dryness, celsius - 0.3)
    declination = np.radians(23.45) * np.cos(2 * np.pi * (now.year_day - 172) / 365.25)
    at = np.radians(latitude)
    height = np.sin(at) * np.sin(declination) + np.cos(at) * np.cos(declination) * np.cos(np.pi * (now.hour - 12) / 12)
    return Sky(celsius, saturation_humidity_ratio(dew_point), np.maximum(height, 0.0) * (0.15 + 0.85 * clear))
