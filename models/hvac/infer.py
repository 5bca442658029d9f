"""The runtime seam: a `.tflite` model as a function of numpy arrays, by ai-edge-litert or else tflite-runtime.

Every call runs batches of one fixed size, filled up with zeros, so that a unit's numbers never depend on how many others
are scored with it. An interpreter belongs to one thread at a time; a lock sees to it.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

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
    """A model of one float32 input (m, inputs) and one output (m, outputs).

    Raises:
        ValueError: the model has other inputs or outputs.
    """
    _, interpreter_class = runtime()
    interpreter = interpreter_class(model_content=content, num_threads=1)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1 or inputs[0]["dtype"] != np.float32 or len(inputs[0]["shape"]) != 2:
        raise ValueError(f"{len(inputs)} inputs and {len(outputs)} outputs, expected one float32 matrix each")
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
        with lock:
            for first in range(0, len(x), BATCH):
                part = x[first : first + BATCH]
                filled[: len(part)] = part
                filled[len(part) :] = 0
                interpreter.set_tensor(source, filled)
                interpreter.invoke()
                batches.append(interpreter.get_tensor(target)[: len(part)])
        if not batches:
            return np.empty((0, int(outputs[0]["shape"][-1])), dtype=np.float32)
        return np.concatenate(batches)

    return score
