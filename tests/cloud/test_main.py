"""The processes as they are started: exit codes, a quick end, and nothing lost when they are killed."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud.history import open_history
from cloud.ledger import Ledger
from cloud.settings import HistorySettings
from tests.cloud.site import T0, Gateway, wait_until
from tests.servers import EmbeddedKafka, Server, free_port

STOP_SECONDS = 3.0


def write_settings(directory: Path, mqtt_port: int, bootstrap: str, ack: str = "stored") -> Path:
    path = directory / "cloud.toml"
    path.write_text(
        f"""
data_dir = "{directory / "data"}"
ack = "{ack}"
[mqtt]
port = {mqtt_port}
keepalive_seconds = 5
[kafka]
bootstrap = ["{bootstrap}"]
[bridge]
client_id = "bridge-{uuid.uuid4().hex[:8]}"
ack_interval_ms = 20
[history]
group = "test-{uuid.uuid4().hex[:8]}"
[http]
port = 0
"""
    )
    return path


class Process:
    """`python -m cloud COMMAND`, its output as it comes."""

    def __init__(self, command: str, settings: Path) -> None:
        self.lines: list[str] = []
        self.popen = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "cloud", command, "--settings", str(settings)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.lines.append(line.rstrip())

    def says(self, text: str) -> bool:
        return any(text in line for line in self.lines)

    def url(self) -> str:
        wait_until(lambda: self.says("dashboard: "), 20)
        (found,) = [match[1] for line in self.lines if (match := re.match(r"dashboard: (\S+)", line))]
        return found

    def ends_within(self, seconds: float) -> int:
        """Exit code after SIGTERM, which must come within this time."""
        started = time.monotonic()
        self.popen.send_signal(signal.SIGTERM)
        try:
            code = self.popen.wait(20)
        finally:
            self.popen.kill()
        taken = time.monotonic() - started
        assert taken < seconds, f"took {taken:.1f} s to end\n" + "\n".join(self.lines[-20:])
        self._reader.join(5)
        return code


@contextmanager
def process(command: str, settings: Path) -> Iterator[Process]:
    started = Process(command, settings)
    try:
        yield started
    finally:
        started.popen.kill()
        started.popen.wait(10)


def run_to_end(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "cloud", *words], capture_output=True, text=True, timeout=60)


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_wrong_settings_end_with_3_and_say_which(tmp_path: Path) -> None:
    settings = tmp_path / "cloud.toml"
    settings.write_text("[bridge]\nlinger = 5\n")
    for command in ("bridge", "run"):
        ended = run_to_end(command, "--settings", str(settings))
        assert ended.returncode == 3
        assert "unknown key 'linger' [bridge]; did you mean 'linger_ms'" in ended.stderr
    assert run_to_end("run", "--settings", str(tmp_path / "none.toml")).returncode == 3
    assert run_to_end("walk").returncode == 2


def test_a_port_that_is_taken_ends_with_4(tmp_path: Path, embedded_kafka: EmbeddedKafka) -> None:
    settings = write_settings(tmp_path, free_port(), embedded_kafka.bootstrap)
    settings.write_text(settings.read_text().replace("port = 0", f"port = {embedded_kafka.port}"))
    ended = run_to_end("run", "--settings", str(settings))
    assert ended.returncode == 4
    assert f"http 127.0.0.1:{embedded_kafka.port}: Address already in use; take another port" in ended.stderr


def test_run_serves_and_ends_at_once(tmp_path: Path, embedded_mqtt: Server, embedded_kafka: EmbeddedKafka) -> None:
    settings = write_settings(tmp_path, embedded_mqtt.port, embedded_kafka.bootstrap)
    with process("run", settings) as cloud:
        url = cloud.url()
        wait_until(lambda: status_of(f"{url}/healthz") == 200)
        wait_until(lambda: status_of(f"{url}/readyz") == 200)
        assert cloud.ends_within(STOP_SECONDS) == 0


def test_run_serves_though_kafka_and_broker_are_away(tmp_path: Path) -> None:
    settings = write_settings(tmp_path, free_port(), f"127.0.0.1:{free_port()}")
    with process("run", settings) as cloud:
        url = cloud.url()
        wait_until(lambda: status_of(f"{url}/healthz") == 200)
        wait_until(lambda: cloud.says("is it running there? [kafka.bootstrap]"))
        assert status_of(f"{url}/readyz") == 503
        assert cloud.ends_within(STOP_SECONDS) == 0


@pytest.mark.parametrize("away", ["nothing", "mqtt", "kafka", "kafka later"])
def test_bridge_ends_at_once(tmp_path: Path, embedded_mqtt: Server, away: str) -> None:
    with EmbeddedKafka() as kafka:
        mqtt_port = free_port() if away == "mqtt" else embedded_mqtt.port
        bootstrap = f"127.0.0.1:{free_port()}" if away == "kafka" else kafka.bootstrap
        with process("bridge", write_settings(tmp_path, mqtt_port, bootstrap)) as bridge:
            if away == "mqtt":
                wait_until(lambda: bridge.says(f"mqtt 127.0.0.1:{mqtt_port}: cannot connect"))
            elif away == "kafka":
                wait_until(lambda: bridge.says("is it running there? [kafka.bootstrap]"))
            else:
                wait_until(lambda: bridge.says(f"mqtt 127.0.0.1:{mqtt_port}: connected"))
            if away == "kafka later":
                kafka.kill()
                gateway = Gateway(embedded_mqtt.host, embedded_mqtt.port)
                gateway.publish_layout()
                gateway.close()
                time.sleep(1)
            assert bridge.ends_within(STOP_SECONDS) == 0


def test_killed_again_and_again_each_frame_is_stored_once(
    tmp_path: Path, embedded_mqtt: Server, embedded_kafka: EmbeddedKafka
) -> None:
    """Bridge and cloud die by SIGKILL while frames come; the gateway does what the outbox does."""
    settings = write_settings(tmp_path, embedded_mqtt.port, embedded_kafka.bootstrap)
    gateway = Gateway(embedded_mqtt.host, embedded_mqtt.port)
    gateway.publish_layout()
    lives, frames_a_life = 3, 1000
    for life in range(1, lives + 1):
        last_seq = life * frames_a_life
        with process("bridge", settings) as bridge, process("run", settings) as cloud:
            wait_until(lambda: bridge.says(": connected") and cloud.says("dashboard: "), 30)
            acknowledged = len(gateway.acked_seqs())
            gateway.publish_frames(sorted(set(range(1, last_seq + 1)) - gateway.acked_seqs()))
            wait_until(lambda: len(gateway.acked_seqs()) >= acknowledged + 100, 30)  # noqa: B023
            if life < lives:
                continue  # which kills both, with frames under way
            deadline = time.monotonic() + 30
            while missing := sorted(set(range(1, last_seq + 1)) - gateway.acked_seqs()):
                assert time.monotonic() < deadline, f"{len(missing)} frames were never acknowledged"
                time.sleep(1)
                gateway.publish_frames([seq for seq in missing if seq not in gateway.acked_seqs()])
    history = open_history(tmp_path / "data", HistorySettings())
    ledger = Ledger()
    ledger.load(history.epochs())
    (row,) = [row for row in ledger.rows() if row.gateway == gateway.key]
    assert row.received == last_seq
    assert history.double_counted() == {}
    unit = f"{gateway.site}/ahu1"
    traces = history.traces(unit, ["supply_air_temperature"], T0, T0 + 10**9)
    assert traces.at_ms.size == last_seq * 6
    assert traces.values[0, ::6].tolist() == [15 + seq % 10 for seq in range(1, last_seq + 1)]
    minutes = history.traces(unit, ["supply_air_temperature"], T0, T0 + 10**9, "1m")
    # Each whole minute holds ten frames of six samples: their mean is known.
    assert set(minutes.values[0, 1:-1].tolist()) == {19.5}
    history.close()
    gateway.close()
