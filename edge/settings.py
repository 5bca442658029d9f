"""Settings of the agent. `edge.sample.toml` beside this file shows every key with its default and unit."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from models.contracts.columnmap import ColumnMap, load_map
from models.contracts.messages import Name
from models.contracts.points import POINTS, PointError, check_unit
from models.contracts.settings import (
    ClockSettings,
    LogSettings,
    MqttSettings,
    Port,
    Positive,
    Settings,
    SettingsError,
    load,
)
from models.contracts.topics import TopicError, check_name
from models.contracts.units import UnitError, conversion

GENERIC = "generic"
# Worst case of a frame: every channel wide and every sample of another quality, 9 bytes a sample, within 128 KB.
CELLS_MAX = 14_000

RegisterKind = Literal["holding", "input", "coil", "discrete"]
RegisterType = Literal["int16", "uint16", "int32", "uint32", "float32", "bool"]
Order = Literal["big", "little"]


class OutboxSettings(Settings, frozen=True):
    """The store on disk that holds frames until the cloud has them."""

    path: str = "plenum-outbox.sqlite3"
    size_bytes_max: Annotated[int, msgspec.Meta(ge=1_048_576)] = 1_073_741_824
    # Frames that waited longer are sent after newer ones, marked as historical.
    live_backlog_seconds_max: Positive = 60.0
    commit_seconds: Annotated[float, msgspec.Meta(ge=0, le=5)] = 0.2


class PublishSettings(Settings, frozen=True):
    """How frames go out."""

    in_flight_max: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 256
    ack_timeout_seconds: Positive = 10.0
    reconnect_seconds_max: Positive = 8.0


class FrameSettings(Settings, frozen=True):
    """What makes a frame full."""

    samples: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60


class PollSettings(Settings, frozen=True):
    """How often devices are read, in plant seconds."""

    interval_seconds: Annotated[float, msgspec.Meta(ge=0.05, le=3600)] = 1.0


class ReadingSettings(Settings, frozen=True):
    """When a sensor is not believed, in plant seconds; 0 switches a check off."""

    stuck_seconds: Annotated[float, msgspec.Meta(ge=0)] = 21_600.0
    stale_seconds: Annotated[float, msgspec.Meta(ge=0)] = 10.0


class DetectorSettings(Settings, frozen=True):
    """The models on the gateway; without a directory, those that ship with Plenum."""

    enabled: bool = True
    artifact_dir: str = ""
    monitor_file: str = ""


class StatusSettings(Settings, frozen=True):
    """What the gateway says of itself."""

    heartbeat_seconds: Positive = 30.0


class PointSettings(Settings, frozen=True):
    """One point of a Modbus unit: `value = raw * scale + offset`, in `unit`.

    Where it is: either `register` as controllers' manuals count (40001 the first holding register, 30001 input,
    10001 discrete, 1 coil), or `address` from 0 with `kind`.
    """

    point: str
    register: Annotated[int, msgspec.Meta(ge=1, le=465_536)] | None = None
    address: Annotated[int, msgspec.Meta(ge=0, le=65_535)] | None = None
    kind: RegisterKind = "holding"
    type: RegisterType = "int16"
    scale: float = 1.0
    offset: float = 0.0
    unit: str = "none"
    missing: tuple[int | float, ...] = ()
    word_order: Order = "big"
    byte_order: Order = "big"

    def __post_init__(self) -> None:
        if (self.register is None) == (self.address is None):
            raise ValueError(f"point {self.point!r}: expected either register or address")
        if self.register is not None and _from_register(self.register) is None:
            raise ValueError(
                f"point {self.point!r}: register {self.register} is none; expected 1-9999 (coil), 10001-19999 (discrete),"
                " 30001-39999 (input), 40001-49999 (holding), or the six-digit forms"
            )
        if self.scale == 0:
            raise ValueError(f"point {self.point!r}: scale is 0, expected the value of one step")
        kind, address = self.place
        if address + self.width > 65_536:
            raise ValueError(f"point {self.point!r}: address {address} and its length go beyond 65535")
        if kind in ("coil", "discrete") and self.type != "bool":
            raise ValueError(f"point {self.point!r}: a {kind} has type bool, found {self.type}")
        try:
            conversion(self.unit)
        except UnitError as error:
            raise ValueError(f"point {self.point!r}: {error}") from error

    @property
    def place(self) -> tuple[RegisterKind, int]:
        """Table and address from 0."""
        if self.register is not None:
            found = _from_register(self.register)
            assert found is not None, "checked when the settings were made"  # noqa: S101
            return found
        return self.kind, self.address or 0

    @property
    def width(self) -> int:
        """Registers that it takes."""
        return 2 if self.type in ("int32", "uint32", "float32") else 1


def _from_register(register: int) -> tuple[RegisterKind, int] | None:
    """Table and address of a number as manuals print it, five or six digits."""
    tables: tuple[tuple[int, int, RegisterKind], ...] = (
        (400_001, 465_536, "holding"),
        (300_001, 365_536, "input"),
        (100_001, 165_536, "discrete"),
        (40_001, 49_999, "holding"),
        (30_001, 39_999, "input"),
        (10_001, 19_999, "discrete"),
        (1, 9_999, "coil"),
    )
    for first, last, kind in tables:
        if first <= register <= last:
            return kind, register - first
    return None


class UnitSettings(Settings, frozen=True):
    """One unit behind a device. `address_offset` moves all of its points, where several units share a device id."""

    unit: Name
    device_id: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    address_offset: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    equipment: str = "ahu"
    title: str = ""
    location: str = ""


class ModbusDevice(Settings, frozen=True, tag_field="kind", tag="modbus"):
    """One Modbus TCP connection, and the units that are read over it, in turn. All have the same points."""

    name: str
    host: str
    port: Port = 502
    timeout_seconds: Positive = 1.0
    # Registers between two points that are read along rather than asked around; 0: never.
    gap_registers_max: Annotated[int, msgspec.Meta(ge=0, le=124)] = 16
    # A TOML file with [[points]], beside this one; for lists that many devices share.
    points_file: str = ""
    points: tuple[PointSettings, ...] = ()
    units: tuple[UnitSettings, ...] = ()


class CsvDevice(Settings, frozen=True, tag_field="kind", tag="csvfile"):
    """A historian's export that is played. Times are the file's own."""

    name: str
    path: str
    # A TOML file with the column map, beside this one; or the map itself.
    map_file: str = ""
    map: ColumnMap | None = None
    # File seconds for each second of the wall; 0: as fast as the outbox allows.
    playback_speed: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    # Time between rows; 0: told from the first rows.
    interval_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    title: str = ""
    location: str = ""


class PointsFile(Settings, frozen=True):
    """A list of points that several devices share."""

    points: tuple[PointSettings, ...]


class EdgeSettings(Settings, frozen=True):
    """One agent on one gateway."""

    site: Name
    gateway: Name
    mqtt: MqttSettings = MqttSettings()
    clock: ClockSettings = ClockSettings()
    log: LogSettings = LogSettings()
    outbox: OutboxSettings = OutboxSettings()
    publish: PublishSettings = PublishSettings()
    frame: FrameSettings = FrameSettings()
    poll: PollSettings = PollSettings()
    readings: ReadingSettings = ReadingSettings()
    detector: DetectorSettings = DetectorSettings()
    status: StatusSettings = StatusSettings()
    devices: tuple[ModbusDevice | CsvDevice, ...] = ()

    @property
    def interval_ms(self) -> int:
        """Plant time between samples of polled devices."""
        return round(self.poll.interval_seconds * 1000)


def load_settings(path: Path | str) -> EdgeSettings:
    """The settings of an agent, with the files that they name read in; paths are relative to the settings' folder.

    Raises:
        SettingsError: as `settings.load`, or what they say makes no sense together.
    """
    path = Path(path)
    settings = load(path, EdgeSettings)
    try:
        devices = tuple(_with_files(device, path.parent) for device in settings.devices)
        settings = msgspec.structs.replace(
            settings,
            devices=devices,
            outbox=msgspec.structs.replace(settings.outbox, path=str(path.parent / settings.outbox.path)),
        )
        check_settings(settings)
    except (ValueError, TopicError) as error:
        raise SettingsError(str(error) if str(error).startswith("settings") else f"settings {path}: {error}") from error
    return settings


def _with_files(device: ModbusDevice | CsvDevice, folder: Path) -> ModbusDevice | CsvDevice:
    """The device with its points or its map in place of the files that it names."""
    if isinstance(device, ModbusDevice):
        if device.points_file:
            shared = load(folder / device.points_file, PointsFile).points
            device = msgspec.structs.replace(device, points=(*shared, *device.points), points_file="")
        return device
    if device.map_file:
        if device.map is not None:
            raise ValueError(f"device {device.name!r}: map_file and map are both set; keep one")
        device = msgspec.structs.replace(device, map=load_map(folder / device.map_file), map_file="")
    return msgspec.structs.replace(device, path=str(folder / device.path))


def check_settings(settings: EdgeSettings) -> None:
    """Refuse settings whose parts do not fit together.

    Raises:
        ValueError: with the device and the point at fault.
        TopicError: a name cannot stand in a topic.
    """
    if not settings.devices:
        raise ValueError("no device; add at least one [[devices]]")
    check_name("site", settings.site)
    check_name("gateway", settings.gateway)
    names = [device.name for device in settings.devices]
    _refuse_twice("device name", names)
    _refuse_twice("unit", [unit.unit for d in settings.devices if isinstance(d, ModbusDevice) for unit in d.units])
    for device in settings.devices:
        if isinstance(device, ModbusDevice):
            _check_modbus(device, settings.frame.samples)
        else:
            _check_csv(device)


def _refuse_twice(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} {twice[0]!r} is there twice; give each its own")


def _check_modbus(device: ModbusDevice, samples: int) -> None:
    where = f"device {device.name!r}"
    if not device.units:
        raise ValueError(f"{where} has no units; add at least one [[devices.units]]")
    if not device.points:
        raise ValueError(f"{where} has no points; add [[devices.points]] or points_file")
    if len(device.points) * samples > CELLS_MAX:
        raise ValueError(
            f"{where}: {len(device.points)} points x {samples} samples make frames that may pass 128 KB;"
            f" expected at most {CELLS_MAX} together; lower frame.samples"
        )
    _refuse_twice(f"{where}: point", [point.point for point in device.points])
    for unit in device.units:
        check_name("unit", unit.unit)
        for point in device.points:
            check_point(point.point, point.unit, unit.equipment, where)
            if point.place[1] + unit.address_offset + point.width > 65_536:
                raise ValueError(f"{where} unit {unit.unit!r}: address_offset moves {point.point!r} beyond 65535")


def check_point(point: str, unit: str, equipment: str, where: str) -> None:
    """Refuse a point outside the vocabulary, but for type `generic`, and a unit that does not measure it.

    Raises:
        ValueError: with what to write instead.
    """
    if point in POINTS:
        try:
            check_unit(POINTS[point], unit)
        except PointError as error:
            raise ValueError(f"{where}: {error}") from error
    elif equipment != GENERIC:
        near = difflib.get_close_matches(point, POINTS, n=1)
        hint = f"did you mean {near[0]!r}" if near else "use equipment 'generic' for points of your own"
        raise ValueError(f"{where}: point {point!r} is not in the vocabulary; {hint}")


def _check_csv(device: CsvDevice) -> None:
    where = f"device {device.name!r}"
    columns = device.map
    if columns is None:
        raise ValueError(f"{where} has no column map; add map_file or [devices.map]")
    if not columns.time:
        raise ValueError(f"{where}: the map names no time column; a file is played by its times [map.time]")
    if not columns.unit_id and not columns.unit_column:
        raise ValueError(f"{where}: the map says no unit; add unit_id or unit_column")
    if columns.unit_id:
        check_name("unit", columns.unit_id)
