"""The latch rings once and falls silent once, whatever probabilities it is fed.

opened ── (updated)* ── cleared ── opened ── ...        in this order, for each unit and family
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.hvac import episodes, features
from models.hvac.families import FAMILIES, F, H
from models.hvac.inputs import T
from models.hvac.points import P
from models.hvac.rules import RULES
from models.hvac.settings import EpisodeSettings
from models.hvac.verdicts import Verdicts

MINUTE_MS = 60_000
SETTINGS = EpisodeSettings()


def verdicts(minute: int, probability: Any, visible: bool = True, confirmed: Any = None) -> Verdicts:
    """Verdicts of units that show these fault probabilities, shape (m, F)."""
    probability = np.asarray(probability, dtype=np.float32)
    m = len(probability)
    return Verdicts(
        rows=np.arange(m),
        minute_at_ms=np.full(m, minute * MINUTE_MS, dtype=np.int64),
        anomaly_score=np.full(m, 1.5, dtype=np.float32),
        anomalous=np.ones(m, dtype=bool),
        point_shares=np.zeros((m, P), dtype=np.float32),
        rule_excess=np.zeros((m, len(RULES)), dtype=np.float32),
        rule_confirmed=np.zeros((m, len(RULES)), dtype=bool) if confirmed is None else confirmed,
        fault_probability=probability,
        family_visible=np.full((m, F), visible),
        failure_probability=np.zeros((m, H), dtype=np.float32),
        hours_to_failure=np.full(m, np.nan, dtype=np.float32),
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
    assert episodes.force_open(state, 0, FAMILIES[2], 7 * MINUTE_MS)
    assert not episodes.force_open(state, 0, FAMILIES[2], 8 * MINUTE_MS)
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
        rest.anomaly_score[:] = np.nan
        assert episodes.decide(state, rest, SETTINGS) == []
