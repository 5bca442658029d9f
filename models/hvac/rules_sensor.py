"""The catalogue's rules on sensors and control outputs of any equipment, one row a rule."""

from __future__ import annotations

from models.hvac import conditions_sensor as sensor
from models.hvac.rule import Rule, Threshold, catalogue_rule

_ANY = ("ahu", "rtu", "heat_pump", "chiller", "boiler", "fan_coil", "vav_box")


def _one(parameter: str, setting: str, unit: str = "as it is") -> Threshold:
    return Threshold(parameter, unit, (f"sensor.{setting}",))


SENSOR_RULES: tuple[Rule, ...] = (
    catalogue_rule(
        "SV-RANGE", "Sensor reads what cannot be", "worst sensor outside its range, as a share of the range",
        (), sensor.out_of_range, sweep="every sensor of the unit",
        confirm=300, unit="fraction", equipment=_ANY, families=("sensor_fault",),
        thresholds=(
            _one("range_scale_temperature", "range_scale_temperature"),
            _one("range_scale_humidity", "range_scale_humidity"),
            _one("range_scale_pressure", "range_scale_pressure"),
        ),
    ),
    catalogue_rule(
        "SV-FLATLINE", "Sensor does not move", "a temperature or humidity within its tolerance for the whole window",
        (), sensor.flat_line, sweep="every temperature and humidity of the unit",
        confirm=300, unit="hours", equipment=_ANY, families=("sensor_fault",), inclusive=True,
        thresholds=(_one("flatline_tol", "flatline_celsius", "degF difference"),
            _one("flatline_hours", "flatline_hours")),
    ),
    catalogue_rule(
        "SV-SPIKE", "Sensor jumps", "worst step from one reading to the next > limit of its kind",
        (), sensor.jumps, sweep="every sensor of the unit",
        confirm=300, unit="fraction", equipment=_ANY, families=("sensor_fault",),
        thresholds=(
            _one("spike_scale", "spike_scale"), _one("spike_scale_temperature", "spike_scale_temperature"),
            _one("spike_scale_humidity", "spike_scale_humidity"), _one("spike_scale_pressure", "spike_scale_pressure"),
        ),
    ),
    catalogue_rule(
        "SV-STALE", "No fresh readings", "no temperature or humidity has changed at all for the whole window",
        (), sensor.stale, sweep="every temperature and humidity of the unit",
        confirm=300, unit="hours", equipment=_ANY, families=("sensor_fault",), inclusive=True,
        thresholds=(_one("stale_hours", "stale_hours"),),
    ),
    catalogue_rule(
        "SV-RATE", "Sensor changes faster than can be", "worst lasting change an hour > limit of its kind",
        (), sensor.changes_too_fast, sweep="every sensor of the unit",
        confirm=600, unit="fraction", equipment=_ANY, families=("sensor_fault",),
        thresholds=(
            _one("persistence_min", "rate_minutes"), _one("transition_window_min", "transition_minutes"),
            _one("max_gap_hours", "rate_gap_hours"), _one("design_flow", "design_flow_cubic_meters_per_second", "cfm"),
            _one("sensor_span", "span"),
        ),
    ),
    catalogue_rule(
        "PID-HUNT-1", "Control output hunts", "within an hour: travel, span, cycles and reversals all beyond their limits",
        (), sensor.output_hunts, sweep="every control output of the unit",
        confirm=300, unit="fraction", equipment=_ANY, inclusive=True,
        families=("control_hunting",),
        # Stages and compressors switch all the time, and are right to.
        speaks_on=("ahu", "fan_coil", "vav_box"),
        thresholds=(
            _one("change_deadband_pct", "hunting_deadband_fraction", "percent"),
            _one("minimum_span_pct", "hunting_span_fraction", "percent"),
            _one("total_variation_fault_pct", "hunting_travel", "percent"),
            _one("minimum_equivalent_cycles", "hunting_cycles"), _one("minimum_reversals", "hunting_reversals"),
            _one("minimum_coverage_pct", "hunting_coverage_fraction", "percent"),
        ),
    ),
    catalogue_rule(
        "WX-1", "Outdoor air jumps", "step of OAT from one reading to the next > e",
        ("outdoor_air_temperature",), sensor.outdoor_jumps, confirm=300, equipment=_ANY, families=("sensor_fault",),
        thresholds=(_one("spike_limit", "outdoor_spike_celsius", "degF difference"),),
    ),
)  # fmt: skip
