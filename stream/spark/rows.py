"""Records of a log as Spark carries them, put in the order in which a partition takes them. Pure: no Spark, no I/O.

    log    frames   t=10   t=20   t=15   t=40           a time that steps back counts as the newest before it
           alerts                 t=20          t=50
    taken           f 10   f 20   f 15   a 20   f 40   a 50

Each topic goes by its offsets. Between topics Kafka knows no order, and a worker takes them as they happen to come; here
the log's time decides, and at one time the app's first input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

import numpy as np
import pandas as pd

from stream.replay import Recorded

# The lake's raw Parquet: one row a record of Kafka. More columns may stand beside these.
LOG_SCHEMA = "topic STRING, partition INT, offset LONG, timestamp_ms LONG, key BINARY, value BINARY"
RUN_RECORDS = 2048


def recorded(rows: pd.DataFrame) -> list[Recorded]:
    """The records of a data frame with the columns of LOG_SCHEMA."""
    columns: list[list[Any]] = [
        rows[name].tolist() for name in ("topic", "partition", "offset", "timestamp_ms", "key", "value")
    ]
    return [Recorded(*row) for row in zip(*columns, strict=True)]


def in_order(records: Sequence[Recorded], topics: Sequence[str]) -> list[Recorded]:
    """Records of one partition in the order in which it takes them.

    Args:
        records: In any order.
        topics: The app's inputs.
    """
    place_of = {topic: place for place, topic in enumerate(topics)}
    places = np.array([place_of[one.topic] for one in records], dtype=np.int64)
    offsets = np.array([one.offset for one in records], dtype=np.int64)
    times_ms = np.array([one.timestamp for one in records], dtype=np.int64)
    by_offset = np.lexsort((offsets, places))
    for place in range(len(topics)):
        mine = by_offset[places[by_offset] == place]
        times_ms[mine] = np.maximum.accumulate(times_ms[mine])
    return [records[number] for number in np.lexsort((offsets, places, times_ms)).tolist()]


def runs(records: Iterable[Recorded]) -> Iterator[tuple[str, list[Recorded]]]:
    """Ordered records in runs of one topic. A record that stands there twice, as a lake may have it, is taken once."""
    for topic, group in groupby(records, key=lambda record: record.topic):
        while run := list(islice(group, RUN_RECORDS)):
            yield topic, [one for place, one in enumerate(run) if place == 0 or one.offset > run[place - 1].offset]
