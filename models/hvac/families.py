"""The fault families that we tell apart, and what people need to know of each: one row a family."""

from __future__ import annotations

from typing import NamedTuple

from models.contracts.equipment import EQUIPMENT
from models.contracts.messages import Severity

HORIZONS_HOURS: tuple[int, ...] = (24, 168)
H = len(HORIZONS_HOURS)


class Family(NamedTuple):
    """A group of faults with one cause and one repair.

    `checks` is what to look at first, in order. `sensor`: what is measured is wrong, not the equipment.
    """

    name: str
    title: str
    severity: Severity
    checks: tuple[str, ...]
    sensor: bool = False


FAMILY_TABLE: tuple[Family, ...] = (
    Family(
        "damper_stuck",
        "Outdoor air damper does not follow its command",
        "warning",
        (
            "Command the damper to 0 % and 100 % and watch the blades, not the actuator",
            "Check the linkage and the clamp between actuator and shaft",
            "Compare mixed, outdoor and return air sensors with a hand-held thermometer",
        ),
    ),
    Family(
        "heating_valve_leaking",
        "Heating valve lets hot water through while closed",
        "warning",
        (
            "Close the valve and feel the pipe behind it: it must cool down within minutes",
            "Check the actuator's stroke and close-off; run it from end to end",
            "Inspect the seat for dirt; replace the valve if it still passes",
        ),
    ),
    Family(
        "filter_fouled",
        "Filter is clogging",
        "warning",
        (
            "Read the gauge over the filter at full flow",
            "Inspect the filter for dust, moisture or a collapsed frame; replace it",
            "Check the tubes of the pressure sensor for kinks",
        ),
    ),
    Family(
        "supply_air_sensor_drift",
        "Supply air temperature sensor reads wrong",
        "warning",
        (
            "Hold a calibrated thermometer beside the sensor for ten minutes",
            "Check the wiring and terminals of the sensor",
            "Correct the offset in the controller or replace the sensor",
        ),
        sensor=True,
    ),
    Family(
        "fan_belt_worn",
        "Fan belt slips",
        "warning",
        (
            "Stop and lock out the fan; check belt tension, cracks and glazing",
            "Compare motor and fan speed with a tachometer",
            "Check the alignment of the pulleys when fitting the new belt",
        ),
    ),
    Family(
        "cooling_capacity_low",
        "Cooling cannot reach its setpoint",
        "critical",
        (
            "Check the chilled water supply temperature and flow at the coil",
            "Check strainers, pump and isolation valves; for refrigerant, check charge and suction pressure",
            "Inspect the coil for dirt and the valve for full stroke",
        ),
    ),
    # Of air handlers, by rules alone; some of them of other equipment too.
    Family(
        "cooling_valve_leaking",
        "Cooling valve lets chilled water through while closed",
        "warning",
        (
            "Close the valve and feel the pipe behind it: it must come up to room temperature within minutes",
            "Check the actuator's stroke and close-off; run it from end to end",
            "Inspect the seat for dirt; replace the valve if it still passes",
        ),
    ),
    Family(
        "damper_leaking",
        "Outdoor air damper does not close tightly",
        "warning",
        (
            "Command the damper to 0 % and feel for draught at the blades",
            "Inspect blade and jamb seals; replace those that are torn or missing",
            "Check that the actuator reaches its end stop; tighten the clamp on the shaft",
        ),
    ),
    Family(
        "control_hunting",
        "Control loop hunts",
        "warning",
        (
            "Trend setpoint, measured value and output together for an hour",
            "Lower the gain or lengthen the integral time until the output settles",
            "Check valve or damper for sticking, and whether it is too large for the load",
        ),
    ),
    Family(
        "schedule_wrong",
        "Runs while nobody is there",
        "warning",
        (
            "Compare the schedule in the controller with the hours of the building",
            "Look for a hand override at the controller, the starter or the drive",
            "Check clock, time zone and holiday calendar of the controller",
        ),
    ),
    Family(
        "simultaneous_heating_cooling",
        "Heats and cools at the same time",
        "warning",
        (
            "Check the deadband between heating and cooling setpoints",
            "Look for a valve or damper in hand, or two loops that work against each other",
            "Check that both valves close when commanded to 0 %",
        ),
    ),
    Family(
        "sensor_fault",
        "A sensor reads wrong, sticks or is swapped",
        "warning",
        (
            "Compare the reading with a calibrated instrument beside the sensor",
            "Check wiring, terminals and input type; look for two sensors on each other's terminals",
            "Replace the sensor, or correct its scaling in the controller",
        ),
        sensor=True,
    ),
    # Refrigerant cycles.
    Family(
        "refrigerant_undercharge",
        "Refrigerant charge is low",
        "warning",
        (
            "Put gauges on: low suction pressure with high superheat means too little charge",
            "Search for the leak: oil stains, joints, Schrader valves; electronic detector or nitrogen pressure test",
            "Repair the leak, evacuate, and charge by weight as on the nameplate",
        ),
    ),
    Family(
        "refrigerant_overcharge",
        "Refrigerant charge is too high",
        "warning",
        (
            "Put gauges on: high head pressure with high subcooling means too much charge",
            "Rule out a dirty condenser and air in the circuit first",
            "Recover refrigerant down to the nameplate charge, by weight",
        ),
    ),
    Family(
        "compressor_weak",
        "Compressor pumps less than it should",
        "critical",
        (
            "Compare suction and discharge pressure at full load with the maker's table: too close is worn valves",
            "Measure current against the nameplate and the discharge temperature",
            "Check oil level and crankcase heater; megger the windings before replacing it",
        ),
    ),
    Family(
        "condenser_fouled",
        "Condenser gives off heat badly",
        "warning",
        (
            "Air-cooled: look through the coil with a lamp; wash it from inside out, straighten the fins",
            "Water-cooled: compare the approach with the commissioning sheet; brush the tubes, check water treatment",
            "Check fans and air path, or strainer and water flow",
        ),
    ),
    # Fans, pumps, towers.
    Family(
        "fan_bearing_worn",
        "Fan bearing is worn",
        "critical",
        (
            "Lock out the fan; turn the shaft by hand and listen for grinding, feel for play",
            "Compare vibration at both bearings with earlier readings; check grease and temperature",
            "Replace the bearings as a pair; check alignment and balance when running again",
        ),
    ),
    Family(
        "tower_fan_weak",
        "Cooling tower rejects too little heat",
        "warning",
        (
            "Check tower fan speed, belt or gearbox, and the direction of rotation",
            "Inspect fill, nozzles and drift eliminators for scale and blockage",
            "Compare leaving water with the wet-bulb temperature: the approach tells the tower's state",
        ),
    ),
    Family(
        "pump_worn",
        "Pump moves less water than it should",
        "warning",
        (
            "Read the gauges before and behind the pump and compare head and flow with its curve",
            "Check coupling, seal and impeller wear; clean the strainer first",
            "Check for air in the system and a valve left half closed",
        ),
    ),
    # Water plants.
    Family(
        "chilled_water_sensor_drift",
        "Chilled water temperature sensor reads wrong",
        "warning",
        (
            "Compare with a thermometer in the next test well",
            "Check that the sensor sits deep in its well, with paste",
            "Correct the offset in the controller or replace the sensor",
        ),
        sensor=True,
    ),
    Family(
        "hot_water_sensor_drift",
        "Hot water temperature sensor reads wrong",
        "warning",
        (
            "Compare with a thermometer in the next test well",
            "Check that the sensor sits deep in its well, with paste",
            "Correct the offset in the controller or replace the sensor",
        ),
        sensor=True,
    ),
    Family(
        "heat_exchanger_fouled",
        "Boiler heat exchanger is fouled",
        "warning",
        (
            "Compare flue gas temperature at full fire with the commissioning sheet",
            "Open the fire side: brush off soot; on the water side flush out scale",
            "Check combustion with a flue gas analyser afterwards",
        ),
    ),
    Family(
        "burner_weak",
        "Burner does not reach its output",
        "critical",
        (
            "Measure gas pressure at the burner, static and firing",
            "Inspect nozzle, igniter, flame sensor and air damper; read the fault history of the burner control",
            "Measure CO, O2 and draught; set the mixture again",
        ),
    ),
    # Terminal units.
    Family(
        "cooling_valve_stuck",
        "Cooling valve does not follow its command",
        "warning",
        (
            "Drive the valve to both ends and watch the stem",
            "Take the actuator off and move the valve by hand: it must run freely",
            "Replace actuator or valve; check the control signal at its terminals",
        ),
    ),
    Family(
        "coil_fouled",
        "Coil is dirty",
        "warning",
        (
            "Look at the coil from the air's entering side with a lamp",
            "Clean it with coil cleaner and low pressure; straighten bent fins",
            "Check the filter for bypass: dust got past it",
        ),
    ),
    Family(
        "zone_air_sensor_drift",
        "Room temperature sensor reads wrong",
        "warning",
        (
            "Hold a calibrated thermometer beside the sensor for ten minutes",
            "Look for sun, equipment or a draught from the wall box at the sensor",
            "Correct the offset in the controller or replace the sensor",
        ),
        sensor=True,
    ),
    Family(
        "reheat_valve_leaking",
        "Reheat valve lets hot water through while closed",
        "warning",
        (
            "Close the valve and feel the pipe behind it: it must cool down within minutes",
            "Check the actuator's stroke and close-off; run it from end to end",
            "Replace the cartridge or the valve if it still passes",
        ),
    ),
    Family(
        "reheat_valve_stuck",
        "Reheat valve does not follow its command",
        "warning",
        (
            "Drive the valve to both ends and watch the stem",
            "Take the actuator off and move the valve by hand: it must run freely",
            "Replace actuator or valve; check the control signal at its terminals",
        ),
    ),
    Family(
        "air_flow_sensor_drift",
        "Air flow sensor of the box reads wrong",
        "warning",
        (
            "Compare with a flow hood at the diffusers of the box",
            "Blow out the pick-up tubes; check them for kinks and leaks",
            "Set zero and K-factor again in the controller",
        ),
        sensor=True,
    ),
    # Of equipment that we know nothing of.
    Family(
        "unusual_operation",
        "Behaves unlike in its first days",
        "warning",
        (
            "Compare the readings named with the same hours of a day before the alert",
            "Ask whether use, setpoints or season have changed since the unit was learned",
            "Inspect the part whose readings stand out most; report maintenance, so that it is learned anew",
        ),
    ),
)

FAMILY: dict[str, Family] = {row.name: row for row in FAMILY_TABLE}
SENSOR_FAMILIES: frozenset[str] = frozenset(row.name for row in FAMILY_TABLE if row.sensor)

_BY_RULES = ("control_hunting", "schedule_wrong", "simultaneous_heating_cooling", "sensor_fault")
_CYCLE = (
    "refrigerant_undercharge",
    "refrigerant_overcharge",
    "compressor_weak",
    "condenser_fouled",
    "fan_bearing_worn",
)
# Families of each kind of equipment, in the order of their slots: append, never insert. Where a diagnosis model is
# trained, those that it tells apart come first.
FAMILIES_OF: dict[str, tuple[str, ...]] = {
    "ahu": (
        "damper_stuck", "heating_valve_leaking", "filter_fouled", "supply_air_sensor_drift", "fan_belt_worn",
        "cooling_capacity_low", "cooling_valve_leaking", "damper_leaking", *_BY_RULES,
    ),
    "rtu": (
        "damper_stuck", "filter_fouled", "fan_belt_worn", "supply_air_sensor_drift", *_CYCLE, "damper_leaking", *_BY_RULES,
    ),
    "heat_pump": ("filter_fouled", "supply_air_sensor_drift", *_CYCLE, *_BY_RULES),
    "chiller": (
        "refrigerant_undercharge", "compressor_weak", "condenser_fouled", "tower_fan_weak", "pump_worn",
        "chilled_water_sensor_drift", *_BY_RULES,
    ),
    "boiler": ("heat_exchanger_fouled", "burner_weak", "pump_worn", "hot_water_sensor_drift", *_BY_RULES),
    "fan_coil": (
        "heating_valve_leaking", "cooling_valve_stuck", "filter_fouled", "coil_fouled", "fan_bearing_worn",
        "zone_air_sensor_drift", *_BY_RULES,
    ),
    "vav_box": (
        "damper_stuck", "reheat_valve_leaking", "reheat_valve_stuck", "air_flow_sensor_drift", "zone_air_sensor_drift",
        *_BY_RULES,
    ),
}  # fmt: skip
# Of equipment of type `generic`, and of types that a later release may know.
UNKNOWN_FAMILY = "unusual_operation"
# The six that the shipped models of air handlers tell apart.
AHU_FAMILIES: tuple[str, ...] = FAMILIES_OF["ahu"][:6]


def _check_tables() -> None:
    """A misspelling fails at import."""
    unknown = [name for names in FAMILIES_OF.values() for name in names if name not in FAMILY]
    used = {UNKNOWN_FAMILY, *(name for names in FAMILIES_OF.values() for name in names)}
    unused = sorted(FAMILY.keys() - used)
    if unknown or unused or FAMILIES_OF.keys() != EQUIPMENT.keys():
        raise ValueError(f"fault families: unknown {unknown!r}, of no equipment {unused!r} [models/hvac/families.py]")


_check_tables()
