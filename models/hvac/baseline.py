"""A unit's own healthy figures, learned from its first running hours, and how far it is from them now.

Sizes differ from unit to unit, so a filter's pressure drop says nothing alone; the drop over the flow says much, once one
knows what it was when the filter was clean. A figure is learned as the mean of its logarithm over good minutes, from the
third minute of running on. It is given out after a few minutes, gets better for two running days, and then stands until
maintenance (or a new filter). A minute that is far from what was learned so far is not learned: a fault is never absorbed
at once, and a slow drift only by what it does within those two days.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.hvac.baseline_kinds import Logarithms, Own, Reads, own_figures
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
# What these are made of, and above which value it tells anything.
_FAN = ("supply_air_flow", "supply_fan_speed_command", "filter_differential_pressure", "supply_fan_power")
_FAN_LEAST = np.array([[0.05], [0.1], [5.0], [50.0]])
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
    own, apart = own_figures(facts.kind.name), _apart(facts.kind.name)
    at, width = facts.at, len(apart)
    count, total = state["reference_count"][at, :width], state["reference_sum"][at, :width]
    with np.errstate(invalid="ignore", divide="ignore"):
        figures = _figures(facts, own)
        learned = np.where(count > 0, total / count, np.nan)
        beyond = figures - learned
        near = (count < settings.minutes_min) | (np.abs(beyond) < apart)
        # A filter that resists clearly less than what was learned is a new one.
        renewed = (np.maximum(beyond[:, 0], beyond[:, 1]) < _RENEWED) & facts.settled
    good = np.isfinite(figures) & near & (count < settings.minutes_max)
    good &= (facts.running_seconds > settings.settle_seconds)[:, None]
    away = np.where(count >= settings.minutes_min, beyond, np.nan)
    state["reference_count"][at, :width] = count + good
    state["reference_sum"][at, :width] = total + np.where(good, figures, 0)
    if renewed.any():
        state["reference_count"][facts.rows[renewed], :2] = 0
        state["reference_sum"][facts.rows[renewed], :2] = 0

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


@lru_cache(maxsize=32)
def _apart(kind: str) -> npt.NDArray[np.float64]:
    return np.array([*(figure.apart for figure in FIGURES), *(figure.apart for figure in own_figures(kind))])


def _figures(facts: Facts, own: tuple[Own, ...]) -> npt.NDArray[np.float64]:
    """The figures of this minute as logarithms, shape (m, figures); NaN where the fan is off or a point is missing."""
    values = np.empty((len(_FAN), len(facts.rows)))
    for place, point in enumerate(_FAN):
        values[place] = facts.of(point)
    told = values > _FAN_LEAST
    told[:2] = facts.running & told[0] & told[1]  # flow and speed say something of an air stream that moves
    flow, speed, drop, power = np.log(np.where(told, values, np.nan))
    figures = np.empty((len(facts.rows), _B + len(own)))
    figures[:, 0] = drop - flow
    figures[:, 1] = drop - 2 * flow
    figures[:, 2] = speed - power / 3
    figures[:, 3] = flow - speed
    if own:
        logarithms = Logarithms(facts, _reads(own))
        for place, figure in enumerate(own, start=_B):
            figures[:, place] = figure.of(facts, logarithms)
    return figures


@lru_cache(maxsize=32)
def _reads(own: tuple[Own, ...]) -> Reads:
    return tuple(dict.fromkeys(read for figure in own for read in figure.reads))


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
