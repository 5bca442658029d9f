"""What the sensors tell of the plant: lag, offset, noise and resolution of each point, in the order of AHU_POINTS."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.points import AHU_POINTS
from simulators.hvac.moist import Floats

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
