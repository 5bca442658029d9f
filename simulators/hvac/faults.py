"""Faults: what breaks, when, how badly and how fast it grows. They act on the physics; nobody is told but `Fleet.truth`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulators.hvac.moist import Floats
from simulators.hvac.parameters import Parameters

FAMILIES: tuple[str, ...] = (
    "damper_stuck",
    "heating_valve_leaking",
    "filter_fouled",
    "supply_air_sensor_drift",
    "fan_belt_worn",
    "cooling_capacity_low",
)
_DAY_MS = 86_400_000
_NEVER_MS = 1 << 62
_DRIFT_KELVIN = 6.0  # at full severity
_SHORTAGE_KELVIN = 4.0


class FaultError(ValueError):
    """A plan that no plant can follow."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """One fault of one unit.

    Severity is `severity` from `at_ms` on and grows by `growth_per_day` up to 1, where the part fails for good.
    `stuck_position_fraction` is where a stuck damper ends; `direction` makes the drifting sensor read too high (+1) or too
    low (-1).
    """

    unit_index: int
    family: str
    at_ms: int
    severity: float
    growth_per_day: float = 0.0
    repaired_at_ms: int | None = None
    stuck_position_fraction: float = 0.05
    direction: int = 1

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise FaultError(f"fault family {self.family!r} is not known; expected one of {', '.join(FAMILIES)}")
        if not 0 <= self.severity <= 1:
            raise FaultError(f"fault severity {self.severity!r}: expected a fraction from 0 to 1")
        if self.growth_per_day < 0:
            raise FaultError(f"fault growth {self.growth_per_day!r} a day: expected 0 or more; wear does not heal")
        if not 0 <= self.stuck_position_fraction <= 1:
            raise FaultError(f"stuck position {self.stuck_position_fraction!r}: expected a fraction from 0 to 1")
        if self.direction not in (-1, 1):
            raise FaultError(f"drift direction {self.direction!r}: expected 1 (reads too high) or -1 (too low)")

    def failed_at_ms(self) -> int | None:
        """When severity reaches 1; None if it never does."""
        if self.severity >= 1:
            failed = self.at_ms
        elif self.growth_per_day > 0:
            failed = self.at_ms + round((1 - self.severity) / self.growth_per_day * _DAY_MS)
        else:
            return None
        return None if self.repaired_at_ms is not None and failed >= self.repaired_at_ms else failed


@dataclass(frozen=True, slots=True)
class Effects:
    """What all faults do to the parts right now, shape (U,)."""

    damper_freedom_fraction: Floats  # position = freedom * command + (1 - freedom) * stuck
    damper_stuck_fraction: Floats
    heating_leak_fraction: Floats
    filter_load: Floats  # resistance over that of the same filter without the fault
    supply_sensor_offset_kelvin: Floats  # NaN: the sensor is gone
    belt_slip_fraction: Floats
    chilled_water_fraction: Floats
    chilled_water_offset_kelvin: Floats


class Faults:
    """All plans of a fleet, as arrays over the plans, and what they come to at an instant."""

    def __init__(self, units: int, plans: Sequence[FaultPlan] = ()) -> None:
        self._units = units
        self._plans: list[FaultPlan] = []
        self.failed_at_ms = np.full(units, -1, dtype=np.int64)
        self.truth: dict[str, Floats] = {family: np.zeros(units) for family in FAMILIES}
        self._stuck = np.full(units, 0.05)
        self._direction = np.ones(units)
        self._compile()
        for plan in plans:
            self.add(plan)

    def add(self, plan: FaultPlan) -> None:
        """One more plan; it may begin in the past.

        Raises:
            FaultError: the fleet has no such unit.
        """
        if not 0 <= plan.unit_index < self._units:
            raise FaultError(f"fault in unit {plan.unit_index}: expected 0 to {self._units - 1}; mend unit_index")
        self._plans.append(plan)
        self._compile()

    def repair(self, unit_index: int, at_ms: int) -> None:
        """Everything in this unit is mended from `at_ms` on."""
        self._plans = [plan for plan in self._plans if plan.unit_index != unit_index]
        self._compile()
        self.update(at_ms)

    def _compile(self) -> None:
        plans = self._plans
        self._unit = np.array([plan.unit_index for plan in plans], dtype=np.intp)
        self._family = np.array([FAMILIES.index(plan.family) for plan in plans], dtype=np.intp)
        self._at_ms = np.array([plan.at_ms for plan in plans], dtype=np.int64)
        self._end_ms = np.array(
            [_NEVER_MS if p.repaired_at_ms is None else p.repaired_at_ms for p in plans], dtype=np.int64
        )
        self._severity = np.array([plan.severity for plan in plans], dtype=np.float64)
        self._growth = np.array([plan.growth_per_day for plan in plans], dtype=np.float64)
        self._fails_at_ms = np.array([-1 if (at := p.failed_at_ms()) is None else at for p in plans], dtype=np.int64)

    def update(self, at_ms: int) -> None:
        """Severities of this instant, into `truth` and `failed_at_ms`."""
        active = (at_ms >= self._at_ms) & (at_ms < self._end_ms)
        grown = self._severity + self._growth * ((at_ms - self._at_ms) / _DAY_MS)
        severity = np.where(active, np.minimum(grown, 1.0), 0.0)
        table = np.zeros((len(FAMILIES), self._units))
        np.maximum.at(table, (self._family, self._unit), severity)
        self.truth = dict(zip(FAMILIES, table, strict=True))
        failed = active & (self._fails_at_ms >= 0) & (at_ms >= self._fails_at_ms)
        first = np.full(self._units, _NEVER_MS)
        np.minimum.at(first, self._unit[failed], self._fails_at_ms[failed])
        self.failed_at_ms = np.where(first < _NEVER_MS, first, -1)
        for index in np.flatnonzero(active):
            plan = self._plans[index]
            if plan.family == "damper_stuck":
                self._stuck[plan.unit_index] = plan.stuck_position_fraction
            elif plan.family == "supply_air_sensor_drift":
                self._direction[plan.unit_index] = plan.direction

    def effects(self, p: Parameters) -> Effects:
        """Severities as changes of the parts. At 1 the part is gone, not merely worn."""
        damper, valve, filters, drift, belt, cooling = (self.truth[family] for family in FAMILIES)
        return Effects(
            damper_freedom_fraction=np.maximum(1 - 1.25 * damper, 0),
            damper_stuck_fraction=self._stuck,
            heating_leak_fraction=np.where(valve < 1, np.maximum(0.25 * valve, p.heating_valve_leak_fraction), 1.0),
            filter_load=np.where(filters < 1, 1 + 6 * filters, 400.0),
            supply_sensor_offset_kelvin=np.where(drift < 1, _DRIFT_KELVIN * drift * self._direction, np.nan),
            belt_slip_fraction=np.where(belt < 1, 0.45 * belt, 1.0),
            chilled_water_fraction=np.where(cooling < 1, 1 - 0.9 * cooling, 0.0),
            chilled_water_offset_kelvin=np.where(cooling < 1, _SHORTAGE_KELVIN * cooling, 10.0),
        )


def draw_plans(
    units: int,
    seed: int,
    start_at_ms: int,
    days: float,
    faulty_fraction: float = 0.6,
    families: Sequence[str] = FAMILIES,
) -> list[FaultPlan]:
    """Random lives for a fleet: some units stay healthy, some break at once, most wear until they fail.

    One fault a unit. Onset is uniform over the first four fifths of the time. One in four is abrupt (constant severity
    0.4 to 0.95); the others begin small and take a log-normal time, median 6 days, to fail.

    Args:
        units: Size of the fleet.
        seed: Equal seed, equal plans.
        start_at_ms: Plant time at which the fleet starts.
        days: How long it will run.
        faulty_fraction: Share of the units that get a fault.
        families: Which faults occur, evenly.
    """
    rng = np.random.default_rng([seed, 0xFA])
    chosen = rng.permutation(units)[: round(units * faulty_fraction)]
    plans = []
    for place, unit in enumerate(chosen):
        abrupt = rng.random() < 0.25
        onset_ms = start_at_ms + round(rng.uniform(0, 0.8 * days) * _DAY_MS)
        low = rng.random() < 0.5
        stuck = rng.uniform(0.0, 0.2) if low else rng.uniform(0.8, 1.0)
        severity = rng.uniform(0.4, 0.95) if abrupt else rng.uniform(0.02, 0.15)
        life_days = float(np.clip(rng.lognormal(np.log(6.0), 0.7), 0.5, 40.0))
        plans.append(
            FaultPlan(
                unit_index=int(unit),
                family=families[place % len(families)],
                at_ms=onset_ms,
                severity=float(severity),
                growth_per_day=0.0 if abrupt else (1 - severity) / life_days,
                stuck_position_fraction=float(stuck),
                direction=1 if rng.random() < 0.5 else -1,
            )
        )
    return plans
