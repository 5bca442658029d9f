"""The rule table for people: `plenum rules list`, and docs/rules.md, which a test keeps equal to the table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from models.contracts.equipment import EQUIPMENT
from models.contracts.points import POINTS
from models.hvac.conditions import GATE_TITLES
from models.hvac.rule import Rule
from models.hvac.rules import CATALOGUE, RULE_TABLE
from models.hvac.rules_evidence import EVIDENCE_RULES
from models.hvac.settings import RuleSettings


class Listed(NamedTuple):
    """One rule in words. `thresholds` are settings from [rules] on with their values."""

    id: str
    title: str
    equation: str
    judged: str
    confirmation_seconds: int
    equipment: tuple[str, ...]
    points: tuple[str, ...]
    optional: tuple[str, ...]
    families: tuple[str, ...]
    thresholds: dict[str, float]
    source: str
    kin: str


def list_rules(settings: RuleSettings, equipment: str = "") -> list[Listed]:
    """The table in words, with the thresholds of these settings; of one kind of equipment if one is named."""
    values: dict[str, Any] = msgspec.to_builtins(settings)
    return [
        _listed(rule, values, settings, equipment)
        for rule in RULE_TABLE
        if not equipment or equipment in rule.equipment
    ]


def _listed(rule: Rule, values: dict[str, Any], settings: RuleSettings, equipment: str) -> Listed:
    theirs = EQUIPMENT[equipment].points if equipment else tuple(POINTS)
    groups = (" or ".join(point for point in group if point in theirs) for group in rule.any_of)
    return Listed(
        id=rule.id,
        title=rule.title,
        equation=rule.equation,
        judged=GATE_TITLES[rule.gate if rule.catalogue or "supply_fan_status" in rule.points else "fan"],
        confirmation_seconds=settings.confirmation_seconds.get(rule.id, rule.confirmation_seconds),
        equipment=rule.equipment,
        points=(*rule.points, *groups) or (rule.sweep,),
        optional=tuple(point for point in rule.optional if point in theirs),
        families=rule.families,
        thresholds={name: _value(values, name) for name in rule.settings},
        source=rule.source,
        kin=rule.kin,
    )


def _value(values: dict[str, Any], name: str) -> float:
    table, _, key = name.rpartition(".")
    return float((values[table] if table else values)[key])


_INTRODUCTION = """\
# Rules

Made from the rule table by `plenum rules list --markdown docs/rules.md`; a test keeps the two equal.

There are {catalogue} rules of the catalogue (ASHRAE Guideline 36, NIST APAR, open-fdd) and {own} of our own, which
the trained diagnosis of air handlers weighs. A rule is judged once a minute on five-minute means. It is *confirmed*, and
shown, once it has held for its confirmation time. Where a point that it needs is not read, or the equipment does not do
what the rule is about, it gives no verdict. Thresholds are settings below `[rules]` (`models/hvac/monitor.sample.toml`):
SI and Celsius, the catalogue's defaults converted.
"""


def document() -> str:
    """docs/rules.md."""
    listed = {one.id: one for one in list_rules(RuleSettings())}
    return "\n".join(
        [
            _INTRODUCTION.format(catalogue=len(CATALOGUE), own=len(EVIDENCE_RULES)),
            *_chapter("The catalogue", (listed[rule.id] for rule in CATALOGUE)),
            *_chapter("Our own", (listed[rule.id] for rule in EVIDENCE_RULES)),
        ]
    )


def _chapter(title: str, rules: Iterable[Listed]) -> list[str]:
    lines = [f"## {title}", ""]
    for rule in rules:
        kinds = ", ".join(EQUIPMENT[name].title.lower() for name in rule.equipment)
        lines += [
            f"### {rule.id}: {rule.title}",
            "",
            f"`{rule.equation}`",
            "",
            f"- of: {kinds}; judged {rule.judged}; confirmed after {rule.confirmation_seconds // 60} min",
            f"- reads: {', '.join(rule.points)}" + (f"; if told: {', '.join(rule.optional)}" if rule.optional else ""),
        ]
        if rule.thresholds:
            said = ", ".join(f"`{name}` = {value:g}" for name, value in rule.thresholds.items())
            lines.append(f"- thresholds: {said}")
        if rule.families:
            lines.append(f"- speaks for: {', '.join(name.replace('_', ' ') for name in rule.families)}")
        lines += [f"- source: {rule.source}" + (f"; kin of {rule.kin}" if rule.kin else ""), ""]
    return lines
