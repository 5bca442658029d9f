"""Lessons, played: every kind of equipment, as long as asked, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from models.contracts.equipment import EQUIPMENT
from models.contracts.lesson import Lesson, Planted
from simulators.hvac.lessons import live_plants, play_lesson

START_AT_MS = 1_776_124_800_000  # 14 April 2026
HOUR_MS = 3_600_000


@pytest.mark.parametrize("equipment", EQUIPMENT)
def test_a_lesson_lasts_as_long_as_asked_and_tells_its_channels(equipment: str) -> None:
    lesson = Lesson("short", 2, 5, START_AT_MS, 0.5, 60, equipment=equipment)
    times, values = (np.concatenate(parts) for parts in zip(*play_lesson(lesson), strict=True))
    assert values.shape == (30, 2, len(lesson.channels))
    assert np.diff(times).tolist() == [60_000] * 29
    again = np.concatenate([part for _, part in play_lesson(lesson)])
    np.testing.assert_array_equal(values, again)


def test_only_the_stretches_of_a_lesson_are_told() -> None:
    stretches = ((START_AT_MS, 0.5), (START_AT_MS + 50 * HOUR_MS, 0.25))
    lesson = Lesson("stretches", 1, 5, START_AT_MS, 60, 60, equipment="boiler", stretches=stretches)
    chunks = list(play_lesson(lesson))
    assert [len(times) for times, _ in chunks] == [30, 15]
    assert chunks[1][0][0] == START_AT_MS + 50 * HOUR_MS + 60_000


@pytest.mark.parametrize(("equipment", "family"), [("ahu", "filter_fouled"), ("vav_box", "reheat_valve_leaking")])
def test_a_planted_fault_changes_its_own_unit_only(equipment: str, family: str) -> None:
    def values(*faults: Planted) -> np.ndarray:
        lesson = Lesson("fault", 2, 5, START_AT_MS + 10 * HOUR_MS, 1, 60, faults, equipment)
        return np.concatenate([part for _, part in play_lesson(lesson)])

    healthy, faulty = values(), values(Planted(1, family, START_AT_MS, 0.9))
    np.testing.assert_array_equal(healthy[:, 0], faulty[:, 0])
    assert not np.array_equal(healthy[:, 1], faulty[:, 1])


def test_a_fleet_that_wears_tells_the_truth_beside_its_readings() -> None:
    families, lived = live_plants(Lesson("wear", 3, 5, START_AT_MS, 24 * 10, 3600, equipment="boiler", wear=3.0))
    parts = list(lived)
    severity = np.concatenate([part.severity for part in parts])
    assert severity.shape == (240, 3)
    assert np.ptp(severity, axis=0).max() > 0
    assert (severity >= 0).all()
    assert (severity <= 1).all()
    assert max(int(part.family.max()) for part in parts) < len(families)
    _, rests = live_plants(Lesson("rest", 3, 5, START_AT_MS, 24, 3600, equipment="boiler"))
    assert all(not part.severity.any() for part in rests)
