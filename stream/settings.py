"""Settings of a stream worker; stream.sample.toml shows every key with its default and unit."""

from __future__ import annotations

from typing import Annotated

import msgspec

from models.contracts.settings import Count, KafkaSettings, LogSettings, Port, Positive, Settings

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=60_000)]


class ReadSettings(Settings, frozen=True):
    """How records are fetched and results are sent."""

    fetch_wait_ms: Milliseconds = 2
    fetch_bytes_max: Count = 2_097_152
    linger_ms: Milliseconds = 5
    commit_seconds: Positive = 1.0
    # A worker that dies is noticed after this long. Apache Kafka allows 6 s or more; the embedded broker less, where every
    # new worker waits for half of it.
    session_seconds: Annotated[float, msgspec.Meta(ge=1, le=300)] = 10.0


class StateSettings(Settings, frozen=True):
    """How often state is written to its changelog, and when a silent unit's state is given up."""

    snapshot_seconds: Positive = 10.0
    evict_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 30


class ChainSettings(Settings, frozen=True):
    """Order of a unit's frames."""

    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)] = 5.0


class ModelSettings(Settings, frozen=True):
    """What judges; empty: what is shipped."""

    artifact_dir: str = ""
    monitor_file: str = ""


class MetricsSettings(Settings, frozen=True):
    """Where Prometheus may ask."""

    host: str = "127.0.0.1"
    port: Port = 0


class StreamSettings(Settings, frozen=True):
    """Everything of one worker."""

    group: str = "plenum-hvac"
    kafka: KafkaSettings = KafkaSettings()
    read: ReadSettings = ReadSettings()
    state: StateSettings = StateSettings()
    chain: ChainSettings = ChainSettings()
    model: ModelSettings = ModelSettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
