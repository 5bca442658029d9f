"""Units of measurement: shop-floor spellings and their conversion to ours (SI and Celsius), at the rim only.

Every conversion is affine, `ours = value * factor + offset`; the factors are checked against pint in the tests.
"""

from __future__ import annotations

import difflib
from typing import NamedTuple


class UnitError(ValueError):
    """A unit string that we do not know, or that does not measure the quantity of the point."""


class Conversion(NamedTuple):
    """`ours = value * factor + offset`, in the unit named `ours`."""

    ours: str
    factor: float
    offset: float = 0.0


# Spelling in lower case -> conversion. Our own names convert to themselves.
_CONVERSIONS: dict[str, Conversion] = {
    "celsius": Conversion("celsius", 1.0),
    "degc": Conversion("celsius", 1.0),
    "°c": Conversion("celsius", 1.0),
    "c": Conversion("celsius", 1.0),
    "kelvin": Conversion("celsius", 1.0, -273.15),
    "fahrenheit": Conversion("celsius", 5 / 9, -160 / 9),
    "degf": Conversion("celsius", 5 / 9, -160 / 9),
    "°f": Conversion("celsius", 5 / 9, -160 / 9),
    "f": Conversion("celsius", 5 / 9, -160 / 9),
    "fraction": Conversion("fraction", 1.0),
    "percent": Conversion("fraction", 0.01),
    "%": Conversion("fraction", 0.01),
    "pascals": Conversion("pascals", 1.0),
    "pa": Conversion("pascals", 1.0),
    "kpa": Conversion("pascals", 1000.0),
    "bar": Conversion("pascals", 100_000.0),
    "psi": Conversion("pascals", 6894.757293168361),
    # Water at 4 °C, as ASHRAE and pint's inch_H2O_4C have it.
    "inh2o": Conversion("pascals", 249.08208),
    "in. w.c.": Conversion("pascals", 249.08208),
    "in.w.c.": Conversion("pascals", 249.08208),
    "inwc": Conversion("pascals", 249.08208),
    "cubic_meters_per_second": Conversion("cubic_meters_per_second", 1.0),
    "m3/s": Conversion("cubic_meters_per_second", 1.0),
    "m3/h": Conversion("cubic_meters_per_second", 1 / 3600),
    "l/s": Conversion("cubic_meters_per_second", 0.001),
    "cfm": Conversion("cubic_meters_per_second", 0.0004719474432),
    "gpm": Conversion("cubic_meters_per_second", 6.30901964e-05),
    "watts": Conversion("watts", 1.0),
    "w": Conversion("watts", 1.0),
    "kw": Conversion("watts", 1000.0),
    "hp": Conversion("watts", 745.6998715822702),
    "amperes": Conversion("amperes", 1.0),
    "a": Conversion("amperes", 1.0),
    "hertz": Conversion("hertz", 1.0),
    "hz": Conversion("hertz", 1.0),
    "rpm": Conversion("hertz", 1 / 60),
    "ppm": Conversion("ppm", 1.0),
    "millimeters_per_second": Conversion("millimeters_per_second", 1.0),
    "mm/s": Conversion("millimeters_per_second", 1.0),
    "in/s": Conversion("millimeters_per_second", 25.4),
    # 0 or 1: a status, a command, occupancy.
    "state": Conversion("state", 1.0),
    # A number whose unit nobody knows: points of equipment of type `generic`.
    "none": Conversion("none", 1.0),
}

OUR_UNITS = tuple(dict.fromkeys(conversion.ours for conversion in _CONVERSIONS.values()))


def conversion(unit: str) -> Conversion:
    """How a value in this unit becomes ours.

    Args:
        unit: A spelling such as `degF`, `%`, `in. w.c.`; case does not matter.

    Raises:
        UnitError: the spelling is not known.
    """
    found = _CONVERSIONS.get(unit.strip().lower())
    if found is None:
        near = difflib.get_close_matches(unit.lower(), _CONVERSIONS, n=1)
        hint = f"did you mean {near[0]!r}" if near else f"known: {', '.join(sorted(_CONVERSIONS))}"
        raise UnitError(f"unit {unit!r} is not known; {hint}")
    return found


def to_ours(value: float, unit: str) -> float:
    """One value, converted; for tables and messages, not for hot paths."""
    how = conversion(unit)
    return value * how.factor + how.offset
