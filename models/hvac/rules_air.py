"""The catalogue's rules on air handlers, one row a rule; rooftop units and heat pumps have those whose points they tell."""

from __future__ import annotations

from models.hvac import conditions_air as air
from models.hvac import conditions_economizer as economizer
from models.hvac.rule import Rule, Threshold, catalogue_rule

_AIR = ("ahu", "rtu")
_SAT, _SATSP = "supply_air_temperature", "supply_air_temperature_setpoint"
_MAT, _OAT, _RAT = "mixed_air_temperature", "outdoor_air_temperature", "return_air_temperature"
_HV, _CV = "heating_valve_command", "cooling_valve_command"
_OAD, _FAN, _STATUS = "outdoor_air_damper_command", "supply_fan_speed_command", "supply_fan_status"
_DSP, _DSPSP = "supply_air_static_pressure", "supply_air_static_pressure_setpoint"
_WEB, _WEB_DP, _WEB_RH = (
    "web_outdoor_air_temperature", "web_outdoor_air_dew_point_temperature", "web_outdoor_air_relative_humidity",
)  # fmt: skip
_G36 = "ASHRAE Guideline 36"
_BOTH = f"{_G36}, NIST APAR"

_MIXED, _RETURN, _OUTDOOR, _SUPPLY, _COIL = (
    f"air.{name}_error_celsius" for name in ("mixed_air", "return_air", "outdoor_air", "supply_air", "coil")
)
_DELTA = "degF difference"
_DELAY = Threshold("mode_delay_min", "minutes to seconds", ("air.mode_delay_seconds",))
_EPS_MAT = Threshold("eps_mat", _DELTA, (_MIXED,))
_EPS_RAT = Threshold("eps_rat", _DELTA, (_RETURN,))
_EPS_OAT = Threshold("eps_oat", _DELTA, (_OUTDOOR,))
_EPS_SAT = Threshold("eps_sat", _DELTA, (_SUPPLY,))
_SUPPLY_TOL = Threshold("supply_tol", _DELTA, (_SUPPLY,))
_FAN_HEAT = Threshold("delta_supply_fan", _DELTA, ("air.fan_heat_celsius",))
# On by the fan's own proof: the monitor tells it from status, speed or flow, whichever is surest.
_FAN_ON = Threshold("fan_on_min", "as it is", ())
_HEATING_ON = Threshold("htg_on_min", "as it is", ("air.heating_on_fraction",))
_COOLING_ON = Threshold("clg_on_min", "as it is", ("air.cooling_on_fraction",))
_COOLING_OFF = Threshold("clg_inactive_max", "as it is", ("air.cooling_inactive_fraction",))
_DAMPER_MIN = Threshold("econ_min_pos", "as it is", ("air.damper_minimum_fraction",))
_DAMPER_FULL = Threshold("econ_full_open", "as it is", ("air.damper_full_fraction",))


def _mix_tol(*settings: str) -> Threshold:
    return Threshold("mix_tol", _DELTA, settings)


def _one(parameter: str, setting: str, unit: str = _DELTA) -> Threshold:
    return Threshold(parameter, unit, (setting,))


AIR_RULES: tuple[Rule, ...] = (
    catalogue_rule(
        "FC1", "Duct pressure below its setpoint at full fan", "DSP < DSPSP - e and fan speed >= full",
        (_DSP, _DSPSP, _FAN), air.fc1, confirm=300, unit="pascals", gate="mode", equipment=_AIR, source=_G36,
        families=("fan_belt_worn", "filter_fouled"),
        thresholds=(
            _one("eps_dsp", "air.static_pressure_error_pascals", "inH2O"),
            _one("eps_vfd_spd", "air.fan_full_fraction", "below full"),
            _one("duct_static_err", "air.static_pressure_error_pascals", "inH2O"),
            _one("fan_hi", "air.fan_full_fraction", "as it is"), _DELAY,
        ),
    ),
    catalogue_rule(
        "FC2", "Mixed air colder than return and outdoor air", "MAT + e_mat < min(RAT - e_rat, OAT - e_oat)",
        (_FAN, _MAT, _OAT, _RAT), air.fc2, confirm=600, gate="mode", equipment=_AIR, source=_BOTH,
        families=("sensor_fault",),
        thresholds=(_EPS_MAT, _EPS_RAT, _EPS_OAT, _mix_tol(_MIXED, _RETURN, _OUTDOOR), _FAN_ON, _DELAY),
    ),
    catalogue_rule(
        "FC3", "Mixed air warmer than return and outdoor air", "MAT - e_mat > max(RAT + e_rat, OAT + e_oat)",
        (_FAN, _MAT, _OAT, _RAT), air.fc3, confirm=600, gate="mode", equipment=_AIR, source=_BOTH,
        families=("sensor_fault",),
        thresholds=(_EPS_MAT, _EPS_RAT, _EPS_OAT, _mix_tol(_MIXED, _RETURN, _OUTDOOR), _FAN_ON, _DELAY),
    ),
    catalogue_rule(
        "FC4", "Operating mode changes too often", "mode entries within the last hour > most allowed",
        (_FAN, _OAD), air.fc4, confirm=3600, unit="none", gate="fan", equipment=_AIR, source=_G36,
        any_of=((_CV, "dx_cooling_command"),), families=("control_hunting",),
        speaks_on=("ahu",),
        thresholds=(_one("delta_os_max", "air.mode_changes_an_hour_max", "as it is"), _DELAY),
    ),
    catalogue_rule(
        "FC5", "Supply air cold while heating is commanded", "SAT + e_sat <= MAT - e_mat + fan heat, heating > on",
        (_SAT, _FAN, _MAT), air.fc5, confirm=600, gate="mode", equipment=_AIR, source=_BOTH, inclusive=True,
        any_of=((_HV, "heating_command"),), families=("supply_air_sensor_drift",),
        thresholds=(_EPS_SAT, _EPS_MAT, _FAN_HEAT, _HEATING_ON, _mix_tol(_SUPPLY, _MIXED), _FAN_ON, _DELAY),
    ),
    catalogue_rule(
        "FC6", "Share of outdoor air differs from its design",
        "|(MAT - RAT) / (OAT - RAT) - design / flow| > e, not economizing",
        (_MAT, _OAT, _RAT, "vav_total_air_flow"), air.fc6, confirm=600, unit="fraction", gate="mode_if_told",
        source=_BOTH, families=("damper_stuck",),
        thresholds=(
            _one("eps_airflow", "air.outdoor_air_fraction_error", "as it is"),
            _one("airflow_err", "air.outdoor_air_fraction_error", "as it is"),
            _one("oat_rat_delta_min", "air.outdoor_return_split_celsius"),
            _one("min_cfm_design", "air.outdoor_air_design_cubic_meters_per_second", "cfm"), _FAN_ON, _DELAY,
        ),
    ),
    catalogue_rule(
        "FC7", "Supply air low at full heating", "SAT < SATSP - e and heating > full",
        (_SAT, _SATSP, _FAN), air.fc7, confirm=600, gate="mode", equipment=_AIR, source=_G36,
        any_of=((_HV, "heating_command"),),
        thresholds=(
            _one("eps_sat", "air.setpoint_error_celsius"), _one("sat_err", "air.setpoint_error_celsius"),
            _one("htg_full_min", "air.heating_full_fraction", "as it is"), _FAN_ON, _DELAY,
        ),
    ),
    catalogue_rule(
        "FC8", "Supply air is not mixed air in free cooling", "|SAT - fan heat - MAT| > hypot(e_sat, e_mat), coils closed",
        (_SAT, _MAT, _OAD), air.fc8, confirm=600, gate="mode_if_told", equipment=_AIR, source=_BOTH,
        any_of=((_CV, "dx_cooling_command"),), optional=(_HV,),
        families=("supply_air_sensor_drift", "heating_valve_leaking"),
        thresholds=(
            _EPS_SAT, _EPS_MAT, _FAN_HEAT, _DAMPER_MIN, _COOLING_OFF, _mix_tol(_MIXED), _SUPPLY_TOL, _DELAY,
        ),
    ),
    catalogue_rule(
        "FC9", "Outdoor air too warm for free cooling", "OAT - e_oat > SATSP - fan heat + e_sat in free cooling",
        (_SATSP, _OAD, _OAT), air.fc9, confirm=600, gate="mode_if_told", equipment=_AIR, source=_BOTH,
        any_of=((_CV, "dx_cooling_command"),), optional=(_HV,),
        thresholds=(_EPS_OAT, _EPS_SAT, _FAN_HEAT, _DAMPER_MIN, _COOLING_OFF, _mix_tol(_OUTDOOR, _SUPPLY), _DELAY),
    ),
    catalogue_rule(
        "FC10", "Mixed air is not outdoor air at full damper", "|MAT - OAT| > hypot(e_mat, e_oat), cooling, damper > full",
        (_MAT, _OAD, _OAT), air.fc10, confirm=600, gate="mode_if_told", equipment=_AIR, source=_BOTH,
        any_of=((_CV, "dx_cooling_command"),), families=("damper_stuck",),
        thresholds=(_EPS_MAT, _EPS_OAT, _DAMPER_FULL, _COOLING_ON, _mix_tol(_MIXED, _OUTDOOR), _DELAY),
    ),
    catalogue_rule(
        "FC11", "Outdoor air cold enough, yet mechanical cooling",
        "OAT + e_oat < SATSP - fan heat - e_sat, cooling, damper > full",
        (_SATSP, _OAD, _OAT), air.fc11, confirm=600, gate="mode_if_told", equipment=_AIR, source=_BOTH,
        any_of=((_CV, "dx_cooling_command"),),
        thresholds=(_EPS_OAT, _EPS_SAT, _FAN_HEAT, _DAMPER_FULL, _COOLING_ON, _mix_tol(_OUTDOOR, _SUPPLY), _DELAY),
    ),
    catalogue_rule(
        "FC12", "Supply air above mixed air while cooling",
        "SAT - e_sat - fan heat > MAT + e_mat, cooling, damper at an end",
        (_SAT, _MAT, _OAD), air.fc12, confirm=600, gate="mode_if_told", equipment=_AIR, source=_BOTH,
        any_of=((_CV, "dx_cooling_command"),),
        families=("heating_valve_leaking", "cooling_capacity_low", "supply_air_sensor_drift"),
        thresholds=(
            _EPS_SAT, _EPS_MAT, _FAN_HEAT, _DAMPER_MIN, _DAMPER_FULL, _COOLING_ON, _mix_tol(_MIXED), _SUPPLY_TOL, _DELAY,
        ),
    ),
    catalogue_rule(
        "FC13", "Supply air high while cooling", "SAT > SATSP + e, cooling > on, damper at an end",
        (_SAT, _SATSP, _OAD), air.fc13, confirm=600, gate="mode_if_told", equipment=_AIR, source=_BOTH,
        any_of=((_CV, "dx_cooling_command"),),
        families=("cooling_capacity_low", "supply_air_sensor_drift", "heating_valve_leaking"),
        thresholds=(
            _one("eps_sat", "air.setpoint_error_celsius"), _one("sat_err", "air.setpoint_error_celsius"),
            _one("clg_full_min", "air.cooling_full_fraction", "as it is"), _DAMPER_MIN, _DAMPER_FULL, _DELAY,
        ),
    ),
    catalogue_rule(
        "FC14", "Cooling coil cools while it should rest", "CCET - CCLT >= hypot(e, e) + fan heat, coil inactive",
        ("cooling_coil_entering_air_temperature", "cooling_coil_leaving_air_temperature", _CV, _OAD), air.fc14,
        confirm=600, gate="mode_if_told", source=_G36, inclusive=True, optional=(_HV,), families=("cooling_valve_leaking",),
        thresholds=(
            _one("eps_ccet", _COIL), _one("eps_cclt", _COIL), _FAN_HEAT, _DAMPER_MIN, _COOLING_OFF, _HEATING_ON,
            _mix_tol(_COIL), _DELAY,
        ),
    ),
    catalogue_rule(
        "FC15", "Heating coil heats while it should rest", "HCLT - HCET >= hypot(e, e) + fan heat, coil inactive",
        ("heating_coil_entering_air_temperature", "heating_coil_leaving_air_temperature", _CV, _OAD), air.fc15,
        confirm=600, gate="mode_if_told", source=_G36, inclusive=True, optional=(_HV,), families=("heating_valve_leaking",),
        thresholds=(
            _one("eps_hcet", _COIL), _one("eps_hclt", _COIL), _FAN_HEAT, _DAMPER_MIN, _DAMPER_FULL, _COOLING_OFF,
            _COOLING_ON, _mix_tol(_COIL), _DELAY,
        ),
    ),
    catalogue_rule(
        "AHU-SATDEV", "Supply air far from its setpoint", "|SAT - SATSP| > e",
        (_SAT, _SATSP), air.setpoint_deviation, confirm=600, gate="fan_if_told", equipment=_AIR,
        thresholds=(_one("sat_dev_err", "air.setpoint_deviation_celsius"),),
    ),
    catalogue_rule(
        "AHU-DUCTHI", "Duct pressure high", "DSP > DSPSP + e while the fan runs or the duct is under pressure",
        (_DSP, _DSPSP), air.duct_pressure_high, confirm=300, unit="pascals",
        thresholds=(
            _one("duct_high_margin", "air.duct_pressure_margin_pascals", "inH2O"),
            _one("pressure_on_min", "air.duct_pressure_on_pascals", "inH2O"),
        ),
    ),
    catalogue_rule(
        "AHU-SIMUL", "Heating and cooling at once", "heating valve > open and cooling valve > open",
        (_CV, _HV), air.heating_and_cooling, confirm=300, unit="fraction", gate="fan_if_told",
        families=("simultaneous_heating_cooling",),
        thresholds=(_one("valve_open_pct", "air.valves_open_fraction", "as it is"),),
    ),
    catalogue_rule(
        "OAT-METEO", "Outdoor sensor differs from the weather service", "|OAT - web OAT| > e",
        (_OAT, _WEB), air.outdoor_sensor_differs, confirm=900, equipment=_AIR, families=("sensor_fault",),
        thresholds=(_one("oat_err", "air.web_temperature_error_celsius"),),
    ),
    catalogue_rule(
        "ECON-1", "Economizer stays closed", "OAT > mild and damper < closed",
        (_FAN, _OAD, _OAT), economizer.stuck_closed, confirm=600, unit="fraction", gate="fan", equipment=_AIR,
        thresholds=(_one("econ1_oat_min", "economizer.closed_outdoor_celsius", "degF"),),
    ),
    catalogue_rule(
        "ECON-2", "Economizing while it is warm outside", "OAT > warm and damper > economizing",
        (_OAD, _OAT), economizer.open_when_warm, confirm=300, unit="fraction", gate="fan_if_told", equipment=_AIR,
        thresholds=(
            _one("econ2_oat_hi", "economizer.warm_outdoor_celsius", "degF"),
            _one("econ2_damper", "economizer.warm_damper_fraction", "as it is"),
        ),
    ),
    catalogue_rule(
        "ECON-3", "Mechanical cooling without the economizer's help",
        "low <= web OAT < high, dew point < e, cooling > on, damper < open",
        (_OAD, _WEB), economizer.not_integrated, confirm=300, unit="fraction", gate="fan_if_told", equipment=_AIR,
        any_of=((_CV, "dx_cooling_command"), (_WEB_DP, _WEB_RH)),
        thresholds=(
            _one("econ3_db_min", "economizer.integrated_low_celsius", "degF"),
            _one("econ3_db_max", "economizer.integrated_high_celsius", "degF"),
            _one("econ3_dp_max", "economizer.integrated_dew_point_celsius", "degF"),
            _one("econ3_damper_hi", "economizer.integrated_damper_fraction", "as it is"),
        ),
    ),
    catalogue_rule(
        "ECON-4", "Little outdoor air", "(MAT - RAT) / (OAT - RAT) < least, |OAT - RAT| > split",
        (_FAN, _MAT, _OAT, _RAT), economizer.outdoor_fraction_low, confirm=600, unit="fraction", gate="fan", equipment=_AIR,
        thresholds=(_one("oa_min_pct", "economizer.outdoor_air_fraction_min", "percent"),),
    ),
    catalogue_rule(
        "ECON-5", "Preheat warms too much", "preheat leaving > max(SATSP, OAT) + e while heating",
        (_SATSP, _HV, _OAT, "preheat_leaving_air_temperature"), economizer.preheat_too_warm, confirm=600,
        gate="fan_if_told",
        thresholds=(_one("preheat_over_f", "economizer.preheat_error_celsius"),),
    ),
    catalogue_rule(
        "ECON-6", "Economizing in frost", "web OAT < freezing and damper > winter minimum",
        (_OAD, _WEB), economizer.open_when_freezing, confirm=600, unit="fraction", gate="fan_if_told", equipment=_AIR,
        thresholds=(
            _one("econ6_oat_max_f", "economizer.freezing_outdoor_celsius", "degF"),
            _one("econ6_damper_max", "economizer.freezing_damper_fraction", "as it is"),
        ),
    ),
    catalogue_rule(
        "ECON-7", "Weather for the economizer, yet not economizing",
        "low <= web OAT < high, dew point < e, cooling demand, damper < economizing",
        (_OAD, _WEB), economizer.not_economizing, confirm=600, unit="fraction", gate="fan_if_told", equipment=_AIR,
        any_of=((_WEB_DP, _WEB_RH), (_CV, "compressor_status", "dx_cooling_command")),
        thresholds=(
            _one("econ7_db_min", "economizer.free_low_celsius", "degF"),
            _one("econ7_db_max", "economizer.free_high_celsius", "degF"),
            _one("econ7_dp_max", "economizer.free_dew_point_celsius", "degF"),
            _one("econ7_damper_min", "economizer.free_damper_fraction", "as it is"),
        ),
    ),
    catalogue_rule(
        "TRIM-1", "Duct pressure could be trimmed", "DSP > high while few boxes ask for pressure",
        (_DSP, "vav_pressure_request_count"), air.duct_pressure_trim, confirm=1800, unit="pascals", gate="fan_if_told",
        thresholds=(
            _one("duct_hi", "air.duct_pressure_trim_pascals", "inH2O"),
            _one("request_lo", "plant.requests_low", "as it is"),
        ),
    ),
    catalogue_rule(
        "SCHED-1", "Fan runs while nobody is there", "fan on and unoccupied, zone within its comfort band",
        (_STATUS, "occupancy"), air.unoccupied_running, confirm=1800, unit="state", equipment=_AIR,
        optional=("zone_air_temperature",), families=("schedule_wrong",),
        thresholds=(
            _one("comfort_low_f", "air.comfort_low_celsius", "degF"),
            _one("comfort_high_f", "air.comfort_high_celsius", "degF"),
        ),
    ),
    catalogue_rule(
        "CMD-1", "Fan does not do as commanded", "fan speed command and fan status disagree",
        (_FAN, _STATUS), air.fan_disagrees, confirm=600, unit="state", equipment=_AIR,
    ),
    catalogue_rule(
        "OA-1", "Very little outdoor air", "(MAT - RAT) / (OAT - RAT) < least, |OAT - RAT| > split",
        (_STATUS, _MAT, _OAT, _RAT), air.outdoor_fraction_low, confirm=900, unit="fraction", gate="fan", equipment=_AIR,
        thresholds=(
            _one("min_oa_frac", "air.outdoor_air_fraction_min", "as it is"),
            _one("oat_rat_guard", "air.fraction_split_celsius"),
        ),
    ),
    catalogue_rule(
        "DMP-1", "Outdoor air damper leaks", "|MAT - OAT| < e while the damper is closed and OAT is not RAT",
        (_MAT, _OAD, _OAT), air.damper_leaks, confirm=900, gate="fan_if_told", equipment=_AIR,
        optional=(_RAT,), families=("damper_leaking",),
        thresholds=(_one("leak_delta", "air.damper_leak_celsius"),),
    ),
    catalogue_rule(
        "VLV-1", "Cooling valve leaks", "SAT < SATSP - e or SAT < MAT - e while the valve is closed",
        (_CV, _SAT, _SATSP), air.cooling_valve_leaks, confirm=900, gate="fan_if_told",
        # Cold mixed air alone brings supply air below its setpoint: shown, never an alert.
        optional=(_MAT, _STATUS, _FAN),
        thresholds=(
            _one("sat_err", "air.valve_leak_setpoint_celsius"),
            _one("mat_leak_delta", "air.valve_leak_mixed_celsius"),
        ),
    ),
    catalogue_rule(
        "RESET-1", "Supply setpoint does not follow the weather", "|SATSP - (SATSP0 + slope (OAT - OAT0))| > e",
        (_SATSP, _OAT), air.reset_not_followed, confirm=900, gate="fan", equipment=_AIR,
        thresholds=(
            _one("reset_err_f", "air.reset_error_celsius"),
            _one("reset_sat_at_65", "air.reset_setpoint_celsius", "degF"),
            _one("reset_slope", "air.reset_slope", "as it is"),
            _one("reset_oat_ref", "air.reset_outdoor_celsius", "degF"),
        ),
    ),
)  # fmt: skip
