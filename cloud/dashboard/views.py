"""What the pages show, worked out from the live picture: pure, with the time as an argument.

A unit's condition, the worst that holds, ranks the fleet:

    act         a critical alert, or failure within a day more likely than not
    attention   any other alert, an anomaly, or failure within a week more likely than not
    silent      no sample for ten minutes of plant time, or its gateway is offline: we cannot know
    unscored    samples, but no score yet: the fan is off, or the unit is still learned
    healthy     none of these
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cloud.alerts.lifecycle import Alert
from cloud.fleet import GatewayView, UnitView

Condition = Literal["act", "attention", "silent", "unscored", "healthy"]
CONDITIONS: tuple[Condition, ...] = ("act", "attention", "silent", "unscored", "healthy")
CONDITION_WORDS: dict[Condition, str] = {
    "act": "Act now",
    "attention": "Attention",
    "silent": "No data",
    "unscored": "Not scored",
    "healthy": "Healthy",
}
SILENT_AFTER_SECONDS = 600.0
LIKELY = 0.5
_DAY_HOURS, _WEEK_HOURS = 24, 168


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A unit on the fleet page. `trend` is the line of its anomaly score as SVG points, empty if there is none."""

    view: UnitView
    condition: Condition
    condition_words: str
    age_seconds: float | None
    silent: bool
    gateway_state: Literal["online", "offline", "unknown"]
    anomaly_score: float | None
    anomalous: bool
    risk_day: float | None
    risk_week: float | None
    hours_to_failure: float | None
    alerts: tuple[Alert, ...]
    trend: str = ""

    @property
    def cost_minor_per_day(self) -> int | None:
        """What each day of waiting costs, over all of its active alerts; None if no alert can tell."""
        told = [alert.content.waiting for alert in self.alerts if alert.content.waiting is not None]
        return sum(cost.total_minor_per_day for cost in told) if told else None

    @property
    def currency(self) -> str:
        """Of that cost."""
        return next((alert.content.waiting.currency for alert in self.alerts if alert.content.waiting), "")

    @property
    def urgency(self) -> tuple[int, float, str]:
        """Sort key, the most urgent first. Risks are rounded: rows must not jump about with noise."""
        risk = max(self.risk_week or 0.0, self.risk_day or 0.0)
        return CONDITIONS.index(self.condition), -round(risk, 1), self.view.key


def unit_row(
    view: UnitView, alerts: Sequence[Alert], gateway: GatewayView | None, now_ms: int, trend: str = ""
) -> UnitRow:
    """One unit's row.

    Args:
        view: The unit as it is now.
        alerts: Its active alerts.
        gateway: Its gateway, None if that has never told anything.
        now_ms: Plant time.
        trend: SVG points of its score.
    """
    health = view.health
    risks = {risk.horizon_hours: risk.failure_probability for risk in health.risks} if health else {}
    age_seconds = None if view.last_measured_at_ms is None else (now_ms - view.last_measured_at_ms) / 1000
    gateway_state = gateway.status.state if gateway is not None else "unknown"
    silent = age_seconds is None or age_seconds > SILENT_AFTER_SECONDS or gateway_state == "offline"
    anomalous = bool(health and health.anomalous)
    risk_day, risk_week = risks.get(_DAY_HOURS), risks.get(_WEEK_HOURS)
    condition: Condition
    if any(alert.content.severity == "critical" for alert in alerts) or (risk_day or 0) > LIKELY:
        condition = "act"
    elif alerts or (anomalous and not silent) or (risk_week or 0) > LIKELY:
        condition = "attention"
    elif silent:
        condition = "silent"
    elif health is None or health.anomaly_score is None:
        condition = "unscored"
    else:
        condition = "healthy"
    return UnitRow(
        view=view,
        condition=condition,
        condition_words=CONDITION_WORDS[condition],
        age_seconds=age_seconds,
        silent=silent,
        gateway_state=gateway_state,
        anomaly_score=health.anomaly_score if health else None,
        anomalous=anomalous,
        risk_day=risk_day,
        risk_week=risk_week,
        hours_to_failure=health.hours_to_failure if health else None,
        alerts=tuple(alerts),
        trend=trend,
    )


Order = Literal["urgency", "cost"]


def fleet_rows(
    units: Iterable[UnitView],
    active: Iterable[Alert],
    gateways: Iterable[GatewayView],
    now_ms: int,
    order: Order = "urgency",
) -> list[UnitRow]:
    """Every unit, the most urgent first, or the one that costs most by waiting."""
    by_unit: dict[str, list[Alert]] = {}
    for alert in active:
        by_unit.setdefault(alert.unit_key, []).append(alert)
    by_gateway = {gateway.key: gateway for gateway in gateways}
    rows = [
        unit_row(view, by_unit.get(view.key, ()), by_gateway.get(f"{view.site}/{view.gateway}"), now_ms)
        for view in units
    ]
    if order == "cost":
        return sorted(rows, key=lambda row: (-(row.cost_minor_per_day or 0), *row.urgency))
    return sorted(rows, key=lambda row: row.urgency)


def tally(rows: Iterable[UnitRow]) -> Mapping[Condition, int]:
    """How many units are in each condition."""
    found: dict[Condition, int] = dict.fromkeys(CONDITIONS, 0)
    for row in rows:
        found[row.condition] += 1
    return found


def faults_of(view: UnitView) -> list[tuple[str, float]]:
    """Fault families that are at all likely, the likeliest first."""
    if view.health is None:
        return []
    found = [(family, p) for family, p in view.health.fault_probabilities.items() if p >= 0.05]
    return sorted(found, key=lambda item: -item[1])
