"""A hand-made fleet for the tests of the report: two units, three families, no physics."""

from __future__ import annotations

import msgspec
import numpy as np

from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.chances import Floats
from models.hvac.report.detection import Curve, Detection, KindDetection

FAMILIES = ("fan_belt_worn", "filter_fouled", "schedule_wrong")
SURE = Curve(0.3, 0.001, 0.0, 20, 20)


def seeing(false_rate: float = 0.0) -> KindDetection:
    """Every family is found at severity 0.3, at once."""
    return KindDetection(dict.fromkeys(FAMILIES, SURE), false_rate, 40.0, 0.0)


def detection(*kinds: str) -> Detection:
    """The same for whole kinds of equipment, families of the plants included."""
    families = ("damper_stuck", "heating_valve_leaking", "filter_fouled", "fan_belt_worn", "schedule_wrong")
    kind = KindDetection(dict.fromkeys(families, SURE), 0.05, 40.0, 1.0)
    return Detection("test", "nothing: made up for tests", dict.fromkeys(kinds, kind))


def severity(**of_first_unit: float) -> Floats:
    """Severities (3, 2) in which only the first unit is ill."""
    table = np.zeros((len(FAMILIES), 2))
    for name, value in of_first_unit.items():
        table[FAMILIES.index(name), 0] = value
    return table


def certain(settings: ReportSettings | None = None) -> ReportSettings:
    """Settings without luck: every mechanic finds everything and everyone acts on alerts."""
    settings = settings or ReportSettings()
    replace = msgspec.structs.replace
    return replace(
        settings,
        reactive=replace(settings.reactive, find_probability=1.0),
        scheduled=replace(settings.scheduled, find_probability=1.0),
        plenum=replace(settings.plenum, acted_fraction=1.0, false_visit_fraction=1.0),
    )
