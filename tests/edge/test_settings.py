"""Settings of the agent: the sample shows every key at its default, and what makes no sense is refused with its place."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge import settings as edge_settings
from edge.settings import CsvDevice, EdgeSettings, ModbusDevice, PointSettings, UnitSettings, load_settings
from models.contracts.columnmap import ColumnMap, LabelColumn, PointColumn
from models.contracts.settings import SettingsError

SAMPLE = Path(edge_settings.__file__).with_name("edge.sample.toml")


def _names(struct: type) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def test_sample_shows_every_key_of_every_table() -> None:
    raw = tomllib.loads(SAMPLE.read_text())
    assert raw.keys() == _names(EdgeSettings)
    for field in msgspec.structs.fields(EdgeSettings):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            assert raw[field.name].keys() == _names(field.type), field.name
    modbus, played = raw["devices"]
    assert modbus.keys() - {"kind"} == _names(ModbusDevice)
    assert modbus["units"][0].keys() == _names(UnitSettings)
    shown: set[str] = set()
    for point in modbus["points"]:
        shown |= point.keys()
    assert shown == _names(PointSettings)
    assert played.keys() - {"kind"} == _names(CsvDevice)
    shown_map = played["map"].keys() | {"fields"}  # of finance: nothing that a gateway plays
    assert shown_map == _names(ColumnMap)
    assert played["map"]["label"].keys() == _names(LabelColumn)
    assert played["map"]["points"]["supply_air_temperature"].keys() == _names(PointColumn)


def test_sample_holds_the_defaults() -> None:
    loaded = load_settings(SAMPLE)
    plain = EdgeSettings(site="campus", gateway="gw-01")
    for name in _names(EdgeSettings) - {"devices", "outbox"}:
        assert getattr(loaded, name) == getattr(plain, name), name
    assert msgspec.structs.replace(loaded.outbox, path=plain.outbox.path) == plain.outbox
    modbus = loaded.devices[0]
    assert isinstance(modbus, ModbusDevice)
    bare = ModbusDevice(name=modbus.name, host=modbus.host)
    for name in ("port", "timeout_seconds", "gap_registers_max", "points_file"):
        assert getattr(modbus, name) == getattr(bare, name)


def test_a_list_of_points_is_shared_by_devices(tmp_path: Path) -> None:
    (tmp_path / "ahu.points.toml").write_text('[[points]]\npoint = "supply_air_temperature"\nregister = 40001\n')
    (tmp_path / "points.toml").write_text(
        '[[points]]\npoint = "supply_air_temperature"\nregister = 40001\nunit = "degC"\n'
    )
    device = (
        '[[devices]]\nkind="modbus"\nname="{0}"\nhost="h"\npoints_file="points.toml"\n[[devices.units]]\nunit="{0}"\n'
    )
    (tmp_path / "edge.toml").write_text('site="s"\ngateway="g"\n' + device.format("a") + device.format("b"))
    loaded = load_settings(tmp_path / "edge.toml")
    points = [device.points[0].point for device in loaded.devices if isinstance(device, ModbusDevice)]
    assert points == ["supply_air_temperature"] * 2
    assert loaded.outbox.path == str(tmp_path / "plenum-outbox.sqlite3")


_HEAD = 'site="s"\ngateway="g"\n'
_DEVICE = '[[devices]]\nkind="modbus"\nname="d"\nhost="h"\n'
_UNIT = '[[devices.units]]\nunit="u"\n'
_POINT = '[[devices.points]]\npoint="supply_air_temperature"\nregister=40001\nunit="celsius"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_HEAD, "no device; add at least one [[devices]]"),
        ('site="a/b"\ngateway="g"\n', "[site]"),
        (_HEAD + "[polll]\n", "unknown key 'polll' [top level]; did you mean 'poll'"),
        (_HEAD + "[poll]\ninterval_seconds = 0\n", "[poll.interval_seconds]"),
        (_HEAD + _DEVICE + _POINT, "device 'd' has no units"),
        (_HEAD + _DEVICE + _UNIT, "device 'd' has no points"),
        (_HEAD + _DEVICE + _UNIT + _POINT.replace("supply_air", "suply_air"), "did you mean 'supply_air_temperature'"),
        (_HEAD + _DEVICE + _UNIT + _POINT.replace("celsius", "pascals"), "expected one that converts to celsius"),
        (_HEAD + _DEVICE + _UNIT + _POINT.replace("celsius", "degX"), "unit 'degX' is not known"),
        (_HEAD + _DEVICE + _UNIT + _POINT.replace("register=40001\n", ""), "expected either register or address"),
        (_HEAD + _DEVICE + _UNIT + _POINT + "scale=0\n", "scale is 0"),
        (_HEAD + _DEVICE + _UNIT + _POINT.replace("40001", "50001"), "register 50001 is none"),
        (_HEAD + _DEVICE + _UNIT + _POINT + 'type="int8"\n', "[devices[0].points[0].type]"),
        (_HEAD + _DEVICE + _UNIT + _POINT.replace("40001", "10001"), "a discrete has type bool"),
        (_HEAD + _DEVICE + _UNIT + _UNIT + _POINT, "unit 'u' is there twice"),
        (_HEAD + _DEVICE + _UNIT + _POINT + _POINT, "is there twice"),
        (
            _HEAD + _DEVICE.replace("h", "h", 1) + '[[devices.units]]\nunit="status"\n' + _POINT,
            "named like a gateway topic",
        ),
        (_HEAD + _DEVICE.replace("modbus", "modbas") + _UNIT + _POINT, "modbas"),
        (_HEAD + "[frame]\nsamples = 3601\n", "[frame.samples]"),
        (_HEAD + '[[devices]]\nkind="csvfile"\nname="f"\npath="x"\n', "has no column map"),
        (
            _HEAD + '[[devices]]\nkind="csvfile"\nname="f"\npath="x"\nmap.unit_id="u"\nmap.points.x.column="c"\n',
            "point 'x' is not in the vocabulary",
        ),
        (_HEAD + '[[devices]]\nkind="csvfile"\nname="f"\npath="x"\nmap.unit_id="u"\n', "the map names no time column"),
        (_HEAD + '[[devices]]\nkind="csvfile"\nname="f"\npath="x"\nmap.time="t"\n', "the map says no unit"),
        (_HEAD + '[[devices]]\nkind="csvfile"\nname="f"\npath="x"\nmap_file="no.toml"\n', "no such file"),
        (_HEAD + '[[devices]]\nkind="csvfile"\nname="f"\npath="x"\nmap.zone="Mars/Olympus"\n', "zone 'Mars/Olympus'"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_their_place(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as error:
        load_settings(path)
    assert message in str(error.value)
    assert str(error.value).startswith("settings "), "says which file"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("register", "place"),
    [
        (40001, ("holding", 0)),
        (40012, ("holding", 11)),
        (30005, ("input", 4)),
        (10017, ("discrete", 16)),
        (1, ("coil", 0)),
        (400_001, ("holding", 0)),
        (465_536, ("holding", 65_535)),
        (365_536, ("input", 65_535)),
    ],
)
def test_registers_as_manuals_count_them(register: int, place: tuple[Any, int]) -> None:
    kind = place[0]
    point = PointSettings(point="p", register=register, type="bool" if kind in ("coil", "discrete") else "int16")
    assert point.place == place
