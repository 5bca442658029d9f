"""Register maps: what the server holds, an agent reads back, with the settings made from the same table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.settings import PointSettings, PointsFile
from edge.sources import registers as edge_registers
from models.contracts.points import AHU_POINTS, POINTS
from models.contracts.settings import parse
from models.contracts.units import conversion
from simulators.hvac.registers import (
    PROFILES,
    Profile,
    ProfileError,
    Register,
    edge_points_toml,
    encode,
    encode_all,
    find_profile,
)

profiles = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES.keys())


def _edge_points(profile: Profile) -> tuple[PointSettings, ...]:
    return parse(edge_points_toml(profile, table="points"), PointsFile, profile.name).points


def _as_an_agent_reads(profile: Profile, values: list[float]) -> dict[str, float]:
    """Our values into the registers of a controller, and out of them as the agent's own decoder has it, in our units."""
    points = _edge_points(profile)
    image = encode_all(profile, np.array(values, dtype=np.float32))
    blocks = edge_registers.plan(points, 0)
    words = [image[block.kind][block.address + word] for block in blocks for word in range(block.length)]
    decoder = edge_registers.Decoder(points, blocks)
    theirs = decoder.decode(np.array(words, dtype=np.uint16), np.ones(len(blocks), dtype=bool))
    return {
        point.point: float(value) * conversion(point.unit).factor + conversion(point.unit).offset
        for point, value in zip(points, theirs, strict=True)
    }


@profiles
@given(shares=st.lists(st.floats(0, 1), min_size=len(AHU_POINTS), max_size=len(AHU_POINTS)))
def test_an_agent_reads_back_what_the_plant_has_within_half_a_step(profile: Profile, shares: list[float]) -> None:
    rows = {row.point: row for row in profile.registers}
    values = []
    for name, share in zip(AHU_POINTS, shares, strict=True):
        point = POINTS[name]
        low, high = (
            max(point.low, -40 if point.unit == "celsius" else 0),
            min(point.high, 12 if "flow" in name else 1e9),
        )
        high = min(high, 1.0 if point.unit == "fraction" else high)
        values.append(float(round(share)) if point.unit == "state" else low + share * (high - low))
    found = _as_an_agent_reads(profile, values)
    for name, value in zip(AHU_POINTS, values, strict=True):
        step = abs(rows[name].scale * conversion(rows[name].unit).factor)
        tolerance = (
            1e-5 * abs(value) + 1e-3 if rows[name].type == "float32" else step / 2 * 1.001 + 1e-4 + 1e-6 * abs(value)
        )
        assert found[name] == pytest.approx(value, abs=tolerance), name


@profiles
def test_a_lost_sensor_is_missing_for_the_agent(profile: Profile) -> None:
    found = _as_an_agent_reads(profile, [math.nan] * len(AHU_POINTS))
    for name, value in found.items():
        if POINTS[name].unit != "state":
            assert math.isnan(value), name


@profiles
def test_no_reading_looks_like_a_missing_one(profile: Profile) -> None:
    for register in profile.registers:
        for value in (-1e9, -3276.8, 6553.5, 1e9):
            words = encode(register, value)
            ordered = words if register.word_order == "big" else words[::-1]
            assert sum(word << 16 * place for place, word in enumerate(reversed(ordered))) not in register.missing
            assert all(0 <= word <= 0xFFFF for word in words)


def test_words_are_those_of_the_handbook() -> None:
    temperature = Register("supply_air_temperature", "holding", 0, "int16", "degF", 0.1, missing=(0x8000,))
    assert encode(temperature, 12.8) == [550]
    assert encode(temperature, -20.0) == [0x10000 - 40]
    assert encode(temperature, math.nan) == [0x8000]
    flow = Register("supply_air_flow", "input", 0, "float32", "m3/s")
    assert encode(flow, 1.5) == [0x3FC0, 0x0000]
    assert encode(flow._replace(word_order="little"), 1.5) == [0x0000, 0x3FC0]
    unsigned = Register("supply_air_temperature", "input", 0, "uint16", "degC", 0.05, -50.0, (0xFFFF,))
    assert encode(unsigned, -10.0) == [800]
    assert encode(Register("supply_fan_power", "holding", 0, "uint32", "W"), 70_000) == [1, 4464]


def test_profiles_are_told_apart_and_an_unknown_one_is_refused() -> None:
    assert "register = 40012" in edge_points_toml(PROFILES["us"])
    assert 'kind = "holding"' in edge_points_toml(PROFILES["metric"])
    assert "[[devices.points]]" in edge_points_toml(PROFILES["metric"])
    assert {row.unit for row in PROFILES["us"].registers} >= {"degF", "cfm", "inH2O", "%", "kW"}
    with pytest.raises(ProfileError, match="profile 'acme' is not known; expected one of metric, us, packaged"):
        find_profile("acme")
