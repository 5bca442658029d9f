"""Register maps of the simulated controllers: one table, from which both the Modbus server and an agent's settings come.

    ours ──unit──▶ in the controller's unit ──(value - offset) / scale──▶ whole number ──▶ one or two registers, or a bit

Three makes of controller, so that scaling, signs, units, word order and sentinels are all real: `metric` (holding
registers, tenths of a degree, percent x 10), `us` (Modicon numbers, Fahrenheit, whole percent, floats with the low word
first) and `packaged` (input registers, unsigned with an offset, nothing told between the points).
"""

from __future__ import annotations

import struct
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.points import AHU_POINTS, POINTS, check_unit
from models.contracts.units import conversion

Kind = Literal["coil", "discrete", "holding", "input"]
Type = Literal["bool", "int16", "uint16", "int32", "uint32", "float32"]
WordOrder = Literal["big", "little"]

# First number of each kind in Modicon's counting: 40012 is the holding register at address 11.
MODICON: dict[Kind, int] = {"coil": 1, "discrete": 10001, "input": 30001, "holding": 40001}
_LIMITS: dict[Type, tuple[int, int]] = {
    "bool": (0, 1),
    "int16": (-0x8000, 0x7FFF),
    "uint16": (0, 0xFFFF),
    "int32": (-0x8000_0000, 0x7FFF_FFFF),
    "uint32": (0, 0xFFFF_FFFF),
}


class ProfileError(ValueError):
    """A profile that does not exist or whose registers do not fit."""


class Register(NamedTuple):
    """One row: where a point stands and how. `value in unit = raw * scale + offset`; `missing` are raw, unsigned words."""

    point: str
    kind: Kind
    address: int
    type: Type
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    missing: tuple[int, ...] = ()
    word_order: WordOrder = "big"

    @property
    def words(self) -> int:
        """Registers (or bits) that it takes."""
        return 2 if self.type in ("int32", "uint32", "float32") else 1


class Profile(NamedTuple):
    """A make of controller.

    `modicon` tells whether its handbook counts registers from 40001 on. Between two points at most `reserved_max` unused
    registers read as 0; across wider gaps a read is refused, as it is everywhere where that is 0.
    """

    name: str
    registers: tuple[Register, ...]
    modicon: bool = False
    reserved_max: int = 16


_NO_INT16 = (0x8000,)
_NO_UINT16 = (0xFFFF,)


def _metric_temperature(point: str, address: int) -> Register:
    return Register(point, "holding", address, "int16", "degC", 0.1, missing=_NO_INT16)


def _metric_percent(point: str, address: int) -> Register:
    return Register(point, "holding", address, "uint16", "%", 0.1, missing=_NO_UINT16)


_METRIC = Profile(
    "metric",
    (
        _metric_temperature("outdoor_air_temperature", 0),
        _metric_percent("outdoor_air_relative_humidity", 1),
        _metric_temperature("return_air_temperature", 2),
        _metric_temperature("mixed_air_temperature", 3),
        _metric_temperature("supply_air_temperature", 4),
        _metric_temperature("supply_air_temperature_setpoint", 5),
        _metric_temperature("zone_air_temperature", 6),
        _metric_temperature("zone_air_heating_temperature_setpoint", 7),
        _metric_temperature("zone_air_cooling_temperature_setpoint", 8),
        _metric_temperature("hot_water_supply_temperature", 9),
        _metric_temperature("hot_water_return_temperature", 10),
        _metric_temperature("chilled_water_supply_temperature", 11),
        _metric_temperature("chilled_water_return_temperature", 12),
        _metric_percent("outdoor_air_damper_command", 20),
        _metric_percent("heating_valve_command", 21),
        _metric_percent("cooling_valve_command", 22),
        _metric_percent("supply_fan_speed_command", 23),
        Register("supply_air_flow", "holding", 30, "uint16", "m3/h", missing=_NO_UINT16),
        Register("supply_air_static_pressure", "holding", 31, "uint16", "Pa", 0.1, missing=_NO_UINT16),
        Register("supply_air_static_pressure_setpoint", "holding", 32, "uint16", "Pa", missing=_NO_UINT16),
        Register("filter_differential_pressure", "holding", 33, "uint16", "Pa", 0.1, missing=_NO_UINT16),
        Register("supply_fan_power", "holding", 40, "uint32", "W", missing=(0xFFFF_FFFF,)),
        Register("supply_fan_status", "discrete", 0, "bool", "state"),
        Register("occupancy", "coil", 0, "bool", "state"),
    ),
)


def _us_temperature(point: str, address: int) -> Register:
    return Register(point, "holding", address, "int16", "degF", 0.1, missing=_NO_INT16)


def _us_percent(point: str, address: int) -> Register:
    return Register(point, "holding", address, "uint16", "%", missing=_NO_UINT16)


def _us_float(point: str, address: int, unit: str) -> Register:
    return Register(point, "holding", address, "float32", unit, word_order="little")


_US = Profile(
    "us",
    (
        _us_temperature("supply_air_temperature", 11),
        _us_temperature("mixed_air_temperature", 12),
        _us_temperature("return_air_temperature", 13),
        _us_temperature("outdoor_air_temperature", 14),
        _us_temperature("zone_air_temperature", 15),
        _us_temperature("supply_air_temperature_setpoint", 16),
        _us_temperature("zone_air_heating_temperature_setpoint", 17),
        _us_temperature("zone_air_cooling_temperature_setpoint", 18),
        _us_temperature("hot_water_supply_temperature", 19),
        _us_temperature("hot_water_return_temperature", 20),
        _us_temperature("chilled_water_supply_temperature", 21),
        _us_temperature("chilled_water_return_temperature", 22),
        _us_percent("outdoor_air_relative_humidity", 30),
        _us_percent("outdoor_air_damper_command", 31),
        _us_percent("heating_valve_command", 32),
        _us_percent("cooling_valve_command", 33),
        Register("supply_fan_speed_command", "holding", 34, "uint16", "%", 0.1, missing=_NO_UINT16),
        Register("supply_fan_status", "holding", 35, "uint16", "state"),
        Register("occupancy", "holding", 36, "uint16", "state"),
        _us_float("supply_air_flow", 100, "cfm"),
        _us_float("supply_fan_power", 102, "kW"),
        _us_float("supply_air_static_pressure", 104, "inH2O"),
        _us_float("supply_air_static_pressure_setpoint", 106, "inH2O"),
        _us_float("filter_differential_pressure", 108, "inH2O"),
    ),
    modicon=True,
)


def _packaged_temperature(point: str, address: int) -> Register:
    # Unsigned, so that the maker could do without signs: 0 means -50 celsius.
    return Register(point, "input", address, "uint16", "degC", 0.05, -50.0, _NO_UINT16)


def _packaged_percent(point: str, address: int) -> Register:
    return Register(point, "input", address, "uint16", "%", 0.1, missing=_NO_UINT16)


_PACKAGED = Profile(
    "packaged",
    (
        *(
            _packaged_temperature(point, 200 + place)
            for place, point in enumerate(name for name in AHU_POINTS if POINTS[name].unit == "celsius")
        ),
        _packaged_percent("outdoor_air_relative_humidity", 230),
        _packaged_percent("outdoor_air_damper_command", 231),
        _packaged_percent("heating_valve_command", 232),
        _packaged_percent("cooling_valve_command", 233),
        _packaged_percent("supply_fan_speed_command", 234),
        Register("supply_air_static_pressure", "input", 240, "int16", "Pa", 0.1, missing=_NO_INT16),
        Register("supply_air_static_pressure_setpoint", "input", 241, "int16", "Pa", 0.1, missing=_NO_INT16),
        Register("filter_differential_pressure", "input", 242, "int16", "Pa", 0.1, missing=_NO_INT16),
        Register("supply_air_flow", "input", 250, "int32", "L/s", 0.1, missing=(0x8000_0000,), word_order="little"),
        Register("supply_fan_power", "input", 252, "float32", "W"),
        Register("supply_fan_status", "discrete", 16, "bool", "state"),
        Register("occupancy", "discrete", 17, "bool", "state"),
    ),
    reserved_max=0,
)


def _checked(profile: Profile) -> Profile:
    """The profile, if it tells every point once, in a unit that fits, and no two registers overlap.

    Raises:
        ProfileError: it does not.
    """
    if sorted(row.point for row in profile.registers) != sorted(AHU_POINTS):
        raise ProfileError(f"profile {profile.name!r}: expected every point of AHU_POINTS exactly once")
    taken: set[tuple[Kind, int]] = set()
    for row in profile.registers:
        check_unit(POINTS[row.point], row.unit)
        cells = {(row.kind, row.address + word) for word in range(row.words)}
        if cells & taken:
            raise ProfileError(f"profile {profile.name!r}: {row.kind} {row.address} is taken ({row.point})")
        taken |= cells
    return profile


PROFILES: dict[str, Profile] = {profile.name: _checked(profile) for profile in (_METRIC, _US, _PACKAGED)}


def find_profile(name: str) -> Profile:
    """The profile of this name.

    Raises:
        ProfileError: there is none.
    """
    if name not in PROFILES:
        raise ProfileError(f"profile {name!r} is not known; expected one of {', '.join(PROFILES)}")
    return PROFILES[name]


def encode(register: Register, value: float) -> list[int]:
    """The words (or the bit) that hold this value of ours; a value beyond the register's range stands at its end.

    Args:
        register: Where and how.
        value: In our unit; NaN for a sensor that gives nothing.
    """
    how = conversion(register.unit)
    theirs = (value - how.offset) / how.factor
    if register.type == "float32":
        bits = int.from_bytes(struct.pack(">f", theirs), "big")
    elif np.isnan(theirs):
        bits = register.missing[0] if register.missing else 0
    else:
        low, high = _LIMITS[register.type]
        raw = min(max(round((theirs - register.offset) / register.scale), low), high)
        bits = raw & (0xFFFF_FFFF if register.words == 2 else 0xFFFF)
        if bits in register.missing:
            # A real reading is never told as a missing one: it stays a step beside the sentinel.
            bits += 1 if raw < 0 else -1
    if register.words == 1:
        return [bits]
    words = [bits >> 16, bits & 0xFFFF]
    return words if register.word_order == "big" else words[::-1]


def encode_all(profile: Profile, values: npt.NDArray[np.float32]) -> dict[Kind, dict[int, int]]:
    """All registers of one controller: kind, address, word.

    Args:
        profile: Its make.
        values: Shape (24,) in the order of AHU_POINTS.
    """
    image: dict[Kind, dict[int, int]] = {"coil": {}, "discrete": {}, "input": {}, "holding": {}}
    by_point = dict(zip(AHU_POINTS, values.tolist(), strict=True))
    for register in profile.registers:
        for place, word in enumerate(encode(register, by_point[register.point])):
            image[register.kind][register.address + place] = word
    return image


def edge_points_toml(profile: Profile, table: str = "devices.points") -> str:
    """The points with which an agent reads a controller of this make, as TOML.

    Args:
        profile: The make. With `reserved_max` 0 the agent's device needs `gap_registers_max = 0`.
        table: Name of the tables; `points` for a file of its own.
    """
    return "\n".join(_point_toml(row, profile.modicon, table) for row in profile.registers)


def _point_toml(row: Register, modicon: bool, table: str) -> str:
    lines = [f"[[{table}]]", f'point = "{row.point}"']
    if modicon:
        lines.append(f"register = {MODICON[row.kind] + row.address}")
    else:
        lines += [f"address = {row.address}", f'kind = "{row.kind}"']
    lines.append(f'type = "{row.type}"')
    if row.scale != 1.0:
        lines.append(f"scale = {row.scale}")
    if row.offset:
        lines.append(f"offset = {row.offset}")
    lines.append(f'unit = "{row.unit}"')
    if row.missing:
        lines.append(f"missing = [{', '.join(str(_as_number(row, bits)) for bits in row.missing)}]")
    if row.words == 2:
        lines.append(f'word_order = "{row.word_order}"')
    return "\n".join(lines) + "\n"


def _as_number(row: Register, bits: int) -> int:
    """Raw words as the whole number that their type makes of them: 0x8000 is -32768 as int16."""
    signed = row.type in ("int16", "int32")
    return bits - (1 << 16 * row.words) if signed and bits >> (16 * row.words - 1) else bits
