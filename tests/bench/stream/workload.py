"""The fixed workload "cut from the HVAC app" over whole batches, and as a StreamApp for our runtime.

`naive.py` says what is computed. Here a batch is decoded into one plane, and the sums over samples that do not depend on a
unit's state are taken for all its frames at once:

    y = x - first sample    a = Σ wᵢ yᵢ    b = Σ wᵢ yᵢ²    wᵢ = α (1-α)^(59-i)    W = Σ wᵢ = 1 - (1-α)^60
    d = first - mean        s = a + W d    r = b + 2 d a + W d²
    mean' = mean + s        variance' = (1-α)^60 variance + r - s²

which is the recursion of `naive.py`, solved for 60 samples. What is left for each wave (the j-th frame of every unit in the
batch) is arithmetic on (units, 24).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from models.contracts.codec import read_planes
from stream.app import Batch, Decoded, Input, Output, Rejected, StreamApp
from stream.table import Columns, Rows, State, TableSpec
from tests.bench.stream.model import CHANNELS, LAYOUT, SAMPLES, Parameters

UNITS = "units"
RULES = 6
# Frames whose samples are worked on together: their float64 plane stays in the cache.
_PART_FRAMES = 64
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Alert(msgspec.Struct, frozen=True):
    """What every engine writes. `rules`: bit i is set where rule i holds."""

    unit: str
    state: str
    measured_at_ms: int
    score: float
    rules: int


class Constants:
    """The parameters as arrays."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.scales = np.array(parameters.scales)
        self.floor_variance = (parameters.floor_steps * self.scales) ** 2
        self.layers = [
            (np.array(weights), np.array(biases))
            for weights, biases in zip(parameters.weights, parameters.biases, strict=True)
        ]
        kept = 1 - parameters.alpha
        self.kept = kept**SAMPLES
        self.taken = 1 - self.kept
        self.sample_weights = parameters.alpha * kept ** np.arange(SAMPLES - 1, -1, -1.0)
        # One product gives both the weighted sum and the mean.
        self.both = np.stack([self.sample_weights, np.full(SAMPLES, 1 / SAMPLES)], axis=1)

    @cached_property
    def at(self) -> dict[str, int]:
        """Column of each point."""
        return {point: column for column, point in enumerate(self.parameters.points)}


def columns(rows: int) -> Columns:
    """A unit's row: 416 bytes, and the seq of its newest frame."""
    return {
        "mean": np.zeros((rows, CHANNELS)),
        "variance": np.zeros((rows, CHANNELS)),
        "frames": np.zeros(rows, dtype=np.int64),
        "over": np.zeros(rows, dtype=np.int64),
        "under": np.zeros(rows, dtype=np.int64),
        "raised": np.zeros(rows, dtype=bool),
        "epoch": np.zeros(rows, dtype=np.uint64),
        "seq": np.zeros(rows, dtype=np.uint64),
    }


@dataclass(slots=True)
class Sums:
    """What a frame's samples come to, each (frames, channels), in the units of the points."""

    first: Floats
    mean: Floats
    weighted: Floats
    weighted_square: Floats

    def take(self, at: Rows) -> Sums:
        """Those of some frames."""
        return Sums(self.first[at], self.mean[at], self.weighted[at], self.weighted_square[at])


@dataclass(slots=True)
class Frames:
    """Frames of one batch, in the order of the log; the sums have their length."""

    units: list[str]
    epoch: npt.NDArray[np.uint64]
    seq: npt.NDArray[np.uint64]
    measured_at_ms: Ints
    sums: Sums


class Wave(NamedTuple):
    """At most one frame a unit: its place in the frames (k,) and its row (k,)."""

    frames: Frames
    at: Rows
    rows: Rows


class Verdicts(NamedTuple):
    """What a wave comes to, each (k,). `transition`: 1 raised, -1 cleared, 0 nothing new."""

    probability: Floats
    rules: Ints
    transition: npt.NDArray[np.int8]


def sums_of(raw: npt.NDArray[np.int16], constants: Constants) -> Sums:
    """The sums over the samples of frames.

    Args:
        raw: Planes, shape (frames, channels, samples).
        constants: Of the workload.
    """
    count = len(raw)
    both = np.empty((count, CHANNELS, 2))
    squares = np.empty((count, CHANNELS))
    first = raw[:, :, 0].astype(np.float64)
    for start in range(0, count, _PART_FRAMES):
        part = slice(start, start + _PART_FRAMES)
        y = raw[part] - first[part, :, None]
        np.matmul(y, constants.both, out=both[part])
        np.multiply(y, y, out=y)
        np.matmul(y, constants.sample_weights, out=squares[part])
    scales = constants.scales
    first *= scales
    both *= scales[:, None]
    squares *= scales**2
    return Sums(first, first + both[:, :, 1], both[:, :, 0], squares)


def decode(payloads: Sequence[bytes], constants: Constants) -> Decoded:
    """Frames of the workload's one layout."""
    planes, refused = read_planes(payloads, {LAYOUT.id: LAYOUT})
    rejected = [Rejected(one.position, one.error.reason, str(one.error)) for one in refused]
    good = [one for one in planes if one.n == SAMPLES]
    for one in planes:
        if one.n != SAMPLES:
            rejected += [Rejected(place, "shape", f"frame has {one.n} samples") for place in one.index.tolist()]
    if not good:
        none = np.zeros(0, dtype=np.uint64)
        empty = np.zeros((0, CHANNELS, SAMPLES), dtype=np.int16)
        return Decoded(Frames([], none, none, none.astype(np.int64), sums_of(empty, constants)), rejected)
    (one,) = good
    return Decoded(Frames(one.units, one.epoch, one.seq, one.measured_at_ms, sums_of(one.raw, constants)), rejected)


def update(state: State, batch: Batch) -> Iterator[Wave]:
    """The waves of a batch. A frame whose seq is not above its unit's newest one is a duplicate and left out."""
    frames: Frames = batch.items
    if not frames.units:
        return
    table = state.tables[UNITS]
    row = table.rows(frames.units)
    table.touch(row)
    for at in waves_of(row):
        rows = row[at]
        seq, epoch = table.columns["seq"], table.columns["epoch"]
        fresh = (frames.epoch[at] != epoch[rows]) | (frames.seq[at] > seq[rows])
        if not fresh.all():
            at, rows = at[fresh], rows[fresh]
        seq[rows], epoch[rows] = frames.seq[at], frames.epoch[at]
        yield Wave(frames, at, rows)


def waves_of(row: Rows) -> Iterator[Rows]:
    """Cut frames, given by their units' rows, so that a part holds at most one frame a unit, in order."""
    order = np.argsort(row, kind="stable")
    ordered = row[order]
    begins = np.ones(len(row), dtype=bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    places = np.arange(len(row))
    rank = places - np.maximum.accumulate(np.where(begins, places, 0))
    for number in range(int(rank.max()) + 1):
        yield order[rank == number]


def score(state: State, wave: Wave, constants: Constants) -> tuple[Wave, Verdicts]:
    """Advance the units of a wave by their frames."""
    return wave, advance(state.tables[UNITS].columns, wave.rows, wave.frames.sums.take(wave.at), constants)


def advance(columns: Columns, rows: Rows, sums: Sums, constants: Constants) -> Verdicts:
    """One frame for each of these rows, which are distinct: state, probability, rules, latch."""
    parameters = constants.parameters
    frames = columns["frames"][rows]
    mean, variance = columns["mean"][rows], columns["variance"][rows]
    new = frames == 0
    if new.any():
        mean[new] = sums.first[new]
    z = (sums.mean - mean) / np.sqrt(variance + constants.floor_variance)
    np.clip(z, -parameters.z_max, parameters.z_max, out=z)
    delta = sums.first - mean
    step = sums.weighted + constants.taken * delta
    square = sums.weighted_square + delta * (2 * sums.weighted + constants.taken * delta)
    mean += step
    variance = np.maximum(constants.kept * variance + square - step * step, 0)
    columns["mean"][rows], columns["variance"][rows] = mean, variance
    layer = z
    for weights, biases in constants.layers[:-1]:
        layer = np.maximum(layer @ weights + biases, 0)
    weights, biases = constants.layers[-1]
    probability = 1 / (1 + np.exp(-(layer @ weights + biases)[:, 0]))
    rules = rules_of(sums.mean, mean, z, constants)
    is_over = (frames >= parameters.settle_frames) & ((probability > parameters.limits.probability) | (rules != 0))
    over = np.where(is_over, columns["over"][rows] + 1, 0)
    under = np.where(is_over, 0, columns["under"][rows] + 1)
    raised = columns["raised"][rows]
    rises = ~raised & (over >= parameters.raise_frames)
    clears = raised & (under >= parameters.clear_frames)
    columns["frames"][rows] = frames + 1
    columns["over"][rows], columns["under"][rows] = over, under
    columns["raised"][rows] = (raised | rises) & ~clears
    return Verdicts(probability, rules, rises.astype(np.int8) - clears.astype(np.int8))


def rules_of(m: Floats, e: Floats, z: Floats, constants: Constants) -> Ints:
    """Bits of the rules that hold, shape (k,); arguments (k, channels), as `naive.py` has them."""
    limits, at = constants.parameters.limits, constants.at
    runs = m[:, at["supply_fan_status"]] > 0.5
    heating, cooling = m[:, at["heating_valve_command"]], m[:, at["cooling_valve_command"]]
    supply, mixed = m[:, at["supply_air_temperature"]], m[:, at["mixed_air_temperature"]]
    parts = [at["outdoor_air_temperature"], at["return_air_temperature"]]
    air = np.concatenate([m[:, parts], e[:, parts]], axis=1)
    pressure_deficit = m[:, at["supply_air_static_pressure_setpoint"]] - m[:, at["supply_air_static_pressure"]]
    holds = np.stack(
        [
            runs & (heating < limits.valve_closed_fraction) & (supply - mixed > limits.leaking_rise_celsius),
            runs
            & (cooling > limits.valve_open_fraction)
            & (supply > m[:, at["supply_air_temperature_setpoint"]] + limits.supply_above_setpoint_celsius),
            (heating > limits.both_valves_fraction) & (cooling > limits.both_valves_fraction),
            (m[:, at["supply_fan_speed_command"]] > limits.fan_full_fraction)
            & (pressure_deficit > limits.pressure_deficit_pascals),
            runs
            & (
                (mixed < air.min(axis=1) - limits.mixing_margin_celsius)
                | (mixed > air.max(axis=1) + limits.mixing_margin_celsius)
            ),
            z[:, at["filter_differential_pressure"]] > limits.filter_z,
        ],
        axis=1,
    )
    bits: Ints = holds @ (1 << np.arange(RULES))
    return bits


def decide(state: State, step: tuple[Wave, Verdicts], topic: str) -> Iterator[Output]:
    """An alert for every unit that was raised or cleared."""
    (frames, at, _), verdicts = step
    for alert in alerts_of(frames, at, verdicts):
        yield Output(topic, alert.unit, alert)


def alerts_of(frames: Frames, at: Rows, verdicts: Verdicts) -> Iterator[Alert]:
    """What a wave's verdicts say, `at` (k,) being the frames that they are of."""
    for place in np.flatnonzero(verdicts.transition).tolist():
        frame = int(at[place])
        yield Alert(
            frames.units[frame],
            "raised" if verdicts.transition[place] > 0 else "cleared",
            int(frames.measured_at_ms[frame]),
            float(verdicts.probability[place]),
            int(verdicts.rules[place]),
        )


def stream_app(parameters: Parameters, source: str, alerts: str, state_topic: str, dead_topic: str) -> StreamApp:
    """The workload for our runtime, on topics of these names."""
    constants = Constants(parameters)
    tables: dict[str, Any] = {UNITS: TableSpec(columns)}
    return StreamApp(
        name="bench",
        inputs=(Input(source, partial(decode, constants=constants), checksummed=True),),
        tables=tables,
        update=update,
        score=partial(score, constants=constants),
        decide=partial(decide, topic=alerts),
        outputs=(alerts,),
        state_topic=state_topic,
        dead_topic=dead_topic,
    )
