"""What the models say of a wave of frames, and the health that follows: one message a unit a frame that closed a minute."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from models.contracts import frame_pb2, topics
from models.contracts.layout import Layout
from models.contracts.messages import Health, Risk
from models.hvac.features import MINUTE_MS, POINTS, fold, gather
from models.hvac.monitor import FAMILIES, HORIZONS_HOURS, RULES, Monitor, Verdicts, explain
from stream.app import Output
from stream.hvac.state import EdgeAlerts, Wave
from stream.table import Rows, State

_SHOWN_MIN = 0.05  # smaller probabilities are not sent
_PositionsById = dict[int, Rows]
_positions: _PositionsById = {}


class Judged(NamedTuple):
    """One minute of some units of a wave; `places` (m,) are the units' places in the wave."""

    verdicts: Verdicts
    places: Rows


@dataclass(slots=True)
class Scored:
    """A wave with every minute that it closed, in time order, and the health of its units."""

    wave: Wave
    judged: list[Judged] = field(default_factory=list)
    health: list[Output] = field(default_factory=list)


def score(state: State, step: Wave | EdgeAlerts, monitor: Monitor) -> Scored | EdgeAlerts:
    """Fold a wave's samples into minutes and judge each minute. What gateways decided needs no score."""
    _ = state
    if isinstance(step, EdgeAlerts):
        return step
    wave, columns, batch = step, step.table.columns, step.batch
    quality = None if batch.quality is None else batch.quality[wave.at]
    positions = positions_of(batch.layout)
    values = gather(batch.values[wave.at], quality, positions)
    scored = Scored(wave)
    for minutes in fold(columns, wave.rows, batch.measured_at_ms[wave.at], batch.interval_ms[wave.at], values):
        verdicts = monitor.step(columns, minutes)
        # A wave's rows ascend, so the place of a row is found by bisection.
        scored.judged.append(Judged(verdicts, np.searchsorted(wave.rows, minutes.rows)))
    if scored.judged:
        present = max(1, int((positions >= 0).sum()) * batch.n)
        usable = np.isfinite(values).sum(axis=(1, 2)) / present
        newest: dict[int, tuple[Verdicts, int]] = {}
        for verdicts, places in scored.judged:
            newest.update((place, (verdicts, index)) for index, place in enumerate(places.tolist()))
        for place, (verdicts, index) in newest.items():
            header = batch.headers[wave.at[place]]
            health = _health(wave, header, verdicts, index, float(usable[place]), monitor.version)
            scored.health.append(Output(topics.HEALTH, f"{health.site}/{health.unit}", health))
    return scored


def positions_of(layout: Layout) -> Rows:
    """Where the points that we understand stand in a layout."""
    known = _positions.get(layout.id)
    if known is None:
        known = _positions[layout.id] = layout.positions(POINTS)
    return known


def _health(
    wave: Wave, header: frame_pb2.Frame, verdicts: Verdicts, index: int, usable_fraction: float, model_version: str
) -> Health:
    anomalous = bool(verdicts.anomalous[index])
    reasons = explain(verdicts, index) if anomalous else ()
    return Health(
        site=header.site,
        gateway=header.gateway,
        unit=header.unit,
        equipment=wave.batch.layout.equipment,
        measured_at_ms=int(verdicts.minute_at_ms[index]) + MINUTE_MS,
        anomaly_score=number(verdicts.anomaly_score[index]),
        anomalous=anomalous,
        top_points=tuple(reason for reason in reasons if reason.kind == "point"),
        rules=tuple(RULES[rule] for rule in np.flatnonzero(verdicts.rule_confirmed[index])),
        fault_probabilities=fault_probabilities(verdicts, index),
        risks=risks(verdicts, index),
        hours_to_failure=number(verdicts.hours_to_failure[index]),
        usable_fraction=round(usable_fraction, 4),
        historical=not wave.live,
        model_version=model_version,
    )


def number(value: np.floating) -> float | None:
    """A number as it is sent: None where it is unknown."""
    return round(float(value), 4) if np.isfinite(value) else None


def fault_probabilities(verdicts: Verdicts, index: int) -> dict[str, float]:
    """Families that are worth naming, with their probabilities."""
    values = verdicts.fault_probability[index]
    return {FAMILIES[family]: round(float(values[family]), 4) for family in np.flatnonzero(values >= _SHOWN_MIN)}


def risks(verdicts: Verdicts, index: int) -> tuple[Risk, ...]:
    """Probability of a failure within each horizon, where it is known."""
    values = verdicts.failure_probability[index]
    return tuple(
        Risk(hours, round(float(value), 4))
        for hours, value in zip(HORIZONS_HOURS, values, strict=True)
        if np.isfinite(value)
    )
