"""One partition of an app: records in, outputs and dead letters out. The core of the worker and of the replay; no I/O.

A batch that raises is undone and halved until the record that did it stands alone; that one becomes a dead letter, all
others count. What was committed before a crash is folded again in silence: its outputs are already out.

Keys that were silent for long are forgotten between two records: where the first input's time enters another hour. So a
batch is cut there, and what is forgotten when follows from the log alone, not from how it was cut into batches.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from models.contracts.messages import DeadLetter, encode_json
from stream.app import Batch, Decoded, Encoded, Input, Ints, Record, StreamApp
from stream.table import HOUR_MS, State

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Processed:
    """What came of a batch: `outputs` in order, dead letters among them; counts are of this batch."""

    outputs: list[Encoded] = field(default_factory=list)
    records: int = 0
    repeated: int = 0  # records below the position: seen before, left out
    dead: dict[str, int] = field(default_factory=dict)  # by reason
    evicted: int = 0  # keys that were forgotten


class Partition:
    """State and position of one partition.

    Args:
        app: The app.
        index: Number of the partition.
        state: Fresh or recovered.
        silent_until: By topic, the offset below which outputs are already out.
    """

    def __init__(
        self, app: StreamApp, index: int = 0, state: State | None = None, silent_until: dict[str, int] | None = None
    ) -> None:
        self.app = app
        self.index = index
        self.state = state if state is not None else State.fresh(app.tables)
        self.silent_until = silent_until or {}

    def process(
        self, topic: str, records: Sequence[Record], decoded: Decoded | None = None, received_at_ms: int = 0
    ) -> Processed:
        """Take records of one topic, in the order of the log.

        Args:
            topic: One of the app's inputs.
            records: Offsets ascending; those below the position are left out.
            decoded: What the input's decoder said of exactly these records, if that is known.
            received_at_ms: Our time, for dead letters.
        """
        done = Processed()
        position = self.state.positions.get(topic, 0)
        fresh = records
        if records and records[0].offset < position:
            fresh = [record for record in records if record.offset >= position]
        done.repeated = len(records) - len(fresh)
        done.records = len(fresh)
        if done.repeated:
            decoded = None
        silent_until = self.silent_until.get(topic, 0)
        if fresh and fresh[0].offset < silent_until:
            silent = [record for record in fresh if record.offset < silent_until]
            self._by_hour(topic, silent, None, received_at_ms, Processed())
            fresh, decoded = fresh[len(silent) :], None
        if fresh:
            self._by_hour(topic, fresh, decoded, received_at_ms, done)
        return done

    def _by_hour(
        self, topic: str, records: Sequence[Record], decoded: Decoded | None, received_at_ms: int, done: Processed
    ) -> None:
        """Run the records, those of each hour of the topic's time by themselves."""
        before_ms = self.state.times_ms.get(topic, 0)
        times_ms = np.fromiter((record.timestamp for record in records), dtype=np.int64, count=len(records))
        hours = np.maximum(np.maximum.accumulate(times_ms), before_ms) // HOUR_MS
        if hours[0] != hours[-1]:
            decoded = None
        cuts = [0, *(np.flatnonzero(np.diff(hours)) + 1).tolist(), len(records)]
        for first, end in pairwise(cuts):
            hour = int(hours[first])
            if before_ms and topic == self.app.inputs[0].topic and hour > before_ms // HOUR_MS:
                self._evict(hour, done)
            before_ms = hour * HOUR_MS
            for table in self.state.all():
                table.hour = hour
            self._run(topic, records[first:end], times_ms[first:end], decoded, received_at_ms, done)

    def _evict(self, hour: int, done: Processed) -> None:
        """Forget every key that nothing has touched for `evict_hours`."""
        app, state = self.app, self.state
        if not app.evict_hours:
            return
        for name, table in state.tables.items():
            rows = table.unseen_since(hour - app.evict_hours)
            if len(rows) and app.evict is not None:
                rows, outputs = app.evict(state, name, rows)
                done.outputs += (Encoded(one.topic, one.key.encode(), encode_json(one.message)) for one in outputs)
            table.remove(rows)
            done.evicted += len(rows)

    def _run(
        self,
        topic: str,
        records: Sequence[Record],
        times_ms: Ints,
        decoded: Decoded | None,
        received_at_ms: int,
        done: Processed,
    ) -> None:
        source = self.app.input(topic)
        if decoded is None:
            decoded = source.decode([record.value or b"" for record in records])
        state = self.state
        before_ms = state.times_ms.get(topic, 0)
        for table in state.all():
            table.begin()
        try:
            outputs = self._apply(source, times_ms, decoded)
        except Exception as error:  # noqa: BLE001 - whatever it is, it costs one record
            for table in state.all():
                table.undo()
            state.times_ms[topic] = before_ms
            if len(records) > 1:
                middle = len(records) // 2
                self._run(topic, records[:middle], times_ms[:middle], None, received_at_ms, done)
                self._run(topic, records[middle:], times_ms[middle:], None, received_at_ms, done)
                return
            _log.exception("%s partition %d offset %d: dead letter", topic, self.index, records[0].offset)
            self._bury(topic, records[0], "error", f"{type(error).__name__}: {error}", received_at_ms, done)
        else:
            for table in state.all():
                table.keep()
            for rejected in decoded.rejected:
                record = records[rejected.position]
                self._bury(topic, record, rejected.reason, rejected.error, received_at_ms, done)
            done.outputs += outputs
        state.positions[topic] = records[-1].offset + 1

    def _apply(self, source: Input, timestamps_ms: Ints, decoded: Decoded) -> list[Encoded]:
        app, state = self.app, self.state
        outputs: list[Encoded] = []
        time_ms = state.times_ms.get(source.topic, 0)
        for step in app.update(state, Batch(source.topic, decoded.items, timestamps_ms, time_ms)):
            for topic, key, message in app.decide(state, app.score(state, step)):
                outputs.append(Encoded(topic, key.encode(), encode_json(message)))
        state.times_ms[source.topic] = max(time_ms, int(timestamps_ms.max()))
        return outputs

    def _bury(self, topic: str, record: Record, reason: str, error: str, received_at_ms: int, done: Processed) -> None:
        letter = DeadLetter(
            reason=reason,
            error=error,
            source=topic,
            payload=record.value or b"",
            received_at_ms=received_at_ms,
            partition=self.index,
            offset=record.offset,
            key=(record.key or b"").decode("utf-8", "replace"),
        )
        done.outputs.append(Encoded(self.app.dead_topic, record.key or b"", encode_json(letter)))
        done.dead[reason] = done.dead.get(reason, 0) + 1
