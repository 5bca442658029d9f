"""Equipment of unknown type: normal is learned, what breaks with it is told with its point, and cuts change nothing."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contracts.settings import load
from models.hvac import alert_budget, generic_model
from models.hvac.generic import GenericError, GenericModel, GenericSettings, Scores, fit, fresh, score
from models.hvac.generic_model import Doubles, Millis

MINUTE_MS = 60_000
SAMPLE = Path(generic_model.__file__).with_name("generic.sample.toml")


def machine(rows: int, points: int, seed: int) -> Doubles:
    """A machine under a load that wanders: every point follows the load, with noise and a level of its own."""
    draw = np.random.default_rng(seed)
    load = np.zeros(rows)
    for row in range(1, rows):
        load[row] = 0.98 * load[row - 1] + draw.normal(0, 0.2)
    gains = np.random.default_rng(points).normal(0, 2, points)  # equal for every seed: one machine
    return 50 + load[:, None] * gains + draw.normal(0, 0.5, (rows, points))


def times(rows: int, interval_ms: int = MINUTE_MS) -> Millis:
    return 1_700_000_000_000 + interval_ms * np.arange(rows, dtype=np.int64)


def judged(model: GenericModel, values: Doubles, at_ms: Millis | None = None) -> Scores:
    return score(model, fresh(model), values, times(len(values)) if at_ms is None else at_ms)


def episodes(scores: Scores) -> int:
    return int(np.count_nonzero(np.diff(np.concatenate([[False], scores.anomalous]).astype(int)) == 1))


@pytest.fixture(scope="module")
def model() -> GenericModel:
    return fit(machine(2000, 5, 1), times(2000))


def naive(model: GenericModel, values: Doubles) -> tuple[Doubles, Doubles]:
    """Score and shares of rows without gaps, in the plainest way, before the first block ends."""
    levels = alert_budget.levels_after(model.budget, model.returns_after_blocks)
    count = len(model.used)
    running = [np.zeros(count) for _ in model.spans]
    age = np.full(count, np.inf)
    scores, shares = [], []
    calm = values.copy()
    for at in range(2, len(values)):
        three = values[at - 2 : at + 1]
        calm[at] = np.where(np.isfinite(three).all(axis=0), np.median(three, axis=0), values[at])
    for row in calm:
        best, told = np.nan, np.zeros(values.shape[1])
        age += 1
        for k, point in enumerate(model.used.tolist()):
            if np.isfinite(row[point]):
                age[k] = 0
                step = np.clip((row[point] - model.centre[k]) / model.scale[k], -20, 20)
                for s, span in enumerate(model.spans):
                    running[s][k] += (step - running[s][k]) / span
        for s, span in enumerate(model.spans):
            there = np.flatnonzero(age < span)
            if not len(there):
                continue
            away = running[s][there] - model.mean[s][there]
            precision = np.linalg.inv(model.covariance[s][np.ix_(there, there)])
            value = np.sqrt(away @ precision @ away / levels[s])
            if not value <= best:
                best, told = value, np.zeros(values.shape[1])
                for k, index in enumerate(there):
                    others = [i for i in range(len(there)) if i != k]
                    less = (
                        away[others]
                        @ np.linalg.inv(model.covariance[s][np.ix_(there[others], there[others])])
                        @ away[others]
                        if others
                        else 0.0
                    )
                    told[model.used[index]] = away @ precision @ away - less
        scores.append(best)
        shares.append(told / told.sum() if told.sum() > 0 and best >= 0.5 else np.zeros(values.shape[1]))
    return np.array(scores), np.array(shares)


def test_scores_and_shares_are_those_of_the_plainest_computation(model: GenericModel) -> None:
    draw = np.random.default_rng(4)
    values = machine(200, 5, 3)
    values[100:, 2] += 6
    values[draw.random(values.shape) < 0.2] = np.nan
    values[150:160, 4] = np.nan
    values[170:173] = np.nan
    values[180, 0] = np.inf
    scores, shares = naive(model, values)
    told = judged(model, values)
    np.testing.assert_allclose(told.score, scores, rtol=1e-5)
    np.testing.assert_allclose(told.shares, shares, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(0, 9))
def test_cuts_between_calls_change_no_bit(cuts: list[int], seed: int) -> None:
    draw = np.random.default_rng(seed)
    model = fit(machine(500, 3, 1), times(500))
    values = machine(1200, 3, 2)
    values[400:430] += 5
    values[draw.random(values.shape) < 0.05] = np.nan
    at_ms = times(1200)
    at_ms[700:] += 3_600_000
    whole = judged(model, values, at_ms)
    state, parts, start = fresh(model), [], 0
    for cut in [*cuts, 1200]:
        parts.append(score(model, state, values[start : start + cut], at_ms[start : start + cut]))
        start += cut
    np.testing.assert_array_equal(np.concatenate([part.score for part in parts]), whole.score)
    np.testing.assert_array_equal(np.concatenate([part.anomalous for part in parts]), whole.anomalous)
    np.testing.assert_array_equal(np.concatenate([part.shares for part in parts]), whole.shares)


def test_a_point_that_leaves_the_others_is_told_though_it_stays_within_its_own_range(model: GenericModel) -> None:
    taught, values = machine(2000, 5, 1), machine(600, 5, 1)
    loud = int(np.argmax(taught.std(axis=0)))
    values[300:, loud] += 2 * taught[:, loud].std()
    before, after = judged(model, values[:300]), judged(model, values)
    assert not before.anomalous.any()
    assert after.anomalous[310:].mean() > 0.8
    assert (after.shares[320:].argmax(axis=1) == loud).mean() > 0.9
    assert 1 <= episodes(after) <= 2


def test_one_wild_row_opens_nothing_and_more_do(model: GenericModel) -> None:
    values = machine(600, 5, 7)
    values[300] += 40
    told = judged(model, values)
    wild = values.copy()
    wild[301:306] += 40
    assert judged(model, wild).anomalous[302:308].any()
    assert not told.anomalous.any()


def test_missing_points_are_left_out_and_rows_without_any_have_no_score(model: GenericModel) -> None:
    values = machine(1000, 5, 9)
    values[200:, 3] = np.nan
    values[600:800] = np.nan
    told = judged(model, values)
    assert not told.anomalous.any()
    assert (told.shares[280:, 3] == 0).all()
    assert np.isnan(told.score[700:800]).all()
    assert np.isfinite(told.score[:600]).all()


@pytest.mark.parametrize(("interval_ms", "points"), [(300_000, 4), (60_000, 1), (900_000, 12)])
def test_healthy_units_open_no_more_episodes_than_they_are_allowed(interval_ms: int, points: int) -> None:
    week = 7 * 86_400_000 // interval_ms
    count, weeks, found = (8, 3, 0) if week < 5000 else (4, 1, 0)
    rows = week
    for unit in range(count):
        values = machine(rows * (weeks + 1), points, 100 + unit)
        model = fit(values[:rows], times(rows, interval_ms))
        found += episodes(judged(model, values[rows:], times(rows * weeks, interval_ms)))
    unit_weeks = count * weeks * rows / week
    assert found / unit_weeks <= 0.25 + 2 * np.sqrt(0.25 / unit_weeks)


def test_the_centre_follows_a_season_and_the_budget_is_kept() -> None:
    week = 2016
    values = machine(9 * week, 4, 5)
    values[:, 1] += np.linspace(0, 4, len(values))
    at_ms = times(len(values), 300_000)
    following = judged(fit(values[:week], at_ms[:week]), values[week:], at_ms[week:])
    fixed = fit(values[:week], at_ms[:week], GenericSettings(memory_days=0, raise_step=0))
    standing = judged(fixed, values[week:], at_ms[week:])
    assert following.anomalous.mean() < 0.02 < 0.1 < standing.anomalous.mean()


def test_after_a_gap_nothing_from_before_it_is_carried_over(model: GenericModel) -> None:
    values = machine(400, 5, 11)
    values[100:200] += 30
    at_ms = times(400)
    at_ms[200:] += 86_400_000
    told = judged(model, values, at_ms)
    assert told.anomalous[150]
    # Until the first block ends, with whose end the centre moves.
    anew = judged(model, values[200:], at_ms[200:])
    np.testing.assert_array_equal(told.score[200 : model.block_rows], anew.score[: model.block_rows - 200])


def test_points_that_stand_still_or_are_hardly_seen_are_not_used() -> None:
    values = machine(600, 4, 1)
    values[:, 1] = 7.0
    values[: 600 - 60, 2] = np.nan
    model = fit(values, times(600))
    np.testing.assert_array_equal(model.used, [0, 3])
    values[:, 1] = -100.0
    assert not judged(model, values).anomalous.any()


def test_a_hundred_points_that_say_the_same_are_no_trouble() -> None:
    values = np.repeat(machine(400, 2, 1), 60, axis=1) + np.random.default_rng(1).normal(0, 1e-9, (400, 120))
    told = judged(fit(values, times(400)), values)
    assert np.isfinite(told.score).all()
    assert not told.anomalous.any()


def test_times_that_stand_still_or_go_back_are_taken_for_the_next_row(model: GenericModel) -> None:
    values = machine(300, 5, 12)
    at_ms = times(300)
    at_ms[100:] -= 3_300_000
    np.testing.assert_array_equal(judged(model, values, at_ms).score, judged(model, values).score)


@pytest.mark.parametrize(
    ("values", "at_ms", "said"),
    [
        (machine(100, 3, 1), times(100), "100 rows with a value, expected 200 or more"),
        (np.full((500, 3), np.nan), times(500), "0 rows with a value"),
        (np.full((500, 3), 4.0), times(500), "none of 3 points is there and moves in 500 rows"),
        (machine(500, 3, 1), np.zeros(500, np.int64), "all rows have one time"),
        (machine(500, 3, 1), times(499), "499 times for 500 rows"),
        (np.zeros((500, 257)), times(500), "expected .n, C. with C from 1 to 256"),
        (np.zeros((500, 0)), times(500), "expected .n, C. with C from 1 to 256"),
    ],
)
def test_data_that_teaches_nothing_is_refused_in_words(values: Doubles, at_ms: Millis, said: str) -> None:
    with pytest.raises(GenericError, match=said):
        fit(values, at_ms)


def test_rows_with_other_points_than_the_model_are_refused(model: GenericModel) -> None:
    with pytest.raises(GenericError, match=r"values of shape \(10, 4\) with 10 times, expected \(n, 5\)"):
        score(model, fresh(model), np.zeros((10, 4)), times(10))


def test_no_rows_give_no_scores(model: GenericModel) -> None:
    told = score(model, fresh(model), np.zeros((0, 5)), times(0))
    assert told.score.shape == (0,)
    assert told.shares.shape == (0, 5)


def test_the_sample_is_the_defaults_and_shows_every_key() -> None:
    assert load(SAMPLE, GenericSettings) == GenericSettings()
    shown = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))
    assert set(shown) == set(msgspec.to_builtins(GenericSettings()))
