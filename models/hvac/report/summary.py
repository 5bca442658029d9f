"""Figures of the report: changes against reactive maintenance, with intervals by a paired bootstrap over units. Pure.

A change is 100 x (sum over the fleet under the policy / sum under reactive - 1). A unit is drawn with what it did under
both policies, so weather, size and lives of a unit are the same above and below the line. Compliance turns the sign: it is
the fall in hours that were not compliant, so more is better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from models.contracts.figures import Figure
from models.hvac.report.chances import Floats
from models.hvac.report.rows import Outcome

_BOOTSTRAPS = 2000


class Measure(NamedTuple):
    """One line of the table: which hours, jobs or kWh, and whether less of it is told as more compliance."""

    name: str
    title: str
    short: str
    field: str
    unit: str
    compliance: bool = False
    target_percent: float | None = None


MEASURES: tuple[Measure, ...] = (
    Measure("downtime", "Downtime", "downtime", "downtime_hours", "hours", target_percent=-25.0),
    Measure("breakdowns", "Breakdowns", "breakdowns", "breakdowns", "", target_percent=None),
    Measure("energy", "Energy", "energy", "energy_kwh", "kWh", target_percent=-20.0),
    Measure(
        "comfort_compliance", "Uncomfortable hours", "discomfort, fall", "uncomfortable_hours", "hours", True, 30.0
    ),
    Measure("maintenance_compliance", "Hours of maintenance overdue", "overdue, fall", "late_hours", "hours", True),
    Measure("cost", "Energy, maintenance and the product", "cost", "cost", "money"),
)


def change_percent(after: Floats, before: Floats, compliance: bool = False) -> float:
    """The change of a sum over the fleet, percent; NaN where there was nothing before."""
    total = float(before.sum())
    if total == 0:
        return float("nan")
    change = 100 * (float(after.sum()) / total - 1)
    return -change if compliance else change


def interval_percent(
    after: Sequence[Floats], before: Sequence[Floats], compliance: bool = False, seed: int = 1
) -> tuple[float, float]:
    """95 % interval of `change_percent`, by drawing units in pairs within each kind of equipment.

    Args:
        after: Under the policy, (U,) for each kind.
        before: Under reactive maintenance, the same units.
        compliance: Turn the sign.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    sums = np.zeros((2, _BOOTSTRAPS))
    for one, other in zip(after, before, strict=True):
        drawn = rng.integers(0, len(one), (_BOOTSTRAPS, len(one)))
        sums[0] += one[drawn].sum(axis=1)
        sums[1] += other[drawn].sum(axis=1)
    known = sums[1] > 0
    if not known.any():
        return float("nan"), float("nan")
    changes = 100 * (sums[0, known] / sums[1, known] - 1)
    low, high = np.quantile(-changes if compliance else changes, (0.025, 0.975))
    return float(low), float(high)


def changes(
    outcomes: Mapping[str, Mapping[str, Outcome]], policy: str = "plenum", against: str = "reactive"
) -> dict[str, Figure]:
    """Every measure's change, by its name.

    Args:
        outcomes: By kind of equipment, then by policy.
        policy: Whose change.
        against: What it is compared with.
    """
    found = {}
    for measure in MEASURES:
        after = [getattr(own[policy], measure.field) for own in outcomes.values()]
        before = [getattr(own[against], measure.field) for own in outcomes.values()]
        value = change_percent(np.concatenate(after), np.concatenate(before), measure.compliance)
        low, high = interval_percent(after, before, measure.compliance)
        found[measure.name] = Figure(f"report.hvac.{measure.name}_change_percent", value, "percent", low, high)
    return found


def figures(outcomes: Mapping[str, Mapping[str, Outcome]]) -> list[Figure]:
    """Plenum against reactive: each figure, and its two ends as figures of their own."""
    out = []
    for figure in changes(outcomes).values():
        if figure.value != figure.value:
            continue  # nothing of the kind happened: no figure rather than an invented one
        out.append(figure)
        for end in ("low", "high"):
            value = getattr(figure, end)
            out.append(Figure(f"{figure.name}_{end}", value, figure.unit))
    return out


def per_unit_year(outcomes: Mapping[str, Mapping[str, Outcome]], policy: str, field: str, years: float) -> float:
    """Mean of all units under a policy, a year."""
    values = np.concatenate([np.asarray(getattr(own[policy], field)) for own in outcomes.values()])
    return float(values.mean() / years)
