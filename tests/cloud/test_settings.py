"""The sample file shows every setting, at its default."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from cloud import settings as cloud_settings
from cloud.settings import CloudSettings, WebhookSettings
from models.contracts import settings

SAMPLE = Path(cloud_settings.__file__).with_name("cloud.sample.toml")


def _keys(struct: type, prefix: str = "") -> set[str]:
    keys = set()
    for field in msgspec.structs.fields(struct):
        inner = field.type
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            keys |= _keys(inner, f"{prefix}{field.name}.")
        else:
            keys.add(f"{prefix}{field.name}")
    return keys


def _keys_in(text: str) -> set[str]:
    section, found = "", set()
    for line in text.splitlines():
        if header := re.match(r"\[([a-z_.]+)\]", line):
            section = header[1] + "."
        elif key := re.match(r"([a-z_]+) = ", line):
            found.add(section + key[1])
    return found


def test_sample_holds_the_defaults() -> None:
    assert settings.load(SAMPLE, CloudSettings) == CloudSettings()


def test_sample_shows_every_key() -> None:
    assert _keys_in(SAMPLE.read_text()) == _keys(CloudSettings) - {"webhooks"}


def test_sample_of_a_webhook_can_be_uncommented() -> None:
    text = SAMPLE.read_text()
    start = text.index("# [[webhooks]]")
    mended = text[:start] + re.sub(r"(?m)^# ", "", text[start:])
    (webhook,) = settings.parse(mended, CloudSettings).webhooks
    assert webhook == WebhookSettings(
        name="maintenance", url="https://example.com/alerts", secret_file="/etc/plenum/maintenance.secret"
    )
    assert all(f"# {field.name} = " in text for field in msgspec.structs.fields(WebhookSettings))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[bridge]\nlinger = 5", "unknown key 'linger' [bridge]; did you mean 'linger_ms'"),
        ('ack = "puback"', "invalid enum value 'puback' [ack]"),
        ("[bridge]\nreceive_maximum = 0", "[bridge.receive_maximum]"),
        ("[history]\nraw_days = 0", "[history.raw_days]"),
        (
            '[[webhooks]]\nname="a"\nurl=""\nsecret_file=""\n[[webhooks]]\nname="a"\nurl=""\nsecret_file=""',
            "webhooks named twice: a",
        ),
    ],
)
def test_wrong_settings_are_refused_with_the_key(text: str, message: str) -> None:
    with pytest.raises(settings.SettingsError) as error:
        settings.parse(text, CloudSettings, "cloud.toml")
    assert message in str(error.value)
