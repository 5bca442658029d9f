"""Faults act on the physics: each against a twin of the same seed without it, at the time of day that the demo starts."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from simulators.hvac import parameters
from simulators.hvac.faults import FAMILIES, FaultError, FaultPlan, Faults, draw_plans
from simulators.hvac.sensors import COLUMN
from simulators.hvac.world import Fleet, run
from tests.simulators.test_world import HOUR_MS, START_AT_MS

UNITS = 6
SEED = 11
DAY_MS = 24 * HOUR_MS


def _after(plans: list[FaultPlan], minutes: int = 25) -> npt.NDArray[np.float32]:
    """Means of the last five minutes, shape (U, 24)."""
    fleet = Fleet(UNITS, SEED, START_AT_MS, plans, occupied_hours=(7.0, 19.0), warmup_hours=5)
    means: npt.NDArray[np.float32] = run(fleet, minutes * 4, 15.0)[1][-20:].mean(axis=0)
    return means


def _faulty(family: str, severity: float = 0.7, direction: int = 1) -> npt.NDArray[np.float32]:
    return _after([FaultPlan(unit, family, START_AT_MS, severity, direction=direction) for unit in range(UNITS)])


@pytest.fixture(scope="module")
def healthy() -> npt.NDArray[np.float32]:
    return _after([])


def _of(values: npt.NDArray[np.float32], point: str) -> npt.NDArray[np.float32]:
    return values[:, COLUMN[point]]


def test_the_demo_hour_has_free_cooling_and_cooling(healthy: npt.NDArray[np.float32]) -> None:
    assert np.all(_of(healthy, "outdoor_air_damper_command") > 0.9)
    assert np.all(_of(healthy, "return_air_temperature") - _of(healthy, "outdoor_air_temperature") > 4)
    assert np.mean(_of(healthy, "cooling_valve_command") > 0.05) > 0.6


def test_damper_stuck(healthy: npt.NDArray[np.float32]) -> None:
    found = _faulty("damper_stuck")
    assert np.all(_of(found, "outdoor_air_damper_command") > 0.99)  # the command tells nothing
    assert np.all(_of(found, "mixed_air_temperature") > _of(healthy, "mixed_air_temperature") + 3)


def test_heating_valve_leaking(healthy: npt.NDArray[np.float32]) -> None:
    found = _faulty("heating_valve_leaking")
    assert not _of(found, "heating_valve_command").any()
    more = _of(found, "cooling_valve_command") - _of(healthy, "cooling_valve_command")
    assert np.all(more > 0.1)
    assert np.all(_of(found, "hot_water_return_temperature") > 20)


def test_filter_fouled(healthy: npt.NDArray[np.float32]) -> None:
    found = _faulty("filter_fouled")
    drop = _of(found, "filter_differential_pressure") / _of(found, "supply_air_flow")
    clean = _of(healthy, "filter_differential_pressure") / _of(healthy, "supply_air_flow")
    assert np.all(drop > 4 * clean)
    assert np.all(_of(found, "supply_fan_power") > 1.2 * _of(healthy, "supply_fan_power"))


@pytest.mark.parametrize("direction", [1, -1])
def test_supply_air_sensor_drift(healthy: npt.NDArray[np.float32], direction: int) -> None:
    # What the sensor hides from its own loop, the other sensors see: the water, the valve or the zone.
    found = _faulty("supply_air_sensor_drift", direction=direction)
    water = _of(found, "chilled_water_return_temperature") - _of(healthy, "chilled_water_return_temperature")
    lift = (
        _of(found, "supply_air_temperature")
        - _of(found, "mixed_air_temperature")
        - _of(healthy, "supply_air_temperature")
        + _of(healthy, "mixed_air_temperature")
    )
    valve = _of(found, "cooling_valve_command") - _of(healthy, "cooling_valve_command")
    if direction > 0:
        assert np.all(water < -2)
        assert np.all(valve > 0.05)
    else:
        assert np.all((valve < -0.05) | (np.abs(lift) > 1))


def test_fan_belt_worn(healthy: npt.NDArray[np.float32]) -> None:
    found = _faulty("fan_belt_worn")
    moved = _of(found, "supply_air_flow") / _of(found, "supply_fan_speed_command")
    sound = _of(healthy, "supply_air_flow") / _of(healthy, "supply_fan_speed_command")
    assert np.all(moved < 0.78 * sound)
    power = _of(found, "supply_fan_power") / _of(found, "supply_fan_speed_command") ** 3
    assert np.all(power < 0.75 * _of(healthy, "supply_fan_power") / _of(healthy, "supply_fan_speed_command") ** 3)


def test_cooling_capacity_low(healthy: npt.NDArray[np.float32]) -> None:
    found = _faulty("cooling_capacity_low")
    warmer = _of(found, "chilled_water_supply_temperature") - _of(healthy, "chilled_water_supply_temperature")
    assert np.all(warmer > 2)
    cooling = _of(healthy, "cooling_valve_command") > 0.15
    more = _of(found, "cooling_valve_command") - _of(healthy, "cooling_valve_command")
    assert np.all(more[cooling] > 0.15)


def test_other_units_notice_nothing() -> None:
    plans = [FaultPlan(2, family, START_AT_MS, 0.8) for family in FAMILIES]
    with_fault, without = _after(plans, minutes=6), _after([], minutes=6)
    others = [unit for unit in range(UNITS) if unit != 2]
    assert np.array_equal(with_fault[others], without[others])
    assert not np.array_equal(with_fault[2], without[2])


def test_severity_grows_until_the_part_fails_and_stays_failed() -> None:
    plan = FaultPlan(1, "fan_belt_worn", START_AT_MS + HOUR_MS, 0.5, growth_per_day=6.0)
    fleet = Fleet(2, SEED, START_AT_MS, [plan], warmup_hours=1)
    fleet.step(3599.0)
    assert fleet.truth["fan_belt_worn"][1] == 0
    fleet.step(3601.0)
    assert fleet.truth["fan_belt_worn"][1] == pytest.approx(0.75)
    assert fleet.failed_at_ms.tolist() == [-1, -1]
    run(fleet, 65, 60.0)
    assert fleet.truth["fan_belt_worn"].tolist() == [0, 1]
    assert fleet.failed_at_ms.tolist() == [-1, START_AT_MS + 3 * HOUR_MS]
    values = fleet.points()
    assert values[1, COLUMN["supply_fan_status"]] == 1
    assert values[1, COLUMN["supply_air_flow"]] < 0.1
    assert values[0, COLUMN["supply_air_flow"]] > 0.5


def test_a_failed_sensor_gives_nothing_and_its_loop_holds() -> None:
    fleet = Fleet(1, SEED, START_AT_MS, [FaultPlan(0, "supply_air_sensor_drift", START_AT_MS, 1.0)], warmup_hours=5)
    values = run(fleet, 60, 60.0)[1]
    assert np.isnan(values[:, 0, COLUMN["supply_air_temperature"]]).all()
    assert np.isfinite(np.delete(values, COLUMN["supply_air_temperature"], axis=2)).all()
    damper = values[10:, 0, COLUMN["outdoor_air_damper_command"]]
    assert np.ptp(damper) < 0.05


def test_other_failures_are_failures(healthy: npt.NDArray[np.float32]) -> None:
    blocked = _faulty("filter_fouled", 1.0)
    assert np.all(_of(blocked, "supply_air_flow") < 0.5)
    warm = _faulty("cooling_capacity_low", 1.0)
    assert np.mean(_of(warm, "cooling_valve_command") > 0.9) > 0.5
    open_valve = _faulty("heating_valve_leaking", 1.0)
    assert np.all(_of(open_valve, "hot_water_return_temperature") > 33)
    assert np.all(_of(open_valve, "cooling_valve_command") > _of(healthy, "cooling_valve_command") + 0.25)


def test_a_fault_comes_at_run_time_and_is_mended() -> None:
    fleet = Fleet(2, SEED, START_AT_MS, warmup_hours=1)
    fleet.plant(FaultPlan(1, "filter_fouled", fleet.measured_at_ms, 1.0))
    fleet.step(60.0)
    assert fleet.truth["filter_fouled"].tolist() == [0, 1]
    assert fleet.failed_at_ms[1] == START_AT_MS
    fleet.repair(1)
    fleet.step(60.0)
    assert not fleet.truth["filter_fouled"].any()
    assert fleet.failed_at_ms[1] == -1
    with pytest.raises(FaultError, match="fault in unit 2: expected 0 to 1"):
        fleet.plant(FaultPlan(2, "filter_fouled", START_AT_MS, 0.5))


def test_a_planned_repair_ends_a_failure() -> None:
    faults = Faults(2, [FaultPlan(0, "fan_belt_worn", 1000, 1.0, repaired_at_ms=5000)])
    seen = []
    for at_ms in (999, 1000, 4999, 5000):
        faults.update(at_ms)
        seen.append((faults.truth["fan_belt_worn"][0], faults.failed_at_ms.tolist()))
    assert seen == [(0, [-1, -1]), (1, [1000, -1]), (1, [1000, -1]), (0, [-1, -1])]


def test_a_unit_failed_when_the_first_of_its_parts_did() -> None:
    faults = Faults(1, [FaultPlan(0, "fan_belt_worn", 3000, 1.0), FaultPlan(0, "filter_fouled", 2000, 1.0)])
    faults.update(9000)
    assert faults.failed_at_ms.tolist() == [2000]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_effect_grows_with_severity_and_touches_its_own_part_only(family: str) -> None:
    p = parameters.draw(1, np.random.default_rng(1))

    def effects(severity: float) -> npt.NDArray[np.float64]:
        faults = Faults(1, [FaultPlan(0, family, 0, severity)])
        faults.update(1)
        return np.array([float(value[0]) for value in dataclasses.astuple(faults.effects(p))])

    sound = effects(0.0)
    strength = [np.abs(effects(severity) - sound) for severity in (0.1, 0.3, 0.5, 0.7, 0.99)]
    touched = strength[0] > 0
    assert 1 <= touched.sum() <= 2
    for weaker, stronger in pairwise(strength):
        assert np.all(stronger[touched] >= weaker[touched])
        assert not stronger[~touched].any()
    assert np.all(strength[2][touched] > strength[0][touched])


def test_a_plan_can_end_with_a_repair() -> None:
    plan = FaultPlan(0, "damper_stuck", START_AT_MS, 0.5, 24.0, repaired_at_ms=START_AT_MS + 600_000)
    assert plan.failed_at_ms() is None
    fleet = Fleet(1, SEED, START_AT_MS, [plan], warmup_hours=1)
    fleet.step(300.0)
    assert fleet.truth["damper_stuck"][0] > 0.5
    fleet.step(300.0)
    assert fleet.truth["damper_stuck"][0] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "gremlins"}, "fault family 'gremlins' is not known; expected one of damper_stuck"),
        ({"severity": 1.2}, "fault severity 1.2: expected a fraction from 0 to 1"),
        ({"growth_per_day": -1.0}, "fault growth -1.0 a day: expected 0 or more"),
        ({"stuck_position_fraction": 40.0}, "stuck position 40.0: expected a fraction from 0 to 1"),
        ({"direction": 0}, "drift direction 0: expected 1"),
    ],
)
def test_plans_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    plan: dict[str, object] = {"unit_index": 0, "family": "filter_fouled", "at_ms": 0, "severity": 0.5}
    with pytest.raises(FaultError, match=message):
        FaultPlan(**(plan | change))  # type: ignore[arg-type]


def test_drawn_lives_are_seeded_varied_and_mostly_end_in_failure() -> None:
    plans = draw_plans(200, seed=3, start_at_ms=START_AT_MS, days=60)
    assert plans == draw_plans(200, seed=3, start_at_ms=START_AT_MS, days=60)
    assert len(plans) == len({plan.unit_index for plan in plans}) == 120
    assert {plan.family for plan in plans} == set(FAMILIES)
    abrupt = [plan for plan in plans if plan.growth_per_day == 0]
    assert 0.1 < len(abrupt) / len(plans) < 0.4
    ends = [plan.failed_at_ms() for plan in plans if plan.growth_per_day > 0]
    assert all(end is not None and end > START_AT_MS for end in ends)
    assert sum(end is not None and end < START_AT_MS + 60 * DAY_MS for end in ends) / len(ends) > 0.7
    assert {plan.direction for plan in plans} == {1, -1}
