"""Our own rules on air handlers: the evidence that their trained diagnosis model weighs, one row a rule.

They stand beside the catalogue's: wider tolerances, coils at rest, the unit's own healthy reference. Where one is about the
same thing as a rule of the catalogue, `kin` names it, and people are told one of the two. A change of a condition, a
threshold or a confirmation time here changes what the model was trained on.
"""

from __future__ import annotations

from models.hvac import conditions_evidence as evidence
from models.hvac.rule import Rule

_SAT, _MAT = "supply_air_temperature", "mixed_air_temperature"
_OAT, _RAT = "outdoor_air_temperature", "return_air_temperature"
_HV, _CV = "heating_valve_command", "cooling_valve_command"
_OAD, _FAN = "outdoor_air_damper_command", "supply_fan_speed_command"

EVIDENCE_RULES: tuple[Rule, ...] = (
    Rule(
        "DUCT-LOW", "Duct pressure low at full fan", "DSP < DSPSP - e_dsp and fan speed >= full",
        ("supply_air_static_pressure", "supply_air_static_pressure_setpoint", _FAN),
        ("fan_belt_worn", "filter_fouled"), 600, "G36 FC1", "pascals", evidence.static_pressure_low, kin="FC1",
        settings=("fan_full_fraction", "static_pressure_error_pascals"),
    ),
    Rule(
        "MIX-BELOW", "Mixed air below outdoor and return air", "MAT + e_mat < min(RAT - e_rat, OAT - e_oat)",
        (_MAT, _RAT, _OAT), (), 600, "G36 FC2, APAR", "celsius", evidence.mixed_air_below_envelope, kin="FC2",
        settings=("return_air_error_celsius", "outdoor_air_error_celsius", "mixed_air_error_celsius"),
    ),
    Rule(
        "MIX-ABOVE", "Mixed air above outdoor and return air", "MAT - e_mat > max(RAT + e_rat, OAT + e_oat)",
        (_MAT, _RAT, _OAT), (), 600, "G36 FC3, APAR", "celsius", evidence.mixed_air_above_envelope, kin="FC3",
        settings=("return_air_error_celsius", "outdoor_air_error_celsius", "mixed_air_error_celsius"),
    ),
    Rule(
        "HEAT-COLD", "Supply air cold while heating", "SAT + e_sat <= MAT - e_mat + fan heat while heating is commanded",
        (_SAT, _MAT, _HV), ("supply_air_sensor_drift",), 900, "G36 FC5, APAR", "celsius",
        evidence.supply_cold_while_heating, kin="FC5",
        settings=("mixed_air_error_celsius", "fan_heat_celsius", "supply_air_error_celsius", "valve_open_fraction"),
    ),
    Rule(
        "HEAT-WEAK", "Supply air low at full heating", "SAT < SATSP - e and heating valve >= full",
        (_SAT, _HV), (), 900, "G36 FC7", "celsius", evidence.supply_low_at_full_heating, kin="FC7",
        settings=("valve_full_fraction", "valve_open_fraction", "setpoint_error_celsius"),
    ),
    Rule(
        "FREE-APART", "Supply and mixed air differ in economizer",
        "|SAT - fan heat - MAT| > hypot(e_sat, e_mat), coils closed",
        (_SAT, _MAT, _HV, _CV, _OAD), ("supply_air_sensor_drift", "heating_valve_leaking"), 900, "G36 FC8, APAR",
        "celsius", evidence.supply_differs_in_economizer, kin="FC8",
        settings=("supply_air_error_celsius", "mixed_air_error_celsius", "coil_rest_seconds", "fan_heat_celsius"),
    ),
    Rule(
        "MIX-OUTDOOR", "Mixed air is not outdoor air at open damper", "|MAT - OAT| > hypot(e_mat, e_oat), damper > 90 %",
        (_MAT, _OAT, _RAT, _OAD), ("damper_stuck",), 900, "G36 FC10, APAR", "celsius",
        evidence.mixed_differs_at_open_damper, kin="FC10",
        settings=(
            "mixed_air_error_celsius", "outdoor_air_error_celsius", "damper_open_fraction", "outdoor_return_split_celsius"
        ),
    ),
    Rule(
        "COOL-WARM", "Supply air above mixed air while cooling", "SAT - e_sat - fan heat >= MAT + e_mat while cooling",
        (_SAT, _MAT, _CV), ("heating_valve_leaking", "cooling_capacity_low", "supply_air_sensor_drift"), 900,
        "G36 FC12, APAR", "celsius", evidence.supply_above_mixed_while_cooling, kin="FC12",
        settings=("valve_open_fraction", "supply_air_error_celsius", "mixed_air_error_celsius", "fan_heat_celsius"),
    ),
    Rule(
        "COOL-WEAK", "Supply air high at full cooling", "SAT > SATSP + e and cooling valve >= full",
        (_SAT, _CV), ("cooling_capacity_low", "supply_air_sensor_drift", "heating_valve_leaking"), 900,
        "G36 FC13, APAR", "celsius", evidence.supply_high_at_full_cooling, kin="FC13",
        settings=("valve_full_fraction", "valve_open_fraction", "setpoint_error_celsius"),
    ),
    Rule(
        "SAT-WARM", "Supply air warm with both valves closed", "SAT - MAT - fan heat > e for closed, rested coils",
        (_SAT, _MAT, _HV, _CV), ("heating_valve_leaking", "supply_air_sensor_drift"), 600, "own, after G36 FC15",
        "celsius", evidence.supply_warm_with_coils_closed, kin="FC15",
        settings=("coil_rest_seconds", "fan_heat_celsius", "balance_error_celsius"),
    ),
    Rule(
        "SAT-COOL", "Supply air cool with both valves closed", "MAT + fan heat - SAT > e for closed, rested coils",
        (_SAT, _MAT, _HV, _CV), ("supply_air_sensor_drift",), 600, "own, after G36 FC14", "celsius",
        evidence.supply_cool_with_coils_closed, kin="FC14",
        settings=("coil_rest_seconds", "fan_heat_celsius", "balance_error_celsius"),
    ),
    Rule(
        "HWR-HOT", "Hot water returns hot from a closed valve", "HWST - HWRT < rest for a closed, rested valve",
        ("hot_water_supply_temperature", "hot_water_return_temperature", _MAT, _HV), ("heating_valve_leaking",), 600,
        "own, after G36 FC15", "celsius", evidence.hot_water_returns_hot, 12.0, kin="FC15",
        settings=("coil_rest_seconds", "hot_water_rest_celsius"),
    ),
    Rule(
        "OAF-DEV", "Share of outdoor air differs from the damper", "|(MAT - RAT) / (OAT - RAT) - damper| > e",
        (_MAT, _RAT, _OAT, _OAD), ("damper_stuck",), 600, "own, after G36 FC6", "fraction",
        evidence.outdoor_air_fraction_differs, kin="FC6",
        settings=("outdoor_return_split_celsius", "outdoor_air_fraction_error"),
    ),
    Rule(
        "COILS-BOTH", "Heating and cooling at once", "heating valve > open and cooling valve > open",
        (_HV, _CV), (), 600, "own", "fraction", evidence.heating_and_cooling, kin="AHU-SIMUL",
        settings=("valve_open_fraction",),
    ),
    Rule(
        "SAT-OFF", "Supply air far from its setpoint", "|SAT - SATSP| > e",
        (_SAT,), ("cooling_capacity_low", "supply_air_sensor_drift", "heating_valve_leaking"), 900, "own",
        "celsius", evidence.setpoint_deviation, kin="AHU-SATDEV",
        settings=("setpoint_deviation_celsius",),
    ),
    Rule(
        "ECON-IDLE", "Cooling while outdoor air would do", "OAT < RAT - split, cooling valve open, damper < economizing",
        (_OAT, _RAT, _OAD, _CV), (), 900, "APAR", "fraction", evidence.economizer_idle, kin="ECON-7",
        settings=("valve_open_fraction", "outdoor_return_split_celsius", "economizer_damper_fraction"),
    ),
    Rule(
        "ECON-WARM", "Damper open while it is warm outside", "OAT > RAT + split and damper > economizing",
        (_OAT, _RAT, _OAD), (), 900, "APAR", "fraction", evidence.economizer_when_warm, kin="ECON-2",
        settings=("outdoor_return_split_celsius", "economizer_damper_fraction"),
    ),
    Rule(
        "FAN-APART", "Fan does not do as commanded", "fan speed command and fan status disagree",
        (_FAN, "supply_fan_status"), (), 600, "own", "state", evidence.fan_disagrees, kin="CMD-1",
    ),
    Rule(
        "CHW-RISE", "Chilled water hardly warms up", "CHWRT - CHWST < e while the cooling valve is open",
        ("chilled_water_supply_temperature", "chilled_water_return_temperature", _CV), ("cooling_capacity_low",), 900,
        "own", "celsius", evidence.low_chilled_water_rise, kin="CHW-1",
        settings=("chilled_water_rise_celsius",),
    ),
    Rule(
        "FLT-REF", "Filter resists more than when clean", "pressure drop / flow > rise x the unit's own reference",
        ("filter_differential_pressure", "supply_air_flow"), ("filter_fouled",), 600, "own", "fraction",
        evidence.filter_resistance_high, 4.0,
        settings=("filter_resistance_rise",),
    ),
    Rule(
        "BELT-REF", "Fan turns faster than its air needs", "speed / power^(1/3) > (1 + e) x the unit's own reference",
        (_FAN, "supply_fan_power", "supply_air_flow"), ("fan_belt_worn",), 600, "own", "fraction",
        evidence.fan_outruns_flow, 4.0,
        settings=("fan_speed_excess",),
    ),
)  # fmt: skip
