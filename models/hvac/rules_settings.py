"""Thresholds of the rule catalogue, one struct a family of rules: SI and Celsius, the catalogue's defaults converted.

Differences of temperature are in kelvin, written as Celsius. The catalogue's own figure stands beside each default; a test
converts and compares them. Several rules share a threshold where it is the same thing: what a sensor may be wrong by.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from models.contracts.settings import Settings

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
Degrees = Annotated[float, msgspec.Meta(ge=0, le=60)]
Temperature = Annotated[float, msgspec.Meta(ge=-60, le=150)]
AtLeastZero = Annotated[float, msgspec.Meta(ge=0)]
Seconds = Annotated[int, msgspec.Meta(ge=0)]
Whole = Annotated[int, msgspec.Meta(ge=0)]


class AirRules(Settings, frozen=True):
    """Air handlers: FC1 to FC15, AHU-*, and the rules on fan, damper, valve and reset."""

    mode_delay_seconds: Seconds = 0  # after a change of operating mode FC rules are not judged
    mixed_air_error_celsius: Degrees = 0.6389  # 1.15 °F
    return_air_error_celsius: Degrees = 0.6389
    outdoor_air_error_celsius: Degrees = 0.6389
    supply_air_error_celsius: Degrees = 0.6389
    coil_error_celsius: Degrees = 0.6389  # FC14, FC15: each of the coil's two sensors
    fan_heat_celsius: Degrees = 0.3056  # 0.55 °F
    setpoint_error_celsius: Degrees = 0.5556  # 1.0 °F: FC7, FC13
    static_pressure_error_pascals: AtLeastZero = 29.89  # 0.12 in. w.c.: FC1
    fan_full_fraction: Fraction = 0.87  # FC1
    heating_on_fraction: Fraction = 0.01  # above: heating is commanded
    heating_full_fraction: Fraction = 0.9  # FC7
    cooling_on_fraction: Fraction = 0.01
    cooling_full_fraction: Fraction = 0.01  # FC13
    cooling_inactive_fraction: Fraction = 0.1  # below: free cooling alone
    damper_minimum_fraction: Fraction = 0.05  # at most: the damper is at its minimum; above: economizing
    damper_full_fraction: Fraction = 0.9
    mode_changes_an_hour_max: Whole = 5  # FC4
    outdoor_return_split_celsius: Degrees = 2.7778  # 5 °F: FC6
    outdoor_air_fraction_error: Fraction = 0.15  # FC6
    outdoor_air_design_cubic_meters_per_second: AtLeastZero = 2.35974  # 5,000 cfm: FC6
    setpoint_deviation_celsius: Degrees = 2.7778  # 5 °F: AHU-SATDEV
    duct_pressure_margin_pascals: AtLeastZero = 62.27  # 0.25 in. w.c.: AHU-DUCTHI
    duct_pressure_on_pascals: AtLeastZero = 49.82  # 0.2 in. w.c.: above it the duct is under pressure
    valves_open_fraction: Fraction = 0.1  # AHU-SIMUL
    web_temperature_error_celsius: Degrees = 2.7778  # 5 °F: OAT-METEO
    duct_pressure_trim_pascals: AtLeastZero = 336.26  # 1.35 in. w.c.: TRIM-1
    comfort_low_celsius: Temperature = 21.1111  # 70 °F: SCHED-1
    comfort_high_celsius: Temperature = 23.8889  # 75 °F
    outdoor_air_fraction_min: Fraction = 0.15  # OA-1
    fraction_split_celsius: Degrees = 1.2222  # 2.2 °F: OA-1, ECON-4: below it the share of outdoor air cannot be told
    damper_leak_celsius: Degrees = 1.1111  # 2 °F: DMP-1
    valve_closed_fraction: Fraction = 0.05  # VLV-1: at most
    valve_leak_setpoint_celsius: Degrees = 1.1111  # 2 °F: VLV-1
    valve_leak_mixed_celsius: Degrees = 1.1111  # 2 °F: VLV-1
    reset_error_celsius: Degrees = 1.6667  # 3 °F: RESET-1
    reset_setpoint_celsius: Temperature = 11.1111  # 52 °F at reset_outdoor_celsius
    reset_slope: Annotated[float, msgspec.Meta(ge=-5, le=5)] = 0.25  # kelvin of setpoint a kelvin outdoors
    reset_outdoor_celsius: Temperature = 18.3333  # 65 °F


class EconomizerRules(Settings, frozen=True):
    """ECON-1 to ECON-7 and MECH-OAT-1."""

    closed_outdoor_celsius: Temperature = 12.7778  # 55 °F: ECON-1
    closed_damper_fraction: Fraction = 0.05  # ECON-1: below
    warm_outdoor_celsius: Temperature = 17.2222  # 63 °F: ECON-2
    warm_damper_fraction: Fraction = 0.42  # ECON-2
    integrated_low_celsius: Temperature = 15.5556  # 60 °F: ECON-3
    integrated_high_celsius: Temperature = 22.2222  # 72 °F: ECON-3
    integrated_dew_point_celsius: Temperature = 15.5556  # 60 °F: ECON-3
    integrated_damper_fraction: Fraction = 0.9  # ECON-3
    outdoor_air_fraction_min: Fraction = 0.21  # ECON-4
    preheat_error_celsius: Degrees = 1.2222  # 2.2 °F: ECON-5
    freezing_outdoor_celsius: Temperature = -3.8889  # 25 °F: ECON-6
    freezing_damper_fraction: Fraction = 0.25  # ECON-6
    free_low_celsius: Temperature = 1.6667  # 35 °F: ECON-7
    free_high_celsius: Temperature = 22.2222  # 72 °F: ECON-7
    free_dew_point_celsius: Temperature = 15.5556  # 60 °F: ECON-7
    free_damper_fraction: Fraction = 0.5  # ECON-7
    mechanical_outdoor_celsius: Temperature = 15.5556  # 60 °F: MECH-OAT-1


class PlantRules(Settings, frozen=True):
    """Chillers, towers, boilers and heat pumps."""

    power_on_watts: AtLeastZero = 500.0  # above: the machine is proven on
    current_on_amperes: AtLeastZero = 1.0
    water_rise_celsius: Degrees = 2.2222  # 4 °F: CHW-1
    differential_pressure_margin_pascals: AtLeastZero = 15168.5  # 2.2 psi: CHW-2
    pump_full_fraction: Fraction = 0.87  # CHW-2, CHW-4
    supply_deadband_celsius: Degrees = 1.2222  # 2.2 °F: CHW-3
    flow_high_cubic_meters_per_second: AtLeastZero = 0.069399  # 1,100 gpm: CHW-4
    supply_low_celsius: Temperature = 7.2222  # 45 °F: TRIM-4
    hot_supply_high_celsius: Temperature = 71.1111  # 160 °F: TRIM-3
    requests_low: AtLeastZero = 1.0  # TRIM-1, TRIM-3, TRIM-4
    tower_approach_celsius: Degrees = 3.8889  # 7 °F: CW-OPT-1, CW-FAN-1
    tower_slack_celsius: Degrees = 1.1111  # 2 °F: CW-OPT-1
    tower_approach_max_celsius: Degrees = 4.4444  # 8 °F: CW-APR-1
    tower_fan_full_fraction: Fraction = 0.95  # CW-APR-1, CW-FAN-1
    tower_excess_celsius: Degrees = 2.7778  # 5 °F: CW-FAN-1
    heating_supply_celsius: Temperature = 29.4444  # 85 °F: HP-1
    zone_cold_celsius: Temperature = 20.5556  # 69 °F: HP-1
    always_on_fraction: Fraction = 0.95  # SCHED-247
    always_on_hours_min: AtLeastZero = 24.0  # SCHED-247: judged only over so many hours seen of the last seven days


class TerminalRules(Settings, frozen=True):
    """VAV boxes and zones."""

    flow_on_cubic_meters_per_second: AtLeastZero = 0.011799  # 25 cfm: air flows
    zone_low_celsius: Temperature = 21.1111  # 70 °F: VAV-1
    zone_high_celsius: Temperature = 23.8889  # 75 °F
    setback_celsius: Temperature = 20.0  # 68 °F: VAV-2
    warm_outdoor_celsius: Temperature = 25.5556  # 78 °F: VAV-3
    warm_reheat_fraction: Fraction = 0.52  # VAV-3
    damper_open_fraction: Fraction = 0.975  # VAV-4
    damper_open_hours: AtLeastZero = 1.5  # VAV-4
    closed_flow_cubic_meters_per_second: AtLeastZero = 0.023597  # 50 cfm: VAV-5
    closed_damper_fraction: Fraction = 0.1  # VAV-5
    cool_outdoor_celsius: Temperature = 18.3333  # 65 °F: VAV-6
    cool_reheat_fraction: Fraction = 0.25  # VAV-6
    reheat_open_fraction: Fraction = 0.3  # VAV-REHEAT
    reheat_rise_celsius: Degrees = 1.6667  # 3 °F: VAV-REHEAT
    parent_difference_celsius: Degrees = 4.4444  # 8 °F: VAV-AHU-LEAVE
    fixed_flow_spread_cubic_meters_per_second: AtLeastZero = 0.0070792  # 15 cfm: VAV-7
    fixed_flow_mean_cubic_meters_per_second: AtLeastZero = 0.094389  # 200 cfm: VAV-7
    minimum_flow_high_cubic_meters_per_second: AtLeastZero = 0.117987  # 250 cfm: VAV-7


class SensorRules(Settings, frozen=True):
    """Sensors of any equipment, and hunting control outputs. Scales multiply the limits of rules_sensor.py."""

    range_scale_temperature: AtLeastZero = 1.0
    range_scale_humidity: AtLeastZero = 1.0
    range_scale_pressure: AtLeastZero = 1.0
    flatline_celsius: Degrees = 0.0556  # 0.1 °F: SV-FLATLINE
    flatline_hours: AtLeastZero = 1.0
    stale_hours: AtLeastZero = 2.0
    spike_scale: AtLeastZero = 1.0
    spike_scale_temperature: AtLeastZero = 1.0
    spike_scale_humidity: AtLeastZero = 1.0
    spike_scale_pressure: AtLeastZero = 1.0
    outdoor_spike_celsius: Degrees = 8.8889  # 16 °F: WX-1
    rate_minutes: AtLeastZero = 10.0  # SV-RATE: the change is taken over this time
    transition_minutes: AtLeastZero = 20.0  # SV-RATE: after a start or stop three times the rate is allowed
    rate_gap_hours: AtLeastZero = 2.0  # SV-RATE: readings further apart are not compared
    design_flow_cubic_meters_per_second: AtLeastZero = 0.0  # SV-RATE: 0 is unknown, flows are not judged then
    span: AtLeastZero = 0.0  # SV-RATE: of quantities without a limit of their own; 0 is unknown
    hunting_deadband_fraction: Fraction = 0.01  # PID-HUNT-1
    hunting_span_fraction: Fraction = 0.2
    hunting_travel: AtLeastZero = 5.0  # 500 %/h: whole strokes an hour
    hunting_cycles: AtLeastZero = 2.5  # an hour
    hunting_reversals: Whole = 4
    hunting_coverage_fraction: Fraction = 0.8
