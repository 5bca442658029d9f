"""Windows of an hour, in buckets of five minutes, and of seven days.

The open bucket and the sum of those before it are kept beside the buckets themselves: only when a bucket or a day is full
are they added up anew.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.hvac.facts import NAN, Facts
from models.hvac.points import Bools, Floats, Ints, Rows, State
from models.hvac.rules_settings import SensorRules
from models.hvac.settings import RuleSettings
from models.hvac.windows_state import (
    BUCKET_MS,
    BUCKETS,
    DAY_MS,
    DAYS,
    FLOW,
    FLOW_MINUTES,
    FLOW_SQUARE,
    MINUTES,
    MODE_CHANGES,
    NEVER,
    REVERSALS,
    SUMS,
    TRAVEL,
    Watched,
)

_OPEN, _BEFORE = 0, 1
_SEEN, _ON = 0, 1
# A minute stands for at most so many: what was not seen is not counted.
_MINUTES_MAX = np.array(5, dtype=np.float32)
_NOTHING = np.array(0, dtype=np.float32)


class Hour(NamedTuple):
    """What the last hour amounts to, of m units."""

    sums: Floats  # (m, SUMS)
    span: Floats  # (m, OUTPUTS_MAX)
    flow_mean: Floats  # (m,), NaN where no flow was read
    flow_spread: Floats  # (m,)


def hour(state: State, facts: Facts, columns: Watched, entered: Bools, settings: SensorRules) -> Hour:
    """Take this minute into the open bucket, and sum up the last twelve. Works on `state`.

    Args:
        state: Of all units.
        facts: Of this minute.
        columns: Which are watched.
        entered: Whether an operating mode was just entered, shape (m,).
        settings: Of the rules on sensors and outputs.
    """
    at = facts.at
    number = (facts.at_ms // BUCKET_MS).astype(np.int32)
    full = state["bucket"][at] != number
    if full.any():
        _next_bucket(state, facts.rows[full], number[full])
    c = len(columns.outputs)
    position = facts.now[:, columns.outputs]
    add = _this_minute(state, facts, position, entered, settings)
    sums, low, high = state["hour_sums"][at], state["hour_low"][at], state["hour_high"][at]
    opened = sums[:, _OPEN] + add
    lowest, highest = low[:, _OPEN].copy(), high[:, _OPEN].copy()
    lowest[:, :c], highest[:, :c] = np.fmin(lowest[:, :c], position), np.fmax(highest[:, :c], position)
    whole = sums[:, _BEFORE] + opened
    span = np.maximum(high[:, _BEFORE], highest) - np.minimum(low[:, _BEFORE], lowest)
    state["hour_sums"][at, _OPEN] = opened
    state["hour_low"][at, _OPEN], state["hour_high"][at, _OPEN] = lowest, highest
    if "zone_air_flow" not in facts.kind.slot:
        nothing = np.full(len(whole), np.nan, dtype=np.float32)
        return Hour(whole, span, nothing, nothing)
    weight = np.where(whole[:, FLOW_MINUTES] > 0, whole[:, FLOW_MINUTES], np.float32(np.nan))
    mean = whole[:, FLOW] / weight
    variance = whole[:, FLOW_SQUARE] / weight - mean * mean
    spread: Floats = np.sqrt(np.maximum(variance, np.float32(0))).astype(np.float32)
    return Hour(whole, span, mean.astype(np.float32), spread)


def _this_minute(
    state: State, facts: Facts, position: Floats, entered: Bools, settings: SensorRules
) -> npt.NDArray[np.float32]:
    """What this minute adds to its bucket, shape (m, SUMS), from where the control outputs stand, (m, C)."""
    at, c = facts.at, position.shape[1]
    minutes = np.minimum(facts.elapsed_minutes, _MINUTES_MAX)
    add = np.zeros((len(facts.rows), SUMS), dtype=np.float32)
    add[:, MINUTES], add[:, MODE_CHANGES] = minutes, entered
    if "zone_air_flow" in facts.kind.slot:
        flow = facts.last("zone_air_flow")
        there = ~np.isnan(flow)
        add[:, FLOW_MINUTES] = there * minutes
        add[:, FLOW] = np.where(there, flow, 0) * minutes
        add[:, FLOW_SQUARE] = np.where(there, flow * flow, 0) * minutes
    before, direction = state["output_value"][at, :c], state["output_direction"][at, :c]
    before = np.where(facts.broken[:, None], NAN, before)
    step = position - before
    travel = np.abs(step)
    moved = travel >= np.float32(settings.hunting_deadband_fraction)
    heading = np.where(moved, np.sign(step), direction).astype(np.int8)
    add[:, TRAVEL : TRAVEL + c] = np.where(moved, travel, _NOTHING)
    add[:, REVERSALS : REVERSALS + c] = moved & (direction != 0) & (heading != direction)
    state["output_value"][at, :c] = np.where(moved | np.isnan(before), position, before)
    state["output_direction"][at, :c] = heading * ~facts.broken[:, None]
    return add


def _next_bucket(state: State, rows: Rows, number: Ints) -> None:
    """Put these rows' open bucket into its slot, open the next one, and add up those that still count."""
    old = state["bucket"][rows]
    kept = old != NEVER
    some, slot = rows[kept], old[kept] % BUCKETS
    state["bucket_number"][some, slot] = old[kept]
    for name in ("sums", "low", "high"):
        state[f"bucket_{name}"][some, slot] = state[f"hour_{name}"][some, _OPEN]
    age = number[:, None] - state["bucket_number"][rows]
    within = ((age > 0) & (age < BUCKETS) & (state["bucket_number"][rows] != NEVER))[:, :, None]
    # Added one bucket after the other: the same bits for one unit as for thousands.
    sums = np.cumsum(np.where(within, state["bucket_sums"][rows], np.float32(0)), axis=1)[:, -1]
    state["hour_sums"][rows, _BEFORE], state["hour_sums"][rows, _OPEN] = sums, 0
    lowest = np.where(within, state["bucket_low"][rows], np.float32(np.inf)).min(axis=1)
    highest = np.where(within, state["bucket_high"][rows], np.float32(-np.inf)).max(axis=1)
    state["hour_low"][rows, _BEFORE], state["hour_low"][rows, _OPEN] = lowest, np.inf
    state["hour_high"][rows, _BEFORE], state["hour_high"][rows, _OPEN] = highest, -np.inf
    state["bucket"][rows] = number


# By which points a machine is proven on, the surest first: states, then currents and powers, then commands.
_PROOFS: tuple[tuple[str, float], ...] = (
    ("supply_fan_status", 0.5), ("pump_status", 0.5), ("chilled_water_pump_status", 0.5),
    ("hot_water_pump_status", 0.5), ("chiller_status", 0.5), ("compressor_status", 0.5), ("boiler_status", 0.5),
    ("tower_fan_speed_command", 0.05), ("supply_fan_speed_command", 0.05),
    ("chilled_water_pump_speed_command", 0.05), ("hot_water_pump_speed_command", 0.05),
)  # fmt: skip


@lru_cache(maxsize=32)
def _proofs(points: tuple[str, ...]) -> tuple[npt.NDArray[np.intp], Floats]:
    there = [(points.index(point), least) for point, least in _PROOFS if point in points]
    return np.array([one[0] for one in there], dtype=np.intp), np.array([one[1] for one in there], dtype=np.float32)


def proven_on(facts: Facts) -> Floats:
    """1 where the surest point that is read says on, 0 where it says off, NaN where none is read, shape (m,)."""
    slots, least = _proofs(facts.kind.points)
    values = facts.now[:, slots]
    known = ~np.isnan(values)
    each = np.arange(len(values))
    surest = known.argmax(axis=1)
    on = values[each, surest] > least[surest]
    return np.where(known[each, surest], on, NAN)


def days(state: State, facts: Facts, settings: RuleSettings) -> tuple[Floats, Floats]:
    """Share of the last seven days' time for which fan or pump were on, and hours seen of them, shape (m,) each."""
    at, on = facts.at, proven_on(facts)
    day = (facts.at_ms // DAY_MS).astype(np.int32)
    over = state["day"][at] != day
    if over.any():
        _next_day(state, facts.rows[over], day[over])
    limit = np.float32((settings.gap_seconds + 60) / 60)
    minutes = np.minimum(facts.elapsed_minutes, limit)
    told = ~np.isnan(on)
    add = np.empty((len(on), 2), dtype=np.float32)
    add[:, _SEEN], add[:, _ON] = told * minutes, (on > 0) * minutes
    week = state["week_minutes"][at]
    today = week[:, _OPEN] + add
    whole = week[:, _BEFORE] + today
    state["week_minutes"][at, _OPEN] = today
    seen = whole[:, _SEEN]
    weight: Floats = np.where(told & (seen > 0), seen, NAN)
    share: Floats = whole[:, _ON] / weight
    return share, seen / np.float32(60)


def _next_day(state: State, rows: Rows, day: Ints) -> None:
    """Put these rows' day into its slot, begin the next one, and add up the six before it."""
    old = state["day"][rows]
    kept = old != NEVER
    some, slot = rows[kept], old[kept] % DAYS
    state["day_number"][some, slot] = old[kept]
    state["day_minutes"][some, slot] = state["week_minutes"][some, _OPEN]
    age = day[:, None] - state["day_number"][rows]
    within = ((age > 0) & (age < DAYS) & (state["day_number"][rows] != NEVER))[:, :, None]
    state["week_minutes"][rows, _BEFORE] = np.cumsum(
        np.where(within, state["day_minutes"][rows], np.float32(0)), axis=1
    )[:, -1]
    state["week_minutes"][rows, _OPEN] = 0
    state["day"][rows] = day
