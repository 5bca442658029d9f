"""Full int8 twins of the shipped float models: a quarter of the size, integers only, for gateways without fast floats.

Weights, activations, inputs and outputs are all int8. One grid serves a whole tensor, so a twin is coarser than its
original; how much coarser is measured on the examples and stands on its card.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import msgspec
import numpy as np
import tensorflow as tf

from models.contracts.figures import Figure
from models.hvac.cards import GOLDEN_ROWS, ArtifactFiles
from models.hvac.infer import BATCH, open_model, runtime
from models.hvac.networks import Layers, to_keras
from models.hvac.points import Floats
from models.registry import Golden, checksum

SUFFIX = ".int8"


def layers_of(content: bytes) -> Layers:
    """Kernels (inputs, outputs) and biases of a float32 Dense model, in order, read from its file.

    Raises:
        ValueError: it is no plain stack of Dense layers.
    """
    _, interpreter_class = runtime()
    interpreter = interpreter_class(model_content=content, experimental_preserve_all_tensors=True)
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], [BATCH, _columns(interpreter)])
    interpreter.allocate_tensors()
    layers: Layers = []
    for operation in interpreter._get_ops_details():  # there is no public way to list them
        if operation["op_name"] not in ("FULLY_CONNECTED", "DELEGATE"):
            raise ValueError(f"model has an operation {operation['op_name']}, expected Dense layers only")
        if operation["op_name"] == "FULLY_CONNECTED":
            _, kernel_at, bias_at = operation["inputs"]
            kernel = interpreter.get_tensor(kernel_at).T.astype(np.float32)
            # The converter drops a bias that is 0 throughout.
            bias = interpreter.get_tensor(bias_at) if bias_at >= 0 else np.zeros(kernel.shape[1])
            layers.append((kernel, bias.astype(np.float32)))
    return layers


def _columns(interpreter: object) -> int:
    return int(interpreter.get_input_details()[0]["shape"][1])  # type: ignore[attr-defined]


def quantized(files: ArtifactFiles, examples: Floats) -> ArtifactFiles:
    """The int8 twin of a float model.

    Args:
        files: The float model.
        examples: What it usually sees, shape (n, inputs): they set the grids. A quarter of them only measures.
    """
    examples = examples.astype(np.float32)
    apart = np.arange(len(examples)) % 4 == 0
    converter = tf.lite.TFLiteConverter.from_keras_model(to_keras(layers_of(files.content)))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    converter.representative_dataset = lambda: _one_by_one(examples[~apart])
    with contextlib.redirect_stdout(io.StringIO()):
        content: bytes = converter.convert()
    model, original = open_model(content), open_model(files.content)
    difference = np.abs(model(examples[apart]) - original(examples[apart]))
    picked = examples[apart][:: max(int(apart.sum()) // GOLDEN_ROWS, 1)][:GOLDEN_ROWS]
    outputs = model(picked)
    card = msgspec.structs.replace(
        files.card,
        name=f"{files.card.name}{SUFFIX}",
        file=f"{files.card.name}{SUFFIX}.tflite",
        sha256=checksum(content),
        limits=f"{files.card.limits}; full int8: coarser than the float model, by the metrics",
        metrics=(
            *files.card.metrics,
            Figure(f"{files.card.name}.int8_difference_median", float(np.median(difference)), "output"),
            Figure(f"{files.card.name}.int8_difference_p99", float(np.quantile(difference, 0.99)), "output"),
        ),
        # Runtimes round the last integer differently: three steps of the grid are allowed.
        golden=Golden(_rows(picked), _rows(outputs), round(3 * _step(content), 6)),
    )
    return ArtifactFiles(card, content)


def _one_by_one(examples: Floats) -> Iterator[list[Floats]]:
    for row in examples[:2000]:
        yield [row[None, :]]


def _step(content: bytes) -> float:
    """Size of one step of the outputs."""
    _, interpreter_class = runtime()
    return float(interpreter_class(model_content=content).get_output_details()[0]["quantization"][0])


def _rows(matrix: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in matrix.tolist())


def shaken(files: ArtifactFiles, rows: int = 2000, seed: int = 7) -> Floats:
    """Examples for the grids of a model: the golden inputs of its card, each shaken a little, shape (rows, inputs)."""
    golden = np.array(files.card.golden.inputs, dtype=np.float32)
    rng = np.random.default_rng(seed)
    picked = golden[rng.integers(0, len(golden), rows)]
    return (picked + 0.05 * rng.standard_normal(picked.shape)).astype(np.float32)
