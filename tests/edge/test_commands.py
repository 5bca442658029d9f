"""`python -m edge` as a technician meets it: what it prints, and the code that it ends with."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.__main__ import main
from edge.check import check, read_once
from edge.outbox_file import open_outbox
from edge.settings import EdgeSettings, load_settings
from tests.edge.field import REGISTERS, BadDevice, Device, modbus_toml, settings_text
from tests.servers import EmbeddedMqtt, Mosquitto, free_port


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A command sets up logging for its process; this process gets its own back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def _load(folder: Path, text: str) -> EdgeSettings:
    path = folder / "edge.toml"
    path.write_text(text.replace("[outbox]", "[outbox]\nsize_bytes_max = 10_000_000"))
    return load_settings(path)


async def test_all_is_well(embedded_mqtt: EmbeddedMqtt, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with Device([1], REGISTERS) as device:
        settings = _load(
            tmp_path, settings_text("s", embedded_mqtt.port, modbus_toml("d", device.port, {"a": 1}), detector=True)
        )
        assert await check(settings) == 0
        printed = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in printed] == ["settings", "outbox", "models", "device", "broker"]
        assert all(re.search(r"  ok  ", line) for line in printed)
        assert "3 of 3 points good" in printed[3]
        assert not (tmp_path / "outbox.sqlite3").exists(), "check makes nothing"


@pytest.mark.mosquitto
async def test_check_says_what_is_wrong(
    mosquitto: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Device([1], [32000, 88, 1]) as device:
        text = settings_text("s", mosquitto.port, modbus_toml("d", device.port, {"a": 1}))
        assert await check(_load(tmp_path, text)) == 1
        assert "2 of 3 points good; out of range: supply_air_temperature" in capsys.readouterr().out
        (tmp_path / "outbox.sqlite3").write_text("no database")
        assert await check(_load(tmp_path, text)) == 1
        assert "is damaged" in capsys.readouterr().out


async def test_a_silent_device_and_a_silent_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with BadDevice({1: "silent"}, REGISTERS) as device:
        settings = _load(tmp_path, settings_text("s", free_port(), modbus_toml("d", device.port, {"a": 1})))
        assert await check(settings) == 4
        printed = capsys.readouterr().out
        assert "no answer within 0.3 s" in printed
        assert "Connection refused" in printed
        assert await read_once(settings) == 4


async def test_read_once_prints_every_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with Device([1, 2], [0x8000, 9000, 1]) as device:
        settings = _load(tmp_path, settings_text("s", 1, modbus_toml("d", device.port, {"a": 1, "b": 2})))
        assert await read_once(settings) == 1
        rows = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert rows[0] == ["unit", "point", "value", "unit", "quality"]
        assert rows[1:4] == [
            ["a", "supply_air_temperature", "-", "celsius", "missing"],
            ["a", "outdoor_air_temperature", "900", "celsius", "out_of_range"],
            ["a", "supply_fan_status", "1", "state", "good"],
        ]
        assert len(rows) == 7


async def test_check_beside_a_running_agent(
    embedded_mqtt: EmbeddedMqtt, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Device([1], REGISTERS) as device:
        settings = _load(tmp_path, settings_text("s", embedded_mqtt.port, modbus_toml("d", device.port, {"a": 1})))
        opened = open_outbox(Path(settings.outbox.path), settings.outbox.size_bytes_max, 1)
        assert await check(settings) == 0
        assert "is in use by a running agent" in capsys.readouterr().out
        opened.outbox.close()
        assert await check(settings) == 0
        assert "0 frames wait in it" in capsys.readouterr().out


def test_usage_and_settings_have_their_codes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main(["fly", "x"]) == 2
    assert main(["--help"]) == 0
    assert main(["run", str(tmp_path / "none.toml")]) == 3
    assert "no such file" in capsys.readouterr().err
    bad = tmp_path / "bad.toml"
    bad.write_text('site = "s"\ngateway = "g"\nsped = 1\n')
    assert main(["check", str(bad)]) == 3
    assert "unknown key 'sped'" in capsys.readouterr().err


def test_run_refuses_a_file_that_cannot_be_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device = '[[devices]]\nkind="csvfile"\nname="f"\npath="x.csv"\nmap.time="t"\nmap.unit_id="u"\nmap.type="generic"\n'
    path = tmp_path / "edge.toml"
    path.write_text('site = "s"\ngateway = "g"\n' + device)
    (tmp_path / "x.csv").write_text("when,a\n2026-01-01,1\n")
    assert main(["run", str(path)]) == 3
    assert "column 't' is not in the file [time]" in capsys.readouterr().err


def test_run_refuses_an_outbox_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "edge.toml"
    text = settings_text("s", 1, modbus_toml("d", 1, {"a": 1})).replace('"outbox.sqlite3"', '"file/outbox.sqlite3"')
    path.write_text(text)
    assert main(["run", str(path)]) == 3
    assert "cannot be made" in capsys.readouterr().err


def test_a_gateway_stays_light() -> None:
    """Whatever an agent imports at work, none of it is Kafka, Faust, TensorFlow, pandas or their like."""
    code = (
        "import sys, edge.__main__, edge.agent, edge.check; "
        "print(','.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {
        "kafka",
        "aiokafka",
        "faust",
        "mode",
        "tensorflow",
        "keras",
        "pandas",
        "sklearn",
        "scipy",
        "pyarrow",
        "rich",
    }
    heavy |= {"cyclopts", "sqlalchemy", "fastapi", "aiohttp", "cloud", "stream", "simulators", "serial"}
    assert not heavy & set(found.strip().split(","))


async def test_sampling_leaves_nothing_running(tmp_path: Path) -> None:
    async with Device([1], REGISTERS) as device:
        settings = _load(tmp_path, settings_text("s", free_port(), modbus_toml("d", device.port, {"a": 1})))
        before = len(asyncio.all_tasks())
        await check(settings)
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) <= before + 1, "the device's own connection may linger"
