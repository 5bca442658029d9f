"""The bridge: MQTT to Kafka, and the end-to-end acknowledgement that gateways wait for.

    broker ──message──▶ examine ──▶ Kafka (acks=all) ──▶ PUBACK to the broker
                           │                        └──▶ Ack{epoch, ranges} to the gateway, in batches
                           └─ layout not written yet: held, and neither is sent

It keeps nothing between two runs. A PUBACK says that the broker may forget the message; only an Ack lets a gateway forget a
frame, so a frame that Kafka did not take is simply sent again. While Kafka is away nothing is acknowledged and the broker's
window fills up; that is the back-pressure.
"""

from __future__ import annotations

import logging
import random
import select
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from cloud.acks import AckBook
from cloud.forwarder import Delivery, Forwarder, Outcome
from cloud.holding import Holding, Receipt, Receipts
from cloud.intake import Record, Refused, examine
from cloud.kafka_admin import KafkaUnreachable, create_topics
from cloud.layouts import LayoutListener
from cloud.mqtt import connect_properties, make_client
from cloud.settings import CloudSettings
from models.contracts.clock import wall_ms
from models.contracts.exits import Exit
from models.contracts.frame import FRAME_BYTES_MAX
from models.contracts.messages import DeadLetter, encode_json
from models.contracts.topics import BRIDGE_DEAD, mqtt_topic

log = logging.getLogger(__name__)

# Neither broker nor Kafka answered for so long since the start: the settings are wrong. Later on it waits for ever.
START_SECONDS = 60
SESSION_SECONDS = 86_400
RECONNECT_SECONDS_MAX = 15.0
_CONNACK_SECONDS = 10.0
_STOP_SECONDS = 1.0
_PACKET_BYTES_MAX = 2 * FRAME_BYTES_MAX
_MESSAGES_A_TURN = 200
_TICK_SECONDS = 0.05
_BUSY_TICK_SECONDS = 0.002
_REPORT_SECONDS = 60
# The producer's thread and ours share one interpreter; with Python's default of 5 ms they wait for each other
# (measured: 6,400 frames/s against 9,300).
_SWITCH_SECONDS = 0.0001


@dataclass(slots=True)
class BridgeCounts:
    """What the bridge has done since it started."""

    forwarded: Counter[str] = field(default_factory=Counter)  # by kind
    dead: Counter[str] = field(default_factory=Counter)  # by reason
    acknowledged: int = 0  # frames
    held_expired: int = 0
    failed: int = 0  # records that Kafka did not take
    connections: int = 0


class Bridge:
    """One connection to the broker, one producer, one thread."""

    def __init__(self, settings: CloudSettings) -> None:
        """Prepare; nothing is connected before `run`.

        Raises:
            SettingsError: a file named in the settings cannot be used.
        """
        self._settings = settings
        self._root = settings.mqtt.root
        self.counts = BridgeCounts()
        self._holding: Holding[Delivery] = Holding(settings.bridge.held_frames, settings.bridge.held_seconds)
        self._receipts = Receipts()
        self._layouts: set[int] = set()  # that Kafka has
        self._book = AckBook()
        self._acks_at = 0.0
        self._messages = 0
        self._connect_at = 0.0
        self._connack_until = 0.0
        self._tries = 0
        self._stopping = False
        self._why = ""  # the connection ends
        self._listener = LayoutListener(settings.mqtt)
        self._client = make_client(settings.mqtt, settings.bridge.client_id, manual_ack=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        # With this callback paho leaves writing to us, many packets at a time.
        self._client.on_socket_register_write = lambda *_: None

    def run(self, stop: threading.Event) -> Exit:
        """Forward until told to stop.

        Returns:
            NETWORK when broker or Kafka were not there at the start, else OK.
        """
        switch_seconds = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_SECONDS)
        try:
            forwarder = self._open_kafka(stop)
            if forwarder is None:
                return Exit.OK if stop.is_set() else Exit.NETWORK
            self._forwarder = forwarder
            self._listener.start()
            try:
                return self._loop(stop)
            finally:
                self._finish()
        finally:
            sys.setswitchinterval(switch_seconds)

    def _open_kafka(self, stop: threading.Event) -> Forwarder | None:
        """A producer and the topics; None when Kafka was not there in time."""
        give_up_at = time.monotonic() + START_SECONDS
        bridge = self._settings.bridge
        while not stop.is_set():
            try:
                created = create_topics(self._settings.kafka, timeout_ms=2000)
                if created:
                    log.info("created topics: %s", ", ".join(created))
                return Forwarder(self._settings.kafka, bridge.linger_ms, bridge.compression, timeout_ms=2000)
            except KafkaUnreachable as error:
                if time.monotonic() > give_up_at:
                    log.error("%s", error)
                    return None
                log.warning("%s", error)
                stop.wait(random.uniform(0.5, 1.5))
        return None

    def _loop(self, stop: threading.Event) -> Exit:
        give_up_at = time.monotonic() + START_SECONDS
        report_at = time.monotonic() + _REPORT_SECONDS
        while not stop.is_set():
            now = time.monotonic()
            if not self._connected():
                if self.counts.connections == 0 and now > give_up_at:
                    return Exit.NETWORK
                if now >= self._connect_at:
                    self._connect(now)
            self._read()
            for topic, payload in self._listener.take():
                self._accept(topic, payload, None)
            self._settle()
            self.counts.held_expired += len(self._holding.expired(now))
            self._publish_acks()
            self._write()
            if self._forwarder.mend():
                self._start_over()
            if now >= report_at:
                report_at = now + _REPORT_SECONDS
                log.info("%s", self.report())
        return Exit.OK

    def report(self) -> str:
        """One line on what was done."""
        forwarded = ", ".join(f"{count} {kind}" for kind, count in sorted(self.counts.forwarded.items())) or "nothing"
        dead = ", ".join(f"{count} {reason}" for reason, count in sorted(self.counts.dead.items())) or "none"
        return (
            f"forwarded {forwarded}; acknowledged {self.counts.acknowledged} frames; dead letters: {dead};"
            f" on their way {len(self._forwarder)}, waiting for a layout {self._holding.count}"
        )

    # The broker.

    def _connected(self) -> bool:
        return self._client.socket() is not None

    def _connect(self, now: float) -> None:
        mqtt = self._settings.mqtt
        self._receipts.forget()
        try:
            self._client.connect(
                mqtt.host,
                mqtt.port,
                keepalive=mqtt.keepalive_seconds,
                clean_start=False,
                properties=connect_properties(
                    SESSION_SECONDS, self._settings.bridge.receive_maximum, _PACKET_BYTES_MAX
                ),
            )
            self._connack_until = now + _CONNACK_SECONDS
        except (OSError, ValueError) as error:
            self._retry_later(f"cannot connect: {error}")

    def _retry_later(self, why: str) -> None:
        """Try again after a random part of a wait that doubles, so that a thousand clients do not come at once."""
        self._tries += 1
        longest = min(RECONNECT_SECONDS_MAX, 0.25 * 2**self._tries)
        self._connect_at = time.monotonic() + random.uniform(0.1, longest)
        mqtt = self._settings.mqtt
        log.warning("mqtt %s:%d: %s; trying again", mqtt.host, mqtt.port, why)

    def _on_connect(self, client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._connack_until = 0.0
        if reason.is_failure:
            self._why = f"refused: {reason}; check username, password and certificate [mqtt]"
            return  # paho disconnects
        self._tries = 0
        self.counts.connections += 1
        group = self._settings.bridge.shared_group
        wanted = [mqtt_topic(kind, "+", "+", "+", self._root) for kind in ("frame", "status", "alert")]
        prefix = f"$share/{group}/" if group else ""
        client.subscribe([(prefix + topic, SubscribeOptions(qos=1)) for topic in wanted])
        log.info("mqtt %s:%d: connected", self._settings.mqtt.host, self._settings.mqtt.port)

    def _on_disconnect(
        self, _client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        self._retry_later(self._why or f"disconnected: {reason}")
        self._why = ""

    def _disconnect(self, why: str) -> None:
        self._connack_until = 0.0
        self._why = why
        self._client.disconnect()
        self._client.loop_write()

    def _start_over(self) -> None:
        """Kafka forgot everything: take the retained layouts once more, before any frame."""
        log.warning("kafka had lost its topics; they are there again, and the layouts are read anew")
        self._layouts.clear()
        self._listener.start()

    def _read(self) -> None:
        """Wait for something to do, and take what the broker has sent, unless too much waits for Kafka already."""
        tick_seconds = _BUSY_TICK_SECONDS if len(self._forwarder) else _TICK_SECONDS
        sock = self._client.socket()
        full = self._forwarder.pending_bytes > self._settings.bridge.buffer_mebibytes << 20
        if sock is None or full:
            time.sleep(tick_seconds)
            return
        # Bytes that TLS has read already do not make the socket readable.
        pending = getattr(sock, "pending", None)
        readable = bool(pending and pending()) or bool(select.select([sock], [], [], tick_seconds)[0])
        for _ in range(_MESSAGES_A_TURN if readable else 0):
            before = self._messages
            if self._client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or self._messages == before:
                break

    def _write(self) -> None:
        if self._client.socket() is None:
            return
        if self._connack_until and time.monotonic() > self._connack_until:
            self._disconnect(f"no answer to CONNECT within {_CONNACK_SECONDS:g} s; does it speak MQTT 5?")
            return
        for mid in self._receipts.ready():
            self._client.ack(mid, 1)
        if self._client.want_write():
            self._client.loop_write()
        self._client.loop_misc()

    # Messages.

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._messages += 1
        receipt = self._receipts.arrived(message.mid) if message.qos else None
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        self._accept(topic, bytes(message.payload), receipt)

    def _accept(self, topic: str, payload: bytes, receipt: Receipt | None) -> None:
        if not payload:  # a retained message was deleted
            if receipt is not None:
                receipt.done = True
            return
        try:
            found = examine(topic, payload, self._root)
        except Exception as error:  # noqa: BLE001, one message must not stop the others
            found = Refused("internal", f"{type(error).__name__}: {error}", b"")
        record = self._dead(found, topic, payload) if isinstance(found, Refused) else found
        delivery = Delivery(record, receipt)
        if record.kind != "frame" or record.layout_id in self._layouts:
            self._forwarder.send(delivery)
            return
        # Receipts go in order: one frame that waits must not keep the broker from forgetting all others. Its gateway
        # has it until the Ack.
        delivery.done()
        if not self._holding.hold(record.layout_id, delivery, time.monotonic()):
            self.counts.held_expired += 1

    def _dead(self, refused: Refused, topic: str, payload: bytes) -> Record:
        self.counts.dead[refused.reason] += 1
        letter = DeadLetter(
            reason=refused.reason,
            error=refused.error,
            source=topic,
            payload=payload,
            received_at_ms=wall_ms(),
            key=refused.key.decode(),
        )
        return Record(
            "dead", BRIDGE_DEAD, refused.key, encode_json(letter), refused.gateway, refused.epoch, refused.seq
        )

    def _settle(self) -> None:
        """Acknowledge what Kafka has taken."""
        for outcome in self._forwarder.settled():
            delivery, record = outcome.delivery, outcome.delivery.record
            if outcome.error:
                self._failed(outcome)
                continue
            self.counts.forwarded[record.kind] += 1
            delivery.done()
            # With "stored" history acknowledges the frames that it gets; what is dead never gets there.
            if record.seq and (self._settings.ack == "kafka" or record.kind == "dead"):
                self._book.stored(record.gateway, record.epoch, record.seq)
            if record.kind == "layout" and record.layout_id not in self._layouts:
                self._layouts.add(record.layout_id)
                for waiting in self._holding.release(record.layout_id):
                    self._forwarder.send(waiting)

    def _failed(self, outcome: Outcome) -> None:
        """A frame or a status comes again by itself; everything else is tried again, as long as Kafka might take it."""
        delivery = outcome.delivery
        self.counts.failed += 1
        log.warning("kafka did not take a %s: %s", delivery.record.kind, outcome.error)
        if self._stopping or outcome.hopeless or delivery.record.kind in ("frame", "status"):
            delivery.done()
        else:
            self._forwarder.send(delivery)

    def _publish_acks(self) -> None:
        now = time.monotonic()
        if now < self._acks_at or not self._book or not self._client.is_connected():
            return
        self._acks_at = now + self._settings.bridge.ack_interval_ms / 1000
        for gateway, ack in self._book.take():
            site, _, name = gateway.partition("/")
            self._client.publish(mqtt_topic("ack", site, name, root=self._root), encode_json(ack), qos=0)
            self.counts.acknowledged += sum(seqs.last - seqs.first + 1 for seqs in ack.ranges)

    def _finish(self) -> None:
        """Let Kafka take what it can, acknowledge that, and say goodbye."""
        self._stopping = True
        self._listener.stop()
        self._forwarder.close(_STOP_SECONDS)
        self._settle()
        self._acks_at = 0.0
        self._publish_acks()
        self._client.on_disconnect = None
        if self._client.is_connected():
            self._disconnect("")
        log.info("stopped: %s", self.report())
