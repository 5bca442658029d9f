"""Wear: every part has a life, uses it up while it runs, shows it towards the end, and is gone when it is over.

    severity 1 ┤                         ┌ worn out: the unit fails          ┌ or at once, without a sign
               │                       ╱                                     │
               │                   ╱      growth_exponent                    │
             0 ┼──────────────┴──────────▶ age / life   or  ─────────────────┴──────▶
               0            onset        1

A life is a pure function of (seed, unit, family, how often the part was replaced). So two policies of maintenance meet
the same lives (common random numbers), whatever they do and in whatever order.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from simulators.hvac.moist import Flags, Floats

_YEAR_HOURS = 8766.0
_PAST_LIVES, _PAST_REPLACEMENTS_MAX = 3.0, 500


class Life(NamedTuple):
    """How long a part lives and how it ages.

    `scale_hours` and `shape` are Weibull's; `clock` says whether the part ages by running or by standing in the world;
    `onset_fraction` is the share of its life after which wear shows; `sudden_hours` the mean time to a failure without
    a sign (exponential), of the same clock.
    """

    scale_hours: float
    shape: float
    clock: Literal["running", "calendar"]
    onset_fraction: float
    growth_exponent: float
    sudden_hours: float
    reason: str


def _running(hours: float, shape: float, onset: float, growth: float, sudden_hours: float, reason: str) -> Life:
    return Life(hours, shape, "running", onset, growth, sudden_hours, reason)


def _standing(years: float, shape: float, onset: float, growth: float, sudden_years: float, reason: str) -> Life:
    return Life(years * _YEAR_HOURS, shape, "calendar", onset, growth, sudden_years * _YEAR_HOURS, reason)


# Where a whole part is replaced, its median life is of the order of ASHRAE's table of service lives (dampers, coils,
# pumps, compressors and towers 20 years, burners 21, electric and electronic controls 15 to 16, actuators 10 to 20; as
# printed at hvac-eng.com/hvacr-equipment-life-expectancy), at some 4,000 running hours a year. The rest are round
# figures of the trade. All are meant to be varied (`acceleration`, tables of your own).
LIVES: dict[str, Life] = {
    "filter_fouled": _running(5_500, 4.0, 0.15, 1.6, 400_000, "dust; changed once or twice a year"),
    "fan_belt_worn": _running(11_000, 3.0, 0.55, 2.0, 120_000, "V-belts last three years of office hours; some snap"),
    "fan_bearing_worn": _running(60_000, 1.6, 0.75, 2.2, 500_000, "rolling bearings: Weibull slope near 1.5"),
    "coil_fouled": _running(40_000, 2.5, 0.25, 1.8, 5_000_000, "lint passes the filter; washed after years"),
    "damper_stuck": _standing(22, 1.6, 0.92, 1.0, 60, "linkages seize, often at once"),
    "damper_leaking": _standing(20, 2.0, 0.50, 2.0, 400, "edge seals harden"),
    "heating_valve_leaking": _standing(18, 1.8, 0.75, 1.5, 120, "seats erode and catch scale"),
    "cooling_valve_leaking": _standing(19, 1.8, 0.75, 1.5, 120, "seats erode and catch scale"),
    "reheat_valve_leaking": _standing(18, 1.8, 0.75, 1.5, 120, "seats erode and catch scale"),
    "reheat_valve_stuck": _standing(20, 1.6, 0.95, 1.0, 50, "actuators fail, often at once"),
    "cooling_valve_stuck": _standing(20, 1.6, 0.95, 1.0, 50, "actuators fail, often at once"),
    "cooling_capacity_low": _standing(16, 1.8, 0.80, 1.5, 80, "strainers clog, pumps behind them wear"),
    "supply_air_sensor_drift": _standing(17, 1.6, 0.65, 1.5, 80, "thermistors age with heat and damp"),
    "zone_air_sensor_drift": _standing(18, 1.6, 0.65, 1.5, 80, "thermistors age"),
    "chilled_water_sensor_drift": _standing(17, 1.6, 0.65, 1.5, 80, "wells fill with water, thermistors age"),
    "hot_water_sensor_drift": _standing(16, 1.6, 0.65, 1.5, 70, "heat ages thermistors faster"),
    "air_flow_sensor_drift": _standing(10, 1.6, 0.40, 1.5, 80, "flow crosses collect dust"),
    "refrigerant_undercharge": _standing(10, 1.3, 0.40, 1.2, 120, "joints leak a few percent a year, some more"),
    "compressor_weak": _running(80_000, 2.0, 0.80, 1.8, 250_000, "valves and scrolls wear; windings fail at once"),
    "condenser_fouled": _running(12_000, 2.5, 0.20, 1.6, 5_000_000, "leaves, lint or scale; washed every year or two"),
    "tower_fan_weak": _running(60_000, 2.0, 0.75, 1.6, 300_000, "belts and gears in wet air"),
    "pump_worn": _running(70_000, 2.0, 0.75, 1.6, 300_000, "impellers erode, seals leak"),
    "heat_exchanger_fouled": _running(20_000, 2.2, 0.25, 1.6, 1_000_000, "soot and scale; cleaned every year or two"),
    "burner_weak": _running(60_000, 1.6, 0.80, 1.5, 120_000, "nozzles, ignition and fans; often at once"),
}


class Wear:
    """Ages of all parts of a fleet.

    Args:
        families: Which parts; those without a row in `lives` do not wear.
        units: Size of the fleet, U.
        seed: Of the lives.
        acceleration: Lives are this many times shorter than the table says.
        lives: The table.
        new: Whether all parts begin new; else as in a fleet that has stood for long, each part replaced when it was over.
    """

    def __init__(
        self,
        families: Sequence[str],
        units: int,
        seed: int,
        acceleration: float = 1.0,
        lives: Mapping[str, Life] = LIVES,
        *,
        new: bool = False,
    ) -> None:
        self.families = tuple(family for family in families if family in lives)
        self.units = units
        self._seed = seed
        rows = [lives[family] for family in self.families]
        self._key = np.array([[zlib.crc32(family.encode())] for family in self.families], dtype=np.uint64).reshape(
            -1, 1
        )
        self._unit = np.arange(units, dtype=np.uint64)[None, :]

        def column(values: list[float]) -> Floats:
            return np.array(values, dtype=np.float64).reshape(-1, 1)

        self._scale = column([row.scale_hours for row in rows]) / acceleration
        self._sudden = column([row.sudden_hours for row in rows]) / acceleration
        self._shape = column([row.shape for row in rows])
        self._onset = column([row.onset_fraction for row in rows])
        self._exponent = column([row.growth_exponent for row in rows])
        self._runs = np.array([[row.clock == "running"] for row in rows], dtype=bool).reshape(-1, 1)
        shape = (len(rows), units)
        self.replaced = np.zeros(shape, dtype=np.int64)
        self.age_hours = np.zeros(shape)
        self._draw()
        if not new:
            self._live_through()
        self.position_fraction = np.where(self._uniform(4) < 0.5, 0.2 * self._uniform(5), 0.8 + 0.2 * self._uniform(5))
        self.direction = np.where(self._uniform(6) < 0.5, -1.0, 1.0)

    def grow(self, hours: float, running_fraction: Floats, stress: Mapping[str, Floats]) -> None:
        """Age all parts.

        Args:
            hours: How long.
            running_fraction: Share of it that each unit ran, shape (U,).
            stress: By family, how many times faster than usual it aged, shape (U,); 1 where nothing is said.
        """
        step = np.where(self._runs, running_fraction, 1.0) * hours
        for row, family in enumerate(self.families):
            if family in stress:
                step[row] *= stress[family]
        self.age_hours += step

    @property
    def severity(self) -> Floats:
        """Of every part, 0 to 1, shape (F, U) in the order of `families`."""
        used = np.clip((self.age_hours / self.life_hours - self._onset) / (1 - self._onset), 0.0, 1.0)
        worn: Floats = np.where(self.age_hours >= self.sudden_hours, 1.0, used**self._exponent)
        return worn

    @property
    def hours_left(self) -> Floats:
        """Of every part's own clock until it fails, shape (F, U)."""
        left: Floats = np.maximum(np.minimum(self.life_hours, self.sudden_hours) - self.age_hours, 0.0)
        return left

    @property
    def hazard_per_hour(self) -> Floats:
        """Failures an hour of the part's clock that someone who knows the age, not the draw, expects; shape (F, U)."""
        worn = self._shape / self._scale * (np.maximum(self.age_hours, 1e-6) / self._scale) ** (self._shape - 1)
        return worn + 1 / self._sudden

    def restore(self, units: Flags, family: str | None = None, restored_fraction: float = 1.0) -> None:
        """Maintenance: a new part (1), or one that gets back this share of what it had used up.

        A part that has failed suddenly is only mended by a new one.
        """
        which = np.broadcast_to(units, self.age_hours.shape).copy()
        if family is not None:
            which &= np.array([[own == family] for own in self.families])
        if restored_fraction >= 1:
            self.replaced += which
            self.age_hours[which] = 0.0
            self._draw()
        else:
            gone = self.age_hours >= self.sudden_hours
            self.age_hours = np.where(which & ~gone, (1 - restored_fraction) * self.age_hours, self.age_hours)

    def _live_through(self) -> None:
        """Lives one after another over a long past: what is met now is a long life rather than a short one."""
        left = (_PAST_LIVES + self._uniform(3)) * self._scale
        for _ in range(_PAST_REPLACEMENTS_MAX):
            whole = np.minimum(self.life_hours, self.sudden_hours)
            over = left >= whole
            if not over.any():
                break
            left = np.where(over, left - whole, left)
            self.replaced += over
            self._draw()
        whole = np.minimum(self.life_hours, self.sudden_hours)
        self.age_hours = np.minimum(left, 0.999 * whole)

    def _draw(self) -> None:
        self.life_hours = self._scale * (-np.log(self._uniform(1))) ** (1 / self._shape)
        self.sudden_hours = -self._sudden * np.log(self._uniform(2))

    def _uniform(self, draw: int) -> Floats:
        """Numbers in (0, 1) that depend on seed, unit, family, generation and `draw` only, shape (F, U)."""
        state = _mixed(self._key + np.uint64((self._seed * 0x9E3779B97F4A7C15) % 2**64))
        state = _mixed(state ^ (self._unit + np.uint64(1)))
        state = _mixed(state ^ (self.replaced.astype(np.uint64) * np.uint64(16) + np.uint64(draw)))
        share: Floats = ((state >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        return share


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of SplitMix64: near inputs, far outputs."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
