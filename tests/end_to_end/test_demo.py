"""The demo as a newcomer runs it, with the embedded brokers and with real ones; and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.servers import ROOT, Kafka, Mosquitto

# Long enough for every fault to be planted and alerted, and for the link to be cut and to catch up.
SECONDS = 130


def run_demo(directory: Path, *words: str) -> tuple[int, dict[str, float], str]:
    """Exit code, figures and output of one unattended run."""
    figures = directory / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "plenum", "demo", "--seconds", str(SECONDS), "--check", "--json", str(figures),
         "--keep", str(directory / "kept"), *words],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    found = {row["name"]: row["value"] for row in json.loads(figures.read_text())} if figures.exists() else {}
    return done.returncode, found, done.stdout + done.stderr


def check(code: int, figures: dict[str, float], output: str) -> None:
    assert code == 0, output
    assert figures["demo.faults_planted"] == figures["demo.faults_alerted"] == 3
    assert figures["demo.false_alerts"] == figures["demo.frames_lost"] == figures["demo.frames_duplicate"] == 0
    assert figures["demo.seconds_to_first_alert"] < 60
    assert "link of gw-2 cut" in output
    assert "backlog drained" in output


def processes_of(directory: Path) -> list[psutil.Process]:
    """Processes that were started with a settings file of this directory."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if any(str(directory) in word for word in words) and process.pid != os.getpid():
            found.append(process)
    return found


def test_the_demo_judges_itself(tmp_path: Path) -> None:
    check(*run_demo(tmp_path))
    assert processes_of(tmp_path) == []


@pytest.mark.kafka
@pytest.mark.mosquitto
def test_the_demo_on_real_brokers(tmp_path: Path) -> None:
    with Mosquitto() as mosquitto, Kafka() as kafka:
        check(*run_demo(tmp_path, "--mqtt", f"{mosquitto.host}:{mosquitto.port}", "--kafka", kafka.bootstrap))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda s: s.name)
def test_the_demo_ends_every_process_that_it_started(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C, and even SIGKILL."""
    command = [sys.executable, "-m", "plenum", "demo", "--keep", str(tmp_path)]
    demo = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    for line in demo.stdout or ():
        if "Dashboard" in line:
            break
    assert len(processes_of(tmp_path)) >= 6
    demo.send_signal(how)
    code = demo.wait(20)
    assert code == (0 if how is not signal.SIGKILL else -how)
    deadline = time.monotonic() + 5
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(tmp_path) == []
