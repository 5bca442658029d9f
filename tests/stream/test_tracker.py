"""The tracker of ranges: what may be committed, and when."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.tracker import RangeTracker, TrackerError

# Lengths of ranges and of the gaps before them (offsets that the log does not have).
LOGS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 50)), min_size=1, max_size=30)


def ranges_of(log: list[tuple[int, int]], start: int = 0) -> list[tuple[int, int]]:
    out = []
    for gap, length in log:
        out.append((start + gap, start + gap + length))
        start += gap + length
    return out


@given(LOGS, st.randoms(use_true_random=False), st.integers(0, 1000))
def test_the_end_of_the_first_unbroken_run_is_committable(
    log: list[tuple[int, int]], random: Random, start: int
) -> None:
    ranges = ranges_of(log, start)
    tracker = RangeTracker()
    for first, end in ranges:
        tracker.hand_out(first, end)
    order = list(ranges)
    random.shuffle(order)
    acknowledged: set[tuple[int, int]] = set()
    for one in order:
        tracker.acknowledge(*one)
        acknowledged.add(one)
        run = []
        for candidate in ranges:  # the naive oracle: walk from the beginning until one is missing
            if candidate not in acknowledged:
                break
            run.append(candidate)
        assert tracker.committable == (run[-1][1] if run else None)
    assert tracker.committable == ranges[-1][1]
    assert tracker.outstanding == 0


@given(LOGS, st.randoms(use_true_random=False))
def test_what_may_be_committed_never_goes_back(log: list[tuple[int, int]], random: Random) -> None:
    tracker = RangeTracker()
    waiting: list[tuple[int, int]] = []
    before = -1
    for one in ranges_of(log):
        tracker.hand_out(*one)
        waiting.append(one)
        if random.random() < 0.5:
            tracker.acknowledge(*waiting.pop(random.randrange(len(waiting))))
        now = -1 if tracker.committable is None else tracker.committable
        assert now >= before
        before = now


def test_acknowledging_twice_changes_nothing() -> None:
    tracker = RangeTracker()
    tracker.hand_out(0, 10)
    tracker.hand_out(10, 20)
    tracker.acknowledge(10, 20)
    tracker.acknowledge(10, 20)
    assert tracker.committable is None
    tracker.acknowledge(0, 10)
    tracker.acknowledge(0, 10)
    assert tracker.committable == 20


def test_after_a_seek_what_was_handed_out_before_counts_no_more() -> None:
    tracker = RangeTracker()
    tracker.hand_out(0, 10)
    tracker.restart(5)
    tracker.acknowledge(0, 10)
    assert tracker.committable is None
    tracker.hand_out(5, 12)
    tracker.acknowledge(5, 12)
    assert tracker.committable == 12


def test_ranges_that_overlap_are_a_programmer_error() -> None:
    tracker = RangeTracker()
    tracker.hand_out(0, 10)
    with pytest.raises(TrackerError, match=r"range \[9, 12\) starts before 10"):
        tracker.hand_out(9, 12)
    with pytest.raises(TrackerError, match="empty"):
        tracker.hand_out(10, 10)
