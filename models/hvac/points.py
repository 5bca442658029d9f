"""The points that rules and models for air handlers read, and where each stands in their arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.contracts.points import AHU_POINTS
from models.contracts.points import POINTS as VOCABULARY

# What the simulated plant tells, and what other air handlers tell beside or instead of it. The order is part of every
# snapshot and of every artifact: append, never insert.
POINTS: tuple[str, ...] = (
    *AHU_POINTS,
    "supply_air_heating_temperature_setpoint",
    "supply_air_cooling_temperature_setpoint",
    "return_air_damper_command",
    "exhaust_air_damper_command",
    "return_fan_status",
    "return_fan_speed_command",
    "return_air_relative_humidity",
)
P = len(POINTS)
COLUMN: dict[str, int] = {name: column for column, name in enumerate(POINTS)}
LABELS: tuple[str, ...] = tuple(VOCABULARY[name].label for name in POINTS)
UNITS: tuple[str, ...] = tuple(VOCABULARY[name].unit for name in POINTS)

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]
# Dense arrays by name, first axis = row, one row a unit.
State = dict[str, npt.NDArray[Any]]
