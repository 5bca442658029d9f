"""The command line: errors that say what to do, and exit codes."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from models.contracts import topics
from models.contracts.settings import KafkaSettings
from stream.topics import ensure_topics
from tests.servers import ROOT, EmbeddedKafka, free_port


def run(tmp_path: Path, text: str, *words: str) -> tuple[int, str]:
    path = tmp_path / "stream.toml"
    path.write_text(text)
    command = [sys.executable, "-m", "stream", "hvac", "--settings", str(path), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_an_unknown_key_is_exit_code_3(tmp_path: Path) -> None:
    code, error = run(tmp_path, "[chain]\nwait_second = 3\n")
    assert code == 3
    assert "unknown key 'wait_second' [chain]; did you mean 'wait_seconds'" in error


def test_an_unreachable_kafka_is_exit_code_4_with_its_address(tmp_path: Path) -> None:
    port = free_port()
    code, error = run(tmp_path, f'[kafka]\nbootstrap = ["127.0.0.1:{port}"]\n')
    assert code == 4
    assert f"kafka at 127.0.0.1:{port} failed" in error


def test_a_metrics_port_that_is_taken_is_exit_code_4(tmp_path: Path, embedded_kafka: EmbeddedKafka) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = f'[kafka]\nbootstrap = ["{embedded_kafka.bootstrap}"]\n[metrics]\nport = {port}\n'
        code, error = run(tmp_path, text)
    assert code == 4
    assert f"metrics cannot listen at 127.0.0.1:{port}" in error


def test_topics_that_do_not_belong_together_are_exit_code_3(tmp_path: Path) -> None:
    with EmbeddedKafka() as server:
        settings = KafkaSettings(bootstrap=(server.bootstrap,), partitions=2)
        asyncio.run(ensure_topics(settings, [topics.FRAMES], [topics.FRAMES]))
        wider = KafkaSettings(bootstrap=(server.bootstrap,), partitions=3)
        asyncio.run(ensure_topics(wider, [topics.EDGE_ALERTS], [topics.EDGE_ALERTS]))
        code, error = run(tmp_path, f'[kafka]\nbootstrap = ["{server.bootstrap}"]\n')
    assert code == 3
    assert f"kafka topic {topics.EDGE_ALERTS} has 3 partitions, expected 2" in error


def test_a_broken_recording_is_a_finding(tmp_path: Path) -> None:
    broken = tmp_path / "log.bin"
    broken.write_bytes(b"\x10\x00\x00\x00short")
    code, error = run(tmp_path, "", "--replay", str(broken))
    assert code == 1
    assert "ends in the middle of a record" in error


@pytest.mark.parametrize("words", [["--record", "a", "--replay", "b"], ["--colour"]])
def test_wrong_usage_is_exit_code_2(tmp_path: Path, words: list[str]) -> None:
    assert run(tmp_path, "", *words)[0] == 2


def test_the_state_of_a_newer_worker_is_exit_code_3(tmp_path: Path) -> None:
    with EmbeddedKafka() as server:
        asyncio.run(_newer_state(server.bootstrap))
        text = f'[kafka]\nbootstrap = ["{server.bootstrap}"]\n[read]\nsession_seconds = 1\n'
        code, error = run(tmp_path, text)
    assert code == 3
    assert "hvac partition 2: a newer worker wrote this state: schema 99" in error
    assert "start the newer worker again" in error


async def _newer_state(bootstrap: str) -> None:
    settings = KafkaSettings(bootstrap=(bootstrap,))
    await ensure_topics(settings, [topics.FRAMES, topics.HVAC_STATE], [topics.FRAMES, topics.HVAC_STATE])
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    value = msgspec.msgpack.encode({"schema": 99, "positions": {topics.FRAMES: 5}})
    await producer.send_and_wait(topics.HVAC_STATE, value, key=b"newer/manifest", partition=2)
    await producer.stop()
