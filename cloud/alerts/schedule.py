"""When a delivery is tried again, and what a receiver's answer means. Pure: time and chance are arguments.

try     1   2    3     4     5    6     7     8     9     10
after   0  5 s  5 min 30 min 2 h  5 h  10 h  14 h  20 h  24 h     together about 75 hours (Standard Webhooks)
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

# A receiver may ask for a longer wait than the schedule's, within reason.
RETRY_AFTER_SECONDS_MAX = 24 * 3600
_GONE = 410


class Reply(NamedTuple):
    """How a POST ended: an answer with its status, or an error and no status."""

    status: int | None
    error: str = ""
    retry_after: str = ""
    body: str = ""
    duration_ms: int = 0


class Verdict(NamedTuple):
    """What is done next. `due_at_ms` counts for `retry` only."""

    action: Literal["delivered", "retry", "give_up", "disable"]
    due_at_ms: int = 0


def judge(
    reply: Reply, tries: int, now_ms: int, chance: float, waits_seconds: Sequence[float], jitter_fraction: float
) -> Verdict:
    """What becomes of a delivery.

    Args:
        reply: How the try that just ended went.
        tries: Tries so far, this one included.
        now_ms: Wall time at its end.
        chance: A random number in [0, 1), for the jitter.
        waits_seconds: Waits between the tries; one try more than these.
        jitter_fraction: Each wait is stretched or shrunk by up to this fraction, so that receivers are not hit in step.
    """
    if reply.status is not None and 200 <= reply.status < 300:
        return Verdict("delivered")
    if reply.status == _GONE:
        return Verdict("disable")
    if tries > len(waits_seconds):
        return Verdict("give_up")
    wait_seconds = waits_seconds[tries - 1] * (1 + jitter_fraction * (2 * chance - 1))
    asked_seconds = retry_after_seconds(reply.retry_after, now_ms)
    return Verdict("retry", now_ms + int(max(wait_seconds, asked_seconds) * 1000))


def retry_after_seconds(header: str, now_ms: int) -> float:
    """The wait that a `Retry-After` header asks for, in seconds or as a date; 0 when it is absent or makes no sense."""
    header = header.strip()
    if not header:
        return 0.0
    if header.isascii() and header.isdigit():
        seconds = float(header[:9])
    else:
        try:
            at = parsedate_to_datetime(header)
        except ValueError:
            return 0.0
        seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now_ms / 1000
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)
