"""The book of a table's stored rows: which segment holds the newest of each, and which rows are to be written again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from stream.segment import SEGMENT_BYTES
from stream.table import Rows, Table

# Beyond so many segments of a table (and as many as its rows fill), the smallest half of them are put together.
_SEGMENTS_MAX = 256


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A segment: part `part` of snapshot `number` of `owner`, with so many rows."""

    owner: str
    number: int
    part: int
    rows: int

    @property
    def key(self) -> bytes:
        """Of its record."""
        return f"{self.owner}/{self.number}.{self.part}".encode()


@dataclass(slots=True)
class Book:
    """Where the rows of one table are stored. `home` (extent,) is the place of each row in `places`, -1 if in none."""

    places: list[Place] = field(default_factory=list)
    home: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32))

    def extended(self, extent: int) -> Book:
        """A copy for so many rows."""
        home = np.full(extent, -1, dtype=np.int32)
        home[: len(self.home)] = self.home[:extent]
        return Book(list(self.places), home)

    def counts(self) -> npt.NDArray[np.intp]:
        """Rows that count in each place, shape (places,)."""
        return np.bincount(self.home[self.home >= 0], minlength=len(self.places))

    def compacted(self) -> Book:
        """The same without places in which no row counts."""
        used = self.counts() > 0
        number = np.cumsum(used, dtype=np.int32) - 1
        home = np.where(self.home >= 0, number[self.home], -1).astype(np.int32) if len(self.places) else self.home
        return Book([place for place, is_used in zip(self.places, used.tolist(), strict=True) if is_used], home)


def with_moved(book: Book, changed: Rows, table: Table) -> Rows:
    """The changed rows, and those that are written again so that little of what is stored is out of date."""
    home = book.home.copy()
    home[changed] = -1
    counts = np.bincount(home[home >= 0], minlength=len(book.places))
    sizes = np.array([place.rows for place in book.places], dtype=np.intp)
    moving = np.zeros(len(sizes), dtype=bool)
    stored = int(sizes[counts > 0].sum()) + len(changed)
    for number in _emptiest_first(counts, sizes):
        if stored <= 2 * table.extent:
            break
        moving[number] = True
        stored -= int(sizes[number] - counts[number])
    kept = np.flatnonzero((counts > 0) & ~moving)
    if len(kept) > _SEGMENTS_MAX + 2 * table.extent * table.row_bytes // SEGMENT_BYTES:
        moving[kept[np.argsort(counts[kept], kind="stable")[: len(kept) // 2]]] = True
    if not moving.any():
        return changed
    return np.union1d(changed, np.flatnonzero((home >= 0) & moving[home]))


def _emptiest_first(counts: npt.NDArray[np.intp], sizes: npt.NDArray[np.intp]) -> Iterator[int]:
    used = np.flatnonzero(counts > 0)
    yield from used[np.argsort(counts[used] / sizes[used], kind="stable")].tolist()
