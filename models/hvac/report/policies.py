"""Three ways to look after a fleet: what each knows, whom it sends when, what is mended when. Pure: time is an argument.

    reactive    units that have stopped, and people who complain
    scheduled   the same, and visits by the calendar: renewals, and what a mechanic sees
    plenum      the same as reactive, and work orders from alerts

                 found         ordered               mended
    breakdown  ────┼──notice─────┼──response, parts, work──┼─▶   out of service all the while
    alert      ────┼──delay──────┼──planning or parts──────┼─▶   out of service for the work only

Every policy is asked once an hour or so, and answers with what is mended now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.chances import Chances, Floats
from models.hvac.report.detection import ABRUPT, KindDetection
from models.hvac.report.ledger import Flags, Ledger

MONTH_HOURS = 730.5
QUARTER_HOURS = 3 * MONTH_HOURS
POLICIES = ("reactive", "scheduled", "plenum")
_HABIT_SEVERITY = 0.1
_COMPLAINT_VISIT_HOURS = 1.0


class Repair(NamedTuple):
    """One family of some units is as new from now on."""

    units: Flags  # (U,)
    family: str
    restored_fraction: float


class _Tasks(NamedTuple):
    """The table of tasks as columns over the families of one kind, (F, 1)."""

    stops: Flags
    work_hours: Floats
    outage_hours: Floats
    parts_hours: Floats
    parts_cost: Floats
    visible_severity: Floats
    renew_hours: Floats  # infinite where a schedule does not
    due_severity: Floats


class Policy:
    """One way to look after U units of one kind.

    Args:
        name: One of POLICIES.
        families: Of the plant, in the order of the severities that `decide` is shown.
        units: U.
        seed: Of the chances, the same for all policies that are compared.
        settings: Assumptions.
        detection: How well alerts find faults; only plenum reads it.
    """

    def __init__(
        self,
        name: str,
        families: Sequence[str],
        units: int,
        seed: int,
        settings: ReportSettings,
        detection: KindDetection | None = None,
    ) -> None:
        self.name, self.families = name, tuple(families)
        self.ledger = Ledger.empty(units)
        self._settings, self._detection = settings, detection if name == "plenum" else None
        self._tasks = _columns(families, settings)
        self._chances = Chances(families, units, seed)
        shape = (len(families), units)
        self._mended = np.zeros(shape, dtype=np.int64)
        self._due_hours = np.full(shape, np.inf)  # when an ordered job will be done
        self._ordered_hours = np.full(shape, np.inf)
        self._by_trip = np.zeros(shape, dtype=bool)  # the job needs a trip of its own
        self._emergency = np.zeros(shape, dtype=bool)
        self._broken = np.zeros(shape, dtype=bool)
        self._alerted = np.zeros(shape, dtype=bool)
        self._due_since = np.full(shape, np.nan)  # since when maintenance has been due
        self._hours: float | None = None
        days = settings.reactive.complaint_days
        self._discomfort = np.zeros((days, units))
        self._uncomfortable = np.zeros(units)
        self._day = 0
        self._quiet_until, self._inspect_at = np.full(units, -np.inf), np.full(units, np.inf)
        self._complaints = np.zeros(units, dtype=np.int64)
        is_plenum = name == "plenum"
        self._notice_hours = settings.plenum.notice_hours if is_plenum else settings.reactive.notice_hours
        months = {"reactive": 0.0, "scheduled": settings.scheduled.visit_months, "plenum": settings.plenum.visit_months}
        self._visit_hours = months[name] * MONTH_HOURS
        once = np.zeros(shape, dtype=np.int64)
        self._next_visit = np.full(units, np.inf)
        if self._visit_hours:
            self._next_visit = self._chances.of_unit("phase", 0) * self._visit_hours
        # A schedule has been kept before the report begins: parts were last renewed some time within their interval.
        renewed = self._chances.of_family("renewed", once) * self._tasks.renew_hours
        self._renewed_hours = -np.where(np.isfinite(renewed), renewed, 0.0)
        self._visits = np.zeros(units, dtype=np.int64)

    def decide(self, at_hours: float, severity: Floats, uncomfortable_hours: Floats) -> list[Repair]:
        """What is mended now.

        Args:
            at_hours: Since the start; must grow from call to call.
            severity: Of every family of every unit, shape (F, U), 0 to 1.
            uncomfortable_hours: Since the start, shape (U,).
        """
        passed = 0.0 if self._hours is None else at_hours - self._hours
        self._hours = at_hours
        self._account(at_hours, passed, severity)
        self._notice_breakdowns(at_hours, severity)
        day = int(at_hours // 24)
        if day > self._day:
            self._hear_complaints(at_hours, day, uncomfortable_hours)
        self._inspect(at_hours, severity)
        self._visit(at_hours, severity)
        if self._detection is not None:
            self._follow_alerts(at_hours, passed, severity, self._detection)
        return self._finish(at_hours)

    def totals(self) -> dict[str, Floats]:
        """What has been counted since the start, by name, shape (U,) each."""
        return self.ledger.as_dict()

    def _account(self, at_hours: float, passed: float, severity: Floats) -> None:
        down = ((severity >= 1) & self._tasks.stops).any(axis=0)
        self.ledger.downtime_hours += down * passed
        due = severity >= self._tasks.due_severity
        self._due_since = np.where(due, np.where(np.isnan(self._due_since), at_hours, self._due_since), np.nan)
        late = at_hours - self._due_since > 24 * self._settings.compliance.late_days
        self.ledger.late_hours += late.sum(axis=0) * passed
        tasks, cost = self._tasks, self._settings.cost
        planned = tasks.work_hours * cost.labour_per_hour + cost.callout + tasks.parts_cost
        self.ledger.backlog_cost = (due * planned).sum(axis=0)

    def _notice_breakdowns(self, at_hours: float, severity: Floats) -> None:
        """Units that have stopped: the fastest of what is ordered already and an emergency."""
        broken = (severity >= 1) & self._tasks.stops
        new = broken & ~self._broken
        self._broken = broken
        if not new.any():
            return
        self.ledger.breakdowns += new.sum(axis=0)
        self.ledger.callouts += new.any(axis=0)
        # Parts that are on their way already arrive sooner.
        waited = np.where(np.isfinite(self._ordered_hours), at_hours - self._ordered_hours, 0.0)
        parts = np.maximum(self._tasks.parts_hours - waited, 0.0)
        done = at_hours + self._notice_hours + self._settings.reactive.response_hours + parts + self._tasks.work_hours
        sooner = new & (done < self._due_hours)
        self._order(sooner, at_hours, done, by_trip=True)
        self._emergency |= sooner

    def _hear_complaints(self, at_hours: float, day: int, uncomfortable_hours: Floats) -> None:
        """People who were uncomfortable for long enough within some days call once, and then wait for a while."""
        reactive = self._settings.reactive
        self._day = day
        self._discomfort[day % len(self._discomfort)] = uncomfortable_hours - self._uncomfortable
        self._uncomfortable = uncomfortable_hours.copy()
        waiting = (np.isfinite(self._due_hours) & self._broken).any(axis=0)
        calls = (self._discomfort.sum(axis=0) >= reactive.complaint_hours) & (at_hours >= self._quiet_until) & ~waiting
        self._inspect_at = np.where(calls, at_hours + reactive.response_hours, self._inspect_at)
        self._quiet_until = np.where(calls, at_hours + 24 * reactive.complaint_pause_days, self._quiet_until)

    def _inspect(self, at_hours: float, severity: Floats) -> None:
        """A mechanic comes because of a complaint and looks for its cause, with instruments."""
        there = self._inspect_at <= at_hours
        if not there.any():
            return
        reactive, cost = self._settings.reactive, self._settings.cost
        self._inspect_at[there] = np.inf
        self._complaints += there
        luck = self._chances.of_family("complaint", self._mended * 1024 + self._complaints)
        seen = there & (severity >= reactive.find_severity) & (luck < reactive.find_probability)
        found = seen & ~np.isfinite(self._due_hours)
        parts = self._tasks.parts_hours
        self._order(found, at_hours, at_hours + parts + self._tasks.work_hours, by_trip=parts > 0)
        self.ledger.callouts += there
        self.ledger.fruitless += there & ~seen.any(axis=0)
        self.ledger.cost += there * (cost.callout + _COMPLAINT_VISIT_HOURS * cost.labour_per_hour)

    def _visit(self, at_hours: float, severity: Floats) -> None:
        """By the calendar: renew what is due by months, and order what can be seen."""
        there = self._next_visit <= at_hours
        if not there.any():
            return
        scheduled, cost = self._settings.scheduled, self._settings.cost
        self._next_visit = np.where(there, self._next_visit + self._visit_hours, self._next_visit)
        self._visits += there
        # Visits come a little before the interval is over rather than a whole visit late.
        stale = there & (at_hours - self._renewed_hours >= self._tasks.renew_hours - 0.5 * self._visit_hours)
        self._renewed_hours = np.where(stale, at_hours, self._renewed_hours)
        self._order(stale, at_hours, np.full(stale.shape, at_hours), by_trip=False)
        luck = self._chances.of_family("visit", self._mended * 1024 + self._visits)
        visible = (severity >= self._tasks.visible_severity) & (self._tasks.visible_severity < 1)
        found = there & visible & (luck < scheduled.find_probability) & ~np.isfinite(self._due_hours)
        parts = self._tasks.parts_hours
        self._order(found, at_hours, at_hours + parts + self._tasks.work_hours, by_trip=parts > 0)
        self.ledger.visits += there
        self.ledger.cost += there * (cost.callout + scheduled.visit_hours * cost.labour_per_hour)

    def _follow_alerts(self, at_hours: float, passed: float, severity: Floats, detection: KindDetection) -> None:
        """Alerts on what is wrong become work orders, if someone acts on them; those on nothing cost a look or a trip."""
        plenum, cost = self._settings.plenum, self._settings.cost
        quarter = int(at_hours // QUARTER_HOURS)
        alert = (severity >= self._thresholds(detection, quarter)) & ~self._alerted & (severity > 0)
        if alert.any():
            self._alerted |= alert
            self.ledger.alerts += alert.sum(axis=0)
            acted = alert & (self._chances.of_family("acted", self._mended) < plenum.acted_fraction)
            wait = np.maximum(plenum.planning_hours, self._tasks.parts_hours)
            done = at_hours + detection.delay_hours + wait + self._tasks.work_hours
            self._order(acted & ~np.isfinite(self._due_hours), at_hours, done, by_trip=True)
        rate = detection.false_episodes_per_unit_week * passed / 168
        false = self._chances.of_unit("false", round(at_hours)) < rate
        trip = false & (self._chances.of_unit("trip", round(at_hours)) < plenum.false_visit_fraction)
        self.ledger.false_alerts += false
        self.ledger.fruitless += trip
        self.ledger.cost += trip * (cost.callout + _COMPLAINT_VISIT_HOURS * cost.labour_per_hour)

    def _thresholds(self, detection: KindDetection, quarter: int) -> Floats:
        """Severity from which each fault of now would be alerted, shape (F, U); infinite where it is not found.

        Where a curve stops short of 1, the weather of a season may hide a fault: the next season is another chance.
        """
        curves = [detection.families.get(family) for family in self.families]
        half, spread, never = (
            np.array([[default if curve is None else getattr(curve, name)] for curve in curves])
            for name, default in (("severity_half", 2.0), ("severity_spread", 0.1), ("never_fraction", 1.0))
        )
        luck = self._chances.of_family("threshold", self._mended)
        threshold = np.clip(half + spread * np.log(luck / (1 - luck)), 0.02, None)
        hidden = self._chances.of_family("hidden", self._mended * 64 + quarter) < never
        out: Floats = np.where(hidden, np.inf, threshold)
        return out

    def _order(self, which: Flags, at_hours: float, done_hours: Floats, by_trip: Flags | bool) -> None:
        if which.any():
            self._ordered_hours = np.where(which & ~np.isfinite(self._ordered_hours), at_hours, self._ordered_hours)
            self._due_hours = np.where(which, done_hours, self._due_hours)
            self._by_trip = np.where(which, by_trip, self._by_trip)

    def _finish(self, at_hours: float) -> list[Repair]:
        """Jobs that are done by now: counted, paid for, and forgotten."""
        done = self._due_hours <= at_hours
        if not done.any():
            return []
        tasks, cost, ledger = self._tasks, self._settings.cost, self.ledger
        ledger.jobs += done.sum(axis=0)
        rush = np.where(self._emergency, cost.emergency_factor, 1.0)
        trip = np.where(self._by_trip, cost.callout, 0.0)
        ledger.cost += (done * ((tasks.work_hours * cost.labour_per_hour + trip) * rush + tasks.parts_cost)).sum(axis=0)
        # A unit that stands still already loses nothing by being worked on.
        standing = self._broken.any(axis=0)
        planned = np.where(standing, 0.0, (done * tasks.outage_hours).sum(axis=0))
        ledger.planned_hours += planned
        ledger.downtime_hours += planned
        self._mended += done
        for array, value in (
            (self._due_hours, np.inf), (self._ordered_hours, np.inf), (self._due_since, np.nan),
            (self._by_trip, False), (self._emergency, False), (self._broken, False), (self._alerted, False),
        ):  # fmt: skip
            array[done] = value
        return [Repair(done[row], self.families[row], 1.0) for row in np.flatnonzero(done.any(axis=1))]


def _columns(families: Sequence[str], settings: ReportSettings) -> _Tasks:
    tasks = [settings.task(family) for family in families]

    def column(values: list[float]) -> Floats:
        return np.array(values, dtype=np.float64).reshape(-1, 1)

    due = settings.compliance.due_severity
    return _Tasks(
        np.array([[task.stops] for task in tasks], dtype=bool),
        column([task.work_hours for task in tasks]),
        column([task.outage_hours for task in tasks]),
        column([task.parts_hours for task in tasks]),
        column([task.parts_cost for task in tasks]),
        column([task.visible_severity for task in tasks]),
        column([task.renew_months * MONTH_HOURS if task.renew_months else np.inf for task in tasks]),
        column([_HABIT_SEVERITY if family in ABRUPT else due for family in families]),
    )
