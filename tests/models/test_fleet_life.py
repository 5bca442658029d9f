"""Fleets that wear: what is counted, by hand; what the risk model learns; and that its intervals hold what they say."""

from __future__ import annotations

import numpy as np
import pytest

from models.hvac import risk, survival
from models.hvac.families import FAMILIES_OF
from models.hvac.fleet_life import FleetLife, Told, families_told, pooled
from models.hvac.points import Floats
from models.hvac.train_risk import covered, train_risk

HOUR_MS = 3_600_000


def life(**changes: object) -> FleetLife:
    """Three units: 0 wears out after 100 h, 1 breaks at once after 50 h, 2 lives on."""
    values: dict[str, object] = {
        "inputs": np.zeros((3, len(risk.RISK_INPUTS)), dtype=np.float32),
        "probability": np.zeros((3, 2), dtype=np.float32),
        "hours_low": np.zeros(3, dtype=np.float32),
        "hours_high": np.full(3, np.inf, dtype=np.float32),
        "left_hours": np.array([100, 50, 200], dtype=np.float32),
        "recorded_hours": np.full(3, 200, dtype=np.float32),
        "failed": np.array([True, True, False]),
        "unit": np.arange(3),
        "told": [
            Told(0, "filter_fouled", 10 * HOUR_MS, 0.01, "filter_fouled"),  # while nothing was worn: false
            Told(0, "filter_fouled", 40 * HOUR_MS, 0.40, "filter_fouled"),
            Told(0, "fan_belt_worn", 60 * HOUR_MS, 0.60, "filter_fouled"),
            Told(2, "damper_stuck", 30 * HOUR_MS, 0.0, "damper_stuck"),
        ],
        "failed_at_ms": np.array([100 * HOUR_MS, 50 * HOUR_MS, -1]),
        "worn": np.array([True, False, False]),
        "healthy_unit_weeks": 2.0,
    }
    return FleetLife(**(values | changes))  # type: ignore[arg-type]


def test_lead_time_is_from_the_first_alert_that_was_not_false_and_of_wear_alone() -> None:
    assert life().lead_hours() == [60.0]
    assert life(told=[]).lead_hours() == [0.0]


def test_false_episodes_are_those_of_healthy_units() -> None:
    assert life().false_episodes().tolist() == [1, 0, 1]


def test_alerts_are_right_where_they_name_the_worst_part() -> None:
    found = families_told([life()], "ahu")
    assert found["filter_fouled"] == (1, 1)
    assert found["fan_belt_worn"] == (0, 1)
    assert set(found) == set(FAMILIES_OF["ahu"])


def test_pooled_fleets_keep_their_units_apart() -> None:
    both = pooled([life(), life()])
    assert both.unit.tolist() == [0, 1, 2, 3, 4, 5]
    assert both.lead_hours() == [60.0, 60.0]
    assert both.false_episodes().tolist() == [1, 0, 1, 1, 0, 1]
    assert both.healthy_unit_weeks == 4.0


def drawn(units: int, seed: int) -> FleetLife:
    """Units whose hazard is told by one input: exponential lives of 100 to 2,000 hours, watched for 1,500."""
    rng = np.random.default_rng(seed)
    per_unit = 8
    mean_hours = np.exp(rng.uniform(np.log(100), np.log(2000), units))
    unit = np.repeat(np.arange(units), per_unit)
    lives = rng.exponential(mean_hours[unit])
    recorded = rng.uniform(200, 1500, len(unit))
    inputs = np.zeros((len(unit), len(risk.RISK_INPUTS)), dtype=np.float32)
    inputs[:, 0] = np.log(mean_hours[unit] / 500)
    failed = lives <= recorded
    return life(
        inputs=inputs,
        left_hours=np.minimum(lives, recorded).astype(np.float32),
        recorded_hours=recorded.astype(np.float32),
        failed=failed,
        unit=unit,
        failed_at_ms=np.zeros(units, dtype=np.int64),
        worn=np.ones(units, dtype=bool),
    )


def test_what_is_learned_is_calibrated_and_its_interval_holds_nine_of_ten() -> None:
    files = train_risk(drawn(400, 3), "drawn lives", steps=800)
    fresh = drawn(400, 4)
    logits = files.opened().model(fresh.inputs)
    low, high = (float(files.card.thresholds[name]) for name in risk.RISK_LEVELS)
    assert 0.85 < covered(logits, fresh.left_hours, fresh.failed, fresh.unit, (low, high)) < 0.95
    told = risk.survive(logits, (low, high))
    mean_hours = 500 * np.exp(fresh.inputs[:, 0])
    true = 1 - np.exp(-168 / mean_hours)
    assert float(np.abs(told.probability[:, 1] - true).mean()) < 0.06
    assert (told.hours_low <= told.hours_high).all()
    assert np.corrcoef(told.probability[:, 0], true)[0, 1] > 0.9


@pytest.mark.parametrize("levels", [(0.05, 0.95), (0.2, 0.8)])
def test_coverage_of_the_truth_itself_is_what_the_levels_say(levels: tuple[float, float]) -> None:
    """Hazards that are those of the lives: between two levels lies their difference, however many lives are cut."""
    rng = np.random.default_rng(8)
    ends = np.array([0, *risk.INTERVAL_ENDS_HOURS], dtype=np.float64)
    hazard = 1 - np.exp(-np.diff(ends) / 600)
    logits: Floats = np.tile(np.log(hazard / (1 - hazard)), (6000, 1)).astype(np.float32)
    lives, cut = rng.exponential(600, 6000), rng.uniform(300, 2500, 6000)
    share = covered(logits, np.minimum(lives, cut).astype(np.float32), lives <= cut, np.arange(6000), levels)
    assert share == pytest.approx(levels[1] - levels[0], abs=0.03)
    assert survival.curves(logits[:1], risk.INTERVAL_ENDS_HOURS).failing_within([24])[0, 0] == pytest.approx(
        1 - np.exp(-24 / 600), abs=0.01
    )
