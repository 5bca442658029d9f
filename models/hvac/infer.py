"""The runtime seam: a `.tflite` model as a function of numpy arrays, by ai-edge-litert or else tflite-runtime.

Several units run in batches of one fixed size, filled up with zeros, and one unit alone in a batch of one if that gives the
same bits, which is tried when a model is opened: a unit's numbers never depend on how many others are scored with it. An
interpreter belongs to one thread at a time; a lock sees to it.
"""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from models.hvac.points import Floats
from models.registry import ArtifactError, Model

BATCH = 64


def runtime() -> tuple[str, Any]:
    """Name of the runtime in use and its interpreter class.

    Raises:
        ArtifactError: neither is installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        pass
    else:
        return "ai-edge-litert", Interpreter
    try:
        from tflite_runtime.interpreter import Interpreter
    except ImportError:
        raise ArtifactError(
            "no runtime for .tflite models: neither ai-edge-litert nor tflite-runtime is installed;"
            " install one with: pip install 'plenum[edge]'"
        ) from None
    return "tflite-runtime", Interpreter


def open_model(content: bytes) -> Model:
    """A model of one input (m, inputs) and one output (m, outputs), float32 or full int8; in and out of it go float32.

    Raises:
        ValueError: the model has other inputs or outputs.
    """
    together = _Session(content, BATCH)
    alone = _Session(content, 1)
    if not _equal_bits(together, alone):
        alone = together
    lock = threading.Lock()

    def score(x: Floats) -> Floats:
        if x.ndim != 2 or x.shape[1] != together.columns:
            raise ValueError(f"inputs have shape {x.shape}, expected (m, {together.columns})")
        with lock:
            if len(x) == 1:
                return alone.run(x)
            batches = [together.run(x[first : first + BATCH]) for first in range(0, len(x), BATCH)]
        return np.concatenate(batches) if batches else np.empty((0, together.outputs), dtype=np.float32)

    return score


def _equal_bits(together: _Session, alone: _Session) -> bool:
    """Whether a unit judged alone gets the very numbers that it gets among others, tried on as many as are judged at once.

    Kernels for one row may add in another order than those for many, on some processors and runtimes.
    """
    x = np.random.default_rng(0).normal(0, 2, (BATCH, together.columns)).astype(np.float32)
    found = np.concatenate([alone.run(x[row : row + 1]) for row in range(BATCH)])
    return together.run(x).tobytes() == found.tobytes()


class _Session:
    """One interpreter for so many rows at once."""

    def __init__(self, content: bytes, rows: int) -> None:
        _, interpreter_class = runtime()
        self._interpreter = interpreter_class(model_content=content, num_threads=1)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        known = inputs[0]["dtype"] in (np.float32, np.int8) and len(inputs[0]["shape"]) == 2 if inputs else False
        if len(inputs) != 1 or len(outputs) != 1 or not known or outputs[0]["dtype"] != inputs[0]["dtype"]:
            raise ValueError(
                f"{len(inputs)} inputs and {len(outputs)} outputs, expected one float32 or int8 matrix each"
            )
        self._enter, self._leave = _grid(inputs[0]), _grid(outputs[0])
        self._source, self._target = inputs[0]["index"], outputs[0]["index"]
        self._rows = rows
        self.columns, self.outputs = int(inputs[0]["shape"][1]), int(outputs[0]["shape"][-1])
        self._interpreter.resize_tensor_input(self._source, [rows, self.columns])
        self._interpreter.allocate_tensors()

    def run(self, x: Floats) -> Floats:
        """Outputs of at most so many rows, shape (m, outputs)."""
        filled = x.astype(np.float32, order="C", copy=False)
        if len(x) < self._rows:
            filled = np.zeros((self._rows, self.columns), dtype=np.float32)
            filled[: len(x)] = x
        self._interpreter.set_tensor(self._source, filled if self._enter is None else self._enter.numbers(filled))
        self._interpreter.invoke()
        numbers = self._interpreter.get_tensor(self._target)[: len(x)]
        found: Floats = numbers if self._leave is None else self._leave.values(numbers)
        return found


class _Grid(NamedTuple):
    """The grid of an int8 tensor: value = (number - zero) x step."""

    step: np.float32
    zero: np.float32

    def numbers(self, values: Floats) -> npt.NDArray[np.int8]:
        whole = np.empty(values.shape, dtype=np.int8)
        np.clip(np.rint(values / self.step) + self.zero, -128, 127, out=whole, casting="unsafe")
        return whole

    def values(self, numbers: npt.NDArray[np.int8]) -> Floats:
        return ((numbers.astype(np.float32) - self.zero) * self.step).astype(np.float32)


def _grid(tensor: dict[str, Any]) -> _Grid | None:
    """How an int8 tensor counts; None for float32.

    Raises:
        ValueError: an int8 tensor without a scale.
    """
    if tensor["dtype"] != np.int8:
        return None
    step, zero = tensor["quantization"]
    if not step > 0:
        raise ValueError(f"int8 tensor {tensor['name']!r} has scale {step!r}, expected more than 0")
    return _Grid(np.float32(step), np.float32(zero))
