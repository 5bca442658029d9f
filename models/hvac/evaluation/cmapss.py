"""C-MAPSS turbofans run to failure: how many cycles each test engine has left when its record ends.

Whether the hazard model of `survival_train` can tell remaining life at all, on a set that others have measured on. The
figure is the root mean square error at the last cycle of each test engine, truth and prediction capped at 125 cycles: the
prediction is E[min(life, 125)] of the survival curve, which is what this error asks for.

The training engines are split into fifths. Each fifth is judged by models that have not seen it, at every cycle where a
test record might end; that gives the validation error by which all choices below were made, and the levels of the 90 %
interval. The models of all fifths, averaged, are what is tested, in the form in which it would be served (LiteRT). The
test truth is read last and only scored.

Chosen on the fifths of the training files (one model, error of each engine's cycles, FD001 and FD003): hazards alone 13.5
and 12.4; with the error of the mean beside the likelihood 12.3 and 12.5; running means of 10 and 30 cycles beside the
readings 10.2 and 11.0; windows of 30 cycles in place of 50, 9.5 and 10.5; of 75, 10.1 and 11.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.contracts.figures import Figure, wilson
from models.hvac import survival, survival_train
from models.hvac.infer import open_model
from models.hvac.points import Bools, Floats, Ints
from models.hvac.survival_train import Design, Lives

SETS: tuple[str, ...] = ("FD001", "FD003")
CAP_CYCLES = 125
_SENSORS = slice(5, 26)  # after unit, cycle and three operating settings
_COLUMNS = 26
_WINDOW_CYCLES = 30
_MEMORIES_CYCLES = (10.0, 30.0)
_LIFE_CYCLES = 200.0  # a usual life, so that age is about 1
_SHORTEST_CYCLES = 31  # no test record is shorter
_EVERY = 2  # cycles: neighbours are nearly equal
_FOLDS = 5
_COVERAGE = 0.9
_BOOTSTRAPS = 2000
_SEED = 11
DESIGN = Design(ends=tuple(float(end) for end in range(5, CAP_CYCLES + 1, 5)), members=2, steps=1200, mean_weight=10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Of the sensors that tell anything: which, and their mean and spread over the training cycles."""

    telling: Bools
    mean: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]


def figures(data_dir: Path) -> list[Figure]:
    """Error of the test engines, and what was known of it before: validation error; coverage of the interval; int8.

    Args:
        data_dir: Holds `cmapss/`.
    """
    return [figure for name in SETS for figure in evaluate(data_dir / "cmapss", name, DESIGN)]


def evaluate(directory: Path, name: str, design: Design) -> list[Figure]:
    """The figures of one set.

    Args:
        directory: Holds the published files, gzipped.
        name: Such as FD001.
        design: Of the hazard model; its last end is the cap.
    """
    engines = read(directory / f"train_{name}.txt.gz")
    scale = scale_of(engines)
    whole = survival_train.concatenated([_lives(engine, scale, unit) for unit, engine in enumerate(engines)])
    fold = np.random.default_rng(_SEED).permutation(len(engines)) % _FOLDS
    members, held, logits = [], [], []
    for out in range(_FOLDS):
        apart = fold[whole.unit] == out
        of_fold = survival_train.train(whole.chosen(~apart), design, _SEED + 100 * out)
        members += of_fold
        judged = whole.chosen(apart & (_cycle(whole) >= _SHORTEST_CYCLES))
        held.append(judged)
        logits.append(open_model(survival_train.to_tflite(survival_train.averaged(of_fold)))(_flat(judged)))
    judged = survival_train.concatenated(held)
    predicted = survival.curves(np.concatenate(logits), design.ends)
    levels = survival.fit_levels(predicted, judged.left, judged.failed, judged.unit, _COVERAGE)
    squares = (predicted.mean() - np.minimum(judged.left, CAP_CYCLES)) ** 2
    validation = float(np.sqrt(np.average(squares, weights=survival.unit_weights(judged.unit))))

    served = survival_train.averaged(members)
    last = np.concatenate([_windows(engine, scale, 1)[-1:] for engine in read(directory / f"test_{name}.txt.gz")])
    flat = last.reshape(len(last), -1)
    curves = survival.curves(open_model(survival_train.to_tflite(served))(flat), design.ends)
    small = survival.curves(open_model(survival_train.to_int8(served, _flat(whole)))(flat), design.ends)
    truth = np.loadtxt(directory / f"RUL_{name}.txt.gz", ndmin=1)
    low, high = curves.interval(levels)
    covered = (low <= truth) & (truth <= high)
    prefix = f"cmapss.{name.lower()}"
    return [
        error_figure(f"{prefix}.rmse", curves.mean(), truth),
        Figure(f"{prefix}.validation_rmse", validation, "cycles"),
        error_figure(f"{prefix}.int8_rmse", small.mean(), truth),
        Figure(
            f"{prefix}.interval_coverage", float(covered.mean()), "fraction", *wilson(int(covered.sum()), len(covered))
        ),
    ]


def read(path: Path) -> list[npt.NDArray[np.float64]]:
    """Engines of a file, each (cycles, 26), oldest cycle first.

    Raises:
        ValueError: it has other columns.
    """
    table = np.loadtxt(path, ndmin=2)
    if table.shape[1] != _COLUMNS:
        raise ValueError(f"{path.name}: {table.shape[1]} columns, expected {_COLUMNS}; take the file as published")
    return [table[table[:, 0] == unit] for unit in np.unique(table[:, 0])]


def scale_of(engines: list[npt.NDArray[np.float64]]) -> Scale:
    """How sensors are scaled, by the training engines; those that never move tell nothing."""
    sensors = np.concatenate(engines)[:, _SENSORS]
    mean, spread = sensors.mean(axis=0), sensors.std(axis=0)
    telling = spread > 1e-6 * np.maximum(np.abs(mean), 1)
    return Scale(telling, mean[telling], spread[telling])


def error_figure(name: str, predicted: Floats, truth: npt.ArrayLike) -> Figure:
    """Root mean square error with the truth capped, in cycles, and an interval by bootstrap over engines."""
    squares = (predicted - np.minimum(np.asarray(truth, dtype=np.float64), CAP_CYCLES)) ** 2
    draw = np.random.default_rng(_SEED)
    drawn = squares[draw.integers(0, len(squares), (_BOOTSTRAPS, len(squares)))]
    low, high = np.quantile(np.sqrt(drawn.mean(axis=1)), [0.025, 0.975])
    return Figure(name, float(np.sqrt(squares.mean())), "cycles", float(low), float(high))


def _windows(engine: npt.NDArray[np.float64], scale: Scale, every: int) -> Floats:
    """Windows that end at every so many cycles, the last one among them, oldest first: (n, W, D)."""
    sensors = ((engine[:, _SENSORS][:, scale.telling] - scale.mean) / scale.spread).astype(np.float32)
    age = engine[:, 1:2] / _LIFE_CYCLES
    values = np.concatenate([survival.followed(sensors, _MEMORIES_CYCLES), age], axis=1)
    return survival.windows(values, _ends(len(engine), every), _WINDOW_CYCLES)


def _lives(engine: npt.NDArray[np.float64], scale: Scale, unit: int) -> Lives:
    """One training engine, which was run until it failed, seen from every other cycle."""
    ends = _ends(len(engine), _EVERY)
    left = (len(engine) - 1 - ends).astype(np.float32)
    n = len(ends)
    return Lives(
        values=_windows(engine, scale, _EVERY),
        left=left,
        recorded=np.full(n, np.inf, dtype=np.float32),
        failed=np.ones(n, dtype=bool),
        unit=np.full(n, unit, dtype=np.int64),
    )


def _ends(cycles: int, every: int) -> npt.NDArray[np.intp]:
    return np.asarray(np.arange((cycles - 1) % every, cycles, every), dtype=np.intp)


def _cycle(lives: Lives) -> Ints:
    """The cycle at which each window ends, from its age."""
    return np.asarray(np.rint(lives.values[:, -1, -2] * _LIFE_CYCLES), dtype=np.int64)


def _flat(lives: Lives) -> Floats:
    return lives.values.reshape(len(lives.values), -1)
