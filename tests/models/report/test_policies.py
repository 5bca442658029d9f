"""Policies by hand: hours, jobs and money of single events."""

from __future__ import annotations

import numpy as np
import pytest

from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.chances import Chances, Floats
from models.hvac.report.policies import MONTH_HOURS, Policy
from tests.models.report.fleet import FAMILIES, certain, seeing, severity

CALM = np.zeros(2)


def play(
    policy: Policy, hours: int, ill: Floats, discomfort_an_hour: float = 0.0, tick: float = 1.0
) -> dict[str, float]:
    """Ask hour by hour; what is mended stays mended. Returns when each family of the first unit was mended."""
    ill, mended = ill.copy(), {}
    for ask in range(1, round(hours / tick) + 1):
        at = ask * tick
        for units, family, restored in policy.decide(at, ill, np.array([discomfort_an_hour * at, 0.0])):
            assert restored == 1.0
            ill[FAMILIES.index(family), units] = 0.0
            if units[0]:
                mended[family] = at
    return mended


def make(name: str, settings: ReportSettings | None = None, false_rate: float = 0.0) -> Policy:
    return Policy(name, FAMILIES, 2, 7, settings or certain(), seeing(false_rate))


def test_a_stopped_unit_is_noticed_reached_and_mended_after_its_parts() -> None:
    policy = make("reactive")
    mended = play(policy, 60, severity(fan_belt_worn=1.0))
    # Seen at hour 1; notice 4, response 24, parts 4, work 1.
    assert mended == {"fan_belt_worn": 34.0}
    assert policy.ledger.breakdowns.tolist() == [1, 0]
    # The hour before the first question is not counted.
    assert policy.ledger.downtime_hours.tolist() == [33, 0]
    # (1 h x 125 + 150 trip) x 1.5 and 60 of parts
    assert policy.ledger.cost.tolist() == [pytest.approx((125 + 150) * 1.5 + 60), 0]


def test_plenum_notices_a_stop_sooner_and_no_one_counts_it_twice() -> None:
    policy = make("plenum")
    mended = play(policy, 60, severity(fan_belt_worn=1.0))
    assert mended["fan_belt_worn"] == 31.0  # 1 + 0.5 + 24 + 4 + 1, at the next question
    assert policy.ledger.breakdowns.sum() == 1
    assert policy.ledger.jobs.sum() == 1


def test_an_alert_becomes_planned_work_that_costs_an_outage_of_its_length_only() -> None:
    policy = make("plenum")
    mended = play(policy, 200, severity(fan_belt_worn=0.5))
    assert mended == {"fan_belt_worn": 170.0}  # 1 + planning 168 + work 1
    assert policy.ledger.breakdowns.sum() == 0
    assert policy.ledger.downtime_hours.tolist() == [1.0, 0]
    assert policy.ledger.cost.tolist() == [125 + 150 + 60, 0]


def test_below_what_alerts_see_nothing_is_sent() -> None:
    policy = make("plenum")
    assert play(policy, 400, severity(fan_belt_worn=0.2)) == {}
    assert policy.ledger.alerts.sum() == 0


def test_a_family_that_no_alert_names_is_left_to_the_others() -> None:
    seen = seeing()
    del seen.families["fan_belt_worn"]
    policy = Policy("plenum", FAMILIES, 2, 7, certain(), seen)
    assert play(policy, 400, severity(fan_belt_worn=0.9)) == {}


def test_ignored_alerts_send_nobody() -> None:
    import msgspec

    settings = certain()
    settings = msgspec.structs.replace(settings, plenum=msgspec.structs.replace(settings.plenum, acted_fraction=0.0))
    policy = make("plenum", settings)
    assert play(policy, 400, severity(fan_belt_worn=0.5)) == {}
    assert policy.ledger.alerts.tolist() == [1, 0]


def test_reactive_maintenance_does_not_see_a_wrong_schedule() -> None:
    policy = make("reactive")
    assert play(policy, 2000, severity(schedule_wrong=0.8)) == {}
    # Due from its beginning (hour 1), late after 30 days.
    assert policy.ledger.late_hours.tolist() == [2000 - 1 - 720, 0]
    assert policy.ledger.backlog_cost.tolist() == [125 + 150, 0]


def test_each_part_that_waits_is_late_by_itself() -> None:
    policy = make("reactive")
    play(policy, 1000, severity(schedule_wrong=0.8, fan_belt_worn=0.6, filter_fouled=0.4))
    assert policy.ledger.late_hours.tolist() == [2 * (1000 - 1 - 720), 0]  # a filter at 0.4 is not yet due


def test_people_complain_once_and_the_mechanic_finds_the_cause() -> None:
    policy = make("reactive")
    # Half an hour of every hour is uncomfortable: 12 hours a day.
    mended = play(policy, 100, severity(filter_fouled=0.6), discomfort_an_hour=0.5)
    assert mended == {"filter_fouled": 49.0}  # a day's count at 24, response 24, work 0.5, at the next question
    assert policy.ledger.callouts.tolist() == [1, 0]
    assert policy.ledger.fruitless.sum() == 0


def test_a_complaint_without_a_cause_is_a_trip_that_finds_nothing_and_then_a_pause() -> None:
    policy = make("reactive")
    play(policy, 24 * 20, severity(), discomfort_an_hour=0.5)
    assert policy.ledger.callouts.tolist() == [1, 0]
    assert policy.ledger.fruitless.tolist() == [1, 0]


def test_a_schedule_renews_filters_at_each_visit_and_sees_half_of_what_can_be_seen() -> None:
    policy = make("scheduled")
    mended = play(policy, round(12 * MONTH_HOURS), severity(fan_belt_worn=0.6), tick=4.0)
    assert policy.ledger.visits.tolist() == [4, 4]
    assert "filter_fouled" in mended
    assert "fan_belt_worn" in mended
    # Each visit is a trip and an hour and a half, whatever it finds.
    assert policy.ledger.cost.min() > 4 * (150 + 1.5 * 125)


def test_false_alerts_come_at_their_rate_and_cost_trips() -> None:
    policy = Policy("plenum", FAMILIES, 200, 7, certain(), seeing(false_rate=0.5))
    for hour in range(1, 169):
        policy.decide(float(hour), np.zeros((3, 200)), np.zeros(200))
    assert policy.ledger.false_alerts.sum() == pytest.approx(100, abs=30)
    assert policy.ledger.cost.sum() == pytest.approx(policy.ledger.fruitless.sum() * (150 + 125))


def test_parts_that_are_on_their_way_shorten_a_breakdown() -> None:
    families = ("fan_bearing_worn",)
    seen = seeing()
    seen.families["fan_bearing_worn"] = seen.families["fan_belt_worn"]
    policy = Policy("plenum", families, 1, 7, certain(), seen)
    ill = np.array([[0.5]])
    mended = 0.0
    for hour in range(1, 300):
        if hour == 100:
            ill[:] = 1.0
        for _ in policy.decide(float(hour), ill, np.zeros(1)):
            mended, ill[:] = hour, 0.0
        if mended:
            break
    # Ordered at hour 1, so the parts are there: 100 + 0.5 + 24 + 6, not 72 hours more.
    assert mended == 131


def test_chances_depend_on_who_and_how_often_alone() -> None:
    one, other = Chances(FAMILIES, 50, 7), Chances(FAMILIES[::-1], 80, 7)
    count = np.zeros((3, 50), dtype=np.int64)
    wide = np.zeros((3, 80), dtype=np.int64)
    assert np.array_equal(one.of_family("acted", count), other.of_family("acted", wide)[::-1, :50])
    assert not np.array_equal(one.of_family("acted", count), one.of_family("acted", count + 1))
    assert not np.array_equal(one.of_family("acted", count), one.of_family("hidden", count))
    assert not np.array_equal(one.of_family("acted", count), Chances(FAMILIES, 50, 8).of_family("acted", count))
    many = Chances(FAMILIES, 4000, 7).of_unit("phase", 0)
    assert 0 < many.min() < many.max() < 1
    assert many.mean() == pytest.approx(0.5, abs=0.02)
