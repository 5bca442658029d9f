"""Structured Streaming: each micro-batch, the records of one partition go through its core, in one task.

    what the worker has                     what stands in its place here
    changelog of snapshots                  a map of Spark's state store, the same entries: chunks of changed rows, manifest
    commit of the input after the results   Spark's checkpoint: input offsets and state together, or neither

A query without a checkpoint goes on where the workers' newest snapshots stand, if there are any: it takes over from them.

Spark hands a partition's records over unordered; `rows.in_order` mends that. The state itself stays in the Python process
between micro-batches. Whether that is still the state that Spark has committed is told by a version, drawn anew by every
try of every micro-batch: another process, or a try that failed, leaves another version behind.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as everyone calls it
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.stateful_processor import MapState, StatefulProcessor, StatefulProcessorHandle, ValueState

from stream.app import Encoded, StreamApp
from stream.partition import Partition
from stream.snapshot import SnapshotError, Snapshots
from stream.spark.references import KafkaReferences
from stream.spark.rows import in_order, recorded
from stream.spark.session import kafka_options, lane
from stream.spark.share import Recipe, take

_log = logging.getLogger(__name__)
_FROM_WORKERS = "from workers"
_OUTPUT = "topic STRING, key BINARY, value BINARY"


@dataclass(slots=True)
class _Held:
    """A partition as it stood after a micro-batch."""

    version: str
    core: Partition
    snapshots: Snapshots


@dataclass(slots=True)
class _Local:
    """What a Python process keeps of one app from task to task."""

    app: StreamApp
    references: KafkaReferences
    held: dict[int, _Held] = field(default_factory=dict)


_local: dict[tuple[object, bytes], _Local] = {}


class PartitionProcessor(StatefulProcessor):
    """Spark's side of one partition."""

    def __init__(self, recipe: Recipe, reference_partitions: Mapping[str, int]) -> None:
        self._recipe = recipe
        self._reference_partitions = dict(reference_partitions)

    def init(self, handle: StatefulProcessorHandle) -> None:
        """Name the state: entries as in a changelog, and the version of what they hold."""
        self._entries: MapState = handle.getMapState("entries", "key BINARY", "value BINARY")
        self._version: ValueState = handle.getValueState("version", "version STRING")

    def handleInputRows(self, key: Any, rows: Iterator[pd.DataFrame], timerValues: Any) -> Iterator[pd.DataFrame]:  # noqa: ARG002, N802, N803
        """Take one partition's records of one micro-batch."""
        records = [record for frame in rows for record in recorded(frame)]
        local = self._local()
        local.references.refresh_if_old()
        number = records[0].partition
        held = self._recall(local, number)
        ordered = in_order(records, [source.topic for source in local.app.inputs])
        _look_for_gaps(held.core, ordered)
        outputs = list(take(held.core, ordered, local.references.refresh))
        self._store(held)
        local.held[number] = held
        yield pd.DataFrame(outputs, columns=Encoded._fields)

    def handleInitialState(self, key: Any, initialState: pd.DataFrame, timerValues: Any) -> None:  # noqa: ARG002, N802, N803
        """Take some entries of the workers' changelog, before the very first micro-batch."""
        for entry, value in zip(initialState["key"].tolist(), initialState["value"].tolist(), strict=True):
            self._entries.updateValue((entry,), (value,))
        self._version.update((_FROM_WORKERS,))

    def close(self) -> None:
        """Nothing is open."""

    def _local(self) -> _Local:
        settings = self._recipe.settings
        key = (self._recipe.make, msgspec.json.encode(settings))
        local = _local.get(key)
        if local is None:
            app = self._recipe.app()
            references = KafkaReferences(app.references, self._reference_partitions, settings.kafka)
            references.refresh()
            local = _local[key] = _Local(app, references)
        return local

    def _recall(self, local: _Local, number: int) -> _Held:
        """The partition as Spark has committed it; it is not held any more until the micro-batch is done."""
        stored = self._version.get()
        version = None if stored is None else str(stored[0])
        held = local.held.pop(number, None)
        if held is not None and held.version == version:
            return held
        snapshots = Snapshots(version=local.app.state_version)
        if version is None:
            return _Held("", Partition(local.app, number), snapshots)
        entries = ((bytes(key[0]), bytes(value[0])) for key, value in self._entries.iterator())
        state = snapshots.restore(entries, local.app.tables)
        if state is None and version != _FROM_WORKERS:
            raise SnapshotError(
                f"{local.app.name} partition {number}: the state in the checkpoint holds no whole snapshot; restore the"
                " checkpoint, or name another [spark.checkpoint_dir]"
            )
        return _Held(version, Partition(local.app, number, state), snapshots)

    def _store(self, held: _Held) -> None:
        """Hand the changed rows to Spark, which commits them with the micro-batch or forgets them."""
        entries, manifest = held.snapshots.take(held.core.state)
        held.snapshots.stored(manifest)
        # Nothing has to be kept for a snapshot that may not come to its end: Spark stores all of this or nothing.
        for entry in [*entries, *held.snapshots.forget_foreign()]:
            if entry.value is None:
                self._entries.removeKey((entry.key,))
            else:
                self._entries.updateValue((entry.key,), (entry.value,))
        held.version = secrets.token_hex(8)
        self._version.update((held.version,))


def _look_for_gaps(core: Partition, ordered: Iterable[Any]) -> None:
    """Spark passes over offsets that Kafka has deleted already; say so."""
    seen: set[str] = set()
    for record in ordered:
        if record.topic in seen:
            continue
        seen.add(record.topic)
        position = core.state.positions.get(record.topic)
        if position is not None and record.offset > position:
            _log.error(
                "%s partition %d goes on at offset %d, behind %d where its state stands: the log was cut too early",
                record.topic,
                record.partition,
                record.offset,
                position,
            )


def checkpoint(recipe: Recipe, name: str, partitions: int) -> str:
    """Where a query keeps offsets and state. With another number of partitions it begins anew, at the log's beginning."""
    return f"{recipe.settings.spark.checkpoint_dir}/{name}-{partitions}-partitions"


def start(session: SparkSession, recipe: Recipe, partitions: Mapping[str, int]) -> StreamingQuery:
    """Start the query of an app.

    Args:
        session: With the Kafka connector.
        recipe: The app.
        partitions: Number of partitions of each topic that it reads.
    """
    app, settings = recipe.app(), recipe.settings
    count = partitions[app.inputs[0].topic]
    session.conf.set("spark.sql.shuffle.partitions", str(count))
    references = {one.topic: partitions[one.topic] for one in app.references}
    number = lane(session, count)
    initial = _changelog(session, recipe, app).withColumn("lane", number).groupBy("lane")
    outputs = (
        _records(session, recipe, app)
        .withColumn("lane", number)
        .groupBy("lane")
        .transformWithStateInPandas(PartitionProcessor(recipe, references), _OUTPUT, "append", "none", initial)
    )
    return (
        outputs.writeStream.format("kafka")
        .options(**kafka_options(settings.kafka))
        .option("checkpointLocation", checkpoint(recipe, app.name, count))
        .trigger(processingTime=f"{round(settings.spark.trigger_seconds * 1000)} milliseconds")
        .queryName(app.name)
        .start()
    )


def _records(session: SparkSession, recipe: Recipe, app: StreamApp) -> DataFrame:
    """The app's inputs, with the columns of LOG_SCHEMA."""
    source = (
        session.readStream.format("kafka")
        .options(**kafka_options(recipe.settings.kafka))
        .option("subscribe", ",".join(one.topic for one in app.inputs))
        .option("startingOffsets", "earliest")
        .option("failOnDataLoss", "false")
        .option("maxOffsetsPerTrigger", recipe.settings.spark.records_a_batch_max)
        .load()
    )
    at_ms = F.unix_millis("timestamp").alias("timestamp_ms")
    return source.select("topic", "partition", "offset", at_ms, "key", "value")


def _changelog(session: SparkSession, recipe: Recipe, app: StreamApp) -> DataFrame:
    """The workers' snapshots, the newest entry of each key; read once, by the first micro-batch of a checkpoint."""
    entries = (
        session.read.format("kafka")
        .options(**kafka_options(recipe.settings.kafka))
        .option("subscribe", app.state_topic)
        .option("failOnDataLoss", "false")
        .load()
    )
    newest = entries.groupBy("partition", "key").agg(F.max_by("value", "offset").alias("value"))
    return newest.where(F.length("value") > 0)
