"""Training, in small: the same seed gives the same bytes, what comes out passes the registry, nothing looks ahead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from models import registry
from models.contracts.frame import Floats
from models.contracts.lesson import Lesson, Planted
from models.hvac import curriculum
from models.hvac.calibration import calibration
from models.hvac.families import AHU_FAMILIES as FAMILIES
from models.hvac.infer import open_model
from models.hvac.points import Ints
from simulators.hvac.faults import FaultPlan
from simulators.hvac.world import Fleet, run
from tests.models.plant import at

HOUR_MS = 3_600_000


def plant(lesson: Lesson) -> Iterator[tuple[Ints, Floats]]:
    """The simulator, in chunks of 100 samples."""
    plans = [FaultPlan(f.unit, f.family, f.at_ms, f.severity, f.growth_per_day) for f in lesson.faults]
    fleet = Fleet(lesson.units, lesson.seed, lesson.start_at_ms, plans, "temperate")
    for _ in range(round(lesson.hours * 3600 / lesson.interval_seconds / 100)):
        yield run(fleet, 100, lesson.interval_seconds)


@pytest.fixture(scope="module")
def healthy() -> curriculum.Recording:
    return curriculum.recorded(plant, Lesson("small", 16, 5, at("2026-05-12T10:00:00"), 3.4, 30))


def test_equal_seeds_give_equal_models_that_pass_the_registry(healthy: curriculum.Recording, tmp_path: Path) -> None:
    from models.hvac.train import train_anomaly

    once, again = (train_anomaly([healthy], "a morning", seed=3, steps=30) for _ in range(2))
    other = train_anomaly([healthy], "a morning", seed=4, steps=30)
    assert once.content == again.content
    assert once.card == again.card
    assert other.content != once.content
    registry.write(tmp_path, once.card, once.content)
    artifact = registry.load(tmp_path, "anomaly", open_model)
    assert artifact.card == once.card
    assert all(limit > 0 for limit in artifact.card.thresholds.values())


def test_minutes_of_a_lesson_are_those_of_its_readings() -> None:
    lesson = Lesson("tiny", 2, 5, at("2026-05-12T10:00:00"), 1, 30)
    recording = curriculum.recorded(plant, lesson)
    assert np.diff(recording.minute_at_ms).tolist() == [60_000] * (len(recording.minute_at_ms) - 1)
    assert recording.means.shape[1] == lesson.units


def test_a_fault_that_grows_fails_when_it_is_full() -> None:
    start = at("2026-05-12T10:00:00")
    growing = Planted(0, FAMILIES[2], start, 0.5, growth_per_day=1.0)
    steady = Planted(1, FAMILIES[2], start, 0.9)
    lesson = Lesson("wear", 3, 1, start, 13, 60, (growing, steady))
    assert lesson.failed_at_ms().tolist() == [start + 12 * HOUR_MS, -1, -1]
    assert Lesson("short", 3, 1, start, 11, 60, (growing, steady)).failed_at_ms().tolist() == [-1, -1, -1]


@pytest.mark.parametrize(("told", "error"), [(lambda p: p, 0.0), (lambda p: np.minimum(p + 0.2, 1), 0.16)])
def test_calibration_error_is_how_far_told_is_from_true(told, error: float) -> None:  # type: ignore[no-untyped-def]
    draw = np.random.default_rng(1)
    p = draw.uniform(0, 1, 40_000).astype(np.float32)
    truth = draw.random(len(p)) < p
    found = calibration(told(p), truth, np.arange(len(p)) // 100, "x", draw)[0]
    assert found.name == "x.calibration_error"
    assert abs(found.value - error) < 0.03
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.high
