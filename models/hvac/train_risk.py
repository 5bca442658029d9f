"""Training of the failure-risk model, from fleets that ran to failure.

A unit's life is followed hour by hour through the windows of the service; what is learned is the hazard: how likely a unit
that still works fails within the next hours. Units, not hours, are split.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from models.hvac import features, networks, risk
from models.hvac.calibration import calibration
from models.hvac.cards import COMMAND, VERSION, ArtifactFiles, be_reproducible, golden, held_out, versions
from models.hvac.curriculum import Recording, minutes_of
from models.hvac.families import HORIZONS_HOURS
from models.hvac.infer import open_model
from models.hvac.monitor import Models, judge
from models.hvac.points import Bools, Floats, Ints
from models.hvac.settings import MonitorSettings
from models.registry import Card, Column, checksum

_HOUR_MS = 3_600_000


@dataclass(slots=True)
class Life:
    """What was known of units at hours of their lives, and what became of them: (n,) each, `inputs` one row an hour."""

    inputs: Floats
    hours_left: Floats  # to its failure, or to the end of what was recorded
    hours_recorded: Floats  # to the end of what was recorded
    failed: Bools  # whether it was a failure
    unit: Ints


def lives(
    chunks: Iterable[Recording], failed_at_ms: Ints, reconstruction: ArtifactFiles, diagnosis: ArtifactFiles,
    settings: MonitorSettings | None = None,
) -> Life:  # fmt: skip
    """Follow a fleet to its failures, hour by hour.

    Args:
        chunks: Consecutive recordings of the same units.
        failed_at_ms: When each unit failed, -1 if it never did, shape (U,).
        reconstruction: The anomaly model.
        diagnosis: The diagnosis model.
        settings: Those of the service.
    """
    settings = settings or MonitorSettings()
    models = Models(reconstruction.opened(), diagnosis.opened())
    state = features.new_state(len(failed_at_ms))
    xs, at, units = [], [], []
    end_ms = 0
    for chunk in chunks:
        for minutes in minutes_of(chunk):
            now = int(minutes.minute_at_ms[0])
            judged = judge(state, minutes, settings, models)
            risk.follow(state, judged.facts, judged.seen)
            end_ms = now + features.MINUTE_MS
            if now % _HOUR_MS == 0:
                alive = np.flatnonzero(((failed_at_ms < 0) | (failed_at_ms > end_ms)) & (state["health_minutes"] > 0))
                xs.append(risk.risk_inputs(state, judged.facts)[alive])
                at.append(np.full(len(alive), end_ms))
                units.append(alive)
    unit, at_ms = np.concatenate(units), np.concatenate(at)
    failed = failed_at_ms[unit] >= 0
    until = np.where(failed, failed_at_ms[unit], end_ms)
    left, recorded = (((end - at_ms) / _HOUR_MS).astype(np.float32) for end in (until, end_ms))
    return Life(np.concatenate(xs), left, recorded, failed, unit)


def train_risk(fleets: Sequence[Life], data: str, seed: int = 7, steps: int = 4000) -> ArtifactFiles:
    """The failure-risk model, from fleets that ran to failure.

    Args:
        fleets: A quarter of the units of each only tests.
        data: What they are, for the card.
        seed: Of everything drawn.
        steps: Batches of 1,024.
    """
    be_reproducible(seed)
    rng = np.random.default_rng(seed)
    x = np.concatenate([life.inputs for life in fleets])
    hours = np.concatenate([life.hours_left for life in fleets])
    recorded = np.concatenate([life.hours_recorded for life in fleets])
    failed = np.concatenate([life.failed for life in fleets])
    unit = np.concatenate([life.unit + 100_000 * number for number, life in enumerate(fleets)])
    held = [held_out(int(life.unit.max()) + 1) for life in fleets]
    out = np.concatenate([held[number][life.unit] for number, life in enumerate(fleets)])
    event, at_risk = _intervals(hours, recorded, failed)
    net = networks.Net(networks.dense_masks(x.shape[1], (32, 16), risk.K), rng)
    batch = networks.chosen(x[~out], event[~out], at_risk[~out], size=1024)
    networks.fit(net, networks.hazard_loss, batch, steps, rng)
    content = networks.to_tflite(net.layers())
    predicted = risk.survive(open_model(content)(x[out])).probability
    metrics = []
    for column, horizon in enumerate(HORIZONS_HOURS):
        known = recorded[out] >= horizon
        truth = (failed[out] & (hours[out] <= horizon))[known]
        metrics += calibration(predicted[known, column], truth, unit[out][known], f"risk.{horizon}h", rng)
    card = Card(
        name="risk",
        version=VERSION,
        purpose="probability that a unit fails within the hours to come, from the course of its health figures",
        limits="simulated wear: calibrated on the simulator's failures only, until real ones are recorded",
        file="risk.tflite",
        sha256=checksum(content),
        data=data,
        split="a quarter of the units of every fleet is held out; metrics are of those, intervals by bootstrap over units",
        command=COMMAND,
        seed=seed,
        inputs=tuple(
            Column(name, "log(1 + minutes) / 8" if name == "health_minutes" else "see models/hvac/risk.py")
            for name in risk.RISK_INPUTS
        ),
        outputs=tuple(Column(name, "logit") for name in risk.RISK_OUTPUTS),
        thresholds={},
        metrics=tuple(metrics),
        versions=versions(),
        golden=golden(net.layers(), x[out]),
    )
    return ArtifactFiles(card, content)


def _intervals(hours: Floats, recorded: Floats, failed: Bools) -> tuple[Floats, Floats]:
    """For each interval whether the unit failed in it, and whether it was at risk in it, (n, K) each."""
    ends = np.array(risk.INTERVAL_ENDS_HOURS, dtype=np.float32)
    starts = np.array([0, *risk.INTERVAL_ENDS_HOURS[:-1]], dtype=np.float32)
    event = failed[:, None] & (hours[:, None] > starts) & (hours[:, None] <= ends)
    # An interval that the record cuts says nothing: those who failed in it are known, those who would have are not.
    at_risk = (hours[:, None] > starts) & (recorded[:, None] >= ends)
    return event.astype(np.float32), at_risk.astype(np.float32)
