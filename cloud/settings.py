"""Settings of the cloud side: one file for `python -m cloud run` and `python -m cloud bridge`.

`cloud.sample.toml` beside this file shows every key with its default and unit.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from models.contracts.settings import (
    ClockSettings,
    Count,
    KafkaSettings,
    LogSettings,
    MqttSettings,
    Port,
    Positive,
    Settings,
)


class BridgeSettings(Settings, frozen=True):
    """MQTT to Kafka. Every queue has a limit; at a limit the bridge stops reading, and gateways keep what they have."""

    # Stable, and another one for each bridge: the broker keeps under it what arrives while the bridge is away.
    client_id: str = "plenum-bridge"
    # Bridges with the same group share the load; empty: this one takes everything.
    shared_group: str = ""
    receive_maximum: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 4096
    linger_ms: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 5
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    buffer_mebibytes: Count = 64
    ack_interval_ms: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 50
    held_frames: Annotated[int, msgspec.Meta(ge=0)] = 2000
    held_seconds: Positive = 30.0


class HistorySettings(Settings, frozen=True):
    """What is kept for the dashboard, by the day on which it arrived. `group` is the consumer group on Kafka."""

    group: str = "cloud.history"
    raw_days: Count = 14
    minute_days: Count = 400
    hour_days: Count = 3650
    health_days: Count = 400


class HttpSettings(Settings, frozen=True):
    """Where the API and the dashboard listen. `public_url` is what links in messages begin with."""

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: str = ""


class LoginSettings(Settings, frozen=True):
    """Sessions and the first administrator."""

    session_hours: Positive = 12.0
    # A file with the administrator's password, or env:NAME; empty: one is made up and printed at the first start.
    admin_password_file: str = ""


class AlertSettings(Settings, frozen=True):
    """Delivery of alerts: waits between tries (Standard Webhooks: ten tries in about 75 hours)."""

    retry_seconds: tuple[Positive, ...] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
    retry_jitter_fraction: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2
    timeout_seconds: Positive = 15.0


class WebhookSettings(Settings, frozen=True):
    """One receiver of alerts. The secret stands in a file of its own (`whsec_...`), or env:NAME."""

    name: str
    url: str
    secret_file: str
    # Receivers on site have private addresses; only an administrator may allow that.
    allow_private: bool = False


class CloudSettings(Settings, frozen=True):
    """Everything the cloud side can be told."""

    data_dir: str = "plenum-data"
    # Who acknowledges frames to gateways: `kafka`, the bridge once Kafka has them; `stored`, history after its commit,
    # for a Kafka that forgets at a restart.
    ack: Literal["kafka", "stored"] = "kafka"
    mqtt: MqttSettings = MqttSettings()
    kafka: KafkaSettings = KafkaSettings()
    bridge: BridgeSettings = BridgeSettings()
    history: HistorySettings = HistorySettings()
    http: HttpSettings = HttpSettings()
    login: LoginSettings = LoginSettings()
    alerts: AlertSettings = AlertSettings()
    clock: ClockSettings = ClockSettings()
    log: LogSettings = LogSettings()
    webhooks: tuple[WebhookSettings, ...] = ()

    def __post_init__(self) -> None:
        names = [webhook.name for webhook in self.webhooks]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"webhooks named twice: {', '.join(twice)}; give each its own name")
