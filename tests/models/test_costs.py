"""What waiting costs: worked out by hand, and never an income."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hvac.costs import SIZE_POINTS, CostSettings, KindPenalties, Penalty, waiting_cost
from models.hvac.kinds import KINDS

PRICES = CostSettings(
    currency="CHF",
    electricity_price_per_kilowatt_hour=0.25,
    heat_price_per_kilowatt_hour=0.10,
    cooling_price_per_kilowatt_hour=0.05,
    discomfort_cost_per_hour=8.0,
    planned_repair_cost=500.0,
    breakdown_cost=1900.0,
)
TABLE = {
    "ahu": KindPenalties(
        2.0,
        {
            "filter_fouled": Penalty(100.0, 50.0, -200.0, 0.5),
            "fan_belt_worn": Penalty(-500.0, -500.0, -500.0, -1.0),
        },
    )
}


def test_a_cost_worked_out_by_hand() -> None:
    cost = waiting_cost("ahu", "filter_fouled", 0.5, 0.35, 4.0, PRICES, TABLE)
    assert cost is not None
    # Twice the median size, half likely: weight 1. Cooling saved counts against what is wasted.
    assert cost.energy_kilowatt_hours_per_day == 0  # 2.4 + 1.2 - 4.8 kWh
    assert cost.energy_cost_minor_per_day == round(100 * (2.4 * 0.25 + 1.2 * 0.10 - 4.8 * 0.05))
    assert cost.discomfort_hours_per_day == 0.25
    assert cost.discomfort_cost_minor_per_day == 200
    assert cost.failure_cost_minor_per_day == round(100 * 0.05 * 1400)
    assert cost.total_minor_per_day == 48 + 200 + 7000
    assert cost.currency == "CHF"


def test_what_is_not_known_counts_as_usual() -> None:
    unknown = waiting_cost("ahu", "filter_fouled", math.nan, math.nan, math.nan, PRICES, TABLE)
    assert unknown == waiting_cost("ahu", "filter_fouled", 1.0, 0.0, 2.0, PRICES, TABLE)


def test_kinds_and_families_of_which_nothing_was_measured_have_no_cost() -> None:
    assert waiting_cost("generic", "filter_fouled", 1.0, 0.1, 1.0, PRICES, TABLE) is None
    assert waiting_cost("ahu", "sensor_fault", 1.0, 0.1, 1.0, PRICES, TABLE) is None


@pytest.mark.parametrize(("size", "times"), [(1e-6, 0.1), (1e6, 10.0), (1.0, 0.5)])
def test_one_bad_reading_is_no_size(size: float, times: float) -> None:
    cost = waiting_cost("ahu", "filter_fouled", 1.0, 0.0, size, CostSettings(), {
        "ahu": KindPenalties(2.0, {"filter_fouled": Penalty(1000.0, 0.0, 0.0, 0.0)}),
    })  # fmt: skip
    assert cost is not None
    assert cost.energy_kilowatt_hours_per_day == pytest.approx(24 * times)


@given(
    probability=st.floats(0, 1), week=st.floats(0, 1), size=st.floats(0, 50),
    family=st.sampled_from(["filter_fouled", "fan_belt_worn"]),
)  # fmt: skip
def test_waiting_is_never_an_income(probability: float, week: float, size: float, family: str) -> None:
    cost = waiting_cost("ahu", family, probability, week, size, PRICES, TABLE)
    assert cost is not None
    parts = (cost.energy_cost_minor_per_day, cost.discomfort_cost_minor_per_day, cost.failure_cost_minor_per_day)
    assert all(part >= 0 for part in parts)
    assert cost.total_minor_per_day == sum(parts)
    assert cost.energy_kilowatt_hours_per_day >= 0


def test_every_kind_tells_its_size_by_a_point_that_it_has() -> None:
    assert SIZE_POINTS.keys() == KINDS.keys()
    for name, point in SIZE_POINTS.items():
        assert point in KINDS[name].points
