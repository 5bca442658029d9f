"""Everything numeric that engines must agree on, in one file that each of them reads: `workload.json`.

    python -m tests.bench.stream.model        writes the file anew

The weights are drawn, not learned: an excursion of several channels lifts the probability over a half, noise does not. They
cost what learned ones cost.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from models.contracts.layout import Layout, layout_for
from models.contracts.points import AHU_POINTS

FILE = Path(__file__).with_name("workload.json")
LAYOUT: Layout = layout_for("ahu", AHU_POINTS)
CHANNELS = len(LAYOUT.channels)
SAMPLES = 60
HIDDEN = (16, 8)
_SEED = 20_260_105


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds of the six rules (`naive.py` says them in full) and of the score."""

    valve_closed_fraction: float = 0.02
    leaking_rise_celsius: float = 3.0
    valve_open_fraction: float = 0.9
    supply_above_setpoint_celsius: float = 3.0
    both_valves_fraction: float = 0.1
    fan_full_fraction: float = 0.9
    pressure_deficit_pascals: float = 60.0
    mixing_margin_celsius: float = 2.0
    filter_z: float = 3.0
    probability: float = 0.5


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The workload in numbers.

    Attributes:
        points: Names of the channels, in the order of the plane.
        scales: Value of one step of each channel, float64.
        samples: A channel and frame.
        alpha: Weight of the newest sample in the exponentially weighted mean and variance.
        floor_steps: A standard deviation is never taken as less than so many steps of its channel.
        z_max: z-scores are cut at plus and minus this.
        settle_frames: A unit's first frames raise nothing.
        raise_frames: An alert is raised after so many frames in a row over the level,
        clear_frames: and cleared after so many in a row under it.
        limits: Of the rules.
        weights: Of the dense layers 24 -> 16 -> 8 -> 1, each (inputs, outputs).
        biases: Of the same.
    """

    points: tuple[str, ...]
    scales: tuple[float, ...]
    samples: int
    alpha: float
    floor_steps: float
    z_max: float
    settle_frames: int
    raise_frames: int
    clear_frames: int
    limits: Limits
    weights: tuple[tuple[tuple[float, ...], ...], ...]
    biases: tuple[tuple[float, ...], ...]


def draw() -> Parameters:
    """The parameters as they are made."""
    chance = np.random.default_rng(_SEED)
    shapes = [(CHANNELS, HIDDEN[0]), (HIDDEN[0], HIDDEN[1]), (HIDDEN[1], 1)]
    first = chance.normal(0, 1 / np.sqrt(CHANNELS), shapes[0])
    second = chance.uniform(0.5, 1.5, shapes[1]) / HIDDEN[0]
    third = 16 * chance.uniform(0.5, 1.5, shapes[2]) / HIDDEN[1]
    weights = tuple(
        tuple(tuple(round(float(value), 5) for value in row) for row in layer) for layer in (first, second, third)
    )
    biases = ((0.0,) * HIDDEN[0], (0.0,) * HIDDEN[1], (-9.0,))
    return Parameters(
        points=LAYOUT.points,
        scales=tuple(channel.scale for channel in LAYOUT.channels),
        samples=SAMPLES,
        alpha=0.0005,
        floor_steps=8.0,
        z_max=8.0,
        settle_frames=5,
        raise_frames=3,
        clear_frames=3,
        limits=Limits(),
        weights=weights,
        biases=biases,
    )


def load() -> Parameters:
    """The parameters of the file.

    Raises:
        msgspec.MsgspecError: the file is not what `draw` writes.
    """
    return msgspec.json.decode(FILE.read_bytes(), type=Parameters)


if __name__ == "__main__":
    FILE.write_bytes(msgspec.json.format(msgspec.json.encode(draw()), indent=1) + b"\n")
