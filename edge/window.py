"""Which frames are on their way, which to send again, and which to give up on. Pure: time is an argument.

live      971 ──▶ next_live            sent in order of seq; at most `in_flight_max` unacknowledged
backfill  41 ──▶ next_backfill         only when no live frame waits, and never the whole window
overdue   sent again after a timeout that doubles while nobody acknowledges anything
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from models.contracts.messages import SeqRange

UNANSWERED_MAX = 10
_DOUBLINGS_MAX = 4
_BACKFILL_FRACTION = 0.75


@dataclass(slots=True)
class _Flight:
    """One frame under way. `others` is how many acknowledgements had come when it was sent."""

    deadline: float
    others: int


class Overdue(NamedTuple):
    """Frames to send again, and frames that were sent ten times in vain while others were acknowledged."""

    again: list[int]
    hopeless: list[int]


@dataclass(slots=True)
class Window:
    """The frames of one connection. Counts of unanswered sends outlive it: `reset` keeps them."""

    in_flight_max: int
    ack_timeout_seconds: float
    next_live: int = 1
    next_backfill: int = 1
    _flights: dict[int, _Flight] = field(default_factory=dict)
    _unanswered: dict[int, int] = field(default_factory=dict)
    _acknowledged: int = 0
    _silence: int = 0

    def reset(self) -> None:
        """The connection is gone: everything that is not acknowledged will be sent again, in order."""
        self.next_live = self.next_backfill = 1
        self._flights.clear()
        self._silence = 0

    def forget(self) -> None:
        """The store is another one: nothing that was known of seqs holds."""
        self.reset()
        self._unanswered.clear()

    @property
    def in_flight(self) -> int:
        """Frames sent and not acknowledged."""
        return len(self._flights)

    def room(self, *, backfill: bool = False) -> int:
        """How many more frames may be sent now."""
        most = int(self.in_flight_max * _BACKFILL_FRACTION) or 1 if backfill else self.in_flight_max
        return max(0, most - len(self._flights))

    def flies(self, seq: int) -> bool:
        """Whether this frame is under way."""
        return seq in self._flights

    def sent(self, seq: int, now: float) -> None:
        """A frame went out."""
        timeout = self.ack_timeout_seconds * 2**self._silence
        self._flights[seq] = _Flight(now + timeout, self._acknowledged)

    def acknowledged(self, ranges: Iterable[SeqRange]) -> int:
        """The cloud has these; how many of them were under way."""
        before = len(self._flights)
        for part in ranges:
            first, last = part.first, part.last
            if last - first < len(self._flights):
                seqs: Iterable[int] = range(first, last + 1)
            else:
                seqs = [seq for seq in self._flights if first <= seq <= last]
            self.gone(seqs)
        gone = before - len(self._flights)
        if gone:
            self._acknowledged += gone
            self._silence = 0
        return gone

    def overdue(self, now: float, limit: int) -> Overdue:
        """The oldest frames that are due for another try, at most `limit`; the caller sends them and says so by `sent`."""
        late = sorted(seq for seq, flight in self._flights.items() if flight.deadline <= now)[:limit]
        if not late:
            return Overdue([], [])
        answered = [seq for seq in late if self._acknowledged > self._flights[seq].others]
        if not answered:
            # Nobody answers anything: the far side is down, and pushing harder would only fill the broker.
            self._silence = min(self._silence + 1, _DOUBLINGS_MAX)
        for seq in answered:
            self._unanswered[seq] = self._unanswered.get(seq, 0) + 1
        hopeless = [seq for seq in answered if self._unanswered[seq] >= UNANSWERED_MAX]
        self.gone(hopeless)
        given_up = set(hopeless)
        return Overdue([seq for seq in late if seq not in given_up], hopeless)

    def gone(self, seqs: Iterable[int]) -> None:
        """These frames are no longer in the store."""
        for seq in seqs:
            self._flights.pop(seq, None)
            self._unanswered.pop(seq, None)

    def next_deadline(self) -> float | None:
        """When the first frame will be overdue."""
        return min((flight.deadline for flight in self._flights.values()), default=None)
