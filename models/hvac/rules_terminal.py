"""The catalogue's rules on VAV boxes and zones, one row a rule."""

from __future__ import annotations

from models.hvac import conditions_terminal as terminal
from models.hvac.rule import Rule, Threshold, catalogue_rule

_VAV = ("vav_box",)
_ZONE, _OAT, _REHEAT = "zone_air_temperature", "outdoor_air_temperature", "reheat_valve_command"
_DAMPER, _FLOW = "zone_damper_command", "zone_air_flow"
_DISCHARGE, _INLET = "terminal_discharge_air_temperature", "terminal_inlet_air_temperature"
_PROOF = (_FLOW, "supply_fan_status", "supply_fan_speed_command")


def _one(parameter: str, setting: str, unit: str) -> Threshold:
    return Threshold(parameter, unit, (setting,))


_FLOW_ON = _one("flow_on_min", "terminal.flow_on_cubic_meters_per_second", "cfm")

TERMINAL_RULES: tuple[Rule, ...] = (
    catalogue_rule(
        "VAV-1", "Zone outside its comfort band", "zone air < low or > high",
        (_ZONE,), terminal.zone_uncomfortable, confirm=900, equipment=("vav_box", "fan_coil"),
        thresholds=(
            _one("zone_lo", "terminal.zone_low_celsius", "degF"), _one("zone_hi", "terminal.zone_high_celsius", "degF"),
        ),
    ),
    catalogue_rule(
        "VAV-2", "No night setback", "zone air > setback while unoccupied",
        (_ZONE, "occupancy"), terminal.setback_missed, confirm=900, equipment=("vav_box", "fan_coil"),
        thresholds=(_one("setback_hi", "terminal.setback_celsius", "degF"),),
    ),
    catalogue_rule(
        "VAV-3", "Much reheat in warm weather", "OAT > warm and reheat valve > e while air flows",
        (_OAT, _REHEAT), terminal.reheat_when_warm, confirm=300, unit="fraction", gate="flow", equipment=_VAV,
        optional=_PROOF,
        thresholds=(
            _one("reheat_oat", "terminal.warm_outdoor_celsius", "degF"),
            _one("reheat_pct", "terminal.warm_reheat_fraction", "as it is"), _FLOW_ON,
        ),
    ),
    catalogue_rule(
        "VAV-4", "Box damper stays full open", "damper > open for the whole window while air flows",
        (_DAMPER,), terminal.damper_stays_open, confirm=900, unit="hours", gate="flow", equipment=_VAV, inclusive=True,
        optional=_PROOF, families=("damper_stuck",),
        thresholds=(
            _one("full_open_pct", "terminal.damper_open_fraction", "as it is"),
            _one("sustain_hours", "terminal.damper_open_hours", "as it is"), _FLOW_ON,
        ),
    ),
    catalogue_rule(
        "VAV-5", "Air flows through a closed damper", "flow > e while the damper is nearly closed",
        (_DAMPER, _FLOW), terminal.flow_through_closed_damper, confirm=900, unit="cubic_meters_per_second",
        equipment=_VAV, families=("air_flow_sensor_drift", "damper_stuck"),
    ),
    catalogue_rule(
        "VAV-6", "Reheat while cooling is to be had", "OAT < cool and reheat valve > e",
        (_OAT, _REHEAT), terminal.reheat_when_cooling_is_free, confirm=900, unit="fraction", equipment=_VAV,
        optional=("cooling_available",),
        thresholds=(
            _one("free_cool_oat", "terminal.cool_outdoor_celsius", "degF"),
            _one("reheat_pct", "terminal.cool_reheat_fraction", "as it is"),
        ),
    ),
    catalogue_rule(
        "VAV-REHEAT", "Reheat valve open, no warmer air", "discharge - inlet < e while reheating and air flows",
        (_REHEAT, _DISCHARGE, _INLET), terminal.reheat_without_rise, confirm=900, gate="flow", equipment=_VAV,
        optional=_PROOF, families=("reheat_valve_stuck",),
        thresholds=(
            _one("reheat_cmd", "terminal.reheat_open_fraction", "as it is"),
            _one("min_rise", "terminal.reheat_rise_celsius", "degF difference"), _FLOW_ON,
        ),
    ),
    catalogue_rule(
        "VAV-AHU-LEAVE", "Box discharge differs from its air handler",
        "|discharge - parent supply air| > e while air flows",
        ("parent_supply_air_temperature", _DISCHARGE), terminal.discharge_apart_from_parent, confirm=900, gate="flow",
        equipment=_VAV, optional=_PROOF,
        thresholds=(_one("delta_f", "terminal.parent_difference_celsius", "degF difference"), _FLOW_ON),
    ),
    catalogue_rule(
        "VAV-7", "Air flow at odds with its minimum", "flow < minimum, or flat and high for an hour, or minimum too high",
        (_FLOW,), terminal.flow_at_odds_with_minimum, confirm=900, unit="cubic_meters_per_second", equipment=_VAV,
        optional=("zone_air_flow_minimum_setpoint",),
        thresholds=(
            _FLOW_ON,
            _one("fixed_flow_max_std", "terminal.fixed_flow_spread_cubic_meters_per_second", "cfm"),
            _one("fixed_flow_min_mean", "terminal.fixed_flow_mean_cubic_meters_per_second", "cfm"),
            _one("high_min_flow_sp", "terminal.minimum_flow_high_cubic_meters_per_second", "cfm"),
        ),
    ),
)  # fmt: skip
