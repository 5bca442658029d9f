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
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from models.hvac import survival
from models.hvac.cards import be_reproducible
from models.hvac.points import Bools, Floats, Ints

_EXAMPLES_MAX = 2000
_CLIP_NORM = 1.0
_WARM_UP_STEPS = 50


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
    # How much the squared error of the mean, as a share of the last end, counts beside the likelihood; 0: not at all.
    mean_weight: float = 0.0


def train(lives: Lives, design: Design, seed: int) -> list[tf.keras.Model]:
    """Members of a hazard model, for `averaged`: input (m, W x D), output logits (m, K).

    Args:
        lives: Windows of the units to learn from; every unit weighs the same, however long it was watched.
        design: Of the model.
        seed: Of everything drawn; member i adds i, and is named by it.
    """
    _, window, columns = lives.values.shape
    examples = _examples(lives, design)
    members = []
    for member in range(design.members):
        be_reproducible(seed + member)
        net = _network(window, columns, design, f"member_{seed + member}")
        # Hazards start where they are for everybody: what is left to learn is who differs.
        net.layers[-1].bias.assign(_common_logits(examples))
        _fit(net, examples, design, np.random.default_rng(seed + member))
        members.append(net)
    return members


def averaged(members: Sequence[tf.keras.Model]) -> tf.keras.Model:
    """One model whose logits are the mean of those of its members; members of several trainings need seeds apart."""
    inputs = tf.keras.layers.Input(members[0].input_shape[1:], name="inputs")
    outputs = [member(inputs) for member in members]
    mean = outputs[0] if len(outputs) == 1 else tf.keras.layers.Average(name="logits")(outputs)
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


class _Examples(NamedTuple):
    """Of n windows; each unit weighs the same."""

    flat: Floats  # (n, W x D)
    event: Floats  # (n, K)
    at_risk: Floats  # (n, K), weighted
    recorded: Floats  # (n, K), which share of the interval lies within the record
    weight: Floats  # (n, 1)
    lived: Floats  # (n, 1), within record and last end, as a share of the last end


def _examples(lives: Lives, design: Design) -> _Examples:
    event, at_risk = survival.intervals(lives.left, lives.recorded, lives.failed, design.ends)
    weight = survival.unit_weights(lives.unit)[:, None]
    starts = np.array([0, *design.ends], dtype=np.float32)
    end = np.minimum(lives.recorded, starts[-1])[:, None]
    return _Examples(
        lives.values.reshape(len(lives.values), -1).astype(np.float32),
        event,
        at_risk * weight,
        np.clip((end - starts[:-1]) / np.diff(starts), 0, 1).astype(np.float32),
        weight,
        (np.minimum(lives.left[:, None], end) / starts[-1]).astype(np.float32),
    )


def _common_logits(examples: _Examples) -> Floats:
    """Logits of the hazards of all units together, shape (K,)."""
    failing = (examples.event * examples.at_risk).sum(axis=0) + 0.5
    return np.asarray(np.log(failing / ((1 - examples.event) * examples.at_risk).sum(axis=0).clip(0.5)), np.float32)


def _network(window: int, columns: int, design: Design, name: str) -> tf.keras.Model:
    keras = tf.keras.layers
    layers = [keras.Input((window * columns,)), keras.Reshape((window, columns), name="rows")]
    for index, filters in enumerate(design.filters):
        # The first convolution condenses pieces of the window, the others compare neighbours.
        kernel, stride, padding = (design.kernel, design.stride, "valid") if index == 0 else (3, 1, "same")
        layers.append(keras.Conv1D(filters, kernel, stride, padding, activation="relu", name=f"pieces_{index}"))
    layers += [keras.Flatten(name="flat"), keras.Dropout(design.dropout, name="drop")]
    for index, width in enumerate(design.hidden):
        layers.append(keras.Dense(width, "relu", name=f"dense_{index}"))
        layers.append(keras.Dropout(design.dropout, name=f"drop_{index}"))
    layers.append(keras.Dense(len(design.ends), name="hazards"))
    return tf.keras.Sequential(layers, name=name)


def _fit(net: tf.keras.Model, examples: _Examples, design: Design, rng: np.random.Generator) -> None:
    """AdamW over random batches, the rate falling to nearly 0."""
    starts = np.array([0, *design.ends], dtype=np.float32)
    widths = tf.constant(np.diff(starts) / starts[-1])
    optimizer = tf.keras.optimizers.AdamW(design.learning_rate, weight_decay=design.decay, global_clipnorm=_CLIP_NORM)

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(batch: _Examples) -> None:
        with tf.GradientTape() as tape:
            logits = net(batch.flat, training=True)
            entropy = tf.nn.sigmoid_cross_entropy_with_logits(batch.event, logits)
            loss = tf.reduce_sum(batch.at_risk * entropy) / tf.reduce_sum(batch.at_risk)
            if design.mean_weight:
                # Both, what was lived and what was expected, end with the record: cut lives pull to neither side.
                log = -tf.nn.softplus(logits)
                before = tf.exp(tf.cumsum(log, axis=1, exclusive=True))
                height = before * (1 + batch.recorded * (tf.exp(log) - 1) / 2)
                mean = tf.reduce_sum(widths * batch.recorded * height, axis=1, keepdims=True)
                loss += design.mean_weight * tf.reduce_mean(batch.weight * tf.square(mean - batch.lived))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, net.trainable_variables), net.trainable_variables, strict=True)
        )

    for index in range(design.steps):
        # A short warm-up keeps the first steps of Adam from throwing the net about.
        share = min(1 - index / design.steps + 1e-3, (index + 1) / _WARM_UP_STEPS)
        optimizer.learning_rate.assign(design.learning_rate * share)
        picked = rng.integers(0, len(examples.flat), design.batch)
        step(_Examples(*(tf.constant(array[picked]) for array in examples)))


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
