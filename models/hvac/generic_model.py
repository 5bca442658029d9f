"""What a detector for equipment of unknown type is made of: its settings, what it has learned, and what it remembers.

One row after another:

    row ──▶ steps from the centre ──▶ running means of three spans ──▶ distance of each from what training shows
            (robust, clipped,         (1, 8 and 64 rows)               (Mahalanobis: points explain each other)
             median of three rows)                                          │ over the level of the alert budget
                                                                            ▼
                                             score = the worst of the three; episode by persistence
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from models.contracts.settings import Count, Positive, Settings

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Bools = npt.NDArray[np.bool_]
Millis = npt.NDArray[np.int64]

POINTS_MAX = 256
STEPS_MAX = 20.0  # a point further from its centre than this is as far as it gets


class GenericError(ValueError):
    """Data from which nothing can be learned, or that does not fit what was learned."""


class GenericSettings(Settings, frozen=True):
    """One setting for every type of equipment, number of points and cadence; spans and counts are in rows."""

    spans: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = (1, 8, 64)
    false_episodes_per_unit_week: Positive = 0.25
    rows_min: Annotated[int, msgspec.Meta(ge=50)] = 200  # fewer rows teach nothing
    blocks_min: Annotated[int, msgspec.Meta(ge=4)] = 16  # the longest span is cut until training holds so many of it
    folds: Annotated[int, msgspec.Meta(ge=2)] = 5
    shrink_fraction: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1  # of correlations, towards none
    ridge_fraction: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05  # of each variance, on top
    present_fraction_min: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.2  # a point seen less often is not used
    memory_days: Annotated[float, msgspec.Meta(ge=0)] = 28.0  # over which what is normal follows the unit; 0: never
    quiet_seconds: Count = 3600
    raise_step: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.2  # see alert_budget.py
    gap_rows: Count = 30  # after a gap of so many intervals running means begin anew
    open_rows: Count = 3
    clear_score: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    clear_rows: Count = 3
    # Of a unit that teaches itself (GenericUnit).
    learn_days: Positive = 7.0
    learn_rows_max: Annotated[int, msgspec.Meta(ge=512)] = 8192  # more are averaged, two into one, as often as needed


@dataclass(frozen=True, slots=True)
class GenericModel:
    """What training rows of C points taught; K of them are used, at S spans."""

    settings: GenericSettings
    interval_ms: int
    rows: int  # that taught
    points: int  # C
    used: Rows  # (K,), points that moved in training and were seen often enough
    centre: Doubles  # (K,)
    scale: Doubles  # (K,), in the units of the points
    spans: npt.NDArray[np.int64]  # (S,)
    mean: Doubles  # (S, K), of running means, in steps
    covariance: Doubles  # (S, K, K), regularised
    block_rows: int
    budget: Doubles  # (S, alert_budget.COLUMNS), as training leaves it
    returns_after_blocks: float  # a span's share of the alert budget, as blocks between two false episodes
    # Whitening by span and pattern of missing points: rebuilt on demand, bounded.
    whitening: dict[bytes, Doubles] = field(default_factory=dict, compare=False, repr=False)


@dataclass(slots=True)
class GenericState:
    """What a unit remembers between rows. Normal behaviour, which starts as the model's, is the unit's own and moves."""

    mean: Doubles  # (S, K)
    budget: Doubles  # (S, alert_budget.COLUMNS)
    before: Doubles  # (2, K), steps of the last two rows
    level: Doubles  # (S, K), running means in steps
    age_rows: Doubles  # (K,), rows since the point was last seen
    block_row: int  # rows of the running block
    block_sum: Doubles  # (S, K), steps from the mean in its healthy rows
    block_count: Doubles  # (S, K)
    measured_at_ms: int  # of the last row; -1 before the first
    over_rows: int  # in a row at or over the alarm level
    under_rows: int
    anomalous: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """Verdict on n rows. Score 1 is the alarm level; NaN where no point that is used was seen."""

    score: Floats  # (n,)
    anomalous: Bools  # (n,), with hysteresis: one run of True is one episode
    shares: Floats  # (n, C), share of each point in the score, 0 where the score is below half


def fresh(model: GenericModel) -> GenericState:
    """State of a unit that has shown nothing since training."""
    spans, points = len(model.spans), len(model.used)
    return GenericState(
        mean=model.mean.copy(),
        budget=model.budget.copy(),
        before=np.full((2, points), np.nan),
        level=np.zeros((spans, points)),
        age_rows=np.full(points, np.inf),
        block_row=0,
        block_sum=np.zeros((spans, points)),
        block_count=np.zeros((spans, points)),
        measured_at_ms=-1,
        over_rows=0,
        under_rows=0,
        anomalous=False,
    )
