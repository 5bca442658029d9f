"""What the faults of the stream stand on: a real Kafka, workers as processes, frames, and the pure replay as judge.

Each fault has units under a site name of its own, so that several share a broker and each judges its own. The log's time
goes on from fault to fault: the wall clock, and ahead of it once a fault needed hours of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from models.contracts import topics
from models.contracts.codec import parse
from models.contracts.frame import FrameError
from tests.faults.account import Account
from tests.faults.stream.outcome import Outcome, compare, outcome_of, replayed
from tests.faults.stream.plant import PARTITION_NUMBERS, Frame, Plant, partition_of
from tests.servers import Kafka, wait_for_port
from tests.stream import fleet
from tests.stream.site import PARTITIONS, Message, Site

SESSION_SECONDS = 1.5
_START_SECONDS_MAX = 120.0


class FaultKafka(Kafka):
    """Apache Kafka that notices dead workers soon, and takes a log whose time is ahead of the wall clock."""

    def command(self) -> list[str]:
        words = super().command()
        config = self.directory / "server.properties"
        if "group.min.session" not in config.read_text():
            with config.open("a") as file:
                file.write("group.min.session.timeout.ms=1000\nlog.message.timestamp.after.max.ms=864000000\n")
                # A broker that was killed is registered until its session ends, and comes back only then.
                file.write("broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n")
        return words

    def ready(self) -> bool:
        return wait_for_port(self.port, _START_SECONDS_MAX, self.process)


class FaultSite(Site):
    """A site whose topics may vanish."""

    def forget(self, topic: str) -> None:
        """The topic was made anew: what was read of the old one is gone."""
        self._records.pop(topic, None)
        self._next = {one: offset for one, offset in self._next.items() if one.topic != topic}


class Rig:
    """One broker with our topics. Make it with `rig`.

    Args:
        server: The broker; faults may kill it and start it again.
        directory: For settings and logs.
    """

    def __init__(self, server: Kafka, directory: Path) -> None:
        # It says many times a second that a broker which we have killed is away.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
        self.server = server
        self.site = FaultSite(server.bootstrap, directory, SESSION_SECONDS)
        self._ahead_ms = 0
        self._closings = 0

    def now_ms(self) -> int:
        """The log's time."""
        return int(time.time() * 1000) + self._ahead_ms

    def go_ahead(self, until_ms: int) -> None:
        """The log has come to this time."""
        self._ahead_ms = max(self._ahead_ms, until_ms - int(time.time() * 1000))

    async def close_log(self) -> list[Message]:
        """Frames of nobody's on every partition, after which nothing waits any more."""
        self._closings += 1
        at_ms = self.now_ms() + 20_000
        self.go_ahead(at_ms)
        names: dict[int, str] = {}
        number = 0
        while len(names) < PARTITIONS:
            number += 1
            names.setdefault(partition_of(f"clock/c-{number}"), f"c-{number}")
        sender = fleet.Sender(gateway=f"gw{self._closings}", epoch=self._closings, site="clock")
        messages = [
            Message(f"clock/{name}", sender.frame(name, self._closings), at_ms) for _, name in sorted(names.items())
        ]
        await self.site.produce(topics.FRAMES, messages)
        return messages

    async def settle(self, seconds: float = 120) -> None:
        """Wait until the workers have committed the whole log."""
        ends = {number: end or None for number, end in (await self.site.ends()).items()}

        async def is_committed() -> bool:
            return await self.site.committed() == ends

        await self.until(is_committed, "the log is worked off", seconds)

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str, seconds: float = 120) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not await condition():
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"waited {seconds:g} s for this: {what}; the workers say:\n{self.site.log()[-3000:]}"
                )
            await asyncio.sleep(0.1)

    async def recovered(self, count: int, seconds: float = 120) -> None:
        """Wait until workers have taken up partitions so often."""

        async def is_so() -> bool:
            return self.recoveries() >= count

        await self.until(is_so, "a worker takes up its partitions", seconds)

    def recoveries(self) -> int:
        """How often workers have taken up partitions."""
        return self.site.log().count("rows of state recovered") if (self.site.directory / "worker.log").exists() else 0

    async def log_length(self) -> int:
        """Records of the frames' topic, as the broker counts them."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.site.bootstrap, enable_auto_commit=False)
        await consumer.start()
        try:
            ends = await consumer.end_offsets([TopicPartition(topics.FRAMES, number) for number in PARTITION_NUMBERS])
            return sum(ends.values())
        finally:
            await consumer.stop()

    async def outcome(self, plant: Plant) -> Outcome:
        """What Kafka holds of a plant: the stored state and everything that was said."""
        return outcome_of((await self.site.stored_state()).values(), await self.site.said(), plant)

    async def logged(self, plant: Plant) -> Counter[Frame]:
        """Readable frames of a plant in the log, by an independent reader."""
        found: Counter[Frame] = Counter()
        for record in await self.site.read([topics.FRAMES]):
            if (record.key or b"").startswith(plant.prefix.encode()):
                try:
                    frame = parse(record.value or b"")
                except FrameError:
                    continue
                found[f"{frame.site}/{frame.gateway}", frame.epoch, frame.seq] += 1
        return found


async def judge(account: Account, rig: Rig, plant: Plant) -> None:
    """Enter how everything that Kafka holds of a plant differs from the replay of the plant's own records in its log."""
    prefixes = (plant.prefix.encode(), b"clock/")
    records = [one for one in await rig.site.read([topics.FRAMES]) if (one.key or b"").startswith(prefixes)]
    compare(account, await rig.outcome(plant), replayed(plant, records))


@asynccontextmanager
async def rig(directory: Path) -> AsyncIterator[Rig]:
    """A rig on a broker of its own."""
    with FaultKafka() as server:
        made = Rig(server, directory)
        await made.site.prepare()
        yield made
