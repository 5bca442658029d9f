"""From rules and model to the fault family: which of the six faults explains best what is seen, or none.

A small trained model weighs the confirmed rules and the pattern of what the anomaly model could not explain. The families
compete with each other and with a healthy unit (softmax); their probabilities are smoothed over a few minutes.
"""

from __future__ import annotations

import numpy as np

from models.hvac.facts import Facts
from models.hvac.families import FAMILIES, FAMILY_INDEX, F
from models.hvac.inputs import INPUT_INDEX, TARGETS
from models.hvac.points import Bools, Floats, State
from models.hvac.rules import RULE_TABLE, RULES, R

_CONTEXT = (
    "outdoor",
    "mixed",
    "mixed_absolute",
    "damper",
    "heating",
    "cooling",
    "speed",
    "heating_closed",
    "cooling_closed",
    "tracking",
    "running",
)
_CONTEXT_COLUMNS = np.array([INPUT_INDEX[name] for name in _CONTEXT])
DIAGNOSIS_INPUTS: tuple[str, ...] = (
    *(f"residual_{name}" for name in TARGETS),
    *(f"judged_{name}" for name in TARGETS),
    "filter_resistance_rise",
    "fan_speed_excess",
    *_CONTEXT,
    *(f"rule_{rule}" for rule in RULES),
)
DIAGNOSIS_OUTPUTS: tuple[str, ...] = tuple(f"logit_{name}" for name in ("healthy", *FAMILIES))
_RESIDUAL_STEP, _RESIDUAL_MAX = 4.0, 4.0
_LOGIT_MAX = 15.0
_KEEP_A_MINUTE = 0.8  # memory of the smoothed probability: about five minutes


def _speaks_for() -> Bools:
    table = np.zeros((R, F), dtype=bool)
    for index, rule in enumerate(RULE_TABLE):
        for family in rule.families:
            table[index, FAMILY_INDEX[family]] = True
    return table


# Which families a rule speaks for at all: an open episode of one of them explains the rule. Shape (R, F).
SPEAKS_FOR: Bools = _speaks_for()


def diagnosis_inputs(facts: Facts, x: Floats, residual: Floats, confirmed: Bools) -> Floats:
    """What the diagnosis model sees, shape (m, len(DIAGNOSIS_INPUTS)).

    Args:
        facts: Of this minute.
        x: Inputs of the anomaly model, shape (m, D).
        residual: What it could not explain, shape (m, T), NaN where not judged.
        confirmed: Rules confirmed now, shape (m, R).
    """
    judged = ~np.isnan(residual)
    steps = np.where(judged, residual, np.float32(0)) / np.float32(_RESIDUAL_STEP)
    rise = np.log(np.maximum(np.nan_to_num(facts.reference("filter_resistance_rise"), nan=1.0), 0.2)) * 2
    excess = np.nan_to_num(facts.reference("fan_speed_excess"), nan=0.0) * 10
    own = np.clip(np.stack([rise, excess], axis=1), -3, 3)
    pattern = np.clip(steps, -_RESIDUAL_MAX, _RESIDUAL_MAX)
    return np.concatenate(
        [pattern, judged, own, x[:, _CONTEXT_COLUMNS], confirmed],
        axis=1,
        dtype=np.float32,
    )


# A family is not believed unless one of these is beyond what healthy units show, or a rule speaks for it: whatever the
# model makes of a plant that it has never seen the like of.
SHOWS_IN: dict[str, tuple[str, ...]] = {
    "damper_stuck": ("mixed",),
    "heating_valve_leaking": ("supply", "hot_return", "tracking"),
    "filter_fouled": ("filter_pressure_per_flow",),
    "supply_air_sensor_drift": ("supply", "tracking"),
    "fan_belt_worn": ("fan_speed_excess",),
    "cooling_capacity_low": ("supply", "tracking", "chilled_water", "chilled_return"),
}
_SHOWS_OVER, _UNSEEN = 0.5, 10.0
_TARGET_INDEX = {name: index for index, name in enumerate(TARGETS)}


def _unseen(over: Floats, confirmed: Bools) -> Bools:
    """For which families nothing stands out, shape (m, F)."""
    unseen = np.ones((len(over), F), dtype=bool)
    for family, name in enumerate(FAMILIES):
        for target in SHOWS_IN[name]:
            unseen[:, family] &= over[:, _TARGET_INDEX[target]] < _SHOWS_OVER
        for rule in np.flatnonzero(SPEAKS_FOR[:, family]):
            unseen[:, family] &= ~confirmed[:, rule]
    return unseen


def fault_probability(state: State, facts: Facts, logits: Floats, over: Floats, confirmed: Bools) -> Floats:
    """Probability of each family, shape (m, F), smoothed over minutes; what is left to 1 is that of no fault.

    Works on `state`; minutes in which the unit rests or starts up change nothing.

    Args:
        facts: Of this minute.
        logits: Of the diagnosis model, shape (m, 1 + F), no fault first.
        over: How far each target is over the limit of healthy units, shape (m, T).
        confirmed: Rules confirmed now, shape (m, R).
    """
    logits = np.clip(logits, -_LOGIT_MAX, _LOGIT_MAX)
    logits[:, 1:] -= np.where(_unseen(over, confirmed), np.float32(_UNSEEN), np.float32(0))
    for index, rule in enumerate(RULE_TABLE):
        if rule.weight:
            family = 1 + FAMILY_INDEX[rule.families[0]]
            logits[:, family] += np.where(confirmed[:, index], np.float32(rule.weight), np.float32(0))
    share = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
    # Added column by column: numpy's own sum would round by the shape.
    total = np.zeros(len(share))
    for column in range(1 + F):
        total += share[:, column]
    probability = (share[:, 1:] / total[:, None]).astype(np.float32)
    keep = np.float32(_KEEP_A_MINUTE) ** np.minimum(facts.elapsed_minutes, np.float32(5))
    before = state["fault_level"][facts.rows]
    level = np.where(
        facts.settled[:, None],
        probability + keep[:, None] * (before - probability),
        before,
    )
    state["fault_level"][facts.rows] = level
    smoothed: Floats = level.astype(np.float32)
    return smoothed


def visible(excess: Floats) -> Bools:
    """For which families at least one rule could be judged, shape (m, F)."""
    judged = ~np.isnan(excess)
    seen = np.zeros((len(excess), F), dtype=bool)
    for index in range(R):
        seen |= judged[:, index, None] & SPEAKS_FOR[index]
    return seen


def leading_rule(confirmed: Bools, family: int) -> int:
    """The confirmed rule that speaks loudest for a family, as an index into RULES; -1 if there is none.

    Args:
        confirmed: Of one unit, shape (R,).
    """
    speaking = [index for index in np.flatnonzero(confirmed) if SPEAKS_FOR[index, family]]
    return int(
        min(
            speaking,
            key=lambda index: RULE_TABLE[index].families.index(FAMILIES[family]),
            default=-1,
        )
    )


def rule_name(index: int) -> str:
    """Id of a rule, or `model` where none spoke."""
    return RULES[index] if index >= 0 else "model"
