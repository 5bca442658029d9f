"""Cards of trained models: golden vectors, figures with intervals, versions; shared by the training of all of them."""

from __future__ import annotations

import platform
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.contracts.figures import Figure, wilson
from models.hvac import networks
from models.hvac.infer import open_model
from models.hvac.points import Bools, Floats
from models.registry import Artifact, Card, Golden

COMMAND = "make train"
VERSION = "1.0.0"
GOLDEN_ROWS = 24
_GOLDEN_TOLERANCE = 2e-4


@dataclass(slots=True)
class ArtifactFiles:
    """A trained model, ready to be written by `models.registry.write`."""

    card: Card
    content: bytes

    def opened(self) -> Artifact:
        """The model as it will be served."""
        return Artifact(self.card, open_model(self.content))


def held_out(units: int) -> Bools:
    """A quarter of the units, drawn once and for all, is never fitted to; shape (units,)."""
    held = np.zeros(units, dtype=bool)
    held[np.random.default_rng(units).permutation(units)[: units // 4]] = True
    return held


def golden(layers: networks.Layers, x: Floats) -> Golden:
    """Golden vectors as TensorFlow computes them, of rows spread over x (n, inputs)."""
    picked = x[:: max(len(x) // GOLDEN_ROWS, 1)][:GOLDEN_ROWS].astype(np.float32)
    return Golden(_rows(picked), _rows(networks.to_keras(layers)(picked).numpy()), _GOLDEN_TOLERANCE)


def _rows(matrix: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


def share(name: str, hits: npt.NDArray[np.bool_]) -> Figure:
    """How many of these are true, with a 95 % interval (Wilson)."""
    n, count = len(hits), int(hits.sum())
    low, high = wilson(count, n)
    return Figure(name, count / max(n, 1), "fraction", low, high)


def versions() -> dict[str, str]:
    """What a model was trained with."""
    return {"tensorflow": tf.__version__, "numpy": np.__version__, "python": platform.python_version()}


def be_reproducible(seed: int) -> None:
    """Fixed seeds and deterministic kernels for all of TensorFlow."""
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
