"""What windows keep of a unit, field by field, and which points of a kind of equipment they watch."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.equipment import POINTS_MAX
from models.contracts.points import POINTS
from models.hvac.points import Floats
from models.hvac.rules_settings import SensorRules
from models.hvac.sensor_limits import (
    FLOW as FLOWS,
)
from models.hvac.sensor_limits import HUMIDITY, OTHER, PRESSURE, TEMPERATURE, SensorColumns, sensor_columns

BUCKETS, BUCKET_MS = 12, 300_000
DAYS, DAY_MS = 7, 86_400_000
OUTPUTS_MAX = 8
# A jump is looked at for this long, so that one reading can outlast a confirmation time.
JUMP_MS = 300_000
MINUTE_MS = 60_000
NEVER = -1
MINUTES, MODE_CHANGES, FLOW_MINUTES, FLOW, FLOW_SQUARE, TRAVEL = range(6)
REVERSALS = TRAVEL + OUTPUTS_MAX
SUMS = REVERSALS + OUTPUTS_MAX
ANY_SENSOR, OUTDOOR = range(2)
OFF, HEATING, FREE_COOLING, MIXED_COOLING, MECHANICAL_COOLING, IDLE = range(6)

# Name: dtype, shape behind the row axis, value of a row never seen. Part of every snapshot: append only.
WINDOW_FIELDS: dict[str, tuple[str, tuple[int, ...], float]] = {
    "sensor_last": ("<f4", (POINTS_MAX,), np.nan),
    "sensor_low": ("<f4", (POINTS_MAX,), np.nan),
    "sensor_high": ("<f4", (POINTS_MAX,), np.nan),
    "sensor_steady_minute": ("<i4", (POINTS_MAX,), NEVER),
    "rate_from": ("<f4", (POINTS_MAX,), np.nan),
    "rate_half": ("<f4", (POINTS_MAX,), np.nan),
    "rate": ("<f4", (POINTS_MAX,), np.nan),
    "rate_at_ms": ("<i8", (), NEVER),
    "stale_since_ms": ("<i8", (), NEVER),
    "jump": ("<f4", (2,), np.nan),
    "jump_column": ("|i1", (), NEVER),
    "jump_at_ms": ("<i8", (2,), NEVER),
    "mode": ("|i1", (), NEVER),
    "mode_since_ms": ("<i8", (), NEVER),
    "switched_at_ms": ("<i8", (), NEVER),
    "was_running": ("|i1", (), NEVER),
    "damper_open_since_ms": ("<i8", (), NEVER),
    "output_value": ("<f4", (OUTPUTS_MAX,), np.nan),
    "output_direction": ("|i1", (OUTPUTS_MAX,), 0),
    # Of the bucket that is open, and of the eleven before it together.
    "bucket": ("<i4", (), NEVER),
    "hour_sums": ("<f4", (2, SUMS), 0),
    "hour_low": ("<f4", (2, OUTPUTS_MAX), np.inf),
    "hour_high": ("<f4", (2, OUTPUTS_MAX), -np.inf),
    "bucket_number": ("<i4", (BUCKETS,), NEVER),
    "bucket_sums": ("<f4", (BUCKETS, SUMS), 0),
    "bucket_low": ("<f4", (BUCKETS, OUTPUTS_MAX), np.inf),
    "bucket_high": ("<f4", (BUCKETS, OUTPUTS_MAX), -np.inf),
    # Minutes seen and minutes on: of today, of the six days before it together, and of each of these.
    "day": ("<i4", (), NEVER),
    "week_minutes": ("<f4", (2, 2), 0),
    "day_number": ("<i4", (DAYS,), NEVER),
    "day_minutes": ("<f4", (DAYS, 2), 0),
}


class Watched(NamedTuple):
    """Which columns of a kind's arrays are watched."""

    sensors: SensorColumns
    outputs: npt.NDArray[np.intp]  # columns of control outputs, at most OUTPUTS_MAX
    outdoor: int  # column of the outdoor air temperature, -1 where there is none


class Tuned(NamedTuple):
    """Limits of a kind's sensors under some settings, shape (P,) each; NaN where there is none."""

    jump: Floats
    flat: Floats  # tolerance of a flat line
    middle: Floats  # of the range
    half: Floats
    span: Floats  # twice that
    rate: Floats  # an hour


@lru_cache(maxsize=32)
def watched(points: tuple[str, ...]) -> Watched:
    """Columns to watch in arrays with these points in their first columns."""
    outputs = [c for c, name in enumerate(points) if name.endswith("_command") and POINTS[name].unit == "fraction"]
    outdoor = points.index("outdoor_air_temperature") if "outdoor_air_temperature" in points else -1
    return Watched(sensor_columns(points, POINTS_MAX), np.array(outputs[:OUTPUTS_MAX], dtype=np.intp), outdoor)


def _by_quantity(**scales: float) -> Floats:
    found = np.ones(5, dtype=np.float32)
    for quantity, scale in scales.items():
        found[{"temperature": TEMPERATURE, "humidity": HUMIDITY, "pressure": PRESSURE}[quantity]] = scale
    return found


@lru_cache(maxsize=64)
def tuned(points: tuple[str, ...], s: SensorRules) -> Tuned:
    """The limits of a kind's sensors as the settings scale them. A scale widens a range about its middle."""
    limits = watched(points).sensors
    jumps = _by_quantity(
        temperature=s.spike_scale_temperature, humidity=s.spike_scale_humidity, pressure=s.spike_scale_pressure
    )
    ranges = _by_quantity(
        temperature=s.range_scale_temperature, humidity=s.range_scale_humidity, pressure=s.range_scale_pressure
    )
    # A thousandth of relative humidity: what 0.1 is to a sensor that counts in percent.
    flat = np.where(limits.quantity == HUMIDITY, 0.001, s.flatline_celsius).astype(np.float32)
    # Quantities without a limit of their own: their whole span (flows: the design flow) within the window.
    an_hour = 60 / max(s.rate_minutes, 1)
    own = np.full(5, np.nan, dtype=np.float32)
    own[FLOWS] = s.design_flow_cubic_meters_per_second * an_hour or np.nan
    own[[PRESSURE, OTHER]] = s.span * an_hour or np.nan
    rate = np.where(np.isnan(limits.rate), own[limits.quantity], limits.rate)
    half = ((limits.high - limits.low) / 2 * ranges[limits.quantity]).astype(np.float32)
    return Tuned(
        jump=limits.jump * jumps[limits.quantity] * np.float32(s.spike_scale),
        flat=flat,
        middle=((limits.high + limits.low) / 2).astype(np.float32),
        half=half,
        span=2 * half,
        rate=np.where(limits.sensor, rate, np.float32(np.nan)),
    )
