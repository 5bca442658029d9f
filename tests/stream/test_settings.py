"""The sample file shows every setting with its default."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest

import stream
from models.contracts.settings import SettingsError, load, parse
from stream.settings import StreamSettings

SAMPLE = Path(stream.__file__).parent / "stream.sample.toml"


def test_the_sample_shows_every_key_with_its_default() -> None:
    assert tomllib.loads(SAMPLE.read_text()) == msgspec.json.decode(msgspec.json.encode(StreamSettings()))
    assert load(SAMPLE, StreamSettings) == StreamSettings()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[read]\nfetch_wait = 3", r"unknown key 'fetch_wait' \[read\]; did you mean 'fetch_wait_ms'"),
        ("[chain]\nwait_seconds = -1", r"chain\.wait_seconds"),
        ("[state]\nsnapshot_seconds = 0", r"state\.snapshot_seconds"),
    ],
)
def test_wrong_settings_are_refused_with_the_key(text: str, error: str) -> None:
    with pytest.raises(SettingsError, match=error):
        parse(text, StreamSettings)
