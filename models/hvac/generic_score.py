"""Scores of rows, in order, at whatever cadence: causal, and equal to the bit however the rows are cut into calls."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.hvac import alert_budget, generic_learn
from models.hvac.alert_budget import LAST_OPEN_AT_MS
from models.hvac.generic_model import (
    STEPS_MAX,
    Bools,
    Doubles,
    GenericError,
    GenericModel,
    GenericState,
    Millis,
    Rows,
    Scores,
)

_PATTERNS_MAX = 64
_REASONS_FROM = 0.5


def score(model: GenericModel, state: GenericState, values: Doubles, measured_at_ms: Millis) -> Scores:
    """Judge rows that follow those that `state` has seen; works on `state`.

    Args:
        values: Shape (n, C), NaN where a point is missing.
        measured_at_ms: Shape (n,); a step back in time is taken for the next row.

    Raises:
        GenericError: another number of points than the model's.
    """
    values = np.asarray(values, dtype=np.float64)
    points = model.points
    if values.ndim != 2 or values.shape[1] != points or len(measured_at_ms) != len(values):
        raise GenericError(
            f"generic scores: values of shape {values.shape} with {len(measured_at_ms)} times, expected (n, {points}) "
            "with n times; give the points that the model was fitted to"
        )
    n = len(values)
    out = Scores(np.full(n, np.nan, np.float32), np.zeros(n, bool), np.zeros((n, points), np.float32))
    steps = steps_from_centre(values[:, model.used], model.centre, model.scale)
    begins = _begins_anew(state, model, measured_at_ms)
    steps = without_spikes(steps, state.before, begins)
    start = 0
    while start < n:
        end = min(n, start + model.block_rows - state.block_row)
        _score_block(model, state, steps[start:end], begins[start:end], measured_at_ms[start:end], out, start)
        start = end
    return out


def steps_from_centre(values: Doubles, centre: Doubles, scale: Doubles) -> Doubles:
    """Values (n, K) as clipped steps of their scale from their centre, NaN where missing (infinite values are)."""
    steps: Doubles = np.clip((values - centre) / scale, -STEPS_MAX, STEPS_MAX)
    return np.where(np.isfinite(values), steps, np.nan)


def without_spikes(steps: Doubles, before: Doubles, begins: Bools) -> Doubles:
    """Median of each step and the two rows before it: a single wild row, as a bad transfer makes them, is gone.

    Works on `before` (2, K), the last two rows, which carry over. A row before that is missing, or lies before a beginning,
    is no other opinion: the step stands.
    """
    rows = np.concatenate([before, steps])
    second, first = rows[:-2].copy(), rows[1:-1].copy()
    first[begins] = np.nan
    second[begins] = np.nan
    second[1:][begins[:-1]] = np.nan
    before[:] = rows[-2:]
    if len(begins) and begins[-1]:
        before[0] = np.nan
    alone = np.isnan(first) | np.isnan(second)
    first, second = np.where(alone, steps, first), np.where(alone, steps, second)
    median: Doubles = np.maximum(np.minimum(first, second), np.minimum(np.maximum(first, second), steps))
    return median


def running_means(
    steps: Doubles, spans: npt.NDArray[np.int64], level: Doubles, age_rows: Doubles, begins: Bools
) -> tuple[Doubles, Doubles]:
    """Exponential running means of each span, held where a point is missing, and rows since each point was seen.

    Works on `level` (S, K) and `age_rows` (K,), which carry over to the next rows.

    Args:
        steps: Shape (n, K).
        begins: Shape (n,): all that was before this row is forgotten.

    Returns:
        Means (n, S, K) and ages (n, K).
    """
    seen = ~np.isnan(steps)
    gains = (1.0 / spans)[:, None]
    pushes = np.where(seen, steps, 0.0)[:, None, :] * gains
    keep = np.broadcast_to(1.0 - gains, level.shape)
    means = np.empty((len(steps), *level.shape))
    now = level
    if seen.all() and not begins.any():
        for mean, push in zip(means, pushes, strict=True):
            np.multiply(now, keep, out=mean)
            np.add(mean, push, out=mean)
            now = mean
    else:
        keeps = np.where(seen[:, None, :], keep, 1.0)
        keeps[begins] = 0.0
        for mean, push, kept in zip(means, pushes, keeps, strict=True):
            np.multiply(now, kept, out=mean)
            np.add(mean, push, out=mean)
            now = mean
    level[:] = now
    ages = _ages(seen, age_rows, begins)
    age_rows[:] = ages[-1]
    return means, ages


def distances(
    covariance: Doubles, away: Doubles, missing: Bools, cache: dict[bytes, Doubles], name: bytes = b""
) -> tuple[Doubles, list[tuple[Rows, Doubles]]]:
    """Squared Mahalanobis distance of each row over the points that are there, (n,), NaN where none is.

    Args:
        covariance: Shape (K, K).
        away: Shape (n, K), 0 where missing.
        missing: Shape (n, K).
        cache: Keeps whitenings by `name` and pattern of missing points.

    Returns:
        The distances; and the whitening of each pattern of missing points, with its rows.
    """
    squared = np.full(len(away), np.nan)
    groups: list[tuple[Rows, Doubles]] = []
    for rows, pattern in _patterns(missing):
        if pattern.all():
            continue
        white = _whitening(covariance, pattern, cache, name)
        squared[rows] = (_times(away[rows], white) ** 2).sum(axis=1)
        groups.append((rows, white))
    return squared, groups


def _score_block(
    model: GenericModel,
    state: GenericState,
    steps: Doubles,
    begins: Bools,
    measured_at_ms: Millis,
    out: Scores,
    start: int,
) -> None:
    n = len(steps)
    rows = slice(start, start + n)
    means, ages = running_means(steps, model.spans, state.level, state.age_rows, begins)
    # Distances are squared, and so is the factor by which their level is raised.
    levels = (
        alert_budget.levels_after(state.budget, model.returns_after_blocks) * alert_budget.raised(state.budget) ** 2
    )
    missing = ages[:, None, :] >= model.spans[:, None]
    away = np.where(missing, 0.0, means - state.mean)
    squares = np.empty((n, len(model.spans)))
    whites = []
    for span in range(len(model.spans)):
        squares[:, span], groups = distances(
            model.covariance[span], away[:, span], missing[:, span], model.whitening, bytes([span])
        )
        whites.append(groups)
    parts = squares / levels
    judged = ~np.isnan(parts).all(axis=1)
    worst = np.where(np.isnan(parts), -1.0, parts)
    score = np.where(judged, np.sqrt(np.maximum(worst.max(axis=1), 0.0)), np.nan).astype(np.float32)
    out.score[rows] = score
    shares = np.zeros((n, len(model.used)), np.float32)
    _reasons(shares, away, worst.argmax(axis=1), score, whites)
    out.shares[rows, model.used] = shares
    _latch(model, state, score, out.anomalous[rows])
    opened = np.flatnonzero(out.anomalous[rows])
    if len(opened):
        state.budget[:, LAST_OPEN_AT_MS] = measured_at_ms[opened[-1]]
    state.measured_at_ms = int(measured_at_ms[-1])
    generic_learn.take(state, away, missing, squares, ~out.anomalous[rows] & (score < 1.0))
    state.block_row += n
    if state.block_row == model.block_rows:
        generic_learn.end_block(model, state)


def _reasons(
    shares: npt.NDArray[np.float32],
    away: Doubles,
    leading: Rows,
    score: npt.NDArray[np.float32],
    whites: list[list[tuple[Rows, Doubles]]],
) -> None:
    """Share of each point in the leading span's distance: by how much it would fall if the point were not known."""
    telling = score >= _REASONS_FROM
    if not telling.any():
        return
    for span, groups in enumerate(whites):
        for rows, white in groups:
            chosen = rows[telling[rows] & (leading[rows] == span)]
            if not len(chosen):
                continue
            precision = _times(_times(away[chosen, span], white), np.ascontiguousarray(white.T))
            own = np.maximum((white**2).sum(axis=1), 1e-300)  # diagonal of the precision
            falls = precision**2 / own
            shares[chosen] = falls / np.maximum(falls.sum(axis=1, keepdims=True), 1e-300)


def _latch(model: GenericModel, state: GenericState, score: npt.NDArray[np.float32], anomalous: Bools) -> None:
    """Opens after `open_rows` at the alarm level, clears after `clear_rows` below; rows without a score change nothing."""
    settings = model.settings
    if not state.anomalous and state.over_rows == 0 and not (score >= 1.0).any():
        return
    for row, value in enumerate(score.tolist()):
        if value >= 1.0:
            state.over_rows += 1
        elif value < 1.0:
            state.over_rows = 0
        if value < settings.clear_score:
            state.under_rows += 1
        elif value >= settings.clear_score:
            state.under_rows = 0
        if not state.anomalous and state.over_rows >= settings.open_rows:
            state.anomalous = True
        elif state.anomalous and state.under_rows >= settings.clear_rows:
            state.anomalous = False
        anomalous[row] = state.anomalous


def _begins_anew(state: GenericState, model: GenericModel, measured_at_ms: Millis) -> Bools:
    """Rows after a gap that is too long to carry running means over; the very first row too."""
    if not len(measured_at_ms):
        return np.zeros(0, bool)
    before = np.concatenate([[state.measured_at_ms], measured_at_ms[:-1]])
    begins: Bools = (measured_at_ms - before > model.settings.gap_rows * model.interval_ms) & (before >= 0)
    return begins


def _ages(seen: Bools, age_rows: Doubles, begins: Bools) -> Doubles:
    """Rows since each point was last seen, (n, K), infinite where it was not since the last beginning."""
    rows = np.arange(len(seen), dtype=np.float64)[:, None]
    last_seen = np.where(seen, rows, -np.inf)
    last_seen[0] = np.where(seen[0], 0.0, -1.0 - age_rows)
    last_seen = np.maximum.accumulate(last_seen, axis=0)
    began = np.maximum.accumulate(np.where(begins, rows[:, 0], -np.inf))[:, None]
    return np.where(last_seen >= began, rows - last_seen, np.inf)


def _patterns(missing: Bools) -> list[tuple[Rows, Bools]]:
    """Rows by pattern of missing points."""
    if (missing == missing[0]).all():
        return [(np.arange(len(missing)), missing[0])]
    packed = np.packbits(missing, axis=1)
    _, first, which = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return [(np.flatnonzero(which.ravel() == group), missing[row]) for group, row in enumerate(first)]


def _whitening(covariance: Doubles, pattern: Bools, cache: dict[bytes, Doubles], name: bytes) -> Doubles:
    """W with |away @ W| the distance over the points that are there, zero rows for the missing, shape (K, K)."""
    key = name + np.packbits(pattern).tobytes()
    white = cache.get(key)
    if white is None:
        there = np.flatnonzero(~pattern)
        lower = np.linalg.cholesky(covariance[np.ix_(there, there)])
        white = np.zeros(covariance.shape)
        white[np.ix_(there, np.arange(len(there)))] = np.linalg.inv(lower).T
        if len(cache) >= _PATTERNS_MAX:
            cache.clear()
        cache[key] = white
    return white


def _times(rows: Doubles, matrix: Doubles) -> Doubles:
    """rows @ matrix, added up point by point, so that a row comes out equal alone and among others (BLAS differs)."""
    if len(rows) == 1:
        return np.asarray((rows[0][:, None] * matrix).sum(axis=0)[None, :])
    total: Doubles = rows[:, :1] * matrix[0]
    part = np.empty_like(total)
    for point in range(1, len(matrix)):
        np.multiply(rows[:, point : point + 1], matrix[point], out=part)
        total += part
    return total
