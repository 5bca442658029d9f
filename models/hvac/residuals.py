"""What the other sensors say of each one, and whether a single wrong sensor would explain all that is odd.

    a wrong sensor       its own relation breaks; put there what the others say, and everything fits again
    a faulty machine     several relations break, and no single reading can be put right so that all fit

Each point is related to all others by a quadratic ridge regression, learned on healthy rows: the physics of the plant, as
far as its sensors show it, without a model of it. A residual is measured in healthy errors, those of operating conditions
that the regression did not see, so that an unknown condition is not taken for a fault. Leave out what is computed from
other points (superheat, a saturation temperature): it would explain its own source, wrong as that may be; and setpoints,
for what a control loop holds. Needs numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.hvac.points import Bools, Floats, Ints

Doubles = npt.NDArray[np.float64]
RIDGES: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)
# Faulty plants go where no healthy one was; squares of more than this would say nothing but that.
_SPREADS_MAX = 8.0
_SPREAD_MIN = 1e-6
# No sensor is better than this share of its healthy spread.
_ERROR_MIN = 1e-3
_RESIDUAL_MAX = 1e4


@dataclass(frozen=True, slots=True)
class Relations:
    """Of C judged points and X that are only read. Terms of the regressions: V = C + X points, and their products."""

    points: tuple[str, ...]
    context: tuple[str, ...]
    mean: Doubles  # (V,)
    spread: Doubles  # (V,)
    center: Doubles  # of the terms, (F,)
    weights: Doubles  # (F, C), 0 where a term holds the point itself
    shift: Doubles  # (C,)
    error: Doubles  # of healthy rows in conditions not seen, in spreads, (C,)

    @property
    def columns(self) -> tuple[str, ...]:
        """What `judge` wants, in order."""
        return self.points + self.context


@dataclass(frozen=True, slots=True)
class Pattern:
    """Of n rows: how each point strays from what the others say. NaN in a row makes all of it NaN."""

    residual: Floats  # (n, C), in healthy errors, signed
    correction: Floats  # (n, C), what would have to be taken off the reading, in its unit
    unexplained: Floats  # (n,), root mean square of the residuals; about 1 in health
    unexplained_without: Floats  # (n, C), the same once that point is put right

    def features(self) -> Floats:
        """For a classifier, shape (n, 4 C + 1): residuals and what is left on logarithmic scales, and the corrections."""
        total = self.unexplained[:, None]
        return np.concatenate(
            [
                np.arcsinh(self.residual),
                self.correction,
                np.log1p(self.unexplained_without),
                np.log((1 + self.unexplained_without) / (1 + total)),
                np.log1p(total),
            ],
            axis=1,
        ).astype(np.float32)


def learn(
    healthy: npt.ArrayLike,
    condition: npt.ArrayLike,
    points: Sequence[str],
    context: Sequence[str] = (),
    ridges: Sequence[float] = RIDGES,
) -> Relations:
    """Relations between points, from healthy rows.

    Args:
        healthy: Values in the order of `points`, then `context`; shape (n, V).
        condition: Which operating condition (or day, or run) a row belongs to, shape (n,): whole conditions are left out
            in turn to measure the errors and to choose the ridge of each point.
        points: What is judged.
        context: What is believed and only read, such as the weather.
        ridges: To choose from.

    Raises:
        ValueError: fewer than two conditions without a gap.
    """
    values = np.asarray(healthy, dtype=np.float64)
    groups = np.asarray(condition)
    whole = np.isfinite(values).all(axis=1)
    values, groups = values[whole], groups[whole]
    count = len(np.unique(groups))
    if count < 2:
        raise ValueError(
            f"relations of {len(points)} points: healthy rows without a gap come from {count} operating conditions,"
            " expected 2 or more; record a longer healthy stretch, or leave out points that are missing"
        )
    mean, spread = values.mean(axis=0), np.maximum(values.std(axis=0), _SPREAD_MIN)
    scaled = (values - mean) / spread
    terms, own = _terms(scaled), _holds(scaled.shape[1])
    judged = len(points)
    weights, error = np.zeros((terms.shape[1], judged)), np.zeros(judged)
    center, shift = terms.mean(axis=0), scaled[:, :judged].mean(axis=0)
    for point in range(judged):
        usable = ~own[:, point]
        apart = [_apart(terms[:, usable], scaled[:, point], groups, ridge) for ridge in ridges]
        best = int(np.argmin(apart))
        error[point] = max(apart[best], _ERROR_MIN)
        weights[usable, point] = _ridge(
            terms[:, usable] - center[usable], scaled[:, point] - shift[point], ridges[best]
        )
    return Relations(tuple(points), tuple(context), mean, spread, center, weights, shift, error)


def judge(relations: Relations, values: npt.ArrayLike) -> Pattern:
    """How rows stray from the relations.

    Args:
        relations: Learned on healthy rows of this unit, or of units like it.
        values: In the order of `relations.columns`, shape (n, V); NaN where missing.

    Raises:
        ValueError: another number of columns.
    """
    rows = np.asarray(values, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(relations.columns):
        raise ValueError(f"rows of shape {rows.shape}, expected (n, {len(relations.columns)}): {relations.columns}")
    judged = len(relations.points)
    scaled = np.clip((rows - relations.mean) / relations.spread, -_SPREADS_MAX, _SPREADS_MAX)
    expected = _expected(relations, scaled)
    apart = scaled[:, :judged] - expected
    residual = _in_errors(relations, apart)
    without = np.empty_like(residual)
    for point in range(judged):
        right = scaled.copy()
        right[:, point] = expected[:, point]
        without[:, point] = _root_mean_square(_in_errors(relations, right[:, :judged] - _expected(relations, right)))
    return Pattern(
        residual.astype(np.float32),
        (apart * relations.spread[:judged]).astype(np.float32),
        _root_mean_square(residual).astype(np.float32),
        without.astype(np.float32),
    )


def suspect_sensor(pattern: Pattern, odd: float = 3.0, left_max: float = 4.0, share_left_max: float = 0.25) -> Ints:
    """The one sensor whose error would explain a row, without any fault to learn from.

    A sensor within a control loop is not found so: the loop moves the whole plant to where that sensor reads its setpoint,
    and nothing of the plant is healthy there. Those need a classifier on `Pattern.features`.

    Args:
        pattern: Of n rows.
        odd: Unexplained healthy errors from which a row is odd at all.
        left_max: Unexplained healthy errors that may be left once the sensor is put right.
        share_left_max: The same as a share of what was unexplained.

    Returns:
        Shape (n,): its index; -1 where nothing is odd (or a point is missing), -2 where it takes more than one: equipment.
    """
    left = np.nan_to_num(pattern.unexplained_without, nan=np.inf)
    best = left.argmin(axis=1)
    least = left[np.arange(len(left)), best]
    total = np.nan_to_num(pattern.unexplained, nan=0.0)
    alone = least <= np.minimum(share_left_max * total, left_max)
    return np.where(total < odd, -1, np.where(alone, best, -2)).astype(np.int64)


def _terms(scaled: Doubles) -> Doubles:
    """Points and their products, shape (n, F)."""
    first, second = np.triu_indices(scaled.shape[1])
    return np.concatenate([scaled, scaled[:, first] * scaled[:, second]], axis=1)


def _holds(count: int) -> Bools:
    """Whether a term holds a point, shape (F, V)."""
    first, second = np.triu_indices(count)
    point = np.arange(count)
    return np.concatenate([np.eye(count, dtype=bool), (first[:, None] == point) | (second[:, None] == point)])


def _ridge(terms: Doubles, target: Doubles, ridge: float) -> Doubles:
    curvature = terms.T @ terms / len(terms) + ridge * np.eye(terms.shape[1])
    return np.asarray(np.linalg.solve(curvature, terms.T @ target / len(terms)), dtype=np.float64)


def _apart(terms: Doubles, target: Doubles, groups: npt.NDArray[np.generic], ridge: float) -> float:
    """Root mean square error of conditions that were left out, each weighing the same."""
    squares = []
    for group in np.unique(groups):
        out = groups == group
        center, shift = terms[~out].mean(axis=0), target[~out].mean()
        weights = _ridge(terms[~out] - center, target[~out] - shift, ridge)
        squares.append(np.mean((target[out] - shift - (terms[out] - center) @ weights) ** 2))
    return float(np.sqrt(np.mean(squares)))


def _expected(relations: Relations, scaled: Doubles) -> Doubles:
    # A missing point is multiplied by 0 in its own relation, which leaves NaN: all of such a row is.
    return np.asarray(relations.shift + (_terms(scaled) - relations.center) @ relations.weights, dtype=np.float64)


def _in_errors(relations: Relations, apart: Doubles) -> Doubles:
    return np.clip(apart / relations.error, -_RESIDUAL_MAX, _RESIDUAL_MAX)


def _root_mean_square(residual: Doubles) -> Doubles:
    return np.asarray(np.sqrt(np.square(residual).mean(axis=1)), dtype=np.float64)
