"""How good alarms are, against labels: by row, by labelled episode, and how late. Pure.

truth       ______######______####____
alarm       ___#_____###______________
               |     |        missed episode
               |     delay from the start of the episode to its first alarm
               false alarm
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.contracts.figures import Figure

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]

_DAY_MS = 86_400_000
_BOOTSTRAPS = 1_000
_SEED = 4
_DAYS_MIN = 3  # fewer unit-days that tell a figure, or fewer episodes, give no interval
# A gap of more than this many of the unit's usual steps ends an episode of the truth.
_GAP_STEPS = 10


@dataclass(slots=True)
class Labelled:
    """Rows to be judged, unit by unit in order of time: all (n,), every row told by its label."""

    unit: Rows
    at_ms: Ints
    truth: Bools
    alarm: Bools


@dataclass(slots=True)
class Episode:
    """One stretch of rows of one unit that the label calls faulty; `delay_ms` is None where no alarm fell into it."""

    unit: int
    start_ms: int
    end_ms: int
    delay_ms: int | None


def figures(rows: Labelled, prefix: str) -> list[Figure]:
    """Precision, recall, F1, false-alarm and missed-alarm rate, episodes and median detection delay of those detected.

    A figure that the labels cannot tell (recall without a faulty row) is left out, never printed as 0. Intervals come from
    a bootstrap over unit-days (of the delay: over episodes), where three or more tell the figure.
    """
    counts = _counts(rows)
    out = [
        figure for name, share in _SHARES.items() if (figure := _figure(f"{prefix}.{name}", share, counts)) is not None
    ]
    found = episodes(rows)
    if found:
        delays = [one.delay_ms / 1000 for one in found if one.delay_ms is not None]
        out.append(Figure(f"{prefix}.episodes", len(found), "count"))
        out.append(Figure(f"{prefix}.episodes_detected", len(delays), "count"))
        if delays:
            low, high = _interval_of_median(np.array(delays))
            out.append(Figure(f"{prefix}.detection_delay_seconds", float(np.median(delays)), "seconds", low, high))
    return out


def _precision(tp: float, fp: float, fn: float, tn: float) -> tuple[float, float]:
    _ = fn, tn
    return tp, tp + fp


def _recall(tp: float, fp: float, fn: float, tn: float) -> tuple[float, float]:
    _ = fp, tn
    return tp, tp + fn


def _f1(tp: float, fp: float, fn: float, tn: float) -> tuple[float, float]:
    _ = tn
    return 2 * tp, 2 * tp + fp + fn


def _false_alarms(tp: float, fp: float, fn: float, tn: float) -> tuple[float, float]:
    _ = tp, fn
    return fp, fp + tn


def _missed_alarms(tp: float, fp: float, fn: float, tn: float) -> tuple[float, float]:
    _ = fp, tn
    return fn, tp + fn


Share = Callable[[float, float, float, float], tuple[float, float]]
# Numerator and denominator out of true and false alarms, misses and quiet healthy rows.
_SHARES: dict[str, Share] = {
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
    "false_alarm_rate": _false_alarms,
    "missed_alarm_rate": _missed_alarms,
}


def _counts(rows: Labelled) -> npt.NDArray[np.float64]:
    """Rows of each kind in each unit-day, shape (days, 4): true alarms, false alarms, misses, quiet healthy rows."""
    if not len(rows.truth):
        return np.zeros((0, 4))
    keys = np.stack([rows.unit.astype(np.int64), rows.at_ms // _DAY_MS], axis=1)
    _, day = np.unique(keys, axis=0, return_inverse=True)
    kind = np.where(rows.truth, np.where(rows.alarm, 0, 2), np.where(rows.alarm, 1, 3))
    counted = np.bincount(day.ravel() * 4 + kind, minlength=4 * (int(day.max()) + 1))
    return counted.reshape(-1, 4).astype(np.float64)


def _figure(name: str, share: Share, counts: npt.NDArray[np.float64]) -> Figure | None:
    above, below = share(*counts.sum(axis=0).tolist())
    if not below:
        return None
    if sum(share(*day)[1] > 0 for day in counts.tolist()) < _DAYS_MIN:
        return Figure(name, above / below, "fraction")
    rng = np.random.default_rng(_SEED)
    draws = counts[rng.integers(0, len(counts), (_BOOTSTRAPS, len(counts)))].sum(axis=1)
    parts = [share(*draw) for draw in draws.tolist()]
    values = [top / bottom for top, bottom in parts if bottom]
    low, high = (float(np.quantile(values, q)) for q in (0.025, 0.975)) if values else (None, None)
    return Figure(name, above / below, "fraction", low, high)


def _interval_of_median(values: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    if len(values) < _DAYS_MIN:
        return None, None
    rng = np.random.default_rng(_SEED)
    medians = np.median(values[rng.integers(0, len(values), (_BOOTSTRAPS, len(values)))], axis=1)
    return float(np.quantile(medians, 0.025)), float(np.quantile(medians, 0.975))


def episodes(rows: Labelled) -> list[Episode]:
    """Stretches that the label calls faulty, with the delay of the first alarm inside each."""
    n = len(rows.truth)
    if not n:
        return []
    begins = np.ones(n, dtype=bool)
    step = np.diff(rows.at_ms)
    same = rows.unit[1:] == rows.unit[:-1]
    usual = _usual_steps(rows, step, same)
    begins[1:] = ~same | (rows.truth[1:] != rows.truth[:-1]) | (step > _GAP_STEPS * usual[rows.unit[1:]])
    found = []
    starts = np.flatnonzero(begins)
    ends = np.append(starts[1:], n)
    for first, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if rows.truth[first]:
            alarms = np.flatnonzero(rows.alarm[first:end])
            start_ms = int(rows.at_ms[first])
            delay_ms = int(rows.at_ms[first + alarms[0]]) - start_ms if len(alarms) else None
            found.append(Episode(int(rows.unit[first]), start_ms, int(rows.at_ms[end - 1]), delay_ms))
    return found


def _usual_steps(rows: Labelled, step: Ints, same: Bools) -> npt.NDArray[np.float64]:
    """Median time between rows of each unit."""
    usual = np.full(int(rows.unit.max()) + 1, np.inf)
    starts = np.flatnonzero(np.append(True, ~same))
    for first, end in zip(starts.tolist(), np.append(starts[1:], len(rows.unit)).tolist(), strict=True):
        if end - first > 1:
            usual[rows.unit[first]] = float(np.median(step[first : end - 1]))
    return usual
