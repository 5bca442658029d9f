"""Settings of the Spark engine: those of a worker, and the table [spark]; spark.sample.toml shows it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from models.contracts.settings import Count, Settings
from stream.settings import StreamSettings


class EngineSettings(Settings, frozen=True):
    """How Spark runs. `options` go to Spark as they stand."""

    master: str = "local[*]"
    checkpoint_dir: str = "spark-checkpoint"
    jars_dir: str = ".servers/spark/jars"
    trigger_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 1.0
    records_a_batch_max: Count = 50_000
    driver_memory_mebibytes: Annotated[int, msgspec.Meta(ge=512)] = 1024
    options: dict[str, str] = msgspec.field(default_factory=dict)


class SparkSettings(StreamSettings, frozen=True):
    """Everything of the engine. Of a worker's, [read], [metrics] and state.snapshot_seconds mean nothing here."""

    spark: EngineSettings = EngineSettings()
