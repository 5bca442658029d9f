"""Training of the shipped models, from rows given as arguments; nothing here knows a simulator.

Units, not rows, are split: figures on the cards are of units that no fit has seen. Every seed is fixed, and the command
that rebuilds the artifacts is on their cards.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from models import registry
from models.hvac import anomaly, baseline, curriculum, curriculum_kinds, diagnose, features, networks
from models.hvac.cards import COMMAND, VERSION, ArtifactFiles, be_reproducible, golden, held_out, share, versions
from models.hvac.curriculum import Plant, Recording, minutes_of
from models.hvac.facts import Facts
from models.hvac.fleet_life import FleetLife, LivingPlant, follow, pooled
from models.hvac.infer import open_model
from models.hvac.inputs import Spec
from models.hvac.kinds import KINDS
from models.hvac.monitor import Models, Monitor, judge, model_name
from models.hvac.points import Bools, Floats, Ints
from models.hvac.quantize import quantized, shaken
from models.hvac.settings import MonitorSettings
from models.hvac.train_budget import train_budget
from models.hvac.train_risk import train_risk
from models.registry import Artifact, Card, Column, checksum

_SETTLE_MS = 2 * 60_000  # after the onset of a fault, before its minutes count as such
_LIMIT_QUANTILE = 0.9995
_THIN_POINTS = (
    "outdoor_air_relative_humidity", "zone_air_temperature", "supply_fan_power", "supply_air_flow",
    "supply_air_static_pressure", "supply_air_static_pressure_setpoint", "filter_differential_pressure",
    "hot_water_supply_temperature", "hot_water_return_temperature", "chilled_water_supply_temperature",
    "chilled_water_return_temperature", "supply_fan_vibration_velocity", "compressor_vibration_velocity",
    "suction_temperature", "discharge_temperature", "liquid_line_temperature", "compressor_speed_command",
    "flue_gas_temperature", "tower_fan_power", "chilled_water_pump_power", "hot_water_pump_power",
    "parent_supply_air_temperature",
)  # fmt: skip


def thin(recording: Recording, seed: int) -> Recording:
    """The same plant, as poorer instrumented units would tell it: every fifth unit lacks what many sites lack."""
    rng = np.random.default_rng([seed, 0x7])
    means = recording.means.copy()
    poor = rng.random(means.shape[1]) < 0.2
    slots = KINDS[recording.equipment].slot
    for point in _THIN_POINTS:
        if point in slots:
            means[:, poor, slots[point]] = np.nan
    return Recording(recording.minute_at_ms, means, recording.faults, recording.equipment)


def replay(recording: Recording, settings: MonitorSettings) -> Iterator[tuple[Facts, Floats, Bools]]:
    """A recording minute by minute through the windows of the service: facts, inputs (U, D) and mask (U, D)."""
    units = recording.means.shape[1]
    state = features.new_state(units)
    for minutes in minutes_of(recording):
        facts = features.observe(state, minutes, settings.rules)
        facts.references = baseline.refer(state, facts, settings.baseline)
        yield facts, *facts.kind.models.inputs(facts)


def train_anomaly(
    healthy: Sequence[Recording],
    data: str,
    seed: int = 7,
    steps: int = 4000,
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
    be_reproducible(seed)
    rng = np.random.default_rng(seed)
    kind = KINDS[healthy[0].equipment]
    spec = kind.models
    xs, masks, examples = [], [], []
    for recording in healthy:
        out = held_out(recording.means.shape[1])
        for number, (facts, x, there) in enumerate(replay(thin(recording, seed), settings)):
            use = facts.settled & ~out
            if number % 3 == 0:
                xs.append(x[use])
                masks.append(there[use])
            if number % 97 == 0 and (facts.settled & out).any():
                examples.append(np.concatenate([x, there], axis=1)[facts.settled & out][0])
    x_all, there_all = np.concatenate(xs), np.concatenate(masks)
    points = np.array([kind.slot[row.point] for row in spec.rows])

    def batch(draw: np.random.Generator) -> tuple[Floats, ...]:
        index = draw.integers(0, len(x_all), 1024)
        x, there = x_all[index], there_all[index]
        weights = there[:, spec.target_inputs].astype(np.float32)
        return networks.drop_inputs(x, there, points, draw), x[:, spec.target_inputs], weights

    net = networks.Net(networks.reconstruction_masks(spec.visible, 16), rng)
    networks.fit(net, networks.reconstruction_loss, batch, steps, rng)
    content = networks.to_tflite(net.layers())
    card = Card(
        name=model_name("anomaly", kind),
        version=VERSION,
        purpose="says for each target what the other points explain, and how far healthy units stray from it",
        limits=f"{kind.title.lower()}s; minutes in which the unit has settled",
        file=f"{model_name('anomaly', kind)}.tflite",
        sha256=checksum(content),
        data=data,
        split="a quarter of the units of every recording is held out: it sets the limits and is what the metrics are of",
        command=COMMAND,
        seed=seed,
        inputs=tuple(
            Column(name, unit)
            for name, unit in zip(
                spec.anomaly_inputs,
                [f"{row.unit_step:g} of {row.point}" for row in spec.rows] + ["1 where present"] * len(spec.rows),
                strict=True,
            )
        ),
        outputs=tuple(
            Column(name, "logarithm, as the input" if name.startswith("sigma") else "as the input")
            for name in spec.anomaly_outputs
        ),
        thresholds=dict.fromkeys(spec.limits, 1.0),
        metrics=(),
        versions=versions(),
        golden=golden(net.layers(), np.array(examples, dtype=np.float32)),
    )
    return _calibrated(ArtifactFiles(card, content), healthy, settings)


def _calibrated(files: ArtifactFiles, healthy: Sequence[Recording], settings: MonitorSettings) -> ArtifactFiles:
    """Set the limits where held-out healthy units hardly ever come, and put on the card how often others still do."""
    spec = KINDS[healthy[0].equipment].models
    residuals = np.concatenate([seen.residual[use] for use, seen in _healthy(files.opened(), healthy, settings, 0)])
    limits = np.nanquantile(np.abs(residuals), _LIMIT_QUANTILE, axis=0)
    thresholds = {name: round(float(limit), 3) for name, limit in zip(spec.limits, limits, strict=True)}
    files = ArtifactFiles(msgspec.structs.replace(files.card, thresholds=thresholds), files.content)
    alarms = [seen.anomalous[use] for use, seen in _healthy(files.opened(), healthy, settings, 1)]
    metrics = (share("anomaly.healthy_minutes_anomalous", np.concatenate(alarms)),)
    return ArtifactFiles(msgspec.structs.replace(files.card, metrics=metrics), files.content)


def _healthy(
    artifact: Artifact, recordings: Iterable[Recording], settings: MonitorSettings, half: int
) -> Iterator[tuple[Bools, anomaly.Anomaly]]:
    """Minutes of one half of the held-out units, and which units these are, shape (U,)."""
    for recording in recordings:
        units = recording.means.shape[1]
        use = held_out(units) & (np.arange(units) % 2 == half)
        state = features.new_state(units)
        for minutes in minutes_of(recording):
            facts = features.observe(state, minutes, settings.rules)
            facts.references = baseline.refer(state, facts, settings.baseline)
            yield (
                use & facts.settled,
                anomaly.look(state, facts, *facts.kind.models.inputs(facts), artifact, settings.baseline),
            )


def train_diagnosis(
    recordings: Sequence[Recording], reconstruction: ArtifactFiles, data: str, seed: int = 7,
    steps: Sequence[int] = (6000,),
    settings: MonitorSettings | None = None,
) -> ArtifactFiles:  # fmt: skip
    """The diagnosis model, from recordings with known faults and without.

    Args:
        recordings: A quarter of the units of each only tests.
        reconstruction: The anomaly model whose residuals it reads.
        data: What they are, for the card.
        seed: Of everything drawn.
        steps: Batches of 1,024; two numbers train two nets, whose mean is the model.
        settings: Those of the service.
    """
    settings = settings or MonitorSettings()
    be_reproducible(seed)
    rng = np.random.default_rng(seed)
    artifact = reconstruction.opened()
    kind = KINDS[recordings[0].equipment]
    spec = kind.models
    xs, labels, outs = [], [], []
    for recording in recordings:
        poor = thin(recording, seed)
        units = recording.means.shape[1]
        out, state = held_out(units), features.new_state(units)
        for number, minutes in enumerate(minutes_of(poor)):
            judged = judge(state, minutes, settings, Models(anomaly=artifact))
            facts, seen = judged.facts, judged.seen
            x, _ = spec.inputs(facts)
            label = _labels(recording, int(minutes.minute_at_ms[0]), units)
            use = facts.settled & (label >= 0) & (number % (2 if recording.faults else 8) == 0)
            xs.append(diagnose.diagnosis_inputs(facts, x, seen.residual, judged.confirmed)[use])
            labels.append(label[use])
            outs.append(out[use])
    x_all, label_all, out_all = (
        np.concatenate(xs),
        np.concatenate(labels),
        np.concatenate(outs),
    )
    fitted = ~out_all
    weight = np.where(label_all == 0, 4.0, 1.0).astype(np.float32)
    drawn = networks.chosen(x_all[fitted], label_all[fitted], weight[fitted], size=1024)
    blur = _blur(spec)

    def batch(draw: np.random.Generator) -> tuple[Floats, ...]:
        x, *rest = drawn(draw)
        return (x + blur * draw.standard_normal(x.shape, dtype=np.float32), *rest)

    trained = []
    for number in steps:
        net = networks.Net(networks.dense_masks(x_all.shape[1], (48, 32), 1 + len(spec.families)), rng)
        networks.fit(net, networks.class_loss, batch, number, rng)
        trained.append(net.layers())
    layers = functools.reduce(networks.averaged, trained)
    content = networks.to_tflite(layers)
    guess = open_model(content)(x_all[out_all]).argmax(axis=1)
    truth = label_all[out_all]
    metrics = [
        share(f"diagnosis.recall.{name}", guess[truth == c] == c) for c, name in enumerate(("healthy", *spec.families))
    ]
    card = Card(
        name=model_name("diagnosis", kind),
        version=VERSION,
        purpose="weighs the pattern of what the anomaly model could not explain: which fault, or none",
        limits="one fault at a time; faults that the conditions hide stay hidden; odds lean to health (weight 4)",
        file=f"{model_name('diagnosis', kind)}.tflite",
        sha256=checksum(content),
        data=data,
        split="a quarter of the units of every recording is held out; metrics are of its minutes, any severity",
        command=COMMAND,
        seed=seed,
        inputs=tuple(Column(name, "see models/hvac/diagnose.py") for name in spec.diagnosis_inputs),
        outputs=tuple(Column(name, "natural logarithm") for name in spec.diagnosis_outputs),
        thresholds={},
        metrics=tuple(metrics),
        versions=versions(),
        golden=golden(layers, x_all[out_all]),
    )
    return ArtifactFiles(card, content)


def _blur(spec: Spec) -> Floats:
    """Noise on the inputs of the diagnosis while it learns, so that no plant must be exactly like the simulated ones."""
    blur = {"residual": 0.08, "filter": 0.1, "fan": 0.1, "judged": 0.0, "rule": 0.0}
    return np.array(
        [blur.get(name.split("_")[0], 0.3) for name in spec.diagnosis_inputs],
        dtype=np.float32,
    )


def _labels(recording: Recording, at_ms: int, units: int) -> Ints:
    """Class of each unit at this minute, shape (U,): 0 healthy, 1 + family, -1 just after the onset."""
    families = KINDS[recording.equipment].models.families
    label = np.zeros(units, dtype=np.int64)
    for fault in recording.faults:
        if at_ms >= fault.at_ms + _SETTLE_MS:
            label[fault.unit] = 1 + families.index(fault.family)
        elif at_ms >= fault.at_ms - 60_000:
            label[fault.unit] = -1
    return label


def train_all(plant: Plant, directory: Path, seed: int = 7) -> Iterator[ArtifactFiles]:
    """Anomaly and diagnosis models of air handlers, each as soon as it is trained and written: half an hour on one core.

    Args:
        plant: Plays the lessons.
        directory: Where the artifacts go.
        seed: Of the training; the lessons have seeds of their own.
    """
    # Two simulators that were written apart, single-zone and multi-zone: what holds on both is more likely to hold outside.
    lessons = [*curriculum.healthy_lessons(units=64)[::2], *curriculum_kinds.healthy_years("ahu", units=48)]
    healthy = [curriculum.recorded(plant, lesson) for lesson in lessons]
    minutes = sum(len(recording.minute_at_ms) for recording in healthy)
    days = (
        f"{minutes / 1440:.0f} simulated days of healthy fleets of 50 units, two simulators, all climates and seasons"
    )
    reconstruction = train_anomaly(healthy, days, seed)
    yield from _written(directory, reconstruction)
    lessons = [*curriculum.faulty_lessons(), *curriculum_kinds.faulty_days("ahu")]
    faulty = [curriculum.recorded(plant, lesson) for lesson in lessons]
    data = f"{days}; {len(faulty)} working days with a fault in each of about 100 units"
    diagnosis = train_diagnosis(faulty + healthy, reconstruction, data, seed, steps=(6_000, 10_000))
    yield from _written(directory, diagnosis)
    del healthy, faulty
    yield from train_budget(plant, directory, "ahu")


def train_kind(plant: Plant, directory: Path, equipment: str, seed: int = 7) -> Iterator[ArtifactFiles]:
    """Anomaly and diagnosis models of one kind of equipment beside the air handler: some ten minutes on one core.

    Args:
        plant: Plays the lessons.
        directory: Where the artifacts go.
        equipment: The kind; it has a spec.
        seed: Of the training; the lessons have seeds of their own.
    """
    healthy = [curriculum.recorded(plant, lesson) for lesson in curriculum_kinds.healthy_years(equipment)]
    minutes, units = sum(len(recording.minute_at_ms) for recording in healthy), healthy[0].means.shape[1]
    days = f"{minutes / 1440:.0f} simulated days of healthy fleets of {units} units, met in one season, seen in all"
    reconstruction = train_anomaly(healthy, days, seed)
    yield from _written(directory, reconstruction)
    faulty = [curriculum.recorded(plant, lesson) for lesson in curriculum_kinds.faulty_days(equipment)]
    data = f"{days}; {len(faulty)} working days with a fault in each of {faulty[0].means.shape[1]} units"
    yield from _written(directory, train_diagnosis(faulty + healthy, reconstruction, data, seed))
    del healthy, faulty
    yield from train_budget(plant, directory, equipment)


def live(plant: LivingPlant, directory: Path, equipment: str) -> FleetLife:
    """A fleet of one kind that wears, followed by the kind's own anomaly and diagnosis models: some minutes.

    Args:
        plant: Plays the lesson in which parts wear.
        directory: Where the models of the kind stand.
        equipment: The kind.
    """
    kind = KINDS[equipment]
    parts = (registry.load(directory, model_name(part, kind), open_model) for part in ("anomaly", "diagnosis"))
    monitor = Monitor(MonitorSettings(), {equipment: Models(*parts)})
    return follow(plant, curriculum_kinds.wearing_fleet(equipment, 13_000, units=100, days=100), monitor)


def train_failure_risk(plant: LivingPlant, directory: Path, seed: int = 7) -> Iterator[ArtifactFiles]:
    """The failure-risk model, from a fleet of every kind that has models: half an hour on one core.

    Args:
        plant: Plays the lessons in which parts wear.
        directory: Where the other models stand, and where this one goes.
        seed: Of the training; the lessons have seeds of their own.
    """
    lives = [live(plant, directory, kind) for kind in KINDS]
    units, days = len(lives[0].failed_at_ms), 100
    data = f"{len(lives)} simulated fleets, one of each kind, of {units} units that wore for {days} days"
    yield from _written(directory, train_risk(pooled(lives), data, seed))


def _written(directory: Path, files: ArtifactFiles) -> Iterator[ArtifactFiles]:
    """A model and its int8 twin, each as soon as it stands in the directory."""
    for one in (files, quantized(files, shaken(files))):
        registry.write(directory, one.card, one.content)
        yield one
