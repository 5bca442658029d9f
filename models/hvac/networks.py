"""The networks behind the shipped models, in TensorFlow: small Dense nets, fitted with fixed seeds and exported."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import Callable, Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from models.hvac.points import Bools, Floats

Tensors = Sequence[tf.Tensor]
# Weights and biases, layer after layer.
Layers = list[tuple[Floats, Floats]]
_SIGMA_LOG_MIN, _SIGMA_LOG_MAX = -5.0, 2.0
_SMOOTHING = 0.01
_ERROR_KNEE = 3.0  # standard deviations; beyond, an example pulls no harder


class Net:
    """Dense layers with ReLU between; a mask for each layer says which weights exist."""

    def __init__(self, masks: Sequence[Floats], rng: np.random.Generator) -> None:
        self._masks = [tf.constant(mask) for mask in masks]
        self.kernels = []
        for mask in masks:
            spread = np.sqrt(2 / np.maximum(mask.sum(axis=0, keepdims=True), 1))
            self.kernels.append(tf.Variable((rng.standard_normal(mask.shape) * spread * mask).astype(np.float32)))
        self.biases = [tf.Variable(np.zeros(mask.shape[1], dtype=np.float32)) for mask in masks]

    @property
    def variables(self) -> list[tf.Variable]:
        """Everything that is fitted."""
        return [*self.kernels, *self.biases]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Outputs (b, outputs) for inputs (b, inputs)."""
        for index, (kernel, mask, bias) in enumerate(zip(self.kernels, self._masks, self.biases, strict=True)):
            x = tf.matmul(x, kernel * mask) + bias
            if index + 1 < len(self.kernels):
                x = tf.nn.relu(x)
        return x

    def layers(self) -> Layers:
        """What was fitted, for the export."""
        return [
            ((kernel * mask).numpy(), bias.numpy())
            for kernel, mask, bias in zip(self.kernels, self._masks, self.biases, strict=True)
        ]


def dense_masks(inputs: int, hidden: Sequence[int], outputs: int) -> list[Floats]:
    """Masks of an ordinary Dense net."""
    sizes = [inputs, *hidden, outputs]
    return [np.ones((a, b), dtype=np.float32) for a, b in itertools.pairwise(sizes)]


def reconstruction_masks(visible: Floats, width: int) -> list[Floats]:
    """Masks of a net whose every target has hidden units of its own and sees only its own inputs.

    Args:
        visible: Which input each target may see, shape (T, D); inputs are followed by their D presence flags.
        width: Hidden units of each target, in both hidden layers.
    """
    targets = len(visible)
    seen = np.concatenate([visible, visible], axis=1).T
    block = np.eye(targets, dtype=np.float32)
    return [
        np.repeat(seen, width, axis=1).astype(np.float32),
        np.kron(block, np.ones((width, width), dtype=np.float32)),
        np.concatenate([np.kron(block, np.ones((width, 1), dtype=np.float32))] * 2, axis=1),
    ]


def fit(
    net: Net,
    loss: Callable[[tf.Tensor, Tensors], tf.Tensor],
    batches: Callable[[np.random.Generator], tuple[Floats, ...]],
    steps: int,
    rng: np.random.Generator,
    learning_rate: float = 2e-3,
    decay: float = 1e-5,
) -> None:
    """Adam over `steps` batches, the rate falling linearly to nearly 0.

    Args:
        net: Fitted in place.
        loss: Of the outputs and whatever a batch holds beside its inputs.
        batches: Gives inputs and the rest of one batch.
        steps: How many.
        rng: For the choice of batches.
        learning_rate: At the start.
        decay: Of the weights, as a share of them for each step at rate 1.
    """
    optimizer = tf.keras.optimizers.AdamW(learning_rate, weight_decay=decay)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(x: tf.Tensor, rest: Tensors) -> tf.Tensor:
        with tf.GradientTape() as tape:
            value = loss(net(x), rest)
        optimizer.apply_gradients(zip(tape.gradient(value, net.variables), net.variables, strict=True))
        return value

    for index in range(steps):
        optimizer.learning_rate.assign(learning_rate * (1 - index / steps) + 1e-5)
        x, *rest = batches(rng)
        step(tf.constant(x), [tf.constant(part) for part in rest])


def reconstruction_loss(outputs: tf.Tensor, rest: Tensors) -> tf.Tensor:
    """Negative logarithm of a normal density with a robust tail; `rest`: targets (b, T) and their weights (b, T)."""
    targets, weights = rest
    expected, sigma_log = tf.split(outputs, 2, axis=1)
    sigma_log = tf.clip_by_value(sigma_log, _SIGMA_LOG_MIN, _SIGMA_LOG_MAX)
    error = tf.abs((targets - expected) * tf.exp(-sigma_log))
    robust = tf.where(
        error < _ERROR_KNEE,
        0.5 * error * error,
        _ERROR_KNEE * (error - 0.5 * _ERROR_KNEE),
    )
    return tf.reduce_sum(weights * (robust + sigma_log)) / tf.reduce_sum(weights)


def class_loss(outputs: tf.Tensor, rest: Tensors) -> tf.Tensor:
    """Cross-entropy with slightly smoothed labels; `rest`: classes (b,) and weights (b,)."""
    classes, weights = rest
    count = outputs.shape[1]
    labels = tf.one_hot(tf.cast(classes, tf.int32), count) * (1 - _SMOOTHING) + _SMOOTHING / count
    entropy = tf.nn.softmax_cross_entropy_with_logits(labels, outputs)
    return tf.reduce_sum(weights * entropy) / tf.reduce_sum(weights)


def hazard_loss(outputs: tf.Tensor, rest: Tensors) -> tf.Tensor:
    """Of a discrete-time hazard; `rest`: failed within each interval (b, K), and at risk in it (b, K)."""
    failed, at_risk = rest
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(failed, outputs)
    return tf.reduce_sum(at_risk * entropy) / tf.reduce_sum(at_risk)


def chosen(*arrays: npt.NDArray[np.generic], size: int) -> Callable[[np.random.Generator], tuple[Floats, ...]]:
    """Batches of rows drawn at random from arrays of equal length."""

    def batch(rng: np.random.Generator) -> tuple[Floats, ...]:
        index = rng.integers(0, len(arrays[0]), size)
        return tuple(array[index].astype(np.float32) for array in arrays)

    return batch


def averaged(first: Layers, second: Layers) -> Layers:
    """One net whose outputs are the mean of those of two nets of as many layers: they err in different places."""
    joined: Layers = [
        (np.concatenate([first[0][0], second[0][0]], axis=1), np.concatenate([first[0][1], second[0][1]]))
    ]
    for (one, bias), (other, other_bias) in zip(first[1:-1], second[1:-1], strict=True):
        kernel = np.zeros((one.shape[0] + other.shape[0], one.shape[1] + other.shape[1]), dtype=np.float32)
        kernel[: one.shape[0], : one.shape[1]] = one
        kernel[one.shape[0] :, one.shape[1] :] = other
        joined.append((kernel, np.concatenate([bias, other_bias])))
    (one, bias), (other, other_bias) = first[-1], second[-1]
    last = np.concatenate([one, other], axis=0) / np.float32(2)
    return [*joined, (last.astype(np.float32), ((bias + other_bias) / 2).astype(np.float32))]


def to_keras(layers: Layers) -> tf.keras.Model:
    """A plain Keras model of fitted layers; the last one is linear."""
    stack = [tf.keras.layers.Input((layers[0][0].shape[0],), name="inputs")]
    for index, (kernel, _) in enumerate(layers):
        activation = "relu" if index + 1 < len(layers) else None
        stack.append(tf.keras.layers.Dense(kernel.shape[1], activation, name=f"dense_{index}"))
    model = tf.keras.Sequential(stack, name="net")
    model.set_weights([array for layer in layers for array in layer])
    return model


def to_tflite(layers: Layers) -> bytes:
    """The model file, float32."""
    converter = tf.lite.TFLiteConverter.from_keras_model(to_keras(layers))
    with contextlib.redirect_stdout(io.StringIO()):
        content: bytes = converter.convert()
    return content


def drop_inputs(x: Floats, there: Bools, points: npt.NDArray[np.intp], rng: np.random.Generator) -> Floats:
    """Inputs and presence flags side by side, shape (b, 2 D), with whole points gone at random in half of the rows.

    Args:
        x: Shape (b, D).
        there: Shape (b, D).
        points: The point of each input, shape (D,).
        rng: Where the draws come from.
    """
    share = rng.choice([0.0, 0.1, 0.3], size=(len(x), 1), p=[0.5, 0.35, 0.15])
    gone = rng.random((len(x), int(points.max()) + 1)) < share
    kept = there & ~gone[:, points]
    return np.concatenate([np.where(kept, x, 0), kept], axis=1).astype(np.float32)
