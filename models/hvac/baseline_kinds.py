"""Figures of single kinds of equipment that a unit is held against, beside those of every fan.

Each is made so that, for one healthy unit, it hardly depends on load and weather: a compressor's power over the work that
its pressures and speed ask for, a pump's flow over its speed. What is left of it is learned like the other references.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from models.hvac.facts import Facts
from models.hvac.points import Rows

if TYPE_CHECKING:
    from models.hvac.kinds import Kind

_WATER_JOULES_PER_CUBIC_METER_KELVIN = 4.19e6
# An ideal compression's work with a little more, for losses that do not fall with the lift: with these two, the power of a
# healthy simulated compressor is the same figure within 2 % from the smallest lift to the largest.
_ISENTROPIC_EXPONENT, _LOSS = 0.2, 0.03
Figures = npt.NDArray[np.float64]
# Points and the least value of each.
Reads = tuple[tuple[str, float], ...]


class Logarithms:
    """Five-minute means of points as logarithms, NaN below a least value: those that a kind's figures read, worked out at
    once."""

    def __init__(self, facts: Facts, reads: Reads) -> None:
        self._slots = _slots(facts.kind, reads)
        values = facts.mean.T[self._slots.columns].astype(np.float64)
        self._values = np.log(np.where(values >= self._slots.least, values, np.nan))
        self._missing = np.full(len(facts.rows), np.nan)

    def of(self, point: str, least: float) -> Figures:
        """Logarithm of a point where it is at least that, shape (m,)."""
        place = self._slots.place.get((point, least))
        return self._missing if place is None else self._values[place]


class _Slots(NamedTuple):
    columns: Rows
    least: Figures  # (reads, 1)
    place: dict[tuple[str, float], int]


@lru_cache(maxsize=64)
def _slots(kind: Kind, reads: Reads) -> _Slots:
    known = [(point, least) for point, least in reads if point in kind.slot]
    least = np.array([least for _, least in known]).reshape(-1, 1)
    columns = np.array([kind.slot[point] for point, _ in known], dtype=np.intp)
    return _Slots(columns, least, {read: place for place, read in enumerate(known)})


class Own(NamedTuple):
    """One figure: the logarithm of it for each unit, shape (m,), NaN where it says nothing now.

    `apart` is how far a minute may be from what was learned and still be learned, `reads` which logarithms it is made of.
    """

    name: str
    apart: float
    of: Callable[[Facts, Logarithms], Figures]
    reads: Reads


def _log(values: npt.NDArray[np.floating], least: float) -> Figures:
    """Logarithm where the value is at least `least`, NaN elsewhere."""
    logarithm: Figures = np.log(np.where(values >= least, values, np.nan).astype(np.float64, copy=False))
    return logarithm


def _on(f: Facts, status: str) -> Figures:
    """0 while it has been on for the whole window, NaN elsewhere: to be added to a figure."""
    return np.where(f.of(status) > 0.99, 0.0, np.nan)


_Made = tuple[Callable[[Facts, Logarithms], Figures], Reads]


def _over_speed(value: str, least: float, speed: str, power: float) -> _Made:
    """A quantity over a power of the speed that drives it."""
    return lambda _, log: log.of(value, least) - power * log.of(speed, 0.1), ((value, least), (speed, 0.1))


def _compression(power: str, status: str) -> _Made:
    """Electric power over speed, suction pressure and the work of an ideal compression between the two pressures."""
    suction, discharge = ("suction_pressure", 5e4), ("discharge_pressure", 5e4)
    speed, electric = ("compressor_speed_command", 0.1), (power, 100.0)

    def of(f: Facts, log: Logarithms) -> Figures:
        low, high = log.of(*suction), log.of(*discharge)
        work: Figures = np.exp(_ISENTROPIC_EXPONENT * (high - low)) - 1 + _LOSS
        return log.of(*electric) - log.of(*speed) - low - _log(work, 0.01) + _on(f, status)

    return of, (suction, discharge, speed, electric)


def _vibration(point: str, speed: str) -> _Made:
    return _over_speed(point, 0.01, speed, 1.0)


def _heat(f: Facts, warm: str, cold: str, flow: str) -> Figures:
    """Logarithm of the heat that a flow of water carries, watts."""
    rate = f.of(flow).astype(np.float64) * _WATER_JOULES_PER_CUBIC_METER_KELVIN
    return _log(rate * (f.of(warm) - f.of(cold)), 1000.0)


def _chilled(f: Facts) -> Figures:
    return _heat(f, "chilled_water_return_temperature", "chilled_water_supply_temperature", "chilled_water_flow")


def _efficiency(f: Facts, log: Logarithms) -> Figures:
    """Cooling over power and over what an ideal cycle between the two pressures would give of it."""
    lift = f.of("discharge_pressure").astype(np.float64) / np.maximum(f.of("suction_pressure"), 5e4)
    return _chilled(f) - log.of("chiller_power", 1000.0) + _log(np.log(lift), 0.05) + _on(f, "chiller_status")


def _condenser_rise(f: Facts, _: Logarithms) -> Figures:
    """Warming of the condenser water over the heat that it takes."""
    rise = f.of("condenser_water_return_temperature") - f.of("condenser_water_supply_temperature")
    taken = np.exp(_chilled(f)) + f.of("chiller_power")
    return _log(rise.astype(np.float64), 0.2) - _log(taken, 1000.0) + _on(f, "chiller_status")


def _heat_per_fuel(f: Facts, log: Logarithms) -> Figures:
    heat = _heat(f, "hot_water_supply_temperature", "hot_water_return_temperature", "hot_water_flow")
    return heat - log.of("boiler_fuel_power", 1000.0) + _on(f, "boiler_status")


_FAN_VIBRATION = Own("fan_vibration", 0.3, *_vibration("supply_fan_vibration_velocity", "supply_fan_speed_command"))
_CYCLE = (
    Own("compressor_work", 0.4, *_compression("compressor_power", "compressor_status")),
    Own("compressor_vibration", 0.3, *_vibration("compressor_vibration_velocity", "compressor_speed_command")),
)
_OWN: dict[str, tuple[Own, ...]] = {
    "rtu": (_FAN_VIBRATION, *_CYCLE),
    "heat_pump": (_FAN_VIBRATION, *_CYCLE),
    "chiller": (
        Own("compressor_work", 0.4, *_compression("chiller_power", "chiller_status")),
        Own("compressor_vibration", 0.3, *_vibration("compressor_vibration_velocity", "compressor_speed_command")),
        Own("efficiency", 0.4, _efficiency, (("chiller_power", 1000.0),)),
        Own("condenser_rise", 0.4, _condenser_rise, ()),
        Own("tower_power", 0.3, *_over_speed("tower_fan_power", 50.0, "tower_fan_speed_command", 3.0)),
        Own("pump_flow", 0.15, *_over_speed("chilled_water_flow", 1e-4, "chilled_water_pump_speed_command", 1.0)),
        Own("pump_power", 0.3, *_over_speed("chilled_water_pump_power", 20.0, "chilled_water_pump_speed_command", 3.0)),
    ),
    "boiler": (
        Own("fuel_per_fire", 0.4, *_over_speed("boiler_fuel_power", 1000.0, "boiler_firing_rate_command", 1.0)),
        Own("heat_per_fuel", 0.4, _heat_per_fuel, (("boiler_fuel_power", 1000.0),)),
        Own("pump_flow", 0.15, *_over_speed("hot_water_flow", 1e-5, "hot_water_pump_speed_command", 1.0)),
        Own("pump_power", 0.3, *_over_speed("hot_water_pump_power", 10.0, "hot_water_pump_speed_command", 3.0)),
    ),
    "fan_coil": (
        Own("fan_power_per_speed", 0.4, *_over_speed("supply_fan_power", 2.0, "supply_fan_speed_command", 3.0)),
    ),
    "vav_box": (
        Own("flow_per_damper", 0.4, *_over_speed("zone_air_flow", 0.003, "zone_damper_command", 1.0)),
        Own("box_flow", 1.0, lambda _, log: log.of("zone_air_flow", 0.003), (("zone_air_flow", 0.003),)),
    ),
}  # fmt: skip


def own_figures(kind: str) -> tuple[Own, ...]:
    """The figures of a kind of equipment; their order is part of every snapshot: append, never insert."""
    return _OWN.get(kind, ())
