"""A site for the tests of bridge and ingest: gateways that speak real MQTT, and an independent reader of Kafka."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from aiokafka import AIOKafkaConsumer
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cloud.bridge import Bridge
from cloud.settings import BridgeSettings, CloudSettings
from models.contracts.codec import encode
from models.contracts.exits import Exit
from models.contracts.frame import Frame
from models.contracts.layout import Layout, layout_for
from models.contracts.messages import Ack, GatewayStatus, LayoutMessage, decode_json, encode_json
from models.contracts.points import AHU_POINTS
from models.contracts.settings import KafkaSettings, MqttSettings
from models.contracts.topics import mqtt_topic
from tests.servers import Kafka

LAYOUT = layout_for("ahu", AHU_POINTS)
T0 = 1_700_000_000_000


class Row(NamedTuple):
    """One record as it lies in Kafka."""

    partition: int
    offset: int
    key: bytes
    value: bytes


class QuickKafka(Kafka):
    """A Kafka that may come back soon after a SIGKILL: by default it waits 9 s until its own former life is over."""

    def command(self) -> list[str]:
        words = super().command()
        config = self.directory / "server.properties"
        quick = "broker.session.timeout.ms=1000\nbroker.heartbeat.interval.ms=200\n"
        if quick not in config.read_text():
            config.write_text(config.read_text() + quick)
        return words


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Return as soon as the condition holds.

    Raises:
        AssertionError: it did not within this time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.02)


def frame(site: str, gateway: str, unit: str, seq: int, epoch: int = 7, layout: Layout = LAYOUT, n: int = 6) -> bytes:
    """A frame whose values depend on its seq."""
    values = np.full((len(layout.channels), n), 15 + seq % 10, dtype=np.float32)
    return encode(
        Frame(site, gateway, unit, epoch, seq, seq - 1, T0 + seq * n * 1000, 1000, values, boottime_ms=seq), layout
    )


class Gateway:
    """A client like an edge agent's: publishes, and notes what is acknowledged end to end."""

    def __init__(self, host: str, port: int, site: str = "", name: str = "gw1", root: str = "plenum/v1") -> None:
        self.site = site or f"s{uuid.uuid4().hex[:12]}"
        self.name = name
        self.root = root
        self.acked: list[tuple[int, int]] = []  # epoch, seq, as often as it was acknowledged
        self.client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"{self.site}:{name}", protocol=MQTTProtocolVersion.MQTTv5
        )
        self.client.on_connect = lambda client, *_: client.subscribe(self.topic("ack"), qos=1)
        self.subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = self._on_message
        self.client.reconnect_delay_set(1, 1)
        self.client.connect(host, port)
        self.client.loop_start()
        assert self.subscribed.wait(5)

    @property
    def key(self) -> str:
        return f"{self.site}/{self.name}"

    def topic(self, name: str, unit: str = "") -> str:
        return mqtt_topic(name, self.site, self.name, unit, self.root)

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        ack = decode_json(bytes(message.payload), Ack)
        self.acked += [(ack.epoch, seq) for seqs in ack.ranges for seq in range(seqs.first, seqs.last + 1)]

    def acked_seqs(self, epoch: int = 7) -> set[int]:
        return {seq for acked_epoch, seq in self.acked if acked_epoch == epoch}

    def publish(self, name: str, payload: bytes, unit: str = "", retain: bool = False) -> None:
        self.client.publish(self.topic(name, unit), payload, qos=1, retain=retain).wait_for_publish(5)

    def publish_layout(self, unit: str = "ahu1", layout: Layout = LAYOUT) -> None:
        message = LayoutMessage(site=self.site, gateway=self.name, unit=unit, layout=layout)
        self.publish("layout", encode_json(message), unit, retain=True)

    def publish_frames(self, seqs: range | list[int], unit: str = "ahu1", layout: Layout = LAYOUT) -> list[bytes]:
        payloads = [frame(self.site, self.name, unit, seq, layout=layout) for seq in seqs]
        for payload in payloads:
            self.client.publish(self.topic("frame", unit), payload, qos=1)
        return payloads

    def status(self, last_seq: int, backlog: int = 0, sent_at_ms: int = 0) -> GatewayStatus:
        return GatewayStatus(
            site=self.site,
            gateway=self.name,
            state="online",
            sent_at_ms=sent_at_ms,
            started_at_ms=0,
            epoch=7,
            last_seq=last_seq,
            backlog_frames=backlog,
        )

    def close(self) -> None:
        # A retained message would follow later tests on the same broker.
        for unit in ("ahu1", "ahu2"):
            self.client.publish(self.topic("layout", unit), b"", qos=1, retain=True)
        self.client.publish(self.topic("status"), b"", qos=1, retain=True)
        self.client.disconnect()
        self.client.loop_stop()


def cloud_settings(mqtt_port: int, bootstrap: str, **changes: object) -> CloudSettings:
    """Settings for one test, with a client id that nobody else has."""
    bridge = BridgeSettings(client_id=f"bridge-{uuid.uuid4().hex[:8]}", ack_interval_ms=20)
    values: dict[str, object] = {
        "mqtt": MqttSettings(port=mqtt_port, keepalive_seconds=5),
        "kafka": KafkaSettings(bootstrap=(bootstrap,)),
        "bridge": bridge,
    }
    return CloudSettings(**(values | changes))  # type: ignore[arg-type]


@contextmanager
def running(bridge: Bridge) -> Iterator[Bridge]:
    """The bridge at work in a thread of this process."""
    stop, exits = threading.Event(), list[Exit]()
    thread = threading.Thread(target=lambda: exits.append(bridge.run(stop)), name="bridge")
    thread.start()
    try:
        wait_until(lambda: bridge.counts.connections > 0)
        yield bridge
    finally:
        stop.set()
        thread.join(5)
        assert not thread.is_alive(), "the bridge did not stop within 5 s"
    assert exits == [Exit.OK]


def read_topic(bootstrap: str, topic: str) -> list[Row]:
    """Everything in a topic, by a client that is not ours, in the order of partitions and offsets."""

    async def read() -> list[Row]:
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            ends = await consumer.end_offsets(consumer.assignment())
            rows: list[Row] = []
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                found = await consumer.getmany(timeout_ms=200)
                for partition, records in found.items():
                    rows += [Row(partition.partition, r.offset, r.key or b"", r.value or b"") for r in records]
            return sorted(rows)
        finally:
            await consumer.stop()

    return asyncio.run(read())


def values_of(bootstrap: str, topic: str, site: str) -> list[bytes]:
    """Values in a topic whose key begins with this site."""
    return [row.value for row in read_topic(bootstrap, topic) if row.key.startswith(site.encode() + b"/")]
