"""Simulated air handlers for the tests of the monitor: planted faults, and the monitor run over them as an agent would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from models.contracts.frame import Floats, as_sent
from models.contracts.layout import layout_for
from models.contracts.points import AHU_POINTS
from models.hvac import episodes, features
from models.hvac.kinds import KINDS
from models.hvac.monitor import Monitor, Verdicts
from simulators.hvac.faults import FaultPlan
from simulators.hvac.world import Fleet, run

LAYOUT = layout_for("ahu", AHU_POINTS)
STEP_MS = 15_000
FAULT_AFTER_MINUTES = 15


def at(text: str) -> int:
    """Milliseconds UTC of an ISO time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@dataclass(slots=True)
class Played:
    """What came out: verdicts in order, and the episodes that changed with the verdicts that they came from."""

    verdicts: list[Verdicts]
    changes: list[tuple[episodes.EpisodeChange, Verdicts]]

    def opened(self) -> dict[int, list[str]]:
        """Families that opened, by unit."""
        found: dict[int, list[str]] = {}
        for change, _ in self.changes:
            if change.transition == "opened":
                found.setdefault(change.row, []).append(change.family)
        return found

    def scores(self) -> Floats:
        """Anomaly scores, one row a minute, shape (minutes, units)."""
        return np.stack([verdict.anomaly_score for verdict in self.verdicts])


def plant(
    start: str, seed: int, minutes: int, plans: Sequence[FaultPlan] = (), units: int = 12
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Times (t,) and values (t, U, 24) of a simulated fleet, 15 seconds apart."""
    fleet = Fleet(units, seed, at(start), plans, "temperate", occupied_hours=(7, 19))
    return run(fleet, minutes * 60_000 // STEP_MS, STEP_MS / 1000)


def play(
    monitor: Monitor,
    times: npt.NDArray[np.int64],
    values: Floats,
    frame_samples: int = 10,
    points: Sequence[str] = AHU_POINTS,
) -> Played:
    """Run the monitor over a recording, cut into frames of so many samples, with only these points."""
    layout = layout_for("ahu", points)
    columns = [AHU_POINTS.index(point) for point in points]
    kind = KINDS["ahu"]
    positions = features.positions(kind, layout)
    units = values.shape[1]
    state = features.new_state(units)
    rows = np.arange(units)
    out = Played([], [])
    for first in range(0, len(times), frame_samples):
        block = np.ascontiguousarray(values[first : first + frame_samples, :, columns].transpose(1, 2, 0))
        gathered = features.gather(as_sent(block, layout), None, positions)
        measured = np.full(units, times[first])
        for minute in features.fold(state, kind, rows, measured, np.full(units, STEP_MS), gathered):
            verdicts = monitor.step(state, minute)
            out.verdicts.append(verdicts)
            out.changes += [(c, verdicts) for c in episodes.decide(state, verdicts, monitor.settings.episodes)]
    return out
