"""The command on real brokers: the ledger and what an independent reader finds there are the same."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from kafka import KafkaConsumer, TopicPartition
from paho.mqtt.enums import CallbackAPIVersion

from models.contracts import topics
from models.contracts.codec import parse
from models.contracts.frame import FrameError
from models.contracts.messages import GatewayStatus, LayoutMessage, decode_json
from models.contracts.topics import parse_mqtt_topic
from simulators.load.ledger import Entry, read_ledger
from tests.servers import ROOT, EmbeddedKafka, EmbeddedMqtt, Kafka, free_port

WORDS = ("--units", "30", "--gateways", "3", "--samples", "10", "--frames", "900", "--rate", "900", "--poison", "0.03")
FAST = ("--pattern-hours", "0.5")
DISORDER = ("--duplicates", "0.1", "--reordered", "0.1", "--late", "0.05", "--late-seconds", "0.5")


def load(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulators", "load", *FAST, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def held(bootstrap: str, site: str) -> dict[str, list[bytes]]:
    """Everything of a site that the three topics hold."""
    names = (topics.FRAMES, topics.LAYOUTS, topics.GATEWAYS)
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=1000, max_poll_records=5000)
    found: dict[str, list[bytes]] = {name: [] for name in names}
    try:
        partitions = [
            TopicPartition(name, number) for name in names for number in consumer.partitions_for_topic(name) or ()
        ]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        for record in consumer:
            if record.key.startswith(site.encode() + b"/"):
                found[record.topic].append(record.value)
    finally:
        consumer.close()
    return found


def names_of(payloads: list[bytes]) -> tuple[Counter[tuple[str, str, int, int]], int]:
    """Unit, gateway, epoch and seq of every readable frame, and how many are not readable."""
    found: Counter[tuple[str, str, int, int]] = Counter()
    unreadable = 0
    for payload in payloads:
        try:
            frame = parse(payload)
        except FrameError:
            unreadable += 1
        else:
            found[f"{frame.site}/{frame.unit}", frame.gateway, frame.epoch, frame.seq] += 1
    return found, unreadable


def compare(ledger: list[Entry], payloads: list[bytes]) -> None:
    found, unreadable = names_of(payloads)
    assert found == Counter(entry[2:] for entry in ledger if entry.kind != "poison")
    assert unreadable == sum(entry.kind == "poison" for entry in ledger) > 0


def check_kafka(bootstrap: str, tmp_path: Path, site: str) -> None:
    ledger, figures = tmp_path / "ledger.csv", tmp_path / "figures.json"
    done = load(
        "--kafka", bootstrap, "--site", site, *WORDS, *DISORDER, "--ledger", str(ledger), "--json", str(figures)
    )
    assert done.returncode == 0, done.stderr
    entries = read_ledger(ledger)
    there = held(bootstrap, site)
    compare(entries, there[topics.FRAMES])
    assert len({entry[2:] for entry in entries if entry.kind in ("good", "reordered", "late")}) == 900
    layouts = [decode_json(value, LayoutMessage) for value in there[topics.LAYOUTS]]
    assert {f"{site}/{one.unit}" for one in layouts} == {entry.unit for entry in entries}
    told = {one.gateway: one for value in there[topics.GATEWAYS] for one in [decode_json(value, GatewayStatus)]}
    assert {name: one.last_seq for name, one in told.items()} == {
        name: max(entry.seq for entry in entries if entry.gateway == name) for name in told
    }
    value = {one["name"]: one["value"] for one in json.loads(figures.read_text())}
    kinds = Counter(entry.kind for entry in entries)
    assert value["load.frames"] == 900
    for kind in ("reordered", "late", "duplicate", "poison"):
        assert value[f"load.{kind}"] == kinds[kind] > 0
    assert f"RESULT load.poison {kinds['poison']} records" in done.stdout


@pytest.mark.kafka
def test_kafka_holds_exactly_what_the_ledger_says(tmp_path: Path, kafka: Kafka) -> None:
    check_kafka(kafka.bootstrap, tmp_path, "load-a")


def test_the_embedded_kafka_does_too(tmp_path: Path, embedded_kafka: EmbeddedKafka) -> None:
    check_kafka(embedded_kafka.bootstrap, tmp_path, "load-b")


def test_mqtt_gets_frames_layouts_and_accounts_under_the_topics_of_gateways(
    tmp_path: Path, embedded_mqtt: EmbeddedMqtt
) -> None:
    got: list[tuple[str, bytes]] = []
    reader = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, client_id="load-reader")
    subscribed = threading.Event()
    reader.on_message = lambda _c, _d, message: got.append((message.topic, bytes(message.payload)))
    reader.on_subscribe = lambda *_: subscribed.set()
    reader.connect(embedded_mqtt.host, embedded_mqtt.port)
    reader.loop_start()
    reader.subscribe("loadtest/v1/#", qos=1)
    assert subscribed.wait(10)
    ledger = tmp_path / "ledger.csv"
    where = ("--mqtt", f"127.0.0.1:{embedded_mqtt.port}", "--root", "loadtest/v1")
    done = load(*where, *WORDS, "--duplicates", "0.1", "--ledger", str(ledger))
    assert done.returncode == 0, done.stderr
    entries = read_ledger(ledger)
    deadline = time.monotonic() + 10
    while len(got) < len(entries) + 30 + 6 and time.monotonic() < deadline:
        time.sleep(0.05)
    reader.disconnect()
    reader.loop_stop()
    addresses = [parse_mqtt_topic(topic, "loadtest/v1") for topic, _ in got]
    by_name = Counter(address.name for address in addresses)
    assert by_name == {"frame": len(entries), "layout": 30, "status": 6}
    compare(entries, [payload for (_, payload), at in zip(got, addresses, strict=True) if at.name == "frame"])
    for (_, payload), address in zip(got, addresses, strict=True):
        if address.name == "layout":
            message = decode_json(payload, LayoutMessage)
            assert (message.site, message.gateway, message.unit) == address[:3]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--kafka", f"127.0.0.1:{free_port()}", "--frames", "1"), 4, "is it running there? [--kafka]"),
        (("--mqtt", f"127.0.0.1:{free_port()}", "--frames", "1"), 4, "is it running there? [--mqtt]"),
        (("--mqtt", "nowhere", "--frames", "1"), 4, "expected host:port [--mqtt]"),
        (("--kafka", "x:1", "--frames", "1", "--late", "0.1"), 2, "say a --rate"),
        (("--kafka", "x:1", "--frames", "1", "--units", "0"), 2, "0 units: expected 1 to 100000"),
        (("--kafka", "x:1"), 2, "one of the arguments --frames --seconds is required"),
        (("--kafka", "x:1", "--frames", "1", "--start-at", "soon"), 2, "'soon' is no ISO 8601 time"),
    ],
)
def test_what_fails_is_a_sentence_and_an_exit_code(words: tuple[str, ...], code: int, said: str) -> None:
    done = load("--units", "2", "--samples", "10", *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_a_missing_client_is_named_with_its_extra(tmp_path: Path) -> None:
    (tmp_path / "aiokafka.py").write_text("raise ModuleNotFoundError('gone', name='aiokafka')\n")
    command = [sys.executable, "-m", "simulators", "load", "--kafka", "x:1", "--frames", "1"]
    environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 3
    assert "package aiokafka is missing; install it with: pip install 'plenum[stream]'" in done.stderr


def test_a_signal_ends_the_run_with_its_figures(tmp_path: Path, embedded_kafka: EmbeddedKafka) -> None:
    command = [
        sys.executable,
        "-m",
        "simulators",
        "load",
        "--kafka",
        embedded_kafka.bootstrap,
        "--site",
        "signalled",
        *FAST,
    ]
    words = ["--units", "2", "--samples", "10", "--rate", "50", "--seconds", "600"]
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen([*command, *words], cwd=ROOT, stdout=out, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        for line in process.stderr:
            if "records acknowledged" in line:
                break
        process.terminate()
        assert process.wait(20) == 0
        process.stderr.close()
    assert "RESULT load.frames" in (tmp_path / "out").read_text()
