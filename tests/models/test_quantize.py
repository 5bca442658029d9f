"""Full int8 twins: integers throughout, close to the float model, and checked like any other artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import registry
from models.hvac import networks
from models.hvac.cards import ArtifactFiles
from models.hvac.infer import open_model, runtime
from models.hvac.monitor import ARTIFACT_DIR
from models.hvac.points import Floats
from models.hvac.quantize import layers_of, quantized


def shipped(name: str) -> ArtifactFiles:
    card = registry.read_card(ARTIFACT_DIR / f"{name}.json")
    return ArtifactFiles(card, (ARTIFACT_DIR / card.file).read_bytes())


def examples(files: ArtifactFiles, rows: int = 400) -> Floats:
    """The golden inputs of a model, shaken a little."""
    golden = np.array(files.card.golden.inputs, dtype=np.float32)
    rng = np.random.default_rng(5)
    picked = golden[rng.integers(0, len(golden), rows)]
    return (picked + 0.02 * rng.standard_normal(picked.shape)).astype(np.float32)


@pytest.mark.parametrize("name", ["diagnosis", "risk"])
def test_layers_read_from_a_file_are_those_that_it_runs(name: str) -> None:
    files = shipped(name)
    x = examples(files)
    y = x
    layers = layers_of(files.content)
    for index, (kernel, bias) in enumerate(layers):
        y = y @ kernel + bias
        if index + 1 < len(layers):
            y = np.maximum(y, 0)
    np.testing.assert_allclose(y, open_model(files.content)(x), atol=1e-3)


def test_a_twin_is_all_integers_and_close(tmp_path: Path) -> None:
    files = shipped("diagnosis")
    twin = quantized(files, examples(files, 1600))
    _, interpreter_class = runtime()
    interpreter = interpreter_class(model_content=twin.content)
    kinds = {tensor["dtype"] for tensor in interpreter.get_tensor_details()}
    assert kinds <= {np.int8, np.int32}, "a float is left in the graph"
    assert len(twin.content) < len(files.content) / 2
    x = examples(files, 800)
    assert float((twin.opened().model(x).argmax(axis=1) == files.opened().model(x).argmax(axis=1)).mean()) > 0.95
    registry.write(tmp_path, twin.card, twin.content)
    loaded = registry.load(tmp_path, "diagnosis.int8", open_model)
    np.testing.assert_array_equal(loaded.model(x), twin.opened().model(x))


def test_a_model_of_other_operations_is_refused() -> None:
    import tensorflow as tf

    model = tf.keras.Sequential([tf.keras.layers.Input((4,)), tf.keras.layers.Dense(3, "softmax")])
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    with pytest.raises(ValueError, match="SOFTMAX, expected Dense layers only"):
        layers_of(content)


def test_the_mean_of_two_nets_is_one_net() -> None:
    rng = np.random.default_rng(2)

    def net() -> networks.Layers:
        sizes = ((5, 7), (7, 4), (4, 3))
        return [
            (rng.standard_normal(s).astype(np.float32), rng.standard_normal(s[1]).astype(np.float32)) for s in sizes
        ]

    first, second = net(), net()
    x = rng.standard_normal((20, 5)).astype(np.float32)
    both = open_model(networks.to_tflite(networks.averaged(first, second)))(x)
    one, other = (open_model(networks.to_tflite(layers))(x) for layers in (first, second))
    np.testing.assert_allclose(both, (one + other) / 2, atol=1e-4)
