"""The runtime seam: a `.tflite` model as a function of numpy arrays, by ai-edge-litert or else tflite-runtime.

Every call runs batches of one fixed size, filled up with zeros, so that a unit's numbers never depend on how many others
are scored with it. An interpreter belongs to one thread at a time; a lock sees to it.
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
    _, interpreter_class = runtime()
    interpreter = interpreter_class(model_content=content, num_threads=1)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    known = inputs[0]["dtype"] in (np.float32, np.int8) and len(inputs[0]["shape"]) == 2 if inputs else False
    if len(inputs) != 1 or len(outputs) != 1 or not known or outputs[0]["dtype"] != inputs[0]["dtype"]:
        raise ValueError(f"{len(inputs)} inputs and {len(outputs)} outputs, expected one float32 or int8 matrix each")
    enter, leave = _grid(inputs[0]), _grid(outputs[0])
    source, target, columns = (
        inputs[0]["index"],
        outputs[0]["index"],
        int(inputs[0]["shape"][1]),
    )
    interpreter.resize_tensor_input(source, [BATCH, columns])
    interpreter.allocate_tensors()
    lock = threading.Lock()

    def score(x: Floats) -> Floats:
        if x.ndim != 2 or x.shape[1] != columns:
            raise ValueError(f"inputs have shape {x.shape}, expected (m, {columns})")
        batches = []
        filled = np.zeros((BATCH, columns), dtype=np.float32)
        whole = np.zeros((BATCH, columns), dtype=np.int8)
        with lock:
            for first in range(0, len(x), BATCH):
                part = x[first : first + BATCH]
                filled[: len(part)] = part
                filled[len(part) :] = 0
                if enter is None:
                    interpreter.set_tensor(source, filled)
                else:
                    np.clip(np.rint(filled / enter.step) + enter.zero, -128, 127, out=whole, casting="unsafe")
                    interpreter.set_tensor(source, whole)
                interpreter.invoke()
                found = interpreter.get_tensor(target)[: len(part)]
                batches.append(found if leave is None else leave.values(found))
        if not batches:
            return np.empty((0, int(outputs[0]["shape"][-1])), dtype=np.float32)
        return np.concatenate(batches)

    return score


class _Grid(NamedTuple):
    """The grid of an int8 tensor: value = (number - zero) x step."""

    step: np.float32
    zero: np.float32

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
