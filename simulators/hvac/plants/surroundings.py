"""What surrounds the plants: weather of each site, the calendar, and who is in the building when.

    knots a whole hour apart, drawn from the seed:   ●─────●─────●─────●
    read in between by straight lines:                  ▲ any instant

So the same seed gives the same weather at any step, and nothing that a controller or a mechanic does changes it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Flags, Floats, relative_humidity_fraction
from simulators.hvac.weather import CLIMATES, Calendar, Climate, calendar, sky

_HOUR_MS = 3_600_000
# Climates that no training data may hold: they are kept to try models on what they have never seen.
UNSEEN_CLIMATES: dict[str, Climate] = {
    "marine": Climate(10.5, 6.0, 3.0, 2.2, 3.0, 52.0),
    "continental": Climate(9.0, 16.0, 6.0, 4.5, 6.5, 42.0),
    "subtropical": Climate(19.5, 9.0, 4.5, 2.5, 4.5, 30.0),
    "highland": Climate(14.0, 7.0, 8.5, 2.5, 12.0, 20.0),
}
ALL_CLIMATES: dict[str, Climate] = CLIMATES | UNSEEN_CLIMATES


class SurroundingsError(ValueError):
    """A climate that is not in the table."""


class Use(NamedTuple):
    """How a building is used: spreads of the first and last hour, days a week (Monday first), share of the units."""

    from_hours: tuple[float, float]
    until_hours: tuple[float, float]
    days: tuple[int, ...]
    keeps_holidays: bool
    share: float


USES: dict[str, Use] = {
    "office": Use((6.0, 8.0), (17.0, 19.5), (1, 1, 1, 1, 1, 0, 0), True, 0.55),
    "school": Use((6.5, 7.5), (15.5, 17.5), (1, 1, 1, 1, 1, 0, 0), True, 0.15),
    "shop": Use((8.0, 9.5), (19.0, 21.5), (1, 1, 1, 1, 1, 1, 0), True, 0.15),
    "hotel": Use((0.0, 0.0), (24.0, 24.0), (1, 1, 1, 1, 1, 1, 1), False, 0.15),
}
# Days of the year, 0 for the first of January: public holidays spread as in most countries, and the last week.
_HOLIDAYS = frozenset({0, 5, 104, 120, 145, 184, 246, 283, 304, 329, *range(357, 366)})


class Around(NamedTuple):
    """The world at an instant, shape (U,) where nothing else is said."""

    at_ms: int
    now: Calendar
    outdoor_celsius: Floats
    outdoor_humidity_ratio: Floats
    outdoor_relative_humidity_fraction: Floats
    outdoor_wet_bulb_celsius: Floats
    sun_fraction: Floats
    occupied: Flags  # people may be there
    scheduled: Flags  # the controller believes so
    hours_to_start: Floats  # until the controller's next occupied time begins; 0 while it lasts
    presence_fraction: Floats  # people who are there, of the usual full number
    chance: Floats  # three slow noises of variance 1 for the plant's own use, shape (3, U)


class HourlyChance:
    """Slow noises of mean 0 and variance 1, each with a memory of its own, drawn an hour at a time."""

    def __init__(self, memory_hours: list[float], count: int, rng: np.random.Generator) -> None:
        self._keep = np.exp(-1 / np.array(memory_hours))[:, None]
        self._rng = rng
        self._next = rng.standard_normal((len(memory_hours), count))
        self._last = self._next
        self._hour: int | None = None

    def at(self, at_ms: int) -> Floats:
        """The noises of this instant, shape (rows, count); instants must not go back by more than an hour."""
        hour = at_ms // _HOUR_MS
        if self._hour is None:
            self._hour = hour - 1
        while self._hour < hour:
            draws = self._rng.standard_normal(self._next.shape)
            self._last, self._next = self._next, self._keep * self._next + np.sqrt(1 - self._keep**2) * draws
            self._hour += 1
        share = at_ms / _HOUR_MS - hour
        # Straight lines between knots lose variance in the middle; this gives it back.
        weight = np.sqrt((1 - share) ** 2 + share**2 + 2 * share * (1 - share) * self._keep)
        mixed: Floats = ((1 - share) * self._last + share * self._next) / weight
        return mixed


class Surroundings:
    """Weather, calendar and people of U units that stand on `sites` sites in turn.

    Args:
        units: Size of the fleet.
        climate: One of `ALL_CLIMATES`; `mixed` for those of training, `unseen` for those kept for trials, site by site.
        sites: How many.
        seed: Of everything that is drawn.
        use: One of `USES` for all units; None draws each unit's.

    Raises:
        SurroundingsError: no such climate.
    """

    def __init__(self, units: int, climate: str, sites: int, seed: int, use: str | None = None) -> None:
        names = {"mixed": list(CLIMATES), "unseen": list(UNSEEN_CLIMATES)}.get(climate, [climate])
        if names[0] not in ALL_CLIMATES:
            raise SurroundingsError(
                f"climate {climate!r} is not known; expected mixed, unseen or one of {', '.join(ALL_CLIMATES)}"
            )
        streams = np.random.default_rng([seed, 0x50]).spawn(4)
        spread = streams[0].normal(0, 1, (sites, 6)) * np.array([0.8, 0.5, 0.3, 0.1, 0.5, 1.0])
        rows = np.array([ALL_CLIMATES[names[site % len(names)]] for site in range(sites)], dtype=np.float64)
        self._climates = rows + np.clip(spread, -2, 2)
        self.site = np.arange(units) % sites
        self._sky_chance = HourlyChance([60.0, 60.0, 2.0, 0.7], sites, streams[1])
        self._unit_chance = HourlyChance([1.0, 0.5, 0.75, 1.5], units, streams[2])
        mean, season, day, front = self._climates.T[:4]
        # About what is passed 1 % of the hours of a year, which is what plants are sized for.
        self.winter_celsius: Floats = (mean - season - 0.7 * day - 1.6 * front)[self.site]
        self.summer_celsius: Floats = (mean + season + 0.9 * day + 1.2 * front)[self.site]
        chosen = list(USES) if use is None else [use]
        shares = np.array([USES[name].share for name in chosen])
        kind = streams[3].choice(len(chosen), units, p=shares / shares.sum())
        draws = streams[3].uniform(size=(2, units))
        table = [USES[name] for name in chosen]
        first, last = np.array([row.from_hours for row in table]), np.array([row.until_hours for row in table])
        # Schedules are set in quarters of an hour.
        self.from_hour = np.round((first[kind, 0] + draws[0] * (first[kind, 1] - first[kind, 0])) * 4) / 4
        self.until_hour = np.round((last[kind, 0] + draws[1] * (last[kind, 1] - last[kind, 0])) * 4) / 4
        self._days = np.array([row.days for row in table], dtype=bool)[kind].T
        self._keeps_holidays = np.array([row.keeps_holidays for row in table])[kind]
        self._always = (self.from_hour == 0) & (self.until_hour == 24)

    def at(self, at_ms: int, wrong: Floats | None = None, direction: Floats | None = None) -> Around:
        """The world at this instant.

        Args:
            at_ms: Plant time, taken as local time.
            wrong: How wrong the controllers' schedules are, 0 to 1, shape (U,).
            direction: Of a wrong schedule: +1 runs on into the night and, at 0.9 and more, never stops; -1 is early by
                up to 8 hours, as with a clock of another time zone.
        """
        now = calendar(at_ms)
        air = sky(self._climates, self._sky_chance.at(at_ms), now)
        humidity = relative_humidity_fraction(air.outdoor_celsius, air.outdoor_humidity_ratio)
        wet_bulb = wet_bulb_celsius(air.outdoor_celsius, humidity)
        today, tomorrow = self._open(at_ms), self._open(at_ms + 24 * _HOUR_MS)
        occupied = today & (now.hour >= self.from_hour) & (now.hour < self.until_hour)
        if wrong is None or direction is None or not wrong.any():
            early, late, never_stops = np.zeros(self.site.size), np.zeros(self.site.size), np.zeros_like(occupied)
        else:
            early, late = 8 * wrong * (direction < 0), 10 * wrong * (direction > 0)
            never_stops = (wrong >= 0.9) & (direction > 0)
        first, last = self.from_hour - early, self.until_hour - early + late
        scheduled = (today & (now.hour >= first) & (now.hour < last)) | never_stops
        scheduled |= tomorrow & (now.hour >= first + 24)
        until_today = np.where(today & (now.hour < first), first - now.hour, np.inf)
        until_tomorrow = np.where(tomorrow, first + 24 - now.hour, np.inf)
        hours_to_start = np.where(scheduled, 0.0, np.minimum(np.minimum(until_today, until_tomorrow), 72.0))
        chance = self._unit_chance.at(at_ms)
        site = self.site
        return Around(
            at_ms,
            now,
            air.outdoor_celsius[site],
            air.outdoor_humidity_ratio[site],
            humidity[site],
            wet_bulb[site],
            air.sun_fraction[site],
            occupied,
            scheduled,
            hours_to_start,
            self._presence(now, today) * np.clip(1 + 0.12 * chance[0], 0.5, 1.5),
            chance[1:],
        )

    def _open(self, at_ms: int) -> Flags:
        day = calendar(at_ms)
        holiday = int(day.year_day) in _HOLIDAYS
        opens: Flags = self._days[day.weekday] & ~(self._keeps_holidays & holiday)
        return opens

    def _presence(self, now: Calendar, today: Flags) -> Floats:
        """An hour to fill, an hour to empty, a dip at noon; where it never closes, fewer people by night."""
        arriving = np.clip(now.hour - self.from_hour, 0, 1)
        leaving = np.clip(self.until_hour - now.hour, 0, 1)
        noon = 1 - 0.2 * np.exp(-(((now.hour - 12.5) / 0.5) ** 2))
        round_the_clock = 0.65 + 0.35 * np.sin(np.pi * (now.hour - 8) / 12)
        share: Floats = np.where(self._always, round_the_clock, np.minimum(arriving, leaving) * noon) * today
        return share


def wet_bulb_celsius(celsius: Floats, relative_humidity_fraction: Floats) -> Floats:
    """Wet bulb by Stull's fit (2011), within 1 K of psychrolib from -5 to 42 celsius but for air both cold and dry."""
    percent = np.clip(100 * relative_humidity_fraction, 5, 99)
    wet: Floats = (
        celsius * np.arctan(0.151977 * np.sqrt(percent + 8.313659))
        + np.arctan(celsius + percent)
        - np.arctan(percent - 1.676331)
        + 0.00391838 * percent**1.5 * np.arctan(0.023101 * percent)
        - 4.686035
    )
    return np.minimum(wet, celsius)
