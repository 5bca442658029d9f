"""One suite over every stream app; each check is named after the promise that it holds.

An app is described by a `Case`: how to make it, a log that exercises it, and a slow oracle that says what is to be
said of that log. That replay equals the worker on Kafka is `test_worker.py`'s, with real brokers.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from models.contracts import topics
from models.contracts.messages import encode_json
from stream.app import Encoded, StreamApp
from stream.partition import Partition
from stream.replay import Recorded, Replay, read_recording, write_recording
from stream.snapshot import Snapshots
from stream.table import HOUR_MS
from tests.stream import fleet
from tests.stream.hvac import naive as hvac
from tests.stream.records import Rec, by_key, difference

T0_MS = 1_764_100_000_000


@dataclass(frozen=True)
class Case:
    """An app under test, one row of CASES.

    Attributes:
        name: Its name.
        make: The app, knowing its references.
        make_blank: The app before it has read any.
        log: Of its first input; the last record ends all waiting.
        references: What it must read first.
        oracle: What is to be said of a log, in any form that compares.
        said: What was said, in the same form.
        grace_ms: How late a record may come.
        row_bytes_max: Of a key in memory, all its tables together.
        stored_bytes_max: Of a key in a snapshot, on average.
    """

    name: str
    make: Callable[[], StreamApp]
    make_blank: Callable[[], StreamApp]
    log: Callable[[], list[Rec]]
    references: Callable[[], list[Recorded]]
    oracle: Callable[[list[Rec]], object]
    said: Callable[[list[Encoded]], object]
    grace_ms: int
    row_bytes_max: int
    stored_bytes_max: int


def hvac_log() -> list[Rec]:
    """Twelve frames of four units, one of which is faulty for a while, and a last frame that ends all waiting."""
    sender = fleet.Sender()
    out: list[Rec] = []
    for index in range(12):
        for unit in ("ahu-1", "ahu-2", "ahu-3", "ahu-4"):
            payload = sender.frame(unit, index, faulty=unit == "ahu-2" and 3 <= index < 8)
            out.append(Rec(len(out), T0_MS + 1_000 * index, f"plant/{unit}".encode(), payload))
    closing = fleet.Sender(gateway="gw9").frame("clock", 0)
    return [*out, Rec(len(out), T0_MS + 120_000, b"plant/clock", closing)]


def hvac_references() -> list[Recorded]:
    value = encode_json(fleet.layout_message("ahu-1"))
    return [Recorded(topics.LAYOUTS, 0, 0, T0_MS, b"plant/ahu-1", value)]


CASES = [
    Case(
        name="hvac",
        make=fleet.app,
        make_blank=partial(fleet.app, known=False),
        log=hvac_log,
        references=hvac_references,
        oracle=hvac.oracle,
        said=hvac.said_by_app,
        grace_ms=5_000,
        row_bytes_max=15_872,  # half of it only for units that sent historical frames
        stored_bytes_max=4_096,
    )
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    made: Case = request.param
    return made


def run(app: StreamApp, log: list[Rec], cuts: list[int] | None = None) -> tuple[Partition, list[Encoded]]:
    partition, outputs = Partition(app), []
    for begin, end in pairwise(sorted({0, len(log), *(cuts or [])})):
        outputs += partition.process(app.inputs[0].topic, log[begin:end]).outputs
    return partition, outputs


def test_equal_input_gives_equal_output(case: Case) -> None:
    one, said = run(case.make(), case.log())
    other, said_too = run(case.make(), case.log())
    assert said == said_too
    assert difference(one.state, other.state) == ""
    assert said


def test_what_is_said_is_what_a_naive_oracle_says(case: Case) -> None:
    log = case.log()
    expected = case.oracle(log)
    assert case.said(run(case.make(), log)[1]) == expected
    assert case.said(run(case.make(), log, list(range(1, len(log), 3)))[1]) == expected


def test_update_leaves_its_messages_unchanged(case: Case) -> None:
    log = case.log()
    before = [bytes(record.value or b"") for record in log]
    run(case.make(), log)
    assert [record.value for record in log] == before


def test_how_the_log_is_cut_into_batches_changes_nothing(case: Case) -> None:
    log = case.log()
    one, said = run(case.make(), log)
    other, said_too = run(case.make(), log, list(range(1, len(log), 5)))
    assert by_key(said) == by_key(said_too)
    assert difference(one.state, other.state) == ""


def test_a_duplicate_changes_nothing(case: Case) -> None:
    log = case.log()
    doubled = [Rec(0, record.timestamp, record.key, record.value) for record in log for _ in (1, 2)]
    doubled += [record._replace(timestamp=log[-1].timestamp) for record in log]
    one, said = run(case.make(), log)
    other, said_too = run(case.make(), [record._replace(offset=place) for place, record in enumerate(doubled)])
    assert by_key(said) == by_key(said_too)
    assert difference(one.state, other.state) == ""


def test_late_messages_within_the_grace_period_change_nothing(case: Case) -> None:
    log, chance = case.log(), random.Random(5)
    late = [record._replace(timestamp=record.timestamp + chance.randrange(case.grace_ms)) for record in log[:-1]]
    late.sort(key=lambda record: record.timestamp)
    shuffled = [record._replace(offset=place) for place, record in enumerate([*late, log[-1]])]
    one, said = run(case.make(), log)
    other, said_too = run(case.make(), shuffled)
    assert by_key(said) == by_key(said_too)
    assert difference(one.state, other.state) == ""


def test_state_survives_a_snapshot_in_the_middle_of_a_run(case: Case) -> None:
    app, log = case.make(), case.log()
    topic = app.inputs[0].topic
    whole, said = run(app, log)
    half = len(log) // 2 + 1
    first, said_first = run(app, log[:half])
    entries, _ = Snapshots().take(first.state)
    restored = Snapshots().restore([(entry.key, entry.value) for entry in entries], app.tables)
    assert restored is not None
    second = Partition(app, state=restored)
    said_second = second.process(
        topic, log
    ).outputs  # read again from the beginning: the position leaves out what is in
    assert by_key([*said_first, *said_second]) == by_key(said)
    assert difference(whole.state, second.state) == ""


def test_poison_costs_only_itself(case: Case) -> None:
    app, log = case.make(), case.log()
    poisoned = []
    for record in log:
        poisoned += [record._replace(value=b"\x00poison"), record]
    one, said = run(app, log)
    other, said_too = run(app, [record._replace(offset=place) for place, record in enumerate(poisoned)])
    assert by_key(said) == by_key(output for output in said_too if output.topic != app.dead_topic)
    assert sum(output.topic == app.dead_topic for output in said_too) == len(log)
    assert difference(one.state, other.state) == ""


def test_state_stays_under_its_stated_size(case: Case) -> None:
    partition, _ = run(case.make(), case.log())
    assert sum(table.row_bytes for table in partition.state.all()) <= case.row_bytes_max
    entries, _ = Snapshots().take(partition.state)
    keys = max(len(table) for table in partition.state.all())
    assert sum(len(entry.value or b"") for entry in entries) / keys <= case.stored_bytes_max
    # Nothing grows with the log: twice as long, the same state in size.
    again = [record._replace(offset=record.offset + len(case.log())) for record in case.log()]
    partition.process(partition.app.inputs[0].topic, again)
    assert max(len(table) for table in partition.state.all()) == keys


def test_keys_that_fall_silent_are_forgotten_and_come_back_anew(case: Case) -> None:
    app, log = case.make(), case.log()
    topic = app.inputs[0].topic
    assert app.evict_hours > 0
    later_ms = (app.evict_hours + 2) * HOUR_MS
    partition, _ = run(app, log[:-1])
    keys = {key for table in partition.state.all() for key in table.keys}
    again = [record._replace(offset=record.offset + len(log), timestamp=record.timestamp + later_ms) for record in log]
    said = partition.process(topic, again[:1]).outputs
    assert {key for table in partition.state.all() for key in table.keys if key} < keys
    said += partition.process(topic, again[1:]).outputs
    anew, said_anew = run(case.make(), [record._replace(offset=place) for place, record in enumerate(again)])
    assert case.said(said) == case.said(said_anew)
    assert difference(partition.state, anew.state) == ""


def test_a_replay_from_a_file_says_the_same(case: Case, tmp_path: Path) -> None:
    app, log = case.make(), case.log()
    topic = app.inputs[0].topic
    _, said = run(app, log)
    buffer = io.BytesIO()
    records = [Recorded(topic, 0, one.offset, one.timestamp, one.key, one.value) for one in log]
    assert write_recording(buffer, [*case.references(), *records]) == len(log) + len(case.references())
    path = tmp_path / "log.bin"
    path.write_bytes(buffer.getvalue())
    replay = Replay(case.make_blank(), batch_records=7)
    assert by_key(output for _, output in replay.run(read_recording(path))) == by_key(said)


def test_every_topic_that_it_writes_is_its_own_in_the_table(case: Case) -> None:
    app = case.make()
    writer = f"stream.{app.name}"
    for name in (*app.outputs, app.state_topic, app.dead_topic):
        assert writer in topics.kafka_topic(name).writers
    for name in (*(one.topic for one in app.inputs), *(one.topic for one in app.references)):
        assert writer in topics.kafka_topic(name).readers
