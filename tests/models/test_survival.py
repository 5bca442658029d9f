"""Remaining life from hazards: against integrals and lives that are drawn, with lives cut short among them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.hvac import survival
from models.hvac.points import Bools, Floats

ENDS = (6.0, 12.0, 24.0, 48.0, 96.0)


def logits_of(hazard: float, n: int = 1) -> Floats:
    return np.full((n, len(ENDS)), np.log(hazard / (1 - hazard)), dtype=np.float32)


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.float32, (3, len(ENDS)), elements=st.floats(-8, 4, width=32)))
def test_survival_falls_and_mean_and_quantiles_are_those_of_the_curve(logits: Floats) -> None:
    found = survival.curves(logits, ENDS)
    assert (np.diff(found.survival, axis=1) <= 0).all()
    assert (found.survival[:, 0] == 1).all()
    time = np.linspace(0, ENDS[-1], 2_001)
    alive = 1 - found.failing_within(time)
    assert np.allclose(found.mean(), np.trapezoid(alive, time, axis=1), rtol=5e-3, atol=0.05)
    for level in (0.1, 0.5, 0.9):
        at = found.quantile(level)
        sure = np.isfinite(at)
        assert np.allclose(found.dying_before(at)[sure], level, atol=1e-4)
        assert (found.survival[~sure, -1] > 1 - level).all()


def test_probability_at_the_end_of_an_interval_is_the_product_of_the_hazards() -> None:
    found = survival.curves(logits_of(0.2), ENDS)
    assert np.allclose(found.failing_within([6, 24, 96])[0], [0.2, 1 - 0.8**3, 1 - 0.8**5], atol=1e-6)
    assert found.failing_within([0.0])[0, 0] == 0


def test_a_horizon_where_nothing_is_known_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 to 96"):
        survival.curves(logits_of(0.2), ENDS).failing_within([24, 168])


def test_hazards_for_other_intervals_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(1, 5\) for 2 intervals"):
        survival.curves(logits_of(0.2), (24, 48))
    with pytest.raises(ValueError, match="rise"):
        survival.curves(logits_of(0.2), (6, 12, 24, 24, 48))


def test_what_a_life_says_of_an_interval_is_known_to_its_end() -> None:
    """Failed after 20; failed after 20 with nothing left to see; cut after 20; outlived all."""
    left = np.array([20, 20, 20, 200], dtype=np.float32)
    recorded = np.array([30, np.inf, 20, 200], dtype=np.float32)
    failed = np.array([True, True, False, False])
    event, at_risk = survival.intervals(left, recorded, failed, ENDS)
    assert at_risk.astype(int).tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert (event * at_risk).astype(int).tolist() == [[0, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0] * 5, [0] * 5]


@pytest.mark.parametrize("said", [0.02, 0.2, 0.6])
def test_platt_brings_hazards_to_what_happens(said: float) -> None:
    """Told: the true logit times two, and shifted; one unit of three is cut at random."""
    draw = np.random.default_rng(4)
    true = draw.normal(np.log(said / (1 - said)), 0.7, (20_000, len(ENDS)))
    event = (draw.random(true.shape) < 1 / (1 + np.exp(-true))).astype(np.float32)
    at_risk = (draw.random(true.shape) < 0.7).astype(np.float32)
    found = survival.fit_platt((2 * true + 0.5).astype(np.float32), event, at_risk)
    assert found.scale == pytest.approx(0.5, abs=0.05)
    assert found.shift == pytest.approx(-0.25, abs=0.08)


def test_platt_of_lives_in_which_nothing_failed_changes_nothing() -> None:
    nothing = np.zeros((5, len(ENDS)), dtype=np.float32)
    assert survival.fit_platt(logits_of(0.1, 5), nothing, nothing + 1) == survival.Platt()


def _drawn(n: int, rate: float, seed: int) -> tuple[Floats, Floats, Bools]:
    """Lives of a constant hazard, half of them cut at random."""
    draw = np.random.default_rng(seed)
    life = draw.exponential(1 / rate, n)
    cut = np.where(draw.random(n) < 0.5, draw.uniform(0, 80, n), np.inf)
    return life.astype(np.float32), np.minimum(life, cut).astype(np.float32), life <= cut


@pytest.mark.parametrize("told_rate", [0.02, 0.04, 0.08])
def test_intervals_cover_as_many_lives_as_asked_even_if_the_model_is_wrong(told_rate: float) -> None:
    """True rate 0.04: the model tells too long, right, and too short lives, of which half are cut short."""
    n = 4000
    steps = np.diff(np.array([0, *ENDS]))
    logits = np.tile(np.log(np.expm1(told_rate * steps)), (n, 1)).astype(np.float32)
    told = survival.curves(logits, ENDS)
    _, left, failed = _drawn(n, 0.04, 1)
    levels = survival.fit_levels(told, left, failed, np.arange(n), 0.9)
    life, _, _ = _drawn(n, 0.04, 2)
    low, high = told.interval(levels)
    assert 0.88 <= ((low <= life) & (life <= high)).mean() <= 0.93
    if told_rate == 0.04:
        assert levels == pytest.approx((0.05, 0.95), abs=0.05)


def test_few_units_give_wide_intervals_and_all_cut_lives_open_ones() -> None:
    told = survival.curves(logits_of(0.3, 6), ENDS)
    left = np.array([3, 8, 15, 30, 60, 90], dtype=np.float32)
    assert survival.fit_levels(told, left, np.ones(6, dtype=bool), np.arange(6))[1] == 1.0
    assert survival.fit_levels(told, left, np.zeros(6, dtype=bool), np.arange(6))[1] == 1.0
    assert np.isinf(told.quantile(1.0)).all()


def test_every_unit_weighs_the_same() -> None:
    weight = survival.unit_weights(np.array([7, 7, 7, 9]))
    assert weight.sum() == pytest.approx(4)
    assert weight[:3].sum() == pytest.approx(weight[3])


def test_windows_say_which_rows_are_real() -> None:
    values = np.array([[1.0], [np.nan], [3.0]], dtype=np.float32)
    found = survival.windows(values, np.array([0, 2]), 3)
    assert found[0].tolist() == [[1, 0], [1, 0], [1, 1]]
    assert found[1].tolist() == [[1, 1], [0, 1], [3, 1]]


def test_running_means_are_plain_first_and_pass_over_gaps() -> None:
    values = np.array([[2.0], [np.nan], [4.0], [6.0]], dtype=np.float32)
    found = survival.followed(values, (2,))
    assert found[:, 1].tolist() == [2, 2, 3, 4.5]
    assert np.isnan(found[1, 0])
