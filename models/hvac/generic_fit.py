"""Learns what is normal for one unit from its own first rows, and how far its own held-back rows stray from that.

Distances that set the alarm level come from rows that were held back: training is cut into contiguous folds, each judged by
what the others (less a margin of one span) teach. So slow drift within training counts as what it is.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from models.hvac import alert_budget
from models.hvac.alert_budget import WEEK_SECONDS
from models.hvac.generic_model import (
    POINTS_MAX,
    Bools,
    Doubles,
    GenericError,
    GenericModel,
    GenericSettings,
    Millis,
    Rows,
)
from models.hvac.generic_score import distances, running_means, steps_from_centre, without_spikes

_BLOCK_ROWS_MIN, _BLOCK_ROWS_MAX, _BLOCKS = 10, 512, 8
_EIGENVALUE_MIN = 1e-3  # of the mean variance
_TENTHS_APART = 2.563  # standard deviations between the first and the last tenth of normal values


def fit(values: Doubles, measured_at_ms: Millis, settings: GenericSettings | None = None) -> GenericModel:
    """Learn a unit's normal behaviour.

    Args:
        values: Shape (n, C), NaN where a point is missing; C from 1 to 256.
        measured_at_ms: Shape (n,), in order.
        settings: The same for every unit, unless you know better.

    Raises:
        GenericError: too few rows or points, or no point that moves.
    """
    settings = settings or GenericSettings()
    values = np.array(values, dtype=np.float64)
    values[np.isinf(values)] = np.nan
    interval_ms = _check(values, measured_at_ms, settings)
    centre, scale, used = _scales(values, settings)
    if not len(used):
        raise GenericError(
            f"generic fit: none of {values.shape[1]} points is there and moves in {len(values)} rows; "
            "train on rows in which the equipment runs"
        )
    n = len(values)
    longest = max(1, n // settings.blocks_min)
    spans = np.unique(np.minimum(np.array(settings.spans, dtype=np.int64), longest))
    steps = steps_from_centre(values[:, used], centre, scale)
    begins = np.zeros(n, bool)
    begins[1:] = np.diff(measured_at_ms) > settings.gap_rows * interval_ms
    steps = without_spikes(steps, np.full((2, len(used)), np.nan), begins)
    level, age = np.zeros((len(spans), len(used))), np.full(len(used), np.inf)
    means, ages = running_means(steps, spans, level, age, begins)
    block_rows = int(max(spans[-1], _BLOCK_ROWS_MIN, min(n // _BLOCKS, _BLOCK_ROWS_MAX)))
    memory_blocks = settings.memory_days * 86_400_000 / (block_rows * interval_ms)
    blocks_per_week = WEEK_SECONDS * 1000 / (block_rows * interval_ms)
    models = [_normal(means[:, s], ages >= spans[s], int(spans[s]), settings) for s in range(len(spans))]
    budget = np.zeros((len(spans), alert_budget.COLUMNS))
    for s, span in enumerate(spans):
        held = _held_back(means[:, s], ages >= span, int(span), settings)
        fine_rows = max(int(span), _BLOCK_ROWS_MIN)
        maxima = alert_budget.block_maxima(held, fine_rows)
        if len(maxima) < 2:
            raise GenericError(
                f"generic fit: {len(maxima)} blocks of {fine_rows} rows can be judged, expected 2 or more; "
                "train on rows with fewer missing values"
            )
        prior = alert_budget.of_longer_blocks(alert_budget.prior_of(maxima), block_rows / fine_rows)
        # The level moves as slowly as what is normal does: training weighs as much as the memory does.
        budget[s] = alert_budget.fresh(1, prior, max(len(maxima), memory_blocks))[0]
    return GenericModel(
        settings=settings,
        interval_ms=interval_ms,
        rows=n,
        points=values.shape[1],
        used=used,
        centre=centre,
        scale=scale,
        spans=spans,
        mean=np.stack([mean for mean, _ in models]),
        covariance=np.stack([covariance for _, covariance in models]),
        block_rows=block_rows,
        budget=budget,
        returns_after_blocks=blocks_per_week * len(spans) / settings.false_episodes_per_unit_week,
    )


def _check(values: Doubles, measured_at_ms: Millis, settings: GenericSettings) -> int:
    """Interval in milliseconds of rows that can be learned from."""
    if values.ndim != 2 or not 1 <= values.shape[1] <= POINTS_MAX:
        raise GenericError(
            f"generic fit: values of shape {values.shape}, expected (n, C) with C from 1 to {POINTS_MAX}"
        )
    if len(measured_at_ms) != len(values):
        raise GenericError(f"generic fit: {len(measured_at_ms)} times for {len(values)} rows, expected as many")
    there = int((~np.isnan(values)).any(axis=1).sum())
    if there < settings.rows_min:
        raise GenericError(
            f"generic fit: {there} rows with a value, expected {settings.rows_min} or more; train on more of the "
            "unit's first days"
        )
    gaps = np.diff(measured_at_ms)
    gaps = gaps[gaps > 0]
    if not len(gaps):
        raise GenericError("generic fit: all rows have one time, expected times in order; check the time column")
    return int(np.median(gaps))


def _scales(values: Doubles, settings: GenericSettings) -> tuple[Doubles, Doubles, Rows]:
    """Robust centre (K,) and scale (K,) of the points that can be used, and which those are (K,)."""
    seen = ~np.isnan(values)
    used, centres, scales = [], [], []
    for point in np.flatnonzero(seen.mean(axis=0) >= settings.present_fraction_min):
        column = values[seen[:, point], point]
        centre = float(np.median(column))
        low, high = np.percentile(column, [10, 90])
        # Half the plain deviation is the floor: what hardly ever moves is not made to move all the time.
        width = max(float(high - low) / _TENTHS_APART, 0.5 * float(np.std(column)))
        if width > 1e-9 * max(1.0, abs(centre)):
            used.append(point)
            centres.append(centre)
            scales.append(width)
    return np.array(centres), np.array(scales), np.array(used, dtype=np.intp)


def _normal(means: Doubles, missing: Bools, span: int, settings: GenericSettings) -> tuple[Doubles, Doubles]:
    """Mean (K,) and regularised covariance (K, K) of running means."""
    seen = (~missing).astype(np.float64)
    filled = np.where(missing, 0.0, means)
    mean = filled.sum(axis=0) / np.maximum(seen.sum(axis=0), 1.0)
    away = (filled - mean) * seen
    pairs = seen.T @ seen
    covariance = (away.T @ away) / np.maximum(pairs - 1.0, 1.0)
    variance = np.diag(covariance).copy()
    covariance = (1.0 - settings.shrink_fraction) * covariance
    np.fill_diagonal(covariance, variance + ridge(variance, span, settings))
    return mean, _positive(covariance)


def ridge(variance: Doubles, span: int, settings: GenericSettings) -> Doubles:
    """What is added to the variances (K,) of running means, so that no direction is taken for certain."""
    # A running mean of white noise has about this variance; less is luck or rounding.
    return settings.ridge_fraction * np.maximum(variance, 1.0 / (2.0 * span))


def _positive(covariance: Doubles) -> Doubles:
    """Nearest usable covariance: pairwise counts of missing points may leave slightly negative directions."""
    values, vectors = np.linalg.eigh(covariance)
    floor = _EIGENVALUE_MIN * float(np.mean(np.diag(covariance)))
    if values[0] >= floor:
        return covariance
    nearest: Doubles = (vectors * np.maximum(values, floor)) @ vectors.T
    return (nearest + nearest.T) / 2


def _held_back(means: Doubles, missing: Bools, span: int, settings: GenericSettings) -> Doubles:
    """Squared distance of every training row from what the other folds teach, (n,), NaN where nothing was seen."""
    n = len(means)
    edges = np.linspace(0, n, settings.folds + 1).astype(np.intp)
    held: npt.NDArray[np.float64] = np.full(n, np.nan)
    for begin, end in pairwise(edges):
        others = np.ones(n, bool)
        others[max(0, begin - span) : end + span] = False
        mean, covariance = _normal(means[others], missing[others], span, settings)
        away = np.where(missing[begin:end], 0.0, means[begin:end] - mean)
        held[begin:end], _ = distances(covariance, away, missing[begin:end], {})
    return held
