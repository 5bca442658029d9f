"""Which offsets of a partition may be committed: whole ranges, acknowledged in any order.

    handed out   [100 ....... 250)[250 ... 300)   [312 ..... 400)      312: the offsets between were compacted away
    acknowledged [100 ....... 250)                [312 ..... 400)
    committable                   250                                   the end of the first unbroken run

Ranges are handed out in the order of the log; a gap between two of them holds nothing, so it never blocks a commit.
"""

from __future__ import annotations

from collections import deque


class TrackerError(RuntimeError):
    """Ranges handed out or acknowledged against the rules: a programmer error."""


class RangeTracker:
    """Ranges of one partition, from being handed out to being committable. Pure; one owner, no locks."""

    __slots__ = ("_acknowledged", "_committable", "_ends", "_floor", "_open")

    def __init__(self) -> None:
        self._open: deque[tuple[int, int]] = deque()
        self._ends: dict[int, int] = {}  # first -> end, of what is handed out
        self._acknowledged: set[int] = set()
        self._committable: int | None = None
        self._floor = 0  # where the next range may start

    def hand_out(self, first: int, end: int) -> None:
        """A batch of the offsets from `first` to just before `end` goes to the app.

        Raises:
            TrackerError: the range is empty, or starts before the end of the one handed out last.
        """
        if first >= end:
            raise TrackerError(f"range [{first}, {end}) is empty")
        if first < self._floor:
            raise TrackerError(f"range [{first}, {end}) starts before {self._floor}, the end of the one before")
        self._open.append((first, end))
        self._ends[first] = end
        self._floor = end

    def acknowledge(self, first: int, end: int) -> None:
        """Everything that this range leads to is stored. A range that is not handed out (any more) changes nothing."""
        if self._ends.get(first) != end:
            return
        self._acknowledged.add(first)
        while self._open and self._open[0][0] in self._acknowledged:
            start, self._committable = self._open.popleft()
            self._acknowledged.discard(start)
            del self._ends[start]

    def restart(self, position: int) -> None:
        """Reading goes on at `position`; what was handed out before and not acknowledged will come again."""
        self._open.clear()
        self._ends.clear()
        self._acknowledged.clear()
        self._committable = None
        self._floor = position

    @property
    def committable(self) -> int | None:
        """The offset to commit: the end of the unbroken run of acknowledged ranges; None before there is one."""
        return self._committable

    @property
    def outstanding(self) -> int:
        """Ranges handed out and not yet committable."""
        return len(self._open)
