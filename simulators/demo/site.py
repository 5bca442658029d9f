"""The site of the demo, and the settings files that make every process part of it."""

from __future__ import annotations

import secrets
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

SITE = "north"
SPEED = 30.0
SAMPLE_SECONDS = 15  # plant time: half a second on the wall
FRAME_SAMPLES = 10
RECORDING_FRAME_SAMPLES = 15
PLANT_SEED = 11
CLIMATE = "temperate"
START_AT_MS = int(datetime(2026, 5, 12, 10, 30, tzinfo=UTC).timestamp() * 1000)


class Gateway(NamedTuple):
    """A gateway of the demo and the units that it reads."""

    name: str
    units: tuple[str, ...]
    profile: str  # register map of its controllers: simulators/hvac/registers.py


GATEWAYS = (
    Gateway("gw-1", tuple(f"ahu-{number:02d}" for number in range(1, 7)), "metric"),
    Gateway("gw-2", tuple(f"ahu-{number:02d}" for number in range(7, 13)), "us"),
)
UNITS = tuple(unit for gateway in GATEWAYS for unit in gateway.units)


class Fault(NamedTuple):
    """A fault to plant, in wall seconds after everything is up."""

    after_seconds: float
    unit: str
    family: str
    severity: float


FAULTS = (
    Fault(30, "ahu-03", "heating_valve_leaking", 0.8),
    Fault(34, "ahu-08", "damper_stuck", 0.9),
    Fault(38, "ahu-11", "fan_belt_worn", 0.7),
)
# The link of the second gateway is down while the faults grow.
LINK_DOWN_AFTER_SECONDS = 60.0
LINK_DOWN_SECONDS = 20.0


@dataclass(slots=True)
class Ports:
    """Ports of the loopback address, all free when they were chosen."""

    mqtt: int
    kafka: int
    http: int
    receiver: int
    metrics: int
    link: int
    modbus: tuple[int, ...]


@dataclass(slots=True)
class Secrets:
    """Made anew for each run; they live in files of the run's directory only."""

    password: str
    webhook: str

    @staticmethod
    def make() -> Secrets:
        """Random ones."""
        return Secrets(secrets.token_urlsafe(9), "whsec_" + b64encode(secrets.token_bytes(32)).decode())


@dataclass(slots=True)
class Brokers:
    """Where MQTT and Kafka are. `embedded` tells whether the demo starts them itself."""

    mqtt_host: str
    mqtt_port: int
    kafka: str
    embedded: bool


def clock_section(speed: float, origin_wall_ms: int, origin_plant_ms: int) -> str:
    """The clock that simulator, agents and cloud share."""
    return f"[clock]\nspeed = {speed}\norigin_wall_ms = {origin_wall_ms}\norigin_plant_ms = {origin_plant_ms}\n"


def write_cloud(directory: Path, ports: Ports, brokers: Brokers, made: Secrets, clock: str) -> Path:
    """Settings of bridge and cloud."""
    (directory / "admin.password").write_text(made.password, encoding="utf-8")
    (directory / "webhook.secret").write_text(made.webhook, encoding="utf-8")
    path = directory / "cloud.toml"
    path.write_text(
        f"""data_dir = "{directory / "cloud"}"
ack = "{"stored" if brokers.embedded else "kafka"}"

[mqtt]
host = "{brokers.mqtt_host}"
port = {brokers.mqtt_port}

[kafka]
bootstrap = ["{brokers.kafka}"]

[http]
port = {ports.http}
public_url = "http://127.0.0.1:{ports.http}"

[login]
admin_password_file = "{directory / "admin.password"}"

[[webhooks]]
name = "demo"
url = "http://127.0.0.1:{ports.receiver}/hooks/plenum"
secret_file = "{directory / "webhook.secret"}"
allow_private = true

{clock}""",
        encoding="utf-8",
    )
    return path


def write_stream(directory: Path, ports: Ports, brokers: Brokers) -> Path:
    """Settings of the stream worker."""
    path = directory / "stream.toml"
    # The embedded broker makes a worker that joins wait for half of this.
    session = "\n[read]\nsession_seconds = 2.0\n" if brokers.embedded else ""
    path.write_text(
        f"""[kafka]
bootstrap = ["{brokers.kafka}"]

[metrics]
port = {ports.metrics}
{session}""",
        encoding="utf-8",
    )
    return path


def write_plant(directory: Path, ports: Ports, clock: str) -> Path:
    """Settings of the simulated plant: one Modbus server a gateway."""
    servers = "".join(
        f"""
[[servers]]
units = {list(gateway.units)}
port = {port}
profile = "{gateway.profile}"
"""
        for gateway, port in zip(GATEWAYS, ports.modbus, strict=True)
    ).replace("'", '"')
    path = directory / "plant.toml"
    path.write_text(
        f"""{clock}
[plant]
seed = {PLANT_SEED}
climate = "{CLIMATE}"
occupied_from_hour = 7.0
occupied_until_hour = 19.0
{servers}""",
        encoding="utf-8",
    )
    return path


def write_gateway(
    directory: Path, gateway: Gateway, mqtt: tuple[str, int], modbus_port: int, points: str, clock: str
) -> Path:
    """Settings of one gateway of the demo.

    Args:
        directory: Where the file and the outbox go.
        gateway: Its name and units.
        mqtt: Host and port of its broker, or of the relay before it.
        modbus_port: Of the controllers that it reads.
        points: `[[points]]` sections of its controllers' register map.
        clock: The `[clock]` section.
    """
    points_path = directory / f"{gateway.profile}.points.toml"
    points_path.write_text(points, encoding="utf-8")
    units = "".join(
        f"""
[[devices.units]]
unit = "{unit}"
device_id = {device_id}
title = "Air handler {unit.rpartition("-")[2]}"
"""
        for device_id, unit in enumerate(gateway.units, start=1)
    )
    path = directory / f"{gateway.name}.toml"
    path.write_text(
        f"""site = "{SITE}"
gateway = "{gateway.name}"

[mqtt]
host = "{mqtt[0]}"
port = {mqtt[1]}
keepalive_seconds = 5

{clock}
[outbox]
path = "{directory / gateway.name}.outbox.sqlite3"

[publish]
ack_timeout_seconds = 5.0
reconnect_seconds_max = 2.0

[frame]
samples = {FRAME_SAMPLES}

[poll]
interval_seconds = {SAMPLE_SECONDS}

[readings]
stale_seconds = 0

[status]
heartbeat_seconds = 2.0

[[devices]]
kind = "modbus"
name = "{gateway.name}-controllers"
host = "127.0.0.1"
port = {modbus_port}
points_file = "{points_path}"
{units}""",
        encoding="utf-8",
    )
    return path


def write_recording(
    directory: Path, file: Path, map_text: str, mqtt: tuple[str, int], speed: float, clock: str
) -> Path:
    """Settings of a gateway that plays a recorded file."""
    map_path = directory / "map.toml"
    map_path.write_text(map_text, encoding="utf-8")
    path = directory / "recording.toml"
    path.write_text(
        f"""site = "recorded"
gateway = "replay"

[mqtt]
host = "{mqtt[0]}"
port = {mqtt[1]}
keepalive_seconds = 5

{clock}
[outbox]
path = "{directory / "replay"}.outbox.sqlite3"
# However long the file takes, it is played in order.
live_backlog_seconds_max = 86400.0

[frame]
samples = {RECORDING_FRAME_SAMPLES}

[status]
heartbeat_seconds = 1.0

[[devices]]
kind = "csvfile"
name = "{file.name}"
path = "{file}"
map_file = "{map_path}"
playback_speed = {speed}
""",
        encoding="utf-8",
    )
    return path
