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


@dataclass(slots=True)
class Facts:
    """What is known of m units of one kind at one minute each. `mean` is over five minutes, `now` over the last one; both
    (m, P), in the kind's slots.

    `broken` marks a unit met anew or after a gap, `settled` one that has run for longer than the start-up time;
    `references` holds figures against the unit's own healthy ones by name, NaN while they are being learned. `windows` is
    what longer stretches amount to, and `holds_ms` for how long a reading stands: a minute, in recorded files more.
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
    windows: Windows = field(init=False, repr=False)
    holds_ms: Ints = field(init=False, repr=False)
    _missing: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.holds_ms = np.full(len(self.rows), MINUTE_MS, dtype=np.int64)
        self._missing = np.full(len(self.rows), np.nan, dtype=np.float32)
        self._missing.flags.writeable = False

    def of(self, point: str) -> Floats:
        """Five-minute mean of a point, shape (m,); NaN where it is not read or the kind has no such point."""
        slot = self.kind.slot.get(point)
        return self._missing if slot is None else self.mean[:, slot]

    def last(self, point: str) -> Floats:
        """Mean of a point over the last minute alone, shape (m,)."""
        slot = self.kind.slot.get(point)
        return self._missing if slot is None else self.now[:, slot]

    def known(self, point: str) -> Bools:
        """Whether the point is read at all, shape (m,)."""
        return ~np.isnan(self.of(point))

    def reference(self, name: str) -> Floats:
        """The unit's own healthy figure, shape (m,); NaN while it is learned."""
        return self.references.get(name, self._missing)
