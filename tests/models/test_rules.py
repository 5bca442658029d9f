"""Each of our own rules on minutes made by hand: it holds where its equation says so, and only after its confirmation time.

normal · fault · at the threshold · start-up · equipment off · data gap · missing point · short of confirmation
"""

from __future__ import annotations

import numpy as np
import pytest

from models.contracts.frame import Floats
from models.hvac import baseline, features, rules
from models.hvac.families import FAMILY
from models.hvac.features import Minutes
from models.hvac.kinds import KINDS
from models.hvac.points import R_MAX, P
from models.hvac.rules_evidence import EVIDENCE_RULES
from models.hvac.settings import MonitorSettings, RuleSettings

SETTINGS = MonitorSettings()
AHU = KINDS["ahu"]
RULE_TABLE, RULES = AHU.rules, AHU.rule_ids
EVIDENCE = {rule.id for rule in EVIDENCE_RULES}
START_MS = 1_700_000_040_000
MINUTE_MS = 60_000

# A unit in free cooling, nothing wrong.
NORMAL = {
    "outdoor_air_temperature": 14.0, "return_air_temperature": 23.0, "mixed_air_temperature": 14.1,
    "supply_air_temperature": 14.7, "supply_air_temperature_setpoint": 14.5, "outdoor_air_damper_command": 1.0,
    "heating_valve_command": 0.0, "cooling_valve_command": 0.0, "supply_fan_speed_command": 0.6,
    "supply_fan_status": 1.0, "supply_air_static_pressure": 200.0, "supply_air_static_pressure_setpoint": 200.0,
    "hot_water_supply_temperature": 50.0, "hot_water_return_temperature": 24.0,
    "chilled_water_supply_temperature": 7.0, "chilled_water_return_temperature": 14.0,
}  # fmt: skip
# What is changed of it, and the rule that must then hold.
FAULTS = [
    ("DUCT-LOW", {"supply_fan_speed_command": 0.95, "supply_air_static_pressure": 150.0}),
    ("MIX-BELOW", {"mixed_air_temperature": 12.0}),
    ("MIX-ABOVE", {"mixed_air_temperature": 25.0}),
    ("HEAT-COLD", {"heating_valve_command": 0.5, "mixed_air_temperature": 16.0, "supply_air_temperature": 14.0}),
    ("HEAT-WEAK", {"heating_valve_command": 1.0, "supply_air_temperature": 12.0}),
    ("FREE-APART", {"supply_air_temperature": 17.0}),
    ("MIX-OUTDOOR", {"cooling_valve_command": 0.5, "mixed_air_temperature": 17.0, "supply_air_temperature": 14.5}),
    ("COOL-WARM", {"cooling_valve_command": 0.5, "supply_air_temperature": 17.5}),
    ("COOL-WEAK", {"cooling_valve_command": 1.0, "supply_air_temperature": 16.5, "outdoor_air_temperature": 19.0,
              "mixed_air_temperature": 19.0}),
    ("SAT-WARM", {"supply_air_temperature": 17.0}),
    ("SAT-COOL", {"supply_air_temperature": 12.0}),
    ("HWR-HOT", {"hot_water_return_temperature": 46.0}),
    ("OAF-DEV", {"mixed_air_temperature": 20.0, "supply_air_temperature": 20.6}),
    ("COILS-BOTH", {"heating_valve_command": 0.4, "cooling_valve_command": 0.4}),
    ("SAT-OFF", {"supply_air_temperature": 19.0, "mixed_air_temperature": 18.4}),
    ("ECON-IDLE", {"cooling_valve_command": 0.6, "outdoor_air_damper_command": 0.1, "mixed_air_temperature": 22.0}),
    ("ECON-WARM", {"outdoor_air_temperature": 32.0, "mixed_air_temperature": 31.0, "cooling_valve_command": 1.0}),
    ("FAN-APART", {"supply_fan_status": 0.0}),
    ("CHW-RISE", {"cooling_valve_command": 0.6, "chilled_water_return_temperature": 8.0}),
]  # fmt: skip


def means(changes: dict[str, float]) -> Floats:
    """One minute, shape (1, P); points that are not named are missing."""
    row = np.full((1, P), np.nan, dtype=np.float32)
    for point, value in {**NORMAL, **changes}.items():
        row[0, AHU.slot[point]] = value
    return row


class Unit:
    """One unit, fed minute by minute."""

    def __init__(self) -> None:
        self.state = features.new_state(1)
        self.at_ms = START_MS

    def feed(self, minutes: int, changes: dict[str, float] | None = None) -> tuple[list[bool], Floats]:
        """Confirmed rules and excess after so many minutes of these values."""
        confirmed, excess = np.zeros((1, R_MAX), bool), np.full((1, R_MAX), np.nan, dtype=np.float32)
        for _ in range(minutes):
            minute = Minutes(
                AHU, np.zeros(1, np.intp), np.array([self.at_ms]), means(changes or {}), np.ones(1, np.float32)
            )
            facts = features.observe(self.state, minute, SETTINGS.rules)
            facts.references = baseline.refer(self.state, facts, SETTINGS.baseline)
            excess = rules.judge(facts, SETTINGS.rules)
            confirmed = rules.confirm(self.state, facts, excess, SETTINGS.rules)
            self.at_ms += MINUTE_MS
        return confirmed[0].tolist(), excess[0]

    def holding(self, minutes: int, changes: dict[str, float] | None = None) -> set[str]:
        confirmed, _ = self.feed(minutes, changes)
        return {rule for rule, held in zip(RULES, confirmed, strict=False) if held and rule in EVIDENCE}


def test_a_normal_unit_breaks_no_rule() -> None:
    assert Unit().holding(120) == set()


@pytest.mark.parametrize(("rule", "changes"), FAULTS, ids=[rule for rule, _ in FAULTS])
def test_the_rule_holds_after_its_confirmation_and_ends_with_its_cause(rule: str, changes: dict[str, float]) -> None:
    unit = Unit()
    unit.feed(60)
    seconds = RULE_TABLE[RULES.index(rule)].confirmation_seconds
    assert rule not in unit.holding(seconds // 60 - 1, changes)
    assert rule in unit.holding(60, changes)
    assert rule not in unit.holding(40)


@pytest.mark.parametrize(("rule", "changes"), FAULTS, ids=[rule for rule, _ in FAULTS])
def test_without_its_points_a_rule_gives_no_verdict(rule: str, changes: dict[str, float]) -> None:
    """Each point that a rule needs, taken away by itself: no verdict, so neither fault nor all-clear."""
    for point in RULE_TABLE[RULES.index(rule)].points:
        if point in ("supply_fan_status", "supply_fan_speed_command"):
            continue  # one stands for the other
        unit = Unit()
        _, excess = unit.feed(60, {**changes, point: float("nan")})
        value = float(excess[RULES.index(rule)])
        assert np.isnan(value) or value <= 0, (rule, point)


@pytest.mark.parametrize(
    ("rule", "changes"), [f for f in FAULTS if f[0] != "FAN-APART"], ids=lambda v: v if isinstance(v, str) else ""
)
def test_while_the_fan_is_off_nothing_is_judged(rule: str, changes: dict[str, float]) -> None:
    off = {**changes, "supply_fan_status": 0.0, "supply_fan_speed_command": 0.0}
    assert rule not in Unit().holding(90, off)


def test_nothing_is_judged_in_start_up() -> None:
    """Ten minutes after the fan starts, every value may be anything."""
    unit = Unit()
    unit.feed(30, {"supply_fan_status": 0.0, "supply_fan_speed_command": 0.0})
    _, excess = unit.feed(SETTINGS.rules.startup_seconds // 60, {"mixed_air_temperature": 30.0})
    assert not excess[RULES.index("MIX-ABOVE")] > 0
    assert "MIX-ABOVE" in unit.holding(20, {"mixed_air_temperature": 30.0})


def test_at_the_threshold_the_rule_does_not_hold_and_just_above_it_does() -> None:
    """MIX-ABOVE: MAT - e > max(RAT + e, OAT + e)."""
    s = RuleSettings()
    edge = NORMAL["return_air_temperature"] + s.return_air_error_celsius + s.mixed_air_error_celsius
    for above, expected in ((-0.05, False), (0.05, True)):
        assert ("MIX-ABOVE" in Unit().holding(60, {"mixed_air_temperature": edge + above})) is expected


def test_a_gap_starts_the_confirmation_anew() -> None:
    unit = Unit()
    unit.feed(60)
    unit.feed(6, {"mixed_air_temperature": 25.0})
    unit.at_ms += 3_600_000
    assert "MIX-ABOVE" not in unit.holding(5, {"mixed_air_temperature": 25.0})
    assert "MIX-ABOVE" in unit.holding(20, {"mixed_air_temperature": 25.0})


def test_a_filter_is_held_against_its_own_clean_self() -> None:
    """Twice the resistance at the same flow, on a unit whose size nobody told us."""
    for size in (1.0, 7.0):
        flow = {"supply_air_flow": 2.0 * size, "filter_differential_pressure": 60.0, "supply_fan_power": 1500.0 * size}
        unit = Unit()
        assert "FLT-REF" not in unit.holding(60, flow)
        assert "FLT-REF" in unit.holding(30, {**flow, "filter_differential_pressure": 130.0})


def test_a_belt_that_slips_shows_as_speed_without_power() -> None:
    running = {"supply_air_flow": 2.0, "filter_differential_pressure": 60.0, "supply_fan_power": 1500.0}
    unit = Unit()
    assert "BELT-REF" not in unit.holding(60, running)
    assert "BELT-REF" in unit.holding(30, {**running, "supply_fan_speed_command": 0.8})


def test_the_table_is_whole() -> None:
    assert len(set(RULES)) == len(RULES)
    assert {rule for rule, _ in FAULTS} | {"FLT-REF", "BELT-REF"} == EVIDENCE
    for rule in RULE_TABLE:
        assert set(rule.families) <= set(FAMILY)
        assert rule.confirmation_seconds >= 300
        assert rule.equation
        assert rule.source
        assert rule.points or rule.catalogue
    assert {family for rule in RULE_TABLE for family in rule.families} >= set(AHU.models.families)
