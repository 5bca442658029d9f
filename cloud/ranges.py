"""A set of sequence numbers, kept as ranges: a year of frames that all arrived is one pair of integers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class SeqSet:
    """Disjoint ranges in order, both ends included; adjacent ones are merged."""

    __slots__ = ("_firsts", "_lasts", "count")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self.count = 0
        for first, last in ranges:
            self.add_range(first, last)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._firsts, self._lasts, strict=True)

    def __contains__(self, seq: int) -> bool:
        at = bisect_right(self._firsts, seq) - 1
        return at >= 0 and seq <= self._lasts[at]

    @property
    def last(self) -> int:
        """Largest member, 0 when empty."""
        return self._lasts[-1] if self._lasts else 0

    def range_of(self, seq: int) -> tuple[int, int]:
        """First and last of the range that holds this member."""
        at = bisect_right(self._firsts, seq) - 1
        return self._firsts[at], self._lasts[at]

    def add(self, seq: int) -> bool:
        """Add one; False when it was there already."""
        lasts = self._lasts
        if lasts and seq == lasts[-1] + 1:  # in order: what nearly every frame does
            lasts[-1] = seq
            self.count += 1
            return True
        before = self.count
        self.add_range(seq, seq)
        return self.count != before

    def add_range(self, first: int, last: int) -> None:
        """Add all from first to last.

        Raises:
            ValueError: the range is empty or begins below 0.
        """
        if not 0 <= first <= last:
            raise ValueError(f"range {first} to {last}: expected 0 or more, first not after last")
        # Ranges from `low` to before `high` touch the new one and are swallowed by it.
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
            self.count -= sum(self._lasts[low:high]) - sum(self._firsts[low:high]) + (high - low)
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]
        self.count += last - first + 1

    def count_within(self, first: int, last: int) -> int:
        """How many members lie from first to last."""
        if first > last:
            return 0
        total = 0
        for at in range(bisect_left(self._lasts, first), len(self._firsts)):
            if self._firsts[at] > last:
                break
            total += min(self._lasts[at], last) - max(self._firsts[at], first) + 1
        return total
