"""Promises of the scorecard: every target has its row, met or not; intervals stand beside; nothing measured is left out."""

from __future__ import annotations

import math

import pytest

from models.contracts.figures import Figure
from models.hvac.evaluation.table import TARGETS, Target, reached, render

AT_LEAST = Target("a.f1", "A", least=0.6, reference="0.39")


def test_every_target_has_a_row_also_one_that_was_not_measured() -> None:
    text = render([])
    assert text.count("not measured") == len(TARGETS)
    assert all(target.title in text for target in TARGETS)


def test_a_figure_stands_beside_its_interval_target_and_reference() -> None:
    text = render([Figure("a.f1", 0.6555, "fraction", 0.53, 0.87)], [AT_LEAST])
    assert "| A | 0.655 | 0.53 to 0.87 | 0.6 or more | yes | 0.39 |" in text or "| A | 0.656 |" in text
    assert "Measured beside them" not in text


def test_what_falls_short_is_said() -> None:
    assert "| **no** |" in render([Figure("a.f1", 0.59, "fraction")], [AT_LEAST])


def test_figures_without_target_are_listed_and_bounds_join_their_figure() -> None:
    """A report prints its bounds as figures of their own."""
    figures = [
        Figure("r.x_percent", -26, "%"),
        Figure("r.x_percent_low", -31, "%"),
        Figure("r.x_percent_high", -20, "%"),
    ]
    assert "| `r.x_percent` | -26 | -31 to -20 | % |" in render(figures, [])
    assert "r.x_percent_low" not in render(figures, [])


@pytest.mark.parametrize(
    ("value", "unit", "name", "within"),
    [
        (0.85, "fraction", "b", True),
        (0.96, "fraction", "b", False),
        (math.nan, "fraction", "b", False),
        (90.0, "percent", "b", True),  # a share told in percent
        (90.0, "percent", "b_percent", False),  # percent by name: its target is in percent too
    ],
)
def test_bounds_belong_to_the_target(value: float, unit: str, name: str, within: bool) -> None:
    assert reached(Target(name, "B", least=0.85, most=0.95), Figure(name, value, unit)) is within
