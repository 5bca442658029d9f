"""Training of the shipped models, from rows given as arguments; nothing here knows a simulator.

Units, not rows, are split: figures on the cards are of units that no fit has seen. Every seed is fixed, and the command
that rebuilds the artifacts is on their cards.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import tensorflow as tf

from models.contracts.figures import Figure
from models.hvac import anomaly, baseline, diagnose, features, networks, risk, rules
from models.hvac.curriculum import Recording
from models.hvac.families import FAMILIES, FAMILY_INDEX, HORIZONS_HOURS
from models.hvac.features import Minutes
from models.hvac.infer import open_model
from models.hvac.inputs import INPUTS, TARGET_INPUTS, TARGETS, VISIBLE, inputs
from models.hvac.monitor import judge
from models.hvac.points import COLUMN, Bools, Floats, Ints
from models.hvac.rules import Facts
from models.hvac.settings import MonitorSettings
from models.registry import Artifact, Card, Column, Golden, checksum

COMMAND = "make train"
_VERSION = "1.0.0"
_GOLDEN_ROWS = 24
_GOLDEN_TOLERANCE = 2e-4
_SETTLE_MS = 2 * 60_000  # after the onset of a fault, before its minutes count as such
_LIMIT_QUANTILE = 0.9995
_THIN_POINTS = (
    "outdoor_air_relative_humidity", "zone_air_temperature", "supply_fan_power", "supply_air_flow",
    "supply_air_static_pressure", "supply_air_static_pressure_setpoint", "filter_differential_pressure",
    "hot_water_supply_temperature", "hot_water_return_temperature", "chilled_water_supply_temperature",
    "chilled_water_return_temperature",
)  # fmt: skip


@dataclass(slots=True)
class ArtifactFiles:
    """A trained model, ready to be written by `models.registry.write`."""

    card: Card
    content: bytes

    def opened(self) -> Artifact:
        """The model as it will be served."""
        return Artifact(self.card, open_model(self.content))


def thin(recording: Recording, seed: int) -> Recording:
    """The same plant, as poorer instrumented units would tell it: every fifth unit lacks what many sites lack."""
    rng = np.random.default_rng([seed, 0x7])
    means = recording.means.copy()
    poor = rng.random(means.shape[1]) < 0.2
    for point in _THIN_POINTS:
        means[:, poor, COLUMN[point]] = np.nan
    return Recording(recording.minute_at_ms, means, recording.faults)


def _held_out(units: int) -> Bools:
    """A quarter of the units, drawn once and for all, is never fitted to."""
    held = np.zeros(units, dtype=bool)
    held[np.random.default_rng(units).permutation(units)[: units // 4]] = True
    return held


def replay(recording: Recording, settings: MonitorSettings) -> Iterator[tuple[Facts, Floats, Bools]]:
    """A recording minute by minute through the windows of the service: facts, inputs (U, D) and mask (U, D)."""
    units = recording.means.shape[1]
    state = features.new_state(units)
    for minutes in _minutes(recording):
        facts = features.observe(state, minutes, settings.rules)
        facts.references = baseline.refer(state, facts, settings.baseline)
        yield facts, *inputs(facts)


def _minutes(recording: Recording) -> Iterator[Minutes]:
    units = recording.means.shape[1]
    rows, whole = np.arange(units), np.ones(units, dtype=np.float32)
    for at_ms, means in zip(recording.minute_at_ms, recording.means, strict=True):
        yield Minutes(rows, np.full(units, at_ms), means, whole)


def train_anomaly(
    healthy: Sequence[Recording],
    data: str,
    seed: int = 7,
    steps: int = 3000,
    settings: MonitorSettings | None = None,
) -> ArtifactFiles:
    """The anomaly model, from healthy operation.

    Args:
        healthy: Recordings without faults; a quarter of the units of each only calibrates and tests.
        data: What they are, for the card.
        seed: Of everything drawn.
        steps: Batches of 1,024.
        settings: Those of the service.
    """
    settings = settings or MonitorSettings()
    _be_reproducible(seed)
    rng = np.random.default_rng(seed)
    xs, masks, golden = [], [], []
    for recording in healthy:
        out = _held_out(recording.means.shape[1])
        for number, (facts, x, there) in enumerate(replay(thin(recording, seed), settings)):
            use = facts.settled & ~out
            if number % 3 == 0:
                xs.append(x[use])
                masks.append(there[use])
            if number % 97 == 0 and (facts.settled & out).any():
                golden.append(np.concatenate([x, there], axis=1)[facts.settled & out][0])
    x_all, there_all = np.concatenate(xs), np.concatenate(masks)
    points = np.array([COLUMN[row.point] for row in INPUTS])

    def batch(draw: np.random.Generator) -> tuple[Floats, ...]:
        index = draw.integers(0, len(x_all), 1024)
        x, there = x_all[index], there_all[index]
        weights = there[:, TARGET_INPUTS].astype(np.float32)
        return (
            networks.drop_inputs(x, there, points, draw),
            x[:, TARGET_INPUTS],
            weights,
        )

    net = networks.Net(networks.reconstruction_masks(VISIBLE, 16), rng)
    networks.fit(net, networks.reconstruction_loss, batch, steps, rng)
    content = networks.to_tflite(net.layers())
    card = Card(
        name="anomaly",
        version=_VERSION,
        purpose="says for each target what the other points explain, and how far healthy units stray from it",
        limits="air handlers with water coils; minutes in which the fan has settled",
        file="anomaly.tflite",
        sha256=checksum(content),
        data=data,
        split="a quarter of the units of every recording is held out: it sets the limits and is what the metrics are of",
        command=COMMAND,
        seed=seed,
        inputs=(
            *(Column(row.name, f"{row.unit_step:g} of {row.point}") for row in INPUTS),
            *(Column(f"there_{row.name}", "1 where present") for row in INPUTS),
        ),
        outputs=(
            *(Column(f"expected_{name}", "as the input") for name in TARGETS),
            *(Column(f"sigma_log_{name}", "logarithm, as the input") for name in TARGETS),
        ),
        thresholds=dict.fromkeys(anomaly.LIMITS, 1.0),
        metrics=(),
        versions=_versions(),
        golden=_golden(net.layers(), np.array(golden, dtype=np.float32)),
    )
    return _calibrated(ArtifactFiles(card, content), healthy, settings)


def _calibrated(files: ArtifactFiles, healthy: Sequence[Recording], settings: MonitorSettings) -> ArtifactFiles:
    """Set the limits where held-out healthy units hardly ever come, and put on the card how often they still do."""
    half = [(recording, _held_out(recording.means.shape[1])) for recording in healthy]
    residuals = np.concatenate([r[k] for k, r, _ in _anomalies(files.opened(), half[0::2], settings)])
    limits = np.nanquantile(np.abs(residuals), _LIMIT_QUANTILE, axis=0)
    thresholds = {name: round(float(limit), 3) for name, limit in zip(anomaly.LIMITS, limits, strict=True)}
    files = ArtifactFiles(msgspec.structs.replace(files.card, thresholds=thresholds), files.content)
    minutes = alarms = 0
    for kept, _, seen in _anomalies(files.opened(), half[1::2], settings):
        minutes += int((kept & ~np.isnan(seen.score)).sum())
        alarms += int((kept & seen.anomalous).sum())
    low, high = _wilson(alarms, minutes)
    share = Figure(
        "anomaly.healthy_minutes_anomalous",
        alarms / max(minutes, 1),
        "fraction",
        low,
        high,
    )
    card = msgspec.structs.replace(files.card, metrics=(share,))
    return ArtifactFiles(card, files.content)


def _anomalies(
    artifact: Artifact,
    recordings: Iterable[tuple[Recording, Bools]],
    settings: MonitorSettings,
) -> Iterator[tuple[Bools, Floats, anomaly.Anomaly]]:
    for recording, out in recordings:
        state = features.new_state(recording.means.shape[1])
        for minutes in _minutes(recording):
            facts = features.observe(state, minutes, settings.rules)
            facts.references = baseline.refer(state, facts, settings.baseline)
            seen = anomaly.look(state, facts, *inputs(facts), artifact, settings.baseline)
            yield out & facts.settled, seen.residual, seen


def train_diagnosis(
    recordings: Sequence[Recording], reconstruction: ArtifactFiles, data: str, seed: int = 7, steps: int = 6000,
    settings: MonitorSettings | None = None,
) -> ArtifactFiles:  # fmt: skip
    """The diagnosis model, from recordings with known faults and without.

    Args:
        recordings: A quarter of the units of each only tests.
        reconstruction: The anomaly model whose residuals it reads.
        data: What they are, for the card.
        seed: Of everything drawn.
        steps: Batches of 1,024.
        settings: Those of the service.
    """
    settings = settings or MonitorSettings()
    _be_reproducible(seed)
    rng = np.random.default_rng(seed)
    artifact = reconstruction.opened()
    xs, labels, outs = [], [], []
    for recording in recordings:
        poor = thin(recording, seed)
        units = recording.means.shape[1]
        out, state = _held_out(units), features.new_state(units)
        for number, minutes in enumerate(_minutes(poor)):
            facts = features.observe(state, minutes, settings.rules)
            facts.references = baseline.refer(state, facts, settings.baseline)
            confirmed = rules.confirm(state, facts, rules.judge(facts, settings.rules), settings.rules)
            x, there = inputs(facts)
            seen = anomaly.look(state, facts, x, there, artifact, settings.baseline)
            label = _labels(recording, int(minutes.minute_at_ms[0]), units)
            use = facts.settled & (label >= 0) & (number % (2 if recording.faults else 8) == 0)
            xs.append(diagnose.diagnosis_inputs(facts, x, seen.residual, confirmed)[use])
            labels.append(label[use])
            outs.append(out[use])
    x_all, label_all, out_all = (
        np.concatenate(xs),
        np.concatenate(labels),
        np.concatenate(outs),
    )
    fitted = ~out_all
    weight = np.where(label_all == 0, 4.0, 1.0).astype(np.float32)
    net = networks.Net(networks.dense_masks(x_all.shape[1], (48, 32), 1 + len(FAMILIES)), rng)
    drawn = networks.chosen(x_all[fitted], label_all[fitted], weight[fitted], size=1024)
    blur = _blur()

    def batch(draw: np.random.Generator) -> tuple[Floats, ...]:
        x, *rest = drawn(draw)
        return (x + blur * draw.standard_normal(x.shape, dtype=np.float32), *rest)

    networks.fit(net, networks.class_loss, batch, steps, rng)
    content = networks.to_tflite(net.layers())
    picked = np.flatnonzero(out_all)[:: max(int(out_all.sum()) // _GOLDEN_ROWS, 1)]
    guess = open_model(content)(x_all[out_all]).argmax(axis=1)
    truth = label_all[out_all]
    metrics = [
        _share(f"diagnosis.recall.{name}", guess[truth == c] == c) for c, name in enumerate(("healthy", *FAMILIES))
    ]
    card = Card(
        name="diagnosis",
        version=_VERSION,
        purpose="weighs the pattern of what the anomaly model could not explain: which fault, or none",
        limits="one fault at a time; faults that the conditions hide stay hidden; odds lean to health (weight 4)",
        file="diagnosis.tflite",
        sha256=checksum(content),
        data=data,
        split="a quarter of the units of every recording is held out; metrics are of its minutes, any severity",
        command=COMMAND,
        seed=seed,
        inputs=tuple(Column(name, "see models/hvac/diagnose.py") for name in diagnose.DIAGNOSIS_INPUTS),
        outputs=tuple(Column(f"logit_{name}", "natural logarithm") for name in ("healthy", *FAMILIES)),
        thresholds={},
        metrics=tuple(metrics),
        versions=_versions(),
        golden=_golden(net.layers(), x_all[picked]),
    )
    return ArtifactFiles(card, content)


def _blur() -> Floats:
    """Noise on the inputs of the diagnosis while it learns, so that no plant must be exactly like the simulated ones."""
    blur = {"residual": 0.08, "filter": 0.1, "fan": 0.1, "judged": 0.0, "rule": 0.0}
    return np.array(
        [blur.get(name.split("_")[0], 0.3) for name in diagnose.DIAGNOSIS_INPUTS],
        dtype=np.float32,
    )


def _labels(recording: Recording, at_ms: int, units: int) -> Ints:
    """Class of each unit at this minute, shape (U,): 0 healthy, 1 + family, -1 just after the onset."""
    label = np.zeros(units, dtype=np.int64)
    for fault in recording.faults:
        if at_ms >= fault.at_ms + _SETTLE_MS:
            label[fault.unit] = 1 + FAMILY_INDEX[fault.family]
        elif at_ms >= fault.at_ms - 60_000:
            label[fault.unit] = -1
    return label


@dataclass(slots=True)
class Life:
    """What was known of a unit at an hour of its life, and what became of it. All (n,) but `inputs` (n, RISK_INPUTS)."""

    inputs: Floats
    hours_left: Floats  # to its failure, or to the end of what was recorded
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
    models = reconstruction.opened(), diagnosis.opened()
    state = features.new_state(len(failed_at_ms))
    xs, at, units = [], [], []
    end_ms = 0
    for chunk in chunks:
        for minutes in _minutes(chunk):
            now = int(minutes.minute_at_ms[0])
            judged = judge(state, minutes, settings, *models)
            risk.follow(state, judged.facts, judged.seen)
            end_ms = now + features.MINUTE_MS
            if now % 3_600_000 == 0:
                alive = np.flatnonzero(((failed_at_ms < 0) | (failed_at_ms > end_ms)) & (state["health_minutes"] > 0))
                xs.append(risk.risk_inputs(state, judged.facts)[alive])
                at.append(np.full(len(alive), end_ms))
                units.append(alive)
    unit, at_ms = np.concatenate(units), np.concatenate(at)
    failed = failed_at_ms[unit] >= 0
    until = np.where(failed, failed_at_ms[unit], end_ms)
    return Life(
        np.concatenate(xs),
        ((until - at_ms) / 3_600_000).astype(np.float32),
        failed,
        unit,
    )


def train_risk(fleets: Sequence[Life], data: str, seed: int = 7, steps: int = 4000) -> ArtifactFiles:
    """The failure-risk model, from fleets that ran to failure.

    Args:
        fleets: A quarter of the units of each only tests.
        data: What they are, for the card.
        seed: Of everything drawn.
        steps: Batches of 1,024.
    """
    _be_reproducible(seed)
    rng = np.random.default_rng(seed)
    x = np.concatenate([life.inputs for life in fleets])
    hours = np.concatenate([life.hours_left for life in fleets])
    failed = np.concatenate([life.failed for life in fleets])
    unit = np.concatenate([life.unit + 100_000 * number for number, life in enumerate(fleets)])
    held = [_held_out(int(life.unit.max()) + 1) for life in fleets]
    out = np.concatenate([held[number][life.unit] for number, life in enumerate(fleets)])
    event, at_risk = _intervals(hours, failed)
    net = networks.Net(networks.dense_masks(x.shape[1], (32, 16), risk.K), rng)
    batch = networks.chosen(x[~out], event[~out], at_risk[~out], size=1024)
    networks.fit(net, networks.hazard_loss, batch, steps, rng)
    content = networks.to_tflite(net.layers())
    predicted = risk.survive(open_model(content)(x[out])).probability
    metrics = []
    for column, horizon in enumerate(HORIZONS_HOURS):
        known = failed[out] | (hours[out] >= horizon)
        truth = (failed[out] & (hours[out] <= horizon))[known]
        metrics += calibration(predicted[known, column], truth, unit[out][known], f"risk.{horizon}h", rng)
    picked = np.flatnonzero(out)[:: max(int(out.sum()) // _GOLDEN_ROWS, 1)]
    card = Card(
        name="risk",
        version=_VERSION,
        purpose="probability that a unit fails within the hours to come, from the course of its health figures",
        limits="simulated wear: calibrated on the simulator's failures only, until real ones are recorded",
        file="risk.tflite",
        sha256=checksum(content),
        data=data,
        split="a quarter of the units of every fleet is held out; metrics are of those, intervals by bootstrap over units",
        command=COMMAND,
        seed=seed,
        inputs=(
            *(Column(f"fast_{name}", "see models/hvac/risk.py") for name in risk.figure_names()),
            *(Column(f"slow_{name}", "see models/hvac/risk.py") for name in risk.figure_names()),
            Column("health_minutes", "log(1 + minutes) / 8"),
        ),
        outputs=tuple(Column(f"hazard_until_{h}h", "logit") for h in risk.INTERVAL_ENDS_HOURS),
        thresholds={},
        metrics=tuple(metrics),
        versions=_versions(),
        golden=_golden(net.layers(), x[picked]),
    )
    return ArtifactFiles(card, content)


def _intervals(hours: Floats, failed: Bools) -> tuple[Floats, Floats]:
    """For each interval whether the unit failed in it, and whether it was at risk in it, (n, K) each."""
    ends = np.array(risk.INTERVAL_ENDS_HOURS, dtype=np.float32)
    starts = np.array([0, *risk.INTERVAL_ENDS_HOURS[:-1]], dtype=np.float32)
    event = failed[:, None] & (hours[:, None] > starts) & (hours[:, None] <= ends)
    # A unit that was still working when the record ended says nothing of the interval in which that was.
    at_risk = event | (hours[:, None] > ends)
    return event.astype(np.float32), at_risk.astype(np.float32)


def calibration(
    predicted: Floats,
    truth: Bools,
    unit: Ints,
    name: str,
    rng: np.random.Generator,
    bins: int = 10,
) -> list[Figure]:
    """Calibration error over bins of equal count, and how well failing units are told from others, with intervals."""

    def error(index: Ints) -> float:
        order = index[np.argsort(predicted[index], kind="stable")]
        parts = [part for part in np.array_split(order, bins) if len(part)]
        return float(sum(len(p) * abs(predicted[p].mean() - truth[p].mean()) for p in parts) / len(order))

    members = {int(u): np.flatnonzero(unit == u) for u in np.unique(unit)}
    keys = np.array(list(members))
    draws = [error(np.concatenate([members[int(u)] for u in rng.choice(keys, len(keys))])) for _ in range(100)]
    low, high = np.quantile(draws, [0.025, 0.975])
    brier = float(((predicted - truth) ** 2).mean())
    base = float(truth.mean())
    return [
        Figure(
            f"{name}.calibration_error",
            error(np.arange(len(truth))),
            "fraction",
            float(low),
            float(high),
        ),
        Figure(f"{name}.brier_skill", 1 - brier / max(base * (1 - base), 1e-9), "fraction"),
        Figure(f"{name}.base_rate", base, "fraction"),
    ]


def _golden(layers: networks.Layers, x: Floats) -> Golden:
    """Golden vectors as TensorFlow computes them."""
    x = x[:_GOLDEN_ROWS].astype(np.float32)
    y = networks.to_keras(layers)(x).numpy()
    return Golden(_rows(x), _rows(y), _GOLDEN_TOLERANCE)


def _rows(matrix: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


def _share(name: str, hits: Bools) -> Figure:
    low, high = _wilson(int(hits.sum()), len(hits))
    return Figure(name, float(hits.mean()) if len(hits) else 0.0, "fraction", low, high)


def _wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if n == 0:
        return 0.0, 1.0
    p, z = hits / n, 1.96
    middle, half = (
        p + z * z / (2 * n),
        z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)),
    )
    scale = 1 + z * z / n
    return float((middle - half) / scale), float((middle + half) / scale)


def _versions() -> dict[str, str]:
    return {
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def _be_reproducible(seed: int) -> None:
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
