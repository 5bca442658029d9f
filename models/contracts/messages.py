"""Events between our processes, as msgspec structs: JSON on Kafka and MQTT, fields named for their unit.

Readers ignore fields that they do not know (a newer writer may add some); a field is never removed or given a second
meaning within one topic version. NaN and infinity cannot be written. Ids: `unit` here is the unit's own id within its
site; a unit's key everywhere is `site/unit`, a gateway's `site/gateway`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal, TypeVar

import msgspec

from models.contracts.layout import Layout

T = TypeVar("T")

# At most five topic levels carry names; MQTT wildcards, slashes and our own gateway topics are no names.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
Name = Annotated[str, msgspec.Meta(pattern=NAME_PATTERN, description="letters, digits, _ and -, at most 63")]
GATEWAY_TOPICS = frozenset({"batch", "status", "ack", "desired", "reported"})

Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
Severity = Literal["info", "warning", "critical"]
Transition = Literal["opened", "updated", "cleared"]


class MessageError(ValueError):
    """Bytes that are not the message that was expected."""


class LayoutMessage(msgspec.Struct, frozen=True):
    """Retained on MQTT, compacted on `hvac.layouts.v1`: what a unit is and which channels its frames have.

    The bridge writes it to Kafka before any frame that needs it, so whoever meets an unknown `layout_id` finds it there.
    """

    site: Name
    gateway: Name
    unit: Name
    layout: Layout
    name: str = ""  # shown to people; empty: the unit's id
    location: str = ""


class SeqRange(msgspec.Struct, frozen=True, array_like=True):
    """First and last seq, both included."""

    first: int
    last: int


class Ack(msgspec.Struct, frozen=True):
    """To one gateway: exactly these frames of this epoch are stored for good. Only now may the outbox delete them."""

    epoch: int
    ranges: tuple[SeqRange, ...]


class Gap(msgspec.Struct, frozen=True):
    """Frames that a gateway gave up, and why: they are counted as lost, never forgotten."""

    first: int
    last: int
    reason: Literal["quota", "set_aside", "spool_lost"]


class GatewayStatus(msgspec.Struct, frozen=True):
    """Birth, heartbeat and last will of a gateway: retained on MQTT, compacted on `hvac.gateways.v1`.

    `last_seq` is the newest seq given out in this epoch; with the frames that arrived it makes the loss ledger exact.
    """

    site: Name
    gateway: Name
    state: Literal["online", "offline"]
    sent_at_ms: int
    started_at_ms: int
    epoch: int
    last_seq: int
    backlog_frames: int
    backlog_oldest_at_ms: int | None = None
    gaps: tuple[Gap, ...] = ()
    units: tuple[str, ...] = ()
    version: str = ""
    model_version: str = ""
    devices_failing: tuple[str, ...] = ()


class Reason(msgspec.Struct, frozen=True):
    """One piece of evidence. `text` is a whole sentence for a person; the numbers stand beside it for programs."""

    kind: Literal["rule", "point", "risk"]
    name: str  # rule id, point name, or horizon
    text: str
    value: float | None = None
    expected: float | None = None
    unit: str = ""
    share: float | None = None


class EdgeAlert(msgspec.Struct, frozen=True):
    """What a gateway decided by itself while it may have been alone; the stream confirms or clears it."""

    site: Name
    gateway: Name
    unit: Name
    alert_id: str
    transition: Transition
    family: str
    rule: str
    severity: Severity
    opened_at_ms: int
    measured_at_ms: int
    reasons: tuple[Reason, ...] = ()
    anomaly_score: float | None = None
    model_version: str = ""


class Risk(msgspec.Struct, frozen=True):
    """Probability that the unit fails within a horizon."""

    horizon_hours: int
    failure_probability: Probability


class Health(msgspec.Struct, frozen=True):
    """State of one unit after a frame: what the dashboard's fleet page shows."""

    site: Name
    gateway: Name
    unit: Name
    equipment: str
    measured_at_ms: int  # end of the newest whole minute
    anomaly_score: float | None
    anomalous: bool
    top_points: tuple[Reason, ...] = ()
    rules: tuple[str, ...] = ()  # confirmed now
    fault_probabilities: Mapping[str, float] = {}
    risks: tuple[Risk, ...] = ()
    hours_to_failure: float | None = None  # median
    hours_to_failure_low: float | None = None  # nine of ten such units fail between these two
    hours_to_failure_high: float | None = None  # none: one in twenty or more outlives what is told
    usable_fraction: float = 1.0  # of the samples in the frame
    historical: bool = False
    model_version: str = ""


class WaitingCost(msgspec.Struct, frozen=True):
    """What each day costs on which an alert is left alone, expected values. Money in minor units of `currency`.

    `failure_cost_minor_per_day` is what a breakdown costs more than a planned repair, times its probability a day.
    """

    energy_kilowatt_hours_per_day: float
    energy_cost_minor_per_day: int
    discomfort_hours_per_day: float  # hours of use outside the comfort band
    discomfort_cost_minor_per_day: int
    failure_cost_minor_per_day: int
    currency: str

    @property
    def total_minor_per_day(self) -> int:
        return self.energy_cost_minor_per_day + self.discomfort_cost_minor_per_day + self.failure_cost_minor_per_day


class AlertEvent(msgspec.Struct, frozen=True):
    """One transition of one episode on `hvac.alerts.v1`. `alert_id` is the same in all of an episode's transitions."""

    alert_id: str
    transition: Transition
    site: Name
    gateway: Name
    unit: Name
    equipment: str
    family: str
    rule: str  # rule id, or `model`
    severity: Severity
    title: str
    opened_at_ms: int
    measured_at_ms: int  # plant's time of this transition
    cleared_at_ms: int | None = None
    reasons: tuple[Reason, ...] = ()
    checks: tuple[str, ...] = ()  # what to look at first, in order
    fault_probabilities: Mapping[str, float] = {}
    risks: tuple[Risk, ...] = ()
    hours_to_failure: float | None = None  # median
    hours_to_failure_low: float | None = None  # nine of ten such units fail between these two
    hours_to_failure_high: float | None = None  # none: one in twenty or more outlives what is told
    waiting: WaitingCost | None = None
    retrospective: bool = False
    model_version: str = ""


class Maintenance(msgspec.Struct, frozen=True):
    """Work done on a unit: resets what wear has built up."""

    site: Name
    unit: Name
    maintenance_id: str
    done_at_ms: int
    family: str = ""
    note: str = ""


class Feedback(msgspec.Struct, frozen=True):
    """A technician's verdict on an alert: a label for training."""

    alert_id: str
    site: Name
    unit: Name
    verdict: Literal["confirmed", "false", "other_fault"]
    family: str
    given_at_ms: int
    given_by: str = ""
    note: str = ""


class DeadLetter(msgspec.Struct, frozen=True):
    """A message that could not be used, unchanged, with the reason: it can be put back once the cause is mended."""

    reason: str
    error: str
    source: str  # mqtt or kafka topic
    payload: bytes
    received_at_ms: int
    partition: int | None = None
    offset: int | None = None
    key: str = ""


_ENCODER = msgspec.json.Encoder()


def encode_json(message: msgspec.Struct) -> bytes:
    """A message as JSON.

    Raises:
        ValueError: a number is NaN or infinite; programmer error, since JSON would carry null.
    """
    return _ENCODER.encode(message)


def decode_json(payload: bytes, kind: type[T]) -> T:
    """A message from JSON, checked against its struct.

    Raises:
        MessageError: not JSON, or a field is missing, mistyped or out of bounds.
    """
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise MessageError(f"{kind.__name__} of {len(payload)} bytes: {error}") from error


def alert_id_for(site: str, unit: str, rule: str, opened_at_ms: int) -> str:
    """The id of an episode: equal wherever and however often it is computed, so that re-delivery changes nothing."""
    digest = hashlib.sha256(f"{site}/{unit}/{rule}/{opened_at_ms}".encode()).hexdigest()
    return f"al_{digest[:24]}"
