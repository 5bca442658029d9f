"""Disorder: everything is sent, what is promised happens as often as promised, and nothing is held back for too long."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts.codec import decode
from models.contracts.frame import FrameError
from simulators.load.disorder import REASON_OF_DAMAGE, Planned, Shares, damaged, schedule
from simulators.load.fleet import FleetPlan, LoadError, LoadFleet, Numbered

RATE = 100.0


def numbers(count: int) -> list[Numbered]:
    return [Numbered(place % 5, 0, place + 1, b"payload") for place in range(count)]


fraction = st.floats(0, 0.5)


@given(
    count=st.integers(0, 200),
    shares=st.builds(Shares, duplicates=fraction, reordered=fraction, late=fraction),
    seed=st.integers(0, 1000),
)
def test_every_frame_is_sent_in_order_of_time_and_in_time(count: int, shares: Shares, seed: int) -> None:
    frames = numbers(count)
    planned = list(schedule(frames, RATE, shares, seed))
    assert [one.at_seconds for one in planned] == sorted(one.at_seconds for one in planned)
    assert {one.frame for one in planned if one.kind != "duplicate"} == set(frames)
    assert sum(one.kind != "duplicate" for one in planned) == count
    wait_seconds = {"good": 0, "reordered": shares.reorder_seconds, "late": shares.late_seconds}
    for one in planned:
        due = (one.frame.seq - 1) / RATE
        if one.kind != "duplicate":
            assert due <= one.at_seconds <= due + wait_seconds[one.kind]
    assert planned == list(schedule(frames, RATE, shares, seed))


def test_shares_are_kept() -> None:
    shares = Shares(duplicates=0.1, reordered=0.1, late=0.02)
    counts = Counter(one.kind for one in schedule(numbers(20_000), RATE, shares, 3))
    assert counts["duplicate"] == pytest.approx(2000, rel=0.1)
    assert counts["reordered"] == pytest.approx(2000, rel=0.1)
    assert counts["late"] == pytest.approx(400, rel=0.2)
    assert counts["good"] + counts["reordered"] + counts["late"] == 20_000


def test_without_disorder_frames_pass_as_they_are() -> None:
    frames = numbers(3)
    assert list(schedule(frames, 0, Shares(), 1)) == [Planned(0.0, "good", "", frame) for frame in frames]


@pytest.mark.parametrize("how", REASON_OF_DAMAGE)
def test_damaged_payloads_are_refused_with_the_reason_that_the_ledger_has(how: str) -> None:
    fleet = LoadFleet(FleetPlan(units=1, gateways=1, samples=10, pattern_hours=1))
    payload = next(fleet.frames()).payload
    draw = random.Random(1)
    for _ in range(300):
        with pytest.raises(FrameError) as refused:
            decode(damaged(payload, how, draw), fleet.layouts["ahu"])
        assert refused.value.reason == REASON_OF_DAMAGE[how]


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        (Shares(duplicates=1.5), "fraction 1.5 of duplicates: expected 0 to 1"),
        (Shares(reordered=0.6, late=0.6), "expected at most 1 in sum"),
        (Shares(late_seconds=-1), "expected 0 or more"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares: Shares, said: str) -> None:
    with pytest.raises(LoadError, match=said):
        shares.check()
