"""Rules over recorded readings of one unit: windows, conditions and confirmation are those of edge and stream. Pure.

readings   x . x x   x          in order of time, each time once; those of one minute are one mean
holds      [--)[--)[---..)      a reading stands until the next one, but no longer than a gap
condition      #######          judged at each reading
fault            #####          once it has held for its confirmation time, the reading's own time included
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from models.hvac import baseline, features, rules
from models.hvac.conditions import GATE_PROOF, GATES
from models.hvac.features import Minutes
from models.hvac.kinds import Kind
from models.hvac.points import Bools, Floats, Ints, P
from models.hvac.rule import Rule
from models.hvac.settings import MonitorSettings

FAULT, PASS = "FAULT", "PASS"
SKIPPED_MISSING, SKIPPED_OFF, NOT_APPLICABLE = (
    "SKIPPED_MISSING_ROLES", "SKIPPED_EQUIPMENT_OFF", "NOT_APPLICABLE_EQUIPMENT_TYPE",
)  # fmt: skip
MINUTE_MS = 60_000


class Outcome(NamedTuple):
    """What became of one rule over all readings. `first_at_ms` is when it was first confirmed, -1 if never."""

    rule: str
    status: str
    first_at_ms: int = -1
    fault_hours: float = 0.0
    missing: tuple[str, ...] = ()


def run_rules(
    kind: Kind,
    at_ms: Ints,
    values: npt.NDArray[np.floating],
    settings: MonitorSettings,
    ids: Collection[str] = (),
    interval_ms: int = 0,
) -> list[Outcome]:
    """Judge rules over all readings of one unit.

    Args:
        kind: What the unit is.
        at_ms: When each reading was taken, shape (n,), in any order.
        values: Its points in the kind's slots and our units, shape (n, P); NaN where missing.
        settings: As the monitor has them; a gap is at least two usual intervals here.
        ids: Rules to judge, all that the kind has by default.
        interval_ms: Usual time between readings; found from them if 0.

    Returns:
        One outcome a rule, in the order of `ids` or of the table.
    """
    wanted = tuple(ids) or kind.rule_ids
    minutes_at_ms, means = _minutes(at_ms, values)
    if not interval_ms:
        interval_ms = int(np.median(np.diff(minutes_at_ms))) if len(minutes_at_ms) > 1 else MINUTE_MS
    gap_seconds = max(settings.rules.gap_seconds, 2 * interval_ms // 1000)
    rule_settings = msgspec.structs.replace(settings.rules, gap_seconds=gap_seconds)
    holds_ms = np.diff(minutes_at_ms, append=minutes_at_ms[-1:] + interval_ms)
    holds_ms = np.minimum(holds_ms, gap_seconds * 1000)

    state = features.new_state(1)
    confirmed = np.zeros((len(minutes_at_ms), len(kind.rules)), dtype=bool)
    opened = dict.fromkeys(GATES, False)
    row, whole = np.zeros(1, dtype=np.intp), np.ones(1, dtype=np.float32)
    for index in range(len(minutes_at_ms)):
        minute = Minutes(kind, row, minutes_at_ms[index : index + 1], means[index : index + 1], whole)
        facts = features.observe(state, minute, rule_settings, holds_ms[index : index + 1])
        facts.references = baseline.refer(state, facts, settings.baseline)
        excess = rules.judge(facts, rule_settings)
        confirmed[index] = rules.confirm(state, facts, excess, rule_settings)[0, : len(kind.rules)]
        for name, gate in GATES.items():
            opened[name] = opened[name] or bool(gate(facts, rule_settings)[0])
    known: Bools = np.any(~np.isnan(means), axis=0)
    return [_outcome(kind, rule, known, opened, confirmed, minutes_at_ms, holds_ms) for rule in wanted]


def _outcome(
    kind: Kind, name: str, known: Bools, opened: dict[str, bool], confirmed: Bools, at_ms: Ints, holds_ms: Ints
) -> Outcome:
    if name not in kind.rule_slot:
        return Outcome(name, NOT_APPLICABLE)
    slot = kind.rule_slot[name]
    rule = kind.rules[slot]
    missing = lacking(kind, rule, known)
    if missing:
        return Outcome(name, SKIPPED_MISSING, missing=missing)
    if not opened[rule.gate]:
        return Outcome(name, SKIPPED_OFF)
    faults = confirmed[:, slot]
    if not faults.any():
        return Outcome(name, PASS)
    hours = float(holds_ms[faults].sum()) / 3_600_000
    return Outcome(name, FAULT, int(at_ms[faults.argmax()]), hours)


def lacking(kind: Kind, rule: Rule, known: Bools) -> tuple[str, ...]:
    """Points without which the rule gives no verdict, and that are not read; groups of which one would do as `a | b`.

    Args:
        kind: What the unit is.
        rule: One of its rules.
        known: Whether each point is ever read, shape (P,).
    """

    def read(point: str) -> bool:
        return point in kind.slot and bool(known[kind.slot[point]])

    missing = [point for point in rule.points if not read(point)]
    groups = [*rule.any_of, *([GATE_PROOF[rule.gate]] if rule.gate in GATE_PROOF else [])]
    for group in groups:
        theirs = [point for point in group if point in kind.slot]
        if not any(read(point) for point in theirs):
            missing.append(" | ".join(theirs or group))
    return tuple(missing)


def _minutes(at_ms: Ints, values: npt.NDArray[np.floating]) -> tuple[Ints, Floats]:
    """Readings in order, of one time the last one given, those of one minute as one mean at the first one's time."""
    order = np.argsort(at_ms, kind="stable")
    at_ms, values = at_ms[order], values[order]
    last = np.append(np.diff(at_ms) > 0, True)
    at_ms, values = at_ms[last], values[last].astype(np.float64)
    minute = at_ms // MINUTE_MS
    starts = np.flatnonzero(np.diff(minute, prepend=minute[0] - 1))
    good = ~np.isnan(values)
    total = np.add.reduceat(np.where(good, values, 0), starts, axis=0)
    count = np.add.reduceat(good, starts, axis=0, dtype=np.int64)
    means = np.full((len(starts), P), np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return at_ms[starts], means.astype(np.float32)
