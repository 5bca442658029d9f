"""Will this unit fail soon? Health figures, followed over running time, and what a trained hazard makes of them.

The model gives the probability that a unit which still works at the start of an interval fails within it (a discrete-time
hazard), for intervals that end at the hours below; probabilities at the horizons and the median time follow from it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.hvac.anomaly import Anomaly
from models.hvac.facts import Facts
from models.hvac.families import HORIZONS_HOURS, H
from models.hvac.inputs_ahu import AHU
from models.hvac.points import Floats, State
from models.registry import Artifact

INTERVAL_ENDS_HOURS: tuple[int, ...] = (6, 12, 24, 48, 96, 168, 336)
K = len(INTERVAL_ENDS_HOURS)
T, F = len(AHU.targets), len(AHU.families)
_FIGURES = (*AHU.targets, "filter_resistance_rise", "fan_speed_excess", *(f"fault_{name}" for name in AHU.families))
_J = len(_FIGURES)
RISK_INPUTS: tuple[str, ...] = (
    *(f"fast_{name}" for name in _FIGURES),
    *(f"slow_{name}" for name in _FIGURES),
    "health_minutes",
)
RISK_OUTPUTS: tuple[str, ...] = tuple(f"hazard_until_{hours}h" for hours in INTERVAL_ENDS_HOURS)
_FAST_MINUTES, _SLOW_MINUTES = 120.0, 1440.0
_OVER_MAX = 6.0


class Risk(NamedTuple):
    """Of m units: `probability` (m, H) of a failure within each horizon, `hours` (m,) to it, NaN when it is far away."""

    probability: Floats
    hours: Floats


def follow(state: State, facts: Facts, anomaly: Anomaly) -> None:
    """Take one minute into the slow view of each unit's health; minutes at rest or in start-up are left out."""
    rows = facts.rows
    figures = np.zeros((len(rows), _J), dtype=np.float32)
    figures[:, :T] = np.minimum(anomaly.over, np.float32(_OVER_MAX))
    rise = np.nan_to_num(facts.reference("filter_resistance_rise"), nan=1.0)
    figures[:, T] = np.clip(2 * np.log(np.maximum(rise, np.float32(0.5))), -2, 6)
    figures[:, T + 1] = np.clip(10 * np.nan_to_num(facts.reference("fan_speed_excess"), nan=0.0), -2, 6)
    figures[:, T + 2 :] = state["fault_level"][rows, :F]
    took = np.where(facts.settled, facts.elapsed_minutes, np.float32(0))
    minutes = state["health_minutes"][rows] + took
    for name, memory in (
        ("health_fast", _FAST_MINUTES),
        ("health_slow", _SLOW_MINUTES),
    ):
        # A plain mean at first, then one that forgets.
        part = took / np.maximum(np.minimum(minutes, np.float32(memory)), np.float32(1))
        before = state[name][rows, :_J]
        state[name][rows, :_J] = before + np.minimum(part, np.float32(1))[:, None] * (figures - before)
    state["health_minutes"][rows] = minutes


def risk_inputs(state: State, facts: Facts) -> Floats:
    """What the hazard model sees, shape (m, len(RISK_INPUTS))."""
    rows = facts.rows
    seen = np.log1p(np.minimum(state["health_minutes"][rows], np.float32(10_000))) / np.float32(8)
    return np.concatenate(
        [state["health_fast"][rows, :_J], state["health_slow"][rows, :_J], seen[:, None]],
        axis=1,
        dtype=np.float32,
    )


def failure_risk(state: State, facts: Facts, artifact: Artifact) -> Risk:
    """Probability and time of a failure, as of this minute."""
    return survive(artifact.model(risk_inputs(state, facts)))


def unknown(units: int) -> Risk:
    """Nothing is known of so many units: they are of a kind whose failures no model was trained on."""
    return Risk(np.full((units, H), np.nan, dtype=np.float32), np.full(units, np.nan, dtype=np.float32))


def survive(logits: Floats) -> Risk:
    """Hazards (m, K) as logits, turned into probabilities at the horizons and the median hours to failure."""
    hazard = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -30, 30)))
    m = len(hazard)
    survival = np.ones((m, K + 1))
    for interval in range(K):
        survival[:, interval + 1] = survival[:, interval] * (1 - hazard[:, interval])
    probability = np.stack(
        [1 - survival[:, 1 + INTERVAL_ENDS_HOURS.index(hours)] for hours in HORIZONS_HOURS],
        axis=1,
    )
    ends = np.array([0, *INTERVAL_ENDS_HOURS], dtype=np.float64)
    at = np.minimum((survival > 0.5).sum(axis=1), K)
    before, after = survival[np.arange(m), at - 1], survival[np.arange(m), at]
    share = (before - 0.5) / np.maximum(before - after, 1e-12)
    hours = ends[at - 1] + np.clip(share, 0, 1) * (ends[at] - ends[at - 1])
    hours = np.where(survival[:, -1] > 0.5, np.nan, hours)
    return Risk(probability.astype(np.float32), hours.astype(np.float32))
