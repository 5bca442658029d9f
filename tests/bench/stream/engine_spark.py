"""Spark Structured Streaming: `applyInPandasWithState` on whole partitions, the units of one in one state of bytes.

Grouped by unit, as its documentation does, pandas is called once a unit and micro-batch, which is many times slower.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.functions import col

from models.contracts.messages import encode_json
from tests.bench.stream import model
from tests.bench.stream.contract import Contract, contract
from tests.bench.stream.dense import Dense
from tests.servers import SPARK_JARS

_TRIGGER_RECORDS_MAX = 20_000


@lru_cache(maxsize=1)
def _parameters() -> model.Parameters:
    return model.load()


def watch(_: tuple[int], parts: Iterator[pd.DataFrame], state: Any) -> Iterator[pd.DataFrame]:
    """One partition's records of one micro-batch."""
    dense = Dense(_parameters())
    if state.exists:
        names, data = state.get
        dense.restore(names.split("\n"), bytes(data))
    records = pd.concat(list(parts)).sort_values("offset")
    alerts = dense.take(dense.decode(records["value"].tolist()))
    units, data = dense.save()
    state.update(("\n".join(units), data))
    yield pd.DataFrame(
        {"key": [alert.unit.encode() for alert in alerts], "value": [encode_json(alert) for alert in alerts]}
    )


def run(told: Contract) -> None:
    """Run."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master("local[2]")
        .appName("bench")
        .config("spark.jars", ",".join(map(str, sorted(SPARK_JARS.glob("*.jar")))))
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.streaming.noDataMicroBatches.enabled", "false")
        .config("spark.local.dir", str(told.directory / "scratch"))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    frames = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", told.bootstrap)
        .option("subscribe", told.source)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", _TRIGGER_RECORDS_MAX)
        .load()
    )
    alerts = (
        frames.select(col("partition"), col("offset"), col("value"))
        .groupBy("partition")
        .applyInPandasWithState(watch, "key binary, value binary", "units string, rows binary", "append", "NoTimeout")
    )
    (
        alerts.writeStream.format("kafka")
        .option("kafka.bootstrap.servers", told.bootstrap)
        .option("topic", told.alerts)
        .option("checkpointLocation", str(told.directory / "checkpoint"))
        .outputMode("append")
        .start()
        .awaitTermination()
    )


if __name__ == "__main__":
    # By its own name, so that Spark's Python workers import it instead of getting a copy of `__main__`.
    from tests.bench.stream import engine_spark

    engine_spark.run(contract())
