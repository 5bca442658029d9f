"""Windows on sensors: jumps from one reading to the next, values that do not move, and changes that last."""

from __future__ import annotations

import numpy as np

from models.hvac.facts import NAN, Facts
from models.hvac.points import Bools, Floats, Ints, State
from models.hvac.rules_settings import SensorRules
from models.hvac.windows_state import ANY_SENSOR, JUMP_MS, MINUTE_MS, NEVER, OUTDOOR, Tuned, Watched

_NO_JUMP = np.array(-1, dtype=np.float32)
_NEVER = np.array(NEVER)


def steps(state: State, facts: Facts) -> Floats:
    """By how much each reading differs from the one before, shape (m, P); NaN where there is none, and after a gap."""
    step = np.abs(facts.now - state["sensor_last"][facts.at])
    np.copyto(step, NAN, where=facts.broken[:, None])
    return step


def jumps(state: State, facts: Facts, step: Floats, columns: Watched, limits: Tuned) -> tuple[Floats, Ints]:
    """The worst jump of the last minutes as a multiple of its limit, and outdoor air's in kelvin; which sensor it was."""
    at = facts.at
    multiple = np.fmax(step / limits.jump, _NO_JUMP)
    worst = multiple.argmax(axis=1)
    fresh = np.empty((len(step), 2), dtype=np.float32)
    fresh[:, ANY_SENSOR] = multiple[np.arange(len(step)), worst]
    fresh[:, OUTDOOR] = np.fmax(step[:, columns.outdoor], _NO_JUMP) if columns.outdoor >= 0 else _NO_JUMP
    held, since = state["jump"][at], state["jump_at_ms"][at]
    now_ms = facts.at_ms[:, None]
    # A later jump that is as far over is a new one; a small one does not hide a large one that is still looked at.
    newer = (now_ms - since >= JUMP_MS) | (since == NEVER) | facts.broken[:, None] | (fresh >= held)
    jump = np.where(newer, fresh, held)
    column = np.where(newer[:, ANY_SENSOR], worst, state["jump_column"][at])
    state["jump"][at] = jump
    state["jump_at_ms"][at] = np.where(newer, now_ms, since)
    state["jump_column"][at] = column
    return np.where(jump < 0, NAN, jump), column


def flat(state: State, facts: Facts, step: Floats, columns: Watched, limits: Tuned) -> tuple[Floats, Floats]:
    """Hours for which each lively sensor has kept within its tolerance, and for which none has changed at all."""
    at, now, lively = facts.at, facts.now, columns.sensors.lively
    low, high = np.fmin(state["sensor_low"][at], now), np.fmax(state["sensor_high"][at], now)
    moved = ~(high - low <= limits.flat) | facts.broken[:, None]
    lost = np.isnan(now)
    told = lively & ~lost
    minute = (facts.at_ms // MINUTE_MS)[:, None]
    since = state["sensor_steady_minute"][at]
    since = np.where(lost, _NEVER, np.where(moved | (since == NEVER), minute, since))
    state["sensor_low"][at] = np.where(moved, now, low)
    state["sensor_high"][at] = np.where(moved, now, high)
    state["sensor_steady_minute"][at] = since
    held = (minute - since + (facts.holds_ms // MINUTE_MS)[:, None]) / 60
    steady = np.where(told, held.astype(np.float32), NAN)

    changed = (lively & (step > 1e-6)).any(axis=1)
    there = told.any(axis=1)
    stale_since = state["stale_since_ms"][at]
    fresh = changed | facts.broken | ~there | (stale_since == NEVER)
    stale_since = np.where(fresh, facts.at_ms, stale_since)
    state["stale_since_ms"][at] = stale_since
    state["sensor_last"][at] = now
    stale = (facts.at_ms + facts.holds_ms - stale_since) / 3_600_000
    return steady, np.where(there, stale.astype(np.float32), NAN)


def rates(state: State, facts: Facts, settings: SensorRules) -> tuple[Floats, Bools]:
    """Change an hour that has lasted over two successive halves of the window, and whether the unit has just switched."""
    rows, at = facts.rows, facts.at
    since = state["rate_at_ms"][at]
    elapsed = facts.at_ms - since
    anew = (since == NEVER) | facts.broken | (elapsed > settings.rate_gap_hours * 3_600_000)
    due = anew | (elapsed >= settings.rate_minutes * MINUTE_MS / 2)
    if due.any():
        some = rows[due]
        half = (facts.now[due] - state["rate_from"][some]) / (elapsed[due, None] / 3_600_000).astype(np.float32)
        half[anew[due]] = np.nan
        before = state["rate_half"][some]
        lasting = np.where(half * before > 0, np.minimum(np.abs(half), np.abs(before)), np.float32(0) * half * before)
        state["rate"][some], state["rate_half"][some] = lasting, half
        state["rate_from"][some], state["rate_at_ms"][some] = facts.now[due], facts.at_ms[due]
    running = facts.running.astype(np.int8)
    was = state["was_running"][at]
    switched = np.where((was != running) & (was != NEVER), facts.at_ms, state["switched_at_ms"][at])
    state["was_running"][at], state["switched_at_ms"][at] = running, switched
    transition = (switched != NEVER) & (facts.at_ms - switched < settings.transition_minutes * MINUTE_MS)
    return state["rate"][at].copy(), transition
