"""The ledger against an obvious oracle, under any order, duplication and loss."""

from __future__ import annotations

import random
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from cloud.ledger import EpochRecord, Ledger, LedgerRow, StoredFrame
from cloud.ranges import SeqSet
from models.contracts.messages import Gap, GatewayStatus

GATEWAY = "site1/gw1"


def status(
    last_seq: int,
    backlog: int = 0,
    gaps: tuple[tuple[int, int], ...] = (),
    state: Literal["online", "offline"] = "online",
    sent_at_ms: int = 0,
    epoch: int = 7,
) -> GatewayStatus:
    return GatewayStatus(
        site="site1",
        gateway="gw1",
        state=state,
        sent_at_ms=sent_at_ms,
        started_at_ms=0,
        epoch=epoch,
        last_seq=last_seq,
        backlog_frames=backlog,
        gaps=tuple(Gap(first, last, "quota") for first, last in gaps),
    )


def frames(seqs: list[int], epoch: int = 7, historical: bool = False) -> list[StoredFrame]:
    return [StoredFrame(GATEWAY, epoch, seq, historical, False) for seq in seqs]


def only_row(ledger: Ledger) -> LedgerRow:
    (row,) = ledger.rows()
    return row


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=40), st.integers(0, 70), st.integers(0, 70))
def test_ranges_equal_a_set(spans: list[tuple[int, int]], low: int, high: int) -> None:
    ranges, naive = SeqSet(), set[int]()
    for first, length in spans:
        if length == 0:
            assert ranges.add(first) == (first not in naive)
        else:
            ranges.add_range(first, first + length)
        naive |= set(range(first, first + length + 1))
        assert ranges.count == len(naive)
    assert {seq for first, last in ranges for seq in range(first, last + 1)} == naive
    assert all(this[1] + 1 < after[0] for this, after in zip(list(ranges), list(ranges)[1:], strict=False))
    assert all((seq in ranges) == (seq in naive) for seq in range(75))
    assert ranges.last == max(naive, default=0)
    assert ranges.count_within(low, high) == len([seq for seq in naive if low <= seq <= high])


@given(
    last_seq=st.integers(1, 60),
    fate=st.lists(st.sampled_from(["arrives", "gap", "gone", "backlog"]), min_size=60, max_size=60),
    twice=st.lists(st.integers(0, 59), max_size=30),
    order=st.randoms(use_true_random=False),
    restart_after=st.integers(0, 90),
)
def test_every_frame_is_in_one_place(
    last_seq: int, fate: list[str], twice: list[int], order: random.Random, restart_after: int
) -> None:
    of = {kind: [seq for seq in range(1, last_seq + 1) if fate[seq - 1] == kind] for kind in set(fate)}
    arriving = of.get("arrives", [])
    sent = arriving + [arriving[at % len(arriving)] for at in twice if arriving]
    order.shuffle(sent)
    ledger, stored = Ledger(), Ledger()
    heartbeat = status(last_seq, len(of.get("backlog", [])), tuple((seq, seq) for seq in of.get("gap", [])))
    for at, seq in enumerate(sent):
        if at == restart_after:
            ledger.told(heartbeat, 0)
        ledger.arrived(frames([seq], historical=seq % 3 == 0), 5)
    ledger.told(heartbeat, 0)
    row = only_row(ledger)
    assert row == LedgerRow(
        gateway=GATEWAY,
        epoch=7,
        received=len(arriving),
        duplicate=len(sent) - len(arriving),
        double_counted=0,
        missing=len(of.get("gone", [])),
        reported_lost=len(of.get("gap", [])),
        late=len([seq for seq in arriving if seq % 3 == 0]),
        backlog=len(of.get("backlog", [])),
        last_seq=last_seq,
        state="online",
        last_seen_at_ms=5 if sent else 0,
    )
    received = SeqSet((seq, seq) for seq in arriving)
    gaps = tuple((seq, seq) for seq in of.get("gap", []))
    stored.load([EpochRecord(GATEWAY, 7, tuple(received), gaps, row.duplicate, row.late, row.last_seen_at_ms)])
    stored.told(heartbeat, 0)
    assert only_row(stored) == row


def test_frames_under_way_are_not_missing() -> None:
    ledger = Ledger()
    ledger.told(status(10, backlog=4), 0)
    ledger.arrived(frames([1, 2, 3, 4, 5, 6, 9, 14]), 0)
    assert only_row(ledger).missing == 0
    ledger.told(status(14, backlog=0, sent_at_ms=1), 0)
    assert only_row(ledger).missing == 6


def test_a_gap_that_arrives_after_all_is_not_lost() -> None:
    ledger = Ledger()
    ledger.told(status(5, gaps=((2, 3),)), 0)
    ledger.arrived(frames([1, 3, 4, 5]), 0)
    assert (only_row(ledger).missing, only_row(ledger).reported_lost) == (0, 1)


def test_a_last_will_tells_the_state_only() -> None:
    ledger = Ledger()
    ledger.told(status(3, sent_at_ms=10), 0)
    ledger.arrived(frames([1, 2, 3]), 0)
    ledger.told(status(3, sent_at_ms=10, state="offline"), 50)
    row = only_row(ledger)
    assert (row.state, row.missing, row.last_seq, row.last_seen_at_ms) == ("offline", 0, 3, 50)


def test_a_store_that_was_replaced_has_no_backlog() -> None:
    ledger = Ledger()
    ledger.told(status(10, backlog=5), 0)
    ledger.arrived(frames([1, 2, 3, 4, 5, 12]), 0)
    ledger.told(status(0, sent_at_ms=99, epoch=8), 1)
    old, new = ledger.rows()
    assert (old.state, old.backlog, old.missing, old.last_seq) == ("replaced", 0, 6, 12)
    assert (new.state, new.missing, new.received) == ("online", 0, 0)


def test_double_counting_is_what_the_store_says() -> None:
    ledger = Ledger()
    ledger.arrived(frames([1]), 0)
    ledger.audited({(GATEWAY, 7): 2})
    assert only_row(ledger).double_counted == 2
    ledger.audited({})
    assert only_row(ledger).double_counted == 0
