"""What the answer depends on: one assumption changed at a time, all else as it is. Pure but for the runs it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.detection import KindDetection
from models.hvac.report.tasks import TASKS

Change = Callable[[ReportSettings, KindDetection], tuple[ReportSettings, KindDetection]]


class Scenario(NamedTuple):
    """One row of the table."""

    group: str
    title: str
    change: Change


def _settings(**parts: Callable[[ReportSettings], msgspec.Struct]) -> Change:
    def change(settings: ReportSettings, detection: KindDetection) -> tuple[ReportSettings, KindDetection]:
        changed = {name: make(settings) for name, make in parts.items()}
        return msgspec.structs.replace(settings, **changed), detection

    return change


def _scaled(part: str, factor: float, *fields: str) -> Callable[[ReportSettings], msgspec.Struct]:
    def make(settings: ReportSettings) -> msgspec.Struct:
        struct = getattr(settings, part)
        scaled: msgspec.Struct = msgspec.structs.replace(
            struct, **{name: getattr(struct, name) * factor for name in fields}
        )
        return scaled

    return make


def _prevalence(factor: float) -> Change:
    def change(settings: ReportSettings, detection: KindDetection) -> tuple[ReportSettings, KindDetection]:
        faults = msgspec.to_builtins(settings.faults)
        scaled = {name: value * factor for name, value in faults.items()}
        scaled["hidden_years"] = settings.faults.hidden_years  # shorter lives alone make more of them
        scaled |= {name: min(value, 1.0) for name, value in scaled.items() if name.endswith("_fraction")}
        return msgspec.structs.replace(settings, faults=type(settings.faults)(**scaled)), detection

    return change


def _tasks(factor: float, *fields: str) -> Callable[[ReportSettings], dict[str, msgspec.Struct]]:
    def make(settings: ReportSettings) -> dict[str, msgspec.Struct]:
        out: dict[str, msgspec.Struct] = {}
        for family in TASKS:
            task = settings.task(family)
            out[family] = msgspec.structs.replace(task, **{name: getattr(task, name) * factor for name in fields})
        return out

    return make


def _slower(factor: float) -> Change:
    def change(settings: ReportSettings, detection: KindDetection) -> tuple[ReportSettings, KindDetection]:
        return (
            msgspec.structs.replace(
                settings,
                reactive=_scaled("reactive", factor, "response_hours")(settings),
                plenum=_scaled("plenum", factor, "planning_hours")(settings),
                tasks=_tasks(factor, "parts_hours", "work_hours", "outage_hours")(settings),
            ),
            detection,
        )

    return change


def _dearer(factor: float) -> Change:
    def change(settings: ReportSettings, detection: KindDetection) -> tuple[ReportSettings, KindDetection]:
        return (
            msgspec.structs.replace(
                settings,
                cost=_scaled("cost", factor, "labour_per_hour", "callout")(settings),
                tasks=_tasks(factor, "parts_cost")(settings),
            ),
            detection,
        )

    return change


def _seeing(half_shift: float = 0.0, found_factor: float = 1.0, false_factor: float = 1.0) -> Change:
    def change(settings: ReportSettings, detection: KindDetection) -> tuple[ReportSettings, KindDetection]:
        families = {
            name: msgspec.structs.replace(
                curve,
                severity_half=max(0.02, curve.severity_half + half_shift),
                never_fraction=max(0.0, 1 - (1 - curve.never_fraction) * found_factor),
            )
            for name, curve in detection.families.items()
        }
        rate = detection.false_episodes_per_unit_week * false_factor
        return settings, msgspec.structs.replace(detection, families=families, false_episodes_per_unit_week=rate)

    return change


def _acted(fraction: float) -> Change:
    return _settings(plenum=lambda settings: msgspec.structs.replace(settings.plenum, acted_fraction=fraction))


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("Central", "as assumed", lambda settings, detection: (settings, detection)),
    Scenario("Fault prevalence", "half as many faults, lives twice as long", _prevalence(0.5)),
    Scenario("Fault prevalence", "twice as many faults, lives half as long", _prevalence(2.0)),
    Scenario("Detection", "finds faults 0.2 of severity earlier", _seeing(half_shift=-0.2)),
    Scenario("Detection", "finds faults 0.2 of severity later", _seeing(half_shift=0.2)),
    Scenario("Detection", "finds half as many", _seeing(found_factor=0.5)),
    Scenario("Detection", "four times the false alerts", _seeing(false_factor=4.0)),
    Scenario("Alerts acted upon", "half of them", _acted(0.5)),
    Scenario("Alerts acted upon", "all of them", _acted(1.0)),
    Scenario("Repair time", "half: response, parts, planning and work", _slower(0.5)),
    Scenario("Repair time", "double: response, parts, planning and work", _slower(2.0)),
    Scenario("Cost", "repairs at half the price", _dearer(0.5)),
    Scenario("Cost", "repairs at double the price", _dearer(2.0)),
    Scenario(
        "Cost", "energy at half the price", _settings(cost=_scaled("cost", 0.5, "electricity_per_kwh", "fuel_per_kwh"))
    ),
    Scenario(
        "Cost",
        "energy at double the price",
        _settings(cost=_scaled("cost", 2.0, "electricity_per_kwh", "fuel_per_kwh")),
    ),
)
