"""SKAB valve1 by its protocol: the first 400 rows of each file teach, the rest are judged; rows are counted over all files.

One setting for all files, the one that every unit of unknown type has.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.contracts.exportfile import open_rows
from models.contracts.figures import Figure
from models.hvac.generic import GenericSettings, fit, fresh, score
from models.hvac.generic_model import Bools, Doubles, Millis

TRAINING_ROWS = 400
_DRAWS, _SEED = 2000, 4
_TIME, _LABELS = "datetime", ("anomaly", "changepoint")


class Counts(NamedTuple):
    """Rows of one file, or of several."""

    hits: int
    false_alarms: int
    misses: int
    quiet: int

    def f1(self) -> float:
        return 2 * self.hits / max(2 * self.hits + self.false_alarms + self.misses, 1)

    def false_alarm_rate(self) -> float:
        return self.false_alarms / max(self.false_alarms + self.quiet, 1)


def figures(data_dir: Path) -> list[Figure]:
    """`skab.f1` and `skab.false_alarm_rate`, with 95 % intervals: files drawn anew."""
    files = sorted((data_dir / "skab" / "valve1").glob("*.csv.gz"), key=lambda path: int(path.name.partition(".")[0]))
    counts = np.array([judge(*read(path)) for path in files])
    total = Counts(*counts.sum(axis=0).tolist())
    draw = np.random.default_rng(_SEED)
    draws = [Counts(*counts[draw.integers(len(files), size=len(files))].sum(axis=0).tolist()) for _ in range(_DRAWS)]
    f1_low, f1_high = np.quantile([drawn.f1() for drawn in draws], [0.025, 0.975])
    rate_low, rate_high = np.quantile([drawn.false_alarm_rate() for drawn in draws], [0.025, 0.975])
    return [
        Figure("skab.f1", total.f1(), "fraction", float(f1_low), float(f1_high)),
        Figure("skab.false_alarm_rate", total.false_alarm_rate(), "fraction", float(rate_low), float(rate_high)),
    ]


def read(path: Path) -> tuple[Doubles, Millis, Bools]:
    """Points (n, 8), times (n,) and whether each row is labelled as an anomaly (n,)."""
    with open_rows(path) as rows:
        header = next(rows)
        cells = list(rows)
    points = [column for column, name in enumerate(header) if name not in (_TIME, *_LABELS)]
    values = np.array([[float(row[column]) for column in points] for row in cells])
    times = [datetime.fromisoformat(row[header.index(_TIME)]).replace(tzinfo=UTC).timestamp() for row in cells]
    label = header.index("anomaly")
    return values, np.round(np.array(times) * 1000).astype(np.int64), np.array([float(row[label]) > 0 for row in cells])


def judge(values: Doubles, measured_at_ms: Millis, anomaly: Bools) -> Counts:
    """Rows after the training rows of one file, counted."""
    model = fit(values[:TRAINING_ROWS], measured_at_ms[:TRAINING_ROWS], GenericSettings())
    rest = slice(TRAINING_ROWS, None)
    said = score(model, fresh(model), values[rest], measured_at_ms[rest]).anomalous
    return count(said, anomaly[rest])


def count(said: Bools, anomaly: Bools) -> Counts:
    """Rows that were called anomalous against those that were."""
    return Counts(
        hits=int((said & anomaly).sum()),
        false_alarms=int((said & ~anomaly).sum()),
        misses=int((~said & anomaly).sum()),
        quiet=int((~said & ~anomaly).sum()),
    )
