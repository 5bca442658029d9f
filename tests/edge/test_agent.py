"""The agent against real devices and real brokers: what is measured arrives, whatever happens on the way."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
import uuid
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edge.agent import Agent
from edge.settings import load_settings
from models.contracts.frame import as_sent
from models.contracts.layout import Layout
from models.contracts.messages import Gap
from tests.edge.field import REGISTERS, Cloud, Device, eventually, modbus_toml, running, settings_text
from tests.servers import EmbeddedMqtt, Mosquitto, free_port


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


@pytest.mark.mosquitto
async def test_a_broker_that_dies_and_forgets_loses_nothing(site: str, tmp_path: Path) -> None:
    """Killed without persistence in the middle of the traffic, several times, and the cloud with it."""
    async with Device([1, 2], REGISTERS) as device:
        with Mosquitto() as broker:
            clouds = [Cloud(broker.port, site)]
            text = settings_text(
                site, broker.port, modbus_toml("d", device.port, {"a": 1, "b": 2}), interval_seconds=0.05, samples=3
            )
            async with running(tmp_path, text) as agent:
                for _ in range(3):
                    arrived = len(clouds[-1].frames)
                    await eventually(partial(_more_than, clouds[-1], arrived + 5), 20)
                    await asyncio.to_thread(broker.kill)
                    clouds[-1].close()
                    await asyncio.sleep(random.random())
                    await asyncio.to_thread(broker.start)
                    clouds.append(Cloud(broker.port, site))
                await eventually(
                    lambda: agent.publisher.connected and agent.spool.backlog < 6, 10, "caught up within 10 s"
                )
            await eventually(lambda: clouds[-1].statuses[-1].state == "offline")
            arrived_seqs = {seq for cloud in clouds for _, seq in cloud.frames}
            last_seq = clouds[-1].statuses[-1].last_seq
            assert arrived_seqs == set(range(1, last_seq + 1)), "0 missing"
            assert clouds[-1].statuses[-1].gaps == ()
            assert last_seq >= 3 * 6, "each round waited for more than five frames"
            for cloud in clouds:
                assert not any(frame.historical for frame in cloud.frames.values()), "a short outage stays live"
                cloud.close()


@pytest.mark.mosquitto
async def test_a_puback_deletes_nothing(mosquitto: Mosquitto, site: str, tmp_path: Path) -> None:
    """The broker takes everything and nobody acknowledges: all stays in the outbox, and goes on its way again later."""
    async with Device([1], REGISTERS) as device:
        with Cloud(mosquitto.port, site, acknowledge=False) as cloud:
            text = settings_text(site, mosquitto.port, modbus_toml("d", device.port, {"a": 1}))
            async with running(tmp_path, text) as agent:
                await eventually(lambda: len(cloud.frames) >= 4)
                assert agent.spool.backlog >= 4
                assert agent.health.counts["frames_acknowledged"] == 0
                cloud.acknowledge = True
                await eventually(lambda: agent.health.counts["frames_resent"] > 0)
                await eventually(lambda: agent.spool.backlog <= 1)
            assert {seq for _, seq in cloud.frames} == set(range(1, cloud.statuses[-1].last_seq + 1))


@pytest.mark.mosquitto
async def test_what_waits_too_long_follows_as_historical(mosquitto: Mosquitto, site: str, tmp_path: Path) -> None:
    """Without a broker for longer than the limit: newer frames go first and live, the older ones follow, marked."""
    async with Device([1], REGISTERS) as device:
        text = settings_text(site, mosquitto.port, modbus_toml("d", device.port, {"a": 1}), samples=2)
        text = text.replace("[outbox]", "[outbox]\nlive_backlog_seconds_max = 1.5")
        away = text.replace(f"port = {mosquitto.port}", f"port = {free_port()}", 1)
        async with running(tmp_path, away) as agent:
            await eventually(lambda: agent.spool.backlog >= 8)
        await asyncio.sleep(1.6)
        with Cloud(mosquitto.port, site) as cloud:
            async with running(tmp_path, text) as agent:
                await eventually(lambda: agent.spool.backlog == 0 and len(cloud.frames) > 10)
            by_seq = {seq: frame for (_, seq), frame in cloud.frames.items()}
            assert set(by_seq) == set(range(1, cloud.statuses[-1].last_seq + 1))
            assert [by_seq[seq].historical for seq in range(1, 9)] == [True] * 8
            assert not by_seq[max(by_seq)].historical
            assert [frame.seq for frame in cloud.decoded()] == sorted(by_seq), "the marked ones can be read too"


@pytest.mark.mosquitto
async def test_a_frame_that_nobody_takes_is_set_aside_as_a_gap(mosquitto: Mosquitto, site: str, tmp_path: Path) -> None:
    async with Device([1], REGISTERS) as device:
        with Cloud(mosquitto.port, site) as cloud:
            cloud.ignored = {3}
            text = settings_text(site, mosquitto.port, modbus_toml("d", device.port, {"a": 1}), samples=2)
            text = text.replace("ack_timeout_seconds = 1.0", "ack_timeout_seconds = 0.3")
            async with running(tmp_path, text) as agent:
                await eventually(lambda: agent.health.counts["frames_set_aside"] == 1, 20)
                await eventually(lambda: bool(cloud.statuses[-1].gaps))
            assert cloud.statuses[-1].gaps == (Gap(3, 3, "set_aside"),)
            assert sum(seq == 3 for _, seq in cloud.order) == 10
            assert cloud.statuses[-1].backlog_frames == 0


@pytest.mark.mosquitto
async def test_a_restart_goes_on_in_the_same_epoch(mosquitto: Mosquitto, site: str, tmp_path: Path) -> None:
    async with Device([1], REGISTERS) as device:
        with Cloud(mosquitto.port, site) as cloud:
            text = settings_text(site, mosquitto.port, modbus_toml("d", device.port, {"a": 1}))
            for _ in range(3):
                before = len(cloud.frames)
                async with running(tmp_path, text):
                    await eventually(partial(_more_than, cloud, before + 2))
                    await asyncio.sleep(0.25)  # into the middle of a frame
            frames = cloud.decoded()
            assert len({frame.epoch for frame in frames}) == 1
            assert [frame.prior_seq for frame in frames] == list(range(len(frames)))
            assert any(frame.values.shape[1] < 5 for frame in frames), "a partial frame is closed and kept"


@pytest.mark.mosquitto
async def test_a_damaged_store_is_replaced_while_the_agent_runs(
    mosquitto: Mosquitto, site: str, tmp_path: Path
) -> None:
    async with Device([1], REGISTERS) as device:
        with Cloud(mosquitto.port, site) as cloud:
            text = settings_text(site, mosquitto.port, modbus_toml("d", device.port, {"a": 1}), samples=2)
            async with running(tmp_path, text) as agent:
                await eventually(lambda: len(cloud.frames) >= 4)
                first_epoch = agent.spool.epoch
                cloud.acknowledge = False
                await eventually(lambda: agent.spool.backlog >= 3)
                # A store this small lives in SQLite's memory; make it read the disk.
                await agent.spool._ask(lambda outbox: outbox._db.execute("PRAGMA cache_size=1").fetchall())
                _ruin(tmp_path / "outbox.sqlite3")
                await eventually(lambda: agent.spool.epoch != first_epoch, 5)
                cloud.acknowledge = True
                await eventually(lambda: agent.spool.epoch in {epoch for epoch, _ in cloud.frames}, 5)
                second_epoch = agent.spool.epoch
            told = [status for status in cloud.statuses if status.gaps]
            assert told, "the loss is told"
            assert {status.epoch for status in told} == {first_epoch}
            assert told[0].gaps[0].reason == "spool_lost"
            seqs = sorted(seq for epoch, seq in cloud.frames if epoch == second_epoch)
            assert seqs == list(range(1, len(seqs) + 1))


def _more_than(cloud: Cloud, count: int) -> bool:
    return len(cloud.frames) > count


def _ruin(path: Path) -> None:
    """Overwrite the tables' pages of a store in use, so that SQLite meets nonsense when it reads them again."""
    for file in (path, Path(f"{path}-wal")):
        size = file.stat().st_size
        with file.open("r+b") as stream:
            stream.seek(4096)
            stream.write(b"\xa5" * max(size - 4096, 4096))


@pytest.mark.mosquitto
async def test_a_file_is_played_to_its_end_and_the_agent_ends(mosquitto: Mosquitto, site: str, tmp_path: Path) -> None:
    rows = "".join(f"2026-01-01 {minute // 60:02d}:{minute % 60:02d},{60 + minute % 9},1\n" for minute in range(600))
    (tmp_path / "x.csv").write_text("Time,SAT,Fan\n" + rows)
    device = """
[[devices]]
kind = "csvfile"
name = "f"
path = "x.csv"
[devices.map]
time = "Time"
unit_id = "u"
[devices.map.points.supply_air_temperature]
column = "SAT"
unit = "degF"
"""
    with Cloud(mosquitto.port, site) as cloud:
        path = tmp_path / "edge.toml"
        path.write_text(settings_text(site, mosquitto.port, device, samples=7))
        await asyncio.wait_for(Agent(load_settings(path)).run(), 20)
        frames = cloud.decoded()
        values = np.concatenate([frame.values[0] for frame in frames])
        expected = as_sent(np.array([[(60 + m % 9 - 32) / 1.8 for m in range(600)]], dtype=np.float32), _layout(cloud))
        np.testing.assert_array_equal(values, expected[0])
        assert [frame.interval_ms for frame in frames] == [60_000] * 86
        assert cloud.statuses[-1].state == "offline"
        assert cloud.statuses[-1].backlog_frames == 0


def _layout(cloud: Cloud) -> Layout:
    (layout,) = cloud.layouts.values()
    return layout


@pytest.mark.mosquitto
async def test_a_killed_agent_is_reported_by_its_last_will(mosquitto: Mosquitto, site: str, tmp_path: Path) -> None:
    async with Device([1], REGISTERS) as device:
        with Cloud(mosquitto.port, site) as cloud:
            path = tmp_path / "edge.toml"
            path.write_text(settings_text(site, mosquitto.port, modbus_toml("d", device.port, {"a": 1}), samples=2))
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", "edge", "run", str(path))
            await eventually(lambda: len(cloud.frames) >= 3, 20)
            process.kill()
            await process.wait()
            await eventually(lambda: cloud.statuses[-1].state == "offline", 15)
            again = await asyncio.create_subprocess_exec(sys.executable, "-m", "edge", "run", str(path))
            arrived = len(cloud.frames)
            await eventually(lambda: len(cloud.frames) >= arrived + 3, 20)
            again.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(again.wait(), 15) == 0
            await eventually(lambda: cloud.statuses[-1].state == "offline", 15)
            seqs = sorted(seq for _, seq in cloud.frames)
            assert seqs == list(range(1, len(seqs) + 1))
            assert len({epoch for epoch, _ in cloud.frames}) == 1
