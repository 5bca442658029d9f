"""The catalogue's rules on chillers, towers, boilers and heat pumps, one row a rule."""

from __future__ import annotations

from models.hvac import conditions_economizer as economizer
from models.hvac import conditions_plant as plant
from models.hvac.conditions import MECHANICAL_PROOF, PLANT_PROOF
from models.hvac.rule import Rule, Threshold, catalogue_rule

_CHWST, _CHWRT = "chilled_water_supply_temperature", "chilled_water_return_temperature"
_PUMP, _CWST, _TOWER = (
    "chilled_water_pump_speed_command", "condenser_water_supply_temperature", "tower_fan_speed_command",
)  # fmt: skip
_DP, _DPSP = "chilled_water_differential_pressure", "chilled_water_differential_pressure_setpoint"
_WEB, _WEB_WB, _WEB_RH = (
    "web_outdoor_air_temperature", "web_outdoor_air_wet_bulb_temperature", "web_outdoor_air_relative_humidity",
)  # fmt: skip
_LOAD = ("building_zone_load_satisfied", "building_ahu_load_satisfied")
_CHILLER = ("chiller",)
_WET_BULB = (_WEB_WB, _WEB_RH)


def _one(parameter: str, setting: str, unit: str = "degF difference") -> Threshold:
    return Threshold(parameter, unit, (setting,))


def _requests(parameter: str, setting: str) -> tuple[Threshold, ...]:
    return (_one(parameter, setting, "degF"), _one("request_lo", "plant.requests_low", "as it is"))


PLANT_RULES: tuple[Rule, ...] = (
    catalogue_rule(
        "MECH-OAT-1", "Mechanical cooling while it is cool outside", "web OAT < cool while a compressor is proven on",
        (_WEB,), economizer.mechanical_when_cool, confirm=600, equipment=("ahu", "rtu", "heat_pump", "chiller"),
        any_of=(MECHANICAL_PROOF,),
        thresholds=(_one("mech_oat_max_f", "economizer.mechanical_outdoor_celsius", "degF"),),
    ),
    catalogue_rule(
        "CHW-NOLOAD-1", "Chiller runs without load", "proven on while all zones or all air handlers are satisfied",
        (), plant.runs_without_load, confirm=1800, unit="state", gate="plant", equipment=_CHILLER, any_of=(_LOAD,),
        # Satisfied zones may be the chiller's merit: shown, never an alert.
        # The bands are applied by whoever tells that the load is satisfied.
        thresholds=(
            Threshold("comfort_low_f", "degF", ()), Threshold("comfort_high_f", "degF", ()),
            Threshold("sat_band_f", "degF difference", ()),
        ),
    ),
    catalogue_rule(
        "CHW-1", "Chilled water hardly warms up", "CHWRT - CHWST < e",
        (_CHWRT, _CHWST), plant.water_hardly_warms, confirm=900, gate="plant", equipment=_CHILLER,
        thresholds=(_one("min_dt", "plant.water_rise_celsius"),),
    ),
    catalogue_rule(
        "CHW-2", "Water pressure low at full pump", "DP < DPSP - e and pump speed >= full",
        (_DP, _DPSP, _PUMP), plant.pressure_low_at_full_pump, confirm=300, unit="pascals", slack=1.0,
        equipment=_CHILLER, families=("pump_worn",),
        thresholds=(
            _one("dp_margin", "plant.differential_pressure_margin_pascals", "psi"),
            _one("pump_hi", "plant.pump_full_fraction", "as it is"),
        ),
    ),
    catalogue_rule(
        "CHW-3", "Chilled water off its setpoint", "|CHWST - CHWSTSP| > e while the pump runs",
        (_CHWST, "chilled_water_supply_temperature_setpoint", _PUMP), plant.supply_outside_deadband, confirm=300,
        equipment=_CHILLER,
        # Healthy chillers leave it at part load, too: shown, never an alert.
        thresholds=(_one("sp_band", "plant.supply_deadband_celsius"),),
    ),
    catalogue_rule(
        "CHW-4", "Water flow high at full pump", "flow > high and pump speed >= full",
        ("chilled_water_flow", _PUMP), plant.flow_high_at_full_pump, confirm=300, unit="cubic_meters_per_second",
        equipment=_CHILLER,
        thresholds=(
            _one("flow_hi", "plant.flow_high_cubic_meters_per_second", "gpm"),
            _one("pump_hi", "plant.pump_full_fraction", "as it is"),
        ),
    ),
    catalogue_rule(
        "HP-1", "Supply air cold while the zone is cold", "SAT < warm and zone air < cold",
        ("supply_air_temperature", "supply_fan_speed_command", "zone_air_temperature"),
        plant.discharge_cold_when_heating, confirm=600, gate="fan", equipment=("heat_pump",),
        families=("refrigerant_undercharge", "compressor_weak"),
        thresholds=(
            _one("min_sat", "plant.heating_supply_celsius", "degF"), _one("zone_cold", "plant.zone_cold_celsius", "degF"),
        ),
    ),
    catalogue_rule(
        "CW-OPT-1", "Tower cools more than is useful", "CWST < wet bulb + approach - slack",
        (_CWST, _WEB), plant.tower_overcools, confirm=900, gate="plant_if_told", equipment=_CHILLER, any_of=(_WET_BULB,),
        source="open-fdd catalogue, Stull (2011)",
        thresholds=(
            _one("cw_approach", "plant.tower_approach_celsius"), _one("cw_slack", "plant.tower_slack_celsius"),
        ),
    ),
    catalogue_rule(
        "CW-APR-1", "Tower far from wet bulb at full fan", "CWST - wet bulb > most and tower fan >= full",
        (_CWST, _TOWER, _WEB), plant.tower_approach_high, confirm=900, gate="plant_if_told", equipment=_CHILLER,
        any_of=(_WET_BULB,), source="open-fdd catalogue, Stull (2011)", families=("tower_fan_weak",),
        thresholds=(
            _one("approach_max_f", "plant.tower_approach_max_celsius"),
            _one("tower_fan_hi", "plant.tower_fan_full_fraction", "as it is"),
        ),
    ),
    catalogue_rule(
        "CW-FAN-1", "Tower fan at full speed in vain", "CWST > wet bulb + approach + excess and tower fan >= full",
        (_CWST, _TOWER, _WEB), plant.tower_fan_in_vain, confirm=900, gate="plant_if_told", equipment=_CHILLER,
        any_of=(_WET_BULB,), source="open-fdd catalogue, Stull (2011)", families=("tower_fan_weak",),
        thresholds=(
            _one("cw_approach", "plant.tower_approach_celsius"),
            _one("excess_beyond_approach_f", "plant.tower_excess_celsius"),
            _one("tower_fan_hi", "plant.tower_fan_full_fraction", "as it is"),
        ),
    ),
    catalogue_rule(
        "TRIM-3", "Hot water could be cooler", "HWST > high while few ask for heat",
        ("hot_water_supply_temperature", "hot_water_reset_request_count"), plant.hot_supply_trim, confirm=1800,
        gate="plant_if_told", equipment=("boiler",), thresholds=_requests("hwst_hi", "plant.hot_supply_high_celsius"),
    ),
    catalogue_rule(
        "TRIM-4", "Chilled water could be warmer", "CHWST < low while few ask for cold",
        (_CHWST, "chilled_water_reset_request_count"), plant.chilled_supply_trim, confirm=1800, gate="plant_if_told",
        equipment=_CHILLER, thresholds=_requests("chw_lo", "plant.supply_low_celsius"),
    ),
    # Some buildings never rest: shown, never an alert.
    catalogue_rule(
        "SCHED-247", "Fan or pump never rests", "on for at least this share of the last seven days",
        (), plant.always_on, confirm=3600, unit="fraction", inclusive=True,
        equipment=("ahu", "rtu", "heat_pump", "chiller", "boiler", "fan_coil", "vav_box"),
        any_of=(("supply_fan_status", "supply_fan_speed_command", "tower_fan_speed_command", *PLANT_PROOF),),
        thresholds=(
            _one("always_on_pct", "plant.always_on_fraction", "as it is"),
            # Pressure is no proof of running, in the catalogue neither.
            Threshold("pressure_on_min", "as it is", ()),
        ),
    ),
)  # fmt: skip
