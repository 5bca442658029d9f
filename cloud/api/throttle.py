"""The brake on guessing passwords: each failure beyond the free ones doubles the wait before the next attempt."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from cloud.alerts.database import Base, Database
from cloud.api.problems import Problem

# Failures that cost nothing, for a user from one address, for an address, for a user from anywhere. The last is high, so
# that a stranger cannot lock somebody out with a handful of requests.
FREE_FAILURES = {"pair": 5, "address": 20, "user": 60}
_WAIT_SECONDS_MAX = 900
_FORGET_MS = 3600 * 1000


class FailureRow(Base):
    """Failed attempts to sign in, by what they have in common."""

    __tablename__ = "login_failures"

    key: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at_ms: Mapped[int] = mapped_column(index=True)


def attempt_keys(name: str, address: str) -> list[str]:
    """What an attempt is counted under. The pair comes first: a success forgives all of it."""
    return [f"pair:{address}:{name}", f"address:{address}", f"user:{name}"]


def wait_seconds_after(failures: int, free: int) -> int:
    """How long the next attempt must wait: nothing while failures are free, then 2, 4, 8 ... s, at most 15 minutes."""
    if failures < free:
        return 0
    return int(min(2 ** min(failures - free + 1, 20), _WAIT_SECONDS_MAX))


def count_attempt(database: Database, keys: Sequence[str], now_ms: int) -> None:
    """Count an attempt as failed, before it is checked: a hundred at once are a hundred.

    Raises:
        Problem: the wait after earlier failures is not over; this attempt is not counted.
    """
    with database.writing() as session:
        session.execute(delete(FailureRow).where(FailureRow.last_at_ms < now_ms - _FORGET_MS))
        wait_seconds = (max(_wait_ms(session, key, now_ms) for key in keys) + 999) // 1000
        if wait_seconds <= 0:
            for key in keys:
                row = session.get(FailureRow, key)
                if row is None:
                    session.add(FailureRow(key=key, failures=1, last_at_ms=now_ms))
                else:
                    row.failures += 1
                    row.last_at_ms = now_ms
    if wait_seconds > 0:
        raise Problem(
            "too_many_attempts",
            f"Too many attempts to sign in; try again in {wait_seconds} s.",
            {"Retry-After": str(wait_seconds)},
        )


def forgive(session: Session, keys: Sequence[str]) -> None:
    """The attempt was right: its pair begins anew, and it does not count as a failure elsewhere."""
    session.execute(delete(FailureRow).where(FailureRow.key == keys[0]))
    session.execute(update(FailureRow).where(FailureRow.key.in_(keys[1:])).values(failures=FailureRow.failures - 1))


def _wait_ms(session: Session, key: str, now_ms: int) -> int:
    row = session.get(FailureRow, key)
    if row is None:
        return 0
    return row.last_at_ms + wait_seconds_after(row.failures, FREE_FAILURES[key.partition(":")[0]]) * 1000 - now_ms
