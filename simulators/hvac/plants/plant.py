"""A fleet of plants of one kind: time, weather, people, faults, wear, sensors and meters around the physics of a machine.

    Surroundings ──weather, people──▶ ┌─────────┐ ──what is true──▶ Sensing ──▶ points()
    FaultPlan, Wear ──severities────▶ │ Machine │ ──watts─────────▶ meters
    Sensing ──errors of sensors─────▶ └─────────┘ ──zones─────────▶ comfort counters

A machine (air handlers, chillers ...) is the physics and the controls of one kind; it holds its state and nothing else.
Equal seed and equal steps give equal values, bit for bit; weather, people and lives of parts do not depend on the step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.contracts.equipment import EQUIPMENT
from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants.faults import FAMILIES, HABITS, Condition, FaultPlan, Faults
from simulators.hvac.plants.machine import Machine, Zones
from simulators.hvac.plants.sensing import Sensing
from simulators.hvac.plants.surroundings import Surroundings
from simulators.hvac.plants.wear import Wear

METERS = ("electricity", "fuel", "hot_water", "chilled_water")
# A zone is uncomfortable where it is further than this outside of the setpoints while people are there.
COMFORT_SLACK_KELVIN = 1.0
_WARM_UP_STEP_SECONDS = 300.0
_LOOK_MS = 15 * 60_000


class PlantError(ValueError):
    """A fleet that cannot be built."""


class Plant:
    """A running fleet. `step` moves it, `points` reads it, `truth` and `failed_at_ms` know what is wrong with it.

    Args:
        equipment: Kind, one of EQUIPMENT.
        machine: Its physics, for as many units as `surroundings` has.
        surroundings: Weather and people.
        seed: Of the sensors.
        start_at_ms: Plant time of the first instant; taken as local time.
        plans: Faults.
        wear: Lives of the parts; None, and nothing wears.
        warmup_hours: How long the plant has run before `start_at_ms`, so that it starts in a settled state.
    """

    def __init__(
        self,
        equipment: str,
        machine: Machine,
        surroundings: Surroundings,
        seed: int,
        start_at_ms: int,
        plans: Sequence[FaultPlan] = (),
        wear: Wear | None = None,
        warmup_hours: float = 24.0,
    ) -> None:
        self._condition: Condition
        self._look_at_ms: int
        self.equipment = equipment
        self.units = units = surroundings.site.size
        self.machine, self.surroundings, self.wear = machine, surroundings, wear
        self.families = FAMILIES[equipment]
        self.sensing = Sensing(EQUIPMENT[equipment].simulated, units, seed, equipment)
        self._faults = Faults(equipment, units, plans)
        for plan in plans:
            self.sensing.check(plan)
        self._breaks = np.array([family not in HABITS for family in self.families])
        worn = () if wear is None else wear.families
        self._worn_rows = np.array([self.families.index(family) for family in worn], dtype=np.intp)
        self._at_ms = start_at_ms - warmup_hours * 3_600_000
        self.measured_at_ms = round(self._at_ms)
        self._clear()
        while self._at_ms < start_at_ms:
            self._advance(min(_WARM_UP_STEP_SECONDS, (start_at_ms - self._at_ms) / 1000), ages=False)
        self._clear()

    def _clear(self) -> None:
        units = self.units
        self.meters: dict[str, Floats] = {meter: np.zeros(units) for meter in METERS}
        self.occupied_hours, self.uncomfortable_hours, self.discomfort_kelvin_hours = np.zeros((3, units))
        self.run_hours, self.starts = np.zeros(units), np.zeros(units)
        self.failed_at_ms: npt.NDArray[np.int64] = np.full(units, -1, dtype=np.int64)
        self._steps = 0
        self._diagnose()

    @property
    def truth(self) -> dict[str, Floats]:
        """Severity of each fault family now, shape (U,), 0 to 1."""
        return self._condition.severity

    @property
    def zones(self) -> Zones | None:
        """The zones after the last step; None where the kind has none."""
        return self._outcome.zones

    def points(self) -> npt.NDArray[np.float32]:
        """What the controllers' registers hold, (U, C) in the order of EQUIPMENT[kind].simulated; NaN: a lost sensor."""
        return self.sensing.read(self._steps)

    def plant(self, plan: FaultPlan) -> None:
        """One more fault; takes effect with the next step."""
        self.sensing.check(plan)
        self._faults.add(plan)

    def repair(self, units: Flags, family: str | None = None, restored_fraction: float = 1.0) -> None:
        """Maintenance of these units: of one family or of all, to as new (1) or in part.

        A repair in full also ends planned faults; one in part is a cleaning, and gives worn parts some of their life back.
        """
        if restored_fraction >= 1:
            self._faults.repair(units, family, self.measured_at_ms)
        if self.wear is not None:
            self.wear.restore(units, family, restored_fraction)
        self._diagnose()

    def step(self, dt_seconds: float) -> None:
        """Move the plant by `dt_seconds`, at most 300."""
        self._advance(dt_seconds, ages=True)
        self._steps += 1

    def jump(self, at_ms: int, settle_hours: float = 24.0) -> None:
        """Stand at a later time of the year without living through what lies between: nothing wears or is metered.

        Weather, people and plans are those of that time; the plant has run `settle_hours` in them.
        """
        self._at_ms = max(self._at_ms, at_ms - settle_hours * 3_600_000)
        kept = {name: array.copy() for name, array in self.meters.items()}
        counters = (
            self.occupied_hours,
            self.uncomfortable_hours,
            self.discomfort_kelvin_hours,
            self.run_hours,
            self.starts,
        )
        counted = [array.copy() for array in counters]
        while self._at_ms < at_ms:
            self._advance(min(_WARM_UP_STEP_SECONDS, (at_ms - self._at_ms) / 1000), ages=False)
        self.meters = kept
        self.occupied_hours, self.uncomfortable_hours, self.discomfort_kelvin_hours, self.run_hours, self.starts = (
            counted
        )

    def _advance(self, dt_seconds: float, ages: bool) -> None:
        self._at_ms += dt_seconds * 1000
        self.measured_at_ms = round(self._at_ms)
        self._diagnose(anew=False)
        condition = self._condition
        wrong = condition.severity["schedule_wrong"]
        around = self.surroundings.at(self.measured_at_ms, wrong, condition.direction["schedule_wrong"])
        outcome = self._outcome = self.machine.step(dt_seconds, around, condition, self.sensing)
        self.sensing.feel(outcome.values)
        hours = dt_seconds / 3600
        for meter, watts in outcome.watts.items():
            self.meters[meter] += watts * dt_seconds
        self.run_hours += outcome.running_fraction * hours
        self.starts += outcome.starts
        if outcome.zones is not None:
            self._count_comfort(outcome.zones, hours, around.occupied)
        if self.wear is not None and ages:
            self.wear.grow(hours, outcome.running_fraction, outcome.stress)

    def _count_comfort(self, zones: Zones, hours: float, occupied: Flags) -> None:
        cold = zones.heating_setpoint_celsius - zones.celsius
        hot = zones.celsius - zones.cooling_setpoint_celsius
        occupied_hours = occupied * hours
        outside = np.maximum(np.maximum(cold, hot) - COMFORT_SLACK_KELVIN, 0.0)
        self.occupied_hours += occupied_hours
        self.uncomfortable_hours += ((outside > 0) * zones.share).sum(axis=0) * occupied_hours
        self.discomfort_kelvin_hours += (outside * zones.share).sum(axis=0) * occupied_hours

    def _diagnose(self, anew: bool = True) -> None:
        """Severities of this instant, by plan or by wear, whichever is worse; wear is looked at four times an hour."""
        if not anew and not self._faults.any and self.measured_at_ms < self._look_at_ms:
            return
        severity, position, direction = self._faults.update(self.measured_at_ms)
        if self.wear is not None and self._worn_rows.size:
            if anew or self.measured_at_ms >= self._look_at_ms:
                self._worn = self.wear.severity
                self._look_at_ms = self.measured_at_ms + _LOOK_MS
            rows, worn = self._worn_rows, self._worn
            worse = worn > severity[rows]
            severity[rows] = np.maximum(severity[rows], worn)
            position[rows] = np.where(worse, self.wear.position_fraction, position[rows])
            direction[rows] = np.where(worse, self.wear.direction, direction[rows])
        else:
            self._look_at_ms = self.measured_at_ms + _LOOK_MS
        tables = (severity, position, direction)
        self._condition = Condition(*(dict(zip(self.families, table, strict=True)) for table in tables))
        failed = (severity[self._breaks] >= 1).any(axis=0)
        first = failed & (self.failed_at_ms < 0)
        self.failed_at_ms = np.where(failed, np.where(first, self.measured_at_ms, self.failed_at_ms), -1)
        self.sensing.update(self._condition, self._faults.sensor_plans(self.measured_at_ms))


def make(
    equipment: str,
    units: int,
    seed: int,
    start_at_ms: int,
    plans: Sequence[FaultPlan] = (),
    climate: str = "mixed",
    sites: int = 8,
    wear: Wear | None = None,
    *,
    use: str | None = None,
    warmup_hours: float = 24.0,
) -> Plant:
    """A fleet of one kind.

    Args:
        equipment: One of EQUIPMENT.
        units: How many, U.
        seed: Of everything that is drawn.
        start_at_ms: Plant time of the first instant; taken as local time.
        plans: Faults.
        climate: `mixed`, `unseen` or one of `surroundings.ALL_CLIMATES`.
        sites: Units stand on this many sites in turn, each with weather of its own.
        wear: Lives of the parts, made for as many units; None, and nothing wears.
        use: One of `surroundings.USES` for all units; None draws each unit's.
        warmup_hours: How long it has run before.

    Raises:
        PlantError: no such kind, or no unit.
    """
    if units < 1 or sites < 1:
        raise PlantError(f"fleet of {units} units on {sites} sites: expected at least 1 of each")
    if wear is not None and (wear.units != units or not set(wear.families) <= set(FAMILIES.get(equipment, ()))):
        raise PlantError(
            f"wear of {wear.units} units, {', '.join(wear.families)}: expected {units} units of {equipment}"
        )
    surroundings = Surroundings(units, climate, sites, seed, use)
    machine = _machine(equipment, surroundings, np.random.default_rng([seed, 0x3A]))
    return Plant(equipment, machine, surroundings, seed, start_at_ms, plans, wear, warmup_hours)


def _machine(equipment: str, surroundings: Surroundings, rng: np.random.Generator) -> Machine:
    # One case a kind; imported here, so that a fleet of air handlers loads no refrigerant tables.
    match equipment:
        case "ahu":
            from simulators.hvac.plants.air_handler import AirHandlers

            return AirHandlers(surroundings, rng)
        case "rtu":
            from simulators.hvac.plants.rooftop import Rooftops

            return Rooftops(surroundings, rng)
        case "heat_pump":
            from simulators.hvac.plants.heat_pump import HeatPumps

            return HeatPumps(surroundings, rng)
        case "chiller":
            from simulators.hvac.plants.chiller import Chillers

            return Chillers(surroundings, rng)
        case "boiler":
            from simulators.hvac.plants.boiler import Boilers

            return Boilers(surroundings, rng)
        case "fan_coil":
            from simulators.hvac.plants.fan_coil import FanCoils

            return FanCoils(surroundings, rng)
        case "vav_box":
            from simulators.hvac.plants.vav_box import VavBoxes

            return VavBoxes(surroundings, rng)
    raise PlantError(f"equipment {equipment!r} has no simulated plant; expected one of {', '.join(FAMILIES)}")
