"""Figures of the report against sums by hand; curves of detection against curves that are known."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from models.contracts.lesson import Lesson, Planted
from models.hvac.report import measure, surrogate
from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.chances import Floats
from models.hvac.report.detection import Case, curve
from models.hvac.report.rows import Outcome, Rows, assemble, outcome
from models.hvac.report.summary import change_percent, changes, figures, interval_percent

KWH = 3.6e6
DAY_MS = 86_400_000


def totals(units: int, rows: int = 1, **more: list[float]) -> dict[str, Floats]:
    names = (
        "downtime_hours",
        "breakdowns",
        "late_hours",
        "jobs",
        "callouts",
        "visits",
        "alerts",
        "false_alerts",
        "cost",
    )
    table = {name: np.zeros((rows, units)) for name in (*names, "fruitless", "planned_hours", "backlog_cost")}
    return table | {name: np.tile(np.array(values), (rows, 1)) for name, values in more.items()}


def made(**more: list[float]) -> Outcome:
    units = len(next(iter(more.values())))
    fields = {name: np.array(values) for name, values in more.items()}
    empty = {field: np.zeros(units) for field in Outcome._fields if field != "counts"}
    return Outcome(**(empty | fields), counts={})


def test_energy_is_what_is_burnt_and_what_others_took_for_heat_and_cold() -> None:
    meters = {name: np.array([[value * KWH]]) for name, value in
              (("electricity", 10.0), ("fuel", 20.0), ("hot_water", 82.0), ("chilled_water", 40.0))}  # fmt: skip
    rows: Rows = SimpleNamespace(
        families=(), hours=np.array([8766.0]), meters=meters, occupied_hours=np.array([[100.0]]),
        uncomfortable_hours=np.array([[5.0]]), totals=totals(1, cost=[100.0]),
    )  # fmt: skip
    settings = ReportSettings()
    air = outcome(rows, "ahu", "plenum", settings)
    assert air.energy_kwh == pytest.approx([10 + 20 + 82 / 0.82 + 40 / 4])
    assert air.energy_cost == pytest.approx([20 * 0.13 + 120 * 0.045])
    assert air.cost == pytest.approx(100 + air.energy_cost + 330)
    # A chiller's cold is its load, not its energy; and who does not use the product does not pay for it.
    chiller = outcome(rows, "chiller", "reactive", settings)
    assert chiller.energy_kwh == pytest.approx([30])
    assert chiller.cost == pytest.approx(100 + chiller.energy_cost)


def test_a_change_is_of_sums_and_compliance_is_the_fall() -> None:
    before, after = np.array([10.0, 30.0]), np.array([10.0, 10.0])
    assert change_percent(after, before) == pytest.approx(-50)
    assert change_percent(after, before, compliance=True) == pytest.approx(50)
    assert np.isnan(change_percent(after, np.zeros(2)))


def test_units_that_change_alike_leave_no_doubt() -> None:
    before = [np.array([10.0, 200.0, 3000.0]), np.array([7.0, 8.0])]
    low, high = interval_percent([0.9 * one for one in before], before)
    assert low == pytest.approx(-10)
    assert high == pytest.approx(-10)


def test_the_interval_is_that_of_a_plain_loop_over_draws() -> None:
    rng = np.random.default_rng(5)
    before = rng.gamma(2, 10, 60)
    after = before * rng.uniform(0.5, 1.1, 60)
    low, high = interval_percent([after], [before], seed=3)
    slow = []
    for _ in range(2000):
        drawn = rng.integers(0, 60, 60)
        slow.append(100 * (after[drawn].sum() / before[drawn].sum() - 1))
    assert low == pytest.approx(np.quantile(slow, 0.025), abs=1.0)
    assert high == pytest.approx(np.quantile(slow, 0.975), abs=1.0)
    assert low < change_percent(after, before) < high


def test_every_figure_has_its_ends_as_figures_and_none_is_made_of_nothing() -> None:
    before = made(
        downtime_hours=[8.0, 12.0], energy_kwh=[100.0, 100.0], uncomfortable_hours=[4.0, 0.0], cost=[1.0, 1.0]
    )
    after = made(downtime_hours=[4.0, 6.0], energy_kwh=[90.0, 90.0], uncomfortable_hours=[1.0, 0.0], cost=[1.0, 1.0])
    outcomes = {"ahu": {"reactive": before, "plenum": after}}
    found = {figure.name: figure for figure in figures(outcomes)}
    assert found["report.hvac.downtime_change_percent"].value == pytest.approx(-50)
    assert found["report.hvac.downtime_change_percent_low"].value == found["report.hvac.downtime_change_percent"].low
    assert found["report.hvac.energy_change_percent"].value == pytest.approx(-10)
    assert found["report.hvac.comfort_compliance_change_percent"].value == pytest.approx(75)
    assert "report.hvac.breakdowns_change_percent" not in found
    assert np.isnan(changes(outcomes)["breakdowns"].value)


def test_parts_of_an_outcome_are_counted_once() -> None:
    last = {name: values[-1] for name, values in totals(2, cost=[50.0, 60.0], alerts=[1.0, 2.0]).items()}
    one = assemble(last, np.ones(2), np.ones(2), np.ones(2), np.ones(2), 8766.0, "reactive", ReportSettings())
    assert one.cost.tolist() == [51, 61]
    assert "cost" not in one.counts
    assert one.counts["alerts"].tolist() == [1, 2]


def test_a_curve_is_found_again_in_cases_drawn_from_it() -> None:
    rng = np.random.default_rng(1)
    cases = []
    for _ in range(400):
        threshold, hidden = 0.4 + 0.07 * rng.logistic(), rng.random() < 0.2
        seen = np.arange(0.05, 1.01, 0.07)
        over = seen[seen >= threshold]
        if hidden or not len(over):
            cases.append(Case("x", False, float(seen[-1]), 0.0, 10.0))
        else:
            cases.append(Case("x", True, float(over[0]), float(over[0] - 0.07), 5.0))
    found = curve(cases)
    assert found.severity_half == pytest.approx(0.4, abs=0.05)
    assert found.never_fraction == pytest.approx(0.2, abs=0.08)
    assert (found.cases, found.found) == (400, sum(case.found for case in cases))


def test_what_was_never_found_has_a_curve_that_finds_nothing() -> None:
    assert curve([Case("x", False, 1.0, 0.0, 10.0)] * 5).never_fraction == 1.0


def test_who_cries_wolf_every_day_finds_nothing_by_merit() -> None:
    # Alerts that come every other day whatever happens: each fault is "found" on its first days, small as it is.
    rng = np.random.default_rng(4)
    cases = [Case("x", True, 0.07 * day, 0.07 * (day - 1), float(day)) for day in rng.geometric(0.4, 60)]
    cases = [case for case in cases if case.severity < 1]
    assert curve(cases).severity_half < 0.2
    honest = curve(cases, false_per_day=0.5)
    assert honest.never_fraction > 0.5 or honest.severity_half > 0.8


def test_episodes_are_held_against_what_was_planted() -> None:
    faults = (
        Planted(1, "filter_fouled", 0, 0.0, 0.1),
        Planted(2, "schedule_wrong", DAY_MS, 0.8),
        Planted(3, "filter_fouled", 0, 0.0, 0.1),
    )
    lesson = Lesson("by hand", 4, 1, 0, 10 * 24, 60, faults, "ahu", ((0, 24.0), (4 * DAY_MS, 24.0), (8 * DAY_MS, 24.0)))
    opened = [
        (0, "damper_stuck", DAY_MS // 2),  # nothing is wrong with unit 0
        (1, "filter_fouled", 4 * DAY_MS + DAY_MS // 2),  # at 0.45, not seen on the first day, which ended at 0.1
        (2, "schedule_wrong", 4 * DAY_MS + 3_600_000),
        (3, "damper_stuck", 4 * DAY_MS),  # the wrong family
    ]
    watched = measure.judge(lesson, opened, [0, 4 * DAY_MS, 8 * DAY_MS])
    first, second, third = watched.cases
    assert first[:2] == ("filter_fouled", True)
    assert first[2:] == pytest.approx((0.45, 0.1, 2.0))
    assert (second.found, second.severity) == (True, 0.8)
    assert third[:2] == ("filter_fouled", False)
    assert third.severity == pytest.approx(0.9)
    # Planted when day 1 was no longer watched: an hour of the next watched day.
    assert watched.delays_hours == [pytest.approx(1.0)]
    assert watched.false_families == ["damper_stuck"]
    assert watched.healthy_unit_weeks == pytest.approx(3 / 7)


@dataclasses.dataclass
class Made:
    """Rows of a run without physics, four quarters."""

    families: tuple[str, ...]
    hours: Floats
    meters: dict[str, Floats]
    occupied_hours: Floats
    uncomfortable_hours: Floats
    severity_hours: Floats
    failed_hours: Floats
    aged_hours: Floats
    totals: dict[str, Floats]


def test_straight_lines_are_found_again_in_runs_made_of_them() -> None:
    rng = np.random.default_rng(2)
    quarters, families, units = 4, 2, 30
    hours: Floats = np.arange(1, quarters + 1, dtype=np.float64) * 2191.5
    base, size = rng.uniform(5, 9, (quarters, units)), rng.uniform(0.5, 2.0, units)

    def run() -> Made:
        ill = rng.uniform(0, 0.8, (quarters, families, units))
        rate = size * base + size * base.mean() * (0.3 * ill[:, 0] - 0.1 * ill[:, 1])
        sums = np.cumsum(rate * 2191.5, axis=0)
        nothing = np.zeros((quarters, units))
        return Made(
            ("a", "b"), hours, {"electricity": sums * KWH, "fuel": nothing, "hot_water": nothing, "chilled_water": nothing},
            nothing, nothing, np.cumsum(ill * 2191.5, axis=0), np.zeros((quarters, families, units)),
            np.cumsum(np.full((quarters, families, units), 500.0), axis=0), {},
        )  # fmt: skip

    runs = {name: run() for name in ("reactive", "scheduled", "plenum")}
    response = surrogate.fit(runs, "rtu", ReportSettings())
    for rows in runs.values():
        assert surrogate.predict(response.energy, rows) == pytest.approx(rows.meters["electricity"][-1] / KWH, rel=0.01)
    assert response.pace == pytest.approx(np.full((4, 2, 30), 500 / 2191.5))
    assert surrogate.quarter_of(2191.0) == 0
    assert surrogate.quarter_of(8766 + 2200) == 1
