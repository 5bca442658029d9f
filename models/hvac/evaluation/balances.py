"""Four balances that mean the same on every air handler, each in tolerances: at 1 it is as far off as sensors may make it.

    mixing    mixed air lies where the damper's command lets it lie between return and outdoor air
    coil      supply air is mixed air plus the fan's heat at closed valves; not below it in heating, not above it in cooling
    setpoint  a controller that gives all it has reaches its setpoint
    pressure  the duct has the pressure that is asked for

They join what ASHRAE Guideline 36 (FC1 to FC15) and NIST's APAR say of single operating modes, so that a plant needs no
list of its modes: two plants whose numbers have nothing in common can be held against each other.
"""

from __future__ import annotations

import numpy as np

from models.hvac.facts import Facts
from models.hvac.points import Floats
from models.hvac.settings import RuleSettings

BALANCES: tuple[str, ...] = ("mixing", "coil", "setpoint", "pressure")

# 1.5 kPa of fan pressure at 60 % efficiency warm air by 2 K; by the fan laws pressure goes with the square of the speed.
_FAN_HEAT_CELSIUS = 2.0
# A closed damper leaks this share, an open one lets so much return air by; half open, the share of outdoor air may be a
# quarter off the command, as blades and pressures have it.
_DAMPER_LEAK_FRACTION = 0.05
_PRESSURE_TOLERANCE_PASCALS = 62.27  # 0.25 in. w.c., as rule AHU-DUCTHI allows


def balances(facts: Facts, settings: RuleSettings) -> Floats:
    """How far each balance is off now, shape (m, 4), in tolerances; NaN where it cannot be judged."""
    with np.errstate(invalid="ignore"):
        off = np.stack(
            [_mixing(facts, settings), _coil(facts, settings), _setpoint(facts, settings), _pressure(facts)], 1
        )
    return np.where(facts.settled[:, None], off, np.float32(np.nan)).astype(np.float32)


def _mixing(f: Facts, s: RuleSettings) -> Floats:
    outdoor, back = f.of("outdoor_air_temperature"), f.of("return_air_temperature")
    command = f.of("outdoor_air_damper_command")
    slack = np.float32(_DAMPER_LEAK_FRACTION) + command * (1 - command)

    def apart(share: Floats) -> Floats:
        """Mixed air over what this share of outdoor air gives, in tolerances: every sensor errs by its own part."""
        tolerance = np.sqrt(
            s.mixed_air_error_celsius**2
            + ((1 - share) * s.return_air_error_celsius) ** 2
            + (share * s.outdoor_air_error_celsius) ** 2
        )
        over = (f.of("mixed_air_temperature") - back - share * (outdoor - back)) / tolerance
        return over.astype(np.float32)

    least, most = apart(np.clip(command - slack, 0, 1)), apart(np.clip(command + slack, 0, 1))
    off: Floats = np.maximum(np.minimum(least, most), -np.maximum(least, most))
    return off.clip(0)  # 0 between the two


def _coil(f: Facts, s: RuleSettings) -> Floats:
    speed = f.of("supply_fan_speed_command")
    warmed = f.of("supply_air_temperature") - f.of("mixed_air_temperature") - np.float32(_FAN_HEAT_CELSIUS) * speed**2
    no_heating = f.heating_closed_seconds > s.coil_rest_seconds
    no_cooling = f.cooling_closed_seconds > s.coil_rest_seconds
    heating = (f.of("heating_valve_command") > s.valve_open_fraction) & (f.heating_closed_seconds == 0) & no_cooling
    cooling = (f.of("cooling_valve_command") > s.valve_open_fraction) & (f.cooling_closed_seconds == 0) & no_heating
    off: Floats = np.select([no_heating & no_cooling, heating, cooling], [np.abs(warmed), -warmed, warmed], np.nan)
    return off / np.float32(np.hypot(s.supply_air_error_celsius, s.mixed_air_error_celsius))


def _setpoint(f: Facts, s: RuleSettings) -> Floats:
    own, supply = f.of("supply_air_temperature_setpoint"), f.of("supply_air_temperature")
    lack = np.where(np.isnan(own), f.of("supply_air_heating_temperature_setpoint"), own) - supply
    over = supply - np.where(np.isnan(own), f.of("supply_air_cooling_temperature_setpoint"), own)
    full_heating = f.of("heating_valve_command") >= s.valve_full_fraction
    full_cooling = f.of("cooling_valve_command") >= s.valve_full_fraction
    # While the controller has something left to give, a deviation is on its way out.
    off = np.where(full_heating, lack, np.where(full_cooling, over, np.float32(0)))
    return (off / s.setpoint_deviation_celsius).astype(np.float32)


def _pressure(f: Facts) -> Floats:
    apart: Floats = np.abs(f.of("supply_air_static_pressure") - f.of("supply_air_static_pressure_setpoint"))
    return apart / np.float32(_PRESSURE_TOLERANCE_PASCALS)
