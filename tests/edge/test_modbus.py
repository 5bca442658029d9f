"""Modbus devices, well and ill: a bad one gives missing values and complaints, never a wrong number, and delays nobody."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from edge.framing import Unit
from edge.health import Health
from edge.readings import Readings
from edge.settings import ModbusDevice, PointSettings, ReadingSettings, UnitSettings
from edge.sources.modbus import ModbusSource
from models.contracts.clock import PlantClock
from models.contracts.frame import Quality
from models.contracts.settings import ClockSettings
from tests.edge.field import HOST, REGISTERS, BadDevice, Device, Mood, eventually
from tests.servers import free_port

INTERVAL_MS = 100
POINTS = (
    PointSettings(point="supply_air_temperature", register=40001, scale=0.1, unit="celsius", missing=(-32768,)),
    PointSettings(point="outdoor_air_temperature", register=40002, scale=0.1, unit="celsius"),
    PointSettings(point="supply_fan_status", register=40004, type="uint16", unit="state"),
)
CELLS = [215, 88, 0, 1]


class Samples:
    """Keeps what comes, by unit."""

    def __init__(self) -> None:
        self.of: dict[str, list[tuple[int, Readings, int, float]]] = {}

    def add_unit(self, unit: Unit) -> None:
        self.of.setdefault(unit.name, [])

    def take(self, unit: Unit, measured_at_ms: int, readings: Readings, jitter_ms: int) -> None:
        self.of.setdefault(unit.name, []).append((measured_at_ms, readings, jitter_ms, time.monotonic()))

    async def room(self) -> None:
        """Always."""

    def good(self, unit: str) -> int:
        return sum(not readings.quality.any() for _, readings, _, _ in self.of.get(unit, []))


def _source(
    port: int, units: dict[str, int], *, timeout_seconds: float = 0.2, gap: int = 16, points: Any = POINTS
) -> tuple[ModbusSource, Health]:
    device = ModbusDevice(
        name="d",
        host=HOST,
        port=port,
        timeout_seconds=timeout_seconds,
        gap_registers_max=gap,
        points=points,
        units=tuple(UnitSettings(unit=name, device_id=number) for name, number in units.items()),
    )
    health = Health(time.monotonic)
    return ModbusSource(device, 0, INTERVAL_MS, ReadingSettings(), PlantClock(ClockSettings()), health), health


class _Run:
    """A source that runs, and what it gives."""

    def __init__(self, source: ModbusSource) -> None:
        self.samples = Samples()
        self._task = asyncio.create_task(source.run(self.samples))

    async def aclose(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_a_device_by_pymodbus_is_read_on_the_grid() -> None:
    async with Device([1, 7], CELLS + REGISTERS) as device:
        source, health = _source(device.port, {"a": 1, "b": 7})
        async with aclosing(_Run(source)) as run:
            await eventually(lambda: run.samples.good("b") >= 5)
        for unit in ("a", "b"):
            samples = run.samples.of[unit]
            times = [at_ms for at_ms, *_ in samples]
            assert all(at_ms % INTERVAL_MS == 0 for at_ms in times)
            assert times == list(range(times[0], times[-1] + 1, INTERVAL_MS)), "no slot twice, none left out"
            assert samples[0][1].values.tolist() == pytest.approx([21.5, 8.8, 1])
            assert all(0 <= jitter < 2 * INTERVAL_MS for _, _, jitter, _ in samples)
        assert health.failing == {}


async def test_an_implausible_register_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    async with Device([3], [65535 >> 1, 88, 0, 1]) as device:
        source, _ = _source(device.port, {"a": 3})
        with caplog.at_level(logging.WARNING, "edge"):
            async with aclosing(_Run(source)) as run:
                await eventually(lambda: len(run.samples.of.get("a", [])) >= 5)
        assert {int(readings.quality[0]) for _, readings, _, _ in run.samples.of["a"]} == {Quality.OUT_OF_RANGE}
        said = [record.message for record in caplog.records if "register" in record.message]
        (message,) = said
        assert message == (
            f"modbus {HOST}:{device.port} unit 3: register 40001 gave 3276.7 celsius, expected -10 to 70"
            " (supply_air_temperature); check scale in [[points]]"
        )


async def test_a_sentinel_is_missing_and_not_complained_of(caplog: pytest.LogCaptureFixture) -> None:
    async with Device([1], [0x8000, 88, 0, 1]) as device:
        source, _ = _source(device.port, {"a": 1})
        async with aclosing(_Run(source)) as run:
            await eventually(lambda: len(run.samples.of.get("a", [])) >= 3)
        readings = run.samples.of["a"][0][1]
        assert readings.quality.tolist() == [Quality.MISSING, 0, 0]
        assert np.isnan(readings.values[0])
        assert not [record for record in caplog.records if record.name == "edge"]


@pytest.mark.parametrize("mood", ["silent", "refuses", "short", "wrong_id", "garbage", "hangs_up", "target_silent"])
async def test_an_ill_unit_is_missing_and_the_others_are_on_time(mood: Mood) -> None:
    async with BadDevice({1: "well", 2: mood, 3: "well"}, CELLS) as device:
        source, health = _source(device.port, {"first": 1, "ill": 2, "last": 3})
        async with aclosing(_Run(source)) as run:
            await asyncio.sleep(1.2)
        ill = [readings for _, readings, _, _ in run.samples.of["ill"]]
        assert ill, "its slots are told as missing"
        assert all((readings.quality == Quality.MISSING).all() for readings in ill), "never a number"
        for unit in ("first", "last"):
            assert run.samples.good(unit) >= (2 if mood in ("hangs_up", "garbage") else 6), mood
        assert health.failing
        assert device.asked[2] < 8, "it is left alone for longer and longer"


async def test_a_unit_that_comes_back_is_read_again() -> None:
    async with BadDevice({1: "silent"}, CELLS) as device:
        source, health = _source(device.port, {"a": 1}, timeout_seconds=0.05)
        async with aclosing(_Run(source)) as run:
            await eventually(lambda: "d/a" in health.failing)
            device.moods[1] = "well"
            await eventually(lambda: run.samples.good("a") >= 3, 10)
            assert health.failing == {}


async def test_one_bad_address_costs_only_its_own_point() -> None:
    async with BadDevice({1: "well"}, CELLS, illegal=[1]) as device:
        source, _ = _source(device.port, {"a": 1})
        async with aclosing(_Run(source)) as run:
            await eventually(lambda: len(run.samples.of.get("a", [])) >= 8)
        last = run.samples.of["a"][-1][1]
        assert last.quality.tolist() == [0, Quality.MISSING, 0]
        assert last.values[[0, 2]].tolist() == pytest.approx([21.5, 1])


async def test_a_device_that_refuses_gaps_is_read_around_them() -> None:
    async with BadDevice({1: "well"}, CELLS, illegal=[2]) as device:
        source, _ = _source(device.port, {"a": 1})
        async with aclosing(_Run(source)) as run:
            await eventually(lambda: run.samples.good("a") >= 3)


async def test_nobody_at_the_address_is_said_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    source, health = _source(port, {"a": 1}, timeout_seconds=0.1)
    with caplog.at_level(logging.WARNING, "edge"):
        async with aclosing(_Run(source)) as run:
            await eventually(lambda: len(run.samples.of.get("a", [])) >= 5)
            assert "check host, port and network" in health.failing["d"]
            device = Device([1], CELLS + REGISTERS, port)
            await device.start()
            await eventually(lambda: run.samples.good("a") >= 3)
            await device.stop()
    said = [record.message for record in caplog.records]
    assert said[0].startswith(f"modbus {HOST}:{port}: no connection within 0.1 s")
    assert "d answers again" in said


async def test_a_dead_device_delays_no_other_device() -> None:
    async with BadDevice({1: "silent"}, CELLS) as dead, Device([1], CELLS + REGISTERS) as well:
        bad, _ = _source(dead.port, {"bad": 1}, timeout_seconds=1)
        good, _ = _source(well.port, {"good": 1})
        async with aclosing(_Run(bad)), aclosing(_Run(good)) as run:
            await asyncio.sleep(1.5)
        jitters = [jitter for _, _, jitter, _ in run.samples.of["good"]]
        assert len(jitters) >= 11
        assert max(jitters) <= INTERVAL_MS, "at most one period late"
