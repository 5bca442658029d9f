"""One fleet under one policy of maintenance: the plant is moved, the policy is asked, what it mends is mended.

    step step step ... step | ask, mend | step step ...                an hour between questions
                                          └─ a row of meters each week

The policy comes from outside; all that is known of it here is `Policy`. Lives of parts, weather and people depend on the
seed alone, so runs of one seed differ by what the policy does, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import gamma
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants.faults import FAMILIES, FaultPlan, Faults
from simulators.hvac.plants.plant import METERS, Plant, make
from simulators.hvac.plants.wear import LIVES, Wear

STEP_SECONDS = 300.0
RECORD_HOURS = 168.0
_HOUR_MS = 3_600_000
_YEAR_HOURS = 8766.0
# What a unit runs of all hours, for the time before the run alone.
_RUNNING_FRACTION = 0.45
_START_MS = 1_767_571_200_000  # Monday 5 January 2026, 00:00


class RunError(ValueError):
    """A run that cannot be made."""


class Policy(Protocol):
    """Who looks after the fleet."""

    def decide(
        self, at_hours: float, severity: Floats, uncomfortable_hours: Floats
    ) -> Sequence[tuple[Flags, str, float]]:
        """What is mended now: units (U,), family, and how much of its life it gets back; severity is (F, U)."""
        ...

    def totals(self) -> Mapping[str, Floats]:
        """What the policy has counted since the start, by name, shape (U,) each."""
        ...


class Habit(NamedTuple):
    """How often a controller goes wrong: share of the units that begin so, and new ones a unit-year."""

    family: str
    at_start_fraction: float
    per_unit_year: float


class Fleet(NamedTuple):
    """What is the same under every policy."""

    equipment: str
    units: int
    sites: int
    climate: str
    seed: int
    start_at_ms: int
    hours: float
    acceleration: float
    habits: tuple[Habit, ...]
    hidden: tuple[str, ...]  # families that fail without anyone noticing at once
    hidden_years: float  # for so long, on average, in the time before


@dataclass(slots=True)
class Run:
    """W rows, one a week (the last may be shorter), each counted since the start."""

    families: tuple[str, ...]
    hours: Floats  # (W,)
    meters: dict[str, Floats]  # joules, (W, U)
    occupied_hours: Floats  # (W, U)
    uncomfortable_hours: Floats  # (W, U)
    severity_hours: Floats  # (W, F, U)
    failed_hours: Floats  # (W, F, U), at severity 1
    aged_hours: Floats  # (W, F, U), by each part's own clock; 0 for what does not wear
    totals: dict[str, Floats]  # of the policy, (W, U)


def fleet_of(
    equipment: str,
    units: int,
    *,
    sites: int,
    climate: str,
    seed: int,
    hours: float,
    acceleration: float,
    habits: Sequence[tuple[str, float, float]],
    hidden: Sequence[str] = (),
    hidden_years: float = 0.0,
) -> Fleet:
    """A fleet that is met on a Monday in January; `habits` as (family, at_start_fraction, per_unit_year)."""
    whole = tuple(Habit(*habit) for habit in habits)
    return Fleet(
        equipment, units, sites, climate, seed, _START_MS, hours, acceleration, whole, tuple(hidden), hidden_years
    )


def plans(fleet: Fleet) -> list[FaultPlan]:
    """What controllers do wrong, and when it begins: one draw for all policies."""
    rng = np.random.default_rng([fleet.seed, 0x4A])
    families = FAMILIES[fleet.equipment]
    found = []
    for habit in fleet.habits:
        for unit in range(fleet.units):
            draws = rng.uniform(size=6)
            later = rng.exponential(_YEAR_HOURS / max(habit.per_unit_year, 1e-9))
            if habit.family not in families:
                continue
            begins = [0.0] if draws[0] < habit.at_start_fraction else []
            begins += [later] if later < fleet.hours else []
            for place, hours in enumerate(begins):
                found.append(
                    FaultPlan(
                        unit,
                        habit.family,
                        fleet.start_at_ms + round(hours * _HOUR_MS),
                        float(0.2 + 0.8 * draws[1 + 2 * place]),
                        direction=1 if draws[2 + 2 * place] < 0.8 else -1,
                    )
                )
    return found


def wear_of(fleet: Fleet) -> Wear:
    """The lives of all parts of a fleet.

    The simulator's fleets begin with every part replaced when its life was over. Nobody does that with a part that stops
    nothing: some such parts of a fleet are over already, as many as a life and the time until it is noticed make of it.
    """
    families = [family for family in FAMILIES[fleet.equipment] if family in LIVES]
    wear = Wear(families, fleet.units, fleet.seed, fleet.acceleration)
    luck = np.random.default_rng([fleet.seed, 0x4B]).uniform(size=(len(families), fleet.units))
    for row, family in enumerate(wear.families):
        if family in fleet.hidden:
            life = LIVES[family]
            years = life.scale_hours * gamma(1 + 1 / life.shape) / fleet.acceleration / _YEAR_HOURS
            years /= _RUNNING_FRACTION if life.clock == "running" else 1.0
            over = luck[row] < fleet.hidden_years / (fleet.hidden_years + years)
            wear.age_hours[row] = np.where(over, wear.life_hours[row], wear.age_hours[row])
    return wear


def build(fleet: Fleet) -> Plant:
    """The fleet at its start."""
    return make(
        fleet.equipment,
        fleet.units,
        fleet.seed,
        fleet.start_at_ms,
        plans(fleet),
        fleet.climate,
        fleet.sites,
        wear_of(fleet),
    )


def simulate(
    equipment: str,
    units: int,
    *,
    sites: int,
    climate: str,
    seed: int,
    hours: float,
    acceleration: float,
    habits: Sequence[tuple[str, float, float]],
    hidden: Sequence[str],
    hidden_years: float,
    policy: Policy,
) -> Run:
    """Physics and policy over the whole time, in words of the plain kind: see `fleet_of` and `run`."""
    fleet = fleet_of(
        equipment, units, sites=sites, climate=climate, seed=seed, hours=hours, acceleration=acceleration,
        habits=habits, hidden=hidden, hidden_years=hidden_years,
    )  # fmt: skip
    return run(fleet, policy)


def simulate_events(
    equipment: str,
    units: int,
    *,
    seed: int,
    hours: float,
    acceleration: float,
    habits: Sequence[tuple[str, float, float]],
    hidden: Sequence[str],
    hidden_years: float,
    policy: Policy,
    pace: Floats,
    discomfort: Callable[[float, Floats], Floats],
) -> Run:
    """The same lives and the same policy without physics: see `run_events`. Meters stay at 0."""
    fleet = fleet_of(
        equipment, units, sites=1, climate="mixed", seed=seed, hours=hours, acceleration=acceleration,
        habits=habits, hidden=hidden, hidden_years=hidden_years,
    )  # fmt: skip
    return run_events(fleet, policy, pace, discomfort)


def run_events(
    fleet: Fleet, policy: Policy, pace: Floats, discomfort: Callable[[float, Floats], Floats], ask_hours: float = 6.0
) -> Run:
    """Wear, controllers' habits and a policy alone, hundreds of times faster than `run`, for tables of many runs.

    Args:
        fleet: As for `run`; equal seeds meet equal lives.
        policy: Who looks after it.
        pace: By how many hours of its own clock each part ages in an hour, by quarter of the year, shape (4, F, U).
        discomfort: Uncomfortable hours an hour, shape (U,), of an instant (hours since the start) and severities (F, U).
        ask_hours: Between questions to the policy.
    """
    families = FAMILIES[fleet.equipment]
    faults, wear = Faults(fleet.equipment, fleet.units, plans(fleet)), wear_of(fleet)
    worn = np.array([families.index(family) for family in wear.families], dtype=np.intp)
    log, uncomfortable = _Log(families, fleet.units), np.zeros(fleet.units)
    nothing = {meter: np.zeros(fleet.units) for meter in METERS}
    asks = round(fleet.hours / ask_hours)
    for ask in range(1, asks + 1):
        at_hours = ask * ask_hours
        at_ms = fleet.start_at_ms + round(at_hours * _HOUR_MS)
        age, replaced = _ages(wear)
        wear.age_hours += pace[int(at_hours * 4 / _YEAR_HOURS) % 4][worn] * ask_hours
        severity = faults.update(at_ms)[0]
        severity[worn] = np.maximum(severity[worn], wear.severity)
        log.live(ask_hours, severity, wear, age, replaced)
        uncomfortable = uncomfortable + discomfort(at_hours, severity) * ask_hours
        for units, family, restored_fraction in policy.decide(at_hours, severity, uncomfortable):
            faults.repair(units, family, at_ms)
            wear.restore(units, family, restored_fraction)
        if at_hours % RECORD_HOURS == 0 or ask == asks:
            log.record(at_hours, nothing, uncomfortable * 0, uncomfortable, policy.totals())
    return log.finish()


def run(fleet: Fleet, policy: Policy, ask_hours: float = 1.0) -> Run:
    """Live through the whole time under one policy.

    Raises:
        RunError: the time is no whole number of questions.
    """
    plant = build(fleet)
    steps, asks = round(ask_hours * 3600 / STEP_SECONDS), round(fleet.hours / ask_hours)
    if asks < 1 or steps < 1:
        raise RunError(f"run of {fleet.hours:g} hours: expected at least {ask_hours:g}, one question")
    log = _Log(plant.families, fleet.units)
    wear = plant.wear
    for ask in range(1, asks + 1):
        age, replaced = _ages(wear)
        for _ in range(steps):
            plant.step(STEP_SECONDS)
        severity = np.stack([plant.truth[family] for family in plant.families])
        log.live(ask_hours, severity, wear, age, replaced)
        at_hours = ask * ask_hours
        for units, family, restored_fraction in policy.decide(at_hours, severity, plant.uncomfortable_hours):
            plant.repair(units, family, restored_fraction)
        if at_hours % RECORD_HOURS == 0 or ask == asks:
            log.record(at_hours, plant.meters, plant.occupied_hours, plant.uncomfortable_hours, policy.totals())
    return log.finish()


def _ages(wear: Wear | None) -> tuple[Floats, npt.NDArray[np.int64]]:
    if wear is None:
        return np.zeros((0, 0)), np.zeros((0, 0), dtype=np.int64)
    return wear.age_hours.copy(), wear.replaced.copy()


class _Log:
    """Rows of a run as they come."""

    def __init__(self, families: Sequence[str], units: int) -> None:
        self._families = tuple(families)
        shape = (len(self._families), units)
        self._severity, self._failed, self._aged = (np.zeros(shape) for _ in range(3))
        self._rows: list[
            tuple[float, dict[str, Floats], Floats, Floats, Floats, Floats, Floats, dict[str, Floats]]
        ] = []

    def live(
        self, hours: float, severity: Floats, wear: Wear | None, age: Floats, replaced: npt.NDArray[np.int64]
    ) -> None:
        self._severity += severity * hours
        self._failed += (severity >= 1) * hours
        if wear is not None:
            for row, family in enumerate(wear.families):
                grown = np.where(wear.replaced[row] == replaced[row], wear.age_hours[row] - age[row], 0.0)
                self._aged[self._families.index(family)] += grown

    def record(
        self,
        at_hours: float,
        meters: Mapping[str, Floats],
        occupied: Floats,
        uncomfortable: Floats,
        totals: Mapping[str, Floats],
    ) -> None:
        copied = {name: values.copy() for name, values in meters.items()}
        counted = {name: values.copy() for name, values in totals.items()}
        sums = (self._severity.copy(), self._failed.copy(), self._aged.copy())
        self._rows.append((at_hours, copied, occupied.copy(), uncomfortable.copy(), *sums, counted))

    def finish(self) -> Run:
        hours, meters, occupied, uncomfortable, severity, failed, aged, totals = zip(*self._rows, strict=True)
        return Run(
            self._families,
            np.array(hours),
            {name: np.stack([row[name] for row in meters]) for name in METERS},
            np.stack(occupied),
            np.stack(uncomfortable),
            np.stack(severity),
            np.stack(failed),
            np.stack(aged),
            {name: np.stack([row[name] for row in totals]) for name in totals[0]},
        )
