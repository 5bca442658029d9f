"""Refrigeration plant with 20 faults, trained on one recording and tested on the other; sensor or equipment fault?

What is known of the two files. They come from one noise-free simulation of the same 18 operating conditions (outdoor air,
setpoint, and a load that no sensor shows); a third of the test rows are in the training file, number for number. The rows
of the test file are shuffled, so nothing can be learned from what came before. By this protocol any classifier that
remembers does well, so others stand beside it: of the test rows without a twin in training; and, from the training file
alone, of operating conditions that neither relations nor classifier have seen, which is what a plant in service asks.
A broken expansion valve (18), a loose one (8) and health (0) hardly differ once the plant is steady.

Inputs were chosen on the training file. By contiguous thirds of its runs, raw values give macro F1 0.995, residual
patterns 0.95, both 0.99; in unseen conditions raw values give 0.72 and both 0.84. Both are taken. Nothing is normalised
on the test file.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import f1_score

from models.contracts.figures import Figure
from models.hvac import residuals
from models.hvac.points import Bools, Floats, Ints

COLUMNS: tuple[str, ...] = (
    "Pdis", "T0", "Tc", "Tdis", "Tret", "Tsuc", "Tsh", "Tsup", "CondFan", "Tamb", "Tset",
)  # fmt: skip
# Condensing temperature and superheat are computed from other points, and the setpoint is what the loop holds.
JUDGED: tuple[str, ...] = ("Pdis", "T0", "Tdis", "Tret", "Tsuc", "Tsup", "CondFan")
CONTEXT: tuple[str, ...] = ("Tamb",)
SENSOR_CLASSES: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16)
_NORMAL = 0
# The training file: for each class, all conditions one after the other.
_RUN_ROWS, _CONDITIONS = 67, 18
_THINNED = 4  # neighbours are nearly equal: for unseen conditions every fourth row will do
_TREES = 150
_FEATURES = 0.3  # of the inputs, tried at each branch
_BOOTSTRAPS = 500
_SEED = 15


@dataclass(frozen=True, slots=True)
class Rows:
    """A file: `values` (n, 11) as in COLUMNS, `fault` (n,) its class."""

    values: Floats
    fault: Ints

    def chosen(self, rows: Bools) -> Rows:
        """Only these, shape (n,)."""
        return Rows(self.values[rows], self.fault[rows])


def figures(data_dir: Path) -> list[Figure]:
    """The figures of the protocol, and those beside it.

    Args:
        data_dir: Holds `refrigeration/`.
    """
    train = read(data_dir / "refrigeration" / "train_fault_all_nonoise_67.csv.gz")
    test = read(data_dir / "refrigeration" / "train_zahra_1200.csv.gz")
    row = np.arange(len(train.fault))
    condition = row // _RUN_ROWS % _CONDITIONS
    told = classify(train, condition, test, _SEED)
    thin = Rows(train.values[::_THINNED], train.fault[::_THINNED])
    known = {one.tobytes() for one in train.values}
    seen = np.array([one.tobytes() in known for one in test.values])
    return [
        *_scores("refrigeration", test, told),
        Figure("refrigeration.rows_also_in_training_fraction", float(seen.mean()), "fraction"),
        *_scores("refrigeration.rows_not_in_training", test.chosen(~seen), told[~seen]),
        *_scores("refrigeration.unseen_conditions", thin, unseen_conditions(thin, condition[::_THINNED], _SEED)),
    ]


def read(path: Path) -> Rows:
    """A file of the set.

    Raises:
        ValueError: it has other columns.
    """
    with gzip.open(path, "rt") as text:
        header = text.readline().strip().split(",")
        if header != [*COLUMNS, "target"]:
            raise ValueError(
                f"{path.name}: columns {header}, expected {[*COLUMNS, 'target']}; take the file as published"
            )
        table = np.loadtxt(text, delimiter=",")
    return Rows(table[:, :-1].astype(np.float32), table[:, -1].astype(np.int64))


def classify(train: Rows, condition: Ints, test: Rows, seed: int) -> Ints:
    """Classes of the test rows, shape (n,): relations learned on normal training rows, trees on patterns and values."""
    relations = _learned(train, condition)
    trees = _trees(seed).fit(_inputs(relations, train), train.fault)
    return np.asarray(trees.predict(_inputs(relations, test)), dtype=np.int64)


def unseen_conditions(rows: Rows, condition: Ints, seed: int) -> Ints:
    """Classes of rows whose operating condition neither the relations nor the trees have seen, shape (n,).

    One condition is left out at a time. The patterns that the trees learn from come from relations that do not know their
    conditions either: else they would look healthier than those of the condition left out.
    """
    told = np.empty_like(rows.fault)
    conditions = np.unique(condition)
    # By the two conditions that the relations do not know: inputs of both.
    inputs: dict[tuple[int, int], Floats] = {}
    for first, second in combinations(conditions, 2):
        apart = (condition == first) | (condition == second)
        relations = _learned(rows.chosen(~apart), condition[~apart])
        for here, other in ((first, second), (second, first)):
            inputs[here, other] = _inputs(relations, rows.chosen(condition == here))
    for out in conditions:
        inside = [one for one in conditions if one != out]
        xs = [inputs[one, out] for one in inside]
        ys = [rows.fault[condition == one] for one in inside]
        trees = _trees(seed).fit(np.concatenate(xs), np.concatenate(ys))
        relations = _learned(rows.chosen(condition != out), condition[condition != out])
        told[condition == out] = trees.predict(_inputs(relations, rows.chosen(condition == out)))
    return told


def _learned(rows: Rows, condition: Ints) -> residuals.Relations:
    normal = rows.fault == _NORMAL
    return residuals.learn(_picked(rows.values[normal]), condition[normal], JUDGED, CONTEXT)


def _picked(values: Floats) -> Floats:
    return values[:, [COLUMNS.index(name) for name in JUDGED + CONTEXT]]


def _inputs(relations: residuals.Relations, rows: Rows) -> Floats:
    pattern = residuals.judge(relations, _picked(rows.values)).features()
    return np.concatenate([pattern, rows.values], axis=1)


def _trees(seed: int) -> ExtraTreesClassifier:
    return ExtraTreesClassifier(_TREES, max_features=_FEATURES, random_state=seed, n_jobs=1)


def _scores(name: str, rows: Rows, told: Ints) -> list[Figure]:
    """Macro F1 over the classes of the rows, and sensor against equipment over faulty rows, with intervals.

    Rows of one class at one outdoor temperature and setpoint are draws of one state: such cells are drawn anew, class by
    class, not rows.
    """

    def macro_f1(index: Ints) -> float:
        return float(f1_score(rows.fault[index], told[index], labels=np.unique(rows.fault), average="macro"))

    def of_sensors(index: Ints) -> float:
        faulty = index[rows.fault[index] != _NORMAL]
        right = np.isin(told[faulty], SENSOR_CLASSES) == np.isin(rows.fault[faulty], SENSOR_CLASSES)
        # A fault that is not seen is told apart from nothing.
        return float((right & (told[faulty] != _NORMAL)).mean())

    return [
        _with_interval(f"{name}.macro_f1", macro_f1, rows),
        _with_interval(f"{name}.sensor_vs_equipment_accuracy", of_sensors, rows),
    ]


def _with_interval(name: str, score: Callable[[Ints], float], rows: Rows) -> Figure:
    draw = np.random.default_rng(_SEED)
    state = rows.values[:, [COLUMNS.index("Tamb"), COLUMNS.index("Tset")]]
    classes = []
    for fault in np.unique(rows.fault):
        members = np.flatnonzero(rows.fault == fault)
        _, cell = np.unique(state[members], axis=0, return_inverse=True)
        classes.append([members[cell.ravel() == one] for one in range(int(cell.max()) + 1)])
    scores = []
    for _ in range(_BOOTSTRAPS):
        drawn = [cells[one] for cells in classes for one in draw.integers(0, len(cells), len(cells))]
        scores.append(score(np.concatenate(drawn)))
    low, high = np.quantile(scores, [0.025, 0.975])
    return Figure(name, score(np.arange(len(rows.fault))), "fraction", float(low), float(high))
