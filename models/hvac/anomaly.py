"""How far each point is from what the others explain: the anomaly model's reconstruction, freed of the unit's own offset.

The model gives for each target an expected value and how far healthy units stray from it in this condition. A unit's own
lasting deviation (a sensor's offset, a coil of another size) is learned like its other references and taken off. What is
left, over the limit that healthy units hardly ever pass, is the score; 1 is the alarm level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.hvac.alert_budget import COUNT, BudgetSettings, Prior, ceiling_of, fresh, levels, observe
from models.hvac.facts import NAN, Facts
from models.hvac.inputs import Spec
from models.hvac.points import Bools, Floats, P, State
from models.hvac.settings import BaselineSettings
from models.registry import Artifact

# Offsets are shrunk as if this many minutes without any had been seen before.
_SHRINK_MINUTES = 2.0
# The first minutes teach a unit's offset unless they are beyond any; later ones only while the unit looks healthy.
_OFFSET_MAX, _APART_MAX = 20.0, 3.5
_STEADY_MINUTES = 5
_BUDGET = BudgetSettings()
_NOTHING, _ONE = np.array(0, dtype=np.float32), np.array(1, dtype=np.float32)
PRIOR = ("prior.mean", "prior.deviation")  # of hours in which healthy units are read every minute, on the card
_SIGMA_LOG_MIN, _SIGMA_LOG_MAX = -5.0, 2.0


@dataclass(slots=True)
class Anomaly:
    """Of m units: `residual` (m, T) in healthy standard deviations; `expected`, `apart` (m, T) in steps of the inputs."""

    residual: Floats
    expected: Floats
    apart: Floats
    over: Floats  # |residual| over the limit of each target
    score: Floats  # (m,), over the unit's own alarm level
    raw: Floats  # (m,), over the limit of healthy units
    anomalous: Bools  # (m,)
    point_shares: Floats  # (m, P)


def split(outputs: Floats) -> tuple[Floats, Floats]:
    """Expected values and standard deviations, (m, T) each, out of the model's outputs (m, 2 T)."""
    targets = outputs.shape[1] // 2
    sigma_log = np.minimum(np.maximum(outputs[:, targets:], _SIGMA_LOG_MIN), _SIGMA_LOG_MAX)
    return outputs[:, :targets], np.exp(sigma_log.astype(np.float64)).astype(np.float32)


def unseen(facts: Facts) -> Anomaly:
    """What is known of m units of a kind that has no anomaly model: nothing."""
    m = len(facts.rows)
    none = np.empty((m, 0), dtype=np.float32)
    score = np.full(m, np.nan, dtype=np.float32)
    return Anomaly(none, none, none, none, score, score, np.zeros(m, dtype=bool), np.zeros((m, P), dtype=np.float32))


def look(
    state: State,
    facts: Facts,
    x: Floats,
    there: Bools,
    artifact: Artifact,
    settings: BaselineSettings,
) -> Anomaly:
    """Score one minute of m units; works on their learned offsets.

    Args:
        x: Inputs, shape (m, D).
        there: Which of them are not missing, shape (m, D).
    """
    at, spec = facts.at, facts.kind.models
    targets = len(spec.targets)
    expected, sigma = split(artifact.model(np.concatenate([x, there], axis=1, dtype=np.float32)))
    judged = there[:, spec.target_inputs] & facts.settled[:, None]
    raw = np.where(judged, (x[:, spec.target_inputs] - expected) / sigma, NAN)
    count, total = state["offset_count"][at, :targets], state["offset_sum"][at, :targets]
    offset = (total / (count + _SHRINK_MINUTES)).astype(np.float32)
    residual = raw - offset

    before = state["anomaly_minutes"][at]
    calm = (before == 0) & (state["fault_level"][at, : len(facts.kind.families)].max(axis=1) < 0.3)
    early = count < settings.minutes_min
    away = np.abs(residual)
    usable = np.where(early, np.abs(raw) < _OFFSET_MAX, (away < _APART_MAX) & calm[:, None])
    learn = judged & usable & (count < settings.minutes_max)
    learned = np.where(learn, raw, _NOTHING)
    state["offset_count"][at, :targets] = count + learn
    state["offset_sum"][at, :targets] = total + learned

    seen = np.where(judged, away / artifact.thresholds(spec.limits), _NOTHING)
    raw_score = np.where(judged.any(axis=1), seen.max(axis=1), NAN)
    score = _at_budget(state, facts, raw_score, artifact)
    minutes = np.minimum(before + 1, _STEADY_MINUTES) * ((score > 1) & facts.settled)
    state["anomaly_minutes"][at] = minutes
    return Anomaly(
        residual=residual,
        expected=expected + offset * sigma,
        apart=residual * sigma,
        over=seen,
        score=score,
        raw=raw_score,
        anomalous=minutes >= _STEADY_MINUTES,
        point_shares=_shares(spec, seen),
    )


def _at_budget(state: State, facts: Facts, raw: Floats, artifact: Artifact) -> Floats:
    """Scores over each unit's own alarm level, shape (m,); works on the unit's alert budget.

    A model whose card tells nothing of healthy block maxima has one level for all units.
    """
    told = artifact.card.thresholds
    if not set(PRIOR) <= told.keys():
        return raw
    prior = Prior(*(told[name] for name in PRIOR))
    budget = state["budget"][facts.at].copy()
    new = budget[:, COUNT] <= 0
    if new.any():
        budget[new] = fresh(int(new.sum()), prior, _BUDGET.prior_blocks)
    ceiling = ceiling_of(prior, _BUDGET)
    score = (raw / levels(budget, _BUDGET, ceiling)).astype(np.float32)
    is_open = state["anomaly_minutes"][facts.at] >= _STEADY_MINUTES
    state["budget"][facts.at] = observe(budget, raw.astype(np.float64), is_open, facts.at_ms, _BUDGET, ceiling)
    return score


def _shares(spec: Spec, over: Floats) -> Floats:
    """Share of each point in the score, shape (m, P): squares of what is over, the sum 1 where there is a score."""
    squares = over * over
    total = np.add.accumulate(squares, axis=1)[:, -1]  # in one order of addition, whatever the shape
    shares = np.zeros((len(over), P), dtype=np.float32)
    shares[:, spec.target_slots] = squares / np.where(total > 0, total, _ONE)[:, None]
    return shares
