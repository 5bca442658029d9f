"""Figures of single kinds of equipment that a unit is held against, beside those of every fan.

Each is made so that, for one healthy unit, it hardly depends on load and weather: a compressor's power over the work that
its pressures and speed ask for, a pump's flow over its speed. What is left of it is learned like the other references.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.hvac.facts import Facts

_WATER_JOULES_PER_CUBIC_METER_KELVIN = 4.19e6
# An ideal compression's work with a little more, for losses that do not fall with the lift: with these two, the power of a
# healthy simulated compressor is the same figure within 2 % from the smallest lift to the largest.
_ISENTROPIC_EXPONENT, _LOSS = 0.2, 0.03
Figures = npt.NDArray[np.float64]


class Own(NamedTuple):
    """One figure: the logarithm of it for each unit, shape (m,), NaN where it says nothing now.

    `apart` is how far a minute may be from what was learned and still be learned.
    """

    name: str
    apart: float
    of: Callable[[Facts], Figures]


def _log(values: npt.ArrayLike, least: float) -> Figures:
    """Logarithm where the value is at least `least`, NaN elsewhere."""
    array = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.log(np.where(array >= least, array, np.nan))


def _on(f: Facts, status: str) -> Figures:
    """0 while it has been on for the whole window, NaN elsewhere: to be added to a figure."""
    return np.where(f.of(status) > 0.99, 0.0, np.nan)


def _over_speed(value: str, least: float, speed: str, power: float) -> Callable[[Facts], Figures]:
    """A quantity over a power of the speed that drives it."""
    return lambda f: _log(f.of(value), least) - power * _log(f.of(speed), 0.1)


def _compression(power: str, status: str) -> Callable[[Facts], Figures]:
    """Electric power over speed, suction pressure and the work of an ideal compression between the two pressures."""

    def of(f: Facts) -> Figures:
        low, high = _log(f.of("suction_pressure"), 5e4), _log(f.of("discharge_pressure"), 5e4)
        work = np.exp(_ISENTROPIC_EXPONENT * (high - low)) - 1 + _LOSS
        speed = _log(f.of("compressor_speed_command"), 0.1)
        return _log(f.of(power), 100.0) - speed - low - _log(work, 0.01) + _on(f, status)

    return of


def _vibration(point: str, speed: str) -> Callable[[Facts], Figures]:
    return lambda f: _log(f.of(point), 0.01) - _log(f.of(speed), 0.1)


def _heat(f: Facts, warm: str, cold: str, flow: str) -> Figures:
    """Logarithm of the heat that a flow of water carries, watts."""
    rate = f.of(flow).astype(np.float64) * _WATER_JOULES_PER_CUBIC_METER_KELVIN
    return _log(rate * (f.of(warm) - f.of(cold)), 1000.0)


def _chilled(f: Facts) -> Figures:
    return _heat(f, "chilled_water_return_temperature", "chilled_water_supply_temperature", "chilled_water_flow")


def _efficiency(f: Facts) -> Figures:
    """Cooling over power and over what an ideal cycle between the two pressures would give of it."""
    lift = f.of("discharge_pressure").astype(np.float64) / np.maximum(f.of("suction_pressure"), 5e4)
    return _chilled(f) - _log(f.of("chiller_power"), 1000.0) + _log(np.log(lift), 0.05) + _on(f, "chiller_status")


def _condenser_rise(f: Facts) -> Figures:
    """Warming of the condenser water over the heat that it takes."""
    rise = f.of("condenser_water_return_temperature") - f.of("condenser_water_supply_temperature")
    taken = np.exp(_chilled(f)) + f.of("chiller_power")
    return _log(rise, 0.2) - _log(taken, 1000.0) + _on(f, "chiller_status")


def _heat_per_fuel(f: Facts) -> Figures:
    heat = _heat(f, "hot_water_supply_temperature", "hot_water_return_temperature", "hot_water_flow")
    return heat - _log(f.of("boiler_fuel_power"), 1000.0) + _on(f, "boiler_status")


_FAN_VIBRATION = Own("fan_vibration", 0.3, _vibration("supply_fan_vibration_velocity", "supply_fan_speed_command"))
_CYCLE = (
    Own("compressor_work", 0.4, _compression("compressor_power", "compressor_status")),
    Own("compressor_vibration", 0.3, _vibration("compressor_vibration_velocity", "compressor_speed_command")),
)
_OWN: dict[str, tuple[Own, ...]] = {
    "rtu": (_FAN_VIBRATION, *_CYCLE),
    "heat_pump": (_FAN_VIBRATION, *_CYCLE),
    "chiller": (
        Own("compressor_work", 0.4, _compression("chiller_power", "chiller_status")),
        Own("compressor_vibration", 0.3, _vibration("compressor_vibration_velocity", "compressor_speed_command")),
        Own("efficiency", 0.4, _efficiency),
        Own("condenser_rise", 0.4, _condenser_rise),
        Own("tower_power", 0.3, _over_speed("tower_fan_power", 50.0, "tower_fan_speed_command", 3.0)),
        Own("pump_flow", 0.15, _over_speed("chilled_water_flow", 1e-4, "chilled_water_pump_speed_command", 1.0)),
        Own("pump_power", 0.3, _over_speed("chilled_water_pump_power", 20.0, "chilled_water_pump_speed_command", 3.0)),
    ),
    "boiler": (
        Own("fuel_per_fire", 0.4, _over_speed("boiler_fuel_power", 1000.0, "boiler_firing_rate_command", 1.0)),
        Own("heat_per_fuel", 0.4, _heat_per_fuel),
        Own("pump_flow", 0.15, _over_speed("hot_water_flow", 1e-5, "hot_water_pump_speed_command", 1.0)),
        Own("pump_power", 0.3, _over_speed("hot_water_pump_power", 10.0, "hot_water_pump_speed_command", 3.0)),
    ),
    "fan_coil": (Own("fan_power_per_speed", 0.4, _over_speed("supply_fan_power", 2.0, "supply_fan_speed_command", 3.0)),),
    "vav_box": (
        Own("flow_per_damper", 0.4, _over_speed("zone_air_flow", 0.003, "zone_damper_command", 1.0)),
        Own("box_flow", 1.0, lambda f: _log(f.of("zone_air_flow"), 0.003)),
    ),
}  # fmt: skip


def own_figures(kind: str) -> tuple[Own, ...]:
    """The figures of a kind of equipment; their order is part of every snapshot: append, never insert."""
    return _OWN.get(kind, ())
