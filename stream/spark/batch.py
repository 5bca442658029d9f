"""Batch: a log in Parquet through an app's core, one task a partition; what it says as Parquet.

FROM/*.parquet   columns of rows.LOG_SCHEMA, any files, any order; reference topics among them
TO/topic=NAME/   partition, number (order within the partition), key, value: outputs, dead letters, and under the
                 state's topic a snapshot of each partition at the end of the log
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, groupby
from typing import Any

import pandas as pd
from pyspark import Broadcast
from pyspark.errors import AnalysisException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F  # noqa: N812 - as everyone calls it

from models.contracts.settings import SettingsError
from stream.app import StreamApp
from stream.partition import Partition
from stream.replay import Recorded
from stream.snapshot import Snapshots
from stream.spark.rows import LOG_SCHEMA, recorded
from stream.spark.session import kafka_options, lane
from stream.spark.share import Recipe, take

_OUTPUT = "topic STRING, partition INT, number LONG, key BINARY, value BINARY"
_ROWS_A_FRAME = 10_000
Reference = tuple[str, bytes]


def score(session: SparkSession, recipe: Recipe, source: str, target: str) -> dict[str, int]:
    """Run an app over a log in Parquet.

    Args:
        session: Spark.
        recipe: The app.
        source: Directory of the log.
        target: Directory for what the app says; must not exist.

    Returns:
        Number of messages of each topic.

    Raises:
        SettingsError: the log cannot be read, or the target exists.
        MessageError: a reference record cannot be used.
    """
    app = recipe.app()
    log = _read(session, source)
    _know(app, known := _references(log, app))
    inputs = [one.topic for one in app.inputs]
    log = log.where(F.col("topic").isin(inputs))
    count = (log.agg(F.max("partition")).first() or [None])[0]
    if count is None:
        raise SettingsError(
            f"parquet {source}: has no record of {', '.join(inputs)}; is it a log of this app's topics?"
        )
    tasks = log.withColumn("lane", lane(session, count + 1)).repartition(count + 1, "lane")
    ordered = tasks.withColumn("log_ms", _log_ms()).sortWithinPartitions(
        "partition", "log_ms", _place(inputs), "offset"
    )
    outputs = ordered.mapInPandas(_scorer(recipe, session.sparkContext.broadcast(known)), _OUTPUT)
    try:
        outputs.write.partitionBy("topic").parquet(target)
    except AnalysisException as error:
        raise SettingsError(f"parquet {target}: exists already; name a new directory") from error
    return {row["topic"]: row["count"] for row in session.read.parquet(target).groupBy("topic").count().collect()}


def record(session: SparkSession, recipe: Recipe, target: str) -> int:
    """Write everything that an app's topics hold now to Parquet; how many records.

    Raises:
        SettingsError: the target exists.
    """
    app = recipe.app()
    source = (
        session.read.format("kafka")
        .options(**kafka_options(recipe.settings.kafka))
        .option("subscribe", ",".join([*(one.topic for one in app.references), *(one.topic for one in app.inputs)]))
        .load()
    )
    at_ms = F.unix_millis("timestamp").alias("timestamp_ms")
    try:
        source.select("topic", "partition", "offset", at_ms, "key", "value").write.parquet(target)
    except AnalysisException as error:
        raise SettingsError(f"parquet {target}: exists already; name a new directory") from error
    return session.read.parquet(target).count()


def _read(session: SparkSession, source: str) -> DataFrame:
    try:
        log = session.read.parquet(source)
    except AnalysisException as error:
        raise SettingsError(f"parquet {source}: cannot be read: {str(error).splitlines()[0]}") from error
    wanted = dict(column.strip().split(" ") for column in LOG_SCHEMA.split(","))
    missing = sorted(set(wanted) - set(log.columns))
    if missing:
        raise SettingsError(f"parquet {source}: lacks the columns {', '.join(missing)}, expected {LOG_SCHEMA}")
    return log.select(*(F.col(name).cast(kind).alias(name) for name, kind in wanted.items()))


def _references(log: DataFrame, app: StreamApp) -> list[Reference]:
    """The newest message of each key of the reference topics, as a compacted topic has them."""
    topics = [one.topic for one in app.references]
    newest = (
        log.where(F.col("topic").isin(topics)).groupBy("topic", "key").agg(F.max_by("value", "offset").alias("value"))
    )
    rows = newest.where(F.length("value") > 0).orderBy("topic", "key").collect()
    return [(row["topic"], bytes(row["value"])) for row in rows]


def _know(app: StreamApp, known: list[Reference]) -> None:
    takers = {one.topic: one.take for one in app.references}
    for topic, value in known:
        takers[topic](value)


def _log_ms() -> Column:
    """The log's time at a record: the newest of its topic and partition up to there, as in `rows.in_order`."""
    # With the lane among its keys the window needs no shuffle of its own.
    before = Window.partitionBy("lane", "partition", "topic").orderBy("offset")
    return F.max("timestamp_ms").over(before.rowsBetween(Window.unboundedPreceding, Window.currentRow))


def _place(topics: list[str]) -> Column:
    return F.array_position(F.array(*(F.lit(topic) for topic in topics)), F.col("topic"))


def _scorer(
    recipe: Recipe, known: Broadcast[list[Reference]]
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    def scorer(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        app = recipe.app()
        _know(app, known.value)
        records = chain.from_iterable(recorded(frame) for frame in frames)
        for number, mine in groupby(records, key=lambda record: record.partition):
            yield from _framed(_said(Partition(app, number), mine))

    return scorer


def _said(core: Partition, records: Iterator[Recorded]) -> Iterator[tuple[str, int, int, bytes, bytes]]:
    """What one partition says, then its state."""
    outputs = ((one.topic, one.key, one.value) for one in take(core, records, _nothing_new))
    entries = ((core.app.state_topic, one.key, one.value) for one in _final(core))
    for number, (topic, key, value) in enumerate(chain(outputs, entries)):
        yield topic, core.index, number, key, value or b""


def _final(core: Partition) -> Iterator[Any]:
    yield from Snapshots("batch", core.app.state_version).take(core.state)[0]


def _nothing_new() -> None:
    """Everything that the log knows was taken before its first record."""


def _framed(rows: Iterator[tuple[str, int, int, bytes, bytes]]) -> Iterator[pd.DataFrame]:
    columns = ["topic", "partition", "number", "key", "value"]
    held: list[tuple[str, int, int, bytes, bytes]] = []
    for row in rows:
        held.append(row)
        if len(held) == _ROWS_A_FRAME:
            yield pd.DataFrame(held, columns=columns)
            held = []
    if held:
        yield pd.DataFrame(held, columns=columns)
