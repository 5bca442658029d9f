"""The scorecard in small: every figure is a plain number that can be written, counted as a person would count."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np

from models.contracts.figures import Figure, show
from models.hvac import evaluate
from models.hvac.curriculum import Lesson, Planted
from models.hvac.families import AHU_FAMILIES as FAMILIES

HOUR_MS = 3_600_000


def test_figures_count_what_was_found_and_can_be_written(tmp_path: Path) -> None:
    found = {family: [10.0, 20.0, math.inf] for family in FAMILIES}
    figures = evaluate._figures(found, 9, 12, [0, 0, 2, 0], 2 * 7 * 24 * HOUR_MS)
    path = tmp_path / "figures.json"
    show(figures, str(path))
    written = {figure.name: figure for figure in msgspec.json.decode(path.read_bytes(), type=list[Figure])}
    assert written[f"evaluate.detected.{FAMILIES[0]}"].value == 2 / 3
    assert written[f"evaluate.minutes_to_detect.{FAMILIES[0]}"].value == 15.0
    assert written["evaluate.right_family"].value == 0.75
    false = written["evaluate.false_episodes_per_unit_week"]
    assert false.value == 1.0
    assert false.low is not None
    assert false.high is not None
    assert false.low <= 1.0 <= false.high


def test_lead_time_counts_a_missed_failure_as_none_and_calibration_is_of_living_units(tmp_path: Path) -> None:
    """Units 0 and 1 fail after 48 h, one with an alert 30 h before; unit 2 works on. Told: 1 for who fails within a day."""
    start = 1_780_000_000_000 - 1_780_000_000_000 % HOUR_MS
    worn = tuple(Planted(unit, FAMILIES[0], start, 0.5, growth_per_day=0.25) for unit in (0, 1))
    lesson = Lesson("wear", 3, 1, start, 96, 60, worn)
    assert lesson.failed_at_ms().tolist() == [start + 48 * HOUR_MS, start + 48 * HOUR_MS, -1]
    told = np.zeros((96, 3, 2), dtype=np.float32)
    told[24:48, :2, 0] = 1
    played = evaluate._Opened(
        [(0, FAMILIES[0], start + 18 * HOUR_MS)], [start + hour * HOUR_MS for hour in range(96)], list(told)
    )
    figures = {figure.name: figure for figure in evaluate._wear_figures(lesson, played)}
    show(figures.values(), str(tmp_path / "figures.json"))
    assert figures["fleet.lead_time_hours_median"].value == 15.0
    assert figures["fleet.calibration_error"].value < 1e-6
