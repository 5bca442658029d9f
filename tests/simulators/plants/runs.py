"""Runs of small fleets with a refrigerant or water side, for the tests of these plants."""

from __future__ import annotations

from functools import cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.equipment import EQUIPMENT
from models.contracts.points import POINTS
from simulators.hvac.plants.faults import FaultPlan
from simulators.hvac.plants.plant import Plant, make

# Tuesdays.
WINTER_AT_MS, SPRING_AT_MS, SUMMER_AT_MS = 1_768_262_400_000, 1_776_124_800_000, 1_783_987_200_000
UNITS = 8
STATUS = {
    "rtu": "compressor_status",
    "heat_pump": "compressor_status",
    "chiller": "chiller_status",
    "boiler": "boiler_status",
}


class Run(NamedTuple):
    """What the registers held, (steps, U, C), and the fleet at the end of it."""

    values: npt.NDArray[np.float32]
    plant: Plant

    def of(self, point: str) -> npt.NDArray[np.float32]:
        """One point, (steps, U)."""
        return self.values[..., EQUIPMENT[self.plant.equipment].simulated.index(point)]

    @property
    def running(self) -> npt.NDArray[np.bool_]:
        """Where compressor or burner runs, and has for a while, (steps, U)."""
        on = self.of(STATUS[self.plant.equipment]) > 0
        return on & np.roll(on, 1, axis=0) & np.roll(on, 2, axis=0)

    def mean(self, point: str) -> float:
        """Of the fleet while it runs."""
        return float(np.nanmean(self.of(point)[self.running]))

    def joules(self, meter: str) -> float:
        """Of all units."""
        return float(self.plant.meters[meter].sum())

    def uncomfortable_fraction(self) -> float:
        """Of the occupied hours of all units."""
        return float(self.plant.uncomfortable_hours.sum() / self.plant.occupied_hours.sum())


def run(
    equipment: str,
    start_at_ms: int,
    climate: str = "mixed",
    family: str = "",
    severity: float = 0.6,
    dt_seconds: float = 300.0,
    hours: float = 24.0,
    seed: int = 5,
    position_fraction: float = 0.05,
) -> Run:
    """Offices, all units with the same fault from the first hour on."""
    plan = partial(FaultPlan, family=family, at_ms=0, severity=severity, position_fraction=position_fraction)
    plans = [plan(unit) for unit in range(UNITS)] if family else []
    plant = make(equipment, UNITS, seed, start_at_ms, plans, climate, sites=4, use="office", warmup_hours=8)
    values = []
    for _ in range(round(hours * 3600 / dt_seconds)):
        plant.step(dt_seconds)
        values.append(plant.points())
    return Run(np.array(values), plant)


@cache
def healthy(equipment: str, start_at_ms: int, climate: str = "mixed") -> Run:
    """The same day without a fault."""
    return run(equipment, start_at_ms, climate)


def check_ranges(made: Run) -> None:
    """Every reading is a number within what its point may be."""
    points = [POINTS[name] for name in EQUIPMENT[made.plant.equipment].simulated]
    low, high = made.values.min(axis=(0, 1)), made.values.max(axis=(0, 1))
    outside = [p.name for p, least, most in zip(points, low, high, strict=True) if not p.low <= least <= most <= p.high]
    assert not outside, f"outside of their range: {outside}"


def check_steps_agree(equipment: str, start_at_ms: int, energy: float, meters: tuple[str, ...]) -> None:
    """A working morning at 15 s and at 300 s uses the same energy, within a share, and brings the same comfort."""
    # From five o'clock, so that the early start and the first hours of work are in it.
    at_ms = start_at_ms + 5 * 3_600_000
    fine = run(equipment, at_ms, dt_seconds=15.0, hours=5.0)
    coarse = run(equipment, at_ms, dt_seconds=300.0, hours=5.0)
    for meter in meters:
        assert abs(coarse.joules(meter) / fine.joules(meter) - 1) < energy, meter
    assert abs(coarse.uncomfortable_fraction() - fine.uncomfortable_fraction()) < 0.02


def check_seeds(equipment: str, start_at_ms: int) -> None:
    """Equal seed, equal values, bit for bit; another seed, other values."""
    first, again = (run(equipment, start_at_ms, hours=3.0).values for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (run(equipment, start_at_ms, hours=3.0, seed=6).values != first).any()
