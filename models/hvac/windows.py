"""What rules need to remember of a unit: dense fields of fixed size, folded in minute by minute.

    run lengths   since when a value has stayed as it is, or a state has held          one number a point
    steps         the last reading of each sensor, and what it changed by               one number a point
    the last hour twelve buckets of five minutes: travel and reversals of control
                  outputs, changes of operating mode, mean and spread of a zone's flow
    seven days    minutes seen and minutes on, a number a day

    buckets  |__|__|__|__|__|__|__|__|__|__|__|_.   the hour ends within the open bucket: it is 55 to 60 minutes long

A gap (`facts.broken`) ends run lengths and steps; buckets and days simply cover less.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.equipment import POINTS_MAX
from models.contracts.points import POINTS
from models.hvac.facts import Facts
from models.hvac.points import Bools, Floats, Ints, State
from models.hvac.rules_settings import SensorRules
from models.hvac.sensor_limits import FLOW, HUMIDITY, OTHER, PRESSURE, TEMPERATURE, SensorColumns, sensor_columns
from models.hvac.settings import RuleSettings

BUCKETS, BUCKET_MS = 12, 300_000
DAYS, DAY_MS = 7, 86_400_000
OUTPUTS_MAX = 8
# A jump is looked at for this long, so that one reading can outlast a confirmation time.
JUMP_MS = 300_000
MINUTE_MS = 60_000
NEVER = -1
_HEATING, _COOLING = ("heating_valve_command", "heating_command"), ("cooling_valve_command", "dx_cooling_command")
_MINUTES, _MODE_CHANGES, _FLOW_MINUTES, _FLOW, _FLOW_SQUARE, _TRAVEL = range(6)
_REVERSALS = _TRAVEL + OUTPUTS_MAX
SUMS = _REVERSALS + OUTPUTS_MAX
ANY_SENSOR, OUTDOOR = range(2)
_NO_JUMP = np.float32(-1)
OFF, HEATING, FREE_COOLING, MIXED_COOLING, MECHANICAL_COOLING, IDLE = range(6)

# Name: dtype, shape behind the row axis, value of a row never seen. Part of every snapshot: append only.
WINDOW_FIELDS: dict[str, tuple[str, tuple[int, ...], float]] = {
    "sensor_last": ("<f4", (POINTS_MAX,), np.nan),
    "sensor_low": ("<f4", (POINTS_MAX,), np.nan),
    "sensor_high": ("<f4", (POINTS_MAX,), np.nan),
    "sensor_steady_minute": ("<i4", (POINTS_MAX,), NEVER),
    "rate_from": ("<f4", (POINTS_MAX,), np.nan),
    "rate_half": ("<f4", (POINTS_MAX,), np.nan),
    "rate": ("<f4", (POINTS_MAX,), np.nan),
    "rate_at_ms": ("<i8", (), NEVER),
    "stale_since_ms": ("<i8", (), NEVER),
    "jump": ("<f4", (2,), np.nan),
    "jump_column": ("|i1", (), NEVER),
    "jump_at_ms": ("<i8", (2,), NEVER),
    "mode": ("|i1", (), NEVER),
    "mode_since_ms": ("<i8", (), NEVER),
    "switched_at_ms": ("<i8", (), NEVER),
    "was_running": ("|i1", (), NEVER),
    "damper_open_since_ms": ("<i8", (), NEVER),
    "output_value": ("<f4", (OUTPUTS_MAX,), np.nan),
    "output_direction": ("|i1", (OUTPUTS_MAX,), 0),
    "bucket_number": ("<i4", (BUCKETS,), NEVER),
    "bucket_sums": ("<f4", (BUCKETS, SUMS), 0),
    "bucket_low": ("<f4", (BUCKETS, OUTPUTS_MAX), np.inf),
    "bucket_high": ("<f4", (BUCKETS, OUTPUTS_MAX), -np.inf),
    "day_number": ("<i4", (DAYS,), NEVER),
    "day_seen_minutes": ("<f4", (DAYS,), 0),
    "day_on_minutes": ("<f4", (DAYS,), 0),
}


class Watched(NamedTuple):
    """Which columns of a kind's arrays are watched."""

    sensors: SensorColumns
    outputs: npt.NDArray[np.intp]  # columns of control outputs, at most OUTPUTS_MAX
    outdoor: int  # column of the outdoor air temperature, -1 where there is none


@dataclass(slots=True)
class Windows:
    """What the windows amount to now, of m units; P columns of points, C control outputs. NaN: cannot be told."""

    heating: Floats  # (m,), share of full heating that is asked for, by valve or else by stage
    cooling: Floats  # (m,)
    mode: Ints  # (m,)
    mode_seconds: Ints  # (m,), since the operating mode changed
    mode_changes: Floats  # (m,), into a mode within the last hour
    steady_hours: Floats  # (m, P), for how long each lively sensor has stayed within its tolerance
    stale_hours: Floats  # (m,), for how long no lively sensor has changed at all
    jump: Floats  # (m, 2), worst sensor as a multiple of its limit, and outdoor air in kelvin
    jump_column: Ints  # (m,), of that sensor
    rate: Floats  # (m, P), sustained change an hour
    transition: Bools  # (m,), shortly after a start or stop
    damper_open_hours: Floats  # (m,), of a terminal unit
    travel: Floats  # (m, C), strokes within the last hour
    span: Floats  # (m, C)
    reversals: Floats  # (m, C)
    hour_coverage: Floats  # (m,), fraction
    flow_coverage: Floats  # (m,), fraction
    flow_mean: Floats  # (m,)
    flow_spread: Floats  # (m,), standard deviation
    on_fraction: Floats  # (m,), of the time seen within seven days
    seen_hours: Floats  # (m,)


class Tuned(NamedTuple):
    """Limits of a kind's sensors under some settings, shape (P,) each; NaN where there is none."""

    jump: Floats
    flat: Floats  # tolerance of a flat line
    middle: Floats  # of the range
    half: Floats
    rate: Floats  # an hour


@lru_cache(maxsize=32)
def watched(points: tuple[str, ...]) -> Watched:
    """Columns to watch in arrays with these points in their first columns."""
    outputs = [c for c, name in enumerate(points) if name.endswith("_command") and POINTS[name].unit == "fraction"]
    outdoor = points.index("outdoor_air_temperature") if "outdoor_air_temperature" in points else -1
    return Watched(sensor_columns(points, POINTS_MAX), np.array(outputs[:OUTPUTS_MAX], dtype=np.intp), outdoor)


def _by_quantity(**scales: float) -> Floats:
    found = np.ones(5, dtype=np.float32)
    for quantity, scale in scales.items():
        found[{"temperature": TEMPERATURE, "humidity": HUMIDITY, "pressure": PRESSURE}[quantity]] = scale
    return found


@lru_cache(maxsize=64)
def tuned(points: tuple[str, ...], s: SensorRules) -> Tuned:
    """The limits of a kind's sensors as the settings scale them. A scale widens a range about its middle."""
    limits = watched(points).sensors
    jumps = _by_quantity(
        temperature=s.spike_scale_temperature, humidity=s.spike_scale_humidity, pressure=s.spike_scale_pressure
    )
    ranges = _by_quantity(
        temperature=s.range_scale_temperature, humidity=s.range_scale_humidity, pressure=s.range_scale_pressure
    )
    # A thousandth of relative humidity: what 0.1 is to a sensor that counts in percent.
    flat = np.where(limits.quantity == HUMIDITY, 0.001, s.flatline_celsius).astype(np.float32)
    # Quantities without a limit of their own: their whole span (flows: the design flow) within the window.
    an_hour = 60 / max(s.rate_minutes, 1)
    own = np.full(5, np.nan, dtype=np.float32)
    own[FLOW] = s.design_flow_cubic_meters_per_second * an_hour or np.nan
    own[[PRESSURE, OTHER]] = s.span * an_hour or np.nan
    rate = np.where(np.isnan(limits.rate), own[limits.quantity], limits.rate)
    return Tuned(
        jump=limits.jump * jumps[limits.quantity] * np.float32(s.spike_scale),
        flat=flat,
        middle=((limits.high + limits.low) / 2).astype(np.float32),
        half=((limits.high - limits.low) / 2 * ranges[limits.quantity]).astype(np.float32),
        rate=np.where(limits.sensor, rate, np.float32(np.nan)),
    )


def follow(state: State, facts: Facts, settings: RuleSettings) -> Windows:
    """Take this minute of each unit into its windows, and say what they amount to. Works on `state`."""
    columns = watched(facts.kind.points)
    with np.errstate(invalid="ignore", divide="ignore"):
        heating, cooling = _asked(facts, *_HEATING), _asked(facts, *_COOLING)
        mode, mode_seconds, entered = _modes(state, facts, heating, cooling, settings)
        jump, jump_column = _jumps(state, facts, columns, settings.sensor)
        steady, stale = _flat(state, facts, columns, settings.sensor)
        rate, transition = _rates(state, facts, settings.sensor)
        hour = _hour(state, facts, columns, entered, settings.sensor)
        on, seen = _days(state, facts, settings)
        return Windows(
            heating=heating,
            cooling=cooling,
            mode=mode,
            mode_seconds=mode_seconds,
            mode_changes=hour.sums[:, _MODE_CHANGES],
            steady_hours=steady,
            stale_hours=stale,
            jump=jump,
            jump_column=jump_column,
            rate=rate,
            transition=transition,
            damper_open_hours=_damper_open(state, facts, settings),
            travel=hour.sums[:, _TRAVEL:_REVERSALS],
            span=hour.span,
            reversals=hour.sums[:, _REVERSALS:],
            hour_coverage=hour.sums[:, _MINUTES] / np.float32(60),
            flow_coverage=hour.sums[:, _FLOW_MINUTES] / np.float32(60),
            flow_mean=hour.flow_mean,
            flow_spread=hour.flow_spread,
            on_fraction=on,
            seen_hours=seen,
        )


def _asked(facts: Facts, valve: str, stage: str) -> Floats:
    """Share of full heating or cooling that is asked for, by valve or else by stage, shape (m,)."""
    if stage not in facts.kind.slot:
        return facts.of(valve)
    if valve not in facts.kind.slot:
        return facts.of(stage)
    return np.where(facts.known(valve), facts.of(valve), facts.of(stage))


def _modes(
    state: State, facts: Facts, asked_heating: Floats, asked_cooling: Floats, settings: RuleSettings
) -> tuple[Ints, Ints, Bools]:
    """Operating mode as Guideline 36 tells it from commands, for how long, and whether it was just entered."""
    rows, air = facts.rows, settings.air
    heating = asked_heating > air.heating_on_fraction
    cooling = asked_cooling > air.cooling_on_fraction
    outdoor = facts.of("outdoor_air_damper_command") > air.damper_minimum_fraction
    mode = np.where(
        cooling,
        np.where(heating, IDLE, np.where(outdoor, MIXED_COOLING, MECHANICAL_COOLING)),
        np.where(heating, HEATING, np.where(outdoor, FREE_COOLING, IDLE)),
    )
    mode = np.where(facts.running, mode, OFF)
    before = state["mode"][rows]
    changed = (mode != before) | facts.broken
    since = np.where(changed, facts.at_ms, state["mode_since_ms"][rows])
    state["mode"][rows], state["mode_since_ms"][rows] = mode, since
    entered = (mode != before) & (before != NEVER) & ~facts.broken & (mode != OFF) & (mode != IDLE)
    # Met in a mode: it has most likely been in it for a while.
    seconds = np.where(since == facts.at_ms, 0, (facts.at_ms + facts.holds_ms - since) // 1000)
    seconds = np.where(facts.broken, settings.air.mode_delay_seconds, seconds)
    return mode, seconds, entered


def _jumps(state: State, facts: Facts, columns: Watched, settings: SensorRules) -> tuple[Floats, Ints]:
    """The worst jump of the last minutes as a multiple of its limit, and outdoor air's in kelvin; which sensor it was."""
    rows = facts.rows
    step = np.abs(facts.now - state["sensor_last"][rows])
    step[facts.broken] = np.nan
    multiple = np.fmax(step / tuned(facts.kind.points, settings).jump, _NO_JUMP)
    worst = multiple.argmax(axis=1)
    place = np.arange(len(rows))
    outdoor = step[:, columns.outdoor] if columns.outdoor >= 0 else np.full(len(rows), np.nan, np.float32)
    fresh = np.stack([multiple[place, worst], np.fmax(outdoor, _NO_JUMP)], axis=1)
    held, at = state["jump"][rows], state["jump_at_ms"][rows]
    now_ms = facts.at_ms[:, None]
    # A later jump that is as far over is a new one; a small one does not hide a large one that is still looked at.
    newer = (now_ms - at >= JUMP_MS) | (at == NEVER) | facts.broken[:, None] | (fresh >= held)
    jump = np.where(newer, fresh, held).astype(np.float32)
    column = np.where(newer[:, ANY_SENSOR], worst, state["jump_column"][rows])
    state["jump"][rows] = jump
    state["jump_at_ms"][rows] = np.where(newer, now_ms, at)
    state["jump_column"][rows] = column
    return np.where(jump < 0, np.float32(np.nan), jump), column


def _flat(state: State, facts: Facts, columns: Watched, settings: SensorRules) -> tuple[Floats, Floats]:
    """Hours for which each lively sensor has kept within its tolerance, and for which none has changed at all."""
    rows, now, lively = facts.rows, facts.now, columns.sensors.lively
    low, high = np.fmin(state["sensor_low"][rows], now), np.fmax(state["sensor_high"][rows], now)
    moved = ~(high - low <= tuned(facts.kind.points, settings).flat) | facts.broken[:, None]
    lost = np.isnan(now)
    minute = (facts.at_ms // MINUTE_MS)[:, None]
    since = state["sensor_steady_minute"][rows]
    since = np.where(lost, NEVER, np.where(moved | (since == NEVER), minute, since))
    state["sensor_low"][rows] = np.where(moved, now, low)
    state["sensor_high"][rows] = np.where(moved, now, high)
    state["sensor_steady_minute"][rows] = since
    held = (minute - since + (facts.holds_ms // MINUTE_MS)[:, None]) / 60
    steady = np.where(lively & (since != NEVER), held, np.nan).astype(np.float32)

    changed = (lively & (np.abs(now - state["sensor_last"][rows]) > 1e-6)).any(axis=1)
    there = (lively & ~lost).any(axis=1)
    stale_since = state["stale_since_ms"][rows]
    fresh = changed | facts.broken | ~there | (stale_since == NEVER)
    stale_since = np.where(fresh, facts.at_ms, stale_since)
    state["stale_since_ms"][rows] = stale_since
    state["sensor_last"][rows] = now
    stale = (facts.at_ms + facts.holds_ms - stale_since) / 3_600_000
    return steady, np.where(there, stale, np.nan).astype(np.float32)


def _rates(state: State, facts: Facts, settings: SensorRules) -> tuple[Floats, Bools]:
    """Change an hour that has lasted over two successive halves of the window, and whether the unit has just switched."""
    rows, at = facts.rows, state["rate_at_ms"][facts.rows]
    elapsed = facts.at_ms - at
    anew = (at == NEVER) | facts.broken | (elapsed > settings.rate_gap_hours * 3_600_000)
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
    was = state["was_running"][rows]
    switched = np.where((was != running) & (was != NEVER), facts.at_ms, state["switched_at_ms"][rows])
    state["was_running"][rows], state["switched_at_ms"][rows] = running, switched
    transition = (switched != NEVER) & (facts.at_ms - switched < settings.transition_minutes * MINUTE_MS)
    return state["rate"][rows], transition


def _damper_open(state: State, facts: Facts, settings: RuleSettings) -> Floats:
    """Hours for which a terminal unit's damper has been full open, shape (m,)."""
    column = facts.kind.slot.get("zone_damper_command", -1)
    if column < 0:
        return np.full(len(facts.rows), np.nan, dtype=np.float32)
    position = facts.now[:, column]
    is_open = position > np.float32(settings.terminal.damper_open_fraction + 1e-5)
    since = state["damper_open_since_ms"][facts.rows]
    since = np.where(is_open, np.where((since == NEVER) | facts.broken, facts.at_ms, since), NEVER)
    state["damper_open_since_ms"][facts.rows] = since
    held = np.where(is_open, (facts.at_ms + facts.holds_ms - since) / 3_600_000, 0)
    return np.where(np.isnan(position), np.nan, held).astype(np.float32)


class _Hour(NamedTuple):
    sums: Floats  # (m, SUMS)
    span: Floats  # (m, OUTPUTS_MAX)
    flow_mean: Floats  # (m,)
    flow_spread: Floats  # (m,)


def _hour(state: State, facts: Facts, columns: Watched, entered: Bools, settings: SensorRules) -> _Hour:
    """Fold this minute into its bucket, and sum up the last twelve."""
    rows, m, c = facts.rows, len(facts.rows), len(columns.outputs)
    number = (facts.at_ms // BUCKET_MS).astype(np.int32)
    slot = number % BUCKETS
    stale = state["bucket_number"][rows, slot] != number
    old, old_slot = rows[stale], slot[stale]
    state["bucket_number"][old, old_slot] = number[stale]
    state["bucket_sums"][old, old_slot] = 0
    state["bucket_low"][old, old_slot] = np.inf
    state["bucket_high"][old, old_slot] = -np.inf

    minutes = np.where(facts.broken, np.float32(1), np.minimum(facts.elapsed_minutes, np.float32(5)))
    add = np.zeros((m, SUMS), dtype=np.float32)
    add[:, _MINUTES], add[:, _MODE_CHANGES] = minutes, entered
    flow = facts.last("zone_air_flow")
    there = ~np.isnan(flow)
    add[:, _FLOW_MINUTES] = there * minutes
    add[:, _FLOW] = np.where(there, flow, 0) * minutes
    add[:, _FLOW_SQUARE] = np.where(there, flow * flow, 0) * minutes

    position = facts.now[:, columns.outputs]
    before, direction = state["output_value"][rows, :c], state["output_direction"][rows, :c]
    before = np.where(facts.broken[:, None], np.float32(np.nan), before)
    step = position - before
    moved = np.abs(step) >= np.float32(settings.hunting_deadband_fraction)
    heading = np.where(moved, np.sign(step), direction).astype(np.int8)
    add[:, _TRAVEL : _TRAVEL + c] = np.where(moved, np.abs(step), 0)
    add[:, _REVERSALS : _REVERSALS + c] = moved & (direction != 0) & (heading != direction)
    state["output_value"][rows, :c] = np.where(moved | np.isnan(before), position, before)
    state["output_direction"][rows, :c] = np.where(facts.broken[:, None], np.int8(0), heading)

    state["bucket_sums"][rows, slot] += add
    low, high = state["bucket_low"][rows, slot], state["bucket_high"][rows, slot]
    low[:, :c], high[:, :c] = np.fmin(low[:, :c], position), np.fmax(high[:, :c], position)
    state["bucket_low"][rows, slot], state["bucket_high"][rows, slot] = low, high

    age = number[:, None] - state["bucket_number"][rows]
    within = ((age >= 0) & (age < BUCKETS))[:, :, None]
    # Added one bucket after the other: the same bits for one unit as for thousands.
    sums = np.add.reduce(np.where(within, state["bucket_sums"][rows], np.float32(0)), axis=1)
    lowest = np.where(within, state["bucket_low"][rows], np.float32(np.inf)).min(axis=1)
    highest = np.where(within, state["bucket_high"][rows], np.float32(-np.inf)).max(axis=1)
    weight = np.where(sums[:, _FLOW_MINUTES] > 0, sums[:, _FLOW_MINUTES], np.float32(np.nan))
    mean = sums[:, _FLOW] / weight
    variance = sums[:, _FLOW_SQUARE] / weight - mean * mean
    return _Hour(sums, highest - lowest, mean, np.sqrt(np.maximum(variance, 0)))


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
    place = np.arange(len(values))
    surest = known.argmax(axis=1)
    on = values[place, surest] > least[surest]
    return np.where(known[place, surest], on, np.float32(np.nan))


def _days(state: State, facts: Facts, settings: RuleSettings) -> tuple[Floats, Floats]:
    """Share of the last seven days' time for which fan or pump were on, and hours seen of them, shape (m,) each."""
    rows, on = facts.rows, proven_on(facts)
    day = (facts.at_ms // DAY_MS).astype(np.int32)
    slot = day % DAYS
    stale = state["day_number"][rows, slot] != day
    old, old_slot = rows[stale], slot[stale]
    state["day_number"][old, old_slot] = day[stale]
    state["day_seen_minutes"][old, old_slot] = 0
    state["day_on_minutes"][old, old_slot] = 0
    limit = np.float32((settings.gap_seconds + 60) / 60)
    minutes = np.where(facts.broken, np.float32(1), np.minimum(facts.elapsed_minutes, limit))
    minutes = np.where(np.isnan(on), np.float32(0), minutes)
    state["day_seen_minutes"][rows, slot] += minutes
    state["day_on_minutes"][rows, slot] += np.where(on > 0, minutes, np.float32(0))
    age = day[:, None] - state["day_number"][rows]
    within = (age >= 0) & (age < DAYS)
    # Running sums add in one order, whatever the shape.
    seen = np.cumsum(np.where(within, state["day_seen_minutes"][rows], np.float32(0)), axis=1)[:, -1]
    running = np.cumsum(np.where(within, state["day_on_minutes"][rows], np.float32(0)), axis=1)[:, -1]
    share = (running / np.where(seen > 0, seen, np.float32(np.nan))).astype(np.float32)
    return np.where(np.isnan(on), np.float32(np.nan), share), (seen / np.float32(60)).astype(np.float32)
