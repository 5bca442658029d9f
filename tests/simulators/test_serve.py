"""The plant as a process: ready lines, plant time, orders through standard input, and an end at once."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.contracts.exits import Exit
from models.contracts.settings import parse
from simulators.__main__ import main
from simulators.hvac.serve import CommandError, Plant
from simulators.hvac.settings import SimulatorSettings
from tests.servers import free_port

START_AT_MS = 1_778_581_800_000
COMMAND = [sys.executable, "-m", "simulators", "hvac", "--settings"]


def _settings(speed: float = 30.0) -> str:
    return f"""
[clock]
speed = {speed}
origin_wall_ms = {round(time.time() * 1000)}
origin_plant_ms = {START_AT_MS}
[plant]
warmup_hours = 1.0
[[servers]]
units = ["ahu-01", "ahu-02"]
[[servers]]
units = ["ahu-03"]
profile = "us"
[[faults]]
unit = "ahu-02"
family = "filter_fouled"
severity = 0.5
"""


@contextlib.contextmanager
def _running(path: Path, text: str) -> Iterator[subprocess.Popen[str]]:
    path.write_text(text)
    process = subprocess.Popen(
        [*COMMAND, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _say(process: subprocess.Popen[str], order: dict[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    return _line(process)


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_plant_runs_obeys_and_ends_at_once(tmp_path: Path, signal_number: signal.Signals) -> None:
    with _running(tmp_path / "plant.toml", _settings()) as process:
        first, second = _line(process), _line(process)
        assert first["ready"]["units"] == {"ahu-01": 1, "ahu-02": 2}
        assert (second["ready"]["profile"], second["ready"]["units"]) == ("us", {"ahu-03": 1})
        assert first["ready"]["port"] != second["ready"]["port"]
        planted = _say(process, {"plant": {"unit": "ahu-03", "family": "damper_stuck", "severity": 0.8}})
        assert planted["planted"]["unit"] == "ahu-03"
        time.sleep(1.0)
        mended = _say(process, {"repair": {"unit": "ahu-03"}})
        # A second of the wall is half a minute in the plant.
        assert 15_000 < mended["measured_at_ms"] - planted["measured_at_ms"] < 90_000
        assert _say(process, {"lie": {"unit": "ahu-01", "how": "stall"}})["lying"]["how"] == "stall"
        assert "unit 'ahu-9' is not in this plant" in _say(process, {"repair": {"unit": "ahu-9"}})["error"]
        asked = time.monotonic()
        process.send_signal(signal_number)
        assert process.wait(timeout=5) == Exit.OK
        assert time.monotonic() - asked < 2
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_lines_that_are_no_orders_are_answered_and_the_plant_runs_on(tmp_path: Path) -> None:
    with _running(tmp_path / "plant.toml", _settings()) as process:
        _line(process)
        _line(process)
        assert process.stdin is not None
        process.stdin.write("\n\n")
        assert "missing required field `unit`" in _say(process, {"plant": {}})["error"]
        process.stdin.write("x" * 10_000 + "\n")
        process.stdin.flush()
        assert "command of more than 4096 bytes" in _line(process)["error"]
        for _ in range(5):  # what was left of the long line may be answered too
            answer = _say(process, {"repair": {"unit": "ahu-01"}})
            if "repaired" in answer:
                break
        assert answer["repaired"]["unit"] == "ahu-01"


def test_help_tells_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in ((["--help"], ["hvac"]), (["hvac", "--help"], ["--settings", "simulators.sample.toml"])):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == Exit.OK
        shown = capsys.readouterr().out
        assert all(word in shown for word in words)
    wrong = subprocess.run(
        [sys.executable, "-m", "simulators"], capture_output=True, text=True, timeout=30, check=False
    )
    assert wrong.returncode == Exit.USAGE


def test_a_plant_runs_on_when_its_input_ends(tmp_path: Path) -> None:
    with _running(tmp_path / "plant.toml", _settings()) as process:
        assert process.stdin is not None
        process.stdin.close()
        _line(process)
        _line(process)
        time.sleep(0.5)
        assert process.poll() is None
        process.stdin = None


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("[plant]\nsed = 1\n", Exit.SETTINGS, "unknown key 'sed' [plant]; did you mean 'seed'"),
        ("", Exit.SETTINGS, "no units"),
    ],
)
def test_errors_have_their_exit_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: Exit, message: str
) -> None:
    path = tmp_path / "plant.toml"
    path.write_text(text)
    assert main(["hvac", "--settings", str(path)]) == code
    assert message in capsys.readouterr().err


def test_a_taken_port_is_a_network_error(tmp_path: Path) -> None:
    port = free_port()
    text = f'[plant]\nwarmup_hours = 0.0\n[[servers]]\nunits = ["{{}}"]\nport = {port}\n'
    with _running(tmp_path / "first.toml", text.format("a")) as process:
        _line(process)
        (tmp_path / "second.toml").write_text(text.format("b"))
        second = subprocess.run(
            [*COMMAND, str(tmp_path / "second.toml")], capture_output=True, text=True, timeout=30, check=False
        )
    assert second.returncode == Exit.NETWORK
    assert f"modbus server 127.0.0.1:{port}: cannot listen" in second.stderr


def test_points_are_printed_for_an_agent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hvac", "--points", "us"]) == Exit.OK
    assert capsys.readouterr().out.startswith('[[points]]\npoint = "supply_air_temperature"\nregister = 40012\n')


@pytest.fixture(scope="module")
def plant() -> Plant:
    return Plant(parse(_settings(), SimulatorSettings))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"garbage", "command 'garbage': JSON is malformed"),
        (b"{}", "command is empty: expected plant, repair or lie"),
        (b'{"plant": {"unit": "ahu-01", "family": "gremlins", "severity": 0.5}}', "fault family 'gremlins'"),
        (b'{"plant": {"unit": "ahu-01", "family": "damper_stuck", "severity": 5}}', "$.plant.severity"),
        (b'{"plant": {"unit": "ahu-01", "family": "damper_stuck"}}', "severity"),
        (b'{"lie": {"unit": "ahu-01", "how": "sing"}}', "lie 'sing' is not known; expected one of stall"),
    ],
)
def test_wrong_orders_change_nothing(plant: Plant, line: bytes, message: str) -> None:
    with pytest.raises(CommandError) as error:
        plant.obey(line)
    assert message in str(error.value)
    plant.advance()
    assert not plant.fleet.truth["damper_stuck"].any()


def test_planted_faults_of_the_settings_are_in_the_fleet(plant: Plant) -> None:
    plant.advance()
    assert plant.fleet.truth["filter_fouled"].tolist() == [0, 0.5, 0]
    assert plant.fleet.measured_at_ms >= START_AT_MS
