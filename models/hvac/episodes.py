r"""The latch: an episode opens once when a fault is sure enough, and clears once when its evidence has stayed away.

    probability  ___/‾‾‾‾‾‾‾\_/‾‾‾\________________________
    episode         |opened                      |cleared         no second alert in between

Edge and stream run the same latch over the same verdicts, so their alerts carry the same ids. One open episode a unit a
family; while one is open, another family opens only on a confirmed rule that no open family explains.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.contracts.messages import Severity
from models.hvac.diagnose import leading_rule
from models.hvac.facts import place
from models.hvac.features import NEVER, State, meet
from models.hvac.kinds import Kind, rule_mark
from models.hvac.points import F_MAX
from models.hvac.settings import EpisodeSettings
from models.hvac.verdicts import Verdicts

MODEL_RULE = -2  # episode_rule of an episode that no rule but the model opened
_CRITICAL_PROBABILITY = 0.5  # of a failure within a day


@dataclass(frozen=True, slots=True)
class EpisodeChange:
    """One transition of one episode. `index` is the unit's place in the verdicts that caused it."""

    row: int
    transition: Literal["opened", "updated", "cleared"]
    family: str
    rule: str
    severity: Severity
    opened_at_ms: int
    cleared_at_ms: int | None
    index: int


def decide(state: State, verdicts: Verdicts, settings: EpisodeSettings | None = None) -> list[EpisodeChange]:
    """Move the latches of the units in these verdicts; what changed, in the order of the verdicts.

    Works on `state`.
    """
    settings = settings or EpisodeSettings()
    kind, at = verdicts.kind, place(verdicts.rows)
    probability = verdicts.fault_probability
    is_open = state["episode_opened_at_ms"][at] != NEVER
    # A unit at rest keeps its last probabilities: they are no news.
    judged = verdicts.family_judged
    sure = (state["episode_sure_minutes"][at] + judged) * (probability >= settings.open_probability)
    quiet = state["episode_quiet_minutes"][at] + (verdicts.family_visible & is_open)
    quiet *= probability < settings.clear_probability
    state["episode_sure_minutes"][at] = sure
    state["episode_quiet_minutes"][at] = quiet
    opening = (sure >= _enough(kind, settings.open_minutes, settings.rule_open_minutes)) & ~is_open
    opening |= _unsure_which(state, verdicts, settings) & ~is_open[:, : kind.modelled].any(axis=1)[:, None]
    opening &= judged & ~_quiet(kind, settings.quiet_families)
    clearing = is_open & (quiet >= settings.clear_minutes)
    level = _severity_level(verdicts)
    rising = is_open & ~clearing & (level > state["episode_level"][at])
    changes: list[EpisodeChange] = []
    for index in np.flatnonzero((opening | clearing | rising).any(axis=1)):
        changes += _change_unit(
            state,
            verdicts,
            int(index),
            opening[index],
            clearing[index],
            rising[index],
            level[index],
        )
    return changes


@lru_cache(maxsize=64)
def _enough(kind: Kind, by_model: int, by_rules: int) -> npt.NDArray[np.int64]:
    """For how many minutes each family of a kind must be sure, (F_MAX,)."""
    return np.where(np.arange(F_MAX) < kind.modelled, by_model, by_rules)


@lru_cache(maxsize=64)
def _quiet(kind: Kind, families: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Families of a kind that are shown but open nothing, (F_MAX,)."""
    quiet = np.zeros(F_MAX, dtype=bool)
    quiet[[kind.family_slot[family] for family in families if family in kind.family_slot]] = True
    return quiet


def _unsure_which(state: State, verdicts: Verdicts, settings: EpisodeSettings) -> npt.NDArray[np.bool_]:
    """The most probable of the model's families, in units that surely have some fault, for so long that it will not get
    clearer, (m, F_MAX)."""
    at, probability, modelled = place(verdicts.rows), verdicts.fault_probability, verdicts.kind.modelled
    if not modelled:
        return np.zeros(probability.shape, dtype=bool)
    judged = verdicts.family_judged[:, :modelled].any(axis=1)
    total = np.zeros(len(probability), dtype=np.float32)
    for family in range(modelled):
        total += probability[:, family]
    minutes = np.where(total >= settings.unsure_probability, state["episode_unsure_minutes"][at] + judged, 0)
    state["episode_unsure_minutes"][at] = minutes
    first = probability[:, :modelled].argmax(axis=1)[:, None] == np.arange(F_MAX)
    opening: npt.NDArray[np.bool_] = first & (minutes >= settings.unsure_minutes)[:, None]
    return opening


def _change_unit(
    state: State,
    verdicts: Verdicts,
    index: int,
    opening: npt.NDArray[np.bool_],
    clearing: npt.NDArray[np.bool_],
    rising: npt.NDArray[np.bool_],
    level: npt.NDArray[np.int8],
) -> list[EpisodeChange]:
    """Transitions of one unit: what clears, what rises, then what opens, the most probable first."""
    row, at_ms, kind = int(verdicts.rows[index]), int(verdicts.minute_at_ms[index]), verdicts.kind
    opened_at, rule_of = state["episode_opened_at_ms"][row], state["episode_rule"][row]
    changes = []
    for family in np.flatnonzero(clearing):
        changes.append(_change(state, kind, row, int(family), "cleared", index, at_ms))
        _shut(state, row, int(family))
    for family in np.flatnonzero(rising):
        state["episode_level"][row, family] = level[family]
        changes.append(_change(state, kind, row, int(family), "updated", index, None))
    confirmed = verdicts.rule_confirmed[index]
    for family in sorted(np.flatnonzero(opening), key=lambda f: -verdicts.fault_probability[index, f]):
        is_open = opened_at != NEVER
        by_model = family < kind.modelled
        if by_model:
            is_open[kind.modelled :] = False  # what rules alone tell explains nothing that the model tells
        explained = kind.speaks_for[:, is_open].any(axis=1)
        rule = leading_rule(kind, confirmed & ~explained, int(family))
        if rule < 0 and (is_open.any() or not by_model):
            continue
        opened_at[family] = at_ms
        rule_of[family] = MODEL_RULE if rule < 0 else rule_mark(kind.rules[rule].id)
        state["episode_quiet_minutes"][row, family] = 0
        state["episode_level"][row, family] = level[family]
        changes.append(_change(state, kind, row, int(family), "opened", index, None))
    return changes


def force_open(state: State, kind: Kind, row: int, family: str, opened_at_ms: int, rule: str = "") -> bool:
    """Open an episode that another place saw first; False if that family is open here already or not one of the kind's.

    `rule` is the one that opened it there: it belongs to the alert's id, which must be the same when the episode clears.
    """
    meet(state, kind, np.array([row], dtype=np.intp))
    slot = kind.family_slot.get(family)
    if slot is None or state["episode_opened_at_ms"][row, slot] != NEVER:
        return False
    state["episode_opened_at_ms"][row, slot] = opened_at_ms
    state["episode_rule"][row, slot] = rule_mark(rule) if rule in kind.rule_slot else MODEL_RULE
    state["episode_quiet_minutes"][row, slot] = 0
    state["episode_level"][row, slot] = _LEVELS.index(kind.families[slot].severity)
    return True


def close_all(state: State, row: int) -> None:
    """After maintenance: no episode is open; nothing is reported as cleared."""
    for family in range(F_MAX):
        _shut(state, row, family)
    state["episode_unsure_minutes"][row] = 0


def _shut(state: State, row: int, family: int) -> None:
    state["episode_opened_at_ms"][row, family] = NEVER
    state["episode_rule"][row, family] = NEVER
    state["episode_quiet_minutes"][row, family] = 0
    state["episode_sure_minutes"][row, family] = 0
    state["episode_level"][row, family] = 0


def _change(
    state: State,
    kind: Kind,
    row: int,
    family: int,
    transition: Literal["opened", "updated", "cleared"],
    index: int,
    cleared_at_ms: int | None,
) -> EpisodeChange:
    return EpisodeChange(
        row=row,
        transition=transition,
        family=kind.family_names[family],
        rule=kind.rule_of_mark.get(int(state["episode_rule"][row, family]), "model"),
        severity=_LEVELS[int(state["episode_level"][row, family])],
        opened_at_ms=int(state["episode_opened_at_ms"][row, family]),
        cleared_at_ms=cleared_at_ms,
        index=index,
    )


_LEVELS: tuple[Severity, ...] = ("info", "warning", "critical")
_CRITICAL = np.array(_LEVELS.index("critical"), dtype=np.int8)


def _severity_level(verdicts: Verdicts) -> npt.NDArray[np.int8]:
    """Severity of each family now, shape (m, F_MAX): its own, or critical when a failure within a day is likely."""
    soon = verdicts.failure_probability[:, 0] >= _CRITICAL_PROBABILITY  # False for NaN
    levels: npt.NDArray[np.int8] = np.where(soon[:, None], _CRITICAL, _own_levels(verdicts.kind))
    return levels


@lru_cache(maxsize=64)
def _own_levels(kind: Kind) -> npt.NDArray[np.int8]:
    """The severity that a kind's families have by themselves, (F_MAX,)."""
    own = np.zeros(F_MAX, dtype=np.int8)
    own[: len(kind.families)] = [_LEVELS.index(family.severity) for family in kind.families]
    return own
