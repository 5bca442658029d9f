"""The verdict on a demo: pure, from what was planted, what the cloud says, and what the receiver of webhooks got."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from models.contracts.figures import Figure
from simulators.demo.receiver import Received


class Planted(NamedTuple):
    """A fault that the demo planted. `unit` is `site/unit`; `planted_at_seconds` is the demo's monotonic time."""

    unit: str
    family: str
    planted_at_seconds: float


@dataclass(slots=True)
class Verdict:
    """Figures to print, and what is wrong, each finding one sentence; no finding means that the demo passed."""

    figures: list[Figure]
    findings: list[str]


def judge(
    planted: Sequence[Planted],
    alerts: Sequence[dict[str, Any]],
    ledger: Sequence[dict[str, Any]],
    received: Received,
    seconds_to_first_alert: float | None,
) -> Verdict:
    """Hold what came out against what was put in.

    Args:
        planted: The faults.
        alerts: Every alert of the API, open or not: alert_id, site, unit, family, active.
        ledger: Rows of the loss ledger, one a gateway and epoch: missing, reported_lost, double_counted.
        received: What the receiver of webhooks got.
        seconds_to_first_alert: Wall time from planting the first fault to its webhook; None if none came.
    """
    findings: list[str] = []
    planted_units = {fault.unit: fault.family for fault in planted}
    alerted = 0
    for fault in planted:
        own = [alert for alert in alerts if _unit(alert) == fault.unit]
        open_ones = [alert for alert in own if alert["active"]]
        if len(open_ones) == 1 and len(own) == 1 and open_ones[0]["family"] == fault.family:
            alerted += 1
        else:
            seen = ", ".join(f"{a['family']} ({'open' if a['active'] else 'cleared'})" for a in own) or "none"
            findings.append(f"{fault.unit}: alerts {seen}, expected exactly one open alert {fault.family}")
    false_alerts = [alert for alert in alerts if planted_units.get(_unit(alert)) != alert["family"]]
    findings += [
        f"{_unit(alert)}: alert {alert['family']} ({alert['alert_id']}), expected none; nothing like it was planted"
        for alert in false_alerts
        if _unit(alert) not in planted_units
    ]
    lost = sum(row["missing"] + row["reported_lost"] for row in ledger)
    double = sum(row["double_counted"] for row in ledger)
    if not ledger:
        findings.append("ledger: no gateway in it, expected one row for each")
    if lost:
        findings.append(f"ledger: {lost} frames lost, expected 0")
    if double:
        findings.append(f"ledger: {double} frames counted twice, expected 0")
    findings += _webhook_findings(alerts, received)
    if seconds_to_first_alert is None:
        findings.append("webhooks: no alert for a planted fault arrived")
    figures = [
        Figure("demo.faults_planted", len(planted), "faults"),
        Figure("demo.faults_alerted", alerted, "faults"),
        Figure("demo.false_alerts", len(false_alerts), "alerts"),
        Figure("demo.frames_lost", lost, "frames"),
        Figure("demo.frames_duplicate", double, "frames"),
    ]
    if seconds_to_first_alert is not None:
        figures.append(Figure("demo.seconds_to_first_alert", round(seconds_to_first_alert, 1), "seconds"))
    return Verdict(figures, findings)


def _unit(alert: dict[str, Any]) -> str:
    return f"{alert['site']}/{alert['unit']}"


def _webhook_findings(alerts: Sequence[dict[str, Any]], received: Received) -> list[str]:
    """Every alert announced by one webhook, none of them twice, all with a valid signature."""
    findings = []
    if received.bad_signatures:
        findings.append(f"webhooks: {received.bad_signatures} with a signature that does not match, expected none")
    twice = [webhook_id for webhook_id, times in received.times.items() if times > 1]
    if twice:
        findings.append(f"webhooks: {', '.join(twice)} arrived more than once")
    opened = Counter(event["data"]["alert_id"] for event in received.events if event["type"].endswith(".opened"))
    findings += [
        f"{_unit(alert)}: {opened[alert['alert_id']]} webhooks announced alert {alert['alert_id']}, expected 1"
        for alert in alerts
        if opened[alert["alert_id"]] != 1
    ]
    return findings
