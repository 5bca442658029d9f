"""The shipped monitor on fleets that wear: units, sites and climates that no training has met, every kind of equipment.

Lead time: from the first alert of a unit that was not healthy to its failure by wear, 0 where none came. False episodes are
those of fleets beside them of which nothing wears. Sudden failures are left out of the lead time, for nothing could tell
them, but not out of the probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from models.contracts.figures import Figure, wilson
from models.hvac import risk
from models.hvac.calibration import calibration
from models.hvac.curriculum_kinds import healthy_fleet, wearing_fleet
from models.hvac.families import HORIZONS_HOURS
from models.hvac.fleet_life import FleetLife, LivingPlant, families_told, follow
from models.hvac.kinds import KINDS
from models.hvac.monitor import Monitor
from models.hvac.train_risk import covered

_SEED = 92_000
_BOOTSTRAPS = 500
_UNITS_APART = 1_000_000  # units of different kinds have numbers of their own


def figures(
    plant: LivingPlant, monitor: Monitor, units: int = 40, days: float = 90, kinds: Sequence[str] = tuple(KINDS)
) -> list[Figure]:
    """Score a monitor on one fresh fleet of each kind.

    Args:
        plant: Plays a lesson in which parts wear.
        monitor: With its models and thresholds.
        units: In each fleet.
        days: For which it is watched.
        kinds: Of equipment.
    """
    lives = {
        kind: follow(plant, wearing_fleet(kind, _SEED + place, units, days, "unseen", place % 4), monitor)
        for place, kind in enumerate(kinds)
    }
    well = {
        kind: follow(plant, healthy_fleet(kind, _SEED + 50 + place, units, days / 2, "unseen", place % 4), monitor)
        for place, kind in enumerate(kinds)
    }
    rng = np.random.default_rng(_SEED)
    found = []
    for kind, life in lives.items():
        found += [replace(one, name=f"fleet.{kind}.{one.name}") for one in _of([life], [well[kind]], rng)]
        found += _named(life, kind)
        found.append(Figure(f"fleet.{kind}.rul_interval_coverage", _coverage(life, monitor, kind), "fraction"))
    found += [replace(one, name=f"fleet.{one.name}") for one in _of(list(lives.values()), list(well.values()), rng)]
    found += _calibration(list(lives.values()), rng)
    share = [_coverage(life, monitor, kind) for kind, life in lives.items()]
    weight = [float((life.failed_at_ms >= 0).sum()) for life in lives.values()]
    low, high = wilson(round(float(np.average(share, weights=weight)) * int(sum(weight))), int(sum(weight)))
    found.append(Figure("fleet.rul_interval_coverage", float(np.average(share, weights=weight)), "fraction", low, high))
    return found


def _of(lives: Sequence[FleetLife], well: Sequence[FleetLife], rng: np.random.Generator) -> list[Figure]:
    """Lead time and false episodes, with intervals by bootstrap over units."""
    leads = [lead for life in lives for lead in life.lead_hours()]
    out = []
    if leads:
        draws = [float(np.median(rng.choice(leads, len(leads)))) for _ in range(_BOOTSTRAPS)]
        low, high = (float(bound) for bound in np.quantile(draws, (0.025, 0.975)))
        out.append(Figure("lead_time_hours_median", float(np.median(leads)), "hours", low, high))
        told = sum(lead > 0 for lead in leads)
        out.append(Figure("wear_failures_told", told / len(leads), "fraction", *wilson(told, len(leads))))
    false = np.concatenate([life.false_episodes() for life in well])
    weeks = sum(life.healthy_unit_weeks for life in well)
    draws = [float(rng.choice(false, len(false)).sum() / weeks) for _ in range(_BOOTSTRAPS)]
    low, high = (float(bound) for bound in np.quantile(draws, (0.025, 0.975)))
    out.append(Figure("false_episodes_per_unit_week", float(false.sum() / weeks), "episodes", low, high))
    return out


def _named(life: FleetLife, kind: str) -> list[Figure]:
    """How often an alert on a worn unit named the part that was worn most."""
    counts = families_told([life], kind).values()
    right, told = sum(right for right, _ in counts), sum(of_all for _, of_all in counts)
    if not told:
        return []
    return [Figure(f"fleet.{kind}.alerts_naming_the_worst_part", right / told, "fraction", *wilson(right, told))]


def _calibration(lives: Sequence[FleetLife], rng: np.random.Generator) -> list[Figure]:
    """Calibration error of both horizons over all kinds, and the worse of them."""
    out = []
    for column, horizon in enumerate(HORIZONS_HOURS):
        predicted, truth, unit = [], [], []
        for place, life in enumerate(lives):
            known = (life.recorded_hours >= horizon) & np.isfinite(life.probability[:, column])
            predicted.append(life.probability[known, column])
            truth.append((life.failed & (life.left_hours <= horizon))[known])
            unit.append(life.unit[known] + place * _UNITS_APART)
        out += calibration(
            np.concatenate(predicted), np.concatenate(truth), np.concatenate(unit), f"fleet.{horizon}h", rng
        )
    worst = max((one for one in out if one.name.endswith("calibration_error")), key=lambda one: one.value)
    return [*out, replace(worst, name="fleet.calibration_error")]


def _coverage(life: FleetLife, monitor: Monitor, kind: str) -> float:
    model = monitor.models_of(kind).risk
    if model is None:
        return float("nan")
    levels = model.thresholds(risk.RISK_LEVELS)
    logits = model.model(life.inputs)
    return covered(logits, life.left_hours, life.failed, life.unit, (float(levels[0]), float(levels[1])))
