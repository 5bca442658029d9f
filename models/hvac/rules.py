"""The rule library: which rules hold, each a vectorised comparison of what was measured with what physics allows.

A rule gives its *excess* over its threshold for every unit at once, in its own unit: above 0 the rule holds, NaN means that
it cannot be judged now (a point is missing, the equipment is off or just started). It is *confirmed* once it has held for
its confirmation time. The table has two parts: the catalogue of 62 rules after ASHRAE Guideline 36 (G36), NIST's air
handler performance assessment rules (APAR) and open-fdd, and rules of our own; equations are in our words and units.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.points import POINTS
from models.hvac.conditions import GATE_PROOF, GATES
from models.hvac.conditions_sensor import culprits
from models.hvac.facts import NAN, Facts
from models.hvac.points import R_MAX, Bools, Floats, Ints, P, Rows, State
from models.hvac.rule import Rule
from models.hvac.rules_air import AIR_RULES
from models.hvac.rules_evidence import EVIDENCE_RULES
from models.hvac.rules_plant import PLANT_RULES
from models.hvac.rules_sensor import SENSOR_RULES
from models.hvac.rules_terminal import TERMINAL_RULES
from models.hvac.settings import RuleSettings

if TYPE_CHECKING:
    from models.hvac.kinds import Kind

__all__ = ["CATALOGUE", "RULE_BY_ID", "RULE_TABLE", "Rule", "confirm", "judge", "suspects"]

CATALOGUE: tuple[Rule, ...] = (*AIR_RULES, *PLANT_RULES, *TERMINAL_RULES, *SENSOR_RULES)
# Our own first: where both speak for a family equally, theirs is the name that an alert gets.
RULE_TABLE: tuple[Rule, ...] = (*EVIDENCE_RULES, *CATALOGUE)
RULE_BY_ID: dict[str, Rule] = {rule.id: rule for rule in RULE_TABLE}


class _Plan(NamedTuple):
    """What judging a kind of equipment needs, worked out once."""

    needs: Floats  # (P, R_MAX)
    groups: Floats  # (P, G): points of which one is enough
    grouped: Floats  # (G, R_MAX): rules that need the group
    gates: tuple[str, ...]
    gate_of: Rows  # (R_MAX,), place among gates
    slack: Floats  # (R_MAX,), taken off the excess
    sweeps: Rows  # rules that look at all sensors or outputs


@lru_cache(maxsize=64)
def _plan(kind: Kind) -> _Plan:
    groups: dict[tuple[str, ...], list[int]] = {}
    gates: dict[str, int] = {"any": 0}
    gate_of = np.zeros(R_MAX, dtype=np.intp)
    slack = np.zeros(R_MAX, dtype=np.float32)
    for index, rule in enumerate(kind.rules):
        proof = GATE_PROOF.get(rule.gate)
        for group in (*rule.any_of, *((proof,) if proof else ())):
            groups.setdefault(tuple(point for point in group if point in kind.slot), []).append(index)
        gate_of[index] = gates.setdefault(rule.gate, len(gates))
        slack[index] = -rule.slack if rule.inclusive else rule.slack
    members = np.zeros((P, len(groups)), dtype=np.float32)
    grouped = np.zeros((len(groups), R_MAX), dtype=np.float32)
    for number, (points, users) in enumerate(groups.items()):
        members[[kind.slot[point] for point in points], number] = 1
        grouped[number, users] = 1
    sweeps = np.array([slot for slot, rule in enumerate(kind.rules) if rule.sweep], dtype=np.intp)
    return _Plan(kind.needs.T.astype(np.float32), members, grouped, tuple(gates), gate_of, slack, sweeps)


def judge(facts: Facts, settings: RuleSettings) -> Floats:
    """Excess of every rule of the kind over its threshold, shape (m, R_MAX); NaN where a rule cannot be judged."""
    kind, plan, facts = facts.kind, _plan(facts.kind), facts.numbers()
    excess = np.full((len(facts.rows), R_MAX), np.nan, dtype=np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        closed = _closed(facts, settings, plan)
        unjudged = np.logical_and.reduce(closed, axis=0).tolist()
        for index, rule in enumerate(kind.rules):
            if not unjudged[index]:
                excess[:, index] = rule.excess(facts, settings)
        excess -= plan.slack
    np.copyto(excess, NAN, where=closed)
    return excess


def _closed(facts: Facts, settings: RuleSettings, plan: _Plan) -> Bools:
    """Which rules cannot be judged: a point is missing, or the unit does not do what the rule is about, (m, R_MAX)."""
    # Counts of points, small whole numbers: exact in float32 in any order of addition.
    missing = np.isnan(facts.mean).astype(np.float32)
    closed: Bools = np.greater(missing @ plan.needs, 0)
    lacking = ((1 - missing) @ plan.groups == 0).astype(np.float32)
    closed |= np.greater(lacking @ plan.grouped, 0)
    opened = np.empty((len(facts.rows), len(plan.gates)), dtype=bool)
    for place, name in enumerate(plan.gates):
        opened[:, place] = GATES[name](facts, settings)
    closed |= ~opened[:, plan.gate_of]
    return closed


def suspects(facts: Facts, confirmed: Bools, settings: RuleSettings) -> dict[str, Rows]:
    """By confirmed rules that look at all sensors or outputs of a unit: the slot of the worst one, shape (m,) each."""
    rules, sweeps = facts.kind.rules, _plan(facts.kind).sweeps
    confirmed_now = confirmed[:, sweeps].any(axis=0)
    return {rules[slot].id: culprits(rules[slot].id, facts, settings) for slot in sweeps[confirmed_now].tolist()}


def confirmation_ms(kind: Kind, settings: RuleSettings) -> Ints:
    """For how long each rule must hold, shape (R_MAX,)."""
    if not settings.confirmation_seconds:
        return kind.confirmation_ms
    needed: npt.NDArray[np.int64] = kind.confirmation_ms.copy()
    for rule, seconds in settings.confirmation_seconds.items():
        if rule in kind.rule_slot:
            needed[kind.rule_slot[rule]] = seconds * 1000
    return needed


def confirm(state: State, facts: Facts, excess: Floats, settings: RuleSettings) -> Bools:
    """Which rules have held for their confirmation time, shape (m, R_MAX).

    A minute without verdict neither confirms nor ends a rule, unless it lasts longer than a gap may.

        holds   . x x x x x x ? x x x x . x
        since     |                     |        confirmed once since is long enough ago and the rule holds now
    """
    at = facts.at_ms[:, None]
    since, last = state["rule_true_since_ms"][facts.at], state["rule_true_at_ms"][facts.at]
    holds = excess > 0
    stale = facts.broken[:, None] | (at - last > settings.gap_seconds * 1000 + 60_000)
    since = np.where(holds, np.where((since < 0) | stale, at, since), since)
    since = np.where((excess <= 0) | (stale & ~holds), -1, since)
    state["rule_true_since_ms"][facts.at] = since
    state["rule_true_at_ms"][facts.at] = np.where(holds, at, last)
    long_enough = at + facts.holds_ms[:, None] - since >= confirmation_ms(facts.kind, settings)
    confirmed: Bools = holds & long_enough
    return confirmed


def _check_table() -> None:
    """Every point, gate and kin that the table names exists, every id once; a misspelling fails at import."""
    if len(RULE_BY_ID) != len(RULE_TABLE):
        raise ValueError(f"rules: {len(RULE_TABLE)} rows, {len(RULE_BY_ID)} different ids")
    for rule in RULE_TABLE:
        named = (*rule.points, *rule.optional, *(point for group in rule.any_of for point in group))
        unknown = [point for point in named if point not in POINTS]
        if unknown or rule.gate not in GATES or (rule.kin and rule.kin not in RULE_BY_ID):
            raise ValueError(f"rule {rule.id}: unknown points {unknown!r}, gate {rule.gate!r} or kin {rule.kin!r}")


_check_table()
