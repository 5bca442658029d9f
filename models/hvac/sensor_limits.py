"""What a sensor may read, jump by and change by: one row a point, and as arrays by the points of a kind of equipment.

Ranges and jumps of the temperatures of air and water, of humidity and of duct pressure are the catalogue's, converted; the
rates, and all limits of other points, are screening values of our own. A sensor without a row has its plausible range only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.points import POINTS, Point

Column = npt.NDArray[np.float32]
TEMPERATURE, HUMIDITY, PRESSURE, FLOW, OTHER = range(5)


class Limits(NamedTuple):
    """Of one sensor, in its own unit: plausible range, jump from one reading to the next, change in an hour."""

    low: float
    high: float
    jump: float
    rate: float


def _fahrenheit(low: float, high: float, jump: float, rate_celsius: float) -> Limits:
    return Limits((low - 32) / 1.8, (high - 32) / 1.8, jump / 1.8, rate_celsius)


_WATER = _fahrenheit(30, 90, 20, 60)
_HOT_WATER = _fahrenheit(40, 220, 60, 120)
_ZONE = _fahrenheit(40, 100, 12, 12)
_HUMIDITY = Limits(0, 1, 0.25, 1.0)
_COIL = _fahrenheit(-20, 150, 40, 120)

LIMITS: dict[str, Limits] = {
    "outdoor_air_temperature": _fahrenheit(-60, 130, 36, 20),
    "web_outdoor_air_temperature": _fahrenheit(-60, 130, 36, 20),
    "return_air_temperature": _fahrenheit(40, 100, 12, 24),
    "mixed_air_temperature": _fahrenheit(-20, 110, 25, 90),
    "supply_air_temperature": _fahrenheit(30, 150, 40, 120),
    "terminal_inlet_air_temperature": _fahrenheit(30, 150, 40, 120),
    "terminal_discharge_air_temperature": _fahrenheit(30, 150, 40, 120),
    "parent_supply_air_temperature": _fahrenheit(30, 150, 40, 120),
    "preheat_leaving_air_temperature": _COIL,
    "heating_coil_entering_air_temperature": _COIL,
    "heating_coil_leaving_air_temperature": _COIL,
    "cooling_coil_entering_air_temperature": _COIL,
    "cooling_coil_leaving_air_temperature": _COIL,
    "zone_air_temperature": _ZONE,
    "chilled_water_supply_temperature": _fahrenheit(30, 80, 20, 60),
    "chilled_water_return_temperature": _WATER,
    "hot_water_supply_temperature": _HOT_WATER,
    "hot_water_return_temperature": _HOT_WATER,
    "condenser_water_supply_temperature": _fahrenheit(25, 120, 20, 60),
    "condenser_water_return_temperature": _fahrenheit(25, 140, 20, 60),
    "outdoor_air_relative_humidity": _HUMIDITY,
    "return_air_relative_humidity": _HUMIDITY,
    "web_outdoor_air_relative_humidity": _HUMIDITY,
    "supply_air_static_pressure": Limits(-249.1, 1992.7, 498.2, np.nan),  # -1 to 8, 2 in. w.c.
}
# Lines and flues of machines change at once when these start: neither jumps nor rates are judged there.
_RESTS_WITH_EQUIPMENT = (
    "suction_temperature",
    "discharge_temperature",
    "liquid_line_temperature",
    "flue_gas_temperature",
)
_QUANTITIES = {"celsius": TEMPERATURE, "pascals": PRESSURE, "cubic_meters_per_second": FLOW}


class SensorColumns(NamedTuple):
    """Limits by column, shape (P,) each; NaN where the column is no sensor or has no such limit."""

    low: Column
    high: Column
    jump: Column
    rate: Column
    quantity: npt.NDArray[np.int8]
    sensor: npt.NDArray[np.bool_]
    # Temperatures and humidity: the only ones that a flat line or a dead feed is told from; others rest at zero.
    lively: npt.NDArray[np.bool_]


def is_sensor(point: Point) -> bool:
    """Whether a point measures something: no command, setpoint, state or count."""
    return point.brick.endswith("_Sensor")


@lru_cache(maxsize=32)
def sensor_columns(points: tuple[str, ...], width: int) -> SensorColumns:
    """Limits for arrays with these points in their first columns and so many columns in all."""
    low, high, jump, rate = (np.full(width, np.nan, dtype=np.float32) for _ in range(4))
    quantity = np.full(width, OTHER, dtype=np.int8)
    sensor, lively = np.zeros(width, dtype=bool), np.zeros(width, dtype=bool)
    for column, name in enumerate(points):
        point = POINTS[name]
        if not is_sensor(point):
            continue
        sensor[column] = True
        humidity = name.endswith("relative_humidity")
        quantity[column] = HUMIDITY if humidity else _QUANTITIES.get(point.unit, OTHER)
        lively[column] = humidity or (point.unit == "celsius" and name not in _RESTS_WITH_EQUIPMENT)
        limits = LIMITS.get(name, Limits(point.low, point.high, np.nan, np.nan))
        low[column], high[column], jump[column], rate[column] = limits
    return SensorColumns(low, high, jump, rate, quantity, sensor, lively)
