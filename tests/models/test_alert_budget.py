"""The alert budget holds where its assumptions do, and comes back where they do not; units never depend on each other."""

from __future__ import annotations

import numpy as np
import pytest

from models.hvac import alert_budget
from models.hvac.alert_budget import COUNT, MEAN, PEAK, RAISED, SQUARES, BudgetSettings, Doubles, Prior

HOUR_MS = 3_600_000
SETTINGS = BudgetSettings()


def play(scores: Doubles, settings: BudgetSettings, prior: Prior) -> tuple[Doubles, int]:
    """Scores (blocks, units), one a block, with a latch that is open while the score is at the level: state, episodes."""
    budget = alert_budget.fresh(scores.shape[1], prior, settings.prior_blocks)
    episodes, was = 0, np.zeros(scores.shape[1], bool)
    for block, row in enumerate(scores):
        is_open = row >= alert_budget.levels(budget, settings)
        episodes += int((is_open & ~was).sum())
        was = is_open
        at_ms = np.full(len(row), block * settings.block_seconds * 1000, dtype=np.int64)
        budget = alert_budget.observe(budget, row, is_open, at_ms, settings)
    return budget, episodes


@pytest.mark.parametrize("law", ["gumbel", "exponential", "chi_square"])
def test_healthy_units_open_about_as_many_episodes_as_allowed(law: str) -> None:
    draw = np.random.default_rng(1)
    units, weeks, per_block = 200, 8, 60
    shape = (weeks * 168, units)
    if law == "gumbel":
        scores = draw.gumbel(size=shape)
    elif law == "exponential":
        scores = draw.exponential(size=(*shape, per_block)).max(axis=2)
    else:
        scores = draw.chisquare(6, size=(*shape, per_block)).max(axis=2)
    _, episodes = play(scores, SETTINGS, alert_budget.prior_of(scores[:168].ravel()))
    assert 0.3 * 0.25 <= episodes / (units * weeks) <= 1.3 * 0.25


def test_rate_comes_back_to_the_budget_where_tails_are_heavier_than_any_gumbel_law() -> None:
    draw = np.random.default_rng(2)
    units, weeks = 50, 30
    scores = draw.standard_t(2, size=(weeks * 168, units))  # no Gumbel law has such tails
    _, early = play(scores[: 4 * 168], SETTINGS, Prior(0.0, 1.0))
    _, all_weeks = play(scores, SETTINGS, Prior(0.0, 1.0))
    assert early / (4 * units) > 2 * 0.25
    assert (all_weeks - early) / ((weeks - 4) * units) < 0.35


def test_moments_are_those_of_the_prior_and_of_the_blocks_together() -> None:
    draw = np.random.default_rng(3)
    peaks = draw.normal(1.0, 0.1, size=(40, 1))
    budget, _ = play(peaks, SETTINGS, Prior(1.0, 0.2))
    seen = peaks[:-1, 0]  # the last block is still running
    assert budget[0, COUNT] == 48 + 39
    assert budget[0, MEAN] == pytest.approx((48 * 1.0 + seen.sum()) / 87)
    scatter = 48 * 0.2**2 + 48 * (1.0 - budget[0, MEAN]) ** 2 + ((seen - budget[0, MEAN]) ** 2).sum()
    assert budget[0, SQUARES] == pytest.approx(scatter)


def test_a_fault_that_stays_does_not_raise_its_own_level_and_counts_once_when_it_ends() -> None:
    budget = alert_budget.fresh(1, Prior(1.0, 0.1), 48)
    before = alert_budget.levels(budget, SETTINGS)
    for hour in range(100):
        budget = alert_budget.observe(budget, np.array([9.0]), np.array([True]), np.array([hour * HOUR_MS]), SETTINGS)
    assert alert_budget.levels(budget, SETTINGS) == pytest.approx(before)
    for hour in range(100, 103):
        budget = alert_budget.observe(budget, np.array([0.9]), np.array([False]), np.array([hour * HOUR_MS]), SETTINGS)
    allowed = SETTINGS.raise_step * 0.25 / 168
    assert budget[0, RAISED] == pytest.approx(SETTINGS.raise_step, abs=3 * allowed)


def test_episodes_less_than_an_hour_apart_count_as_one() -> None:
    budget = alert_budget.fresh(1, Prior(1.0, 0.1), 48)
    for minute in range(300):
        is_open = np.array([minute < 60 and minute % 2 == 0])
        budget = alert_budget.observe(budget, np.array([0.5]), is_open, np.array([minute * 60_000]), SETTINGS)
    assert 0.9 * SETTINGS.raise_step < budget[0, RAISED] <= SETTINGS.raise_step


def test_what_is_not_judged_teaches_nothing_and_the_state_given_is_left_alone() -> None:
    budget = alert_budget.fresh(2, Prior(1.0, 0.1), 48)
    kept = budget.copy()
    after = alert_budget.observe(budget, np.array([np.nan, 1.2]), np.zeros(2, bool), np.array([0, 0]), SETTINGS)
    np.testing.assert_array_equal(budget, kept)
    assert np.isnan(after[0, PEAK])
    assert after[1, PEAK] == 1.2


def test_a_unit_comes_out_equal_alone_and_among_others() -> None:
    draw = np.random.default_rng(5)
    scores = draw.gumbel(size=(500, 7))
    scores[draw.random(scores.shape) < 0.1] = np.nan
    together, _ = play(scores, SETTINGS, Prior(0.5, 1.0))
    for unit in range(7):
        alone, _ = play(scores[:, unit : unit + 1], SETTINGS, Prior(0.5, 1.0))
        np.testing.assert_array_equal(together[unit : unit + 1], alone)


def test_longer_blocks_mean_the_same_level() -> None:
    prior = Prior(2.0, 0.5)
    longer = alert_budget.of_longer_blocks(prior, 6)
    assert alert_budget.gumbel_level(np.array([longer.mean]), np.array([longer.deviation]), 1000.0) == pytest.approx(
        alert_budget.gumbel_level(np.array([prior.mean]), np.array([prior.deviation]), 6000.0),
        rel=1e-4,
    )


def test_a_smaller_budget_means_a_higher_level_and_one_block_means_none() -> None:
    mean, deviation = np.array([1.0]), np.array([0.1])
    assert alert_budget.gumbel_level(mean, deviation, 2000.0) > alert_budget.gumbel_level(mean, deviation, 1000.0)
    with pytest.raises(ValueError, match="1 blocks of healthy scores, expected 2 or more"):
        alert_budget.prior_of(np.array([1.0]))


def test_block_maxima_leave_out_what_is_missing_and_the_part_of_a_block() -> None:
    scores = np.array([1.0, np.nan, np.nan, np.nan, 2.0, 3.0, 9.0])
    np.testing.assert_array_equal(alert_budget.block_maxima(scores, 2), [1.0, 3.0])


def test_a_unit_met_with_a_fault_that_comes_and_goes_cannot_lift_its_level_out_of_reach() -> None:
    draw = np.random.default_rng(6)
    prior = Prior(1.0, 0.2)
    ceiling = alert_budget.ceiling_of(prior, SETTINGS)
    free = bound = alert_budget.fresh(1, prior, SETTINGS.prior_blocks)
    opened = 0
    for hour in range(4 * 168):
        worn = 6.0 if hour % 3 == 0 else 1.0
        at_ms = np.array([hour * HOUR_MS])
        rising = worn * draw.uniform(0.2, 1.0, 60)
        for score in (rising[rising < alert_budget.levels(free, SETTINGS)].max(initial=0.5), worn):
            is_open = np.array([score >= alert_budget.levels(free, SETTINGS)[0]])
            free = alert_budget.observe(free, np.array([score]), is_open, at_ms, SETTINGS)
        for score in (rising[rising < alert_budget.levels(bound, SETTINGS, ceiling)].max(initial=0.5), worn):
            is_open = np.array([score >= alert_budget.levels(bound, SETTINGS, ceiling)[0]])
            opened += int(is_open[0])
            bound = alert_budget.observe(bound, np.array([score]), is_open, at_ms, SETTINGS, ceiling)
    assert alert_budget.levels(free, SETTINGS)[0] > 2 * 6.0  # higher than anything that was ever seen
    assert alert_budget.levels(bound, SETTINGS, ceiling)[0] == pytest.approx(
        ceiling * alert_budget.raised(bound)[0], rel=0.01
    )
    assert opened > 5


def test_a_ceiling_is_the_level_of_the_prior_and_quiet_units_stay_below_it() -> None:
    prior = Prior(1.0, 0.2)
    ceiling = alert_budget.ceiling_of(prior, SETTINGS)
    budget = alert_budget.fresh(1, prior, SETTINGS.prior_blocks)
    assert alert_budget.levels(budget, SETTINGS, ceiling) == pytest.approx(ceiling)
    draw = np.random.default_rng(7)
    for hour in range(168):
        peak = draw.normal(0.5, 0.05, 1)
        budget = alert_budget.observe(budget, peak, np.array([False]), np.array([hour * HOUR_MS]), SETTINGS, ceiling)
    assert alert_budget.levels(budget, SETTINGS, ceiling) == alert_budget.levels(budget, SETTINGS) < ceiling
