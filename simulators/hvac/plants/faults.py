"""What can be wrong with each kind of plant, plans of it, and how bad it is at an instant.

severity  1 ┤            ┌── the part is gone, the unit has failed
            │         ╱
            │      ╱        growth_per_day
   severity ┤   ┌
          0 ┼───┴──────────────▶ plant time
              at_ms           repaired_at_ms
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from simulators.hvac.faults import FaultError
from simulators.hvac.moist import Flags, Floats

_DAY_MS = 86_400_000
_NEVER_MS = 1 << 62

# Habits of a controller, not parts: they cost energy and comfort, but nothing breaks at severity 1.
HABITS = frozenset({"control_hunting", "schedule_wrong", "simultaneous_heating_cooling", "sensor_fault"})

_AIR_SIDE = (
    "cooling_valve_leaking",
    "damper_leaking",
    "coil_fouled",
    "fan_bearing_worn",
    "control_hunting",
    "schedule_wrong",
    "simultaneous_heating_cooling",
    "sensor_fault",
)
FAMILIES: dict[str, tuple[str, ...]] = {
    "ahu": (
        "damper_stuck",
        "heating_valve_leaking",
        "filter_fouled",
        "supply_air_sensor_drift",
        "fan_belt_worn",
        "cooling_capacity_low",
        *_AIR_SIDE,
    ),
    "rtu": (
        "damper_stuck",
        "filter_fouled",
        "fan_belt_worn",
        "supply_air_sensor_drift",
        "refrigerant_undercharge",
        "refrigerant_overcharge",
        "compressor_weak",
        "condenser_fouled",
        "fan_bearing_worn",
        "damper_leaking",
        "control_hunting",
        "schedule_wrong",
        "sensor_fault",
    ),
    "heat_pump": (
        "filter_fouled",
        "supply_air_sensor_drift",
        "refrigerant_undercharge",
        "refrigerant_overcharge",
        "compressor_weak",
        "condenser_fouled",
        "fan_bearing_worn",
        "control_hunting",
        "schedule_wrong",
        "sensor_fault",
    ),
    "chiller": (
        "refrigerant_undercharge",
        "compressor_weak",
        "condenser_fouled",
        "tower_fan_weak",
        "pump_worn",
        "chilled_water_sensor_drift",
        "control_hunting",
        "schedule_wrong",
        "sensor_fault",
    ),
    "boiler": (
        "heat_exchanger_fouled",
        "burner_weak",
        "pump_worn",
        "hot_water_sensor_drift",
        "control_hunting",
        "schedule_wrong",
        "sensor_fault",
    ),
    "fan_coil": (
        "heating_valve_leaking",
        "cooling_valve_stuck",
        "filter_fouled",
        "coil_fouled",
        "fan_bearing_worn",
        "zone_air_sensor_drift",
        "cooling_valve_leaking",
        "control_hunting",
        "schedule_wrong",
        "simultaneous_heating_cooling",
        "sensor_fault",
    ),
    "vav_box": (
        "damper_stuck",
        "reheat_valve_leaking",
        "reheat_valve_stuck",
        "air_flow_sensor_drift",
        "zone_air_sensor_drift",
        "control_hunting",
        "schedule_wrong",
        "simultaneous_heating_cooling",
        "sensor_fault",
    ),
}


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """One fault of one unit.

    Severity is `severity` from `at_ms` on and grows by `growth_per_day` up to 1. `position_fraction` is where a stuck
    part ends; `direction` says which way a sensor drifts (+1 reads too high) or a schedule is wrong. `sensor_fault`
    alone reads `point`, `mode` and, where two sensors are exchanged, `partner`.
    """

    unit_index: int
    family: str
    at_ms: int
    severity: float
    growth_per_day: float = 0.0
    repaired_at_ms: int | None = None
    position_fraction: float = 0.05
    direction: int = 1
    point: str = ""
    mode: Literal["bias", "drift", "stuck", "swapped", "lost"] = "bias"
    partner: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.severity <= 1:
            raise FaultError(f"fault severity {self.severity!r}: expected a fraction from 0 to 1")
        if self.growth_per_day < 0:
            raise FaultError(f"fault growth {self.growth_per_day!r} a day: expected 0 or more; wear does not heal")
        if not 0 <= self.position_fraction <= 1:
            raise FaultError(f"stuck position {self.position_fraction!r}: expected a fraction from 0 to 1")
        if self.direction not in (-1, 1):
            raise FaultError(f"fault direction {self.direction!r}: expected 1 or -1")
        if (self.family == "sensor_fault") != bool(self.point):
            raise FaultError(
                f"fault {self.family!r} with point {self.point!r}: sensor_fault names a point, no other does"
            )
        if (self.mode == "swapped") != bool(self.partner):
            raise FaultError(f"sensor fault {self.mode!r} with partner {self.partner!r}: only swapped has a partner")


class Condition(NamedTuple):
    """State of all parts at an instant: by family, shape (U,) each."""

    severity: dict[str, Floats]
    position_fraction: dict[str, Floats]
    direction: dict[str, Floats]


class Faults:
    """All plans of a fleet, as arrays over the plans, and what they come to at an instant."""

    def __init__(self, equipment: str, units: int, plans: Iterable[FaultPlan] = ()) -> None:
        self._equipment, self._units = equipment, units
        self._families = FAMILIES[equipment]
        self._plans: list[FaultPlan] = []
        for plan in plans:
            self._check(plan)
            self._plans.append(plan)
        self._compile()

    @property
    def any(self) -> bool:
        """Whether there is a plan at all."""
        return bool(self._plans)

    def add(self, plan: FaultPlan) -> None:
        """One more plan; it may begin in the past.

        Raises:
            FaultError: the fleet has no such unit, or its kind no such fault.
        """
        self._check(plan)
        self._plans.append(plan)
        self._compile()

    def repair(self, units: Flags, family: str | None, at_ms: int) -> None:
        """Mend what is wrong by plan with these units; plans that have not begun stay."""
        self._plans = [
            plan
            for plan in self._plans
            if not (units[plan.unit_index] and family in (None, plan.family) and plan.at_ms <= at_ms)
        ]
        self._compile()

    def update(self, at_ms: int) -> tuple[Floats, Floats, Floats]:
        """Severity, stuck position and direction of every family of every unit, shape (F, U) each."""
        shape = (len(self._families), self._units)
        severity, position, direction = np.zeros(shape), np.full(shape, 0.05), np.ones(shape)
        if self._plans:
            now = np.flatnonzero((at_ms >= self._at_ms) & (at_ms < self._end_ms))
            grown = np.minimum(self._severity[now] + self._growth[now] * ((at_ms - self._at_ms[now]) / _DAY_MS), 1.0)
            family, unit = self._family[now], self._unit[now]
            np.maximum.at(severity, (family, unit), grown)
            position[family, unit] = self._position[now]
            direction[family, unit] = self._direction[now]
        return severity, position, direction

    def sensor_plans(self, at_ms: int) -> list[tuple[FaultPlan, float]]:
        """Sensor faults of this instant and their severities."""
        return [
            (plan, min(plan.severity + plan.growth_per_day * (at_ms - plan.at_ms) / _DAY_MS, 1.0))
            for plan in self._sensor_plans
            if plan.at_ms <= at_ms < (_NEVER_MS if plan.repaired_at_ms is None else plan.repaired_at_ms)
        ]

    def _check(self, plan: FaultPlan) -> None:
        if plan.family not in self._families:
            raise FaultError(
                f"fault family {plan.family!r} is not known of {self._equipment}; "
                f"expected one of {', '.join(self._families)}"
            )
        if not 0 <= plan.unit_index < self._units:
            raise FaultError(f"fault in unit {plan.unit_index}: expected 0 to {self._units - 1}; mend unit_index")

    def _compile(self) -> None:
        plans = self._plans
        self._sensor_plans = [plan for plan in plans if plan.family == "sensor_fault"]
        self._unit = np.array([plan.unit_index for plan in plans], dtype=np.intp)
        self._family = np.array([self._families.index(plan.family) for plan in plans], dtype=np.intp)
        self._at_ms: npt.NDArray[np.int64] = np.array([plan.at_ms for plan in plans], dtype=np.int64)
        self._end_ms = np.array(
            [_NEVER_MS if p.repaired_at_ms is None else p.repaired_at_ms for p in plans], dtype=np.int64
        )
        self._severity = np.array([plan.severity for plan in plans], dtype=np.float64)
        self._growth = np.array([plan.growth_per_day for plan in plans], dtype=np.float64)
        self._position = np.array([plan.position_fraction for plan in plans], dtype=np.float64)
        self._direction = np.array([plan.direction for plan in plans], dtype=np.float64)
