"""A fleet under policies: the same lives, weather and habits under each; rows that add up; wear alone that agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from simulators.hvac.moist import Flags, Floats
from simulators.hvac.plants import policy_run
from simulators.hvac.plants.faults import FAMILIES
from simulators.hvac.plants.policy_run import Fleet, Run, RunError

DAYS = 4
HABITS = (("schedule_wrong", 0.5, 0.5), ("sensor_fault", 0.0, 0.0), ("simultaneous_heating_cooling", 0.3, 0.1))


class Nobody:
    """Mends nothing, and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[Floats] = []

    def decide(
        self,
        at_hours: float,  # noqa: ARG002
        severity: Floats,
        uncomfortable_hours: Floats,  # noqa: ARG002
    ) -> Sequence[tuple[Flags, str, float]]:
        self.seen.append(severity.copy())
        return []

    def totals(self) -> Mapping[str, Floats]:
        return {"asked": np.full(self.seen[-1].shape[1], float(len(self.seen)))}


class Filters(Nobody):
    """Renews all filters after two days."""

    def decide(
        self, at_hours: float, severity: Floats, uncomfortable_hours: Floats
    ) -> Sequence[tuple[Flags, str, float]]:
        super().decide(at_hours, severity, uncomfortable_hours)
        return [(np.ones(severity.shape[1], dtype=bool), "filter_fouled", 1.0)] if at_hours == 48 else []


def fleet(equipment: str = "ahu", units: int = 6, acceleration: float = 40.0) -> Fleet:
    return policy_run.fleet_of(
        equipment, units, sites=2, climate="mixed", seed=5, hours=DAYS * 24.0, acceleration=acceleration, habits=HABITS
    )


@pytest.fixture(scope="module")
def runs() -> dict[str, tuple[Nobody, Run]]:
    out = {}
    for policy in (Nobody(), Filters()):
        out[type(policy).__name__] = (policy, policy_run.run(fleet(), policy))
    return out


def test_until_a_policy_acts_every_bit_is_the_same(runs: dict[str, tuple[Nobody, Run]]) -> None:
    (nobody, _), (filters, _) = runs["Nobody"], runs["Filters"]
    assert np.array_equal(np.stack(nobody.seen[:48]), np.stack(filters.seen[:48]))
    row = FAMILIES["ahu"].index("filter_fouled")
    assert (filters.seen[49][row] < 0.05).all()
    assert nobody.seen[49][row].max() > 0.2


def test_lives_of_other_parts_are_not_touched_by_what_is_mended(runs: dict[str, tuple[Nobody, Run]]) -> None:
    (nobody, _), (filters, _) = runs["Nobody"], runs["Filters"]
    families = FAMILIES["ahu"]
    # Parts that age by the calendar alone; the others run on air that a clean filter lets through.
    for family in ("damper_stuck", "heating_valve_leaking", "schedule_wrong", "supply_air_sensor_drift"):
        row = families.index(family)
        assert np.array_equal(nobody.seen[-1][row], filters.seen[-1][row])


def test_rows_are_counted_since_the_start(runs: dict[str, tuple[Nobody, Run]]) -> None:
    nobody, run = runs["Nobody"]
    assert run.hours.tolist() == [96.0]  # less than a week: one row at the end
    assert run.totals["asked"][-1].tolist() == [96.0] * 6
    assert run.meters["electricity"][-1].min() > 0
    assert run.severity_hours[-1] == pytest.approx(np.stack(nobody.seen).sum(axis=0))
    assert run.failed_hours[-1] == pytest.approx((np.stack(nobody.seen) >= 1).sum(axis=0))
    # What stands in the world ages by the clock, 96 hours in 96; habits do not age.
    rows = {
        family: run.aged_hours[-1][FAMILIES["ahu"].index(family)] for family in ("damper_leaking", "control_hunting")
    }
    assert rows["damper_leaking"] == pytest.approx(96.0)
    assert (rows["control_hunting"] == 0).all()


def test_without_physics_the_same_parts_are_as_ill(runs: dict[str, tuple[Nobody, Run]]) -> None:
    nobody, run = runs["Nobody"]
    pace = np.repeat(run.aged_hours[-1:] / run.hours[-1], 4, axis=0)
    other = Nobody()
    policy_run.run_events(fleet(), other, pace, lambda _, ill: np.zeros(ill.shape[1]), ask_hours=4.0)
    assert len(other.seen) == 24
    assert np.abs(other.seen[-1] - nobody.seen[-1]).max() < 0.02


def test_habits_are_drawn_once_for_all_policies_and_only_those_that_a_kind_has() -> None:
    plans = policy_run.plans(fleet(units=400))
    assert plans == policy_run.plans(fleet(units=400))
    wrong = [plan for plan in plans if plan.family == "schedule_wrong"]
    assert len({plan.unit_index for plan in wrong if plan.at_ms == fleet().start_at_ms}) == pytest.approx(200, abs=30)
    # A rooftop unit has no coils that work against each other.
    assert {plan.family for plan in policy_run.plans(fleet("rtu"))} <= {"schedule_wrong"}


def test_some_parts_that_stop_nothing_are_over_already() -> None:
    plain, other = policy_run.wear_of(fleet(units=2000, acceleration=1.0)), fleet(units=2000, acceleration=1.0)
    wear = policy_run.wear_of(other._replace(hidden=("damper_stuck",), hidden_years=5.0))
    row = wear.families.index("damper_stuck")
    # Lives of 20 years on average: 5 of 25.
    assert (wear.severity[row] >= 1).mean() == pytest.approx(0.2, abs=0.03)
    assert np.array_equal(np.delete(wear.age_hours, row, axis=0), np.delete(plain.age_hours, row, axis=0))


def test_no_time_is_no_run() -> None:
    with pytest.raises(RunError, match="expected at least 1, one question"):
        policy_run.run(fleet()._replace(hours=0.1), Nobody())
