"""Settings of the plant: the sample shows every key at its default, and what makes no sense is refused with its place."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

import simulators
from models.contracts.settings import SettingsError, load, parse
from simulators.hvac.settings import (
    FaultSettings,
    PlantSettings,
    ServerSettings,
    SimulatorSettings,
    check_settings,
)

SAMPLE = Path(simulators.__file__).with_name("simulators.sample.toml")
SERVER = '[[servers]]\nunits = ["a", "b"]\n'


def _names(struct: type) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(struct)}


def test_sample_shows_every_key_of_every_table() -> None:
    raw = tomllib.loads(SAMPLE.read_text())
    assert raw.keys() == _names(SimulatorSettings)
    for field in msgspec.structs.fields(SimulatorSettings):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            assert raw[field.name].keys() == _names(field.type), field.name
    assert raw["servers"][0].keys() == _names(ServerSettings)
    assert raw["faults"][0].keys() == _names(FaultSettings)


def test_sample_holds_the_defaults() -> None:
    loaded = load(SAMPLE, SimulatorSettings)
    check_settings(loaded)
    plain = SimulatorSettings()
    assert (loaded.clock, loaded.log, loaded.plant) == (plain.clock, plain.log, PlantSettings())
    assert loaded.servers == (ServerSettings(units=loaded.units),)
    fault = loaded.faults[0]
    assert fault == FaultSettings(unit=fault.unit, family=fault.family, severity=fault.severity)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no units; add at least one [[servers]] with units"),
        ("[[servers]]\nunits = []\n", "[servers"),
        (SERVER + SERVER, "unit 'a' is there twice [servers.units]"),
        (SERVER + 'profile = "acme"\n', "profile 'acme' is not known, expected one of metric, us, packaged"),
        (SERVER + "port = 70000\n", "[servers"),
        ('[plant]\nclimate = "tropic"\n' + SERVER, "climate 'tropic' is not known"),
        (SERVER + '[[faults]]\nunit = "c"\nfamily = "fan_belt_worn"\nseverity = 0.5\n', "unit 'c' is not known"),
        (SERVER + '[[faults]]\nunit = "a"\nfamily = "gremlins"\nseverity = 0.5\n', "fault family 'gremlins'"),
        (SERVER + '[[faults]]\nunit = "a"\nfamily = "fan_belt_worn"\nseverity = 1.5\n', "[faults"),
        (
            SERVER + '[[faults]]\nunit = "a"\nfamily = "fan_belt_worn"\nseverity = 0.5\ndirection = 0\n',
            "[faults",
        ),
        ("[clock]\nspeed = 30.0\n" + SERVER, "clock speed 30 without origins"),
        ("[plants]\n" + SERVER, "unknown key 'plants' [top level]; did you mean 'plant'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        check_settings(parse(text, SimulatorSettings))
    assert message in str(error.value)
