"""Plans of faults: what is refused, and what they come to at an instant."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.hvac.faults import FaultError
from simulators.hvac.plants.faults import FAMILIES, HABITS, FaultPlan, Faults

DAY_MS = 86_400_000


def test_severity_grows_from_its_onset_to_one_and_ends_with_the_repair() -> None:
    row = FAMILIES["ahu"].index("fan_belt_worn")
    plan = FaultPlan(1, "fan_belt_worn", at_ms=DAY_MS, severity=0.2, growth_per_day=0.1, repaired_at_ms=20 * DAY_MS)
    faults = Faults("ahu", 3, [plan])
    seen = [faults.update(day * DAY_MS)[0][row, 1] for day in (0, 1, 5, 9, 12, 20)]
    assert seen == pytest.approx([0.0, 0.2, 0.6, 1.0, 1.0, 0.0])
    assert not faults.update(5 * DAY_MS)[0][:, [0, 2]].any()


def test_a_repair_ends_what_has_begun_in_these_units_only() -> None:
    plans = [FaultPlan(unit, "filter_fouled", at_ms=at, severity=0.5) for unit, at in ((0, 0), (1, 0), (0, 9 * DAY_MS))]
    faults = Faults("ahu", 2, plans)
    faults.repair(np.array([True, False]), None, at_ms=DAY_MS)
    row = FAMILIES["ahu"].index("filter_fouled")
    assert list(faults.update(2 * DAY_MS)[0][row]) == [0.0, 0.5]
    assert list(faults.update(9 * DAY_MS)[0][row]) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"severity": 1.5}, "fault severity 1.5: expected a fraction"),
        ({"growth_per_day": -1.0}, "wear does not heal"),
        ({"position_fraction": 2.0}, "stuck position 2.0"),
        ({"direction": 0}, "fault direction 0: expected 1 or -1"),
        ({"point": "zone_air_temperature"}, "sensor_fault names a point, no other does"),
        ({"family": "sensor_fault", "point": "zone_air_temperature", "mode": "swapped"}, "only swapped has a partner"),
    ],
)
def test_impossible_plans_are_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(FaultError, match=words):
        FaultPlan(**({"unit_index": 0, "family": "damper_stuck", "at_ms": 0, "severity": 0.5} | wrong))  # type: ignore[arg-type]


def test_a_plan_must_fit_the_fleet() -> None:
    with pytest.raises(FaultError, match="fault in unit 5: expected 0 to 1"):
        Faults("boiler", 2, [FaultPlan(5, "pump_worn", 0, 0.5)])
    with pytest.raises(FaultError, match="'damper_stuck' is not known of boiler; expected one of"):
        Faults("boiler", 2, [FaultPlan(0, "damper_stuck", 0, 0.5)])


def test_every_kind_has_its_families_once() -> None:
    for families in FAMILIES.values():
        assert len(set(families)) == len(families)
        assert {"schedule_wrong", "control_hunting", "sensor_fault"} <= set(families)
    assert {family for families in FAMILIES.values() for family in families} >= HABITS
