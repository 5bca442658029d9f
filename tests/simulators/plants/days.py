"""Days of small fleets, for the tests of the plants."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.equipment import EQUIPMENT
from simulators.hvac.plants.faults import FaultPlan
from simulators.hvac.plants.plant import Plant, make

# Tuesdays.
WINTER_AT_MS, SPRING_AT_MS, SUMMER_AT_MS = 1_768_262_400_000, 1_776_124_800_000, 1_783_987_200_000
UNITS = 8


class Day(NamedTuple):
    """What the registers held, (steps, U, C), and the fleet at the end of it."""

    values: npt.NDArray[np.float32]
    plant: Plant
    running: npt.NDArray[np.bool_]  # (steps, U), where the fan of the healthy fleet runs

    def mean(self, point: str, where: npt.NDArray[np.bool_] | None = None) -> float:
        """Of the fleet while it runs (or `where`)."""
        column = EQUIPMENT[self.plant.equipment].simulated.index(point)
        return float(np.nanmean(self.values[..., column][self.running if where is None else where]))

    def joules(self, meter: str) -> float:
        """Of all units."""
        return float(self.plant.meters[meter].sum())


def day(
    equipment: str,
    start_at_ms: int,
    family: str = "",
    severity: float = 0.7,
    dt_seconds: float = 300.0,
    from_hour: float = 6.0,
    hours: float = 12.0,
    climate: str = "mixed",
    **plan: object,
) -> Day:
    """A day of offices, all units with the same fault all along."""
    plans = [FaultPlan(unit, family, 0, severity, **plan) for unit in range(UNITS)] if family else []  # type: ignore[arg-type]
    at_ms = start_at_ms + round(from_hour * 3_600_000)
    plant = make(equipment, UNITS, 5, at_ms, plans, climate, sites=4, use="office", warmup_hours=3)
    values = []
    for _ in range(round(hours * 3600 / dt_seconds)):
        plant.step(dt_seconds)
        values.append(plant.points())
    stacked = np.array(values)
    status = EQUIPMENT[equipment].simulated.index("supply_fan_status")
    return Day(stacked, plant, stacked[..., status] > 0)


@cache
def healthy(equipment: str, start_at_ms: int, hours: float = 12.0) -> Day:
    """The same day without a fault."""
    return day(equipment, start_at_ms, hours=hours)
