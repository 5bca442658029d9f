"""The sample of the monitor's settings shows every key at its default, and nonsense is refused with its place."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

from models.contracts.settings import SettingsError, load, parse
from models.hvac import settings as monitor_settings
from models.hvac.settings import MonitorSettings

SAMPLE = Path(monitor_settings.__file__).with_name("monitor.sample.toml")


def test_the_sample_is_the_defaults_and_shows_every_key() -> None:
    assert load(SAMPLE, MonitorSettings) == MonitorSettings()
    shown = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))
    every = msgspec.to_builtins(MonitorSettings())
    assert {table: set(keys) for table, keys in shown.items()} == {table: set(keys) for table, keys in every.items()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[episodes]\nopen_minute = 3\n", "open_minutes"),
        ("[episodes]\nopen_probability = 70\n", "episodes.open_probability"),
        ("[rules]\ngap_seconds = -1\n", "rules.gap_seconds"),
        ("[baseline]\nminutes_min = 0\n", "baseline.minutes_min"),
        ('[rules]\nfan_heat_celsius = "warm"\n', "rules.fan_heat_celsius"),
    ],
)
def test_nonsense_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse(text, MonitorSettings)
