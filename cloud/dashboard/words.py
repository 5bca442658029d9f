"""How numbers, times and names are written for people: SI units, plant time in UTC. Filters of the templates."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from models.contracts.points import POINTS
from models.hvac.families import FAMILY_TABLE
from models.hvac.rules import RULE_TABLE

NOTHING = "–"
_FAMILY_TITLES = {row.name: row.title for row in FAMILY_TABLE}
_CURRENCIES = {"EUR": "€", "USD": "$", "GBP": "£"}
_RULE_TITLES = {row.id: row.title for row in RULE_TABLE}

# unit -> factor to what is shown, its symbol, digits
_SHOWN: dict[str, tuple[float, str, int]] = {
    "celsius": (1, "°C", 1),
    "fraction": (100, "%", 0),
    "pascals": (1, "Pa", 0),
    "watts": (0.001, "kW", 2),
    "cubic_meters_per_second": (1, "m³/s", 2),
    "amperes": (1, "A", 1),
    "hertz": (1, "Hz", 1),
    "ppm": (1, "ppm", 0),
    "millimeters_per_second": (1, "mm/s", 2),
    "state": (1, "", 0),
    "none": (1, "", 2),
}


def shown_unit(unit: str) -> tuple[float, str, int]:
    """Factor, symbol and digits with which values of this unit are shown."""
    return _SHOWN.get(unit, (1, unit, 2))


def value(number: float | None, unit: str) -> str:
    """A measured value with its unit: `21.4 °C`, `35 %`, `on`."""
    if number is None or not math.isfinite(number):
        return NOTHING
    if unit == "state":
        return "on" if number > 0.5 else "off"
    factor, symbol, digits = shown_unit(unit)
    text = f"{number * factor:.{digits}f}"
    # A minus before nothing but zeros is noise.
    text = text.lstrip("-") if float(text) == 0 else text
    return f"{text}\u202f{symbol}" if symbol else text


def percent(probability: float | None) -> str:
    """A probability: `3 %`, `<1 %`, `>99 %`."""
    if probability is None or not math.isfinite(probability):
        return NOTHING
    hundred = probability * 100
    if 0 < hundred < 1:
        return "<1\u202f%"
    if 99 < hundred < 100:
        return ">99\u202f%"
    return f"{hundred:.0f}\u202f%"


def score(number: float | None) -> str:
    """An anomaly score; 1 is the alarm level."""
    if number is None or not math.isfinite(number):
        return NOTHING
    return f"{number:.2f}" if number < 10 else f"{number:.0f}"


def hours(number: float | None) -> str:
    """A time ahead: `5 h`, `3 days`, `10 weeks`."""
    if number is None or not math.isfinite(number):
        return NOTHING
    if number < 1:
        return "<1 h"
    if number < 48:
        return f"{number:.0f} h"
    if number < 24 * 21:
        return f"{number / 24:.0f} days"
    return f"{number / 168:.0f} weeks" if number < 24 * 365 else ">1 year"


def _at(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC)


def when(at_ms: int | None, now_ms: int) -> str:
    """An instant: the time of day, with the date unless it is today's."""
    if at_ms is None:
        return NOTHING
    at, now = _at(at_ms), _at(now_ms)
    if at.date() == now.date():
        return f"{at:%H:%M}"
    return f"{at.day} {at:%b %H:%M}" if at.year == now.year else f"{at.day} {at:%b %Y %H:%M}"


def instant(at_ms: int | None) -> str:
    """An instant in full: `2026-02-03 04:05:06 UTC`."""
    return NOTHING if at_ms is None else f"{_at(at_ms):%Y-%m-%d %H:%M:%S} UTC"


def iso(at_ms: int) -> str:
    """An instant for the `datetime` attribute."""
    return f"{_at(at_ms):%Y-%m-%dT%H:%M:%SZ}"


def age(seconds: float | None) -> str:
    """How long something lasts or ago it was: `12 s`, `5 min`, `3 h`, `2 days`."""
    if seconds is None:
        return NOTHING
    seconds = max(seconds, 0)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"


def count(number: int) -> str:
    """A whole number with thin spaces: `12 345`."""
    return f"{number:,}".replace(",", "\u202f")


def money(amount_minor: int | None, currency: str = "EUR") -> str:
    """An amount as people write it: `€3.20`, `€1 240`, `CHF 12`."""
    if amount_minor is None:
        return NOTHING
    amount = amount_minor / 100
    digits = f"{amount:.2f}" if abs(amount) < 10 else count(round(amount))
    symbol = _CURRENCIES.get(currency)
    return f"{symbol}{digits}" if symbol else f"{currency}\u202f{digits}"


def plural(number: int, one: str, many: str = "") -> str:
    """`1 alert`, `2 alerts`."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def point_label(point: str) -> str:
    """A point by the name that people know."""
    row = POINTS.get(point)
    return row.label if row is not None else point.replace("_", " ")


def family_title(family: str) -> str:
    """A fault family as a sentence."""
    return _FAMILY_TITLES.get(family, family.replace("_", " ").capitalize())


def rule_title(rule: str) -> str:
    """A rule by its title."""
    return _RULE_TITLES.get(rule, "Anomaly model" if rule == "model" else rule)


FILTERS = {
    "value": value,
    "percent": percent,
    "score": score,
    "hours": hours,
    "when": when,
    "instant": instant,
    "iso": iso,
    "age": age,
    "count": count,
    "money": money,
    "plural": plural,
    "point_label": point_label,
    "family_title": family_title,
    "rule_title": rule_title,
}
