"""The plant as others use it: shapes, determinism, and that a fleet is a fleet."""

from __future__ import annotations

import numpy as np

from models.contracts.points import AHU_POINTS, POINTS
from simulators.hvac.faults import FAMILIES
from simulators.hvac.world import Fleet, run

START_AT_MS = 1_747_821_600_000  # Wednesday 2025-05-21, 10:00


def test_run_gives_every_point_within_its_plausible_range() -> None:
    fleet = Fleet(4, seed=1, start_at_ms=START_AT_MS, climate="mixed", sites=4, warmup_hours=2)
    measured_at_ms, values = run(fleet, 60, 60.0)
    assert values.shape == (60, 4, len(AHU_POINTS))
    assert values.dtype == np.float32
    assert list(np.diff(measured_at_ms)) == [60_000] * 59
    assert measured_at_ms[0] == START_AT_MS + 60_000
    for column, name in enumerate(AHU_POINTS):
        point = POINTS[name]
        assert np.all((values[..., column] >= point.low) & (values[..., column] <= point.high)), name
    assert set(fleet.truth) == set(FAMILIES)
    assert np.all(fleet.failed_at_ms == -1)


def test_equal_seed_equal_values() -> None:
    runs = [run(Fleet(3, seed=5, start_at_ms=START_AT_MS, warmup_hours=1), 20, 30.0)[1] for _ in range(2)]
    other = run(Fleet(3, seed=6, start_at_ms=START_AT_MS, warmup_hours=1), 20, 30.0)[1]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], other)
