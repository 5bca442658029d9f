"""What the bridge makes of one MQTT message: a record for Kafka, or a dead letter with its reason. Pure: no clock, no I/O.

The broker's rights bind a topic to its sender's certificate, so the topic says who sent a message; a payload that names
somebody else is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from google.protobuf.message import DecodeError

from models.contracts import frame_pb2, topics
from models.contracts.codec import parse
from models.contracts.frame import FrameError
from models.contracts.messages import EdgeAlert, GatewayStatus, LayoutMessage, MessageError, decode_json

Kind = Literal["frame", "layout", "status", "alert", "dead"]
_SOURCES_CACHED = 20_000


class Source(NamedTuple):
    """Who sent a message, by its topic; keys as Kafka has them."""

    site: str
    gateway: str
    unit: str
    name: str
    gateway_key: str
    key: bytes


class Record(NamedTuple):
    """A message that goes to Kafka. `epoch` and `seq` are of a frame, `layout_id` of a frame or a layout."""

    kind: Kind
    topic: str
    key: bytes
    value: bytes
    gateway: str  # site/gateway
    epoch: int = 0
    seq: int = 0
    layout_id: int = 0


class Refused(NamedTuple):
    """A message for the dead-letter topic.

    `gateway`, `epoch` and `seq` name a frame that its sender should forget: it can be read, it came from where it says, and
    it would be refused again. A `seq` of 0 names none.
    """

    reason: str
    error: str
    key: bytes
    gateway: str = ""
    epoch: int = 0
    seq: int = 0


@lru_cache(_SOURCES_CACHED)
def source_of(topic: str, root: str) -> Source:
    """Who sent a message.

    Raises:
        topics.TopicError: the topic is not in the table, or a name in it is none.
    """
    address = topics.parse_mqtt_topic(topic, root)
    topics.check_name("site", address.site)
    topics.check_name("gateway", address.gateway)
    if address.unit:
        topics.check_name("unit", address.unit)
    gateway_key = f"{address.site}/{address.gateway}"
    key = f"{address.site}/{address.unit}" if address.unit else gateway_key
    return Source(*address, gateway_key, key.encode())


def examine(topic: str, payload: bytes, root: str) -> Record | Refused:
    """The record or the dead letter that a message becomes."""
    try:
        source = source_of(topic, root)
    except topics.TopicError as error:
        return Refused("topic", str(error), b"")
    if source.name == "frame":
        return _examine_frame(source, payload)
    try:
        return _examine_event(source, payload)
    except MessageError as error:
        return Refused("malformed", str(error), source.gateway_key.encode())


def _examine_frame(source: Source, payload: bytes) -> Record | Refused:
    try:
        message = parse(payload)
    except FrameError as error:
        refused = Refused(error.reason, str(error), source.gateway_key.encode())
        return _with_identity(refused, source, payload)
    if message.unit != source.unit or message.gateway != source.gateway or message.site != source.site:
        return _stranger(source, f"{message.site}/{message.gateway}/{message.unit}")
    return Record(
        "frame",
        topics.FRAMES,
        source.key,
        payload,
        source.gateway_key,
        message.epoch,
        message.seq,
        message.layout_id,
    )


def _with_identity(refused: Refused, source: Source, payload: bytes) -> Refused:
    """The refusal with the frame's identity, if it arrived whole and from where it says."""
    if refused.reason not in ("schema", "shape"):
        return refused
    try:
        message = frame_pb2.Frame.FromString(payload)
    except DecodeError:
        return refused
    if (message.site, message.gateway, message.unit) != (source.site, source.gateway, source.unit):
        return refused
    return refused._replace(gateway=source.gateway_key, epoch=message.epoch, seq=message.seq)


def _examine_event(source: Source, payload: bytes) -> Record | Refused:
    event: LayoutMessage | GatewayStatus | EdgeAlert
    if source.name == "layout":
        event = decode_json(payload, LayoutMessage)
        # A unit that changes its layout keeps the old one on the compacted topic, for the frames that still need it.
        layout_id = event.layout.id
        key = source.key + b"/%016x" % layout_id
        record = Record("layout", topics.LAYOUTS, key, payload, source.gateway_key, layout_id=layout_id)
    elif source.name == "status":
        event = decode_json(payload, GatewayStatus)
        record = Record("status", topics.GATEWAYS, source.key, payload, source.gateway_key)
    elif source.name == "alert":
        event = decode_json(payload, EdgeAlert)
        record = Record("alert", topics.EDGE_ALERTS, source.key, payload, source.gateway_key)
    else:
        return Refused("topic", f"nothing is expected on {source.name!r}", source.gateway_key.encode())
    unit = "" if isinstance(event, GatewayStatus) else event.unit
    if (event.site, event.gateway, unit) != (source.site, source.gateway, source.unit):
        return _stranger(source, f"{event.site}/{event.gateway}/{unit}")
    return record


def _stranger(source: Source, claimed: str) -> Refused:
    seen = f"{source.site}/{source.gateway}/{source.unit}"
    error = f"{source.name} names {claimed!r}, but came on the topic of {seen!r}; check site, gateway and unit"
    return Refused("identity", error, source.gateway_key.encode())
