"""Keys that were silent for long: forgotten at an hour that follows from the log alone, said where something is open.

hours of the log   0 ...... 1 ............... 24 ............ 26
                   a b      b (every hour)    a forgotten     a comes back: starts anew
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contracts import topics
from models.contracts.messages import AlertEvent, alert_id_for, encode_json
from stream.app import Batch, Decoded, Input, Output, StreamApp
from stream.hvac.evict import SILENT
from stream.hvac.state import LIVE, UNKNOWN
from stream.partition import Partition
from stream.snapshot import Snapshots
from stream.table import HOUR_MS, Columns, Rows, State, Table, TableSpec
from tests.stream import fleet
from tests.stream.records import Rec, difference, log_of, messages, run

T0_MS = 490_000 * HOUR_MS
DAY_MS = 24 * HOUR_MS


def columns(rows: int) -> Columns:
    return {"count": np.zeros(rows, dtype=np.int64)}


def update(state: State, batch: Batch) -> Iterator[Rows]:
    table = state.tables["live"]
    for key in batch.items:
        row = table.rows([key])
        table.touch(row)
        table.columns["count"][row] += 1
        yield row


def same(state: State, step: Any) -> Any:
    return step


def nothing(state: State, step: Any) -> Iterator[Output]:
    yield from ()


def app(evict_hours: int) -> StreamApp:
    """Counts the records of each key."""
    return StreamApp(
        name="count",
        inputs=(Input("in", lambda payloads: Decoded([payload.decode() for payload in payloads])),),
        tables={"live": TableSpec(columns)},
        update=update,
        score=same,
        decide=nothing,
        outputs=(),
        state_topic="state",
        dead_topic="dead",
        evict_hours=evict_hours,
    )


def counts(table: Table) -> dict[str, int]:
    return {key: int(table.columns["count"][row]) for row, key in enumerate(table.keys) if key}


def naive(log: list[tuple[int, str]], evict_hours: int) -> dict[str, int]:
    """Record by record: an hour begins, whoever was last seen before `hour - evict_hours` goes."""
    counted: dict[str, int] = {}
    seen: dict[str, int] = {}
    now = 0
    for at_ms, key in log:
        hour = max(now, at_ms // HOUR_MS)
        if hour > now > 0:
            for old in [one for one in seen if seen[one] < hour - evict_hours]:
                del counted[old], seen[old]
        now = hour
        counted[key] = counted.get(key, 0) + 1
        seen[key] = now
    return counted


KEYS = st.sampled_from("abcdefgh")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-HOUR_MS, 9 * HOUR_MS), KEYS), min_size=1, max_size=80),
    st.lists(st.integers(0, 80), max_size=6),
    st.integers(1, 30),
)
def test_who_is_forgotten_follows_from_the_log_alone(
    steps: list[tuple[int, str]], cuts: list[int], evict_hours: int
) -> None:
    at_ms, log = T0_MS, []
    for step_ms, key in steps:
        at_ms += step_ms
        log.append((at_ms, key))
    records = [Rec(offset, time_ms, None, key.encode()) for offset, (time_ms, key) in enumerate(log)]
    partition = Partition(app(evict_hours))
    writer, stored = Snapshots(), list[tuple[bytes, bytes | None]]()
    for begin, end in pairwise(sorted({0, len(records), *(cut for cut in cuts if cut < len(records))})):
        partition.process("in", records[begin:end])
        entries, manifest = writer.take(partition.state)
        stored += entries
        writer.stored(manifest)
    assert counts(partition.state.tables["live"]) == naive(log, evict_hours)
    restored = Snapshots().restore(stored, partition.app.tables)
    assert restored is not None
    assert difference(restored, partition.state) == ""
    # Both go on alike: the next new key gets the same row.
    assert restored.tables["live"].rows(["new"]) == partition.state.tables["live"].rows(["new"])


def test_rows_are_used_again() -> None:
    partition = Partition(app(24))
    log = [Rec(0, T0_MS, None, b"clock")]
    for day in range(50):
        for number in range(20):
            log.append(Rec(len(log), T0_MS + day * 2 * DAY_MS, None, f"{day}-{number}".encode()))
    partition.process("in", log)
    table = partition.state.tables["live"]
    assert len(table) == 20
    assert table.extent <= 41


def test_without_days_nobody_is_forgotten() -> None:
    partition = Partition(app(0))
    partition.process("in", [Rec(0, T0_MS, None, b"a"), Rec(1, T0_MS + 9_999 * DAY_MS, None, b"b")])
    assert set(counts(partition.state.tables["live"])) == {"a", "b"}


def silent_plant(back: bool) -> list[tuple[int, str, bytes]]:
    """One unit is faulty and falls silent while its alert is open; another goes on for 32 days."""
    sender = fleet.Sender()
    out = [
        (T0_MS + index * 2_000, f"plant/{unit}", sender.frame(unit, index, faulty=unit == "ahu-2" and index > 2))
        for index in range(8)
        for unit in ("ahu-1", "ahu-2")
    ]
    out += [(T0_MS + day * DAY_MS, "plant/ahu-1", sender.frame("ahu-1", 8 + day)) for day in range(1, 33)]
    if back:
        out.append((T0_MS + 32 * DAY_MS, "plant/ahu-2", sender.frame("ahu-2", 50)))
        out.append((T0_MS + 33 * DAY_MS, "plant/ahu-1", sender.frame("ahu-1", 51)))
    return out


@pytest.mark.parametrize("cuts", [[], [16, 30], list(range(1, 48))], ids=["whole", "three", "single"])
def test_an_open_alert_of_a_silent_unit_is_closed_and_says_why(cuts: list[int]) -> None:
    made = fleet.app()
    made.references[0].take(encode_json(fleet.layout_message("ahu-2")))
    partition, outputs = run(made, topics.FRAMES, log_of(silent_plant(back=False)), cuts)
    events = messages(outputs, topics.ALERTS, AlertEvent)
    assert [(one.unit, one.transition) for one in events] == [("ahu-2", "opened"), ("ahu-2", "cleared")]
    opened, closed = events
    assert closed.alert_id == opened.alert_id == alert_id_for("plant", "ahu-2", opened.rule, opened.opened_at_ms)
    assert (closed.family, closed.rule, closed.gateway) == (opened.family, opened.rule, opened.gateway)
    assert [reason.name for reason in closed.reasons] == [SILENT]
    assert "30 days" in closed.reasons[0].text
    assert closed.cleared_at_ms is not None
    assert 30 * DAY_MS < closed.cleared_at_ms - opened.opened_at_ms < 31 * DAY_MS
    live = partition.state.tables[LIVE]
    assert live.find("plant/ahu-2") is None
    assert live.find("plant/ahu-1") is not None


def test_a_unit_that_comes_back_starts_anew() -> None:
    partition, _ = run(fleet.app(), topics.FRAMES, log_of(silent_plant(back=True)))
    assert partition.state.tables[LIVE].find("plant/ahu-2") is not None
    fresh, _ = run(
        fleet.app(), topics.FRAMES, log_of([one for one in silent_plant(back=True) if one[1] != "plant/ahu-2"])
    )
    lonely = Partition(fleet.app())
    last = [one for one in silent_plant(back=True) if one[1] == "plant/ahu-2"][-1]
    lonely.process(topics.FRAMES, log_of([last, (T0_MS + 33 * DAY_MS, "plant/ahu-1", silent_plant(back=True)[-1][2])]))
    live, expected = partition.state.tables[LIVE], lonely.state.tables[LIVE]
    row, other = live.find("plant/ahu-2"), expected.find("plant/ahu-2")
    for name, column in live.columns.items():
        assert column[row].tobytes() == expected.columns[name][other].tobytes(), name
    row, other = live.find("plant/ahu-1"), fresh.state.tables[LIVE].find("plant/ahu-1")
    for name, column in live.columns.items():
        assert column[row].tobytes() == fresh.state.tables[LIVE].columns[name][other].tobytes(), name


def test_a_frame_that_waits_is_folded_before_its_unit_is_forgotten() -> None:
    sender = fleet.Sender()
    log = [(T0_MS, "plant/ahu-2", sender.frame("ahu-2", 0))]  # a new chain: its first frame waits
    clock = fleet.Sender(gateway="gw9")
    log += [(T0_MS + day * DAY_MS, "plant/clock", clock.frame("clock", day)) for day in (31, 32, 63, 64)]
    partition = Partition(fleet.app())
    partition.process(topics.FRAMES, log_of(log[:2]))
    row = partition.state.tables[LIVE].find("plant/ahu-2")
    assert row is not None
    assert partition.state.tables[LIVE].columns["chain_seq"][row] == 1
    partition.process(topics.FRAMES, log_of(log[2:], first=2))
    assert partition.state.tables[LIVE].find("plant/ahu-2") is None
    assert len(partition.state.tables[UNKNOWN]) == 0
