"""Promises of the vocabulary, the units, the topics and the settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pint
import pytest

from models.contracts import frame_pb2, messages, topics, units
from models.contracts.clock import PlantClock, wall_ms
from models.contracts.figures import Figure, line, show
from models.contracts.layout import Channel, Layout, layout_for
from models.contracts.points import AHU_POINTS, POINTS, PointError, check_unit, find_point
from models.contracts.settings import ClockSettings, MqttSettings, Settings, SettingsError, load, parse, secret
from tests.servers import ROOT

PINT_NAMES = {
    "°c": "degC", "c": "degC", "degc": "degC", "celsius": "degC", "kelvin": "kelvin", "fahrenheit": "degF",
    "degf": "degF", "°f": "degF", "f": "degF", "percent": "percent", "%": "percent", "fraction": "dimensionless",
    "pascals": "Pa", "pa": "Pa", "kpa": "kPa", "bar": "bar", "psi": "psi", "inh2o": "inch_H2O_4C",
    "in. w.c.": "inch_H2O_4C", "in.w.c.": "inch_H2O_4C", "inwc": "inch_H2O_4C", "cubic_meters_per_second": "m**3/s",
    "m3/s": "m**3/s", "m3/h": "m**3/hour", "l/s": "liter/s", "cfm": "foot**3/minute", "gpm": "gallon/minute",
    "watts": "W", "w": "W", "kw": "kW", "hp": "horsepower", "amperes": "A", "a": "A", "hertz": "Hz", "hz": "Hz",
    "rpm": "1/minute", "ppm": "ppm", "millimeters_per_second": "mm/s", "mm/s": "mm/s", "in/s": "inch/s",
}  # fmt: skip
PINT_OURS = {
    "celsius": "degC", "fraction": "dimensionless", "pascals": "Pa", "cubic_meters_per_second": "m**3/s", "watts": "W",
    "amperes": "A", "hertz": "1/s", "ppm": "ppm", "millimeters_per_second": "mm/s",
}  # fmt: skip


@pytest.mark.parametrize("spelling", sorted(set(units._CONVERSIONS) - {"state", "none"}))
def test_conversions_agree_with_pint(spelling: str) -> None:
    registry: Any = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    ours = PINT_OURS[units.conversion(spelling).ours]
    for value in (0.0, 1.0, 72.5):
        if PINT_NAMES[spelling] == "Hz" or ours == "1/s":
            expected = value / (60 if spelling == "rpm" else 1)
        else:
            expected = registry.Quantity(value, PINT_NAMES[spelling]).to(ours).magnitude
        assert units.to_ours(value, spelling) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_an_unknown_unit_is_refused_with_a_hint() -> None:
    with pytest.raises(units.UnitError, match="did you mean 'fahrenheit'"):
        units.conversion("farenheit")


def test_every_point_fits_its_plane() -> None:
    """The plausible range of a point needs no wide channel, and a step is far finer than the range."""
    for point in POINTS.values():
        assert max(abs(point.low), abs(point.high)) / point.scale <= 32766, point.name
        assert (point.high - point.low) / point.scale >= 1, point.name
        assert units.conversion(point.unit) == units.Conversion(point.unit, 1.0), point.name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("SAT", "supply_air_temperature"), ("DA-T", "supply_air_temperature"), ("oat", "outdoor_air_temperature"),
     ("Mixed Air Temperature", "mixed_air_temperature")],
)  # fmt: skip
def test_shop_floor_names_are_understood(spelling: str, name: str) -> None:
    assert find_point(spelling).name == name


def test_a_wrong_unit_for_a_point_is_refused() -> None:
    check_unit(POINTS["supply_air_temperature"], "degF")
    with pytest.raises(PointError, match="unit 'psi' is pascals, expected one that converts to celsius"):
        check_unit(POINTS["supply_air_temperature"], "psi")
    with pytest.raises(PointError, match="did you mean 'supply_air_temperature'"):
        find_point("supply_air_temprature")


def test_a_layout_is_its_content() -> None:
    first, second = layout_for("ahu", AHU_POINTS), layout_for("ahu", AHU_POINTS)
    assert first.id == second.id != layout_for("ahu", AHU_POINTS[1:]).id
    assert messages.decode_json(messages.encode_json(first), Layout).id == first.id
    assert first.positions(["supply_air_temperature", "return_air_co2_concentration"]).tolist() == [4, -1]


@pytest.mark.parametrize("channels", [(), (Channel("a", "none", 0.1),) * 2, (Channel("a", "none", -1.0),)])
def test_an_impossible_layout_is_refused(channels: tuple[Channel, ...]) -> None:
    with pytest.raises(ValueError, match="layout"):
        Layout("generic", channels)


def test_the_generated_protobuf_module_is_that_of_the_schema(tmp_path: Path) -> None:
    """`frame_pb2.py` is committed; this is how it was made."""
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{ROOT}",
        f"--python_out={tmp_path}",
        "models/contracts/frame.proto",
    ]
    subprocess.run(command, check=True, cwd=ROOT)
    fresh = (tmp_path / "models/contracts/frame_pb2.py").read_text()
    assert fresh == Path(frame_pb2.__file__).read_text()


def test_rights_of_a_device_end_at_its_own_names() -> None:
    acl = topics.mosquitto_acl([("north", "gw-1")])
    device = acl.split("user north:gw-1\n")[1]
    granted = [line.removeprefix("topic ").split(" ", 1) for line in device.split("\n") if line]
    assert all(topic.startswith("plenum/v1/north/gw-1/") for _, topic in granted)
    writes = {topic.rsplit("/", 1)[1] for rights, topic in granted if rights == "write"}
    assert writes == {"frame", "layout", "alert", "batch", "status", "reported"}
    assert {topic.rsplit("/", 1)[1] for rights, topic in granted if rights == "read"} == {"ack", "desired"}


def test_the_aws_policy_gives_what_the_acl_gives() -> None:
    policy = json.loads(topics.aws_iot_policy("north", "gw-1", "eu-west-1", "123456789012"))
    by_action = {s["Action"]: [r.rsplit(":", 1)[1] for r in s["Resource"]] for s in policy["Statement"]}
    assert "topic/plenum/v1/north/gw-1/*/frame" in by_action["iot:Publish"]
    assert by_action["iot:Subscribe"] == [
        "topicfilter/plenum/v1/north/gw-1/ack",
        "topicfilter/plenum/v1/north/gw-1/desired",
    ]
    assert not any("/ack" in r or "/desired" in r for r in by_action["iot:Publish"])


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a b", "-x", "x" * 64, "ü"])
def test_names_that_would_break_a_topic_are_refused(name: str) -> None:
    with pytest.raises(topics.TopicError):
        topics.check_name("site", name)


def test_a_unit_is_not_named_like_a_gateway_topic() -> None:
    with pytest.raises(topics.TopicError, match="take another name"):
        topics.check_name("unit", "status")


def test_mqtt_topics_round_trip() -> None:
    for topic in topics.MQTT_TOPICS:
        unit = "ahu-01" if "{unit}" in topic.pattern else ""
        text = topics.mqtt_topic(topic.name, "north", "gw-1", unit)
        assert topics.parse_mqtt_topic(text) == topics.Address("north", "gw-1", unit, topic.name)
        assert text.count("/") <= 7
    with pytest.raises(topics.TopicError):
        topics.parse_mqtt_topic("plenum/v1/north/gw-1/ahu-01/secrets")


class Sample(Settings, frozen=True):
    mqtt: MqttSettings = MqttSettings()
    name: str = ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[mqtt]\nhots = "a"', r"unknown key 'hots' \[mqtt\]; did you mean 'host'"),
        ("[mqtt]\nport = 99999", r"`int` <= 65535 \[mqtt.port\]"),
        ("name = 3", r"expected `str`, got `int` \[name\]"),
        ("name = [", "not TOML"),
    ],
)
def test_wrong_settings_say_what_and_where(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse(text, Sample, "edge.toml")


def test_a_missing_settings_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        load(tmp_path / "none.toml", Sample)


def test_secrets_come_from_files_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("hush\n")
    monkeypatch.setenv("PLENUM_TEST_SECRET", "hush too")
    assert secret(str(tmp_path / "secret"), "password") == "hush"
    assert secret("env:PLENUM_TEST_SECRET", "password") == "hush too"
    for wrong in (str(tmp_path / "none"), "env:PLENUM_TEST_NO_SECRET"):
        with pytest.raises(SettingsError, match="password"):
            secret(wrong, "password")


def test_json_that_is_not_the_message_is_refused() -> None:
    ack = messages.Ack(epoch=5, ranges=(messages.SeqRange(1, 4),))
    assert messages.decode_json(messages.encode_json(ack), messages.Ack) == ack
    for garbage in (b"", b"{}", b"[" * 60_000, b"\xff\xfe", b'{"epoch": NaN, "ranges": []}'):
        with pytest.raises(messages.MessageError, match="Ack of"):
            messages.decode_json(garbage, messages.Ack)


def test_an_alert_id_depends_on_its_episode_alone() -> None:
    one = messages.alert_id_for("north", "ahu-01", "FC1", 5)
    assert one == messages.alert_id_for("north", "ahu-01", "FC1", 5)
    assert one != messages.alert_id_for("north", "ahu-01", "FC1", 6)


def test_a_fast_clock_runs_at_its_speed() -> None:
    clock = PlantClock(ClockSettings(speed=1000.0, origin_wall_ms=wall_ms(), origin_plant_ms=0))
    first = clock.now_ms()
    while clock.now_ms() < first + 1000:  # a plant second is a wall millisecond
        pass
    assert clock.wall_seconds(1000) == 1.0
    assert clock.plant_seconds(2) == 2000.0


def test_figures_print_and_merge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figures.json"
    show([Figure("demo.faults_planted", 3, "faults"), Figure("a.b", 0.123456789, "fraction")], str(path))
    show([Figure("a.b", 0.5, "fraction", 0.4, 0.6)], str(path))
    assert capsys.readouterr().out.splitlines()[0] == "RESULT demo.faults_planted 3 faults"
    assert {f["name"]: f["value"] for f in json.loads(path.read_text())} == {"demo.faults_planted": 3.0, "a.b": 0.5}
    assert line(Figure("x", 12345678.0, "frames/s")) == "RESULT x 1.23457e+07 frames/s"


def test_no_dependency_brings_a_package_of_our_names() -> None:
    """`edge`, `cloud`, `stream`, `models` and `simulators` are import packages as they stand."""
    import cloud
    import edge
    import models
    import simulators
    import stream

    for package in (cloud, edge, models, simulators, stream):
        assert [Path(p).resolve().parent for p in package.__path__] == [ROOT], package


def test_floats_are_single_precision() -> None:
    assert layout_for("ahu", AHU_POINTS).scales.dtype == np.float32
