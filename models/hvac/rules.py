"""The rule library: one row a rule, each a vectorised comparison of what was measured with what physics allows.

A rule gives its *excess* over its threshold for every unit at once, in its own unit: above 0 the rule holds, NaN means that
it cannot be judged now (a point is missing, the fan is off or just started, the mode is another). It is *confirmed* once it
has held for its confirmation time. Sources: ASHRAE Guideline 36 (G36), NIST's air handler performance assessment rules
(APAR), and rules of our own against a unit's own healthy reference; equations are in our words and units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from models.contracts.points import POINTS
from models.hvac import conditions
from models.hvac.facts import Facts
from models.hvac.points import R_MAX, Bools, Floats, State
from models.hvac.settings import RuleSettings


class Rule(NamedTuple):
    """One rule, of the kinds of `equipment` that have its `points`; where one of these is not read, it gives no verdict.

    `families` are the faults that it speaks for, the likeliest first; empty: it is shown, never an alert.

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
    equipment: tuple[str, ...] = ("ahu",)


_SAT, _MAT = "supply_air_temperature", "mixed_air_temperature"
_OAT, _RAT = "outdoor_air_temperature", "return_air_temperature"
_HV, _CV = "heating_valve_command", "cooling_valve_command"
_OAD, _FAN = "outdoor_air_damper_command", "supply_fan_speed_command"

RULE_TABLE: tuple[Rule, ...] = (
    Rule(
        "FC1", "Duct pressure low at full fan", "DSP < DSPSP - e_dsp and fan speed >= full",
        ("supply_air_static_pressure", "supply_air_static_pressure_setpoint", _FAN),
        ("fan_belt_worn", "filter_fouled"), 600, "G36 FC1", "pascals", conditions.static_pressure_low,
    ),
    Rule(
        "FC2", "Mixed air below outdoor and return air", "MAT + e_mat < min(RAT - e_rat, OAT - e_oat)",
        (_MAT, _RAT, _OAT), (), 600, "G36 FC2, APAR", "celsius", conditions.mixed_air_below_envelope,
    ),
    Rule(
        "FC3", "Mixed air above outdoor and return air", "MAT - e_mat > max(RAT + e_rat, OAT + e_oat)",
        (_MAT, _RAT, _OAT), (), 600, "G36 FC3, APAR", "celsius", conditions.mixed_air_above_envelope,
    ),
    Rule(
        "FC5", "Supply air cold while heating", "SAT + e_sat <= MAT - e_mat + fan heat while heating is commanded",
        (_SAT, _MAT, _HV), ("supply_air_sensor_drift",), 900, "G36 FC5, APAR", "celsius",
        conditions.supply_cold_while_heating,
    ),
    Rule(
        "FC7", "Supply air low at full heating", "SAT < SATSP - e and heating valve >= full",
        (_SAT, _HV), (), 900, "G36 FC7", "celsius", conditions.supply_low_at_full_heating,
    ),
    Rule(
        "FC8", "Supply and mixed air differ in economizer", "|SAT - fan heat - MAT| > hypot(e_sat, e_mat), coils closed",
        (_SAT, _MAT, _HV, _CV, _OAD), ("supply_air_sensor_drift", "heating_valve_leaking"), 900, "G36 FC8, APAR",
        "celsius", conditions.supply_differs_in_economizer,
    ),
    Rule(
        "FC10", "Mixed air is not outdoor air at open damper", "|MAT - OAT| > hypot(e_mat, e_oat), damper > 90 %",
        (_MAT, _OAT, _RAT, _OAD), ("damper_stuck",), 900, "G36 FC10, APAR", "celsius",
        conditions.mixed_differs_at_open_damper,
    ),
    Rule(
        "FC12", "Supply air above mixed air while cooling", "SAT - e_sat - fan heat >= MAT + e_mat while cooling",
        (_SAT, _MAT, _CV), ("heating_valve_leaking", "cooling_capacity_low", "supply_air_sensor_drift"), 900,
        "G36 FC12, APAR", "celsius", conditions.supply_above_mixed_while_cooling,
    ),
    Rule(
        "FC13", "Supply air high at full cooling", "SAT > SATSP + e and cooling valve >= full",
        (_SAT, _CV), ("cooling_capacity_low", "supply_air_sensor_drift", "heating_valve_leaking"), 900,
        "G36 FC13, APAR", "celsius", conditions.supply_high_at_full_cooling,
    ),
    Rule(
        "SAT-WARM", "Supply air warm with both valves closed", "SAT - MAT - fan heat > e for closed, rested coils",
        (_SAT, _MAT, _HV, _CV), ("heating_valve_leaking", "supply_air_sensor_drift"), 600, "own, after G36 FC15",
        "celsius", conditions.supply_warm_with_coils_closed,
    ),
    Rule(
        "SAT-COOL", "Supply air cool with both valves closed", "MAT + fan heat - SAT > e for closed, rested coils",
        (_SAT, _MAT, _HV, _CV), ("supply_air_sensor_drift",), 600, "own, after G36 FC14", "celsius",
        conditions.supply_cool_with_coils_closed,
    ),
    Rule(
        "HWR-HOT", "Hot water returns hot from a closed valve", "HWST - HWRT < rest for a closed, rested valve",
        ("hot_water_supply_temperature", "hot_water_return_temperature", _MAT, _HV), ("heating_valve_leaking",), 600,
        "own, after G36 FC15", "celsius", conditions.hot_water_returns_hot, 12.0,
    ),
    Rule(
        "OAF-DEV", "Share of outdoor air differs from the damper", "|(MAT - RAT) / (OAT - RAT) - damper| > e",
        (_MAT, _RAT, _OAT, _OAD), ("damper_stuck",), 600, "own, after G36 FC6", "fraction",
        conditions.outdoor_air_fraction_differs,
    ),
    Rule(
        "AHU-SIMUL", "Heating and cooling at once", "heating valve > open and cooling valve > open",
        (_HV, _CV), (), 600, "own", "fraction", conditions.heating_and_cooling,
    ),
    Rule(
        "AHU-SATDEV", "Supply air far from its setpoint", "|SAT - SATSP| > e",
        (_SAT,), ("cooling_capacity_low", "supply_air_sensor_drift", "heating_valve_leaking"), 900, "own",
        "celsius", conditions.setpoint_deviation,
    ),
    Rule(
        "ECON-IDLE", "Cooling while outdoor air would do", "OAT < RAT - split, cooling valve open, damper < economizing",
        (_OAT, _RAT, _OAD, _CV), (), 900, "APAR", "fraction", conditions.economizer_idle,
    ),
    Rule(
        "ECON-WARM", "Damper open while it is warm outside", "OAT > RAT + split and damper > economizing",
        (_OAT, _RAT, _OAD), (), 900, "APAR", "fraction", conditions.economizer_when_warm,
    ),
    Rule(
        "CMD-1", "Fan does not do as commanded", "fan speed command and fan status disagree",
        (_FAN, "supply_fan_status"), (), 600, "own", "state", conditions.fan_disagrees,
    ),
    Rule(
        "CHW-1", "Chilled water hardly warms up", "CHWRT - CHWST < e while the cooling valve is open",
        ("chilled_water_supply_temperature", "chilled_water_return_temperature", _CV), ("cooling_capacity_low",), 900,
        "own", "celsius", conditions.low_chilled_water_rise,
    ),
    Rule(
        "FLT-REF", "Filter resists more than when clean", "pressure drop / flow > rise x the unit's own reference",
        ("filter_differential_pressure", "supply_air_flow"), ("filter_fouled",), 600, "own", "fraction",
        conditions.filter_resistance_high, 4.0,
    ),
    Rule(
        "BELT-REF", "Fan turns faster than its air needs", "speed / power^(1/3) > (1 + e) x the unit's own reference",
        (_FAN, "supply_fan_power", "supply_air_flow"), ("fan_belt_worn",), 600, "own", "fraction",
        conditions.fan_outruns_flow, 4.0,
    ),
)  # fmt: skip


def judge(facts: Facts, settings: RuleSettings) -> Floats:
    """Excess of every rule of the kind over its threshold, shape (m, R_MAX); NaN where a rule cannot be judged."""
    kind = facts.kind
    excess = np.full((len(facts.rows), R_MAX), np.nan, dtype=np.float32)
    # Counts of missing points, small whole numbers: exact in float32 in any order of addition.
    lacking: Bools = np.greater(np.isnan(facts.mean).astype(np.float32) @ kind.needs.T.astype(np.float32), 0)
    idle: list[bool] = np.all(lacking, axis=0).tolist()
    with np.errstate(invalid="ignore", divide="ignore"):
        for index, rule in enumerate(kind.rules):
            if not idle[index]:
                excess[:, index] = rule.excess(facts, settings)
    excess[lacking] = np.nan
    return excess


def confirm(state: State, facts: Facts, excess: Floats, settings: RuleSettings) -> Bools:
    """Which rules have held for their confirmation time, shape (m, R_MAX).

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
    confirmed: Bools = holds & (at + 60_000 - since >= facts.kind.confirmation_ms)
    return confirmed


def _check_table() -> None:
    """Every point that the table names exists; a misspelling fails at import."""
    for rule in RULE_TABLE:
        unknown = [point for point in rule.points if point not in POINTS]
        if unknown:
            raise ValueError(f"rule {rule.id}: unknown points {unknown!r}")


_check_table()
