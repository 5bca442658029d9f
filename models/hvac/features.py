"""Window arithmetic over dense state: samples to minutes, minutes to what rules and models look at.

Training, edge, stream and backtest all run this file, row by row the same numbers: nothing here depends on how samples were
cut into frames, nor on which units are worked on together.

    samples    . . . . | . . . . | . . . . | .          one row a unit
    minutes    [ mean  ] [ mean  ] [ mean  ] open        closes when a later sample comes
    mean5            [ mean of the last five minutes ]   what rules and models judge
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.layout import Layout
from models.hvac.alert_budget import COLUMNS as BUDGET_COLUMNS
from models.hvac.facts import Facts, place
from models.hvac.kinds import Kind
from models.hvac.points import B_MAX, F_MAX, J_MAX, R_MAX, T_MAX, Bools, Floats, Ints, P, Rows, State
from models.hvac.settings import RuleSettings
from models.hvac.windows import WINDOW_FIELDS, follow

__all__ = [
    "STATE_FIELDS",
    "Minutes",
    "State",
    "fold",
    "gather",
    "grow_state",
    "meet",
    "new_state",
    "observe",
    "positions",
]

MINUTE_MS = 60_000
WINDOW_MINUTES = 5
# A sample older than the open minute is late and dropped; one much older means that the device's clock was set back.
CLOCK_STEP_MINUTES = 60
# Sums are kept as whole multiples of 2**-20, which float64 adds without rounding: no order of addition changes a mean.
_GRID = float(2**20)
_VALUE_MAX = 1e8
NEVER = -1
_NOTHING = np.array(0, dtype=np.float32)


class Field(NamedTuple):
    """One array of the state: dtype, shape behind the row axis, and the value of a row never seen."""

    dtype: str
    shape: tuple[int, ...]
    fill: float


STATE_FIELDS: dict[str, Field] = {
    # as which kind of equipment the row was fed last
    "kind": Field("<i2", (), 0),
    # fold: the open minute
    "open_minute": Field("<i8", (), NEVER),
    "open_sum": Field("<f8", (P,), 0),
    "open_count": Field("<i4", (P,), 0),
    "open_covered_ms": Field("<i8", (), 0),
    # observe: the last minutes and how long things have been as they are
    "ring": Field("<f4", (WINDOW_MINUTES, P), np.nan),
    "ring_at_ms": Field("<i8", (WINDOW_MINUTES,), NEVER),
    "last_minute_at_ms": Field("<i8", (), NEVER),
    "running_since_ms": Field("<i8", (), NEVER),
    "heating_closed_since_ms": Field("<i8", (), NEVER),
    "cooling_closed_since_ms": Field("<i8", (), NEVER),
    # baseline
    "reference_count": Field("<i4", (B_MAX,), 0),
    "reference_sum": Field("<f8", (B_MAX,), 0),
    # anomaly and diagnosis
    "offset_count": Field("<i4", (T_MAX,), 0),
    "offset_sum": Field("<f8", (T_MAX,), 0),
    "budget": Field("<f8", (BUDGET_COLUMNS,), 0),
    "anomaly_minutes": Field("<i2", (), 0),
    "fault_level": Field("<f4", (F_MAX,), 0),
    # rules
    "rule_true_since_ms": Field("<i8", (R_MAX,), NEVER),
    "rule_true_at_ms": Field("<i8", (R_MAX,), NEVER),
    # episodes
    "episode_opened_at_ms": Field("<i8", (F_MAX,), NEVER),
    "episode_rule": Field("<i4", (F_MAX,), NEVER),
    "episode_quiet_minutes": Field("<i4", (F_MAX,), 0),
    "episode_sure_minutes": Field("<i4", (F_MAX,), 0),
    "episode_unsure_minutes": Field("<i4", (), 0),
    "episode_level": Field("|i1", (F_MAX,), 0),
    # failure risk: health figures, smoothed fast and slowly over running time
    "health_fast": Field("<f4", (J_MAX,), 0),
    "health_slow": Field("<f4", (J_MAX,), 0),
    "health_week": Field("<f4", (J_MAX,), 0),
    "health_minutes": Field("<f4", (), 0),
    "health_known_since_ms": Field("<i8", (), NEVER),
    "health_starts": Field("<i4", (), 0),
    "health_running": Field("|b1", (), 0),
    # rules that look back further
    **{name: Field(*field) for name, field in WINDOW_FIELDS.items()},
}


def new_state(rows: int) -> State:
    """State of this many units, none of them seen yet."""
    return {name: np.full((rows, *field.shape), field.fill, dtype=field.dtype) for name, field in STATE_FIELDS.items()}


def grow_state(state: State, rows: int) -> State:
    """The same state with room for this many units; the rows that exist keep their values and places."""
    grown = new_state(rows)
    for name, array in state.items():
        grown[name][: len(array)] = array
    return grown


def meet(state: State, kind: Kind, rows: Rows) -> None:
    """These rows are fed as this kind now; a unit that was of another kind starts anew."""
    strange = state["kind"][place(rows)] != kind.code
    if strange.any():
        others = rows[strange]
        for name, field in STATE_FIELDS.items():
            state[name][others] = field.fill
        state["kind"][others] = kind.code


def positions(kind: Kind, layout: Layout) -> Rows:
    """Channel of each slot of the kind's points, -1 where the layout lacks it, shape (P,)."""
    found = np.full(P, -1, dtype=np.intp)
    found[: len(kind.points)] = layout.positions(kind.points)
    return found


def gather(values: Floats, quality: npt.NDArray[np.uint8] | None, positions: Rows) -> Floats:
    """The points that we understand, in their slots, out of frames of one layout.

    Args:
        values: Shape (k, channels, n).
        quality: Shape (k, channels, n), or None when every sample is good.
        positions: As `positions` gives them, shape (P,).

    Returns:
        Shape (k, P, n); NaN where the point is missing or its sample not good.
    """
    taken = values[:, np.maximum(positions, 0)].astype(np.float32)
    taken[:, positions < 0] = np.nan
    if quality is not None:
        bad = quality[:, np.maximum(positions, 0)] != 0
        taken[bad] = np.nan
    return taken


@dataclass(slots=True)
class Minutes:
    """One whole minute of each of some units of one kind. `rows` (m,) are distinct; `means` (m, P), NaN where nothing good
    was read.

    `minute_at_ms` is the start of the minute; `coverage_fraction` the part of it for which anything good was read.
    """

    kind: Kind
    rows: Rows
    minute_at_ms: Ints
    means: Floats
    coverage_fraction: Floats


def fold(
    state: State,
    kind: Kind,
    rows: Rows,
    measured_at_ms: Ints,
    interval_ms: Ints,
    values: Floats,
) -> Iterator[Minutes]:
    """Add samples of several units of one kind to their open minutes, and give out every minute that is complete by now.

    The iterator works on `state` as it goes: use it up before the next call.

    Args:
        rows: Distinct rows of the state, shape (k,).
        measured_at_ms: Time of each row's first sample, shape (k,).
        interval_ms: Time between its samples, shape (k,).
        values: As `gather` gives them, shape (k, P, n).

    Yields:
        Minutes in time order, at most one a row each time.
    """
    k, _, n = values.shape
    if k == 0 or n == 0:
        return
    rows = np.asarray(rows, dtype=np.intp)
    meet(state, kind, rows)
    minute = (measured_at_ms[:, None] + interval_ms[:, None] * np.arange(n)) // MINUTE_MS
    starts, segments = _segments(minute)
    good = np.abs(values) < _VALUE_MAX  # False for NaN
    slots = np.flatnonzero(good.any(axis=2).any(axis=0))  # the others add nothing
    values, good = values[:, slots], good[:, slots]
    steps = np.zeros((k, len(slots), n + 1))
    np.multiply(np.where(good, values, np.float32(0)), _GRID, out=steps[:, :, 1:], dtype=np.float64)
    totals = np.cumsum(np.rint(steps, out=steps), axis=2, out=steps)
    counts = np.zeros((k, len(slots), n + 1), dtype=np.int32)
    np.cumsum(good, axis=2, out=counts[:, :, 1:])
    covered = np.zeros((k, n + 1), dtype=np.int64)
    np.cumsum(good.any(axis=1), axis=1, out=covered[:, 1:])
    for segment in range(int(segments.max())):
        at = np.flatnonzero(segments > segment)
        first, last = starts[at, segment], starts[at, segment + 1]
        here = minute[at, first]
        open_minute = state["open_minute"][rows[at]]
        late = (here < open_minute) & (open_minute - here <= CLOCK_STEP_MINUTES)
        done = (here != open_minute) & (open_minute != NEVER) & ~late
        if done.any():
            yield _close(state, kind, rows[at[done]])
        fresh = (here != open_minute) & ~late
        _restart(state, rows[at[fresh]], here[fresh])
        kept = ~late
        index, first, last = at[kept], first[kept], last[kept]
        where = rows[index][:, None], slots
        state["open_sum"][where] += totals[index, :, last] - totals[index, :, first]
        state["open_count"][where] += counts[index, :, last] - counts[index, :, first]
        state["open_covered_ms"][rows[index]] += (covered[index, last] - covered[index, first]) * interval_ms[index]


def _segments(minute: Ints) -> tuple[Rows, Rows]:
    """Where each row's minutes begin (k, most + 1), padded with n, and how many there are (k,)."""
    k, n = minute.shape
    begins = np.ones((k, n), dtype=bool)
    begins[:, 1:] = minute[:, 1:] != minute[:, :-1]
    segments = begins.sum(axis=1)
    starts = np.full((k, int(segments.max()) + 1), n, dtype=np.intp)
    row, column = np.nonzero(begins)
    starts[row, (np.cumsum(begins, axis=1) - 1)[row, column]] = column
    return starts, segments


def _close(state: State, kind: Kind, rows: Rows) -> Minutes:
    """The open minutes of these rows, as they stand."""
    count = state["open_count"][rows]
    means = np.full(count.shape, np.nan)
    np.divide(state["open_sum"][rows], count * _GRID, out=means, where=count > 0)
    coverage = np.minimum(state["open_covered_ms"][rows] / MINUTE_MS, 1)
    return Minutes(
        kind,
        rows,
        state["open_minute"][rows] * MINUTE_MS,
        means.astype(np.float32),
        coverage.astype(np.float32),
    )


def _restart(state: State, rows: Rows, minute: Ints) -> None:
    """Open a new minute in these rows."""
    state["open_minute"][rows] = minute
    state["open_sum"][rows] = 0
    state["open_count"][rows] = 0
    state["open_covered_ms"][rows] = 0


def observe(state: State, minutes: Minutes, settings: RuleSettings, holds_ms: Ints | None = None) -> Facts:
    """Take one minute of each unit into its windows, and say what is known now.

    Works on `state`; the result holds copies.

    Args:
        state: Of all units.
        minutes: One minute each of some of them.
        settings: Of the rules.
        holds_ms: For how long each reading stands, shape (m,); a minute by default, in recorded files until the next one.
    """
    kind, rows, at_ms, now = minutes.kind, minutes.rows, minutes.minute_at_ms, minutes.means
    meet(state, kind, rows)
    at = place(rows)
    last = state["last_minute_at_ms"][at].copy()
    broken = (last == NEVER) | (at_ms <= last) | (at_ms - last > settings.gap_seconds * 1000 + MINUTE_MS)
    state["last_minute_at_ms"][at] = at_ms
    if broken.any():
        state["ring_at_ms"][rows[broken]] = NEVER
    slot = (at_ms // MINUTE_MS) % WINDOW_MINUTES
    state["ring"][rows, slot] = now
    state["ring_at_ms"][rows, slot] = at_ms
    mean = _window_mean(state, at, at_ms)

    running = _running(kind, now)
    running_seconds = _held(state, "running_since_ms", at, at_ms, running, broken)
    # Met while running: it has most likely run for a while, so half of the start-up time is given.
    met = broken & running
    if met.any():
        state["running_since_ms"][rows[met]] -= settings.startup_seconds * 500
        running_seconds = running_seconds + met * (settings.startup_seconds // 2)
    heating = _closed(kind.operation.heating, kind, now, settings)
    cooling = _closed(kind.operation.cooling, kind, now, settings)
    facts = Facts(
        kind=kind,
        rows=rows,
        at_ms=at_ms,
        now=now,
        mean=mean,
        broken=broken,
        elapsed_minutes=np.where(broken, 1, (at_ms - last) / MINUTE_MS).astype(np.float32),
        running=running,
        running_seconds=running_seconds,
        settled=running_seconds > settings.startup_seconds,
        heating_closed_seconds=_held(state, "heating_closed_since_ms", at, at_ms, heating, broken),
        cooling_closed_seconds=_held(state, "cooling_closed_since_ms", at, at_ms, cooling, broken),
    )
    if holds_ms is not None:
        facts.holds_ms = holds_ms
    facts.windows = follow(state, facts, settings)
    return facts


def _window_mean(state: State, at: Rows | slice, at_ms: Ints) -> Floats:
    """Mean of each point over the minutes of the window that were seen, shape (m, P)."""
    ring, ring_at_ms = state["ring"][at], state["ring_at_ms"][at]
    fresh = (ring_at_ms > at_ms[:, None] - WINDOW_MINUTES * MINUTE_MS) & (ring_at_ms <= at_ms[:, None])
    seen = fresh[:, :, None] & ~np.isnan(ring)
    values = np.where(seen, ring, _NOTHING)
    # Added one minute after the other: the same bits whatever the shape.
    total, count = values[:, 0].astype(np.float64), seen[:, 0].astype(np.int8)
    for minute in range(1, WINDOW_MINUTES):
        total += values[:, minute]
        count += seen[:, minute]
    mean = np.full(total.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean.astype(np.float32)


def _running(kind: Kind, now: Floats) -> Bools:
    """Whether each unit runs: by the most trusted of the points that tell it; unknown counts as off."""
    running: Bools = np.zeros(len(now), dtype=bool)
    for name, least in kind.operation.running:
        values = now[:, kind.slot[name]]
        running = np.where(np.isnan(values), running, values > least)
    return running


def _closed(command: str, kind: Kind, now: Floats, settings: RuleSettings) -> Bools:
    """Whether a coil is asked for nothing, shape (m,); False where that is not told."""
    if not command:
        return np.zeros(len(now), dtype=bool)
    closed: Bools = now[:, kind.slot[command]] <= settings.valve_closed_fraction
    return closed


def _held(
    state: State,
    field: str,
    at: Rows | slice,
    at_ms: Ints,
    holds: Bools,
    broken: Bools,
) -> Ints:
    """For how many seconds a condition has held without a break, to the end of this minute; 0 where it does not hold."""
    since = state[field][at]
    since = np.where(holds, np.where((since == NEVER) | broken, at_ms, since), NEVER)
    state[field][at] = since
    return np.where(holds, (at_ms + MINUTE_MS - since) // 1000, 0)
