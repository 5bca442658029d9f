"""The workload, one frame after another in plain Python: slow and obvious. Every engine's alerts must be these.

frame ─▶ 24 channels x 60 samples ─▶ mean of the frame, m
                                     mean and variance, exponentially weighted, sample by sample, carried on: e, v
z = (m - e before) / sqrt(v before + floor²), cut ─▶ dense 24 ─▶ 16 ─▶ 8 ─▶ 1 ─▶ probability
m, e, z ─▶ six rules
over = probability above the level, or a rule holds
frames   . . o o O o . . .        o: over; raised at O, the third in a row; cleared at the third in a row under
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from models.contracts.codec import parse
from tests.bench.stream.model import Parameters


@dataclass(slots=True)
class Said:
    """One alert."""

    unit: str
    state: str  # raised or cleared
    measured_at_ms: int
    score: float
    rules: int  # bit i: rule i holds


@dataclass(slots=True)
class Unit:
    """What is remembered of one unit."""

    mean: list[float] = field(default_factory=list)
    variance: list[float] = field(default_factory=list)
    frames: int = 0
    over: int = 0  # frames in a row
    under: int = 0
    raised: bool = False


class Naive:
    """All units, by `site/unit`."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self.units: dict[str, Unit] = {}

    def take(self, payload: bytes) -> Said | None:
        """One frame; what it leads to."""
        parameters = self.parameters
        message = parse(payload)
        samples, count = message.samples, parameters.samples
        values = []
        for channel, scale in enumerate(parameters.scales):
            start = 2 * count * channel
            raw = (samples[start + 2 * i : start + 2 * i + 2] for i in range(count))
            values.append([int.from_bytes(two, "little", signed=True) * scale for two in raw])
        key = f"{message.site}/{message.unit}"
        unit = self.units.setdefault(key, Unit())
        if unit.frames == 0:
            unit.mean = [channel[0] for channel in values]
            unit.variance = [0.0 for _ in values]
        means = [sum(channel) / count for channel in values]
        z = []
        for mean, ew_mean, ew_variance, scale in zip(means, unit.mean, unit.variance, parameters.scales, strict=True):
            score = (mean - ew_mean) / math.sqrt(ew_variance + (parameters.floor_steps * scale) ** 2)
            z.append(max(-parameters.z_max, min(parameters.z_max, score)))
        for channel, samples_of in enumerate(values):
            for x in samples_of:
                delta = x - unit.mean[channel]
                unit.mean[channel] += parameters.alpha * delta
                unit.variance[channel] = (1 - parameters.alpha) * (
                    unit.variance[channel] + parameters.alpha * delta * delta
                )
        probability = self._probability(z)
        rules = self._rules(means, unit.mean, z)
        is_over = unit.frames >= parameters.settle_frames and (
            probability > parameters.limits.probability or rules != 0
        )
        unit.frames += 1
        unit.over = unit.over + 1 if is_over else 0
        unit.under = 0 if is_over else unit.under + 1
        if not unit.raised and unit.over >= parameters.raise_frames:
            unit.raised = True
            return Said(key, "raised", message.measured_at_ms, probability, rules)
        if unit.raised and unit.under >= parameters.clear_frames:
            unit.raised = False
            return Said(key, "cleared", message.measured_at_ms, probability, rules)
        return None

    def _probability(self, z: list[float]) -> float:
        layer = z
        last = len(self.parameters.weights) - 1
        for number, (weights, biases) in enumerate(zip(self.parameters.weights, self.parameters.biases, strict=True)):
            sums = [
                bias + sum(value * row[output] for value, row in zip(layer, weights, strict=True))
                for output, bias in enumerate(biases)
            ]
            layer = sums if number == last else [max(0.0, one) for one in sums]
        return 1 / (1 + math.exp(-layer[0]))

    def _rules(self, means: list[float], ew_means: list[float], z: list[float]) -> int:
        limits, points = self.parameters.limits, self.parameters.points
        m = dict(zip(points, means, strict=True))
        e = dict(zip(points, ew_means, strict=True))
        runs = m["supply_fan_status"] > 0.5
        heating, cooling = m["heating_valve_command"], m["cooling_valve_command"]
        mixed, outdoor, indoor = m["mixed_air_temperature"], m["outdoor_air_temperature"], m["return_air_temperature"]
        pressure_deficit = m["supply_air_static_pressure_setpoint"] - m["supply_air_static_pressure"]
        holds = [
            # a closed heating valve, and yet the air comes out much warmer than it goes in
            runs
            and heating < limits.valve_closed_fraction
            and m["supply_air_temperature"] - mixed > limits.leaking_rise_celsius,
            # the cooling valve is open and the air stays warm
            runs
            and cooling > limits.valve_open_fraction
            and m["supply_air_temperature"]
            > m["supply_air_temperature_setpoint"] + limits.supply_above_setpoint_celsius,
            # heating against cooling
            heating > limits.both_valves_fraction and cooling > limits.both_valves_fraction,
            # full speed, and the duct does not come to its pressure
            m["supply_fan_speed_command"] > limits.fan_full_fraction
            and pressure_deficit > limits.pressure_deficit_pascals,
            # a mixture that is colder or warmer than both of its parts have been on the whole
            runs
            and not (
                min(e["outdoor_air_temperature"], e["return_air_temperature"], outdoor, indoor)
                - limits.mixing_margin_celsius
                <= mixed
                <= max(e["outdoor_air_temperature"], e["return_air_temperature"], outdoor, indoor)
                + limits.mixing_margin_celsius
            ),
            # the filter's pressure has left what is usual for this unit
            z[points.index("filter_differential_pressure")] > limits.filter_z,
        ]
        return sum(1 << number for number, one in enumerate(holds) if one)
