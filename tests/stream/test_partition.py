"""The core of a partition: positions, silence, poison, and the way back from a record that raises."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from models.contracts import topics
from models.contracts.codec import mark_historical
from models.contracts.messages import AlertEvent, DeadLetter
from stream.app import StreamApp
from stream.partition import Partition
from stream.table import State
from tests.stream import fleet
from tests.stream.records import Rec, by_key, difference, log_of, messages, run

T0_MS = 1_764_100_000_000


def fleet_log(count: int = 8) -> list[Rec]:
    sender = fleet.Sender()
    return log_of(
        (T0_MS + index * 2_000, f"plant/{unit}", sender.frame(unit, index, faulty=unit == "ahu-2" and index > 2))
        for index in range(count)
        for unit in ("ahu-1", "ahu-2")
    )


def poisons(good: bytes) -> list[tuple[str, bytes | None]]:
    """Reason and payload of every kind of poison."""
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    other = fleet.Sender().frame("ahu-1", 0)
    return [
        ("truncated", b""),
        ("truncated", None),
        ("truncated", good[:-20]),
        ("checksum", bytes(flipped)),
        ("truncated", b"{not a frame}"),
        ("too_large", b"x" * 200_000),
        ("checksum", other[:-1] + bytes([other[-1] ^ 1])),
    ]


def test_poison_goes_to_the_dead_letters_unchanged_and_the_batch_goes_on() -> None:
    good = fleet_log()
    mixed: list[tuple[int, str, bytes | None]] = []
    for place, record in enumerate(good):
        bad = poisons(record.value or b"")
        mixed += [(record.timestamp, "plant/x", bad[place % len(bad)][1]), (record.timestamp, "plant/y", record.value)]
    log = [Rec(100 + 3 * place, at_ms, key.encode(), value) for place, (at_ms, key, value) in enumerate(mixed)]
    partition, outputs = run(fleet.app(), topics.FRAMES, log)
    clean, clean_outputs = run(fleet.app(), topics.FRAMES, good)
    letters = messages(outputs, topics.HVAC_DEAD, DeadLetter)
    assert [(one.offset, one.payload) for one in letters] == [(one.offset, one.value or b"") for one in log[::2]]
    assert {one.source for one in letters} == {topics.FRAMES}
    assert all(one.key == "plant/x" and one.partition == 0 and one.error for one in letters)
    expected = [poisons(b"x" * 100)[place % 7][0] for place in range(len(good))]
    assert [one.reason for one in letters] == expected
    assert difference(partition.state, clean.state) == ""
    assert [one for one in outputs if one.topic != topics.HVAC_DEAD] == clean_outputs


def test_a_frame_of_an_unknown_layout_is_a_dead_letter_that_may_be_tried_again() -> None:
    app = fleet.app(known=False)
    record = fleet_log(1)[0]
    decoded = app.inputs[0].decode([record.value or b""])
    assert [one.retry for one in decoded.rejected] == [True]
    done = Partition(app).process(topics.FRAMES, [record])
    assert done.dead == {"layout": 1}


def test_a_frame_that_names_itself_as_its_predecessor_is_malformed() -> None:
    sender = fleet.Sender()
    sender.last_of["ahu-1"] = 5
    log = log_of([(T0_MS, "plant/ahu-1", sender.frame("ahu-1", 0)), (T0_MS, "plant/ahu-2", sender.frame("ahu-2", 0))])
    done = Partition(fleet.app()).process(topics.FRAMES, log)
    assert done.dead == {"malformed": 1}


class _TrapError(Exception):
    pass


def trapped(app: StreamApp, unit: str) -> StreamApp:
    """The same app with a bug: it raises in the middle of its work on the sixth frame of this unit."""

    def score(state: State, step: Any) -> Any:
        scored = app.score(state, step)
        for place, at in enumerate(step.at):
            if (
                step.batch.headers[at].unit == unit
                and step.batch.measured_at_ms[at] == fleet.START_MS + 5 * fleet.FRAME_MS
            ):
                raise _TrapError(f"place {place}")
        return scored

    return dataclasses.replace(app, score=score)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 15), max_size=4))
def test_a_record_that_raises_costs_only_itself(cuts: list[int]) -> None:
    log = fleet_log()
    partition, outputs = run(trapped(fleet.app(0), "ahu-1"), topics.FRAMES, log, cuts)
    letters = messages(outputs, topics.HVAC_DEAD, DeadLetter)
    assert [(one.reason, one.offset) for one in letters] == [("error", 10)]
    assert "_TrapError" in letters[0].error
    # As if that record had never been: the others, and only they, are folded.
    clean, _ = run(fleet.app(0), topics.FRAMES, [record for record in log if record.offset != 10])
    assert difference(partition.state, clean.state) == ""
    assert partition.state.positions == {topics.FRAMES: 16}


def test_records_below_the_position_change_nothing() -> None:
    log = fleet_log()
    once, outputs = run(fleet.app(), topics.FRAMES, log)
    twice, _ = run(fleet.app(), topics.FRAMES, log)
    done = twice.process(topics.FRAMES, log[3:])
    assert (done.records, done.repeated, done.outputs) == (0, len(log) - 3, [])
    assert difference(once.state, twice.state) == ""
    assert outputs


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 16), st.lists(st.integers(1, 15), max_size=3))
def test_below_the_commit_the_replay_is_silent_and_equal(committed: int, cuts: list[int]) -> None:
    log = fleet_log()
    first = Partition(fleet.app())
    before = first.process(topics.FRAMES, log[:committed]).outputs if committed else []
    after = first.process(topics.FRAMES, log[committed:]).outputs if committed < len(log) else []
    again = Partition(fleet.app(), silent_until={topics.FRAMES: committed})
    outputs = []
    places = sorted({0, len(log), *cuts})
    for begin, end in pairwise(places):
        outputs += again.process(topics.FRAMES, log[begin:end]).outputs
    assert by_key(outputs) == by_key(after)
    assert difference(first.state, again.state) == ""
    assert messages([*before, *after], topics.ALERTS, AlertEvent)


def test_a_duplicate_marked_historical_is_still_a_duplicate() -> None:
    log = fleet_log()
    marked = [record._replace(offset=100 + record.offset, value=mark_historical(record.value or b"")) for record in log]
    partition, _ = run(fleet.app(0), topics.FRAMES, log)
    assert partition.process(topics.FRAMES, marked).outputs == []
