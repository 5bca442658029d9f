"""Readings: ours in unit and name, each with what is known of it; a bad value is never a number to be scored."""

from __future__ import annotations

import numpy as np
import pytest

from edge.readings import Named, Reader, layout_of
from models.contracts.frame import Quality
from models.contracts.points import PointError


def _judge(reader: Reader, *values: float, at_ms: int = 0, late_ms: int = 0) -> tuple[list[float], list[Quality]]:
    readings = reader.judge(np.array(values), at_ms, late_ms)
    return readings.values.tolist(), [Quality(int(code)) for code in readings.quality]


def test_units_become_ours() -> None:
    reader = Reader(
        [
            Named("supply_air_temperature", "degF"),
            Named("heating_valve_command", "%"),
            Named("supply_air_static_pressure", "inH2O"),
            Named("supply_air_flow", "cfm"),
        ],
        0,
        0,
    )
    values, quality = _judge(reader, 72.5, 35, 1.0, 1000)
    assert values == pytest.approx([22.5, 0.35, 249.08208, 0.4719474432])
    assert quality == [Quality.GOOD] * 4


@pytest.mark.parametrize("value", [6553.5, -3276.8, 70.1, -10.1])
def test_an_implausible_value_is_flagged_and_kept(value: float) -> None:
    values, quality = _judge(Reader([Named("supply_air_temperature", "celsius")], 0, 0), value)
    assert quality == [Quality.OUT_OF_RANGE]
    assert values == pytest.approx([value]), "kept for people to see, and never scored as 0"


@pytest.mark.parametrize("value", [70.0, -10.0])
def test_the_ends_of_the_range_are_plausible(value: float) -> None:
    assert _judge(Reader([Named("supply_air_temperature", "celsius")], 0, 0), value)[1] == [Quality.GOOD]


def test_a_missing_value_is_nan_and_never_zero() -> None:
    values, quality = _judge(Reader([Named("supply_air_temperature", "degF")], 0, 0), float("nan"))
    assert np.isnan(values[0])
    assert quality == [Quality.MISSING]


def test_a_late_answer_is_stale() -> None:
    reader = Reader([Named("supply_air_temperature", "celsius")], 0, 5)
    assert _judge(reader, 20, late_ms=5000)[1] == [Quality.GOOD]
    assert _judge(reader, 20, late_ms=5001)[1] == [Quality.STALE]
    assert _judge(reader, 99, late_ms=5001)[1] == [Quality.OUT_OF_RANGE]


def test_a_sensor_that_never_moves_is_stuck_until_it_moves() -> None:
    #  minutes   0    30   59   60   61   62
    #  reads     20   20   20   20   21   21
    #  quality   good good good stuck good good
    reader = Reader(
        [Named("supply_air_temperature", "celsius"), Named("supply_air_temperature_setpoint", "celsius")], 3600, 0
    )
    seen = [
        _judge(reader, value, 18, at_ms=minute * 60_000)[1]
        for minute, value in ((0, 20), (30, 20), (59, 20), (60, 20), (61, 21), (62, 21))
    ]
    assert [pair[0] for pair in seen] == [Quality.GOOD] * 3 + [Quality.STUCK] + [Quality.GOOD] * 2
    assert {pair[1] for pair in seen} == {Quality.GOOD}, "a setpoint may stay as it is"


def test_a_gap_does_not_make_a_sensor_move() -> None:
    reader = Reader([Named("supply_air_temperature", "celsius")], 60, 0)
    _judge(reader, 20, at_ms=0)
    _judge(reader, float("nan"), at_ms=30_000)
    assert _judge(reader, 20, at_ms=60_000)[1] == [Quality.STUCK]


def test_fan_off_is_not_stuck() -> None:
    reader = Reader([Named("supply_air_flow", "m3/s"), Named("supply_fan_power", "w")], 60, 0)
    _judge(reader, 0, 0, at_ms=0)
    assert _judge(reader, 0, 0, at_ms=3_600_000)[1] == [Quality.GOOD] * 2


def test_points_of_ones_own_travel_as_they_are() -> None:
    layout = layout_of(
        "generic", [Named("boiler drum level", "none"), Named("oil", "degF"), Named("supply_air_flow", "cfm")]
    )
    assert [(c.point, c.unit, c.scale) for c in layout.channels] == [
        ("boiler drum level", "none", 0.0),
        ("oil", "celsius", 0.0),
        ("supply_air_flow", "cubic_meters_per_second", 0.002),
    ]
    with pytest.raises(PointError):
        layout_of("ahu", [Named("boiler drum level", "none")])
