"""What may happen to frames on their way: repeated, out of order, late, damaged. Pure, seeded, time as numbers.

frame          1   2   3   4   5   6      one every 1/rate seconds
repeated       1   2   2   3   4 ...      a copy follows within the reorder time
reordered      1   3   4   2   5 ...      held back for less than the reorder time
late           1   2   4   5 ....... 3    held back for half of the late time or more
damaged        1   2   ?   3   4 ...      a damaged copy comes beside the frame; the frame itself is sent too
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from crc32c import crc32c

from models.contracts import frame_pb2
from models.contracts.codec import pack
from simulators.load.fleet import LoadError, Numbered

Kind = Literal["good", "reordered", "late", "duplicate", "poison"]
KINDS: tuple[Kind, ...] = ("good", "reordered", "late", "duplicate", "poison")
# How a payload is damaged, and with it the reason that its dead letter must give.
REASON_OF_DAMAGE = {
    "truncated": "truncated",
    "checksum": "checksum",
    "schema": "schema",
    "garbage": "truncated",
    "no protobuf": "malformed",
}
_DAMAGES = tuple(REASON_OF_DAMAGE)
_CHECKSUM_TAG = b"\x7d"
_CHECKSUM_BYTES = 5


@dataclass(frozen=True, slots=True)
class Shares:
    """Fractions of the frames to which something happens, and within which time, in seconds of the schedule."""

    duplicates: float = 0.0
    reordered: float = 0.0
    late: float = 0.0
    poison: float = 0.0
    reorder_seconds: float = 1.0
    late_seconds: float = 30.0

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            LoadError: a fraction is outside 0 to 1, or a time below 0.
        """
        for name in ("duplicates", "reordered", "late", "poison"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise LoadError(f"fraction {value:g} of {name}: expected 0 to 1")
        if self.reordered + self.late > 1:
            raise LoadError(f"{self.reordered:g} reordered and {self.late:g} late: expected at most 1 in sum")
        if self.reorder_seconds < 0 or self.late_seconds < 0:
            raise LoadError(f"held back for {self.reorder_seconds:g} s and {self.late_seconds:g} s: expected 0 or more")

    @property
    def any(self) -> bool:
        """Whether anything happens at all."""
        return bool(self.duplicates or self.reordered or self.late or self.poison)


class Planned(NamedTuple):
    """A record to be sent `at_seconds` after the start. `reason` is that of a poison's dead letter."""

    at_seconds: float
    kind: Kind
    reason: str
    frame: Numbered


def schedule(frames: Iterable[Numbered], rate: float, shares: Shares, seed: int) -> Iterator[Planned]:
    """Records in the order in which they are to be sent; what is held back comes at the latest behind the last frame.

    Args:
        frames: One is due every 1/rate seconds.
        rate: Frames a second; 0: all at once, nothing is held back.
        shares: What happens to them.
        seed: Of the draws.
    """
    if not shares.any:
        for place, frame in enumerate(frames):
            yield Planned(place / rate if rate else 0.0, "good", "", frame)
        return
    draw = random.Random(seed)
    held: list[tuple[float, int, Planned]] = []
    count = 0
    for place, frame in enumerate(frames):
        now = place / rate if rate else 0.0
        while held and held[0][0] <= now:
            yield heapq.heappop(held)[2]
        for planned in _what_happens(frame, now, shares, draw):
            if planned.at_seconds <= now:
                yield planned
            else:
                count += 1
                heapq.heappush(held, (planned.at_seconds, count, planned))
    while held:
        yield heapq.heappop(held)[2]


def _what_happens(frame: Numbered, now: float, shares: Shares, draw: random.Random) -> Iterator[Planned]:
    chance = draw.random()
    at_seconds = now
    kind: Kind = "good"
    if chance < shares.late:
        at_seconds, kind = now + draw.uniform(0.5, 1) * shares.late_seconds, "late"
    elif chance < shares.late + shares.reordered:
        at_seconds, kind = now + draw.random() * shares.reorder_seconds, "reordered"
    if draw.random() < shares.poison:
        damage = draw.choice(_DAMAGES)
        yield Planned(
            now, "poison", REASON_OF_DAMAGE[damage], frame._replace(payload=damaged(frame.payload, damage, draw))
        )
    yield Planned(at_seconds, kind, "", frame)
    if draw.random() < shares.duplicates:
        yield Planned(at_seconds + draw.random() * shares.reorder_seconds, "duplicate", "", frame)


def damaged(payload: bytes, how: str, draw: random.Random) -> bytes:
    """A payload that nobody can read any more; `how` is one of REASON_OF_DAMAGE."""
    match how:
        case "truncated":
            cut = payload[: draw.randrange(1, len(payload))]
            while cut[-_CHECKSUM_BYTES:-4] == _CHECKSUM_TAG:  # by chance it ends like a whole frame
                cut = cut[:-1]
            return cut
        case "checksum":
            place = draw.randrange(len(payload) - _CHECKSUM_BYTES)
            return payload[:place] + bytes([payload[place] ^ (1 << draw.randrange(8))]) + payload[place + 1 :]
        case "schema":
            message = frame_pb2.Frame.FromString(payload)
            message.schema += 1
            return pack(message)
        case "garbage":
            return draw.randbytes(draw.randrange(1, 200)) + bytes(_CHECKSUM_BYTES)
        case _:
            body = b"\xff" * draw.randrange(10, 200)
            return body + _CHECKSUM_TAG + crc32c(body).to_bytes(4, "little")
