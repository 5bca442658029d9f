"""Training of remaining life: a discrete-time hazard over windows of health features, in TensorFlow, exported to LiteRT.

A convolution looks at pieces of the window, Dense layers put them together, one output for each interval is the logit of
its hazard (`models.hvac.survival` makes lives of them). Lives cut short count for the intervals that they outlived.
Several members with seeds of their own are averaged into one model file. The file takes flat rows (m, window x columns),
as every model that we serve does; it has no recurrent layer, so that it converts to int8 whole.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from models.hvac import survival
from models.hvac.cards import be_reproducible
from models.hvac.points import Bools, Floats, Ints

_EXAMPLES_MAX = 2000
_CLIP_NORM = 1.0


@dataclass(frozen=True, slots=True)
class Lives:
    """Windows of units' lives, and what became of them: (n,) each, `values` (n, W, D)."""

    values: Floats
    left: Floats  # time to the failure, or to the end of the record
    # Time to the end of the record; infinite where nothing is left to see after the failure.
    recorded: Floats
    failed: Bools  # whether `left` ends in a failure
    unit: Ints

    def chosen(self, rows: Bools) -> Lives:
        """Only these, shape (n,)."""
        return Lives(self.values[rows], self.left[rows], self.recorded[rows], self.failed[rows], self.unit[rows])


@dataclass(frozen=True, slots=True)
class Design:
    """Of a hazard model. `ends` are those of its intervals, in the unit of the lives."""

    ends: tuple[float, ...]
    filters: tuple[int, ...] = (24, 24)
    kernel: int = 5
    stride: int = 5
    hidden: tuple[int, ...] = (48,)
    dropout: float = 0.2
    members: int = 3
    steps: int = 1500
    batch: int = 256
    learning_rate: float = 3e-3
    decay: float = 1e-4
    # How much the error of the restricted mean counts beside the likelihood; 0: likelihood alone.
    mean_weight: float = 0.0


def train(lives: Lives, design: Design, seed: int) -> tf.keras.Model:
    """A hazard model: input (m, W x D), output logits (m, K), the mean of its members.

    Args:
        lives: Windows of the units to learn from; every unit weighs the same, however long it was watched.
        design: Of the model.
        seed: Of everything drawn; member i adds i.
    """
    _, window, columns = lives.values.shape
    event, at_risk = survival.intervals(lives.left, lives.recorded, lives.failed, design.ends)
    flat = lives.values.reshape(len(lives.values), -1).astype(np.float32)
    weight = survival.unit_weights(lives.unit)
    end = np.float32(design.ends[-1])
    known = (lives.failed | (lives.left >= end)).astype(np.float32)
    target = np.minimum(lives.left, end) / end
    rows = np.concatenate([event, at_risk * weight[:, None], (known * weight)[:, None], target[:, None]], axis=1)
    members = []
    for member in range(design.members):
        be_reproducible(seed + member)
        net = _network(window, columns, design, member)
        _fit(net, flat, rows.astype(np.float32), design, np.random.default_rng(seed + member))
        members.append(net)
    inputs = tf.keras.layers.Input((window * columns,), name="inputs")
    outputs = [member(inputs) for member in members]
    mean = outputs[0] if len(outputs) == 1 else tf.keras.layers.Average(name="members")(outputs)
    return tf.keras.Model(inputs, mean, name="survival")


def to_tflite(model: tf.keras.Model) -> bytes:
    """The model file, float32."""
    return _converted(tf.lite.TFLiteConverter.from_keras_model(model))


def to_int8(model: tf.keras.Model, examples: Floats) -> bytes:
    """The model file with integers only: weights, activations, inputs and outputs.

    Args:
        model: As `train` gives it.
        examples: What it usually sees, shape (n, W x D): they set the grids.
    """
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    picked = examples[:: max(len(examples) // _EXAMPLES_MAX, 1)].astype(np.float32)

    def rows() -> Iterator[list[Floats]]:
        for row in picked:
            yield [row[None, :]]

    converter.representative_dataset = rows
    return _converted(converter)


def _network(window: int, columns: int, design: Design, member: int) -> tf.keras.Model:
    keras = tf.keras.layers
    layers = [keras.Input((window * columns,)), keras.Reshape((window, columns))]
    for index, filters in enumerate(design.filters):
        # The first convolution condenses pieces of the window, the others compare neighbours.
        kernel, stride = (design.kernel, design.stride) if index == 0 else (3, 1)
        layers.append(keras.Conv1D(filters, kernel, stride, "valid" if index == 0 else "same", activation="relu"))
    layers += [keras.Flatten(), keras.Dropout(design.dropout)]
    for width in design.hidden:
        layers += [keras.Dense(width, "relu"), keras.Dropout(design.dropout)]
    layers.append(keras.Dense(len(design.ends)))
    return tf.keras.Sequential(layers, name=f"member_{member}")


def _fit(net: tf.keras.Model, flat: Floats, rows: Floats, design: Design, rng: np.random.Generator) -> None:
    """AdamW, the rate falling to nearly 0; `rows`: events, weights at risk, then weight and target of the mean."""
    count = len(design.ends)
    starts = np.array([0, *design.ends], dtype=np.float32)
    widths = tf.constant(np.diff(starts) / starts[-1])
    optimizer = tf.keras.optimizers.AdamW(design.learning_rate, weight_decay=design.decay, global_clipnorm=_CLIP_NORM)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(x: tf.Tensor, truth: tf.Tensor) -> None:
        event, at_risk = truth[:, :count], truth[:, count : 2 * count]
        with tf.GradientTape() as tape:
            logits = net(x, training=True)
            entropy = tf.nn.sigmoid_cross_entropy_with_logits(event, logits)
            loss = tf.reduce_sum(at_risk * entropy) / tf.reduce_sum(at_risk)
            if design.mean_weight:
                log = -tf.cumsum(tf.nn.softplus(logits), axis=1)
                before = tf.exp(tf.concat([tf.zeros_like(log[:, :1]), log[:, :-1]], axis=1))
                mean = tf.reduce_sum(widths * (before + tf.exp(log)) / 2, axis=1)
                loss += design.mean_weight * tf.reduce_mean(truth[:, -2] * tf.square(mean - truth[:, -1]))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables, strict=True)
        )

    for index in range(design.steps):
        share = index / design.steps
        # A short warm-up keeps the first steps of Adam from throwing the net about.
        optimizer.learning_rate.assign(design.learning_rate * min((1 - share) + 1e-3, (index + 1) / 50))
        picked = rng.integers(0, len(flat), design.batch)
        step(tf.constant(flat[picked]), tf.constant(rows[picked]))


def _converted(converter: tf.lite.TFLiteConverter) -> bytes:
    with contextlib.redirect_stdout(io.StringIO()):
        content: bytes = converter.convert()
    return content


def concatenated(parts: Sequence[Lives]) -> Lives:
    """Lives of several units or fleets in one; their unit numbers must differ."""
    return Lives(
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.left for part in parts]),
        np.concatenate([part.recorded for part in parts]),
        np.concatenate([part.failed for part in parts]),
        np.concatenate([part.unit for part in parts]),
    )
