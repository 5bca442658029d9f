"""What the parts of `python -m cloud run` share: one object, made in `cloud/__main__.py`, handed to ingest and API."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from cloud.alerts.service import AlertService
from cloud.fleet import Fleet
from cloud.history import History
from cloud.ledger import Ledger
from cloud.settings import CloudSettings
from models.contracts.clock import PlantClock


@dataclass(slots=True)
class IngestStatus:
    """How the ingest is doing, for the system page."""

    kafka_connected: bool = False
    mqtt_connected: bool = False  # only used with ack = "stored"
    lag_records: dict[str, int] = field(default_factory=dict)  # by topic: in Kafka, not yet taken
    frames_stored: int = 0
    dead: Counter[str] = field(default_factory=Counter)  # by reason
    last_error: str = ""


@dataclass(slots=True)
class Context:
    """Everything an endpoint may need. All of it lives on the event loop's thread, except that history's calls block."""

    settings: CloudSettings
    clock: PlantClock
    history: History
    ledger: Ledger
    fleet: Fleet
    alerts: AlertService
    ingest: IngestStatus = field(default_factory=IngestStatus)
