"""What training and evaluation ask of a simulator: units of one kind, from when, for how long, with which faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.equipment import EQUIPMENT
from models.contracts.points import AHU_POINTS

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000


class Planted(NamedTuple):
    """One fault of one unit: `severity` from `at_ms` on, growing by `growth_per_day` up to 1, where the unit fails."""

    unit: int
    family: str
    at_ms: int
    severity: float
    growth_per_day: float = 0.0
    stuck_position_fraction: float = 0.05
    direction: int = 1

    def failed_at_ms(self) -> int:
        """When it reaches severity 1; -1 if it never does."""
        if self.growth_per_day <= 0:
            return -1
        return self.at_ms + round((1 - self.severity) / self.growth_per_day * _DAY_MS)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A fleet of one kind for some time. Units stand on sites of all climates in turn.

    `stretches` are the parts that are recorded, each with its start and its hours, where the whole is not: what lies
    between them passes unseen. `climate` is `mixed`, or `unseen` for those that no training has met.
    With `wear` above 0 parts live so many times shorter than the table of their lives says, and fail.
    """

    name: str
    units: int
    seed: int
    start_at_ms: int
    hours: float
    interval_seconds: float
    faults: tuple[Planted, ...] = ()
    equipment: str = "ahu"
    stretches: tuple[tuple[int, float], ...] = ()
    climate: str = "mixed"
    wear: float = 0.0

    @property
    def channels(self) -> tuple[str, ...]:
        """Points that its plant tells: the air handler of the demo fewer than those of whole fleets."""
        whole = self.equipment != "ahu" or bool(self.stretches) or self.wear > 0
        return EQUIPMENT[self.equipment].simulated if whole else AHU_POINTS

    def failed_at_ms(self) -> npt.NDArray[np.int64]:
        """When each unit fails, -1 if it does not during the lesson, shape (units,)."""
        failed = np.full(self.units, -1, dtype=np.int64)
        end_ms = self.start_at_ms + round(self.hours * _HOUR_MS)
        for fault in self.faults:
            at_ms = fault.failed_at_ms()
            if 0 <= at_ms < end_ms:
                failed[fault.unit] = at_ms
        return failed
