"""Every kind of equipment has its points, rules and families in slots of shared arrays, and is judged with what it has.

a unit keeps its slots · of another kind it starts anew · rules alone open and clear · a sensor is told from the equipment
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from models.contracts.equipment import EQUIPMENT
from models.contracts.frame import Floats
from models.contracts.layout import layout_for
from models.contracts.points import POINTS
from models.hvac import episodes, features
from models.hvac.diagnose import sensor_probability
from models.hvac.families import AHU_FAMILIES, FAMILIES_OF, FAMILY, FAMILY_TABLE, SENSOR_FAMILIES
from models.hvac.features import Minutes
from models.hvac.kinds import KINDS, Kind, rule_mark
from models.hvac.monitor import Monitor, Verdicts
from models.hvac.points import F_MAX, R_MAX, P
from models.hvac.rules import RULE_TABLE
from models.hvac.settings import MonitorSettings

START_MS = 1_700_000_040_000
MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def monitor() -> Monitor:
    return Monitor.load()


def minute(kind: Kind, number: int, means: Floats) -> Minutes:
    """One minute of as many units as `means` has rows."""
    units = len(means)
    return Minutes(
        kind, np.arange(units), np.full(units, START_MS + number * MINUTE_MS), means, np.ones(units, np.float32)
    )


def plausible(kind: Kind, units: int, draw: np.random.Generator) -> Floats:
    """Values somewhere within what each point can be, shape (units, P)."""
    means = np.full((units, P), np.nan, dtype=np.float32)
    for slot, name in enumerate(kind.points):
        row = POINTS[name]
        means[:, slot] = draw.uniform(row.low, row.high, units)
    return means


def random_verdicts(monitor: Monitor, kind: Kind, seed: int, minutes: int = 30, units: int = 4) -> Iterator[Verdicts]:
    draw = np.random.default_rng(seed)
    state = features.new_state(units)
    means = plausible(kind, units, draw)
    for number in range(minutes):
        yield monitor.step(state, minute(kind, number, means + draw.normal(0, 0.01, means.shape).astype(np.float32)))


def test_every_kind_of_equipment_has_a_row() -> None:
    assert KINDS.keys() == EQUIPMENT.keys() == FAMILIES_OF.keys()
    for name, kind in KINDS.items():
        assert kind.points == EQUIPMENT[name].points
        assert kind.family_names == FAMILIES_OF[name]
        assert len(kind.points) <= P
        assert len(kind.rules) <= R_MAX
        assert len(kind.families) <= F_MAX
    assert len({kind.code for kind in KINDS.values()} | {0}) == len(KINDS) + 1


def test_the_air_handler_keeps_the_slots_that_its_models_and_snapshots_know() -> None:
    kind = KINDS["ahu"]
    assert kind.points[:3] == ("outdoor_air_temperature", "outdoor_air_relative_humidity", "return_air_temperature")
    assert kind.points[24:31] == (
        "supply_air_heating_temperature_setpoint", "supply_air_cooling_temperature_setpoint",
        "return_air_damper_command", "exhaust_air_damper_command", "return_fan_status", "return_fan_speed_command",
        "return_air_relative_humidity",
    )  # fmt: skip
    assert kind.family_names[: kind.modelled] == AHU_FAMILIES == kind.models.families


def test_a_rule_is_of_the_kinds_that_it_names_and_that_have_its_points() -> None:
    for kind in KINDS.values():
        for rule in RULE_TABLE:
            fits = kind.name in rule.equipment and set(rule.points) <= set(kind.points)
            assert (rule in kind.rules) is fits, (kind.name, rule.id)


def test_marks_of_rules_are_their_own() -> None:
    marks = [rule_mark(rule.id) for rule in RULE_TABLE]
    assert len(set(marks)) == len(marks)


def test_families_are_written_for_people() -> None:
    assert len(FAMILY) == len(FAMILY_TABLE)
    for family in FAMILY_TABLE:
        assert family.title[:1].isupper()
        assert len(family.checks) == 3
        assert all(20 < len(check) < 120 for check in family.checks)
        assert family.sensor is ("sensor" in family.name), family.name
    assert "sensor_fault" in SENSOR_FAMILIES


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_any_kind_is_judged_with_what_it_has(monitor: Monitor, kind: Kind) -> None:
    for verdicts in random_verdicts(monitor, kind, 3):
        assert verdicts.kind is kind
        assert np.isnan(verdicts.rule_excess[:, len(kind.rules) :]).all()
        assert not verdicts.rule_confirmed[:, len(kind.rules) :].any()
        assert (verdicts.fault_probability[:, len(kind.families) :] == 0).all()
        assert ((verdicts.fault_probability >= 0) & (verdicts.fault_probability <= 1)).all()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_company_changes_no_bit(monitor: Monitor, kind: Kind) -> None:
    """Units that lack different points, together and each alone."""
    draw = np.random.default_rng(5)
    means = plausible(kind, 5, draw)
    means[draw.random(means.shape) < 0.3] = np.nan
    together, alone = features.new_state(5), [features.new_state(1) for _ in range(5)]
    for number in range(25):
        now = means + draw.normal(0, 0.01, means.shape).astype(np.float32)
        all_of_them = monitor.step(together, minute(kind, number, now))
        for unit, state in enumerate(alone):
            own = monitor.step(state, minute(kind, number, now[unit : unit + 1]))
            for name in ("anomaly_score", "rule_excess", "rule_confirmed", "fault_probability", "failure_probability"):
                np.testing.assert_array_equal(getattr(own, name)[0], getattr(all_of_them, name)[unit], err_msg=name)
    for name, array in together.items():
        for unit, state in enumerate(alone):
            np.testing.assert_array_equal(array[unit], state[name][0], err_msg=name)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_readings_that_are_all_missing_say_nothing(monitor: Monitor, kind: Kind) -> None:
    state = features.new_state(1)
    nothing = np.full((1, P), np.nan, dtype=np.float32)
    for number in range(30):
        verdicts = monitor.step(state, minute(kind, number, nothing))
        assert np.isnan(verdicts.anomaly_score).all()
        assert np.isnan(verdicts.rule_excess).all()
        assert episodes.decide(state, verdicts) == []


def test_a_unit_of_another_kind_starts_anew_and_its_neighbour_does_not(monitor: Monitor) -> None:
    ahu, boiler = KINDS["ahu"], KINDS["boiler"]
    draw = np.random.default_rng(1)
    state = features.new_state(2)
    for number in range(20):
        monitor.step(state, minute(ahu, number, plausible(ahu, 2, draw)))
    before = {name: array[1].copy() for name, array in state.items()}
    features.meet(state, boiler, np.array([0]))
    fresh = features.new_state(1)
    for name in state:
        np.testing.assert_array_equal(state[name][1], before[name], err_msg=name)
        if name != "kind":
            np.testing.assert_array_equal(state[name][0], fresh[name][0], err_msg=name)
    assert state["kind"].tolist() == [boiler.code, ahu.code]


def test_points_are_found_in_a_layout_by_the_kind_s_slots() -> None:
    kind = KINDS["boiler"]
    where = features.positions(kind, layout_for("boiler", ("hot_water_return_temperature", "boiler_status")))
    assert where.shape == (P,)
    assert where[kind.slot["boiler_status"]] == 1
    assert where[kind.slot["hot_water_return_temperature"]] == 0
    assert (where >= 0).sum() == 2


def by_rules(kind: Kind, family: str, confirmed: bool, level: float) -> Verdicts:
    """One unit of which a rule says something, or takes it back."""
    slot = kind.family_slot[family]
    rule = next(rules[0] for where, rules in kind.leads if where == slot)
    probability = np.zeros((1, F_MAX), dtype=np.float32)
    probability[0, slot] = level
    rules = np.zeros((1, R_MAX), dtype=bool)
    rules[0, rule] = confirmed
    nan = np.full(1, np.nan, dtype=np.float32)
    targets = np.zeros((1, 0), dtype=np.float32)
    return Verdicts(
        kind=kind,
        rows=np.zeros(1, dtype=np.intp),
        minute_at_ms=np.array([START_MS]),
        anomaly_score=nan,
        anomalous=np.zeros(1, dtype=bool),
        point_shares=np.zeros((1, P), dtype=np.float32),
        rule_excess=np.zeros((1, R_MAX), dtype=np.float32),
        rule_confirmed=rules,
        fault_probability=probability,
        family_visible=np.ones((1, F_MAX), dtype=bool),
        family_judged=np.ones((1, F_MAX), dtype=bool),
        failure_probability=np.full((1, 2), np.nan, dtype=np.float32),
        hours_to_failure=nan,
        hours_to_failure_low=nan,
        hours_to_failure_high=nan,
        anomaly_raw=nan,
        means=np.full((1, P), np.nan, dtype=np.float32),
        apart=targets,
        over=targets,
    )


@pytest.mark.parametrize(
    ("name", "family"), [(kind.name, kind.family_names[slot]) for kind in KINDS.values() for slot, _ in kind.leads]
)
def test_a_rule_alone_opens_and_clears_the_family_that_it_leads_to(name: str, family: str) -> None:
    kind = KINDS[name]
    settings = msgspec.structs.replace(MonitorSettings().episodes, quiet_families=())
    state = features.new_state(1)
    features.meet(state, kind, np.zeros(1, dtype=np.intp))
    changes = []
    for _ in range(settings.rule_open_minutes):
        changes += episodes.decide(state, by_rules(kind, family, True, 0.8), settings)
    assert [(change.transition, change.family) for change in changes] == [("opened", family)]
    assert changes[0].rule in kind.rule_slot
    for _ in range(settings.clear_minutes):
        changes += episodes.decide(state, by_rules(kind, family, False, 0.0), settings)
    assert [change.transition for change in changes] == ["opened", "cleared"]
    assert changes[0].rule == changes[1].rule


def test_a_family_that_is_quiet_is_shown_and_opens_nothing() -> None:
    kind, settings = KINDS["ahu"], MonitorSettings().episodes
    assert "schedule_wrong" in settings.quiet_families
    state = features.new_state(1)
    features.meet(state, kind, np.zeros(1, dtype=np.intp))
    for _ in range(3 * settings.rule_open_minutes):
        assert episodes.decide(state, by_rules(kind, "schedule_wrong", True, 0.8), settings) == []


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_sensor_s_share_of_what_is_wrong(kind: Kind) -> None:
    verdicts = Verdicts.__new__(Verdicts)
    verdicts.kind, verdicts.rows = kind, np.arange(3)
    probability = np.zeros((3, F_MAX), dtype=np.float32)
    sensor = next(slot for slot, family in enumerate(kind.families) if family.sensor)
    other = next(slot for slot, family in enumerate(kind.families) if not family.sensor)
    probability[1, [sensor, other]] = 0.6, 0.2
    probability[2, other] = 0.9
    verdicts.fault_probability = probability
    share = sensor_probability(verdicts)
    assert np.isnan(share[0])
    np.testing.assert_allclose(share[1:], [0.75, 0.0], rtol=1e-6)
