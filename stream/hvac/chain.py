"""The order of one unit's frames: the chain of `prior_seq`, duplicates, missing links, new epochs. Pure.

    arrival   5(prior 3)   3(prior 1)   3   7(prior 6)                         8(prior 7)   6(prior 5)
    folded    -            3, 5         -   -   ... 5 s by the log's time ...  7, 8         historical

A link whose predecessor is missing waits for it, at most `wait_ms` by the timestamps of the log, so that a replay decides
alike; then it passes, and the seqs it passed are a hole: what comes out of a hole later is historical. A chain that is new
to the unit (another epoch or gateway) has no known predecessor, so its first link always waits the full time: whatever
the old chain still had under way comes first. A link older than what was folded is historical too.

If every frame arrives less than `wait_ms` after it could have, what is folded, and in which order, is the same for every
order of arrival and any number of duplicates.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import msgspec

NO_CHAIN = 0
# Holes and chains remembered for a unit; beyond that, a duplicate of a very late frame is scored (in silence) once more.
HOLES_MAX = 64
CHAINS_MAX = 4


class Link(msgspec.Struct, frozen=True, array_like=True):
    """A frame's place in its chain, and the frame. `arrived_at_ms` is the log's time."""

    chain: int
    seq: int
    prior_seq: int
    measured_at_ms: int
    historical: bool
    arrived_at_ms: int
    payload: bytes


class Hole(msgspec.Struct, frozen=True, array_like=True):
    """Seqs from `first` to `last` that were passed and not seen."""

    first: int
    last: int


class Past(msgspec.Struct, frozen=True, array_like=True):
    """A chain that is not the live one: how far it had come, and what of it was never seen."""

    chain: int
    seq: int
    holes: tuple[Hole, ...]


class Extra(msgspec.Struct, frozen=True, array_like=True):
    """What a unit remembers of its chains beside their newest seq; most units have none."""

    waiting: tuple[Link, ...] = ()
    holes: tuple[Hole, ...] = ()
    past: tuple[Past, ...] = ()


class Released(NamedTuple):
    """A link whose turn has come. `live`: it is folded into live state; else it is historical."""

    link: Link
    live: bool


@lru_cache(maxsize=65_536)
def chain_id(gateway: str, epoch: int) -> int:
    """One number for a gateway's outbox file, never NO_CHAIN."""
    digest = hashlib.sha256(f"{gateway}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") or 1


@dataclass(slots=True)
class UnitChain:
    """The chains of one unit. `measured_at_ms` is the newest first sample that the live chain has come to."""

    chain: int = NO_CHAIN
    seq: int = 0
    measured_at_ms: int = 0
    waiting: list[Link] = field(default_factory=list)
    holes: list[Hole] = field(default_factory=list)
    past: list[Past] = field(default_factory=list)

    def arrive(self, link: Link) -> list[Released]:
        """A frame came in: what may be folded now, in order."""
        if link.chain == self.chain:
            if link.seq <= self.seq:
                return self._late(link)
            if not self._is_waiting(link):
                self.waiting.append(link)
            return self._follow()
        if self.chain != NO_CHAIN and link.measured_at_ms <= self.measured_at_ms:
            return self._late_of_past(link)
        if not self._is_waiting(link):
            self.waiting.append(link)
        return []

    def pass_over(self, now_ms: int, wait_ms: int) -> list[Released]:
        """The log has come to `now_ms`: what has waited long enough passes, and everything that it was waiting behind."""
        released: list[Released] = []
        while self.waiting:
            ordered = self._ordered()
            due = [place for place, link in enumerate(ordered) if link.arrived_at_ms + wait_ms <= now_ms]
            if not due:
                break
            for link in ordered[: due[-1] + 1]:
                if link in self.waiting:  # not released already, behind the one before
                    self.waiting.remove(link)
                    released += self._take(link)
                    released += self._follow()
        return released

    def due_at_ms(self, wait_ms: int) -> int | None:
        """When the first waiting link has waited long enough; None when none waits."""
        return (
            min((link.arrived_at_ms for link in self.waiting), default=-wait_ms - 1) + wait_ms if self.waiting else None
        )

    def _is_waiting(self, link: Link) -> bool:
        return any(link.chain == other.chain and link.seq == other.seq for other in self.waiting)

    def _ordered(self) -> list[Link]:
        """What waits, in the order in which it is to be folded: chain by chain, the live one first, then by plant time."""
        begins: dict[int, int] = {}
        for link in self.waiting:
            begins[link.chain] = min(begins.get(link.chain, link.measured_at_ms), link.measured_at_ms)
        return sorted(
            self.waiting, key=lambda link: (link.chain != self.chain, begins[link.chain], link.chain, link.seq)
        )

    def _follow(self) -> list[Released]:
        """Everything waiting in the live chain whose predecessor is folded."""
        released: list[Released] = []
        while True:
            ready = [link for link in self.waiting if link.chain == self.chain and link.prior_seq <= self.seq]
            if not ready:
                return released
            link = min(ready, key=lambda one: one.seq)
            self.waiting.remove(link)
            released += self._take(link)

    def _take(self, link: Link) -> list[Released]:
        """It is this link's turn."""
        if link.chain != self.chain:
            if self.chain != NO_CHAIN and link.measured_at_ms <= self.measured_at_ms:
                return self._late_of_past(link)
            self._switch(link.chain)
        if link.seq <= self.seq:
            return self._late(link)
        if link.prior_seq > self.seq:
            self.holes = [*self.holes, Hole(self.seq + 1, link.prior_seq)][-HOLES_MAX:]
        self.seq = link.seq
        self.measured_at_ms = max(self.measured_at_ms, link.measured_at_ms)
        return [Released(link, live=not link.historical)]

    def _switch(self, chain: int) -> None:
        """Another chain becomes the live one; the unit may come back to the old one."""
        if self.chain != NO_CHAIN:
            self.past = [*self.past, Past(self.chain, self.seq, tuple(self.holes))][-CHAINS_MAX:]
        known = next((past for past in self.past if past.chain == chain), None)
        self.past = [past for past in self.past if past.chain != chain]
        self.chain = chain
        self.seq, self.holes = (known.seq, list(known.holes)) if known else (0, [])

    def _late(self, link: Link) -> list[Released]:
        """A link of the live chain that was passed, or a duplicate."""
        holes = _without(self.holes, link)
        if holes is None:
            return []
        self.holes = holes
        return [Released(link, live=False)]

    def _late_of_past(self, link: Link) -> list[Released]:
        """A link of a chain that is over, or of one that never was live."""
        known = next((past for past in self.past if past.chain == link.chain), None)
        seq, holes = (known.seq, list(known.holes)) if known else (0, [])
        if link.seq > seq:
            holes.append(Hole(seq + 1, link.seq))
            seq = link.seq
        left = _without(holes, link)
        if left is None:
            return []
        others = [past for past in self.past if past.chain != link.chain]
        self.past = [*others, Past(link.chain, seq, tuple(left[-HOLES_MAX:]))][-CHAINS_MAX:]
        return [Released(link, live=False)]


def _without(holes: list[Hole], link: Link) -> list[Hole] | None:
    """The holes after this link was found in one of them; None when it was in none.

    Nothing of the unit lies between a link and its predecessor, so those seqs close as well.
    """
    for place, hole in enumerate(holes):
        if hole.first <= link.seq <= hole.last:
            rest = []
            if hole.first <= min(link.prior_seq, hole.last):
                rest.append(Hole(hole.first, link.prior_seq))
            if link.seq < hole.last:
                rest.append(Hole(link.seq + 1, hole.last))
            return holes[:place] + rest + holes[place + 1 :]
    return None
