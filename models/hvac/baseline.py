"""A unit's own healthy figures, learned from its first running hours, and how far it is from them now.

Sizes differ from unit to unit, so a filter's pressure drop says nothing alone; the drop over the flow says much, once one
knows what it was when the filter was clean. A figure is learned as the mean of its logarithm over good minutes, from the
third minute of running on. It is given out after a few minutes, gets better for two running days, and then stands until
maintenance (or a new filter). A minute that is far from what was learned so far is not learned: a fault is never absorbed
at once, and a slow drift only by what it does within those two days.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.hvac.baseline_kinds import own_figures
from models.hvac.facts import Facts
from models.hvac.points import Floats, State
from models.hvac.settings import BaselineSettings


class Figure(NamedTuple):
    """One learned figure, as a logarithm; `apart` is how far a minute may be from it and still be learned."""

    name: str
    apart: float


FIGURES: tuple[Figure, ...] = (
    Figure("filter_pressure_per_flow", 0.15),
    Figure("filter_pressure_per_flow_squared", 0.15),
    Figure("speed_per_cube_root_power", 0.06),
    Figure("flow_per_speed", 0.15),
)
_B = len(FIGURES)
_RENEWED = -0.2  # as a logarithm
# A centrifugal fan's power at one speed is about 0.3 + 0.7 x of that at design flow, x the flow over design flow; healthy
# units work around x = 0.85.
_IDLE_SHARE, _USUAL_LOADING = 0.3, 0.85


def refer(state: State, facts: Facts, settings: BaselineSettings) -> dict[str, Floats]:
    """Learn from this minute, and compare it with what was learned before.

    Returns:
        Shape (m,) each, NaN where unknown: `filter_resistance_rise` (times the clean filter), `fan_speed_excess` (share by
        which the fan turns faster than its power and flow explain), two figures as logarithm over their reference, and
        so are those of the kind.
    """
    own = own_figures(facts.kind.name)
    apart = np.array([*(figure.apart for figure in FIGURES), *(figure.apart for figure in own)])
    with np.errstate(invalid="ignore", divide="ignore"):
        figures = np.concatenate([_figures(facts), *(figure.of(facts)[:, None] for figure in own)], axis=1)
    rows, width = facts.rows, len(apart)
    count, total = state["reference_count"][rows, :width], state["reference_sum"][rows, :width]
    with np.errstate(invalid="ignore", divide="ignore"):
        learned = np.where(count > 0, total / count, np.nan)
        near = (count < settings.minutes_min) | (np.abs(figures - learned) < apart)
    good = np.isfinite(figures) & near & (count < settings.minutes_max)
    good &= (facts.running_seconds > settings.settle_seconds)[:, None]
    state["reference_count"][rows, :width] = count + good
    state["reference_sum"][rows, :width] = total + np.where(good, figures, 0)

    # A filter that resists clearly less than what was learned is a new one: learn it.
    renewed = (np.maximum(figures[:, 0] - learned[:, 0], figures[:, 1] - learned[:, 1]) < _RENEWED) & facts.settled
    for column in (0, 1):
        state["reference_count"][rows[renewed], column] = 0
        state["reference_sum"][rows[renewed], column] = 0

    away = np.where(count >= settings.minutes_min, figures - learned, np.nan)
    per_flow, per_square, speed, loading = away[:, :_B].T
    # Whether the drop grows with the flow or with its square is not known: only what both readings say counts.
    rise = np.exp(np.minimum(per_flow, per_square))
    relative = np.exp(loading)
    power = (_IDLE_SHARE + (1 - _IDLE_SHARE) * _USUAL_LOADING * relative) / (
        _IDLE_SHARE + (1 - _IDLE_SHARE) * _USUAL_LOADING
    )
    excess = np.exp(np.minimum(speed, speed + np.log(power) / 3)) - 1
    return {
        "filter_resistance_rise": rise.astype(np.float32),
        "fan_speed_excess": excess.astype(np.float32),
        "filter_pressure_per_flow": per_flow.astype(np.float32),
        "flow_per_speed": loading.astype(np.float32),
        **{figure.name: away[:, _B + place].astype(np.float32) for place, figure in enumerate(own)},
    }


def _figures(facts: Facts) -> npt.NDArray[np.float64]:
    """The figures of this minute as logarithms, shape (m, figures); NaN where the fan is off or a point is missing."""
    flow = facts.of("supply_air_flow").astype(np.float64)
    drop = facts.of("filter_differential_pressure").astype(np.float64)
    speed = facts.of("supply_fan_speed_command").astype(np.float64)
    power = facts.of("supply_fan_power").astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        moving = facts.running & (flow > 0.05) & (speed > 0.1)
        log_flow = np.log(np.where(moving, flow, np.nan))
        log_speed = np.log(np.where(moving, speed, np.nan))
        log_drop = np.log(np.where(drop > 5, drop, np.nan))
        log_power = np.log(np.where(power > 50, power, np.nan))
    return np.stack(
        [
            log_drop - log_flow,
            log_drop - 2 * log_flow,
            log_speed - log_power / 3,
            log_flow - log_speed,
        ],
        axis=1,
    )


# What a unit taught us of itself, and what was made of it since.
_LEARNED = (
    "reference_count", "reference_sum", "offset_count", "offset_sum", "budget", "anomaly_minutes", "fault_level",
    "health_fast", "health_slow", "health_week", "health_minutes", "health_starts",
)  # fmt: skip


def forget(state: State, row: int) -> None:
    """After maintenance: the unit is another one now, met for the first time and learned anew."""
    for name in _LEARNED:
        state[name][row] = 0
    for name in ("last_minute_at_ms", "ring_at_ms", "health_known_since_ms"):
        state[name][row] = -1
