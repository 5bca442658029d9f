"""Typed TOML settings: a struct for each process, unknown keys refused, errors that name file, key and mend.

Every struct below and in the processes forbids unknown fields and carries its defaults; the sample file beside each
process shows all of them with their units, and a test compares the two.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

T = TypeVar("T")

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class SettingsError(ValueError):
    """Settings that cannot be used. Every command that meets it ends with exit code 3."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every settings struct: frozen, keyword-only, unknown keys refused (say `frozen=True` again in each)."""


class MqttSettings(Settings, frozen=True):
    """Where the MQTT broker is, and how to speak to it."""

    host: str = "127.0.0.1"
    port: Port = 1883
    root: str = "plenum/v1"
    keepalive_seconds: Annotated[int, msgspec.Meta(ge=5, le=1200)] = 30
    username: str = ""
    password_file: str = ""
    # Mutual TLS: all three or none.
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


class KafkaSettings(Settings, frozen=True):
    """Where Kafka is, and how to speak to it."""

    bootstrap: tuple[str, ...] = ("127.0.0.1:9092",)
    partitions: Count = 4
    replication_factor: Count = 1
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str = ""
    sasl_username: str = ""
    sasl_password_file: str = ""
    ca_file: str = ""


class ClockSettings(Settings, frozen=True):
    """Plant time against wall time. Only simulated plants run at another speed than 1; simulator and agent share this.

    Plant time is `origin_plant_ms + (wall - origin_wall_ms) * speed`; both origins 0 with speed 1 is the wall clock.
    """

    speed: Positive = 1.0
    origin_wall_ms: int = 0
    origin_plant_ms: int = 0


class LogSettings(Settings, frozen=True):
    """What is logged, and how."""

    level: str = "INFO"
    format: str = "text"  # or json


def load(path: Path | str, kind: type[T]) -> T:
    """Settings from a TOML file.

    Raises:
        SettingsError: no such file, not TOML, an unknown key, a wrong type, or a value out of bounds.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(f"settings {path}: no such file; copy the sample that stands beside the code") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"settings {path}: cannot be read: {error}") from error
    return parse(text, kind, str(path))


def parse(text: str, kind: type[T], where: str = "settings") -> T:
    """Settings from TOML text; `where` names the source in errors.

    Raises:
        SettingsError: as `load`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"settings {where}: not TOML: {error}") from error
    try:
        return msgspec.convert(raw, kind)
    except (msgspec.ValidationError, ValueError) as error:
        raise SettingsError(f"settings {where}: {_explain(str(error), kind)}") from error


def _explain(error: str, kind: type) -> str:
    """msgspec's message in our words: `key [where]; what to do`."""
    found = re.match(r"Object contains unknown field `(?P<field>[^`]*)`(?: - at `\$?(?P<path>[^`]*)`)?", error)
    if found:
        near = difflib.get_close_matches(found["field"], _known_fields(kind), n=1)
        where = (found["path"] or "").strip(".") or "top level"
        hint = f"did you mean {near[0]!r}" if near else "see the sample file for the keys that exist"
        return f"unknown key {found['field']!r} [{where}]; {hint}"
    message, _, path = error.partition(" - at `$")
    return f"{message[:1].lower()}{message[1:]} [{path.rstrip('`').strip('.') or 'top level'}]"


def _known_fields(kind: type) -> set[str]:
    """Names of all fields of a struct and of the structs inside it."""
    names: set[str] = set()
    pending: list[object] = [msgspec.inspect.type_info(kind)]
    while pending:
        info = pending.pop()
        if isinstance(info, msgspec.inspect.StructType):
            for member in info.fields:
                names.add(member.encode_name)
                pending.append(member.type)
        else:
            for attribute in ("types", "item_types", "item_type", "value_type"):
                inner = getattr(info, attribute, ())
                pending.extend(inner if isinstance(inner, (tuple, list)) else (inner,))
    return names


def secret(path: str, what: str) -> str:
    """A secret from a file of its own, or from the environment with `env:NAME`; never from the settings themselves.

    Raises:
        SettingsError: the file or the variable is missing or empty.
    """
    if path.startswith("env:"):
        value = os.environ.get(path.removeprefix("env:"), "").strip()
    else:
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{what}: cannot read {path!r}: {error.strerror}") from error
    if not value:
        raise SettingsError(f"{what}: {path!r} is empty; expected a secret in it")
    return value
