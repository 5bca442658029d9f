"""What a fault costs a plant: the same units in the same weather and with the same people, with the fault and without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.contracts.equipment import EQUIPMENT
from simulators.hvac.plants.faults import FAMILIES, HABITS, FaultPlan
from simulators.hvac.plants.plant import METERS, Plant, make

_STEP_SECONDS = 300.0
_DAY_MS = 86_400_000


class Penalty(NamedTuple):
    """Mean over the watched days and over all units: watts by meter, and hours a day outside of comfort while in use."""

    watts: dict[str, float]
    uncomfortable_hours_per_day: float


class Measured(NamedTuple):
    """Of one kind of equipment. `size_median` is the median over units of the mean of `size_point` while they run."""

    size_median: float
    families: dict[str, Penalty]


def measure(
    equipment: str, size_point: str, severity: float, starts_at_ms: Sequence[int], units: int = 12, days: float = 5.0
) -> Measured:
    """Penalty of each family of a kind.

    Args:
        equipment: Kind.
        size_point: Point whose mean tells how large a unit is.
        severity: Of every fault.
        starts_at_ms: Plant times from which the plants are watched, spread over the year.
        units: Of each family; every second one has the fault the other way round.
        days: For which they are watched each time.
    """
    families = [family for family in FAMILIES[equipment] if family not in HABITS or family.startswith(("sim", "sched"))]
    place = EQUIPMENT[equipment].simulated.index(size_point)
    watts = {family: dict.fromkeys(METERS, 0.0) for family in families}
    hours = dict.fromkeys(families, 0.0)
    sizes = []
    for season, start_ms in enumerate(starts_at_ms):
        healthy, size = _watch(make(equipment, units, 600 + season, start_ms), days, place)
        sizes.append(size)
        for family in families:
            plans = [
                FaultPlan(
                    unit, family, start_ms - _DAY_MS, severity, 0.0, None, 0.1 if unit % 2 else 0.9, unit % 2 * 2 - 1
                )
                for unit in range(units)
            ]
            found, _ = _watch(make(equipment, units, 600 + season, start_ms, plans), days, place)
            for meter in METERS:
                extra = float((found.meters[meter] - healthy.meters[meter]).mean()) / (days * 86_400)
                watts[family][meter] += extra / len(starts_at_ms)
            worse = float((found.uncomfortable_hours - healthy.uncomfortable_hours).mean()) / days
            hours[family] += worse / len(starts_at_ms)
    return Measured(
        float(np.nanmedian(np.nanmean(sizes, axis=0))),
        {family: Penalty(watts[family], hours[family]) for family in families},
    )


def _watch(plant: Plant, days: float, place: int) -> tuple[Plant, np.ndarray]:
    """A plant after these days, and each unit's mean of a point while it ran, shape (U,)."""
    total, count = np.zeros(plant.units), np.zeros(plant.units)
    for _ in range(round(days * 86_400 / _STEP_SECONDS)):
        plant.step(_STEP_SECONDS)
        value = plant.points()[:, place]
        runs = value > 1e-4
        total += np.where(runs, value, 0)
        count += runs
    return plant, np.where(count > 0, total / np.maximum(count, 1), np.nan)
