"""Remaining life from discrete-time hazards: survival, probabilities at horizons, expected life and an interval of it.

    0 ──h0── e0 ──h1── e1 ── … ──hK-1── eK-1      h: probability that who works at the start of an interval fails in it

Within an interval failures are taken to be spread evenly, so curves are straight between the ends. Nothing is said of
times beyond the last end: a mean is restricted to it, and a quantile beyond it is infinite. Times have whatever unit the
ends have (hours, cycles). Needs numpy only; `models.hvac.survival_train` fits the models that give the logits.

Calibration, on units that the fit has not seen: Platt's two parameters for the hazards (`fit_platt`), and for intervals
the levels at which lives really ended (`fit_levels`): where a life ends on its own predicted distribution, F(T), is
uniform for a calibrated model. Its distribution is estimated by Kaplan and Meier, so that lives cut short count too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from models.hvac.points import Bools, Floats, Ints

Doubles = npt.NDArray[np.float64]
_LOGIT_MAX = 30.0
_NEWTON_STEPS = 25
_RIDGE = 1e-6
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Platt:
    """Calibrated logit = scale x logit + shift."""

    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True, slots=True)
class Curves:
    """Of n units: `starts` (K + 1,), 0 and the ends of the intervals; `survival` (n, K + 1) there, 1 at first."""

    starts: Doubles
    survival: Doubles

    def failing_within(self, horizons: npt.ArrayLike) -> Floats:
        """Probability of a failure within each horizon.

        Args:
            horizons: Shape (H,), each at most the last end.

        Returns:
            Shape (n, H).

        Raises:
            ValueError: a horizon lies beyond the last end, or below 0.
        """
        wanted = np.atleast_1d(np.asarray(horizons, dtype=np.float64))
        after, share = _between(tuple(self.starts.tolist()), tuple(wanted.tolist()))
        alive = self.survival[:, after - 1] * (1 - share) + self.survival[:, after] * share
        return np.asarray(1 - alive, dtype=np.float32)

    def dying_before(self, life: npt.ArrayLike) -> Doubles:
        """F(T) of each unit's own time, shape (n,); times beyond the last end count as the last end."""
        at = np.clip(np.asarray(life, dtype=np.float64), 0, self.starts[-1])
        after = np.clip(np.searchsorted(self.starts, at, side="left"), 1, len(self.starts) - 1)
        rows = np.arange(len(at))
        share = (at - self.starts[after - 1]) / (self.starts[after] - self.starts[after - 1])
        alive = self.survival[rows, after - 1] * (1 - share) + self.survival[rows, after] * share
        return np.asarray(1 - alive, dtype=np.float64)

    def mean(self) -> Floats:
        """Expected remaining life, restricted to the last end: E[min(T, end)], shape (n,)."""
        height = (self.survival[:, :-1] + self.survival[:, 1:]) / 2
        return np.asarray(height @ np.diff(self.starts), dtype=np.float32)

    def quantile(self, level: float) -> Floats:
        """Time by which a unit has failed with this probability, shape (n,); infinite beyond the last end."""
        return np.asarray(self.quantiles((level,))[0])

    def quantiles(self, levels: Sequence[float]) -> Floats:
        """The same for several probabilities at once, shape (levels, n)."""
        target = 1 - np.array(levels, dtype=np.float64)[:, None]
        at = (self.survival > target[:, :, None]).sum(axis=2)
        at = np.minimum(np.maximum(at, 1), len(self.starts) - 1)
        rows = np.arange(len(self.survival))
        before, after = self.survival[rows, at - 1], self.survival[rows, at]
        share = np.minimum(np.maximum((before - target) / np.maximum(before - after, _TINY), 0), 1)
        since = self.starts[at - 1]
        time = since + share * (self.starts[at] - since)
        return np.where(self.survival[:, -1] > target, np.inf, time).astype(np.float32)

    def interval(self, levels: tuple[float, float]) -> tuple[Floats, Floats]:
        """Bounds of the remaining life at two levels (see `fit_levels`), shape (n,) each; the upper may be infinite."""
        low, high = self.quantiles(levels)
        return low, high


@lru_cache(maxsize=64)
def _between(starts: tuple[float, ...], wanted: tuple[float, ...]) -> tuple[npt.NDArray[np.intp], Doubles]:
    """For each wanted time the place of the end after it, and the share of that interval that has passed by then.

    Raises:
        ValueError: a time lies beyond the last end, or below 0.
    """
    ends, times = np.array(starts), np.array(wanted)
    if times.size and not (times.min() >= 0 and times.max() <= ends[-1]):
        raise ValueError(
            f"horizons {times.min():g} to {times.max():g}, expected 0 to {ends[-1]:g}, where the hazards end"
        )
    after = np.clip(np.searchsorted(ends, times, side="left"), 1, len(ends) - 1)
    return after, (times - ends[after - 1]) / (ends[after] - ends[after - 1])


@lru_cache(maxsize=64)
def _starts(ends: tuple[float, ...]) -> Doubles:
    """0 and the ends; empty if these do not rise from above 0."""
    starts = np.array((0.0, *ends))
    starts.flags.writeable = False
    return starts if (np.diff(starts) > 0).all() else starts[:0]


def curves(logits: Floats, ends: npt.ArrayLike, platt: Platt | None = None) -> Curves:
    """Survival from hazards.

    Args:
        logits: Of the hazards, shape (n, K).
        ends: Of the intervals, rising, above 0, shape (K,).
        platt: How the logits are calibrated.

    Raises:
        ValueError: the ends do not rise, or are not as many as the hazards.
    """
    until: tuple[float, ...] = tuple(np.asarray(ends, dtype=np.float64).tolist())
    starts = _starts(until)
    if logits.ndim != 2 or logits.shape[1] != len(starts) - 1:
        raise ValueError(
            f"hazards of shape {logits.shape} for {len(until)} intervals, expected (n, {len(until)})"
            " and ends that rise from above 0"
        )
    scaled = logits.astype(np.float64)
    if platt is not None:
        scaled = platt.scale * scaled + platt.shift
    scaled = np.minimum(np.maximum(scaled, -_LOGIT_MAX), _LOGIT_MAX)
    log = np.zeros((len(logits), len(starts)))
    np.negative(np.add.accumulate(np.logaddexp(0, scaled), axis=1), out=log[:, 1:])
    return Curves(starts, np.exp(log))


def intervals(left: Floats, recorded: Floats, failed: Bools, ends: npt.ArrayLike) -> tuple[Floats, Floats]:
    """What each life says of each interval.

    Args:
        left: Time to the failure, or to the end of the record, shape (n,).
        recorded: Time to the end of the record, shape (n,); a unit that failed may have been watched for longer.
        failed: Whether `left` ends in a failure, shape (n,).
        ends: Of the intervals, shape (K,).

    Returns:
        Failed in it, and at risk in it, (n, K) each, as 0 and 1.
    """
    until = np.asarray(ends, dtype=np.float32)
    since = np.concatenate([[np.float32(0)], until[:-1]])
    event = failed[:, None] & (left[:, None] > since) & (left[:, None] <= until)
    # An interval that the record cuts says nothing: those who failed in it are known, those who would have are not.
    at_risk = (left[:, None] > since) & (recorded[:, None] >= until)
    return event.astype(np.float32), at_risk.astype(np.float32)


def fit_platt(logits: Floats, event: Floats, at_risk: Floats) -> Platt:
    """Platt's scale and shift of the hazards by maximum likelihood (Newton), on units that the fit has not seen.

    Args:
        logits: Shape (n, K).
        event: Failed in the interval, shape (n, K).
        at_risk: Weight of the interval, shape (n, K).
    """
    seen = at_risk > 0
    x = np.clip(logits[seen].astype(np.float64), -_LOGIT_MAX, _LOGIT_MAX)
    y, weight = event[seen].astype(np.float64), at_risk[seen].astype(np.float64)
    if not 0 < (weight * y).sum() < weight.sum():
        return Platt()  # nothing, or everything, failed: no curve to fit
    inputs = np.stack([x, np.ones_like(x)], axis=1)
    beta = np.array([1.0, 0.0])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(inputs @ beta, -_LOGIT_MAX, _LOGIT_MAX)))
        curvature = (inputs * (weight * p * (1 - p))[:, None]).T @ inputs + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, inputs.T @ (weight * (y - p)))
        beta = beta + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-8:
            break
    # A falling curve would turn the ranking over: then only the level is trusted.
    return Platt(float(beta[0]), float(beta[1])) if beta[0] > 0 else Platt()


def fit_levels(
    predicted: Curves, left: Floats, failed: Bools, unit: Ints, coverage: float = 0.9
) -> tuple[float, float]:
    """Levels between which this share of held-out lives ended, for `Curves.interval`.

    Args:
        predicted: Of held-out lives, n of them.
        left: What was left of each, shape (n,).
        failed: Whether it ended in a failure; else it was cut there, shape (n,).
        unit: Whose life it is, shape (n,): every unit weighs the same, and as many count as there are units.
        coverage: Wanted.

    Returns:
        Lower and upper level, each in [0, 1]; about (1 - coverage) / 2 and its complement for a calibrated model.
    """
    tail = (1 - coverage) / 2
    at = predicted.dying_before(left)
    ended = failed & (left <= predicted.starts[-1])
    order = np.lexsort((~ended, at))  # of equal ones, failures come first, as Kaplan and Meier count
    weight = unit_weights(unit)[order].astype(np.float64)
    at_risk = np.maximum(weight[::-1].cumsum()[::-1], _TINY)
    gone = 1 - np.cumprod(1 - np.where(ended[order], weight, 0) / at_risk)
    # The coming life counts as one more, as in conformal prediction: few units give wide intervals.
    units = len(np.unique(unit))
    below = np.flatnonzero(gone <= tail * (units + 1) / units)
    above = np.flatnonzero(gone >= (1 - tail) * (units + 1) / units)
    return (float(at[order][below[-1]]) if len(below) else 0.0, float(at[order][above[0]]) if len(above) else 1.0)


def unit_weights(unit: Ints) -> Floats:
    """Weights that let every unit count the same, 1 on average, shape (n,)."""
    _, where, count = np.unique(unit, return_inverse=True, return_counts=True)
    weight = 1 / count[where]
    return np.asarray(weight * len(unit) / weight.sum(), dtype=np.float32)


def followed(values: Floats, memories: Sequence[float]) -> Floats:
    """Features beside their own running means: plain means at first, then ones that forget.

    Args:
        values: One unit's features, oldest first, shape (t, D); NaN leaves a mean as it is, and is 0 before any value.
        memories: Rows that a mean remembers, shape (M,).

    Returns:
        Shape (t, D (1 + M)).
    """
    values = values.astype(np.float32)
    there = np.isfinite(values)
    out = [values]
    for memory in memories:
        mean, seen = np.zeros(values.shape[1]), np.zeros(values.shape[1])
        means = np.empty_like(values)
        for row in range(len(values)):
            seen += there[row]
            part = np.where(there[row], 1 / np.clip(seen, 1, memory), 0)
            mean = mean + part * (np.where(there[row], values[row], 0) - mean)
            means[row] = mean
        out.append(means)
    return np.concatenate(out, axis=1)


def windows(values: Floats, at: npt.NDArray[np.intp], window: int) -> Floats:
    """The newest `window` rows up to each of some moments, as a model sees them.

    Args:
        values: One unit's health features, oldest first, shape (t, D); NaN where missing.
        at: Moments, as rows of `values`, shape (n,).
        window: Rows of a window.

    Returns:
        Shape (n, window, D + 1); missing values are 0; before the first row its values stand, and the last column says
        which rows are real.
    """
    rows = at[:, None] + np.arange(1 - window, 1)
    picked = np.nan_to_num(values[np.maximum(rows, 0)].astype(np.float32), nan=0.0)
    return np.concatenate([picked, (rows >= 0)[:, :, None].astype(np.float32)], axis=2)
