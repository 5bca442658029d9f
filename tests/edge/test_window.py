"""The window of frames under way, with time as a number."""

from __future__ import annotations

from edge.window import UNANSWERED_MAX, Window
from models.contracts.messages import SeqRange


def _window() -> Window:
    return Window(in_flight_max=8, ack_timeout_seconds=10)


def test_room_is_limited_and_a_part_of_it_is_kept_for_live_frames() -> None:
    window = _window()
    for seq in range(1, 7):
        window.sent(seq, 0)
    assert window.room() == 2
    assert window.room(backfill=True) == 0
    window.acknowledged([SeqRange(1, 3), SeqRange(5, 5)])
    assert window.in_flight == 2
    assert window.room(backfill=True) == 4


def test_what_is_not_acknowledged_is_due_again() -> None:
    window = _window()
    window.sent(1, 0)
    window.sent(2, 5)
    assert window.overdue(9.9, 10).again == []
    assert window.overdue(10, 10).again == [1]
    assert window.next_deadline() == 10


def test_while_nobody_answers_the_pauses_grow_and_nothing_is_given_up() -> None:
    window = _window()
    window.sent(1, 0)
    now, sends = 0.0, 1
    for _ in range(40):
        deadline = window.next_deadline()
        assert deadline is not None
        pause, now = deadline - now, deadline
        overdue = window.overdue(now, 10)
        assert overdue.hopeless == []
        window.sent(1, now)
        sends += 1
    assert pause == 160
    assert sends == 41


def test_a_frame_that_nobody_takes_is_given_up_after_ten_sends_in_vain() -> None:
    window = _window()
    window.sent(1, 0)
    now, given_up = 0.0, []
    for other in range(2, 2 + UNANSWERED_MAX):
        window.sent(other, now)
        window.acknowledged([SeqRange(other, other)])
        now += 10
        overdue = window.overdue(now, 10)
        given_up += overdue.hopeless
        for seq in overdue.again:
            window.sent(seq, now)
    assert given_up == [1]
    assert window.in_flight == 0


def test_counts_outlive_a_connection_but_not_another_store() -> None:
    window = _window()
    window.next_live = 99
    for number in range(UNANSWERED_MAX - 1):
        window.sent(1, 0)
        window.sent(2, 0)
        window.acknowledged([SeqRange(2, 2)])
        assert window.overdue(10, 10).again == [1]
        window.reset()
        assert window.next_live == 1, number
    window.sent(1, 0)
    window.sent(2, 0)
    window.acknowledged([SeqRange(2, 2)])
    assert window.overdue(10, 10).hopeless == [1]
    window.sent(1, 0)
    window.forget()
    assert window.in_flight == 0


def test_an_ack_of_a_huge_range_costs_little() -> None:
    window = _window()
    window.sent(5, 0)
    assert window.acknowledged([SeqRange(1, 2**60)]) == 1
