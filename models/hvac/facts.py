"""What is known of many units at one minute: the ground on which rules and models judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from models.hvac.points import Bools, Floats, Ints, Rows

if TYPE_CHECKING:
    from models.hvac.kinds import Kind
    from models.hvac.windows import Windows

MINUTE_MS = 60_000
# Missing, as an array: numpy takes it as it is, where a scalar would be made an array of at each call.
NAN: Floats = np.array(np.nan, dtype=np.float32)
NAN.flags.writeable = False


def place(rows: Rows) -> Rows | slice:
    """The same rows as a slice where they follow one another: numpy reads and writes those without copying.

    What is read through a slice changes with the state: read, work out, then write.
    """
    if len(rows) == 1:
        first = int(rows[0])
        return slice(first, first + 1)
    if len(rows) and bool((np.diff(rows) == 1).all()):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


@dataclass(slots=True)
class Facts:
    """What is known of m units of one kind at one minute each. `mean` is over five minutes, `now` over the last one; both
    (m, P), in the kind's slots.

    `broken` marks a unit met anew or after a gap, `settled` one that has run for longer than the start-up time;
    `references` holds figures against the unit's own healthy ones by name, NaN while they are being learned. `windows` is
    what longer stretches amount to, and `holds_ms` for how long a reading stands: a minute, in recorded files more.
    `at` is where the rows stand in the state, as `place` gives it.

    Of one unit alone, what has the shape (m,) may be taken as numbers (`numbers`): numpy does the same arithmetic on them
    at a tenth of the cost.
    """

    kind: Kind
    rows: Rows
    at_ms: Ints
    now: Floats
    mean: Floats
    broken: Bools
    elapsed_minutes: Floats
    running: Bools
    running_seconds: Ints
    settled: Bools
    heating_closed_seconds: Ints
    cooling_closed_seconds: Ints
    references: dict[str, Floats] = field(default_factory=dict)
    at: Rows | slice = field(init=False, repr=False)
    windows: Windows = field(init=False, repr=False)
    holds_ms: Ints = field(init=False, repr=False)
    _means: Floats = field(init=False, repr=False)  # by point first, (P, m), or (P,) of one unit as numbers
    _last: Floats = field(init=False, repr=False)
    _missing: Floats = field(init=False, repr=False)
    _numbers: Facts | None = field(init=False, repr=False, default=None)
    _alone: bool = field(init=False, repr=False, default=False)

    def __post_init__(self) -> None:
        self.at = place(self.rows)
        self.holds_ms = np.full(len(self.rows), MINUTE_MS, dtype=np.int64)
        self._means, self._last = self.mean.T, self.now.T
        self._missing = np.full(len(self.rows), np.nan, dtype=np.float32)
        self._missing.flags.writeable = False

    def numbers(self) -> Facts:
        """The same, of one unit alone with numbers for what has the shape (m,); of several as it is."""
        if len(self.rows) != 1:
            return self
        if self._numbers is not None and self._numbers.references is self.references:
            return self._numbers
        one: Facts = object.__new__(Facts)
        one.kind, one.rows, one.at, one.at_ms, one.holds_ms = self.kind, self.rows, self.at, self.at_ms, self.holds_ms
        one.now, one.mean = self.now, self.mean
        one.broken, one.running, one.settled = self.broken[0], self.running[0], self.settled[0]
        one.elapsed_minutes, one.running_seconds = self.elapsed_minutes[0], self.running_seconds[0]
        one.heating_closed_seconds = self.heating_closed_seconds[0]
        one.cooling_closed_seconds = self.cooling_closed_seconds[0]
        one.references = self.references
        one.windows = self.windows.numbers()
        one._means, one._last, one._missing = self.mean[0], self.now[0], self._missing[0]
        one._alone, self._numbers = True, one
        return one

    def of(self, point: str) -> Floats:
        """Five-minute mean of a point, shape (m,); NaN where it is not read or the kind has no such point."""
        slot = self.kind.slot.get(point)
        return self._missing if slot is None else self._means[slot]

    def last(self, point: str) -> Floats:
        """Mean of a point over the last minute alone, shape (m,)."""
        slot = self.kind.slot.get(point)
        return self._missing if slot is None else self._last[slot]

    def known(self, point: str) -> Bools:
        """Whether the point is read at all, shape (m,)."""
        return ~np.isnan(self.of(point))

    def reference(self, name: str) -> Floats:
        """The unit's own healthy figure, shape (m,); NaN while it is learned."""
        figure = self.references.get(name)
        if figure is None:
            return self._missing
        return figure[0] if self._alone else figure

    def known_reference(self, name: str, otherwise: float) -> Floats:
        """The same, and something else while it is learned, shape (m,)."""
        figure = self.reference(name)
        return np.where(np.isnan(figure), np.float32(otherwise), figure)
