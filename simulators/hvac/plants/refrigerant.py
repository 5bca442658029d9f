"""Refrigerants as tables: what saturated liquid and vapour hold, by temperature, interpolated on an even grid.

The tables were computed with CoolProp, which only developers need. To make them anew:

    python -m simulators.hvac.plants.refrigerant_build

Superheated vapour and subcooled liquid are reached from the saturation line with mean heat capacities, which is within
1 % of CoolProp for the work of a compressor (the tests say so) and costs a few multiplications.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from simulators.hvac.moist import Floats

TABLES_FILE = Path(__file__).with_name("refrigerant_tables.json")
ZERO_CELSIUS_KELVIN = 273.15
# Vapour a few kelvin above saturation enters a compressor, and much hotter vapour leaves it: the mean heat capacities
# and the expansion of the table hold from the saturation line to this far above it.
SUCTION_SUPERHEAT_KELVIN = 15.0
DISCHARGE_SUPERHEAT_KELVIN = 35.0
HOT_SUPERHEAT_KELVIN = 70.0


class RefrigerantError(ValueError):
    """A refrigerant that is not in the tables."""


class Saturation(NamedTuple):
    """Properties on the saturation line at one temperature each; the order is that of the table's rows."""

    log_pressure: Floats  # of pascals
    liquid_enthalpy: Floats  # J/kg
    vapour_enthalpy: Floats
    vapour_entropy: Floats  # J/(kg K)
    log_vapour_density: Floats  # of kg/m3
    liquid_heat_capacity: Floats  # J/(kg K)
    suction_heat_capacity: Floats  # mean of vapour to SUCTION_SUPERHEAT_KELVIN
    discharge_heat_capacity: Floats  # mean of vapour to DISCHARGE_SUPERHEAT_KELVIN
    hot_heat_capacity: Floats  # mean of vapour to HOT_SUPERHEAT_KELVIN
    expansion_exponent: Floats  # density falls with absolute temperature to this power when vapour is superheated


class Refrigerant(NamedTuple):
    """One table: row r, column n holds property r at `first_celsius + n * step_kelvin`."""

    name: str
    first_celsius: float
    step_kelvin: float
    table: Floats  # shape (10, N)

    @property
    def last_celsius(self) -> float:
        """Where the table ends, some kelvin below the critical point."""
        return self.first_celsius + self.step_kelvin * float(self.table.shape[1] - 1)


@cache
def load(name: str) -> Refrigerant:
    """The table of a refrigerant.

    Raises:
        RefrigerantError: there is none of this name.
    """
    tables = json.loads(TABLES_FILE.read_text(encoding="utf-8"))["tables"]
    if name not in tables:
        raise RefrigerantError(f"refrigerant {name!r} has no table; expected one of {', '.join(tables)}")
    found = tables[name]
    rows = np.array([found["properties"][field] for field in Saturation._fields], dtype=np.float64)
    rows.flags.writeable = False
    return Refrigerant(name, float(found["first_celsius"]), float(found["step_kelvin"]), rows)


def saturation(refrigerant: Refrigerant, celsius: Floats) -> Saturation:
    """Everything that the table holds at these temperatures, shape (U,); outside of the table its nearest end."""
    table = refrigerant.table
    at = (celsius - refrigerant.first_celsius) * (1 / refrigerant.step_kelvin)
    index = np.clip(at.astype(np.intp), 0, table.shape[1] - 2)
    share = np.clip(at - index, 0.0, 1.0)
    low = table.take(index, axis=1)
    return Saturation(*(low + share * (table.take(index + 1, axis=1) - low)))


def saturation_pascals(refrigerant: Refrigerant, celsius: Floats) -> Floats:
    """Absolute pressure at which the refrigerant boils at these temperatures, shape (U,)."""
    return np.exp(saturation(refrigerant, celsius).log_pressure)


def saturation_celsius(refrigerant: Refrigerant, pascals: Floats) -> Floats:
    """Temperature at which the refrigerant boils under these absolute pressures, shape (U,)."""
    logs = refrigerant.table[0]
    grid = refrigerant.first_celsius + refrigerant.step_kelvin * np.arange(logs.size)
    boiling: Floats = np.interp(np.log(pascals), logs, grid)
    return boiling


def suction_density(at: Saturation, celsius: Floats, superheat_kelvin: Floats) -> Floats:
    """Of vapour that was superheated at the pressure of `at`, kg/m3, shape (U,).

    Args:
        at: Saturation at `celsius`.
        celsius: Saturation temperature.
        superheat_kelvin: How much warmer the vapour is.
    """
    kelvin = celsius + ZERO_CELSIUS_KELVIN
    return np.exp(at.log_vapour_density - at.expansion_exponent * np.log1p(superheat_kelvin / kelvin))


def superheat_kelvin(at: Saturation, enthalpy_rise: Floats) -> Floats:
    """How far above saturation vapour is that holds so much more (J/kg) than at saturation, shape (U,)."""
    first = enthalpy_rise / at.discharge_heat_capacity
    share = (first - DISCHARGE_SUPERHEAT_KELVIN) * (1 / (HOT_SUPERHEAT_KELVIN - DISCHARGE_SUPERHEAT_KELVIN))
    mean = at.discharge_heat_capacity + share * (at.hot_heat_capacity - at.discharge_heat_capacity)
    return enthalpy_rise / mean
