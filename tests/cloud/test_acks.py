"""Acknowledgements: exactly what is stored, in few ranges; receipts in order; frames held within limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloud.acks import RANGES_MAX, AckBook
from cloud.holding import Holding, Receipts
from models.contracts.messages import Ack, SeqRange

frames = st.lists(st.tuples(st.sampled_from(["s/a", "s/b"]), st.integers(1, 2), st.integers(1, 3000)), max_size=200)


@given(frames)
def test_exactly_what_is_stored_is_acknowledged_once(stored: list[tuple[str, int, int]]) -> None:
    book = AckBook()
    for gateway, epoch, seq in stored:
        book.stored(gateway, epoch, seq)
    assert bool(book) == bool(stored)
    acknowledged = [
        (gateway, ack.epoch, seq)
        for gateway, ack in book.take()
        for seqs in ack.ranges
        for seq in range(seqs.first, seqs.last + 1)
    ]
    assert sorted(acknowledged) == sorted(set(stored))
    assert not book
    assert book.take() == []


def test_a_run_is_one_range_and_a_message_has_a_limit() -> None:
    book = AckBook()
    for seq in range(1, 5001):
        book.stored("s/a", 7, seq)
    ((gateway, ack),) = book.take()
    assert (gateway, ack) == ("s/a", Ack(7, (SeqRange(1, 5000),)))
    for seq in range(0, 2 * (RANGES_MAX + 1), 2):
        book.stored("s/a", 7, seq)
    assert [len(ack.ranges) for _, ack in book.take()] == [RANGES_MAX, 1]


@given(st.permutations(range(8)))
def test_receipts_go_out_in_the_order_of_arrival(finished: list[int]) -> None:
    receipts = Receipts()
    open_receipts = [receipts.arrived(mid) for mid in range(8)]
    sent: list[int] = []
    for number, at in enumerate(finished):
        open_receipts[at].done = True
        sent += receipts.ready()
        done = set(finished[: number + 1])
        assert sent == [mid for mid in range(8) if set(range(mid + 1)) <= done]


def test_receipts_of_a_lost_connection_are_forgotten() -> None:
    receipts = Receipts()
    old = receipts.arrived(1)
    receipts.forget()
    new = receipts.arrived(1)
    old.done = True
    assert receipts.ready() == []
    new.done = True
    assert receipts.ready() == [1]


@given(
    st.lists(st.tuples(st.sampled_from(["hold", "release", "wait"]), st.integers(0, 3), st.floats(0, 4)), max_size=60)
)
def test_holding_against_an_oracle(steps: list[tuple[str, int, float]]) -> None:
    holding: Holding[int] = Holding(items_max=5, seconds_max=3.0)
    naive: list[tuple[float, int, int]] = []  # since when, layout, item
    now = 0.0
    for number, (action, layout_id, seconds) in enumerate(steps):
        if action == "hold":
            room = len(naive) < 5
            assert holding.hold(layout_id, number, now) == room
            if room:
                naive.append((now, layout_id, number))
        elif action == "release":
            expected = [item for _, held_id, item in naive if held_id == layout_id]
            assert holding.release(layout_id) == expected
            naive = [entry for entry in naive if entry[1] != layout_id]
        else:
            now += seconds
            gone = {item for at, _, item in naive if now - at >= 3.0}
            assert set(holding.expired(now)) == gone
            naive = [entry for entry in naive if entry[2] not in gone]
        assert holding.count == len(naive)
