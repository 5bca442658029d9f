"""The agent against real devices and real brokers: what is measured arrives, whatever happens on the way."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.edge.field import REGISTERS, Cloud, Device, eventually, modbus_toml, running, settings_text
from tests.servers import EmbeddedMqtt, Mosquitto


@pytest.fixture
def site() -> str:
    return f"s-{uuid.uuid4().hex[:8]}"


async def _whole_way(port: int, site: str, folder: Path) -> None:
    async with Device([1, 2], REGISTERS) as device:
        with Cloud(port, site) as cloud:
            text = settings_text(site, port, modbus_toml("d", device.port, {"ahu-1": 1, "ahu-2": 2}))
            async with running(folder, text) as agent:
                await eventually(lambda: len(cloud.frames) >= 6, 15)
                await eventually(lambda: agent.spool.backlog <= 2)
            await eventually(lambda: cloud.statuses[-1].state == "offline")
            frames = cloud.decoded()
            assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
            for frame in frames:
                assert frame.values[:, 0].tolist() == pytest.approx([21.5, 8.8, 1.0])
                assert frame.interval_ms == 100
                assert frame.measured_at_ms % 100 == 0
                assert frame.quality is None
                assert not frame.historical
            priors = {unit: [f.prior_seq for f in frames if f.unit == unit] for unit in ("ahu-1", "ahu-2")}
            seqs = {unit: [f.seq for f in frames if f.unit == unit] for unit in ("ahu-1", "ahu-2")}
            for unit in seqs:
                assert priors[unit] == [0, *seqs[unit][:-1]]
            assert cloud.statuses[0].state == "online"
            assert cloud.statuses[-1].backlog_frames == 0
            assert cloud.statuses[-1].last_seq == len(frames)
            assert len(cloud.order) == len(frames), "nothing was sent twice"


@pytest.mark.mosquitto
async def test_samples_go_from_registers_to_the_cloud(mosquitto: Mosquitto, site: str, tmp_path: Path) -> None:
    await _whole_way(mosquitto.port, site, tmp_path)


async def test_samples_go_from_registers_to_the_cloud_embedded(
    embedded_mqtt: EmbeddedMqtt, site: str, tmp_path: Path
) -> None:
    await _whole_way(embedded_mqtt.port, site, tmp_path)
