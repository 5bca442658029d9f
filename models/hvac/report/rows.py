"""What runs of a fleet under the three policies come to, for each unit: energy, comfort, hours and money. Pure.

The rows of a run come from a simulator (`Rows`, counted since the start, one row a week), or from meters and work orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.chances import Floats

YEAR_HOURS = 8766.0
# What these make is the load of others: it is no energy of theirs.
_MAKERS = {"chiller", "boiler"}
_JOULES_PER_KWH = 3.6e6


class Rows(Protocol):
    """W rows of a run of U units with F families; hours and joules since the start."""

    families: tuple[str, ...]
    hours: Floats  # (W,)
    meters: dict[str, Floats]  # (W, U)
    occupied_hours: Floats  # (W, U)
    uncomfortable_hours: Floats  # (W, U)
    severity_hours: Floats  # (W, F, U)
    failed_hours: Floats  # (W, F, U)
    aged_hours: Floats  # (W, F, U)
    totals: dict[str, Floats]  # (W, U)


class Outcome(NamedTuple):
    """One kind of equipment under one policy, over the whole time; shape (U,)."""

    downtime_hours: Floats
    breakdowns: Floats
    energy_kwh: Floats
    uncomfortable_hours: Floats
    late_hours: Floats
    cost: Floats  # maintenance, energy, and the product where it is used
    maintenance_cost: Floats
    energy_cost: Floats
    occupied_hours: Floats
    counts: dict[str, Floats]  # trips, visits, alerts ... as the ledger names them


def energy_kwh(rows: Rows, equipment: str, settings: ReportSettings) -> dict[str, Floats]:
    """Electricity and fuel since the start, (W, U); heat and cold from elsewhere as what made them took."""
    kwh = {name: joules / _JOULES_PER_KWH for name, joules in rows.meters.items()}
    electricity, fuel = kwh["electricity"], kwh["fuel"]
    if equipment not in _MAKERS:
        electricity = electricity + kwh["chilled_water"] / settings.energy.chilled_water_cop
        fuel = fuel + kwh["hot_water"] / settings.energy.hot_water_efficiency_fraction
    return {"electricity": electricity, "fuel": fuel}


def outcome(rows: Rows, equipment: str, policy: str, settings: ReportSettings) -> Outcome:
    """The last row of a run as an outcome."""
    used = {name: values[-1] for name, values in energy_kwh(rows, equipment, settings).items()}
    price = {"electricity": settings.cost.electricity_per_kwh, "fuel": settings.cost.fuel_per_kwh}
    energy_cost = sum((price[name] * values for name, values in used.items()), np.zeros_like(used["fuel"]))
    return assemble(
        {name: values[-1] for name, values in rows.totals.items()},
        used["electricity"] + used["fuel"],
        energy_cost,
        rows.uncomfortable_hours[-1],
        rows.occupied_hours[-1],
        float(rows.hours[-1]),
        policy,
        settings,
    )


def assemble(
    totals: Mapping[str, Floats],
    energy: Floats,
    energy_cost: Floats,
    uncomfortable_hours: Floats,
    occupied_hours: Floats,
    hours: float,
    policy: str,
    settings: ReportSettings,
) -> Outcome:
    """An outcome of its parts; whoever uses the product pays for it."""
    product = settings.cost.product_per_unit_year * hours / YEAR_HOURS if policy == "plenum" else 0.0
    maintenance = totals["cost"]
    return Outcome(
        totals["downtime_hours"],
        totals["breakdowns"],
        energy,
        uncomfortable_hours,
        totals["late_hours"],
        maintenance + energy_cost + product,
        maintenance,
        energy_cost,
        occupied_hours,
        {
            name: values
            for name, values in totals.items()
            if name not in ("downtime_hours", "breakdowns", "late_hours", "cost")
        },
    )
