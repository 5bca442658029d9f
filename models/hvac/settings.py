"""Thresholds and times of rules, diagnosis and episodes: SI and Celsius, defaults here and in monitor.sample.toml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from models.contracts.settings import Count, Positive, Settings
from models.hvac.costs import CostSettings
from models.hvac.rules_settings import (
    AirRules,
    Degrees,
    EconomizerRules,
    Fraction,
    PlantRules,
    Seconds,
    SensorRules,
    TerminalRules,
)


class RuleSettings(Settings, frozen=True):
    """Times of all rules and thresholds of our own; those of the catalogue stand in a table for each of its families.

    Temperatures are differences in kelvin, written as Celsius.
    """

    startup_seconds: Seconds = 600  # after a fan start nothing is judged
    gap_seconds: Seconds = 300  # a longer gap starts every confirmation anew
    supply_air_error_celsius: Degrees = 0.65
    mixed_air_error_celsius: Degrees = 0.65
    return_air_error_celsius: Degrees = 0.65
    outdoor_air_error_celsius: Degrees = 0.65
    fan_heat_celsius: Degrees = 0.6
    setpoint_error_celsius: Degrees = 1.0
    setpoint_deviation_celsius: Degrees = 3.0
    static_pressure_error_pascals: Positive = 30.0
    fan_full_fraction: Fraction = 0.87
    valve_closed_fraction: Fraction = 0.02
    valve_open_fraction: Fraction = 0.1
    valve_full_fraction: Fraction = 0.9
    damper_open_fraction: Fraction = 0.9
    economizer_damper_fraction: Fraction = 0.42
    coil_rest_seconds: Seconds = 900  # a coil needs this long to lose its heat after the valve closed
    outdoor_return_split_celsius: Degrees = 4.0  # below it the share of outdoor air cannot be told
    outdoor_air_fraction_error: Fraction = 0.25
    hot_water_rest_celsius: Degrees = 10.0  # return water of a closed valve is at least so far below supply
    balance_error_celsius: Degrees = 1.5
    chilled_water_rise_celsius: Degrees = 2.2
    filter_resistance_rise: Positive = 1.4  # times the unit's own clean filter
    fan_speed_excess: Fraction = 0.1  # over what the unit's own power and flow explain
    confirmation_seconds: Mapping[str, Seconds] = {}  # by rule, where its own time is not wanted
    air: AirRules = AirRules()
    economizer: EconomizerRules = EconomizerRules()
    plant: PlantRules = PlantRules()
    terminal: TerminalRules = TerminalRules()
    sensor: SensorRules = SensorRules()


class BaselineSettings(Settings, frozen=True):
    """How a unit's own healthy references are learned."""

    settle_seconds: Seconds = 180  # after a fan start
    minutes_min: Count = 6  # fewer good minutes: no reference, no verdict from it
    minutes_max: Count = 2880  # two days of running time; then the reference stands until maintenance


class EpisodeSettings(Settings, frozen=True):
    """When an episode opens and when it ends."""

    open_probability: Fraction = 0.7
    clear_probability: Fraction = 0.3
    open_minutes: Count = 6
    # Surely a fault, but of which family stays open: the most probable one opens after this time.
    unsure_probability: Fraction = 0.95
    unsure_minutes: Count = 15
    # A family that only rules tell: healthy simulated units showed one for 71 minutes at most.
    rule_open_minutes: Count = 120
    # As often a building's habit as a fault: shown with the unit's rules, no alert unless taken out of here.
    quiet_families: tuple[str, ...] = ("schedule_wrong", "control_hunting")
    clear_minutes: Count = 120  # minutes in which the evidence could have shown, and did not


class MonitorSettings(Settings, frozen=True):
    """Everything that decides a verdict and what an alert says of it, but for the trained models."""

    rules: RuleSettings = RuleSettings()
    baseline: BaselineSettings = BaselineSettings()
    episodes: EpisodeSettings = EpisodeSettings()
    costs: CostSettings = CostSettings()
    # Of the trained models: float, or int8 for gateways without fast floats. Gateway and stream agree only on the same.
    precision: Literal["float", "int8"] = "float"
