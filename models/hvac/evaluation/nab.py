"""NAB's machine temperature: scored by NAB's formula, standard profile, with the detector's own alarm level.

A detection at the window's first row is worth 1, at its last next to nothing; a window without one costs 1. Each row that
is called anomalous outside of windows costs 0.11, less right after a window:

    window           |<------- width ------->|
    worth of first   1.00      0.86      0.01|-0.01     -0.11     a detection in it, or after it (x 0.11)
    position        -1        -0.5          0|          1         in widths from its last row

NAB's leaderboard chooses each detector's threshold over the whole corpus; here it is the alarm level that every unit has.
The rows that the benchmark calls probation teach; they are not scored. Beside it stand the live form, which
learns for a week and says nothing until then, and other lengths of training (mean, lowest and highest): the temperature
dips often, the first and the third window are hardly deeper than a dip, and which of the dips teach decides on them.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from models.contracts.exportfile import open_rows
from models.contracts.figures import Figure
from models.hvac.generic import GenericSettings, GenericUnit, fit, fresh, score
from models.hvac.generic_model import Bools, Doubles, Millis

FALSE_POSITIVE_WEIGHT = 0.11  # standard profile; a true positive and a missed window weigh 1
_STEEPNESS = 5.0
_FAR_WIDTHS = 3.0  # from here on a false positive costs in full
_PROBATION_FRACTION, _PROBATION_ROWS_OF = 0.15, 5000
_OTHER_TRAINING_ROWS = (600, 900, 1200, 1500, 1800, 2100)
_DRAWS, _SEED, _DAY_MS = 2000, 4, 86_400_000
_FILE, _KEY = "machine_temperature_system_failure.csv.gz", "realKnownCause/machine_temperature_system_failure.csv"


def figures(data_dir: Path) -> list[Figure]:
    """`nab.machine_temperature` with a 95 % interval (windows and days drawn anew), and what stands beside."""
    values, measured_at_ms, windows = read(data_dir / "nab")
    probation = probation_rows(len(values))
    live = GenericUnit().take(values, measured_at_ms)
    lengths = [nab_score(detections(values, measured_at_ms, rows), windows, probation) for rows in _OTHER_TRAINING_ROWS]
    return [
        _with_interval(detections(values, measured_at_ms, probation), windows, probation, measured_at_ms),
        Figure(
            "nab.machine_temperature.live",
            nab_score(np.zeros(len(values), bool) if live is None else live.anomalous, windows, probation),
            "of 4",
        ),
        Figure(
            "nab.machine_temperature.other_training_mean",
            float(np.mean(lengths)),
            "of 4",
            float(np.min(lengths)),
            float(np.max(lengths)),
        ),
    ]


def detections(values: Doubles, measured_at_ms: Millis, training_rows: int) -> Bools:
    """Rows that are called anomalous, (n,), by a detector that the first rows taught."""
    model = fit(values[:training_rows], measured_at_ms[:training_rows], GenericSettings())
    rest = slice(training_rows, None)
    said = score(model, fresh(model), values[rest], measured_at_ms[rest]).anomalous
    return np.concatenate([np.zeros(training_rows, bool), said])


def _with_interval(detected: Bools, windows: list[tuple[int, int]], probation: int, measured_at_ms: Millis) -> Figure:
    won, costs = parts(detected, windows, probation)
    by_day = np.bincount((measured_at_ms - measured_at_ms[0]) // _DAY_MS, weights=costs)
    draw = np.random.default_rng(_SEED)
    totals = [draw.choice(won, len(won)).sum() + draw.choice(by_day, len(by_day)).sum() for _ in range(_DRAWS)]
    low, high = np.quantile(totals, [0.025, 0.975])
    return Figure("nab.machine_temperature", float(won.sum() + costs.sum()), "of 4", float(low), float(high))


def read(directory: Path) -> tuple[Doubles, Millis, list[tuple[int, int]]]:
    """Values (n, 1), times (n,), and first and last row of each window."""
    with open_rows(directory / _FILE) as rows:
        next(rows)
        cells = list(rows)
    times = [_at_ms(cell[0]) for cell in cells]
    limits = json.loads((directory / "windows.json").read_text())[_KEY]
    windows = [(times.index(_at_ms(begin)), times.index(_at_ms(end))) for begin, end in limits]
    return np.array([[float(cell[1])] for cell in cells]), np.array(times, dtype=np.int64), windows


def probation_rows(rows: int) -> int:
    """How many rows the benchmark gives to learn from: 15 %, of 5,000 rows at most."""
    return int(_PROBATION_FRACTION * min(rows, _PROBATION_ROWS_OF))


def nab_score(detected: Bools, windows: list[tuple[int, int]], probation: int) -> float:
    """NAB's score of one file, standard profile.

    Args:
        detected: Rows that are called anomalous, shape (n,).
        windows: First and last row of each, in order.
        probation: Rows at the start that are not scored.
    """
    won, costs = parts(detected, windows, probation)
    return float(won.sum() + costs.sum())


def parts(detected: Bools, windows: list[tuple[int, int]], probation: int) -> tuple[Doubles, Doubles]:
    """What each window is worth (w,), -1 where it is missed, and what each row outside costs (n,), 0 or less."""
    detected = detected.copy()
    detected[:probation] = False
    won = np.full(len(windows), -1.0)
    costs = np.where(detected, -FALSE_POSITIVE_WEIGHT, 0.0)
    most = float(_worth(np.array(-1.0)))
    for number, (first, last) in enumerate(windows):
        width = last - first + 1
        inside = np.flatnonzero(detected[first : last + 1])
        if len(inside):
            # The benchmark counts from the row after the last, so that the first row is at -1 exactly.
            won[number] = float(_worth(np.array(-(width - inside[0]) / width))) / most
        costs[first : last + 1] = 0.0
        after = np.arange(last + 1, windows[number + 1][0] if number + 1 < len(windows) else len(detected))
        worth = FALSE_POSITIVE_WEIGHT * _worth((after - last) / max(width - 1.0, 1.0))
        costs[after] = np.where(detected[after], worth, 0.0)
    return won, costs


def _worth(position_widths: Doubles) -> Doubles:
    """NAB's scaled sigmoid: 0.99 one width before the window's end, 0 at it, -0.99 one width after, -1 from three on."""
    worth: Doubles = 2.0 / (1.0 + np.exp(_STEEPNESS * np.minimum(position_widths, _FAR_WIDTHS))) - 1.0
    return np.where(position_widths >= _FAR_WIDTHS, -1.0, worth)


def _at_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
