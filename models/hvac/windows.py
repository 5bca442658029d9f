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

from dataclasses import dataclass, fields

import numpy as np

from models.hvac.facts import Facts
from models.hvac.points import Bools, Floats, Ints, State
from models.hvac.settings import RuleSettings
from models.hvac.windows_hour import days, hour
from models.hvac.windows_sensor import flat, jumps, rates, steps
from models.hvac.windows_state import (
    ANY_SENSOR,
    FLOW_MINUTES,
    FREE_COOLING,
    HEATING,
    IDLE,
    MECHANICAL_COOLING,
    MINUTES,
    MIXED_COOLING,
    MODE_CHANGES,
    NEVER,
    OFF,
    OUTDOOR,
    REVERSALS,
    TRAVEL,
    WINDOW_FIELDS,
    tuned,
    watched,
)

__all__ = [
    "ANY_SENSOR", "FREE_COOLING", "MIXED_COOLING", "OUTDOOR", "WINDOW_FIELDS", "Windows", "follow", "tuned", "watched",
]  # fmt: skip

# Of a unit that rests or runs: by whether it asks for cooling, for heating, and for outdoor air.
_MODES = np.array(
    [
        [[[OFF, OFF], [OFF, OFF]], [[OFF, OFF], [OFF, OFF]]],
        [[[IDLE, FREE_COOLING], [HEATING, HEATING]], [[MECHANICAL_COOLING, MIXED_COOLING], [IDLE, IDLE]]],
    ]
)
_HEATING, _COOLING = ("heating_valve_command", "heating_command"), ("cooling_valve_command", "dx_cooling_command")


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

    def numbers(self) -> Windows:
        """Of one unit alone: numbers for what has the shape (m,)."""
        values = (getattr(self, name) for name in _NAMES)
        return Windows(*(value[0] if value.ndim == 1 else value for value in values))


_NAMES = tuple(field.name for field in fields(Windows))


def follow(state: State, facts: Facts, settings: RuleSettings) -> Windows:
    """Take this minute of each unit into its windows, and say what they amount to. Works on `state`."""
    columns = watched(facts.kind.points)
    with np.errstate(invalid="ignore", divide="ignore"):
        heating, cooling = _asked(facts, *_HEATING), _asked(facts, *_COOLING)
        mode, mode_seconds, entered = _modes(state, facts, heating, cooling, settings)
        limits = tuned(facts.kind.points, settings.sensor)
        step = steps(state, facts)
        jump, jump_column = jumps(state, facts, step, columns, limits)
        steady, stale = flat(state, facts, step, columns, limits)
        rate, transition = rates(state, facts, settings.sensor)
        last_hour = hour(state, facts, columns, entered, settings.sensor)
        on, seen = days(state, facts, settings)
        return Windows(
            heating=heating,
            cooling=cooling,
            mode=mode,
            mode_seconds=mode_seconds,
            mode_changes=last_hour.sums[:, MODE_CHANGES],
            steady_hours=steady,
            stale_hours=stale,
            jump=jump,
            jump_column=jump_column,
            rate=rate,
            transition=transition,
            damper_open_hours=_damper_open(state, facts, settings),
            travel=last_hour.sums[:, TRAVEL:REVERSALS],
            span=last_hour.span,
            reversals=last_hour.sums[:, REVERSALS:],
            hour_coverage=last_hour.sums[:, MINUTES] / np.float32(60),
            flow_coverage=last_hour.sums[:, FLOW_MINUTES] / np.float32(60),
            flow_mean=last_hour.flow_mean,
            flow_spread=last_hour.flow_spread,
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
    at, air = facts.at, settings.air
    heating = asked_heating > air.heating_on_fraction
    cooling = asked_cooling > air.cooling_on_fraction
    outdoor = facts.of("outdoor_air_damper_command") > air.damper_minimum_fraction
    running = facts.running
    mode = _MODES[running.view(np.int8), cooling.view(np.int8), heating.view(np.int8), outdoor.view(np.int8)]
    before = state["mode"][at]
    other = mode != before
    since = np.where(other | facts.broken, facts.at_ms, state["mode_since_ms"][at])
    entered = other & (before != NEVER) & ~facts.broken & (mode != OFF) & (mode != IDLE)
    state["mode"][at], state["mode_since_ms"][at] = mode, since
    # Met in a mode: it has most likely been in it for a while.
    seconds = np.where(since == facts.at_ms, 0, (facts.at_ms + facts.holds_ms - since) // 1000)
    seconds = np.where(facts.broken, settings.air.mode_delay_seconds, seconds)
    return mode, seconds, entered


def _damper_open(state: State, facts: Facts, settings: RuleSettings) -> Floats:
    """Hours for which a terminal unit's damper has been full open, shape (m,)."""
    column = facts.kind.slot.get("zone_damper_command", -1)
    if column < 0:
        return np.full(len(facts.rows), np.nan, dtype=np.float32)
    position = facts.now[:, column]
    is_open = position > np.float32(settings.terminal.damper_open_fraction + 1e-5)
    since = state["damper_open_since_ms"][facts.at]
    since = np.where(is_open, np.where((since == NEVER) | facts.broken, facts.at_ms, since), NEVER)
    state["damper_open_since_ms"][facts.at] = since
    held = np.where(is_open, (facts.at_ms + facts.holds_ms - since) / 3_600_000, 0)
    return np.where(np.isnan(position), np.nan, held).astype(np.float32)
