"""Acknowledgements to gateways: which frames are stored for good, in as few messages as ranges allow. Pure: no I/O."""

from __future__ import annotations

from collections import defaultdict

from cloud.ranges import SeqSet
from models.contracts.messages import Ack, SeqRange

# A gateway on a slow link gets its acknowledgements in pieces of a few kilobytes.
RANGES_MAX = 500


class AckBook:
    """Frames that are stored and not yet acknowledged. It remembers nothing once `take` has handed it out."""

    def __init__(self) -> None:
        self._stored: dict[tuple[str, int], SeqSet] = defaultdict(SeqSet)

    def __bool__(self) -> bool:
        return bool(self._stored)

    def stored(self, gateway: str, epoch: int, seq: int) -> None:
        """This frame of a gateway (`site/gateway`) is stored for good."""
        self._stored[gateway, epoch].add(seq)

    def take(self) -> list[tuple[str, Ack]]:
        """Everything to acknowledge, by gateway; the book is empty afterwards."""
        acks = []
        for (gateway, epoch), seqs in self._stored.items():
            ranges = [SeqRange(first, last) for first, last in seqs]
            acks += [
                (gateway, Ack(epoch, tuple(ranges[start : start + RANGES_MAX])))
                for start in range(0, len(ranges), RANGES_MAX)
            ]
        self._stored.clear()
        return acks
