"""What waiting costs: energy wasted, people uncomfortable, and what a breakdown costs more than a planned repair.

    energy      penalty of the fault at half severity x size of the unit x price
    comfort     hours outside of the comfort band x cost of one of them
    failure     (breakdown - planned repair) x probability of a failure a day

Penalties are measured on simulated plants: the same units in the same weather with the fault and without (`penalties.json`,
rebuilt by `plenum train hvac --kind penalties`). They are expectations for a unit of that kind, not of this very building;
prices are settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from models.contracts.messages import WaitingCost
from models.contracts.settings import Settings

PENALTIES_FILE = Path(__file__).parent / "artifact" / "penalties.json"
# A fault is seen at about half severity: what the penalties were measured at.
PENALTY_SEVERITY = 0.5
_HOURS_A_DAY = 24.0
_DAYS_A_WEEK = 7.0
# A unit is at most so much larger or smaller than the simulated median for this purpose: one bad reading is no size.
_SIZE_RANGE = (0.1, 10.0)


class CostSettings(Settings, frozen=True):
    """Prices. Money in whole units of the currency, not in cents."""

    currency: str = "EUR"
    electricity_price_per_kilowatt_hour: float = 0.20
    heat_price_per_kilowatt_hour: float = 0.10  # fuel and hot water
    cooling_price_per_kilowatt_hour: float = 0.06  # chilled water: electricity over a plant's efficiency of 3 or so
    discomfort_cost_per_hour: float = 5.0  # of a unit's zones outside of the comfort band while in use
    planned_repair_cost: float = 450.0
    breakdown_cost: float = 1800.0  # call-out, hurry, parts at any price, and the time without the unit


class Penalty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a fault at half severity adds to a unit of median size, mean over a year: watts by meter, and discomfort."""

    electricity_watts: float
    heat_watts: float
    cooling_watts: float
    uncomfortable_hours_per_day: float


class KindPenalties(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one kind of equipment. `size_median` is the mean of its size point while units run, median over units."""

    size_median: float
    families: Mapping[str, Penalty]


# What tells how large a unit is, by kind of equipment.
SIZE_POINTS: dict[str, str] = {
    "ahu": "supply_air_flow",
    "rtu": "supply_air_flow",
    "heat_pump": "supply_air_flow",
    "chiller": "chilled_water_flow",
    "boiler": "hot_water_flow",
    "fan_coil": "supply_air_flow",
    "vav_box": "zone_air_flow",
}


def size_point(equipment: str) -> str:
    """The point that tells how large a unit of this kind is; empty for kinds that we do not know."""
    return SIZE_POINTS.get(equipment, "")


@cache
def penalties(path: Path = PENALTIES_FILE) -> Mapping[str, KindPenalties]:
    """The table by kind of equipment.

    Raises:
        OSError: there is no such file.
        msgspec.MsgspecError: it is no table of penalties.
    """
    return msgspec.json.decode(path.read_bytes(), type=dict[str, KindPenalties])


def waiting_cost(
    equipment: str,
    family: str,
    fault_probability: float,
    failure_probability_week: float,
    size: float,
    settings: CostSettings,
    table: Mapping[str, KindPenalties] | None = None,
) -> WaitingCost | None:
    """What each day costs on which a fault is left alone; None for kinds and families of which nothing was measured.

    Args:
        equipment: Kind of the unit.
        family: The likely fault.
        fault_probability: That it is this one, 0 to 1; NaN counts as 1.
        failure_probability_week: That the unit fails within seven days; NaN counts as 0.
        size: Of the kind's size point, while the unit runs; NaN for a unit of median size.
        settings: Prices.
        table: Penalties by kind; those that ship by default.
    """
    kind = (penalties() if table is None else table).get(equipment)
    penalty = None if kind is None else kind.families.get(family)
    if kind is None or penalty is None:
        return None
    likely = fault_probability if math.isfinite(fault_probability) else 1.0
    ratio = size / kind.size_median if math.isfinite(size) and kind.size_median > 0 else 1.0
    weight = likely * min(max(ratio, _SIZE_RANGE[0]), _SIZE_RANGE[1])
    a_day = _HOURS_A_DAY / 1000
    electricity, heat, cooling = (
        watts * weight * a_day for watts in (penalty.electricity_watts, penalty.heat_watts, penalty.cooling_watts)
    )
    # A fault may save energy (a unit that blows too little); waiting then costs comfort, and that is no income.
    energy_cost = max(
        electricity * settings.electricity_price_per_kilowatt_hour
        + heat * settings.heat_price_per_kilowatt_hour
        + cooling * settings.cooling_price_per_kilowatt_hour,
        0.0,
    )
    hours = likely * max(penalty.uncomfortable_hours_per_day, 0.0)
    week = failure_probability_week if math.isfinite(failure_probability_week) else 0.0
    failure_cost = week / _DAYS_A_WEEK * max(settings.breakdown_cost - settings.planned_repair_cost, 0.0)
    return WaitingCost(
        energy_kilowatt_hours_per_day=round(max(electricity + heat + cooling, 0.0), 2),
        energy_cost_minor_per_day=round(100 * energy_cost),
        discomfort_hours_per_day=round(hours, 2),
        discomfort_cost_minor_per_day=round(100 * hours * settings.discomfort_cost_per_hour),
        failure_cost_minor_per_day=round(100 * failure_cost),
        currency=settings.currency,
    )
