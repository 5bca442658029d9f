"""The bridge on real brokers: nothing is acknowledged that Kafka has not, nothing is lost, nobody speaks for another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import msgspec
import pytest

from cloud.bridge import Bridge
from cloud.settings import BridgeSettings
from models.contracts import topics
from models.contracts.frame import FRAME_BYTES_MAX
from models.contracts.layout import Channel, Layout
from models.contracts.messages import DeadLetter, EdgeAlert, LayoutMessage, decode_json, encode_json
from models.contracts.settings import KafkaSettings, MqttSettings
from tests.cloud.site import (
    LAYOUT,
    Gateway,
    QuickKafka,
    cloud_settings,
    frame,
    read_topic,
    running,
    values_of,
    wait_until,
)
from tests.servers import EmbeddedKafka, Kafka, Mosquitto, Server, free_port

OTHER = Layout("generic", (Channel("current", "amperes", 0.01),))


class Pair:
    """A broker and a Kafka."""

    def __init__(self, mqtt: Server, kafka: Kafka | EmbeddedKafka) -> None:
        self.port = mqtt.port
        self.host = mqtt.host
        self.bootstrap = kafka.bootstrap

    def gateway(self, name: str = "gw1", site: str = "") -> Gateway:
        return Gateway(self.host, self.port, site, name)


@pytest.fixture(
    params=[
        pytest.param(("mosquitto", "kafka"), id="real", marks=[pytest.mark.mosquitto, pytest.mark.kafka]),
        pytest.param(("embedded_mqtt", "embedded_kafka"), id="embedded"),
    ]
)
def pair(request: pytest.FixtureRequest) -> Pair:
    mqtt, kafka = (request.getfixturevalue(name) for name in request.param)
    return Pair(mqtt, kafka)


@pytest.fixture
def embedded(embedded_mqtt: Server, embedded_kafka: EmbeddedKafka) -> Pair:
    return Pair(embedded_mqtt, embedded_kafka)


@pytest.fixture
def gateway(embedded: Pair) -> Iterator[Gateway]:
    one = embedded.gateway()
    yield one
    one.close()


def letters(pair: Pair, gateway: Gateway) -> list[DeadLetter]:
    """Dead letters of a gateway."""
    return [decode_json(value, DeadLetter) for value in values_of(pair.bootstrap, topics.BRIDGE_DEAD, gateway.site)]


def test_everything_arrives_and_exactly_that_is_acknowledged(pair: Pair) -> None:
    gateway = pair.gateway()
    alert = EdgeAlert(
        site=gateway.site,
        gateway=gateway.name,
        unit="ahu1",
        alert_id="al_1",
        transition="opened",
        family="damper_stuck",
        rule="apar_7",
        severity="warning",
        opened_at_ms=0,
        measured_at_ms=0,
    )
    gateway.publish_layout()
    with running(Bridge(cloud_settings(pair.port, pair.bootstrap))) as bridge:
        payloads = gateway.publish_frames(range(1, 301))
        gateway.publish("status", encode_json(gateway.status(300)), retain=True)
        gateway.publish("alert", encode_json(alert), "ahu1")
        wait_until(lambda: gateway.acked_seqs() == set(range(1, 301)))
        wait_until(lambda: bridge.counts.forwarded["status"] == 1 and bridge.counts.forwarded["alert"] == 1)
        assert bridge.counts.acknowledged == 300
    key = f"{gateway.site}/ahu1".encode()
    frames = [row for row in read_topic(pair.bootstrap, topics.FRAMES) if row.key == key]
    assert [row.value for row in frames] == payloads, "frames of a unit keep their order"
    assert values_of(pair.bootstrap, topics.GATEWAYS, gateway.site) == [encode_json(gateway.status(300))]
    assert values_of(pair.bootstrap, topics.EDGE_ALERTS, gateway.site) == [encode_json(alert)]
    (layout,) = values_of(pair.bootstrap, topics.LAYOUTS, gateway.site)
    assert decode_json(layout, LayoutMessage).layout == LAYOUT
    assert letters(pair, gateway) == []
    gateway.close()


def test_who_speaks_for_another_is_not_heard(pair: Pair) -> None:
    gateway = pair.gateway()
    gateway.publish_layout()
    strangers = {
        "unit": frame(gateway.site, gateway.name, "ahu2", 1),
        "gateway": frame(gateway.site, "gw2", "ahu1", 2),
        "site": frame("elsewhere", gateway.name, "ahu1", 3),
    }
    victim = Gateway(pair.host, pair.port, gateway.site, "gw2")
    with running(Bridge(cloud_settings(pair.port, pair.bootstrap))) as bridge:
        for payload in strangers.values():
            gateway.publish("frame", payload, "ahu1")
        other = LayoutMessage(site=gateway.site, gateway="gw2", unit="ahu1", layout=LAYOUT)
        gateway.publish("layout", encode_json(other), "ahu1")
        gateway.publish("status", encode_json(msgspec.structs.replace(gateway.status(9), gateway="gw2")))
        wait_until(lambda: bridge.counts.forwarded["dead"] == 5)
        gateway.publish_frames([4])
        wait_until(lambda: 4 in gateway.acked_seqs())
    assert gateway.acked_seqs() == {4}
    assert victim.acked == []
    dead = letters(pair, gateway)
    assert [letter.reason for letter in dead] == ["identity"] * 5
    assert {letter.payload for letter in dead} >= set(strangers.values()), "unchanged, so that it can be put back"
    # Layouts come over a connection of their own: their order among the rest is open.
    assert [letter.source for letter in dead].count(gateway.topic("frame", "ahu1")) == 3
    assert gateway.topic("layout", "ahu1") in {letter.source for letter in dead}
    assert len(values_of(pair.bootstrap, topics.FRAMES, gateway.site)) == 1
    gateway.close()
    victim.close()


def test_poison_is_set_aside_with_its_reason_and_the_rest_goes_on(embedded: Pair, gateway: Gateway) -> None:
    good = frame(gateway.site, gateway.name, "ahu1", 50)
    message_of_none = frame(gateway.site, gateway.name, "ahu1", 51, n=1)
    flipped = good[:40] + bytes([good[40] ^ 0x10]) + good[41:]
    poison = {
        b"hello": "truncated",
        good[:-20]: "truncated",
        flipped: "checksum",
        b"\x00" * 4000: "truncated",
        good + message_of_none: "checksum",
        b"x" * (FRAME_BYTES_MAX + 1): "too_large",
    }
    gateway.publish_layout()
    with running(Bridge(cloud_settings(embedded.port, embedded.bootstrap))) as bridge:
        for payload in poison:
            gateway.publish("frame", payload, "ahu1")
        gateway.publish("status", b'{"site": NaN}')
        gateway.publish("alert", b"[" * 60_000, "ahu1")
        gateway.publish_frames(range(1, 11))
        wait_until(lambda: gateway.acked_seqs() == set(range(1, 11)))
        wait_until(lambda: bridge.counts.forwarded["dead"] == len(poison) + 2)
    found = {letter.payload: letter.reason for letter in letters(embedded, gateway)}
    assert {payload: found.get(payload) for payload in poison} == poison
    assert found[b'{"site": NaN}'] == "malformed"
    assert all(seq <= 10 for seq in gateway.acked_seqs())


def test_a_readable_frame_that_is_refused_is_acknowledged_or_it_would_come_for_ever(
    embedded: Pair, gateway: Gateway
) -> None:
    newer = _with_schema(frame(gateway.site, gateway.name, "ahu1", 5), 2)
    of_another = _with_schema(frame(gateway.site, "gw2", "ahu1", 6), 2)
    with running(Bridge(cloud_settings(embedded.port, embedded.bootstrap, ack="stored"))):
        gateway.publish("frame", newer, "ahu1")
        gateway.publish("frame", of_another, "ahu1")
        wait_until(lambda: gateway.acked_seqs() == {5})
        wait_until(lambda: len(letters(embedded, gateway)) == 2)
        time.sleep(0.2)
    assert gateway.acked_seqs() == {5}
    assert {letter.reason for letter in letters(embedded, gateway)} == {"schema"}


def _with_schema(payload: bytes, schema: int) -> bytes:
    from models.contracts import frame_pb2
    from models.contracts.codec import pack

    message = frame_pb2.Frame.FromString(payload)
    message.schema = schema
    return pack(message)


def test_a_frame_waits_for_its_layout(pair: Pair) -> None:
    gateway = pair.gateway()
    with running(Bridge(cloud_settings(pair.port, pair.bootstrap))) as bridge:
        gateway.publish_frames(range(1, 6), layout=OTHER)
        time.sleep(0.3)
        assert gateway.acked == []
        assert bridge.counts.forwarded["frame"] == 0
        gateway.publish_layout(layout=OTHER)
        wait_until(lambda: gateway.acked_seqs() == {1, 2, 3, 4, 5})
    assert len(values_of(pair.bootstrap, topics.FRAMES, gateway.site)) == 5
    gateway.close()


def test_a_frame_whose_layout_never_comes_is_left_to_its_gateway(embedded: Pair, gateway: Gateway) -> None:
    settings = cloud_settings(
        embedded.port,
        embedded.bootstrap,
        bridge=BridgeSettings(client_id=gateway.site, held_frames=3, held_seconds=0.3, ack_interval_ms=20),
    )
    lonely = Layout("generic", (Channel("torque", "none", 0.5),))
    with running(Bridge(settings)) as bridge:
        gateway.publish_frames(range(1, 6), layout=lonely)
        wait_until(lambda: bridge.counts.held_expired == 5)
        assert gateway.acked == []
        gateway.publish_layout(layout=lonely)

        def sent_again() -> bool:
            """As the outbox does with what was not acknowledged, until it hears of it."""
            gateway.publish_frames(range(1, 6), layout=lonely)
            time.sleep(0.3)
            return gateway.acked_seqs() == {1, 2, 3, 4, 5}

        wait_until(sent_again)


def test_with_stored_it_forwards_and_history_acknowledges(embedded: Pair, gateway: Gateway) -> None:
    gateway.publish_layout()
    with running(Bridge(cloud_settings(embedded.port, embedded.bootstrap, ack="stored"))) as bridge:
        gateway.publish_frames(range(1, 11))
        wait_until(lambda: bridge.counts.forwarded["frame"] == 10)
        time.sleep(0.2)
    assert gateway.acked == []


@pytest.mark.mosquitto
def test_two_bridges_share_the_load(mosquitto: Mosquitto, embedded_kafka: EmbeddedKafka) -> None:
    gateway = Gateway(mosquitto.host, mosquitto.port)
    gateway.publish_layout()
    gateway.publish_layout("ahu2", OTHER)
    bridges = [
        Bridge(
            cloud_settings(
                mosquitto.port,
                embedded_kafka.bootstrap,
                bridge=BridgeSettings(
                    client_id=f"{gateway.site}-{number}", shared_group=gateway.site, ack_interval_ms=20
                ),
            )
        )
        for number in range(2)
    ]
    with running(bridges[0]), running(bridges[1]):
        gateway.publish_frames(range(1, 101))
        gateway.publish_frames(range(101, 201), "ahu2", OTHER)
        wait_until(lambda: gateway.acked_seqs() == set(range(1, 201)))
    assert sum(bridge.counts.forwarded["frame"] for bridge in bridges) == 200
    assert all(bridge.counts.forwarded["frame"] > 0 for bridge in bridges)
    gateway.close()


@pytest.mark.kafka
@pytest.mark.mosquitto
def test_kafka_killed_nothing_acknowledged_is_missing(mosquitto: Mosquitto) -> None:
    gateway = Gateway(mosquitto.host, mosquitto.port)
    gateway.publish_layout()
    with QuickKafka() as kafka, running(Bridge(cloud_settings(mosquitto.port, kafka.bootstrap))) as bridge:
        gateway.publish_frames(range(1, 101))
        wait_until(lambda: len(gateway.acked_seqs()) == 100)
        kafka.kill()
        gateway.publish_frames(range(101, 201))
        time.sleep(1.5)
        assert gateway.acked_seqs() == set(range(1, 101)), "acknowledged although Kafka was dead"
        connections = bridge.counts.connections
        kafka.start()
        wait_until(lambda: gateway.acked_seqs() == set(range(1, 201)), 30)
        assert bridge.counts.connections == connections
        stored = {row.value for row in read_topic(kafka.bootstrap, topics.FRAMES)}
        assert {frame(gateway.site, gateway.name, "ahu1", seq) for seq in gateway.acked_seqs()} <= stored
    gateway.close()


@pytest.mark.mosquitto
def test_the_broker_killed_the_bridge_comes_back(embedded_kafka: EmbeddedKafka) -> None:
    with Mosquitto() as broker:
        gateway = Gateway(broker.host, broker.port)
        gateway.publish_layout()
        with running(Bridge(cloud_settings(broker.port, embedded_kafka.bootstrap))) as bridge:
            gateway.publish_frames(range(1, 11))
            wait_until(lambda: len(gateway.acked_seqs()) == 10)
            broker.kill()
            time.sleep(0.3)
            gateway.subscribed.clear()
            broker.start()
            assert gateway.subscribed.wait(10)
            wait_until(lambda: bridge.counts.connections == 2)
            gateway.publish_layout()
            gateway.publish_frames(range(5, 21))
            wait_until(lambda: gateway.acked_seqs() == set(range(1, 21)))
        gateway.close()


@pytest.mark.mosquitto
def test_a_kafka_that_forgets_gets_topics_and_layouts_again(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.forwarder._STUCK_SECONDS", 1.0)
    monkeypatch.setattr("cloud.forwarder._MEND_SECONDS", 0.5)
    gateway = Gateway(mosquitto.host, mosquitto.port)
    gateway.publish_layout()
    with EmbeddedKafka() as kafka, running(Bridge(cloud_settings(mosquitto.port, kafka.bootstrap))):
        gateway.publish_frames(range(1, 11))
        wait_until(lambda: len(gateway.acked_seqs()) == 10)
        kafka.kill()
        kafka.start()
        deadline = time.monotonic() + 20
        while 11 not in gateway.acked_seqs() and time.monotonic() < deadline:
            gateway.publish_frames([11])  # as the outbox does
            time.sleep(0.5)
        assert 11 in gateway.acked_seqs()
        assert len(values_of(kafka.bootstrap, topics.LAYOUTS, gateway.site)) >= 1
        assert frame(gateway.site, gateway.name, "ahu1", 11) in values_of(kafka.bootstrap, topics.FRAMES, gateway.site)
    gateway.close()


@pytest.mark.mosquitto
def test_one_bridge_serves_gateways_that_come_and_go(mosquitto: Mosquitto, embedded_kafka: EmbeddedKafka) -> None:
    with running(Bridge(cloud_settings(mosquitto.port, embedded_kafka.bootstrap))):
        for _ in range(3):
            gateways = [Gateway(mosquitto.host, mosquitto.port, name=f"gw{number}") for number in range(3)]
            for gateway in gateways:
                gateway.publish_layout()
                gateway.publish_frames([3, 1, 2, 9])
            for gateway in gateways:
                wait_until(lambda gateway=gateway: gateway.acked_seqs() == {1, 2, 3, 9})  # type: ignore[misc]
                gateway.close()


def test_nobody_there_at_the_start_is_a_network_error(
    embedded: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cloud.bridge.START_SECONDS", 0.2)
    settings = cloud_settings(free_port(), embedded.bootstrap)
    assert Bridge(settings).run(threading.Event()) == 4
    assert f"mqtt 127.0.0.1:{settings.mqtt.port}: cannot connect" in caplog.text
    nowhere = f"127.0.0.1:{free_port()}"
    settings = msgspec.structs.replace(
        settings, mqtt=MqttSettings(port=embedded.port), kafka=KafkaSettings(bootstrap=(nowhere,))
    )
    assert Bridge(settings).run(threading.Event()) == 4
    assert f"kafka {nowhere}: " in caplog.text
