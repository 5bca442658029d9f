"""What the sensors tell, right or wrong.

    what a sensor feels ──offset, drift, bias, stuck, swapped, lost──▶ what the controller works with (seen)
                                                      └──noise, resolution──▶ what the register holds (read)

A controller filters noise out but believes everything else: a drifting sensor really shifts the plant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.points import POINTS
from simulators.hvac.faults import FaultError
from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants.faults import Condition, FaultPlan
from simulators.hvac.sensors import SENSORS, Sensor


class Drift(NamedTuple):
    """What a family of drift does at full severity: adds `shift`, or multiplies by 1 + `gain`."""

    point: str
    shift: float = 0.0
    gain: float = 0.0


DRIFTS: dict[str, Drift] = {
    "supply_air_sensor_drift": Drift("supply_air_temperature", shift=6.0),
    "zone_air_sensor_drift": Drift("zone_air_temperature", shift=5.0),
    "chilled_water_sensor_drift": Drift("chilled_water_supply_temperature", shift=4.0),
    "hot_water_sensor_drift": Drift("hot_water_supply_temperature", shift=15.0),
    "air_flow_sensor_drift": Drift("zone_air_flow", gain=0.6),
}
# A biased or drifting sensor at full severity is off by so much: (shift in the point's unit, share of the value).
_BIAS: dict[str, tuple[float, float]] = {"celsius": (6.0, 0.0), "fraction": (0.25, 0.0)}
_BY_UNIT: dict[str, Sensor] = {
    "celsius": Sensor(noise=0.1, offset=0.2, resolution=0.1),
    "watts": Sensor(noise=3.0, resolution=10.0, noise_fraction=0.01),
    "pascals": Sensor(noise=0.8, offset=0.8, resolution=0.5, noise_fraction=0.01),
    "cubic_meters_per_second": Sensor(noise=0.0005, resolution=0.0005, noise_fraction=0.015),
    "millimeters_per_second": Sensor(noise=0.03, resolution=0.02, noise_fraction=0.04),
    "amperes": Sensor(noise=0.05, resolution=0.1, noise_fraction=0.01),
    "ppm": Sensor(noise=8.0, offset=15.0, resolution=1.0),
}
_OWN: dict[str, Sensor] = {
    "suction_pressure": Sensor(noise=1000.0, offset=3000.0, resolution=500.0, noise_fraction=0.002),
    "discharge_pressure": Sensor(noise=2000.0, offset=6000.0, resolution=500.0, noise_fraction=0.002),
    "chilled_water_differential_pressure": Sensor(noise=200.0, offset=200.0, resolution=100.0, noise_fraction=0.005),
    "chilled_water_flow": Sensor(noise=0.00002, resolution=0.00002, noise_fraction=0.01),
    "hot_water_flow": Sensor(noise=0.00002, resolution=0.00002, noise_fraction=0.01),
    "flue_gas_temperature": Sensor(noise=0.5, offset=1.0, resolution=0.5),
    "return_air_relative_humidity": SENSORS["outdoor_air_relative_humidity"],
    "supply_air_flow": SENSORS["supply_air_flow"],
}
# A small fan tells small numbers.
_OF_KIND: dict[str, dict[str, Sensor]] = {
    "fan_coil": {
        "supply_fan_power": Sensor(noise=0.5, resolution=1.0, noise_fraction=0.01),
        "supply_air_flow": Sensor(noise=0.001, resolution=0.001, noise_fraction=0.015),
        "filter_differential_pressure": Sensor(noise=0.2, offset=0.3, resolution=0.1, noise_fraction=0.015),
    }
}


def sensor_of(point: str, equipment: str = "") -> Sensor:
    """Noise, offset and step of the sensor of one point; commands, setpoints and states are told as they are."""
    if point in _OF_KIND.get(equipment, {}):
        return _OF_KIND[equipment][point]
    unit = POINTS[point].unit
    if point.endswith("_setpoint"):
        return Sensor(resolution=0.1 if unit == "celsius" else 0.0)
    if point.endswith("_command"):
        return Sensor(resolution=0.001)
    if point in _OWN or point in SENSORS:
        return _OWN.get(point) or SENSORS[point]
    return _BY_UNIT.get(unit, Sensor())


class Sensing:
    """All sensors of U units of one kind.

    Args:
        points: The channels that are told, C.
        units: Size of the fleet.
        seed: Of offsets and noise.
        equipment: Their kind; some have finer sensors.
    """

    def __init__(self, points: Sequence[str], units: int, seed: int, equipment: str = "") -> None:
        self.points = tuple(points)
        self._row = {point: row for row, point in enumerate(points)}
        self._seed = seed
        rows = [sensor_of(point, equipment) for point in points]
        self._noisy = np.array(
            [row for row, own in enumerate(rows) if own.noise + own.noise_fraction > 0], dtype=np.intp
        )
        self._noise = np.array([[rows[row].noise] for row in self._noisy], dtype=np.float32)
        self._noise_fraction = np.array([[rows[row].noise_fraction] for row in self._noisy], dtype=np.float32)
        self._coarse = np.array([row for row, sensor in enumerate(rows) if sensor.resolution > 0], dtype=np.intp)
        self._step = np.array([[rows[row].resolution] for row in self._coarse], dtype=np.float32)
        self._steps_a_unit = 1 / self._step
        known = [POINTS[point] for point in points]
        self._no_sign = [
            row for row, p in enumerate(known) if p.unit not in ("celsius", "none", "state") and p.low <= 0
        ]
        self._humidity = [row for row, p in enumerate(known) if p.name.endswith("_relative_humidity")]
        draws = np.random.default_rng([seed, 0x5E]).standard_normal((len(points), units))
        self.offset: Floats = np.clip(draws, -2, 2) * np.array([[row.offset] for row in rows])
        self._felt: Floats = np.zeros((len(points), units))
        self._nowhere = np.zeros(units, dtype=bool)
        self._error: dict[int, Floats] = {}
        self._quiet: list[tuple[int, int]] = []
        self._drifts: list[tuple[int, Drift, Floats, Floats]] = []
        self._plans: list[tuple[FaultPlan, float]] = []
        self._held: dict[FaultPlan, float] = {}

    def check(self, plan: FaultPlan) -> None:
        """Refuse a sensor fault in a channel that is not told.

        Raises:
            FaultError: `point` or `partner` is not one of ours.
        """
        for point in filter(None, (plan.point, plan.partner)):
            if point not in self._row:
                raise FaultError(f"sensor fault in {point!r}: expected one of {', '.join(self.points)}")

    def update(self, condition: Condition, plans: list[tuple[FaultPlan, float]]) -> None:
        """The sensors' faults from now on."""
        self._drifts = [
            (self._row[drift.point], drift, condition.severity[family], condition.direction[family])
            for family, drift in DRIFTS.items()
            if drift.point in self._row and family in condition.severity and condition.severity[family].any()
        ]
        self._plans = plans
        self._error = self._errors(self._felt)

    def error(self, point: str) -> Floats:
        """What the controller sees of this point, less what is true, shape (U,); NaN where the sensor is lost."""
        row = self._row[point]
        seen: Floats = self.offset[row]
        return seen + self._error[row] if row in self._error else seen

    def belief(self, point: str) -> tuple[Floats, Flags]:
        """The error with 0 where the sensor is lost, and where it is; a loop whose sensor is lost holds its output."""
        row = self._row[point]
        if row not in self._error:
            return self.offset[row], self._nowhere
        error = self.error(point)
        lost = np.isnan(error)
        return np.where(lost, 0.0, error), lost

    def feel(self, true: Mapping[str, npt.NDArray[np.float64] | npt.NDArray[np.bool_]]) -> None:
        """Take in what is true now, shape (U,) for each of the points."""
        for row, point in enumerate(self.points):
            self._felt[row] = true[point]
        self._error = self._errors(self._felt)

    def read(self, step: int) -> npt.NDArray[np.float32]:
        """What the registers hold for what is felt, shape (U, C). The noise depends on the seed and `step` only."""
        seen = (self._felt + self.offset).astype(np.float32)
        for row, wrong in self._error.items():
            seen[row] += wrong
        rng = np.random.Generator(np.random.SFC64([self._seed, step, 0x5E]))
        noise = rng.standard_normal((self._noisy.size, self._felt.shape[1]), dtype=np.float32)
        noise *= self._noise + self._noise_fraction * np.abs(seen[self._noisy])
        for row, unit in self._quiet:
            noise[self._noisy == row, unit] = 0.0
        seen[self._noisy] += noise
        seen[self._coarse] = np.rint(seen[self._coarse] * self._steps_a_unit) * self._step
        seen[self._no_sign] = np.maximum(seen[self._no_sign], 0)
        seen[self._humidity] = np.minimum(seen[self._humidity], 1)
        return np.ascontiguousarray(seen.T)

    def _errors(self, felt: Floats) -> dict[int, Floats]:
        """By row, what faults add to the offset, for these true values."""
        errors: dict[int, Floats] = {}
        for row, drift, worn, direction in self._drifts:
            wrong = worn * direction * (drift.shift + drift.gain * felt[row])
            wrong = np.where(worn < 1, wrong, np.nan)
            errors[row] = errors[row] + wrong if row in errors else wrong
        self._quiet = []
        self._held = {plan: value for plan, value in self._held.items() if any(plan is now for now, _ in self._plans)}
        for plan, severity in self._plans:
            self._spoil(errors, felt, plan, severity)
        return errors

    def _spoil(self, errors: dict[int, Floats], felt: Floats, plan: FaultPlan, severity: float) -> None:
        row, unit = self._row[plan.point], plan.unit_index
        wrong = errors.setdefault(row, np.zeros(felt.shape[1]))
        own = felt[row, unit] + self.offset[row, unit]
        if plan.mode == "lost":
            wrong[unit] = np.nan
        elif plan.mode == "stuck":
            wrong[unit] = self._held.setdefault(plan, own) - own
            self._quiet.append((row, unit))
        elif plan.mode == "swapped":
            other = self._row[plan.partner]
            difference = felt[other, unit] + self.offset[other, unit] - own
            wrong[unit] += difference
            errors.setdefault(other, np.zeros(felt.shape[1]))[unit] -= difference
        else:
            shift, share = _BIAS.get(POINTS[plan.point].unit, (0.0, 0.5))
            wrong[unit] += severity * plan.direction * (shift + share * felt[row, unit])
