"""Order of one unit's frames: any arrival within the wait and any duplicates give the same; what is later is historical.

true order      1   2   3   x   5   6 | 1'  2'          x: lost, |: another outbox file
arrival         each up to `WAIT_MS` later, some twice or more
folded          1   2   3       5   6   1'  2'
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from stream.hvac.chain import Hole, Link, UnitChain, chain_id

WAIT_MS = 5_000


@dataclass(frozen=True)
class Sent:
    """A frame as it was sent, and when; `lost` ones never arrive."""

    link: Link
    at_ms: int
    lost: bool


@st.composite
def histories(draw: st.DrawFn) -> list[Sent]:
    """What one unit sends: chains one after another, each beginning with prior_seq 0, other units' seqs between."""
    at_ms, measured = 1_000_000, 0
    out: list[Sent] = []
    for chain in draw(st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True)):
        seq, prior = draw(st.integers(0, 5)), 0
        for _ in range(draw(st.integers(1, 8))):
            seq += draw(st.integers(1, 3))
            at_ms += draw(st.integers(1, 4_000))
            measured += 60_000
            out.append(
                Sent(
                    Link(chain, seq, prior, measured, False, 0, b"%d/%d" % (chain, seq)),
                    at_ms,
                    draw(st.booleans()) and draw(st.booleans()),
                )
            )
            prior = seq
    return out


def arrivals(history: list[Sent], draw_delay: Callable[[], int], draw_copies: Callable[[], list[int]]) -> list[Link]:
    """The links as they arrive, stamped with the log's time; a duplicate may come as late as it likes."""
    out = []
    for sent in history:
        if sent.lost:
            continue
        first = sent.at_ms + draw_delay()
        for at_ms in [first, *(first + extra for extra in draw_copies())]:
            link = sent.link
            out.append(Link(link.chain, link.seq, link.prior_seq, link.measured_at_ms, False, at_ms, link.payload))
    return sorted(out, key=lambda link: link.arrived_at_ms)


def run(links: list[Link]) -> tuple[UnitChain, list[tuple[int, int]], list[tuple[int, int]]]:
    """Feed the links; the chain at the end, what was folded, what was historical."""
    unit = UnitChain()
    live: list[tuple[int, int]] = []
    late: list[tuple[int, int]] = []
    now_ms = 0
    for link in links:
        now_ms = max(now_ms, link.arrived_at_ms)
        for released, is_live in [*unit.pass_over(now_ms, WAIT_MS), *unit.arrive(link)]:
            (live if is_live else late).append((released.chain, released.seq))
    for released, is_live in unit.pass_over(now_ms + WAIT_MS, WAIT_MS):
        (live if is_live else late).append((released.chain, released.seq))
    return unit, live, late


@settings(max_examples=300, deadline=None)
@given(st.data(), histories())
def test_any_order_within_the_wait_and_any_duplicates_fold_alike(data: st.DataObject, history: list[Sent]) -> None:
    links = arrivals(
        history,
        lambda: data.draw(st.integers(0, WAIT_MS - 1)),
        lambda: data.draw(st.lists(st.integers(0, 60_000), max_size=2)),
    )
    unit, live, late = run(links)
    expected = [(sent.link.chain, sent.link.seq) for sent in history if not sent.lost]
    assert live == expected
    assert late == []
    assert unit.waiting == []


@settings(max_examples=200, deadline=None)
@given(st.data(), histories())
def test_later_than_the_wait_nothing_is_lost_and_nothing_is_taken_twice(
    data: st.DataObject, history: list[Sent]
) -> None:
    links = arrivals(
        history,
        lambda: data.draw(st.integers(0, 60_000)),
        lambda: data.draw(st.lists(st.integers(0, 60_000), max_size=2)),
    )
    _, live, late = run(links)
    expected = {(sent.link.chain, sent.link.seq) for sent in history if not sent.lost}
    assert sorted([*live, *late]) == sorted(expected)
    seen_of: dict[int, int] = {}
    for chain, seq in live:  # live state only ever goes forward
        assert seq > seen_of.get(chain, 0)
        seen_of[chain] = seq


def link(
    seq: int, prior: int, at_ms: int = 0, chain: int = 7, measured: int | None = None, historical: bool = False
) -> Link:
    return Link(chain, seq, prior, seq * 60_000 if measured is None else measured, historical, at_ms, b"")


def started(seq: int = 1) -> UnitChain:
    return UnitChain(chain=7, seq=seq, measured_at_ms=seq * 60_000)


def test_a_missing_link_is_waited_for_and_then_passed() -> None:
    unit = started()
    assert unit.arrive(link(4, 3, at_ms=100)) == []
    assert unit.pass_over(5_099, WAIT_MS) == []
    assert [(one.link.seq, one.live) for one in unit.pass_over(5_100, WAIT_MS)] == [(4, True)]
    assert unit.holes == [Hole(2, 3)]


def test_what_comes_out_of_a_hole_is_historical_once() -> None:
    unit = started()
    unit.arrive(link(4, 3))
    unit.pass_over(5_000, WAIT_MS)
    assert [(one.link.seq, one.live) for one in unit.arrive(link(2, 1))] == [(2, False)]
    assert unit.arrive(link(2, 1)) == []
    assert [(one.link.seq, one.live) for one in unit.arrive(link(3, 2))] == [(3, False)]
    assert unit.holes == []


def test_a_frame_from_the_backlog_advances_the_chain_without_being_folded() -> None:
    unit = started()
    assert [(one.link.seq, one.live) for one in unit.arrive(link(2, 1, historical=True))] == [(2, False)]
    assert [(one.link.seq, one.live) for one in unit.arrive(link(3, 2))] == [(3, True)]


def test_the_first_link_of_a_new_epoch_lets_the_old_one_finish() -> None:
    unit = started(5)
    assert unit.arrive(link(1, 0, at_ms=0, chain=8, measured=7 * 60_000)) == []
    assert [one.link.seq for one in unit.arrive(link(6, 5, at_ms=3_000))] == [6]
    assert [(one.link.chain, one.live) for one in unit.pass_over(5_000, WAIT_MS)] == [(8, True)]
    assert [(one.link.seq, one.live) for one in unit.arrive(link(7, 6, measured=6 * 60_000 + 1))] == [(7, False)]
    assert unit.arrive(link(7, 6, measured=6 * 60_000 + 1)) == []


def test_a_unit_may_come_back_to_its_old_gateway() -> None:
    unit = started(5)
    unit.arrive(link(1, 0, chain=8, measured=7 * 60_000))
    unit.pass_over(5_000, WAIT_MS)
    unit.arrive(link(6, 5, at_ms=6_000, measured=8 * 60_000))
    assert [(one.link.chain, one.link.seq, one.live) for one in unit.pass_over(11_000, WAIT_MS)] == [(7, 6, True)]
    assert unit.arrive(link(5, 4)) == []  # what it had folded before it left is still known


def test_no_chain_id_is_the_number_of_none() -> None:
    assert chain_id("plant/gw1", 1) != chain_id("plant/gw2", 1) != chain_id("plant/gw1", 2)
    assert chain_id("plant/gw1", 1) != 0
