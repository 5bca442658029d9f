"""From rules and model to the fault family: which of the six faults explains best what is seen, or none.

Each confirmed rule speaks for the families that cause it, with a weight (natural logarithm of how many times likelier it is
with the fault than without). The families compete with each other and with a healthy unit: softmax over their sums.
"""

from __future__ import annotations

import numpy as np

from models.hvac.families import FAMILY_INDEX, F
from models.hvac.points import Bools, Floats
from models.hvac.rules import RULE_TABLE, RULES, R

# A fault is rare: odds before any evidence.
_PRIOR = np.float32(-4.0)
# Weight of a rule for its likeliest family, and for the next ones.
_WEIGHTS = (6.0, 5.0, 4.0)


def _table() -> Floats:
    weights = np.zeros((R, F), dtype=np.float32)
    for index, rule in enumerate(RULE_TABLE):
        for family, weight in zip(rule.families, _WEIGHTS, strict=False):
            weights[index, FAMILY_INDEX[family]] = weight
    return weights


WEIGHTS = _table()
# Which families a rule speaks for at all: an open episode of one of them explains the rule.
SPEAKS_FOR: Bools = WEIGHTS > 0


def fault_probability(confirmed: Bools) -> Floats:
    """Probability of each family, shape (m, F); what is left to 1 is the probability of no fault.

    Args:
        confirmed: Rules confirmed now, shape (m, R).
    """
    # Added rule by rule: a matrix product would round by the number of rows.
    odds = np.full((len(confirmed), F), _PRIOR, dtype=np.float32)
    for index in range(R):
        if RULE_TABLE[index].families:
            odds += np.where(confirmed[:, index, None], WEIGHTS[index], np.float32(0))
    share = np.exp(odds)
    total = np.float32(1) + _sum_columns(share)
    probability: Floats = share / total[:, None]
    return probability


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
    weights = np.where(confirmed, WEIGHTS[:, family], 0)
    best = int(np.argmax(weights))
    return best if weights[best] > 0 else -1


def rule_name(index: int) -> str:
    """Id of a rule, or `model` where none spoke."""
    return RULES[index] if index >= 0 else "model"


def _sum_columns(values: Floats) -> Floats:
    total = np.zeros(len(values), dtype=values.dtype)
    for column in range(values.shape[1]):
        total += values[:, column]
    return total
