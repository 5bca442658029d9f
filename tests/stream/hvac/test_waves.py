"""Frames are folded in waves of many units, also those that had to wait."""

from __future__ import annotations

import numpy as np

from models.contracts import topics
from stream.app import Batch
from stream.hvac.state import Wave, update
from stream.table import State
from tests.stream import fleet


def waves(state: State, payloads: list[bytes], at_ms: list[int], before_ms: int) -> list[Wave]:
    """Of one batch of frames."""
    app = fleet.app(1.0)
    items = app.input(topics.FRAMES).decode(payloads).items
    batch = Batch(topics.FRAMES, items, np.array(at_ms, dtype=np.int64), before_ms)
    return [step for step in update(state, batch, 1000) if isinstance(step, Wave)]


def test_units_that_begin_together_are_folded_together() -> None:
    sender, state = fleet.Sender(), State.fresh(fleet.app(1.0).tables)
    units = [f"ahu-{number}" for number in range(50)]
    start_ms = 1_764_100_000_000
    frames = [[sender.frame(unit, index) for unit in units] for index in range(3)]
    # The first frames of a chain wait; what comes when they have waited long enough releases all of them.
    assert waves(state, frames[0], [start_ms] * 50, 0) == []
    assert waves(state, frames[1], [start_ms + 200] * 50, start_ms) == []
    released = waves(state, frames[2], [start_ms + 1500] * 50, start_ms + 200)
    folded = [(wave.batch.measured_at_ms[wave.at].tolist(), len(wave.rows)) for wave in released]
    assert folded == [([fleet.START_MS + index * fleet.FRAME_MS] * 50, 50) for index in range(3)]
