"""From Kafka into history, ledger, live picture and alerts: stored first, then acknowledged, each frame once."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer

from cloud.alerts.service import AlertService
from cloud.bridge import Bridge
from cloud.context import Context
from cloud.fleet import Fleet
from cloud.history import open_history
from cloud.ingest import Ingest
from cloud.ledger import Ledger, LedgerRow
from cloud.mqtt import AckSender
from cloud.settings import CloudSettings, HistorySettings
from models.contracts import topics
from models.contracts.clock import PlantClock
from models.contracts.layout import Channel, Layout
from models.contracts.messages import AlertEvent, Gap, Health, LayoutMessage, encode_json
from tests.cloud.site import LAYOUT, T0, Gateway, QuickKafka, cloud_settings, frame, running, wait_until
from tests.servers import EmbeddedKafka, Mosquitto, Server

logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    await asyncio.to_thread(wait_until, condition, seconds)


def settings_for(mqtt_port: int, bootstrap: str, tmp_path: Path) -> CloudSettings:
    return cloud_settings(
        mqtt_port,
        bootstrap,
        ack="stored",
        data_dir=str(tmp_path),
        history=HistorySettings(group=f"test-{uuid.uuid4().hex[:8]}"),
    )


@asynccontextmanager
async def ingesting(settings: CloudSettings) -> AsyncIterator[Context]:
    """The ingest at work on the files of these settings."""
    data = Path(settings.data_dir)
    history = open_history(data, settings.history)
    context = Context(
        settings=settings,
        clock=PlantClock(settings.clock),
        history=history,
        ledger=Ledger(),
        fleet=Fleet(),
        alerts=AlertService(data / "alerts.sqlite"),
    )
    context.ledger.load(history.epochs())
    context.fleet.load(history.latest())
    acks = AckSender(settings.mqtt)
    acks.start()
    task = asyncio.create_task(Ingest(context, acks).run())
    try:
        await until(lambda: context.ingest.kafka_connected, 20)
        yield context
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        acks.stop()
        history.close()


def row_of(context: Context, gateway: Gateway) -> LedgerRow:
    (row,) = [row for row in context.ledger.rows() if row.gateway == gateway.key]
    return row


def produce(bootstrap: str, *records: tuple[str, bytes, bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap)
    for topic, key, value in records:
        producer.send(topic, value, key).get(10)
    producer.close()


def health(site: str, **changes: object) -> Health:
    one = Health(
        site=site,
        gateway="gw1",
        unit="ahu1",
        equipment="ahu",
        measured_at_ms=T0,
        anomaly_score=0.5,
        anomalous=False,
    )
    return msgspec.structs.replace(one, **changes)


def alert(site: str) -> AlertEvent:
    return AlertEvent(
        alert_id=f"al_{site}",
        transition="opened",
        site=site,
        gateway="gw1",
        unit="ahu1",
        equipment="ahu",
        family="damper_stuck",
        rule="model",
        severity="warning",
        title="Outdoor air damper stuck",
        opened_at_ms=T0,
        measured_at_ms=T0,
    )


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(("mosquitto", "kafka"), id="real", marks=[pytest.mark.mosquitto, pytest.mark.kafka]),
        pytest.param(("embedded_mqtt", "embedded_kafka"), id="embedded"),
    ],
)
async def test_from_gateway_to_history_ledger_and_fleet(
    names: tuple[str, str], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    mqtt, kafka = (request.getfixturevalue(name) for name in names)
    settings = settings_for(mqtt.port, kafka.bootstrap, tmp_path)
    gateway = Gateway(mqtt.host, mqtt.port)
    gateway.publish_layout()
    unit = f"{gateway.site}/ahu1"
    with running(Bridge(settings)):
        async with ingesting(settings) as context:
            gateway.publish_frames([*range(1, 101), *range(50, 61)])
            status = msgspec.structs.replace(gateway.status(105, backlog=2), gaps=(Gap(101, 102, "quota"),))
            gateway.publish("status", encode_json(status), retain=True)
            await until(lambda: gateway.acked_seqs() == set(range(1, 101)))
            produce(
                kafka.bootstrap,
                (topics.HEALTH, unit.encode(), encode_json(health(gateway.site))),
                (topics.ALERTS, unit.encode(), encode_json(alert(gateway.site))),
                (topics.ALERTS, unit.encode(), encode_json(alert(gateway.site))),
            )
            await until(lambda: context.alerts.alert(f"al_{gateway.site}") is not None)
            await until(lambda: row_of(context, gateway).duplicate == 11 and row_of(context, gateway).backlog == 2)
            await until(lambda: context.fleet.units() != [] and bool(context.ingest.lag_records))
            traces = context.history.traces(unit, ["supply_air_temperature"], T0, T0 + 10**9)
            assert traces.at_ms.size == 600
            assert traces.values.ravel()[::6].tolist() == [15 + seq % 10 for seq in range(1, 101)]
            row = row_of(context, gateway)
            assert (row.received, row.missing, row.reported_lost, row.double_counted) == (100, 1, 2, 0)
            assert (row.state, row.last_seq) == ("online", 105)
            view = context.fleet.unit(unit)
            assert view is not None
            assert view.values["supply_air_temperature"] == 15.0
            assert view.health == health(gateway.site)
            assert [one.key for one in context.fleet.gateways() if one.site == gateway.site] == [gateway.key]
            await until(lambda: set(context.ingest.lag_records.values()) == {0})
        async with ingesting(settings) as again:
            assert row_of(again, gateway) == row, "the ledger starts again from what is stored"
            restored = again.fleet.unit(unit)
            assert restored is not None
            assert (restored.values, restored.health) == (view.values, view.health)
    gateway.close()


async def test_nothing_is_acknowledged_before_it_is_stored(
    embedded_mqtt: Server, embedded_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    settings = settings_for(embedded_mqtt.port, embedded_kafka.bootstrap, tmp_path)
    gateway = Gateway(embedded_mqtt.host, embedded_mqtt.port)
    gateway.publish_layout()
    with running(Bridge(settings)):
        async with ingesting(settings) as context:
            disk = sqlite3.connect(tmp_path / "history.sqlite", isolation_level=None)
            disk.execute("CREATE TRIGGER full BEFORE INSERT ON frames BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
            gateway.publish_frames(range(1, 11))
            await until(lambda: "disk is full" in context.ingest.last_error)
            await asyncio.sleep(0.3)
            assert gateway.acked == []
            disk.execute("DROP TRIGGER full")
            disk.close()
            await until(lambda: gateway.acked_seqs() == set(range(1, 11)))
            assert row_of(context, gateway).received == 10
    gateway.close()


async def test_a_layout_that_is_new_is_looked_up(
    embedded_mqtt: Server, embedded_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    settings = settings_for(embedded_mqtt.port, embedded_kafka.bootstrap, tmp_path)
    site = f"s{uuid.uuid4().hex[:8]}"
    async with ingesting(settings) as context:
        for number in range(5):
            layout = Layout("generic", (Channel(f"point_{site}_{number}", "none", 0.5),))
            message = LayoutMessage(site=site, gateway="gw1", unit=f"u{number}", layout=layout)
            key = f"{site}/u{number}".encode()
            produce(
                embedded_kafka.bootstrap,
                (topics.LAYOUTS, key, encode_json(message)),
                (topics.FRAMES, key, frame(site, "gw1", f"u{number}", number + 1, layout=layout)),
            )
        await until(lambda: [row.received for row in context.ledger.rows() if row.gateway == f"{site}/gw1"] == [5])
        assert context.ingest.dead["layout"] == 0


async def test_poison_is_counted_and_the_rest_goes_on(
    embedded_mqtt: Server, embedded_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    settings = settings_for(embedded_mqtt.port, embedded_kafka.bootstrap, tmp_path)
    gateway = Gateway(embedded_mqtt.host, embedded_mqtt.port)
    unknown = Layout("generic", (Channel(f"never_{gateway.site}", "none", 0.5),))
    lying = Layout("generic", (Channel("a", "none", 0.5), Channel("b", "none", 0.5)))
    key = f"{gateway.site}/ahu1".encode()
    whole = frame(gateway.site, "gw1", "ahu1", 1)
    wrong_shape = _with_layout_id(frame(gateway.site, "gw1", "ahu1", 3, layout=lying), LAYOUT.id)
    message = LayoutMessage(site=gateway.site, gateway="gw1", unit="ahu1", layout=LAYOUT)
    async with ingesting(settings) as context:
        before = context.ingest.dead.copy()
        produce(
            embedded_kafka.bootstrap,
            (topics.LAYOUTS, key, encode_json(message)),
            (topics.LAYOUTS, b"x", b"{}"),
            (topics.GATEWAYS, b"x", b"[]"),
            (topics.HEALTH, key, b'{"site": "?"}'),
            (topics.ALERTS, key, b"\xff\xfe"),
            (topics.FRAMES, key, b"garbage"),
            (topics.FRAMES, key, frame(gateway.site, "gw1", "ahu1", 2, layout=unknown)),
            (topics.FRAMES, key, wrong_shape),
            (topics.FRAMES, key, whole),
        )
        await until(lambda: gateway.acked_seqs() == {1, 3})
        expected = {"malformed": 4, "truncated": 1, "layout": 1, "shape": 1}
        await until(lambda: context.ingest.dead - before == expected)
        assert row_of(context, gateway).received == 1
    gateway.close()


def _with_layout_id(payload: bytes, layout_id: int) -> bytes:
    from models.contracts import frame_pb2
    from models.contracts.codec import pack

    message = frame_pb2.Frame.FromString(payload)
    message.layout_id = layout_id
    return pack(message)


@pytest.mark.long
@pytest.mark.mosquitto
@pytest.mark.kafka
async def test_kafka_killed_the_ingest_comes_back(mosquitto: Mosquitto, tmp_path: Path) -> None:
    gateway = Gateway(mosquitto.host, mosquitto.port)
    key = f"{gateway.site}/ahu1".encode()
    message = LayoutMessage(site=gateway.site, gateway="gw1", unit="ahu1", layout=LAYOUT)
    with QuickKafka() as kafka:
        settings = settings_for(mosquitto.port, kafka.bootstrap, tmp_path)
        async with ingesting(settings) as context:
            produce(
                kafka.bootstrap,
                (topics.LAYOUTS, key, encode_json(message)),
                (topics.FRAMES, key, frame(gateway.site, "gw1", "ahu1", 1)),
            )
            await until(lambda: gateway.acked_seqs() == {1})
            await asyncio.to_thread(kafka.kill)
            await until(lambda: not context.ingest.kafka_connected, 20)
            await asyncio.to_thread(kafka.start)
            await asyncio.to_thread(
                produce, kafka.bootstrap, (topics.FRAMES, key, frame(gateway.site, "gw1", "ahu1", 2))
            )
            await until(lambda: gateway.acked_seqs() == {1, 2}, 30)
            await until(lambda: context.ingest.kafka_connected, 20)
    gateway.close()


@pytest.mark.mosquitto
async def test_a_kafka_that_forgets_loses_nothing_that_was_acknowledged(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.forwarder._STUCK_SECONDS", 1.0)
    monkeypatch.setattr("cloud.forwarder._MEND_SECONDS", 0.5)
    gateway = Gateway(mosquitto.host, mosquitto.port)
    gateway.publish_layout()
    with EmbeddedKafka() as kafka:
        settings = settings_for(mosquitto.port, kafka.bootstrap, tmp_path)
        with running(Bridge(settings)):
            async with ingesting(settings) as context:
                gateway.publish_frames(range(1, 51))
                await until(lambda: len(gateway.acked_seqs()) == 50)
                gateway.publish_frames(range(51, 101))
                await asyncio.to_thread(kafka.kill)
                await asyncio.to_thread(kafka.start)
                for _ in range(40):
                    missing = sorted(set(range(1, 101)) - gateway.acked_seqs())
                    if not missing:
                        break
                    gateway.publish_frames(missing)  # as the outbox does
                    await asyncio.sleep(0.5)
                assert gateway.acked_seqs() == set(range(1, 101))
                row = row_of(context, gateway)
                assert (row.received, row.double_counted) == (100, 0)
                assert context.history.double_counted() == {}
    gateway.close()
