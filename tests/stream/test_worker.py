"""The worker as a process, on real Kafka and on the embedded broker: nothing is lost, nothing is said that is not true.

The log of a broker grows from test to test; each test compares all that was ever said with a replay of all that was logged.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator

import pytest

from models.contracts import topics
from models.contracts.layout import layout_for
from models.contracts.messages import AlertEvent, DeadLetter, LayoutMessage, encode_json
from models.contracts.points import AHU_POINTS
from tests.servers import EmbeddedKafka, Kafka, free_port
from tests.stream import fleet
from tests.stream.records import difference, messages
from tests.stream.site import Message, Site, comparable

UNITS = [f"ahu-{number}" for number in range(1, 13)]


class Plant:
    """Senders that go on from test to test, in a log time of their own: a quarter of a second for each frame of a unit."""

    def __init__(self) -> None:
        self.at_ms = int(time.time() * 1000) - 1_800_000
        self.senders = [fleet.Sender(gateway=f"gw{number}", epoch=100 + number) for number in (1, 2)]
        self.index = 0

    def run(self, frames: int, faulty: str = "", poison_fraction: float = 0.0) -> Iterator[Message]:
        """So many frames of every unit; one unit is faulty for the first half of them."""
        chance = random.Random(self.index)
        for step in range(frames):
            for number, unit in enumerate(UNITS):
                bad = unit == faulty and step < frames // 2
                payload = self.senders[number % 2].frame(unit, self.index, faulty=bad)
                if chance.random() < poison_fraction:
                    yield Message(f"plant/{unit}", payload[: chance.randrange(len(payload))], self.at_ms)
                yield Message(f"plant/{unit}", payload, self.at_ms)
            self.index += 1
            self.at_ms += 250


@pytest.fixture(scope="module")
def kafka_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An Apache Kafka of our own with the product's topics."""
    with Kafka() as server:
        made = Site(server.bootstrap, tmp_path_factory.mktemp("site"), session_seconds=6)
        asyncio.run(made.prepare())
        yield made


@pytest.fixture(scope="module")
def embedded_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An embedded broker of our own."""
    with EmbeddedKafka() as server:
        made = Site(server.bootstrap, tmp_path_factory.mktemp("site"), session_seconds=1)
        asyncio.run(made.prepare())
        yield made


@pytest.fixture(
    scope="module",
    params=[pytest.param("kafka_site", marks=pytest.mark.kafka), "embedded_site"],
    ids=["kafka", "embedded"],
)
def site(request: pytest.FixtureRequest) -> Site:
    """Either broker."""
    made: Site = request.getfixturevalue(request.param)
    return made


@pytest.fixture(scope="module")
def plant() -> Plant:
    return Plant()


async def judge(site: Site) -> None:
    """Everything said is true, everything true is said, and the stored state is that of the log."""
    states, expected = await site.truth()
    said = Counter(comparable(output) for output in await site.said())
    assert set(said) == {comparable(output) for output in expected}
    stored = await site.stored_state()
    assert stored.keys() == states.keys()
    for number, state in states.items():
        assert stored[number].positions[topics.FRAMES] == state.positions[topics.FRAMES]
        assert difference(stored[number], state) == ""


async def test_everything_is_said_once_and_committed_within_two_seconds(site: Site, plant: Plant) -> None:
    before = Counter(comparable(output) for output in await site.said())
    port = free_port()
    async with site.worker(f"[metrics]\nport = {port}\n") as process:
        await site.produce(topics.FRAMES, plant.run(30, faulty="ahu-3"))
        _, expected = await site.truth()
        await site.wait_until_said(expected)
        await asyncio.sleep(2)
        assert await site.committed() == {number: end or None for number, end in (await site.ends()).items()}
        metrics = (await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/metrics")).read().decode()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 20) == 0
        assert time.monotonic() - began < 3
    said = Counter(comparable(output) for output in await site.said())
    assert said - before == Counter(comparable(output) for output in expected) - before
    assert [one.transition for one in messages(expected, topics.ALERTS, AlertEvent)]
    assert f'plenum_stream_records_total{{topic="{topics.FRAMES}"}} {30 * len(UNITS):.1f}' in metrics
    assert f"plenum_stream_end_to_end_seconds_count {30 * len(UNITS):.1f}" in metrics
    assert f'plenum_stream_lag_records{{partition="0",topic="{topics.FRAMES}"}} 0.0' in metrics
    assert 'plenum_stream_snapshot_age_seconds{partition="0"}' in metrics
    await judge(site)


async def test_a_worker_that_starts_again_goes_on_where_it_stood(site: Site, plant: Plant) -> None:
    before = Counter(comparable(output) for output in await site.said())
    _, old = await site.truth()
    async with site.worker():
        await site.produce(topics.FRAMES, plant.run(10, faulty="ahu-5"))
        _, expected = await site.truth()
        await site.wait_until_said(expected)
    said = Counter(comparable(output) for output in await site.said())
    assert said - before == Counter(comparable(output) for output in expected) - Counter(
        comparable(output) for output in old
    )
    await judge(site)


@pytest.mark.kafka
async def test_killed_in_the_middle_it_loses_nothing_and_says_nothing_else(kafka_site: Site, plant: Plant) -> None:
    await _kill_again_and_again(kafka_site, plant, 1)


@pytest.mark.long
async def test_killed_ten_times_it_loses_nothing_and_says_nothing_else(site: Site, plant: Plant) -> None:
    await _kill_again_and_again(site, plant, 10)


async def _kill_again_and_again(site: Site, plant: Plant, kills: int) -> None:
    chance = random.Random(7)
    for _ in range(kills):
        before = await site.committed()
        process = site.start_worker()
        frames = plant.run(60, faulty="ahu-7")
        producing = asyncio.create_task(site.produce(topics.FRAMES, frames, pause_seconds=0.5))
        await _until_it_works(site, before)
        await asyncio.sleep(chance.uniform(0, 1.5))
        process.kill()
        await asyncio.to_thread(process.wait, 20)
        await producing
    async with site.worker():
        await site.produce(topics.FRAMES, plant.run(5))
        _, expected = await site.truth()
        await site.wait_until_said(expected, seconds=60)
    await judge(site)


async def _until_it_works(site: Site, before: dict[int, int | None]) -> None:
    """Wait until the worker that was started last commits something new; `before`: what was committed before that."""
    deadline = time.monotonic() + 40
    while await site.committed() == before:
        assert time.monotonic() < deadline, site.log()[-3000:]
        await asyncio.sleep(0.2)


@pytest.mark.kafka
async def test_partitions_move_between_workers_with_their_state(kafka_site: Site, plant: Plant) -> None:
    site = kafka_site
    before = await site.committed()
    producing = asyncio.create_task(site.produce(topics.FRAMES, plant.run(60, faulty="ahu-9"), pause_seconds=1.0))
    async with site.worker():
        await _until_it_works(site, before)
        recoveries = site.log().count("rows of state recovered")
        async with site.worker():
            # Both take up their shares: one by joining, the other by giving up half of what it had.
            deadline = time.monotonic() + 40
            while site.log().count("rows of state recovered") < recoveries + 2:
                assert time.monotonic() < deadline, site.log()[-3000:]
                await asyncio.sleep(0.2)
        await producing
        _, expected = await site.truth()
        await site.wait_until_said(expected)
    await judge(site)


async def test_one_percent_poison_goes_to_the_dead_letters_with_its_offset(site: Site, plant: Plant) -> None:
    async with site.worker():
        await site.produce(topics.FRAMES, plant.run(20, poison_fraction=0.05))
        _, expected = await site.truth()
        said = await site.wait_until_said(expected)
    letters = {(one.partition or 0, one.offset or 0): one for one in messages(said, topics.HVAC_DEAD, DeadLetter)}
    logged = {(one.partition, one.offset): one.value for one in await site.read([topics.FRAMES])}
    assert len(letters) >= 3
    for place, letter in letters.items():
        assert letter.payload == logged[place]
        assert letter.reason in ("truncated", "checksum", "malformed")
        assert letter.source == topics.FRAMES
    await judge(site)


async def test_a_layout_that_comes_just_before_its_frame_is_known(site: Site, plant: Plant) -> None:
    layout = layout_for("ahu", AHU_POINTS[:12] + AHU_POINTS[13:] + AHU_POINTS[12:13])
    async with site.worker():
        await site.produce(topics.FRAMES, plant.run(2))
        _, expected = await site.truth()
        await site.wait_until_said(expected)
        message = LayoutMessage(site="plant", gateway="gw1", unit="ahu-new", layout=layout)
        await site.produce(topics.LAYOUTS, [Message("plant/ahu-new", encode_json(message))])
        payload = fleet.Sender(gateway="gw3", layout=layout).frame("ahu-new", plant.index)
        await site.produce(topics.FRAMES, [Message("plant/ahu-new", payload, plant.at_ms)])
        await site.produce(topics.FRAMES, plant.run(6))
        _, expected = await site.truth()
        said = await site.wait_until_said(expected)
    assert not [one for one in messages(said, topics.HVAC_DEAD, DeadLetter) if one.reason == "layout"]
    assert b"plant/ahu-new" in {output.key for output in said if output.topic == topics.HEALTH}
    await judge(site)
