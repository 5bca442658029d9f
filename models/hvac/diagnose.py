"""From rules and model to the fault family: which faults explain best what is seen, or none.

Where a kind of equipment has trained models, a small one weighs the confirmed rules and the pattern of what the anomaly
model could not explain: the families that it tells apart compete with each other and with a healthy unit (softmax). All
other families are told by the rules that lead to them. Probabilities are smoothed over a few minutes.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from models.hvac.facts import Facts
from models.hvac.families import SENSOR_FAMILIES
from models.hvac.inputs import Spec
from models.hvac.kinds import Kind
from models.hvac.points import F_MAX, R_MAX, Bools, Floats, State
from models.hvac.verdicts import Verdicts

_RESIDUAL_STEP, _RESIDUAL_MAX = 4.0, 4.0
_LOGIT_MAX = 15.0
_KEEP_A_MINUTE = 0.8  # memory of the smoothed probability: about five minutes
# What a confirmed rule is worth alone: enough to open an episode once it has stayed for some minutes.
_RULE_PROBABILITY = np.array(0.8, dtype=np.float32)
_SHOWS_OVER, _UNSEEN = 0.5, np.array(10, dtype=np.float32)
_NOTHING = np.array(0, dtype=np.float32)


def diagnosis_inputs(facts: Facts, x: Floats, residual: Floats, confirmed: Bools) -> Floats:
    """What the diagnosis model sees, shape (m, columns of the spec's `diagnosis_inputs`).

    Args:
        facts: Of this minute, of a kind that has trained models.
        x: Inputs of the anomaly model, shape (m, D).
        residual: What it could not explain, shape (m, T), NaN where not judged.
        confirmed: Rules confirmed now, shape (m, R_MAX).
    """
    kind = facts.kind
    judged = ~np.isnan(residual)
    steps = np.where(judged, residual, _NOTHING) / np.float32(_RESIDUAL_STEP)
    own = np.empty((len(x), 2), dtype=np.float32)
    own[:, 0] = np.log(np.maximum(facts.known_reference("filter_resistance_rise", 1), 0.2)) * 2
    own[:, 1] = facts.known_reference("fan_speed_excess", 0) * 10
    own = np.minimum(np.maximum(own, -3), 3)
    pattern = np.minimum(np.maximum(steps, -_RESIDUAL_MAX), _RESIDUAL_MAX)
    context = x[:, kind.models.context_inputs]
    return np.concatenate([pattern, judged, own, context, confirmed[:, kind.evidence]], axis=1, dtype=np.float32)


def _unseen(kind: Kind, spec: Spec, over: Floats, confirmed: Bools) -> Bools:
    """For which of the model's families nothing stands out, shape (m, families of the spec)."""
    # Counts, small whole numbers: exact in float32.
    stands_out = (over >= _SHOWS_OVER).astype(np.float32) @ spec.shows
    spoken_for = confirmed[:, kind.evidence].astype(np.float32) @ kind.evidence_speaks_for
    unseen: Bools = (stands_out + spoken_for) == 0
    return unseen


def _by_model(kind: Kind, logits: Floats, over: Floats, confirmed: Bools) -> Floats:
    """Probability of the families that the model tells apart, shape (m, families of the spec)."""
    spec = kind.models
    logits = np.minimum(np.maximum(logits, -_LOGIT_MAX), _LOGIT_MAX)
    logits[:, 1:] -= np.where(_unseen(kind, spec, over, confirmed), _UNSEEN, _NOTHING)
    for rule, family, weight in kind.weights:
        logits[:, 1 + family] += np.where(confirmed[:, rule], np.float32(weight), _NOTHING)
    share = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
    # A running sum adds in one order; numpy's own sum would round by the shape.
    total = np.add.accumulate(share, axis=1)[:, -1:]
    probability: Floats = (share[:, 1:] / total).astype(np.float32)
    return probability


@lru_cache(maxsize=64)
def _leads(kind: Kind) -> Floats:
    """Which rules lead to which of the families that rules alone tell, as counts, (R_MAX, F_MAX)."""
    leads = np.zeros((R_MAX, F_MAX), dtype=np.float32)
    for family, rules in kind.leads:
        leads[rules, family] = 1
    return leads


def fault_probability(
    state: State, facts: Facts, logits: Floats | None, over: Floats, confirmed: Bools, judged: Bools
) -> Floats:
    """Probability of each family, shape (m, F_MAX), smoothed over minutes.

    Those of the model's families and that of no fault sum to 1; a family that only rules tell stands by itself. Works on
    `state`; minutes in which a family is not judged change nothing of it.

    Args:
        facts: Of this minute.
        logits: Of the diagnosis model, shape (m, 1 + its families), no fault first; None without a model.
        over: How far each target is over the limit of healthy units, shape (m, T).
        confirmed: Rules confirmed now, shape (m, R_MAX).
        judged: For which families this minute says anything, shape (m, F_MAX).
    """
    kind = facts.kind
    led = confirmed.astype(np.float32) @ _leads(kind) > 0
    probability = np.where(led, _RULE_PROBABILITY, _NOTHING)
    if logits is not None:
        probability[:, : kind.modelled] = _by_model(kind, logits, over, confirmed)
    keep = np.float32(_KEEP_A_MINUTE) ** np.minimum(facts.elapsed_minutes, np.float32(5))
    before = state["fault_level"][facts.at]
    level: Floats = np.where(judged, probability + keep[:, None] * (before - probability), before)
    state["fault_level"][facts.at] = level
    return level


def visible(kind: Kind, excess: Floats) -> Bools:
    """For which families at least one rule could be judged, shape (m, F_MAX)."""
    # Counts of rules, small whole numbers: exact in float32.
    count = (~np.isnan(excess)).astype(np.float32) @ kind.speaks_for_count
    seen: Bools = count > 0
    return seen


def leading_rule(kind: Kind, confirmed: Bools, family: int) -> int:
    """The confirmed rule that speaks loudest for a family, as a slot; -1 if there is none.

    Args:
        kind: Of the unit.
        confirmed: Of one unit, shape (R_MAX,).
        family: Slot of the family.
    """
    speaking = np.flatnonzero(confirmed & kind.speaks_for[:, family]).tolist()
    name = kind.family_names[family]
    return int(min(speaking, key=lambda rule: kind.rules[rule].families.index(name), default=-1))


def sensor_probability(verdicts: Verdicts) -> Floats:
    """How much of what is wrong is a sensor's, shape (m,): the sensor families' share of all faults; NaN where none shows.

    What remains to 1 is the equipment's.
    """
    sensors = np.array([name in SENSOR_FAMILIES for name in verdicts.kind.family_names])
    whole = np.zeros(len(verdicts.rows), dtype=np.float32)
    part = np.zeros(len(verdicts.rows), dtype=np.float32)
    for family, sensor in enumerate(sensors):
        whole += verdicts.fault_probability[:, family]
        if sensor:
            part += verdicts.fault_probability[:, family]
    share = np.full(len(whole), np.nan, dtype=np.float32)
    np.divide(part, whole, out=share, where=whole > 0.01)
    return share
