"""Every topic, in one table: key, message, who writes and who reads it, and what that means as rights on a broker.

Nothing else in the code spells a topic. The Mosquitto ACL and the AWS IoT policy of a device are generated from here.
"""

from __future__ import annotations

import json
import re
from typing import Literal, NamedTuple

from models.contracts import messages
from models.contracts.messages import GATEWAY_TOPICS, NAME_PATTERN

MQTT_ROOT = "plenum/v1"


class KafkaTopic(NamedTuple):
    """A topic on Kafka. `partitions` is the number in a new cluster; 0 follows the input that it belongs to."""

    name: str
    key: str
    message: str
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    compacted: bool = False
    partitions: int = 0


FRAMES = "hvac.frames.v1"
LAYOUTS = "hvac.layouts.v1"
GATEWAYS = "hvac.gateways.v1"
EDGE_ALERTS = "hvac.edge_alerts.v1"
MAINTENANCE = "hvac.maintenance.v1"
FEEDBACK = "hvac.feedback.v1"
HEALTH = "hvac.health.v1"
ALERTS = "hvac.alerts.v1"
HVAC_STATE = "hvac.state.v1"
HVAC_DEAD = "hvac.dead.v1"
BRIDGE_DEAD = "bridge.dead.v1"

KAFKA_TOPICS: tuple[KafkaTopic, ...] = (
    KafkaTopic(FRAMES, "site/unit", "Frame (protobuf)", ("bridge",), ("stream.hvac", "cloud.history")),
    KafkaTopic(LAYOUTS, "site/unit/layout_id", "LayoutMessage", ("bridge",), ("stream.hvac", "cloud.history"), True, 1),
    KafkaTopic(GATEWAYS, "site/gateway", "GatewayStatus", ("bridge",), ("cloud.history",), True, 1),
    KafkaTopic(EDGE_ALERTS, "site/unit", "EdgeAlert", ("bridge",), ("stream.hvac",)),
    KafkaTopic(MAINTENANCE, "site/unit", "Maintenance", ("cloud.api",), ("stream.hvac",)),
    KafkaTopic(FEEDBACK, "site/unit", "Feedback", ("cloud.api",), ("stream.hvac", "models")),
    KafkaTopic(HEALTH, "site/unit", "Health", ("stream.hvac",), ("cloud.history",)),
    KafkaTopic(ALERTS, "site/unit", "AlertEvent", ("stream.hvac",), ("cloud.alerts",)),
    KafkaTopic(HVAC_STATE, "chunk of a snapshot", "state rows", ("stream.hvac",), ("stream.hvac",), True),
    KafkaTopic(HVAC_DEAD, "site/unit", "DeadLetter", ("stream.hvac",), ("operators",), False, 1),
    KafkaTopic(BRIDGE_DEAD, "site/gateway", "DeadLetter", ("bridge",), ("operators",), False, 1),
)


class MqttTopic(NamedTuple):
    """A topic on MQTT. `device` is what the gateway may do with it, under its own names only."""

    name: str
    pattern: str
    message: str
    device: Literal["write", "read"]
    retained: bool = False


MQTT_TOPICS: tuple[MqttTopic, ...] = (
    MqttTopic("frame", "{root}/{site}/{gateway}/{unit}/frame", "Frame (protobuf)", "write"),
    MqttTopic("layout", "{root}/{site}/{gateway}/{unit}/layout", "LayoutMessage", "write", True),
    MqttTopic("alert", "{root}/{site}/{gateway}/{unit}/alert", "EdgeAlert", "write"),
    MqttTopic("batch", "{root}/{site}/{gateway}/batch", "frames of a backlog (zstd)", "write"),
    MqttTopic("status", "{root}/{site}/{gateway}/status", "GatewayStatus", "write", True),
    MqttTopic("reported", "{root}/{site}/{gateway}/reported", "versions and settings in use", "write", True),
    MqttTopic("ack", "{root}/{site}/{gateway}/ack", "Ack", "read"),
    MqttTopic("desired", "{root}/{site}/{gateway}/desired", "versions and settings wanted", "read", True),
)
_BY_NAME = {topic.name: topic for topic in MQTT_TOPICS}
_NAME = re.compile(NAME_PATTERN)


class TopicError(ValueError):
    """A topic or a name that does not fit the table."""


class Address(NamedTuple):
    """What an MQTT topic says about its sender; `unit` is empty on a gateway's own topics."""

    site: str
    gateway: str
    unit: str
    name: str


def check_name(kind: str, name: str) -> str:
    """A site, gateway or unit name that may stand in a topic.

    Raises:
        TopicError: it holds a slash, a wildcard or the like, or a unit is named like a gateway topic.
    """
    if not _NAME.match(name):
        raise TopicError(
            f"{kind} {name!r}: expected letters, digits, _ and -, starting with one of the first two, at most 63"
        )
    if kind == "unit" and name in GATEWAY_TOPICS:
        raise TopicError(f"unit {name!r} is named like a gateway topic; take another name")
    return name


def mqtt_topic(name: str, site: str, gateway: str, unit: str = "", root: str = MQTT_ROOT) -> str:
    """The MQTT topic of this name, for one gateway and unit (`+` subscribes to all)."""
    return _BY_NAME[name].pattern.format(root=root, site=site, gateway=gateway, unit=unit)


def parse_mqtt_topic(topic: str, root: str = MQTT_ROOT) -> Address:
    """Who sent a message, by the topic that the broker let it use.

    Raises:
        TopicError: the topic is not in the table.
    """
    levels = topic.removeprefix(root + "/").split("/") if topic.startswith(root + "/") else []
    if len(levels) == 4 and levels[3] in ("frame", "layout", "alert"):
        return Address(levels[0], levels[1], levels[2], levels[3])
    if len(levels) == 3 and levels[2] in GATEWAY_TOPICS:
        return Address(levels[0], levels[1], "", levels[2])
    raise TopicError(f"mqtt topic {topic!r} is not in the table; expected {root}/SITE/GATEWAY/UNIT/frame or the like")


def device_name(site: str, gateway: str) -> str:
    """Name of a gateway's certificate, user and MQTT client id; a colon cannot stand in a site or gateway name."""
    return f"{site}:{gateway}"


def mosquitto_acl(
    devices: list[tuple[str, str]], services: tuple[str, ...] = ("bridge",), root: str = MQTT_ROOT
) -> str:
    """An ACL file for Mosquitto: each device its own topics only, each cloud service everything under the root.

    Args:
        devices: Pairs of site and gateway; the user name is `device_name`.
        services: User names of our own cloud processes.
    """
    lines = []
    for service in services:
        lines += [f"user {service}", f"topic readwrite {root}/#", ""]
    for site, gateway in devices:
        check_name("site", site)
        check_name("gateway", gateway)
        lines.append(f"user {device_name(site, gateway)}")
        lines += [f"topic {t.device} {mqtt_topic(t.name, site, gateway, '+', root)}" for t in MQTT_TOPICS]
        lines.append("")
    return "\n".join(lines)


def aws_iot_policy(site: str, gateway: str, region: str, account: str, root: str = MQTT_ROOT) -> str:
    """The AWS IoT Core policy of one device, as JSON: the same rights as `mosquitto_acl` gives."""
    check_name("site", site)
    check_name("gateway", gateway)
    arn = f"arn:aws:iot:{region}:{account}"

    def resources(kind: str, rights: str) -> list[str]:
        return [
            f"{arn}:{kind}/{mqtt_topic(t.name, site, gateway, '*', root)}" for t in MQTT_TOPICS if t.device == rights
        ]

    def retained() -> list[str]:
        return [
            f"{arn}:topic/{mqtt_topic(t.name, site, gateway, '*', root)}"
            for t in MQTT_TOPICS
            if t.retained and t.device == "write"
        ]

    statements = [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": [f"{arn}:client/{device_name(site, gateway)}"]},
        {"Effect": "Allow", "Action": "iot:Publish", "Resource": resources("topic", "write")},
        {"Effect": "Allow", "Action": "iot:RetainPublish", "Resource": retained()},
        {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": resources("topicfilter", "read")},
        {"Effect": "Allow", "Action": "iot:Receive", "Resource": resources("topic", "read")},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def kafka_topic(name: str) -> KafkaTopic:
    """The row of a Kafka topic.

    Raises:
        TopicError: the table has no such topic.
    """
    for row in KAFKA_TOPICS:
        if row.name == name:
            return row
    raise TopicError(f"kafka topic {name!r} is not in the table")


def _check_messages() -> None:
    """Every message that the table names exists; a misspelling fails at import, not in production."""
    for name in [row.message for row in KAFKA_TOPICS] + [row.message for row in MQTT_TOPICS]:
        if name[0].isupper() and not name.startswith("Frame"):
            getattr(messages, name)


_check_messages()
