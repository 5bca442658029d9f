"""What is known of many units at one minute: the ground on which rules and models judge."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from models.hvac.points import COLUMN, Bools, Floats, Ints, Rows


@dataclass(slots=True)
class Facts:
    """What is known of m units at one minute each. `mean` is over five minutes, `now` over the last one; both (m, P).

    `broken` marks a unit met anew or after a gap, `settled` one whose fan has run for longer than the start-up time;
    `references` holds figures against the unit's own healthy ones by name, NaN while they are being learned.
    """

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

    def of(self, point: str) -> Floats:
        """Five-minute mean of a point, shape (m,)."""
        values: Floats = self.mean[:, COLUMN[point]]
        return values

    def known(self, point: str) -> Bools:
        """Whether the point is read at all, shape (m,)."""
        return ~np.isnan(self.mean[:, COLUMN[point]])

    def reference(self, name: str) -> Floats:
        """The unit's own healthy figure, shape (m,)."""
        return self.references.get(name, np.full(len(self.rows), np.nan, dtype=np.float32))
