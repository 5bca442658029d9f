"""Units of one fault as frames, and as messages of a log."""

from __future__ import annotations

from collections.abc import Iterable

from aiokafka.partitioner import DefaultPartitioner

from simulators.load.disorder import Planned
from simulators.load.fleet import Numbered
from tests.stream import fleet
from tests.stream.site import PARTITIONS, Message

GATEWAYS = 2
PARTITION_NUMBERS = list(range(PARTITIONS))

Frame = tuple[str, int, int]  # site/gateway, epoch, seq


class Plant:
    """Units of one fault, on two gateways. Every third unit is faulty for the first half of what is asked for.

    Args:
        site: Name of its own.
        units: How many.
    """

    def __init__(self, site: str, units: int) -> None:
        self.site = site
        self.names = [f"ahu-{unit + 1}" for unit in range(units)]
        self.senders = [
            fleet.Sender(gateway=f"gw{number}", epoch=900 + number, site=site) for number in range(GATEWAYS)
        ]
        self.round = 0

    @property
    def prefix(self) -> str:
        """Of the keys of its units."""
        return f"{self.site}/"

    def key(self, frame: Numbered) -> str:
        """Of a frame's unit."""
        return self.prefix + self.names[frame.unit]

    def identity(self, frame: Numbered) -> Frame:
        """By which a frame is known for ever."""
        return f"{self.prefix}gw{frame.gateway}", 900 + frame.gateway, frame.seq

    def rounds(self, count: int) -> list[Numbered]:
        """So many frames of every unit, in the order in which they are made."""
        return [frame for frames in self.in_rounds(count) for frame in frames]

    def in_rounds(self, count: int) -> list[list[Numbered]]:
        """The same, round by round: a frame of every unit in each."""
        made = []
        for step in range(count):
            frames = []
            for unit, name in enumerate(self.names):
                gateway = unit % GATEWAYS
                sender = self.senders[gateway]
                payload = sender.frame(name, self.round, faulty=unit % 3 == 0 and step < count // 2)
                frames.append(Numbered(unit, gateway, sender.seq, payload))
            self.round += 1
            made.append(frames)
        return made

    def messages(self, planned: Iterable[Planned], start_at_ms: int) -> list[Message]:
        """As they go into the log."""
        return [
            Message(self.key(one.frame), one.frame.payload, start_at_ms + round(one.at_seconds * 1000))
            for one in planned
        ]


def partition_of(key: str) -> int:
    """Where every client of Kafka puts this key."""
    number: int = DefaultPartitioner()(key.encode(), PARTITION_NUMBERS, PARTITION_NUMBERS)
    return number
