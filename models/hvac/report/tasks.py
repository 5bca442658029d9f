"""What mending each family of faults takes: time, parts, and whether the unit stands still when the part has failed.

Times and prices are round figures of the trade for a unit of 30 to 150 kW; every one of them is a setting (`[tasks.NAME]`),
and the sensitivity table halves and doubles them together.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from models.contracts.settings import Settings

Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]

_NEVER_VISIBLE = 1.0


class Task(Settings, frozen=True):
    """One repair.

    `stops`: at severity 1 the unit gives no service. `outage_hours`: for which planned work takes it out of service.
    `parts_hours`: wait for parts that no van carries; 0 where it does. `visible_severity`: from which a mechanic on a
    routine visit can see, hear or feel it; 1 for what needs instruments. `renew_months`: a schedule renews it unseen so
    often; 0 for never.
    """

    stops: bool = False
    work_hours: NotNegative = 2.0
    outage_hours: NotNegative = 0.0
    parts_hours: NotNegative = 0.0
    parts_cost: NotNegative = 0.0
    visible_severity: Fraction = _NEVER_VISIBLE
    renew_months: NotNegative = 0.0


def _task(
    stops: bool, work: float, outage: float, parts_hours: float, cost: float, visible: float, months: float = 0.0
) -> Task:
    return Task(
        stops=stops,
        work_hours=work,
        outage_hours=outage,
        parts_hours=parts_hours,
        parts_cost=cost,
        visible_severity=visible,
        renew_months=months,
    )


_VALVE = _task(False, 3.0, 3.0, 72.0, 400.0, _NEVER_VISIBLE)
_SENSOR = _task(False, 1.0, 0.0, 24.0, 80.0, 0.5)
TASKS: dict[str, Task] = {
    "filter_fouled": _task(True, 0.5, 0.5, 0.0, 60.0, 0.5, 3.0),
    "fan_belt_worn": _task(True, 1.0, 1.0, 4.0, 60.0, 0.5, 12.0),
    "fan_bearing_worn": _task(True, 6.0, 6.0, 72.0, 600.0, 0.6),
    "coil_fouled": _task(False, 4.0, 3.0, 0.0, 100.0, 0.5),
    "damper_stuck": _task(False, 2.5, 0.5, 48.0, 350.0, 0.9),
    "damper_leaking": _task(False, 3.0, 1.0, 72.0, 250.0, 0.6),
    "heating_valve_leaking": _VALVE,
    "cooling_valve_leaking": _VALVE,
    "cooling_valve_stuck": _VALVE,
    "reheat_valve_leaking": _VALVE,
    "reheat_valve_stuck": _VALVE,
    "cooling_capacity_low": _task(True, 4.0, 2.0, 24.0, 300.0, 0.7),
    "supply_air_sensor_drift": _SENSOR,
    "zone_air_sensor_drift": _SENSOR,
    "chilled_water_sensor_drift": _SENSOR,
    "hot_water_sensor_drift": _SENSOR,
    "air_flow_sensor_drift": _SENSOR,
    "refrigerant_undercharge": _task(True, 4.0, 4.0, 24.0, 800.0, 0.7),
    "refrigerant_overcharge": _task(True, 3.0, 3.0, 0.0, 150.0, 0.8),
    "compressor_weak": _task(True, 10.0, 10.0, 120.0, 3500.0, 0.85),
    "condenser_fouled": _task(True, 2.5, 2.0, 0.0, 60.0, 0.4, 12.0),
    "tower_fan_weak": _task(True, 6.0, 6.0, 96.0, 900.0, 0.7),
    "pump_worn": _task(True, 8.0, 8.0, 120.0, 1500.0, 0.7),
    "heat_exchanger_fouled": _task(False, 8.0, 8.0, 0.0, 200.0, 0.6, 12.0),
    "burner_weak": _task(True, 4.0, 4.0, 48.0, 800.0, 0.7),
    # Habits of controllers: found with a trend log, mended at the keyboard.
    "schedule_wrong": _task(False, 1.0, 0.0, 0.0, 0.0, _NEVER_VISIBLE),
    "simultaneous_heating_cooling": _task(False, 1.5, 0.0, 0.0, 0.0, _NEVER_VISIBLE),
    "control_hunting": _task(False, 2.0, 0.0, 0.0, 0.0, _NEVER_VISIBLE),
    "sensor_fault": _SENSOR,
}
