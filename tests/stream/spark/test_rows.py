"""The order in which a partition takes what Spark hands over unordered."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from stream.replay import Recorded
from stream.spark.rows import RUN_RECORDS, in_order, recorded, runs

TOPICS = ("frames", "alerts")


def rec(topic: str, offset: int, at: int) -> Recorded:
    return Recorded(topic, 3, offset, at, b"key", b"value")


def test_topics_are_merged_by_the_time_of_the_log_and_a_time_that_steps_back_counts_as_the_newest_before_it() -> None:
    frames = [rec("frames", 0, 10), rec("frames", 1, 20), rec("frames", 2, 15), rec("frames", 3, 40)]
    alerts = [rec("alerts", 7, 20), rec("alerts", 8, 50)]
    merged = in_order([*alerts, *reversed(frames)], TOPICS)
    assert [(one.topic[0], one.timestamp) for one in merged] == [
        ("f", 10),
        ("f", 20),
        ("f", 15),
        ("a", 20),
        ("f", 40),
        ("a", 50),
    ]


@given(st.lists(st.tuples(st.sampled_from(TOPICS), st.integers(0, 30)), min_size=1, max_size=60), st.randoms())
def test_each_topic_keeps_the_order_of_its_offsets_however_it_comes(log: list[tuple[str, int]], chance: object) -> None:
    records = [rec(topic, offset, at) for offset, (topic, at) in enumerate(log)]
    shuffled = list(records)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    merged = in_order(shuffled, TOPICS)
    assert merged == in_order(records, TOPICS)
    assert sorted(merged, key=lambda one: one.offset) == records
    for topic in TOPICS:
        offsets = [one.offset for one in merged if one.topic == topic]
        assert offsets == sorted(offsets)


def test_runs_are_of_one_topic_and_bounded_and_a_record_that_stands_twice_is_taken_once() -> None:
    frames = [rec("frames", offset, offset) for offset in range(RUN_RECORDS + 1) for _ in (1, 2)]
    cut = list(runs([*frames, rec("alerts", 0, 0)]))
    assert [topic for topic, _ in cut] == ["frames"] * 3 + ["alerts"]
    assert max(len(run) for _, run in cut) <= RUN_RECORDS
    assert sorted({one.offset for _, run in cut[:3] for one in run}) == list(range(RUN_RECORDS + 1))
    assert all(len({one.offset for one in run}) == len(run) for _, run in cut)


def test_rows_become_records_with_their_tombstones() -> None:
    columns = {"topic": ["t"], "partition": [3], "offset": [2**40], "timestamp_ms": [5], "key": [None], "value": [None]}
    assert recorded(pd.DataFrame(columns)) == [Recorded("t", 3, 2**40, 5, None, None)]
