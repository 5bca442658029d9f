"""Training of the failure-risk model, from fleets that wore until they failed.

Units, not moments, are split: half of them teach, a quarter calibrates the hazards and the interval, a quarter tests.
"""

from __future__ import annotations

import numpy as np

from models.contracts.figures import Figure
from models.hvac import networks, risk, survival
from models.hvac.calibration import calibration
from models.hvac.cards import COMMAND, VERSION, ArtifactFiles, be_reproducible, golden, versions
from models.hvac.families import HORIZONS_HOURS
from models.hvac.fleet_life import FleetLife
from models.hvac.infer import open_model
from models.hvac.points import Bools, Floats, Ints
from models.registry import Card, Column, Model, checksum

_COVERAGE = 0.9


def train_risk(life: FleetLife, data: str, seed: int = 7, steps: int = 3000) -> ArtifactFiles:
    """The failure-risk model.

    Args:
        life: Of fleets of every kind of equipment, pooled.
        data: What the fleets are, for the card.
        seed: Of everything drawn.
        steps: Batches of 1,024.
    """
    be_reproducible(seed)
    rng = np.random.default_rng(seed)
    group = np.random.default_rng(len(life.failed_at_ms)).permutation(len(life.failed_at_ms))[life.unit] % 4
    teach, tune, test = group < 2, group == 2, group == 3
    event, at_risk = survival.intervals(life.left_hours, life.recorded_hours, life.failed, risk.INTERVAL_ENDS_HOURS)
    net = networks.Net(networks.dense_masks(life.inputs.shape[1], (16,), risk.K), rng)
    batch = networks.chosen(life.inputs[teach], event[teach], at_risk[teach], size=1024)
    networks.fit(net, networks.hazard_loss, batch, steps, rng, decay=1e-3)
    layers = _calibrated(net.layers(), life.inputs[tune], event[tune], at_risk[tune])
    content = networks.to_tflite(layers)
    model = open_model(content)
    tuned = survival.curves(model(life.inputs[tune]), risk.INTERVAL_ENDS_HOURS)
    low, high = survival.fit_levels(tuned, life.left_hours[tune], life.failed[tune], life.unit[tune], _COVERAGE)
    levels = (max(low, 1e-4), min(max(high, 0.5), 1.0))
    metrics = _metrics(model, levels, life, test, rng)
    card = Card(
        name="risk",
        version=VERSION,
        purpose="probability that a unit fails within the hours to come, from the course of its health figures",
        limits="simulated wear, lives a third as long as usual: real failures must calibrate it anew",
        file="risk.tflite",
        sha256=checksum(content),
        data=data,
        split="half of the units teach, a quarter calibrates, metrics are of the last quarter; bootstrap over units",
        command=COMMAND,
        seed=seed,
        inputs=tuple(Column(name, "see models/hvac/risk.py") for name in risk.RISK_INPUTS),
        outputs=tuple(Column(name, "logit") for name in risk.RISK_OUTPUTS),
        thresholds=dict(zip(risk.RISK_LEVELS, (round(level, 5) for level in levels), strict=True)),
        metrics=tuple(metrics),
        versions=versions(),
        golden=golden(layers, life.inputs[test]),
    )
    return ArtifactFiles(card, content)


def _calibrated(layers: networks.Layers, x: Floats, event: Floats, at_risk: Floats) -> networks.Layers:
    """The same net with Platt's scale and shift folded into its last layer.

    Moments weigh the same: a unit that fails soon has few of them, and must not count for more than it does in service.
    """
    platt = survival.fit_platt(open_model(networks.to_tflite(layers))(x), event, at_risk)
    kernel, bias = layers[-1]
    last = ((kernel * platt.scale).astype(np.float32), (bias * platt.scale + platt.shift).astype(np.float32))
    return [*layers[:-1], last]


def _metrics(
    model: Model, levels: tuple[float, float], life: FleetLife, test: Bools, rng: np.random.Generator
) -> list[Figure]:
    metrics = []
    found = risk.survive(model(life.inputs[test]), levels)
    for column, horizon in enumerate(HORIZONS_HOURS):
        known = life.recorded_hours[test] >= horizon
        truth = (life.failed[test] & (life.left_hours[test] <= horizon))[known]
        metrics += calibration(found.probability[known, column], truth, life.unit[test][known], f"risk.{horizon}h", rng)
    coverage = covered(model(life.inputs[test]), life.left_hours[test], life.failed[test], life.unit[test], levels)
    metrics.append(Figure("risk.interval_coverage", coverage, "fraction"))
    return metrics


def covered(logits: Floats, left_hours: Floats, failed: Bools, unit: Ints, levels: tuple[float, float]) -> float:
    """Share of lives that ended within their interval.

    Lives that the record cuts count as Kaplan and Meier count them, on the scale of the predicted probability; every unit
    weighs the same.

    Args:
        logits: Of the hazards, shape (n, K).
        left_hours: To the failure, or to the cut, shape (n,).
        failed: Whether it was a failure, shape (n,).
        unit: Whose life, shape (n,).
        levels: Of the interval.
    """
    curves = survival.curves(logits, risk.INTERVAL_ENDS_HOURS)
    at = curves.dying_before(left_hours)
    ended = failed & (left_hours <= risk.INTERVAL_ENDS_HOURS[-1])
    order = np.lexsort((~ended, at))
    weight = survival.unit_weights(unit)[order].astype(np.float64)
    at_risk = np.maximum(weight[::-1].cumsum()[::-1], 1e-12)
    alive = np.cumprod(1 - np.where(ended[order], weight, 0) / at_risk)
    position = np.searchsorted(at[order], levels, side="right") - 1
    low, high = (1.0 if place < 0 else float(alive[place]) for place in position)
    # Beyond the last interval nothing is told apart: an open bound holds all that outlive it.
    return low - (0.0 if levels[1] >= 1 or at.max() <= levels[1] else high)
