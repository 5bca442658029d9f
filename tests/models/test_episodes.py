"""The latch rings once and falls silent once, whatever probabilities it is fed.

opened ── (updated)* ── cleared ── opened ── ...        in this order, for each unit and family
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from models.hvac import episodes, features
from models.hvac.families import AHU_FAMILIES as FAMILIES
from models.hvac.families import H
from models.hvac.kinds import KINDS
from models.hvac.points import F_MAX, R_MAX, P
from models.hvac.settings import EpisodeSettings
from models.hvac.verdicts import Verdicts

MINUTE_MS = 60_000
SETTINGS = EpisodeSettings()
AHU = KINDS["ahu"]
RULE_TABLE, RULES, F = AHU.rules, AHU.rule_ids, len(FAMILIES)
T = len(AHU.models.targets)


def verdicts(minute: int, probability: Any, visible: bool = True, confirmed: Any = None) -> Verdicts:
    """Verdicts of units that show these fault probabilities, shape (m, F)."""
    probability = np.asarray(probability, dtype=np.float32)
    m = len(probability)
    whole = np.zeros((m, F_MAX), dtype=np.float32)
    whole[:, : probability.shape[1]] = probability
    return Verdicts(
        kind=AHU,
        rows=np.arange(m),
        minute_at_ms=np.full(m, minute * MINUTE_MS, dtype=np.int64),
        anomaly_score=np.full(m, 1.5, dtype=np.float32),
        anomalous=np.ones(m, dtype=bool),
        point_shares=np.zeros((m, P), dtype=np.float32),
        rule_excess=np.zeros((m, R_MAX), dtype=np.float32),
        rule_confirmed=np.zeros((m, R_MAX), dtype=bool) if confirmed is None else confirmed,
        fault_probability=whole,
        family_visible=np.full((m, F_MAX), visible),
        family_judged=np.ones((m, F_MAX), dtype=bool),
        failure_probability=np.zeros((m, H), dtype=np.float32),
        hours_to_failure=np.full(m, np.nan, dtype=np.float32),
        hours_to_failure_low=np.full(m, np.nan, dtype=np.float32),
        hours_to_failure_high=np.full(m, np.nan, dtype=np.float32),
        anomaly_raw=np.full(m, np.nan, dtype=np.float32),
        means=np.zeros((m, P), dtype=np.float32),
        apart=np.zeros((m, T), dtype=np.float32),
        over=np.zeros((m, T), dtype=np.float32),
    )


one_minute = st.tuples(
    st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.95, 1.0]), min_size=F, max_size=F), st.booleans()
)
# Runs of equal minutes, so that confirmation and clearing times are reached.
story = st.lists(st.tuples(one_minute, st.integers(1, 90)), min_size=1, max_size=8)


def play(
    state: features.State, minutes: list[tuple[list[float], bool]], first: int = 0
) -> list[episodes.EpisodeChange]:
    changes = []
    for number, (probability, visible) in enumerate(minutes, start=first):
        changes += episodes.decide(state, verdicts(number, [probability], visible), SETTINGS)
    return changes


def spelled(parts: list[tuple[tuple[list[float], bool], int]]) -> list[tuple[list[float], bool]]:
    return [minute for minute, times in parts for _ in range(times)]


@settings(max_examples=120, deadline=None)
@given(story)
def test_each_episode_opens_once_and_clears_once(parts: list[tuple[tuple[list[float], bool], int]]) -> None:
    open_since: dict[str, int] = {}
    for change in play(features.new_state(1), spelled(parts)):
        if change.transition == "opened":
            assert change.family not in open_since
            open_since[change.family] = change.opened_at_ms
        elif change.transition == "updated":
            assert open_since[change.family] == change.opened_at_ms
        else:
            assert open_since.pop(change.family) == change.opened_at_ms
            assert change.cleared_at_ms is not None
            assert change.cleared_at_ms > change.opened_at_ms


@settings(max_examples=60, deadline=None)
@given(story, st.integers(0, 400))
def test_saved_and_restored_in_the_middle_it_goes_on_the_same(
    parts: list[tuple[tuple[list[float], bool], int]], place: int
) -> None:
    minutes = spelled(parts)
    place = place % (len(minutes) + 1)
    whole = play(features.new_state(1), minutes)
    state = features.new_state(1)
    changes = play(state, minutes[:place])
    assert changes + play(copy.deepcopy(state), minutes[place:], place) == whole


def sure(family: int, value: float = 1.0) -> list[float]:
    probability = [0.0] * F
    probability[family] = value
    return probability


def opened(state: features.State, family: int = 0) -> list[episodes.EpisodeChange]:
    """Enough sure minutes to open this family's episode."""
    return play(state, [(sure(family), True)] * (SETTINGS.open_minutes + 1))


def test_it_opens_only_after_its_confirmation() -> None:
    state = features.new_state(1)
    assert play(state, [(sure(0), True)] * (SETTINGS.open_minutes - 1)) == []
    changes = play(state, [(sure(0), True)], SETTINGS.open_minutes - 1)
    assert [change.transition for change in changes] == ["opened"]


def test_just_below_the_threshold_never_opens() -> None:
    below = float(np.nextafter(np.float32(SETTINGS.open_probability), np.float32(0)))
    assert play(features.new_state(1), [(sure(0, below), True)] * 500) == []


def test_what_cannot_be_seen_clears_nothing() -> None:
    """A fan that stands still or a sensor that is gone proves nothing."""
    state = features.new_state(1)
    assert len(opened(state)) == 1
    assert play(state, [(sure(0, 0.0), False)] * (5 * SETTINGS.clear_minutes), 1000) == []


def test_it_clears_after_quiet_minutes_that_could_be_seen() -> None:
    state = features.new_state(1)
    opened(state)
    changes = play(state, [(sure(0, 0.0), True)] * (SETTINGS.clear_minutes + 1), 1000)
    assert [(change.transition, change.family) for change in changes] == [("cleared", FAMILIES[0])]


def test_a_second_family_of_one_cause_does_not_open() -> None:
    """While one is open, only a confirmed rule of its own opens another."""
    state = features.new_state(1)
    opened(state)
    both = [1.0, 1.0, *([0.0] * (F - 2))]
    assert play(state, [(both, True)] * 200, 1000) == []


def test_an_episode_forced_open_is_open_once_and_clears_as_its_own() -> None:
    state = features.new_state(1)
    assert episodes.force_open(state, AHU, 0, FAMILIES[2], 7 * MINUTE_MS)
    assert not episodes.force_open(state, AHU, 0, FAMILIES[2], 8 * MINUTE_MS)
    assert play(state, [(sure(2), True)] * 50, 10) == []
    changes = play(state, [(sure(2, 0.0), True)] * (SETTINGS.clear_minutes + 1), 100)
    assert [(c.transition, c.opened_at_ms) for c in changes] == [("cleared", 7 * MINUTE_MS)]


def test_maintenance_closes_in_silence() -> None:
    state = features.new_state(1)
    opened(state)
    episodes.close_all(state, 0)
    assert play(state, [(sure(0, 0.0), True)] * (2 * SETTINGS.clear_minutes), 1000) == []
    assert [change.transition for change in play(state, [(sure(0), True)] * (SETTINGS.open_minutes + 1), 5000)] == [
        "opened"
    ]


def test_a_fault_for_sure_opens_as_its_most_probable_family_when_it_gets_no_clearer() -> None:
    split = [0.0, 0.55, 0.0, 0.44, 0.0, 0.0]
    state = features.new_state(1)
    changes = play(state, [(split, True)] * (SETTINGS.unsure_minutes - 1))
    assert changes == []
    changes = play(state, [(split, True)] * 300, SETTINGS.unsure_minutes)
    assert [(change.transition, change.family) for change in changes] == [("opened", FAMILIES[1])]


def test_a_unit_at_rest_opens_nothing() -> None:
    """It keeps the probabilities of its last minute, which say nothing new."""
    state = features.new_state(1)
    for minute in range(50):
        rest = verdicts(minute, [sure(0)])
        rest.family_judged[:] = False
        assert episodes.decide(state, rest, SETTINGS) == []


QUICK = EpisodeSettings(open_minutes=3, unsure_minutes=5, clear_minutes=8)
UNITS = 2
# Well off both thresholds, so that float32 cannot blur them.
levels = st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0])
unit_now = st.fixed_dictionaries({
    "probability": st.lists(levels, min_size=F, max_size=F),
    "visible": st.lists(st.booleans(), min_size=F, max_size=F),
    "rules": st.sets(st.integers(0, len(RULES) - 1), max_size=3),
    "judged": st.booleans(),
    "failing": st.booleans(),
})  # fmt: skip


class Latch(RuleBasedStateMachine):
    """Two units, fed anything, told of episodes by the edge, saved and restored, against books kept beside the latch."""

    def __init__(self) -> None:
        super().__init__()
        self.state = features.new_state(UNITS)
        features.meet(self.state, AHU, np.arange(UNITS))
        self.minute = 1000
        self.open: dict[tuple[int, str], int] = {}
        self.quiet: dict[tuple[int, str], int] = {}
        self.risen: set[tuple[int, str]] = set()

    @rule(units=st.lists(unit_now, min_size=UNITS, max_size=UNITS), minutes=st.integers(1, 10))
    def feed(self, units: list[dict[str, Any]], minutes: int) -> None:
        """The same verdicts for some minutes."""
        for _ in range(minutes):
            self.minute += 1
            now = verdicts(self.minute, [unit["probability"] for unit in units])
            now.family_visible[:, :F] = [unit["visible"] for unit in units]
            for row, unit in enumerate(units):
                now.rule_confirmed[row, list(unit["rules"])] = True
                now.family_judged[row] = unit["judged"]
                now.failure_probability[row] = 0.9 if unit["failing"] else 0.1
            due = self.count_quiet(units)
            changes = episodes.decide(self.state, now, QUICK)
            cleared = {(change.row, change.family) for change in changes if change.transition == "cleared"}
            assert cleared == due
            for change in changes:
                self.check(change, units[change.row])

    def count_quiet(self, units: list[dict[str, Any]]) -> set[tuple[int, str]]:
        """Which episodes have been quiet, where it could be seen, for long enough."""
        for row, family in self.open:
            index = FAMILIES.index(family)
            if units[row]["probability"][index] >= QUICK.clear_probability:
                self.quiet[row, family] = 0
            else:
                self.quiet[row, family] += units[row]["visible"][index]
        return {key for key in self.open if self.quiet[key] >= QUICK.clear_minutes}

    def check(self, change: episodes.EpisodeChange, unit: dict[str, Any]) -> None:
        """One change against the books, and into them."""
        key = (change.row, change.family)
        if change.transition == "opened":
            assert key not in self.open
            assert change.opened_at_ms == self.minute * MINUTE_MS
            others = {family for row, family in self.open if row == change.row}
            if others:  # evidence of its own: a confirmed rule that no open family explains
                own = next(row for row in RULE_TABLE if row.id == change.rule)
                assert RULES.index(own.id) in unit["rules"]
                assert change.family in own.families
                assert not others & set(own.families)
            self.open[key], self.quiet[key] = change.opened_at_ms, 0
            self.risen.discard(key)
        elif change.transition == "updated":
            assert change.opened_at_ms == self.open[key]
            assert change.severity == "critical"
            assert key not in self.risen
            self.risen.add(key)
        else:
            assert change.opened_at_ms == self.open.pop(key)
            assert change.cleared_at_ms == self.minute * MINUTE_MS > change.opened_at_ms

    @rule(row=st.integers(0, UNITS - 1), family=st.sampled_from(FAMILIES), ago=st.integers(0, 5))
    def force(self, row: int, family: str, ago: int) -> None:
        """The edge was first."""
        at_ms = (self.minute - ago) * MINUTE_MS
        assert episodes.force_open(self.state, AHU, row, family, at_ms) == ((row, family) not in self.open)
        if (row, family) not in self.open:
            self.open[row, family], self.quiet[row, family] = at_ms, 0
            self.risen.discard((row, family))
        assert not episodes.force_open(self.state, AHU, row, family, at_ms + 1)

    @rule()
    def restart(self) -> None:
        """State goes to a snapshot and comes back, byte by byte."""
        saved = {name: (array.dtype, array.shape, array.tobytes()) for name, array in self.state.items()}
        self.state = {
            name: np.frombuffer(content, dtype).reshape(shape).copy() for name, (dtype, shape, content) in saved.items()
        }

    @invariant()
    def the_books_agree(self) -> None:
        opened_at = self.state["episode_opened_at_ms"]
        held = {
            (row, FAMILIES[f]): int(opened_at[row, f]) for row, f in np.argwhere(opened_at != features.NEVER).tolist()
        }
        assert held == self.open


Latch.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
test_the_latch_agrees_with_books_kept_beside_it = Latch.TestCase


def test_after_maintenance_of_a_long_fault_it_is_confirmed_anew() -> None:
    state = features.new_state(1)
    assert len(play(state, [(sure(0), True)] * (SETTINGS.unsure_minutes + SETTINGS.open_minutes))) == 1
    episodes.close_all(state, 0)
    assert play(state, [(sure(0), True)] * (SETTINGS.open_minutes - 1), 1000) == []


def test_a_unit_that_goes_to_rest_after_a_clear_opens_nothing() -> None:
    """The other family's evidence was there while the first was open; the next minute that is judged may open it."""
    state = features.new_state(1)
    assert len(play(state, [([0.0, 0.55, 0.0, 0.44, 0.0, 0.0], True)] * SETTINGS.unsure_minutes)) == 1
    split = [0.0, 0.2, 0.0, 0.5, 0.0, 0.3]
    (cleared,) = play(state, [(split, True)] * SETTINGS.clear_minutes, 100)
    assert cleared.transition == "cleared"
    rest = verdicts(100 + SETTINGS.clear_minutes, [split], visible=False)
    rest.family_judged[:] = False
    assert episodes.decide(state, rest, SETTINGS) == []
