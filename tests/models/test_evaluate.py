"""The scorecard in small: every figure is a plain number that can be written, counted as a person would count."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from models.contracts.figures import Figure, show
from models.hvac import evaluate
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
