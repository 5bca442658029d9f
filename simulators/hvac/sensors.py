"""What the sensors tell of the plant.

air or water ──lag──▶ what the sensor feels (Probes) ──offset, noise, resolution──▶ what the register holds (read)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.points import AHU_POINTS
from simulators.hvac.moist import Floats
from simulators.hvac.parameters import Parameters

COLUMN: dict[str, int] = {point: column for column, point in enumerate(AHU_POINTS)}


class Sensor(NamedTuple):
    """Spread of the noise and of the unit's constant offset, and the step of the converter, in the point's unit.

    `noise_fraction` adds noise in proportion to the value (flow, power, pressures).
    """

    noise: float = 0.0
    offset: float = 0.0
    resolution: float = 0.0
    noise_fraction: float = 0.0


_AIR = Sensor(noise=0.08, offset=0.15, resolution=0.1)
_WATER = Sensor(noise=0.1, offset=0.2, resolution=0.1)
_COMMAND = Sensor(resolution=0.001)
# Setpoints, states and whatever is not listed are read as they are.
SENSORS: dict[str, Sensor] = {
    "outdoor_air_temperature": _AIR,
    "outdoor_air_relative_humidity": Sensor(noise=0.01, offset=0.015, resolution=0.01),
    "return_air_temperature": _AIR,
    "mixed_air_temperature": Sensor(noise=0.15, offset=0.2, resolution=0.1),
    "supply_air_temperature": _AIR,
    "supply_air_temperature_setpoint": Sensor(resolution=0.1),
    "zone_air_temperature": Sensor(noise=0.05, offset=0.15, resolution=0.1),
    "outdoor_air_damper_command": _COMMAND,
    "heating_valve_command": _COMMAND,
    "cooling_valve_command": _COMMAND,
    "supply_fan_speed_command": _COMMAND,
    "supply_fan_power": Sensor(noise=3.0, resolution=10.0, noise_fraction=0.01),
    "supply_air_flow": Sensor(noise=0.005, resolution=0.005, noise_fraction=0.015),
    "supply_air_static_pressure": Sensor(noise=1.0, offset=1.0, resolution=0.5, noise_fraction=0.015),
    "supply_air_static_pressure_setpoint": Sensor(resolution=0.5),
    "filter_differential_pressure": Sensor(noise=0.8, offset=0.8, resolution=0.5, noise_fraction=0.015),
    "hot_water_supply_temperature": _WATER,
    "hot_water_return_temperature": _WATER,
    "chilled_water_supply_temperature": _WATER,
    "chilled_water_return_temperature": _WATER,
}
_ROWS = [SENSORS.get(point, Sensor()) for point in AHU_POINTS]
_NOISE = np.array([row.noise for row in _ROWS])
_NOISE_FRACTION = np.array([row.noise_fraction for row in _ROWS])
_OFFSET = np.array([row.offset for row in _ROWS])
_RESOLUTION = np.array([row.resolution for row in _ROWS])
_STEP = np.where(_RESOLUTION > 0, _RESOLUTION, 1.0)
_NOISY = np.flatnonzero((_NOISE > 0) | (_NOISE_FRACTION > 0))
_COARSE = np.flatnonzero(_RESOLUTION > 0)
_NOT_NEGATIVE = [COLUMN[point] for point in ("outdoor_air_relative_humidity", "supply_air_flow", "supply_fan_power")]
_HUMIDITY = COLUMN["outdoor_air_relative_humidity"]

_DUCT_RATE = 1 / 20  # of a duct sensor at design flow, and at rest towards the room, 1/s
_REST_RATE = 1 / 900
_PIPE_RATE = 1 / 15  # of a return pipe at design water flow, and at rest, 1/s
_PIPE_REST_RATE = 1 / 1200


class Passing(NamedTuple):
    """Air that passes the duct sensors, celsius, shape (U,)."""

    mixed: Floats
    supply: Floats
    inside: Floats


class Probes:
    """Temperatures that duct and pipe sensors feel, shape (U,): what passes them or, where nothing does, the room."""

    def __init__(self, p: Parameters) -> None:
        self._room = room = p.room_celsius
        self.mixed_celsius, self.supply_celsius, self.return_celsius = room.copy(), room.copy(), room.copy()
        self.hot_return_celsius, self.chilled_return_celsius = room.copy(), room.copy()

    def step(
        self,
        dt_seconds: float,
        flow_fraction: Floats,
        air: Passing,
        heating_metal_celsius: Floats,
        hot: tuple[Floats, Floats],
        chilled: tuple[Floats, Floats],
    ) -> None:
        """Follow for one step.

        Args:
            dt_seconds: Length of the step.
            flow_fraction: Air flow over the design flow.
            air: Temperatures in the duct.
            heating_metal_celsius: Of the half coil nearest to the supply sensor.
            hot: Temperature of the hot water that leaves its coil, and its flow over the design flow.
            chilled: The same of the chilled water.
        """
        room, passing = self._room, _DUCT_RATE * flow_fraction
        self.mixed_celsius = _lag(self.mixed_celsius, air.mixed, passing, room, _REST_RATE, dt_seconds)
        # At rest the supply sensor feels some of the warmth of the coil beside it.
        near = room + 0.3 * (heating_metal_celsius - room)
        self.supply_celsius = _lag(self.supply_celsius, air.supply, passing, near, _REST_RATE, dt_seconds)
        self.return_celsius = _lag(self.return_celsius, air.inside, passing, room, _REST_RATE, dt_seconds)
        self.hot_return_celsius = _lag(
            self.hot_return_celsius, hot[0], _PIPE_RATE * hot[1], room + 2, _PIPE_REST_RATE, dt_seconds
        )
        self.chilled_return_celsius = _lag(
            self.chilled_return_celsius, chilled[0], _PIPE_RATE * chilled[1], room, _PIPE_REST_RATE, dt_seconds
        )


def draw_offsets(units: int, rng: np.random.Generator) -> Floats:
    """Constant offset of each sensor of each unit, shape (U, 24), within two spreads."""
    offsets: Floats = np.clip(rng.standard_normal((units, len(AHU_POINTS))), -2, 2) * _OFFSET
    return offsets


def read(true: Floats, offsets: Floats, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """What the converters give for what the sensors feel.

    Args:
        true: Shape (U, 24), in our units; NaN where a sensor is gone.
        offsets: From `draw_offsets`.
        rng: For the noise; every call draws the same number of values.

    Returns:
        Shape (U, 24).
    """
    seen = true + offsets
    noise = rng.standard_normal((true.shape[0], _NOISY.size))
    seen[:, _NOISY] += noise * (_NOISE[_NOISY] + _NOISE_FRACTION[_NOISY] * np.abs(true[:, _NOISY]))
    seen[:, _COARSE] = np.round(seen[:, _COARSE] / _STEP[_COARSE]) * _STEP[_COARSE]
    seen[:, _NOT_NEGATIVE] = np.maximum(seen[:, _NOT_NEGATIVE], 0)
    seen[:, _HUMIDITY] = np.minimum(seen[:, _HUMIDITY], 1)
    return seen.astype(np.float32)


def _lag(state: Floats, passing: Floats, passing_rate: Floats, rest: Floats, rest_rate: float, dt: float) -> Floats:
    """One backward Euler step of a node between what passes it and what surrounds it; rates in 1/s."""
    return (state + dt * (passing_rate * passing + rest_rate * rest)) / (1 + dt * (passing_rate + rest_rate))
