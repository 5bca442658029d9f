"""Moist air at sea level: the few relations that an air handler needs, on arrays.

psychrolib takes no arrays; the tests compare every function here against it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

PRESSURE_PASCALS = 101_325.0
DENSITY_KILOGRAMS_PER_CUBIC_METER = 1.2
DRY_AIR_JOULES_PER_KILOGRAM_KELVIN = 1006.0
VAPOUR_JOULES_PER_KILOGRAM_KELVIN = 1860.0
EVAPORATION_JOULES_PER_KILOGRAM = 2_501_000.0
WATER_JOULES_PER_KILOGRAM_KELVIN = 4186.0
_MOLAR_MASSES = 0.621945  # water over dry air


def saturation_pressure_pascals(celsius: Floats) -> Floats:
    """Vapour pressure over water (Magnus): within 0.5 % of psychrolib from 0 to 50 celsius, over ice within 15 %."""
    pressure: Floats = 610.94 * np.exp(17.625 * celsius / (celsius + 243.04))
    return pressure


def saturation_humidity_ratio(celsius: Floats) -> Floats:
    """Kilograms of vapour a kilogram of dry air that air of this temperature holds at most."""
    pressure = saturation_pressure_pascals(celsius)
    return _MOLAR_MASSES * pressure / (PRESSURE_PASCALS - pressure)


def relative_humidity_fraction(celsius: Floats, humidity_ratio: Floats) -> Floats:
    """Vapour pressure over that of saturation, 0 to 1."""
    vapour = PRESSURE_PASCALS * humidity_ratio / (_MOLAR_MASSES + humidity_ratio)
    share: Floats = np.minimum(vapour / saturation_pressure_pascals(celsius), 1.0)
    return share


def heat_capacity_joules_per_kilogram_kelvin(humidity_ratio: Floats) -> Floats:
    """Of moist air, for one kilogram of its dry part."""
    return DRY_AIR_JOULES_PER_KILOGRAM_KELVIN + VAPOUR_JOULES_PER_KILOGRAM_KELVIN * humidity_ratio


def enthalpy_joules_per_kilogram(celsius: Floats, humidity_ratio: Floats) -> Floats:
    """Of moist air, for one kilogram of its dry part, above dry air and liquid water at 0 celsius."""
    return (
        heat_capacity_joules_per_kilogram_kelvin(humidity_ratio) * celsius
        + EVAPORATION_JOULES_PER_KILOGRAM * humidity_ratio
    )


def temperature_celsius(enthalpy_joules_per_kilogram: Floats, humidity_ratio: Floats) -> Floats:
    """The temperature at which moist air of this humidity has this enthalpy."""
    sensible = enthalpy_joules_per_kilogram - EVAPORATION_JOULES_PER_KILOGRAM * humidity_ratio
    return sensible / heat_capacity_joules_per_kilogram_kelvin(humidity_ratio)
