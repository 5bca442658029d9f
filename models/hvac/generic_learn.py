"""What a unit goes on learning after its training, a block of rows at a time: where its centre lies, and its alarm level.

The centre follows the rows outside episodes with a memory of weeks, so that seasons and new uses become normal; how points
move together stays what training showed. The alarm level follows the healthy block maxima and the episodes that were opened
(alert_budget.py).
"""

from __future__ import annotations

import numpy as np

from models.hvac import alert_budget
from models.hvac.alert_budget import PEAK, WEEK_SECONDS
from models.hvac.generic_model import Bools, Doubles, GenericModel, GenericState

# The centre moves as if the mean of a block were no further off than this: one wild block does not carry it away.
_AWAY_STEPS_MAX = 1.0


def take(state: GenericState, away: Doubles, missing: Bools, squares: Doubles, healthy: Bools) -> None:
    """Keep what some rows of the running block teach; works on `state`.

    Args:
        away: Running means from the centre, shape (n, S, K).
        missing: Shape (n, S, K).
        squares: Distances, shape (n, S).
        healthy: Rows outside episodes and below the alarm level, shape (n,).
    """
    seen = ~missing & healthy[:, None, None]
    # Added up row by row, carry first: sums must not depend on how rows are cut into calls.
    state.block_sum = np.add.accumulate(np.concatenate([state.block_sum[None], np.where(seen, away, 0.0)]))[-1]
    state.block_count = state.block_count + seen.sum(axis=0)
    peaks = np.fmax.reduce(np.where(healthy[:, None], squares, np.nan), axis=0)
    state.budget[:, PEAK] = np.fmax(state.budget[:, PEAK], peaks)


def end_block(model: GenericModel, state: GenericState) -> None:
    """Learn from the block that is full, and begin the next; works on `state`."""
    settings = model.settings
    budget = alert_budget.close_block(state.budget, np.inf)
    weeks = model.block_rows * model.interval_ms / 1000 / WEEK_SECONDS
    budget = alert_budget.lower(budget, settings.raise_step * settings.false_episodes_per_unit_week * weeks)
    now, is_open = np.full(len(budget), state.measured_at_ms), np.full(len(budget), state.anomalous)
    state.budget = alert_budget.end_episodes(budget, is_open, now, settings.quiet_seconds, settings.raise_step)
    if settings.memory_days > 0:
        memory_rows = max(settings.memory_days * 86_400_000 / model.interval_ms, model.rows)
        away = state.block_sum / np.maximum(state.block_count, 1.0)
        gain = -np.expm1(-state.block_count / memory_rows)
        state.mean = state.mean + gain * np.clip(away, -_AWAY_STEPS_MAX, _AWAY_STEPS_MAX)
    state.block_row = 0
    state.block_sum = np.zeros_like(state.block_sum)
    state.block_count = np.zeros_like(state.block_count)
