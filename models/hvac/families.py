"""The fault families that we tell apart, and what people need to know of each: one row a family."""

from __future__ import annotations

from typing import NamedTuple

from models.contracts.messages import Severity

HORIZONS_HOURS: tuple[int, ...] = (24, 168)


class Family(NamedTuple):
    """A group of faults with one cause and one repair. `checks` is what to look at first, in order."""

    name: str
    title: str
    severity: Severity
    checks: tuple[str, ...]


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
)
FAMILIES: tuple[str, ...] = tuple(row.name for row in FAMILY_TABLE)
FAMILY_INDEX: dict[str, int] = {name: index for index, name in enumerate(FAMILIES)}
F = len(FAMILIES)
H = len(HORIZONS_HOURS)
