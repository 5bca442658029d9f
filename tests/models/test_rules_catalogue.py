"""Each rule of the catalogue on minutes made by hand: it trips where its equation says so, and not where all is well.

normal · fault · at the threshold · missing point · equipment off · data gap · which sensor it was
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.hvac import features, rules
from models.hvac.explain import explain
from models.hvac.families import H
from models.hvac.features import Minutes
from models.hvac.kinds import KINDS
from models.hvac.points import F_MAX, R_MAX, P
from models.hvac.rule import Rule
from models.hvac.rules import CATALOGUE, RULE_BY_ID
from models.hvac.rules_list import document, list_rules
from models.hvac.rules_recorded import CATALOGUE_SETTINGS
from models.hvac.rules_roles import ROLES
from models.hvac.rules_run import FAULT, PASS, SKIPPED_MISSING, SKIPPED_OFF, Outcome, run_rules
from models.hvac.settings import RuleSettings
from models.hvac.verdicts import Verdicts
from models.hvac.windows import watched

START_MS, MINUTE_MS = 1_700_000_040_000, 60_000
Value = float | Callable[[int], float]
Points = dict[str, Value]


def _wave(middle: float, swing: float = 0.2) -> Callable[[int], float]:
    """A reading as a live sensor gives it: never the same for long."""
    return lambda minute: middle + swing * (1 if minute % 2 else -1)


AHU: Points = {
    "outdoor_air_temperature": _wave(14.0), "return_air_temperature": _wave(23.0), "mixed_air_temperature": _wave(17.0),
    "supply_air_temperature": _wave(17.3), "supply_air_temperature_setpoint": 17.3, "outdoor_air_damper_command": 0.5,
    "heating_valve_command": 0.0, "cooling_valve_command": 0.0, "supply_fan_speed_command": 0.6,
    "supply_fan_status": 1.0, "supply_air_static_pressure": 200.0, "supply_air_static_pressure_setpoint": 200.0,
    "zone_air_temperature": _wave(22.0), "occupancy": 1.0, "vav_total_air_flow": 5.0,
    "preheat_leaving_air_temperature": _wave(14.0),
    "heating_coil_entering_air_temperature": _wave(17.0), "heating_coil_leaving_air_temperature": _wave(17.0),
    "cooling_coil_entering_air_temperature": _wave(17.0), "cooling_coil_leaving_air_temperature": _wave(17.0),
    "web_outdoor_air_temperature": _wave(14.0), "web_outdoor_air_relative_humidity": _wave(0.5, 0.01),
    "vav_pressure_request_count": 5.0, "compressor_status": 0.0,
}  # fmt: skip
CHILLER: Points = {
    "outdoor_air_temperature": _wave(28.0), "chilled_water_supply_temperature": _wave(7.5, 0.1),
    "chilled_water_supply_temperature_setpoint": 7.5, "chilled_water_return_temperature": _wave(12.5),
    "chilled_water_flow": 0.05, "chilled_water_pump_speed_command": 0.6, "chilled_water_pump_status": 1.0,
    "chilled_water_differential_pressure": 80_000.0, "chilled_water_differential_pressure_setpoint": 80_000.0,
    "chiller_status": 1.0, "condenser_water_supply_temperature": _wave(26.0), "tower_fan_speed_command": 0.5,
    "web_outdoor_air_temperature": _wave(28.0), "web_outdoor_air_wet_bulb_temperature": _wave(21.0),
    "building_zone_load_satisfied": 0.0, "chilled_water_reset_request_count": 4.0,
}  # fmt: skip
HEAT_PUMP: Points = {
    "outdoor_air_temperature": _wave(2.0), "supply_air_temperature": _wave(34.0), "zone_air_temperature": _wave(20.0),
    "supply_fan_speed_command": 0.8, "supply_fan_status": 1.0, "compressor_status": 1.0, "heating_mode": 1.0,
}  # fmt: skip
BOILER: Points = {
    "hot_water_supply_temperature": _wave(65.0), "hot_water_reset_request_count": 0.0, "boiler_status": 1.0,
    "hot_water_pump_status": 1.0,
}  # fmt: skip
VAV: Points = {
    "outdoor_air_temperature": _wave(20.0), "zone_air_temperature": _wave(22.5), "occupancy": 1.0,
    "zone_damper_command": _wave(0.5, 0.004), "zone_air_flow": _wave(0.15, 0.02),
    "zone_air_flow_minimum_setpoint": 0.05, "reheat_valve_command": 0.0, "terminal_inlet_air_temperature": _wave(14.0),
    "terminal_discharge_air_temperature": _wave(14.2), "parent_supply_air_temperature": _wave(13.8),
    "cooling_available": 1.0,
}  # fmt: skip
NORMAL: dict[str, Points] = {"ahu": AHU, "chiller": CHILLER, "heat_pump": HEAT_PUMP, "boiler": BOILER, "vav_box": VAV}

_COLD_COOLING: Points = {"cooling_valve_command": 0.5, "outdoor_air_damper_command": 1.0}
# Rule, kind, and what is changed of a normal unit.
CASES: list[tuple[str, str, Points]] = [
    ("FC1", "ahu", {"supply_fan_speed_command": 0.9, "supply_air_static_pressure": 160.0}),
    ("FC2", "ahu", {"mixed_air_temperature": _wave(11.0)}),
    ("FC3", "ahu", {"mixed_air_temperature": _wave(26.0)}),
    ("FC4", "ahu", {"cooling_valve_command": lambda minute: 0.5 * (minute // 5 % 2)}),
    ("FC5", "ahu", {"heating_valve_command": 0.5, "supply_air_temperature": _wave(15.0)}),
    ("FC6", "ahu", {"heating_valve_command": 0.5, "outdoor_air_damper_command": 0.05,
                    "mixed_air_temperature": _wave(22.5), "supply_air_temperature": _wave(23.0)}),
    ("FC7", "ahu", {"heating_valve_command": 1.0, "supply_air_temperature": _wave(16.0)}),
    ("FC8", "ahu", {"supply_air_temperature": _wave(19.5)}),
    ("FC9", "ahu", {"outdoor_air_temperature": _wave(19.5)}),
    ("FC10", "ahu", _COLD_COOLING),
    ("FC11", "ahu", {**_COLD_COOLING, "outdoor_air_temperature": _wave(10.0)}),
    ("FC12", "ahu", {**_COLD_COOLING, "supply_air_temperature": _wave(19.5)}),
    ("FC13", "ahu", {**_COLD_COOLING, "supply_air_temperature": _wave(18.5)}),
    ("FC14", "ahu", {"cooling_coil_leaving_air_temperature": _wave(14.0)}),
    ("FC15", "ahu", {"heating_coil_leaving_air_temperature": _wave(20.0)}),
    ("AHU-SATDEV", "ahu", {"supply_air_temperature": _wave(22.0)}),
    ("AHU-DUCTHI", "ahu", {"supply_air_static_pressure": 300.0}),
    ("AHU-SIMUL", "ahu", {"heating_valve_command": 0.4, "cooling_valve_command": 0.4}),
    ("OAT-METEO", "ahu", {"web_outdoor_air_temperature": _wave(20.0)}),
    ("ECON-1", "ahu", {"outdoor_air_damper_command": 0.0}),
    ("ECON-2", "ahu", {"outdoor_air_temperature": _wave(20.0)}),
    ("ECON-3", "ahu", {"web_outdoor_air_temperature": _wave(18.0), "cooling_valve_command": 0.5}),
    ("ECON-4", "ahu", {"mixed_air_temperature": _wave(22.5)}),
    ("ECON-5", "ahu", {"heating_valve_command": 0.5, "preheat_leaving_air_temperature": _wave(20.0)}),
    ("ECON-6", "ahu", {"web_outdoor_air_temperature": _wave(-8.0)}),
    ("ECON-7", "ahu", {"cooling_valve_command": 0.5, "outdoor_air_damper_command": 0.2}),
    ("TRIM-1", "ahu", {"supply_air_static_pressure": 400.0, "vav_pressure_request_count": 0.0}),
    ("SCHED-1", "ahu", {"occupancy": 0.0}),
    ("CMD-1", "ahu", {"supply_fan_speed_command": 0.0}),
    ("OA-1", "ahu", {"mixed_air_temperature": _wave(22.5)}),
    ("DMP-1", "ahu", {"outdoor_air_damper_command": 0.0, "mixed_air_temperature": _wave(14.2)}),
    ("VLV-1", "ahu", {"supply_air_temperature": _wave(14.5)}),
    ("RESET-1", "ahu", {"supply_air_temperature_setpoint": 20.0}),
    ("MECH-OAT-1", "ahu", {"compressor_status": 1.0}),
    ("CHW-NOLOAD-1", "chiller", {"building_zone_load_satisfied": 1.0}),
    ("CHW-1", "chiller", {"chilled_water_return_temperature": _wave(9.0)}),
    ("CHW-2", "chiller", {"chilled_water_pump_speed_command": 0.95, "chilled_water_differential_pressure": 60_000.0}),
    ("CHW-3", "chiller", {"chilled_water_supply_temperature": _wave(10.0)}),
    ("CHW-4", "chiller", {"chilled_water_pump_speed_command": 0.95, "chilled_water_flow": 0.08}),
    ("CW-OPT-1", "chiller", {"condenser_water_supply_temperature": _wave(22.0)}),
    ("CW-APR-1", "chiller", {"tower_fan_speed_command": 1.0}),
    ("CW-FAN-1", "chiller", {"tower_fan_speed_command": 1.0, "condenser_water_supply_temperature": _wave(29.0)}),
    ("TRIM-4", "chiller", {"chilled_water_supply_temperature": _wave(6.0), "chilled_water_reset_request_count": 0.0}),
    ("TRIM-3", "boiler", {"hot_water_supply_temperature": _wave(75.0)}),
    ("HP-1", "heat_pump", {"supply_air_temperature": _wave(26.0)}),
    ("VAV-1", "vav_box", {"zone_air_temperature": _wave(25.0)}),
    ("VAV-2", "vav_box", {"occupancy": 0.0}),
    ("VAV-3", "vav_box", {"outdoor_air_temperature": _wave(30.0), "reheat_valve_command": 0.6}),
    ("VAV-4", "vav_box", {"zone_damper_command": 1.0}),
    ("VAV-5", "vav_box", {"zone_damper_command": 0.02}),
    ("VAV-6", "vav_box", {"outdoor_air_temperature": _wave(10.0), "reheat_valve_command": 0.4}),
    ("VAV-REHEAT", "vav_box", {"reheat_valve_command": 0.6}),
    ("VAV-AHU-LEAVE", "vav_box", {"terminal_discharge_air_temperature": _wave(20.0)}),
    ("VAV-7", "vav_box", {"zone_air_flow": 0.15}),
    ("SCHED-247", "ahu", {}),
    ("SV-RANGE", "ahu", {"return_air_temperature": _wave(45.0)}),
    ("SV-FLATLINE", "ahu", {"return_air_temperature": 23.0}),
    ("SV-SPIKE", "ahu", {"return_air_temperature": lambda minute: 33.0 if minute == 20 else 23.0 + 0.2 * (minute % 2)}),
    ("SV-STALE", "boiler", {"hot_water_supply_temperature": 65.0}),
    ("SV-RATE", "ahu", {"zone_air_temperature": lambda minute: 18.0 + 0.3 * (minute % 60)}),
    ("PID-HUNT-1", "ahu", {"cooling_valve_command": lambda minute: 0.2 + 0.5 * (minute // 2 % 2)}),
    ("WX-1", "ahu", {"outdoor_air_temperature": lambda minute: 25.0 if minute == 20 else 14.0 + 0.2 * (minute % 2)}),
]  # fmt: skip
# Always on is what a normal unit of this file is: here it is the other one that must not trip.
QUIET: dict[str, Points] = {
    "SCHED-247": {"supply_fan_status": lambda minute: minute // 30 % 2},
    "RESET-1": {"supply_air_temperature_setpoint": 10.0},
}
# Rules that look back further than their confirmation time.
LONG = ("FC4", "VAV-4", "VAV-7", "SCHED-247", "SV-FLATLINE", "SV-STALE", "SV-RATE", "PID-HUNT-1")
IDS = [case[0] for case in CASES]


def run(kind: str, points: Points, rule: str, minutes: int = 40, gap_after: int = 0) -> Outcome:
    """One rule over minutes of a unit; after `gap_after` minutes an hour is missing."""
    slot = KINDS[kind].slot
    values = np.full((minutes, P), np.nan)
    for point, value in points.items():
        values[:, slot[point]] = [value(minute) if callable(value) else value for minute in range(minutes)]
    at_ms = START_MS + MINUTE_MS * np.arange(minutes, dtype=np.int64)
    if gap_after:
        at_ms[gap_after:] += 60 * MINUTE_MS
    return run_rules(KINDS[kind], at_ms, values, CATALOGUE_SETTINGS, [rule])[0]


def test_every_rule_of_the_catalogue_has_a_case() -> None:
    assert sorted(IDS) == sorted(rule.id for rule in CATALOGUE)
    assert len(IDS) == 62


@pytest.mark.parametrize(("rule", "kind", "changes"), CASES, ids=IDS)
def test_the_rule_trips_on_its_fault_and_not_on_a_normal_unit(rule: str, kind: str, changes: Points) -> None:
    minutes = 150 if rule in LONG else 40
    assert run(kind, {**NORMAL[kind], **changes}, rule, minutes).status == FAULT
    assert run(kind, {**NORMAL[kind], **QUIET.get(rule, {})}, rule, minutes).status == PASS


@pytest.mark.parametrize(("rule", "kind", "changes"), [case for case in CASES if RULE_BY_ID[case[0]].points])
def test_without_a_point_that_it_needs_it_is_skipped(rule: str, kind: str, changes: Points) -> None:
    for point in RULE_BY_ID[rule].points:
        left = {name: value for name, value in {**NORMAL[kind], **changes}.items() if name != point}
        outcome = run(kind, left, rule, minutes=2)
        assert (outcome.status, outcome.fault_hours) == (SKIPPED_MISSING, 0.0), point
        assert point in outcome.missing


OFF: dict[str, Points] = {
    "ahu": {"supply_fan_status": 0.0, "supply_fan_speed_command": 0.0},
    "heat_pump": {"supply_fan_status": 0.0, "supply_fan_speed_command": 0.0},
    "chiller": {"chiller_status": 0.0, "chilled_water_pump_status": 0.0, "chilled_water_pump_speed_command": 0.0},
    "boiler": {"boiler_status": 0.0, "hot_water_pump_status": 0.0},
    "vav_box": {"zone_air_flow": 0.0},
}


@pytest.mark.parametrize(
    ("rule", "kind", "changes"),
    [case for case in CASES if RULE_BY_ID[case[0]].gate != "any"],
    ids=lambda v: str(v)[:12],
)
def test_while_the_equipment_is_off_it_is_skipped(rule: str, kind: str, changes: Points) -> None:
    assert run(kind, {**NORMAL[kind], **changes, **OFF[kind]}, rule, minutes=5).status == SKIPPED_OFF


@pytest.mark.parametrize("rule", ["OAT-METEO", "CHW-1", "VAV-2"])
def test_a_gap_starts_the_confirmation_anew(rule: str) -> None:
    """Four minutes, an hour without readings, fourteen minutes: never as long as the confirmation asks."""
    _, kind, changes = next(case for case in CASES if case[0] == rule)
    points = {**NORMAL[kind], **changes}
    assert run(kind, points, rule, minutes=18, gap_after=4).status == PASS
    assert run(kind, points, rule, minutes=18).status == FAULT


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("rule", "kind", "point", "edge", "inclusive"),
    [
        ("VAV-2", "vav_box", "zone_air_temperature", 20.0, False),
        ("AHU-SATDEV", "ahu", "supply_air_temperature", 17.3 + 2.7778, False),
        ("CHW-1", "chiller", "chilled_water_return_temperature", 7.5 + 2.2222, False),
        ("FC14", "ahu", "cooling_coil_leaving_air_temperature", 17.0 - 0.6389 * 2**0.5 - 0.3056, True),
    ],
)
def test_strictness_at_the_threshold(rule: str, kind: str, point: str, edge: float, inclusive: bool, sign: int) -> None:
    """At the threshold itself, and a hundredth of a kelvin to either side."""
    _, _, changes = next(case for case in CASES if case[0] == rule)
    beyond = -0.01 if rule in ("CHW-1", "FC14") else 0.01
    steady: Points = {"chilled_water_supply_temperature": 7.5, "cooling_coil_entering_air_temperature": 17.0}
    points = {**NORMAL[kind], **changes}
    points |= {name: value for name, value in steady.items() if name in points}
    assert run(kind, {**points, point: edge}, rule, minutes=20).status == (FAULT if inclusive else PASS)
    expected = FAULT if sign > 0 else PASS
    assert run(kind, {**points, point: edge + sign * beyond}, rule, minutes=20).status == expected


def test_outputs_that_hunt_are_watched_within_their_number() -> None:
    for kind in KINDS.values():
        outputs = [kind.points[column] for column in watched(kind.points).outputs]
        assert all(point.endswith("_command") for point in outputs), kind.name


def test_the_document_and_the_list_are_the_table() -> None:
    shipped = Path(__file__).parents[2] / "docs" / "rules.md"
    assert shipped.read_text(encoding="utf-8") == document(), "run: plenum rules list --markdown docs/rules.md"
    listed = list_rules(RuleSettings(), "boiler")
    assert {rule.id for rule in listed} == set(KINDS["boiler"].rule_ids)


CATALOGUE_FILE = Path(__file__).parents[3] / "shared" / "data" / "hvac" / "rules" / "rules.csv"


def _value(settings: RuleSettings, name: str) -> float:
    table, _, key = name.partition(".")
    return float(msgspec.to_builtins(settings)[table][key])


def _same_points(rule: Rule, role: str) -> bool:
    needed = {*rule.points, *(point for group in rule.any_of for point in group)}
    return bool(needed & set(ROLES[role])) or bool({*rule.optional} & set(ROLES[role]))


@pytest.mark.data
@pytest.mark.skipif(not CATALOGUE_FILE.exists(), reason="needs ../shared/data beside the checkout")
def test_the_table_is_the_catalogue() -> None:
    """Every row of rules.csv: its points, its confirmation time and its default of each parameter, converted."""
    with CATALOGUE_FILE.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["rule_id"] for row in rows} == {rule.id for rule in CATALOGUE}
    for row in rows:
        rule = RULE_BY_ID[row["rule_id"]]
        assert rule.confirmation_seconds == int(row["confirmation_seconds"]), rule.id
        assert all(_same_points(rule, role) for role in row["required_point_roles"].split()), rule.id
        by_name = {threshold.parameter: threshold for threshold in rule.thresholds}
        defaults = dict(re.findall(r"(\w+)=([-\d.]+)", row["parameters"]))
        assert set(defaults) == set(by_name), rule.id
        for name, default in defaults.items():
            ours = by_name[name].ours(float(default))
            for setting in by_name[name].settings:
                close = pytest.approx(ours, abs=max(rule.slack, 5e-4), rel=5e-5)
                assert _value(RuleSettings(), setting) == close, (rule.id, name, setting)


def test_a_stuck_sensor_is_named_and_a_rule_of_our_own_speaks_for_its_kin() -> None:
    """Two reasons: the sensor by name, and one of FC2 and MIX-BELOW, which hold both."""
    kind, settings = KINDS["ahu"], RuleSettings()
    state, rows = features.new_state(1), np.zeros(1, dtype=np.intp)
    points = {**AHU, "mixed_air_temperature": _wave(11.0), "return_air_temperature": 23.0}
    for minute in range(80):
        values = np.full((1, P), np.nan, dtype=np.float32)
        for point, value in points.items():
            values[0, kind.slot[point]] = value(minute) if callable(value) else value
        at_ms = np.array([START_MS + minute * MINUTE_MS])
        facts = features.observe(state, Minutes(kind, rows, at_ms, values, np.ones(1, np.float32)), settings)
        confirmed = rules.confirm(state, facts, rules.judge(facts, settings), settings)
    found = {kind.rule_ids[slot] for slot in np.flatnonzero(confirmed[0])}
    assert {"FC2", "MIX-BELOW", "SV-FLATLINE"} <= found
    suspects = rules.suspects(facts, confirmed, settings)
    assert kind.points[suspects["SV-FLATLINE"][0]] == "return_air_temperature"
    nothing = np.full((1, 1), np.nan, dtype=np.float32)
    verdicts = Verdicts(
        kind=kind, rows=rows, minute_at_ms=at_ms, anomaly_score=nothing[0], anomalous=np.zeros(1, bool),
        point_shares=np.zeros((1, P), np.float32), rule_excess=np.zeros((1, R_MAX), np.float32),
        rule_confirmed=confirmed, fault_probability=np.zeros((1, F_MAX), np.float32),
        family_visible=np.zeros((1, F_MAX), bool), family_judged=np.zeros((1, F_MAX), bool),
        failure_probability=np.full((1, H), np.nan, np.float32), hours_to_failure=nothing[0],
        hours_to_failure_low=nothing[0], hours_to_failure_high=nothing[0], anomaly_raw=nothing[0], means=facts.mean,
        apart=np.full((1, len(kind.models.target_names)), np.nan, np.float32),
        over=np.zeros((1, len(kind.models.target_names)), np.float32),
        suspects=suspects,
    )  # fmt: skip
    reasons = {reason.name: reason.text for reason in explain(verdicts, 0) if reason.kind == "rule"}
    assert "MIX-BELOW" in reasons
    assert "FC2" not in reasons
    assert reasons["SV-FLATLINE"].startswith("sensor does not move: return air 23.0 °C")
