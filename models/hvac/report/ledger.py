"""What a policy has to answer for: counted for each unit, in hours, jobs and money. Pure."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from models.hvac.report.chances import Floats

# Where a job came from.
BREAKDOWN, COMPLAINT, VISIT, ALERT = 0, 1, 2, 3
Flags = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Ledger:
    """Since the start, each of shape (U,).

    `downtime_hours`: out of service, because a part that stops the unit has failed or for planned work.
    `late_hours`: maintenance was due, and late; each part that waits counts. `jobs`: mended families, by whatever way they
    were found. `backlog_cost` alone is of this moment: what mending would cost that is due now and not done.
    """

    breakdowns: Floats
    downtime_hours: Floats
    planned_hours: Floats  # of the downtime, those of planned work
    late_hours: Floats
    jobs: Floats
    callouts: Floats  # trips because of a breakdown or a complaint
    visits: Floats  # by the calendar
    alerts: Floats  # right ones
    false_alerts: Floats
    fruitless: Floats  # trips that found nothing
    cost: Floats  # labour, trips and parts
    backlog_cost: Floats

    @classmethod
    def empty(cls, units: int) -> Ledger:
        """Nothing has happened yet."""
        return cls(*(np.zeros(units) for _ in fields(cls)))

    def as_dict(self) -> dict[str, Floats]:
        """Copies, by name."""
        return {field.name: getattr(self, field.name).copy() for field in fields(self)}
