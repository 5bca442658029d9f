"""One kind of equipment under the three policies, and what its answer depends on; runs in a process of its own."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from models.contracts.settings import SettingsError
from models.hvac.report import surrogate
from models.hvac.report.assumptions import FaultSettings, ReportSettings
from models.hvac.report.chances import Floats
from models.hvac.report.detection import Detection, KindDetection
from models.hvac.report.policies import POLICIES, Policy
from models.hvac.report.rows import YEAR_HOURS, Outcome, Rows, assemble, energy_kwh, outcome
from models.hvac.report.sensitivity import SCENARIOS
from models.hvac.report.surrogate import Response

Habits = Sequence[tuple[str, float, float]]
_HABITS = ("schedule_wrong", "simultaneous_heating_cooling", "control_hunting")


class Simulate(Protocol):
    """Runs a fleet under a policy with its physics."""

    def __call__(
        self,
        equipment: str,
        units: int,
        *,
        sites: int,
        climate: str,
        seed: int,
        hours: float,
        acceleration: float,
        habits: Habits,
        hidden: Sequence[str],
        hidden_years: float,
        policy: Policy,
    ) -> Rows: ...


class SimulateEvents(Protocol):
    """Runs the same lives without physics."""

    def __call__(
        self,
        equipment: str,
        units: int,
        *,
        seed: int,
        hours: float,
        acceleration: float,
        habits: Habits,
        hidden: Sequence[str],
        hidden_years: float,
        policy: Policy,
        pace: Floats,
        discomfort: Callable[[float, Floats], Floats],
    ) -> Rows: ...


class World(NamedTuple):
    """The simulators, brought by whoever wires us to them, and the families that they know of each kind."""

    simulate: Simulate
    simulate_events: SimulateEvents
    families: dict[str, tuple[str, ...]]


class Weekly(NamedTuple):
    """Of a fleet, week by week, shape (W,): what each week added."""

    hours: Floats  # its end, since the start
    energy_kwh: Floats
    uncomfortable_hours: Floats
    downtime_hours: Floats


class Study(NamedTuple):
    """What came of one kind of equipment."""

    equipment: str
    families: tuple[str, ...]
    outcomes: dict[str, Outcome]  # by policy
    weekly: dict[str, Weekly]
    severity: dict[str, Floats]  # by policy, mean over units and time, (F,)
    failures: dict[str, Floats]  # by policy, hours at severity 1 a unit, (F,)
    saved_kwh: Floats  # by family, reactive minus plenum over the whole fleet, as the straight lines share it out, (F,)
    scenarios: list[dict[str, Outcome]]  # as SCENARIOS, by policy, without physics


def study(equipment: str, settings: ReportSettings, detection: Detection, seed: int, world: World) -> Study:
    """Run one kind of equipment.

    Raises:
        SettingsError: how well its faults are found has not been measured.
    """
    seen = kind_detection(detection, equipment)
    families = world.families[equipment]
    # Lives depend on seed, unit and family: kinds with seeds of their own have luck of their own.
    seed += zlib.crc32(equipment.encode()) % 100_000
    runs = {}
    for name in POLICIES:
        policy = Policy(name, families, settings.fleet.units, seed, settings, seen)
        runs[name] = world.simulate(
            equipment,
            settings.fleet.units,
            sites=settings.fleet.sites,
            climate=settings.fleet.climate,
            seed=seed,
            hours=run_hours(settings),
            acceleration=settings.faults.wear_acceleration,
            habits=habits(settings.faults),
            hidden=hidden(families, settings),
            hidden_years=settings.faults.hidden_years,
            policy=policy,
        )
    response = surrogate.fit(runs, equipment, settings)
    occupied = runs["reactive"].occupied_hours[-1]
    return Study(
        equipment,
        runs["reactive"].families,
        {name: outcome(rows, equipment, name, settings) for name, rows in runs.items()},
        {name: _weekly(rows, equipment, settings) for name, rows in runs.items()},
        {name: rows.severity_hours[-1].mean(axis=1) / rows.hours[-1] for name, rows in runs.items()},
        {name: rows.failed_hours[-1].mean(axis=1) for name, rows in runs.items()},
        _saved_by_family(response, runs),
        [
            _scenario(place, equipment, settings, seen, seed, world, response, occupied)
            for place in range(len(SCENARIOS))
        ],
    )


def kind_detection(detection: Detection, equipment: str) -> KindDetection:
    """How well faults of this kind are found.

    Raises:
        SettingsError: it has not been measured.
    """
    seen = detection.equipment.get(equipment)
    if seen is None:
        raise SettingsError(
            f"detection of equipment {equipment!r} has not been measured; there is {', '.join(detection.equipment)}: "
            "choose of these with --equipment, or measure it"
        )
    return seen


def run_hours(settings: ReportSettings) -> float:
    """Length of a run in whole days."""
    return 24.0 * max(1, round(settings.fleet.years * 365))


def habits(faults: FaultSettings) -> list[tuple[str, float, float]]:
    """What controllers do wrong: family, share of the units at the start, new ones a unit-year."""
    return [
        (name, getattr(faults, f"{name}_at_start_fraction"), getattr(faults, f"{name}_per_unit_year"))
        for name in _HABITS
    ]


def hidden(families: Sequence[str], settings: ReportSettings) -> list[str]:
    """Families that fail without stopping anything."""
    return [family for family in families if not settings.task(family).stops]


def _scenario(
    place: int,
    equipment: str,
    settings: ReportSettings,
    seen: KindDetection,
    seed: int,
    world: World,
    response: Response,
    occupied_hours: Floats,
) -> dict[str, Outcome]:
    """The three policies under one changed assumption, by lives and straight lines alone."""
    changed, detection = SCENARIOS[place].change(settings, seen)

    def discomfort(at_hours: float, severity: Floats) -> Floats:
        return surrogate.rate(response.discomfort, surrogate.quarter_of(at_hours), severity)

    price = response.price_per_kwh * changed.cost.electricity_per_kwh / max(settings.cost.electricity_per_kwh, 1e-9)
    found = {}
    for name in POLICIES:
        policy = Policy(name, world.families[equipment], settings.fleet.units, seed, changed, detection)
        rows = world.simulate_events(
            equipment,
            settings.fleet.units,
            seed=seed,
            hours=run_hours(settings),
            acceleration=changed.faults.wear_acceleration,
            habits=habits(changed.faults),
            hidden=hidden(world.families[equipment], changed),
            hidden_years=changed.faults.hidden_years,
            policy=policy,
            pace=response.pace,
            discomfort=discomfort,
        )
        energy = surrogate.predict(response.energy, rows)
        totals = {key: values[-1] for key, values in rows.totals.items()}
        uncomfortable, hours = rows.uncomfortable_hours[-1], float(rows.hours[-1])
        found[name] = assemble(
            totals, energy, energy * price, uncomfortable, occupied_hours, hours, name, changed
        )  # fmt: skip
    return found


def _weekly(rows: Rows, equipment: str, settings: ReportSettings) -> Weekly:
    used = energy_kwh(rows, equipment, settings)

    def added(since_start: Floats) -> Floats:
        return np.asarray(np.diff(since_start.sum(axis=1), prepend=0.0))

    return Weekly(
        rows.hours,
        added(used["electricity"] + used["fuel"]),
        added(rows.uncomfortable_hours),
        added(rows.totals["downtime_hours"]),
    )


def _saved_by_family(response: Response, runs: dict[str, Rows]) -> Floats:
    families = len(runs["reactive"].families)
    hours, before, _ = surrogate.illness(runs["reactive"])
    _, after, _ = surrogate.illness(runs["plenum"])
    line = response.energy
    saved = np.einsum("q,qf,qfu,u->f", hours, line.slope, before - after, line.size)
    shared: Floats = saved[:families] + saved[families:]
    return shared


def years_of(settings: ReportSettings) -> float:
    """Length of a run, for what is told a year."""
    return run_hours(settings) / YEAR_HOURS
