r"""The alarm level of one unit's score, set so that a healthy unit opens no more episodes a week than it is allowed to.

Two steps. **Block maxima**: time is cut into blocks, and the highest healthy score of each is kept as count, mean and
scatter. Of maxima of many values the Gumbel law is the limit for every tail that falls off exponentially or faster, so the
level that is passed once in `N` blocks follows from two moments, far beyond what was seen:

    level = mean + deviation * sqrt(6) / pi * (ln N - 0.5772),   N = blocks a week / episodes allowed a week

**Adaptive conformal step** (Gibbs and Candes 2021): the level's logarithm rises by a fixed step with every episode that
ends, and falls by the step times the budget with every quiet week, never below the first. So the rate of episodes returns
to the budget whatever the law of the scores, after a season or a new use too.

    score  _/\__|_/\____|__/\/\|/‾‾‾‾‾‾|‾‾‾\_/\|__/\__|
    kept     a      b       c      -       d      e          blocks hold the highest score outside episodes
    level  ----------------------------/‾‾ one step up when the episode ends, not while it may be a fault

A caller that knows how far healthy units stray gives a **ceiling** to the first step: own blocks then only lower the level,
episodes alone raise it beyond. Without one, a unit that is met with a fault that comes and goes feeds itself: hours below
the level widen the scatter, so the level rises, so worse hours count as healthy, until nothing is ever said.

Assumes: blocks long against the memory of the score; tails not heavier than exponential (the second step mends what the
first misses). Few blocks: the deviation of 16 is known to a quarter of itself, so the first level may be that much too low
or too high; a prior, pooled over other units, steadies it, and the second step brings the rate back to the budget. A fault
that comes and goes raises its own level: what has been told is told again only when it is worse, until maintenance begins
anew.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from models.contracts.settings import Count, Positive, Settings

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Millis = npt.NDArray[np.int64]

WEEK_SECONDS = 7 * 86_400
_EULER = 0.5772156649
# Columns of a unit's state: blocks seen (prior included), their mean and summed squares about it; the running block's start
# and highest healthy score (NaN: none yet); the logarithm by which episodes have raised the level, and
# when an episode was last open that has not been counted yet (NaN: none).
COUNT, MEAN, SQUARES, BEGAN_AT_MS, PEAK, RAISED, LAST_OPEN_AT_MS = range(7)
COLUMNS = 7


class BudgetSettings(Settings, frozen=True):
    """How many false episodes are allowed, and how fast a unit's own scores take over from the prior."""

    false_episodes_per_unit_week: Positive = 0.25
    block_seconds: Annotated[int, msgspec.Meta(ge=1)] = 3600
    prior_blocks: Positive = 48.0  # weight of the prior, in blocks
    blocks_max: Count = 672  # four weeks of hours: what is older fades
    quiet_seconds: Count = 3600  # episodes less far apart count as one
    raise_step: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.2  # of the level's logarithm, for each episode


class Prior(NamedTuple):
    """Block maxima of healthy training units: what is known of a unit before it has shown anything."""

    mean: float
    deviation: float


def block_maxima(scores: Doubles, block_rows: int) -> Doubles:
    """Highest score of each whole block of rows, NaN ignored; blocks without any score are left out.

    Args:
        scores: Shape (n,), in order of time.
    """
    blocks = scores[: len(scores) // block_rows * block_rows].reshape(-1, block_rows)
    peaks = np.where(np.isnan(blocks), -np.inf, blocks).max(axis=1, initial=-np.inf)
    return np.asarray(peaks[peaks > -np.inf])


def prior_of(maxima: Doubles) -> Prior:
    """The prior that block maxima of healthy units teach, shape (k,), two or more."""
    if len(maxima) < 2:
        raise ValueError(
            f"alert budget: {len(maxima)} blocks of healthy scores, expected 2 or more; train on longer data"
        )
    return Prior(float(np.mean(maxima)), float(np.std(maxima, ddof=1)))


def of_longer_blocks(prior: Prior, times: float) -> Prior:
    """The prior of blocks so many times as long: a Gumbel law keeps its deviation, its mean grows with the logarithm."""
    return Prior(prior.mean + prior.deviation * math.sqrt(6.0) / math.pi * math.log(times), prior.deviation)


def gumbel_level(mean: Doubles, deviation: Doubles, returns_after_blocks: float) -> Doubles:
    """Level that a block's highest healthy score passes once in so many blocks, shape (m,) as both moments."""
    reduced = math.log(max(returns_after_blocks, 1.0)) - _EULER
    level: Doubles = mean + deviation * (math.sqrt(6.0) / math.pi) * reduced
    return level


def fresh(units: int, prior: Prior, blocks: float) -> Doubles:
    """State of units that have shown nothing yet, shape (units, COLUMNS); `blocks` is the weight of the prior."""
    budget = np.zeros((units, COLUMNS))
    budget[:, COUNT] = blocks
    budget[:, MEAN] = prior.mean
    budget[:, SQUARES] = blocks * prior.deviation**2
    budget[:, BEGAN_AT_MS] = np.nan
    budget[:, PEAK] = np.nan
    budget[:, LAST_OPEN_AT_MS] = np.nan
    return budget


def levels(budget: Doubles, settings: BudgetSettings, ceiling: Doubles | float = math.inf) -> Doubles:
    """Alarm level of each unit, shape (m,): divide a score by it, and 1 is the alarm level at the budget.

    Args:
        budget: Shape (m, COLUMNS).
        settings: Of the budget.
        ceiling: What the blocks' own level is at most, before episodes raise it, shape (m,); see `ceiling_of`.
    """
    level: Doubles = np.minimum(levels_after(budget, _returns_after_blocks(settings)), ceiling) * raised(budget)
    return level


def ceiling_of(prior: Prior, settings: BudgetSettings) -> float:
    """Level that units of the prior, taken together, pass as often as the budget allows."""
    moments = np.array([prior.mean]), np.array([prior.deviation])
    return float(gumbel_level(*moments, _returns_after_blocks(settings))[0])


def _returns_after_blocks(settings: BudgetSettings) -> float:
    return WEEK_SECONDS / settings.block_seconds / settings.false_episodes_per_unit_week


def levels_after(budget: Doubles, returns_after_blocks: float) -> Doubles:
    """Level that healthy block maxima pass once in so many blocks, before it is raised, shape (m,)."""
    count = np.maximum(budget[:, COUNT], 1.0)
    return gumbel_level(budget[:, MEAN], np.sqrt(budget[:, SQUARES] / count), returns_after_blocks)


def raised(budget: Doubles) -> Doubles:
    """Factor by which past episodes have raised the level, shape (m,), 1 or more."""
    factor: Doubles = np.exp(budget[:, RAISED])
    return factor


def observe(
    budget: Doubles,
    scores: Doubles,
    is_open: Bools,
    measured_at_ms: Millis,
    settings: BudgetSettings,
    ceiling: Doubles | float = math.inf,
) -> Doubles:
    """State after one more score of each of m units; the state given is left as it is.

    Args:
        budget: Shape (m, COLUMNS).
        scores: Shape (m,), before division by the level; NaN where nothing was judged.
        is_open: Whether an episode is open now, shape (m,), by the latch of the caller.
        measured_at_ms: Shape (m,); a step back in time belongs to the running block.
        settings: Of the budget.
        ceiling: As `levels` has it.
    """
    block_ms = settings.block_seconds * 1000
    starts = (measured_at_ms // block_ms * block_ms).astype(np.float64)
    budget = end_episodes(budget, is_open, measured_at_ms, settings.quiet_seconds, settings.raise_step)
    ended = starts > budget[:, BEGAN_AT_MS]  # False for NaN
    if ended.any():
        weeks = (starts[ended] - budget[ended, BEGAN_AT_MS]) / 1000 / WEEK_SECONDS
        closed = close_block(budget[ended], settings.blocks_max)
        budget[ended] = lower(closed, settings.raise_step * settings.false_episodes_per_unit_week * weeks)
    judged = ~np.isnan(scores)
    begins = np.isnan(budget[:, BEGAN_AT_MS]) & judged
    budget[:, BEGAN_AT_MS] = np.where(begins, starts, budget[:, BEGAN_AT_MS])
    healthy = judged & ~is_open & (scores < levels(budget, settings, ceiling))
    budget[:, PEAK] = np.where(healthy, np.fmax(budget[:, PEAK], scores), budget[:, PEAK])
    return budget


def close_block(budget: Doubles, blocks_max: float) -> Doubles:
    """State with the running block's highest healthy score taken into mean and scatter, and no block running."""
    budget = budget.copy()
    peak = budget[:, PEAK]
    counted = ~np.isnan(peak)
    keep = np.where(counted & (budget[:, COUNT] >= blocks_max), 1.0 - 1.0 / blocks_max, 1.0)
    count = budget[:, COUNT] * keep + counted
    delta = np.where(counted, peak - budget[:, MEAN], 0.0)
    mean = budget[:, MEAN] + delta / np.maximum(count, 1.0)
    budget[:, SQUARES] = budget[:, SQUARES] * keep + delta * np.where(counted, peak - mean, 0.0)
    budget[:, COUNT], budget[:, MEAN] = count, mean
    budget[:, PEAK] = budget[:, BEGAN_AT_MS] = np.nan
    return budget


def end_episodes(
    budget: Doubles, is_open: Bools, measured_at_ms: Millis, quiet_seconds: float, raise_step: float
) -> Doubles:
    """State after a look at the latches: an episode counts, and raises the level, once it has been over for a while."""
    budget = budget.copy()
    counts = ~is_open & (measured_at_ms - budget[:, LAST_OPEN_AT_MS] >= quiet_seconds * 1000)  # False for NaN
    budget[:, RAISED] += raise_step * counts
    last = np.where(counts, np.nan, budget[:, LAST_OPEN_AT_MS])
    budget[:, LAST_OPEN_AT_MS] = np.where(is_open, measured_at_ms, last)
    return budget


def lower(budget: Doubles, by: Doubles | float) -> Doubles:
    """State with the raised level lowered, by the raise step times the episodes that were allowed meanwhile."""
    budget = budget.copy()
    budget[:, RAISED] = np.maximum(budget[:, RAISED] - by, 0.0)
    return budget
