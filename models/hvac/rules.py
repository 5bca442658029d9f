"""The rule library: one row a rule, each a vectorised comparison of what was measured with what physics allows.

A rule gives its *excess* over its threshold for every unit at once, in its own unit: above 0 the rule holds, NaN means that
it cannot be judged now (a point is missing, the fan is off or just started, the mode is another). It is *confirmed* once it
has held for its confirmation time. Sources: ASHRAE Guideline 36 (G36), NIST's air handler performance assessment rules
(APAR), and rules of our own against a unit's own healthy reference; equations are in our words and units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.hvac.points import COLUMN, POINTS, Bools, Floats, Ints, Rows, State
from models.hvac.settings import RuleSettings


@dataclass(slots=True)
class Facts:
    """What is known of m units at one minute each. `mean` is over five minutes, `now` over the last one; both (m, P).

    `broken` marks a unit met anew or after a gap, `settled` one whose fan has run for longer than the start-up time;
    `references` holds figures against the unit's own healthy ones by name, NaN while they are being learned.
    """

    rows: Rows
    at_ms: Ints
    now: Floats
    mean: Floats
    broken: Bools
    elapsed_minutes: Floats
    running: Bools
    running_seconds: Ints
    settled: Bools
    heating_closed_seconds: Ints
    cooling_closed_seconds: Ints
    references: dict[str, Floats] = field(default_factory=dict)

    def of(self, point: str) -> Floats:
        """Five-minute mean of a point, shape (m,)."""
        values: Floats = self.mean[:, COLUMN[point]]
        return values

    def known(self, point: str) -> Bools:
        """Whether the point is read at all, shape (m,)."""
        return ~np.isnan(self.mean[:, COLUMN[point]])

    def reference(self, name: str) -> Floats:
        """The unit's own healthy figure, shape (m,)."""
        return self.references.get(name, np.full(len(self.rows), np.nan, dtype=np.float32))


class Rule(NamedTuple):
    """One rule. `families` are the faults that it speaks for, the likeliest first; empty: it is shown, never an alert.

    `weight` is what it adds by itself to the log odds of its first family: for evidence so plain that it counts whatever
    the diagnosis model has learned to make of it.
    """

    id: str
    title: str
    equation: str
    points: tuple[str, ...]
    families: tuple[str, ...]
    confirmation_seconds: int
    source: str
    unit: str
    excess: Callable[[Facts, RuleSettings], Floats]
    weight: float = 0.0


def _when(gate: Bools, value: npt.ArrayLike) -> Floats:
    """The value where the gate is open, NaN (no verdict) elsewhere."""
    return np.where(gate, value, np.float32(np.nan)).astype(np.float32)


def _static_pressure_low(f: Facts, s: RuleSettings) -> Floats:
    lack = f.of("supply_air_static_pressure_setpoint") - f.of("supply_air_static_pressure")
    full = f.of("supply_fan_speed_command") >= s.fan_full_fraction
    return _when(
        f.settled,
        np.where(full, lack, np.minimum(lack, 0)) - s.static_pressure_error_pascals,
    )


def _mixed_air_below_envelope(f: Facts, s: RuleSettings) -> Floats:
    return_low = f.of("return_air_temperature") - s.return_air_error_celsius
    outdoor_low = f.of("outdoor_air_temperature") - s.outdoor_air_error_celsius
    mixed = f.of("mixed_air_temperature") + s.mixed_air_error_celsius
    return _when(f.settled, np.minimum(return_low, outdoor_low) - mixed)


def _mixed_air_above_envelope(f: Facts, s: RuleSettings) -> Floats:
    return_high = f.of("return_air_temperature") + s.return_air_error_celsius
    outdoor_high = f.of("outdoor_air_temperature") + s.outdoor_air_error_celsius
    mixed = f.of("mixed_air_temperature") - s.mixed_air_error_celsius
    return _when(f.settled, mixed - np.maximum(return_high, outdoor_high))


def _supply_cold_while_heating(f: Facts, s: RuleSettings) -> Floats:
    mixed = f.of("mixed_air_temperature") - s.mixed_air_error_celsius + s.fan_heat_celsius
    supply = f.of("supply_air_temperature") + s.supply_air_error_celsius
    heating = (f.of("heating_valve_command") > s.valve_open_fraction) & (f.heating_closed_seconds == 0)
    return _when(f.settled & heating, mixed - supply)


def _heating_setpoint(f: Facts) -> Floats:
    own = f.of("supply_air_temperature_setpoint")
    return np.where(np.isnan(own), f.of("supply_air_heating_temperature_setpoint"), own)


def _cooling_setpoint(f: Facts) -> Floats:
    own = f.of("supply_air_temperature_setpoint")
    return np.where(np.isnan(own), f.of("supply_air_cooling_temperature_setpoint"), own)


def _supply_low_at_full_heating(f: Facts, s: RuleSettings) -> Floats:
    lack = _heating_setpoint(f) - f.of("supply_air_temperature")
    valve = f.of("heating_valve_command")
    full = valve >= s.valve_full_fraction
    return _when(
        f.settled & (valve > s.valve_open_fraction),
        np.where(full, lack, np.minimum(lack, 0)),
    ) - np.float32(s.setpoint_error_celsius)


def _coils_at_rest(f: Facts, s: RuleSettings) -> Bools:
    rested: Bools = (f.heating_closed_seconds > s.coil_rest_seconds) & (f.cooling_closed_seconds > s.coil_rest_seconds)
    return rested


def supply_air_rise(f: Facts, s: RuleSettings) -> Floats:
    """How far supply air is above mixed air and the fan's heat, shape (m,)."""
    rise: Floats = f.of("supply_air_temperature") - f.of("mixed_air_temperature") - np.float32(s.fan_heat_celsius)
    return rise


def _supply_differs_in_economizer(f: Facts, s: RuleSettings) -> Floats:
    tolerance = np.hypot(s.supply_air_error_celsius, s.mixed_air_error_celsius)
    open_damper = f.of("outdoor_air_damper_command") > 0.05
    gate = f.settled & open_damper & _coils_at_rest(f, s)
    return _when(gate, np.abs(supply_air_rise(f, s)) - np.float32(tolerance))


def _mixed_differs_at_open_damper(f: Facts, s: RuleSettings) -> Floats:
    tolerance = np.hypot(s.mixed_air_error_celsius, s.outdoor_air_error_celsius)
    split = np.abs(f.of("return_air_temperature") - f.of("outdoor_air_temperature"))
    gate = (f.of("outdoor_air_damper_command") > s.damper_open_fraction) & (split > s.outdoor_return_split_celsius)
    # A closed damper still leaks a little and an open one does not seal off the return: a share of the split is allowed.
    apart = np.abs(f.of("mixed_air_temperature") - f.of("outdoor_air_temperature"))
    return _when(f.settled & gate, apart - np.float32(tolerance) - np.float32(0.1) * split)


def _supply_above_mixed_while_cooling(f: Facts, s: RuleSettings) -> Floats:
    cooling = f.of("cooling_valve_command") > s.valve_open_fraction
    tolerance = np.float32(s.supply_air_error_celsius + s.mixed_air_error_celsius)
    return _when(f.settled & cooling, supply_air_rise(f, s) - tolerance)


def _supply_high_at_full_cooling(f: Facts, s: RuleSettings) -> Floats:
    above = f.of("supply_air_temperature") - _cooling_setpoint(f)
    valve = f.of("cooling_valve_command")
    full = valve >= s.valve_full_fraction
    return _when(
        f.settled & (valve > s.valve_open_fraction),
        np.where(full, above, np.minimum(above, 0)),
    ) - np.float32(s.setpoint_error_celsius)


def _supply_warm_with_coils_closed(f: Facts, s: RuleSettings) -> Floats:
    return _when(
        f.settled & _coils_at_rest(f, s),
        supply_air_rise(f, s) - np.float32(s.balance_error_celsius),
    )


def _supply_cool_with_coils_closed(f: Facts, s: RuleSettings) -> Floats:
    return _when(
        f.settled & _coils_at_rest(f, s),
        -supply_air_rise(f, s) - np.float32(s.balance_error_celsius),
    )


def _hot_water_returns_hot(f: Facts, s: RuleSettings) -> Floats:
    rested = f.heating_closed_seconds > s.coil_rest_seconds
    drop = f.of("hot_water_supply_temperature") - f.of("hot_water_return_temperature")
    supply_is_hot = f.of("hot_water_supply_temperature") > f.of("mixed_air_temperature") + 2 * s.hot_water_rest_celsius
    return _when(f.settled & rested & supply_is_hot, np.float32(s.hot_water_rest_celsius) - drop)


def outdoor_air_fraction(f: Facts, s: RuleSettings) -> Floats:
    """Share of outdoor air that the temperatures tell, shape (m,); NaN where outdoor and return air are too alike."""
    split = f.of("outdoor_air_temperature") - f.of("return_air_temperature")
    wide = np.abs(split) >= s.outdoor_return_split_celsius
    share = (f.of("mixed_air_temperature") - f.of("return_air_temperature")) / np.where(wide, split, np.float32(1))
    return np.where(wide, share, np.float32(np.nan)).astype(np.float32)


def _outdoor_air_fraction_differs(f: Facts, s: RuleSettings) -> Floats:
    differs = np.abs(outdoor_air_fraction(f, s) - f.of("outdoor_air_damper_command"))
    return _when(f.settled, differs - np.float32(s.outdoor_air_fraction_error))


def _heating_and_cooling(f: Facts, s: RuleSettings) -> Floats:
    both = np.minimum(f.of("heating_valve_command"), f.of("cooling_valve_command"))
    return _when(f.settled, both - np.float32(s.valve_open_fraction))


def _setpoint_deviation(f: Facts, s: RuleSettings) -> Floats:
    high = f.of("supply_air_temperature") - _cooling_setpoint(f)
    low = _heating_setpoint(f) - f.of("supply_air_temperature")
    return _when(f.settled, np.fmax(high, low) - np.float32(s.setpoint_deviation_celsius))


def _economizer_idle(f: Facts, s: RuleSettings) -> Floats:
    outdoor = f.of("outdoor_air_temperature")
    cooling = f.of("cooling_valve_command") > s.valve_open_fraction
    useful = outdoor < f.of("return_air_temperature") - s.outdoor_return_split_celsius
    closed = np.float32(s.economizer_damper_fraction) - f.of("outdoor_air_damper_command")
    return _when(f.settled & cooling & useful, closed)


def _economizer_when_warm(f: Facts, s: RuleSettings) -> Floats:
    warm = f.of("outdoor_air_temperature") > f.of("return_air_temperature") + s.outdoor_return_split_celsius
    return _when(
        f.settled & warm,
        f.of("outdoor_air_damper_command") - np.float32(s.economizer_damper_fraction),
    )


def _fan_disagrees(f: Facts, _: RuleSettings) -> Floats:
    commanded = f.of("supply_fan_speed_command") > 0.05
    status = f.of("supply_fan_status")
    disagree = np.where(commanded, 1 - status, status) - np.float32(0.5)
    return _when(f.known("supply_fan_speed_command"), disagree)


def _low_chilled_water_rise(f: Facts, s: RuleSettings) -> Floats:
    rise = f.of("chilled_water_return_temperature") - f.of("chilled_water_supply_temperature")
    cooling = f.of("cooling_valve_command") > 0.5
    return _when(f.settled & cooling, np.float32(s.chilled_water_rise_celsius) - rise)


def _filter_resistance_high(f: Facts, s: RuleSettings) -> Floats:
    return _when(
        f.settled,
        f.reference("filter_resistance_rise") - np.float32(s.filter_resistance_rise),
    )


def _fan_outruns_flow(f: Facts, s: RuleSettings) -> Floats:
    return _when(f.settled, f.reference("fan_speed_excess") - np.float32(s.fan_speed_excess))


_SAT, _MAT = "supply_air_temperature", "mixed_air_temperature"
_OAT, _RAT = "outdoor_air_temperature", "return_air_temperature"
_HV, _CV = "heating_valve_command", "cooling_valve_command"
_OAD, _FAN = "outdoor_air_damper_command", "supply_fan_speed_command"

RULE_TABLE: tuple[Rule, ...] = (
    Rule(
        "FC1", "Duct pressure low at full fan", "DSP < DSPSP - e_dsp and fan speed >= full",
        ("supply_air_static_pressure", "supply_air_static_pressure_setpoint", _FAN),
        ("fan_belt_worn", "filter_fouled"), 600, "G36 FC1", "pascals", _static_pressure_low,
    ),
    Rule(
        "FC2", "Mixed air below outdoor and return air", "MAT + e_mat < min(RAT - e_rat, OAT - e_oat)",
        (_MAT, _RAT, _OAT), (), 600, "G36 FC2, APAR", "celsius", _mixed_air_below_envelope,
    ),
    Rule(
        "FC3", "Mixed air above outdoor and return air", "MAT - e_mat > max(RAT + e_rat, OAT + e_oat)",
        (_MAT, _RAT, _OAT), (), 600, "G36 FC3, APAR", "celsius", _mixed_air_above_envelope,
    ),
    Rule(
        "FC5", "Supply air cold while heating", "SAT + e_sat <= MAT - e_mat + fan heat while heating is commanded",
        (_SAT, _MAT, _HV), ("supply_air_sensor_drift",), 900, "G36 FC5, APAR", "celsius", _supply_cold_while_heating,
    ),
    Rule(
        "FC7", "Supply air low at full heating", "SAT < SATSP - e and heating valve >= full",
        (_SAT, _HV), (), 900, "G36 FC7", "celsius", _supply_low_at_full_heating,
    ),
    Rule(
        "FC8", "Supply and mixed air differ in economizer", "|SAT - fan heat - MAT| > hypot(e_sat, e_mat), coils closed",
        (_SAT, _MAT, _HV, _CV, _OAD), ("supply_air_sensor_drift", "heating_valve_leaking"), 900, "G36 FC8, APAR",
        "celsius", _supply_differs_in_economizer,
    ),
    Rule(
        "FC10", "Mixed air is not outdoor air at open damper", "|MAT - OAT| > hypot(e_mat, e_oat), damper > 90 %",
        (_MAT, _OAT, _RAT, _OAD), ("damper_stuck",), 900, "G36 FC10, APAR", "celsius", _mixed_differs_at_open_damper,
    ),
    Rule(
        "FC12", "Supply air above mixed air while cooling", "SAT - e_sat - fan heat >= MAT + e_mat while cooling",
        (_SAT, _MAT, _CV), ("cooling_capacity_low", "heating_valve_leaking"), 900, "G36 FC12, APAR", "celsius",
        _supply_above_mixed_while_cooling,
    ),
    Rule(
        "FC13", "Supply air high at full cooling", "SAT > SATSP + e and cooling valve >= full",
        (_SAT, _CV), ("cooling_capacity_low",), 900, "G36 FC13, APAR", "celsius", _supply_high_at_full_cooling,
    ),
    Rule(
        "SAT-WARM", "Supply air warm with both valves closed", "SAT - MAT - fan heat > e for closed, rested coils",
        (_SAT, _MAT, _HV, _CV), ("heating_valve_leaking", "supply_air_sensor_drift"), 600, "own, after G36 FC15",
        "celsius", _supply_warm_with_coils_closed,
    ),
    Rule(
        "SAT-COOL", "Supply air cool with both valves closed", "MAT + fan heat - SAT > e for closed, rested coils",
        (_SAT, _MAT, _HV, _CV), ("supply_air_sensor_drift",), 600, "own, after G36 FC14", "celsius",
        _supply_cool_with_coils_closed,
    ),
    Rule(
        "HWR-HOT", "Hot water returns hot from a closed valve", "HWST - HWRT < rest for a closed, rested valve",
        ("hot_water_supply_temperature", "hot_water_return_temperature", _MAT, _HV), ("heating_valve_leaking",), 600,
        "own, after G36 FC15", "celsius", _hot_water_returns_hot, 12.0,
    ),
    Rule(
        "OAF-DEV", "Share of outdoor air differs from the damper", "|(MAT - RAT) / (OAT - RAT) - damper| > e",
        (_MAT, _RAT, _OAT, _OAD), ("damper_stuck",), 600, "own, after G36 FC6", "fraction",
        _outdoor_air_fraction_differs,
    ),
    Rule(
        "AHU-SIMUL", "Heating and cooling at once", "heating valve > open and cooling valve > open",
        (_HV, _CV), (), 600, "own", "fraction", _heating_and_cooling,
    ),
    Rule(
        "AHU-SATDEV", "Supply air far from its setpoint", "|SAT - SATSP| > e",
        (_SAT,), ("cooling_capacity_low",), 900, "own", "celsius", _setpoint_deviation,
    ),
    Rule(
        "ECON-IDLE", "Cooling while outdoor air would do", "OAT < RAT - split, cooling valve open, damper < economizing",
        (_OAT, _RAT, _OAD, _CV), (), 900, "APAR", "fraction", _economizer_idle,
    ),
    Rule(
        "ECON-WARM", "Damper open while it is warm outside", "OAT > RAT + split and damper > economizing",
        (_OAT, _RAT, _OAD), (), 900, "APAR", "fraction", _economizer_when_warm,
    ),
    Rule(
        "CMD-1", "Fan does not do as commanded", "fan speed command and fan status disagree",
        (_FAN, "supply_fan_status"), (), 600, "own", "state", _fan_disagrees,
    ),
    Rule(
        "CHW-1", "Chilled water hardly warms up", "CHWRT - CHWST < e while the cooling valve is open",
        ("chilled_water_supply_temperature", "chilled_water_return_temperature", _CV), ("cooling_capacity_low",), 900,
        "own", "celsius", _low_chilled_water_rise,
    ),
    Rule(
        "FLT-REF", "Filter resists more than when clean", "pressure drop / flow > rise x the unit's own reference",
        ("filter_differential_pressure", "supply_air_flow"), ("filter_fouled",), 600, "own", "fraction",
        _filter_resistance_high, 4.0,
    ),
    Rule(
        "BELT-REF", "Fan turns faster than its air needs", "speed / power^(1/3) > (1 + e) x the unit's own reference",
        (_FAN, "supply_fan_power", "supply_air_flow"), ("fan_belt_worn",), 600, "own", "fraction", _fan_outruns_flow, 4.0,
    ),
)  # fmt: skip

RULES: tuple[str, ...] = tuple(rule.id for rule in RULE_TABLE)
R = len(RULES)
CONFIRMATION_MS = np.array([rule.confirmation_seconds * 1000 for rule in RULE_TABLE], dtype=np.int64)


def judge(facts: Facts, settings: RuleSettings) -> Floats:
    """Excess of every rule over its threshold, shape (m, R); NaN where a rule cannot be judged."""
    excess = np.empty((len(facts.rows), R), dtype=np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):
        for index, rule in enumerate(RULE_TABLE):
            excess[:, index] = rule.excess(facts, settings)
    return excess


def confirm(state: State, facts: Facts, excess: Floats, settings: RuleSettings) -> Bools:
    """Which rules have held for their confirmation time, shape (m, R).

    A minute without verdict neither confirms nor ends a rule, unless it lasts longer than a gap may.

        holds   . x x x x x x ? x x x x . x
        since     |                     |        confirmed once since is long enough ago and the rule holds now
    """
    at = facts.at_ms[:, None]
    since, last = (
        state["rule_true_since_ms"][facts.rows],
        state["rule_true_at_ms"][facts.rows],
    )
    holds = excess > 0
    stale = facts.broken[:, None] | (at - last > settings.gap_seconds * 1000 + 60_000)
    since = np.where(holds, np.where((since < 0) | stale, at, since), since)
    since = np.where((excess <= 0) | (stale & ~holds), -1, since)
    state["rule_true_since_ms"][facts.rows] = since
    state["rule_true_at_ms"][facts.rows] = np.where(holds, at, last)
    confirmed: Bools = holds & (at + 60_000 - since >= CONFIRMATION_MS)
    return confirmed


def _check_table() -> None:
    """Every point that the table names exists; a misspelling fails at import."""
    for rule in RULE_TABLE:
        unknown = [point for point in rule.points if point not in POINTS]
        if unknown:
            raise ValueError(f"rule {rule.id}: unknown points {unknown!r}")


_check_table()
