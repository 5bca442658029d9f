"""What the models say of a wave of frames, and the health that follows: one message a unit a frame that closed a minute."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from models.contracts import topics
from models.contracts.layout import Layout
from models.contracts.messages import Health, Risk
from models.hvac import features
from models.hvac.features import MINUTE_MS, fold, gather
from models.hvac.kinds import KINDS, Kind
from models.hvac.monitor import HORIZONS_HOURS, Monitor, Verdicts, explain
from stream.app import Output
from stream.hvac.state import EdgeAlerts, Wave
from stream.hvac.unknown import judge_unknown
from stream.table import Rows, State

_SHOWN_MIN = 0.05  # smaller probabilities are not sent
_positions: dict[int, Rows] = {}
T = TypeVar("T")
Floats = npt.NDArray[np.float64]


class Judged(NamedTuple):
    """One minute of some units of a wave; `places` (m,) are the units' places in the wave."""

    verdicts: Verdicts
    places: Rows


@dataclass(slots=True)
class Scored:
    """A wave with every minute that it closed, in time order, and the health of its units.

    Of units of unknown type, which have no minutes, `health` holds their alert events too.
    """

    wave: Wave
    judged: list[Judged] = field(default_factory=list)
    health: list[Output] = field(default_factory=list)


def score(state: State, step: Wave | EdgeAlerts, monitor: Monitor) -> Scored | EdgeAlerts:
    """Fold a wave's samples into minutes and judge each minute. What gateways decided needs no score."""
    if isinstance(step, EdgeAlerts):
        return step
    wave, columns, batch = step, step.table.columns, step.batch
    kind = KINDS.get(batch.layout.equipment)
    if kind is None:
        return Scored(wave, health=list(judge_unknown(state, wave, monitor.version)))
    quality = None if batch.quality is None else batch.quality[wave.at]
    positions = positions_of(kind, batch.layout)
    values = gather(batch.values[wave.at], quality, positions)
    scored = Scored(wave)
    for minutes in fold(columns, kind, wave.rows, batch.measured_at_ms[wave.at], batch.interval_ms[wave.at], values):
        verdicts = monitor.step(columns, minutes)
        # A wave's rows ascend, so the place of a row is found by bisection.
        scored.judged.append(Judged(verdicts, np.searchsorted(wave.rows, minutes.rows)))
    if scored.judged:
        present = max(1, int((positions >= 0).sum()) * batch.n)
        usable = np.isfinite(values).sum(axis=(1, 2)) / present
        newest = np.zeros(len(wave.rows), dtype=np.intp)
        for number_of, judged in enumerate(scored.judged):
            newest[judged.places] = number_of
        for number_of, (verdicts, places) in enumerate(scored.judged):
            shown = newest[places] == number_of
            scored.health += _health(wave, verdicts, places, shown, usable, monitor.version)
    return scored


def positions_of(kind: Kind, layout: Layout) -> Rows:
    """Where the points that we understand stand in a layout."""
    known = _positions.get(layout.id)
    if known is None:
        known = _positions[layout.id] = features.positions(kind, layout)
    return known


def _health(
    wave: Wave, verdicts: Verdicts, places: Rows, shown: npt.NDArray[np.bool_], usable: Floats, model_version: str
) -> Iterator[Output]:
    """Health of the units of one minute for which it is the frame's last; arrays become lists once, not unit by unit."""
    units, gateways, at = wave.batch.units, wave.batch.gateways, wave.at[places].tolist()
    equipment, historical = wave.batch.layout.equipment, not wave.live
    scores, hours = numbers(verdicts.anomaly_score), numbers(verdicts.hours_to_failure)
    soonest, latest = numbers(verdicts.hours_to_failure_low), numbers(verdicts.hours_to_failure_high)
    failure = [numbers(column) for column in verdicts.failure_probability.T]
    kind = verdicts.kind
    rules = _named(verdicts.rule_confirmed, kind.rule_ids)
    probabilities = np.round(verdicts.fault_probability.astype(np.float64), 4).tolist()
    likely = _named(verdicts.fault_probability >= _SHOWN_MIN, range(len(kind.families)))
    ends = (verdicts.minute_at_ms + MINUTE_MS).tolist()
    fractions = np.round(usable[places], 4).tolist()
    anomalous = verdicts.anomalous.tolist()
    for index in np.flatnonzero(shown).tolist():
        key = units[at[index]]
        site, _, unit = key.partition("/")
        reasons = explain(verdicts, index) if anomalous[index] else ()
        health = Health(
            site=site,
            gateway=gateways[at[index]][len(site) + 1 :],
            unit=unit,
            equipment=equipment,
            measured_at_ms=ends[index],
            anomaly_score=scores[index],
            anomalous=anomalous[index],
            top_points=tuple(reason for reason in reasons if reason.kind == "point"),
            rules=rules.get(index, ()),
            fault_probabilities={
                kind.family_names[family]: probabilities[index][family] for family in likely.get(index, ())
            },
            risks=tuple(
                Risk(horizon, chance)
                for horizon, column in zip(HORIZONS_HOURS, failure, strict=True)
                if (chance := column[index]) is not None
            ),
            hours_to_failure=hours[index],
            hours_to_failure_low=soonest[index],
            hours_to_failure_high=latest[index],
            usable_fraction=fractions[index],
            historical=historical,
            model_version=model_version,
        )
        yield Output(topics.HEALTH, key, health)


def _named(flags: npt.NDArray[np.bool_], names: Sequence[T]) -> dict[int, tuple[T, ...]]:
    """Names of the columns that are set in each row, for rows that have any."""
    found: dict[int, tuple[T, ...]] = {}
    for row, column in zip(*(part.tolist() for part in np.nonzero(flags)), strict=True):
        found[row] = (*found.get(row, ()), names[column])
    return found


def numbers(values: npt.NDArray[np.floating[Any]]) -> list[float | None]:
    """Numbers as they are sent: four digits, None where unknown."""
    rounded = np.round(values.astype(np.float64), 4).tolist()
    known = np.isfinite(values)
    return (
        rounded
        if known.all()
        else [value if is_known else None for value, is_known in zip(rounded, known, strict=True)]
    )


def number(value: np.floating) -> float | None:
    """A number as it is sent: None where it is unknown."""
    return round(float(value), 4) if np.isfinite(value) else None


def fault_probabilities(verdicts: Verdicts, index: int) -> dict[str, float]:
    """Families that are worth naming, with their probabilities."""
    values = verdicts.fault_probability[index]
    names = verdicts.kind.family_names
    return {names[family]: round(float(values[family]), 4) for family in np.flatnonzero(values >= _SHOWN_MIN)}


def risks(verdicts: Verdicts, index: int) -> tuple[Risk, ...]:
    """Probability of a failure within each horizon, where it is known."""
    values = verdicts.failure_probability[index]
    return tuple(
        Risk(hours, round(float(value), 4))
        for hours, value in zip(HORIZONS_HOURS, values, strict=True)
        if np.isfinite(value)
    )
