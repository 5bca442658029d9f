"""The workload for one frame at a time, in numpy: what engines run that hand out one message after another.

A unit is one array of float64 that any store can keep as 416 bytes:

    | 24 means | 24 variances | frames | over | under | raised |
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.contracts.codec import parse
from tests.bench.stream.model import CHANNELS, SAMPLES, Parameters
from tests.bench.stream.workload import Alert, Constants, Floats

_FRAMES, _OVER, _UNDER, _RAISED = range(2 * CHANNELS, 2 * CHANNELS + 4)
MEMORY_FLOATS = 2 * CHANNELS + 4


class Arrived(NamedTuple):
    """A frame, decoded; `values` has shape (channels, samples)."""

    unit: str
    measured_at_ms: int
    values: Floats


class Single:
    """Steps of single units; it remembers nothing itself."""

    def __init__(self, parameters: Parameters) -> None:
        self.constants = Constants(parameters)
        self.parameters = parameters
        self._at = self.constants.at
        self._scales = self.constants.scales[:, None]

    def decode(self, payload: bytes) -> Arrived:
        """A frame's values.

        Raises:
            FrameError: the payload is damaged.
        """
        message = parse(payload)
        raw = np.frombuffer(message.samples, dtype="<i2").reshape(CHANNELS, SAMPLES)
        return Arrived(f"{message.site}/{message.unit}", message.measured_at_ms, raw * self._scales)

    def step(self, memory: bytes | None, arrived: Arrived) -> tuple[bytes, Alert | None]:
        """One frame of a unit: what to remember, and what to say."""
        parameters, constants, values = self.parameters, self.constants, arrived.values
        first = values[:, 0]
        if memory is None:
            unit = np.zeros(MEMORY_FLOATS)
            unit[:CHANNELS] = first
        else:
            unit = np.frombuffer(memory).copy()
        mean, variance = unit[:CHANNELS], unit[CHANNELS : 2 * CHANNELS]
        frame_mean = values.mean(axis=1)
        z = (frame_mean - mean) / np.sqrt(variance + constants.floor_variance)
        z = np.minimum(np.maximum(z, -parameters.z_max), parameters.z_max)
        y = values - mean[:, None]
        step = y @ constants.sample_weights
        square = (y * y) @ constants.sample_weights
        mean += step
        variance *= constants.kept
        variance += square - step * step
        np.maximum(variance, 0, out=variance)
        layer = z
        for weights, biases in constants.layers[:-1]:
            layer = np.maximum(layer @ weights + biases, 0)
        weights, biases = constants.layers[-1]
        probability = float(1 / (1 + np.exp(-(layer @ weights + biases)[0])))
        rules = self._rules(frame_mean.tolist(), mean.tolist(), z.tolist())
        frames, over, under, raised = unit[_FRAMES:].tolist()
        is_over = frames >= parameters.settle_frames and (probability > parameters.limits.probability or rules != 0)
        over, under = (over + 1, 0.0) if is_over else (0.0, under + 1)
        state = ""
        if not raised and over >= parameters.raise_frames:
            state, raised = "raised", 1.0
        elif raised and under >= parameters.clear_frames:
            state, raised = "cleared", 0.0
        unit[_FRAMES:] = frames + 1, over, under, raised
        said = Alert(arrived.unit, state, arrived.measured_at_ms, probability, rules) if state else None
        return unit.tobytes(), said

    def _rules(self, m: list[float], e: list[float], z: list[float]) -> int:
        """Bits of the rules that hold, as `naive.py` says them."""
        limits, at = self.parameters.limits, self._at
        runs = m[at["supply_fan_status"]] > 0.5
        heating, cooling = m[at["heating_valve_command"]], m[at["cooling_valve_command"]]
        supply, mixed = m[at["supply_air_temperature"]], m[at["mixed_air_temperature"]]
        outdoor, indoor = at["outdoor_air_temperature"], at["return_air_temperature"]
        air = (m[outdoor], m[indoor], e[outdoor], e[indoor])
        bits = 0
        if runs and heating < limits.valve_closed_fraction and supply - mixed > limits.leaking_rise_celsius:
            bits |= 1
        setpoint = m[at["supply_air_temperature_setpoint"]]
        if runs and cooling > limits.valve_open_fraction and supply > setpoint + limits.supply_above_setpoint_celsius:
            bits |= 2
        if heating > limits.both_valves_fraction and cooling > limits.both_valves_fraction:
            bits |= 4
        deficit = m[at["supply_air_static_pressure_setpoint"]] - m[at["supply_air_static_pressure"]]
        if m[at["supply_fan_speed_command"]] > limits.fan_full_fraction and deficit > limits.pressure_deficit_pascals:
            bits |= 8
        margin = limits.mixing_margin_celsius
        if runs and (mixed < min(air) - margin or mixed > max(air) + margin):
            bits |= 16
        if z[at["filter_differential_pressure"]] > limits.filter_z:
            bits |= 32
        return bits
