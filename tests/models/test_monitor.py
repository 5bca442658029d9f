"""Promises of the monitor on simulated plants: the right family, once, on the right unit; nothing on healthy ones; equal
verdicts however samples are cut and units are gathered."""

from __future__ import annotations

import csv
import gzip
import re

import numpy as np
import pytest

from models.contracts.columnmap import TimeReader, load_map, resolve
from models.contracts.layout import layout_for
from models.contracts.points import AHU_POINTS
from models.hvac import baseline, episodes, features
from models.hvac.families import AHU_FAMILIES as FAMILIES
from models.hvac.kinds import KINDS
from models.hvac.monitor import Monitor, explain
from simulators.hvac.faults import FaultPlan
from tests.models.plant import FAULT_AFTER_MINUTES, STEP_MS, at, plant, play
from tests.servers import ROOT, data_directory

SPRING = "2026-05-12T10:30:00"
# What a retrofit often has: no water temperatures, no pressures, no flow.
FEW_POINTS = (
    "outdoor_air_temperature", "return_air_temperature", "mixed_air_temperature", "supply_air_temperature",
    "supply_fan_status", "supply_fan_speed_command", "outdoor_air_damper_command", "cooling_valve_command",
    "heating_valve_command", "occupancy",
)  # fmt: skip


@pytest.fixture(scope="module")
def monitor() -> Monitor:
    return Monitor.load()


def planted(start: str, severity: float) -> list[FaultPlan]:
    """One fault of each family, in the first six units."""
    fault_at_ms = at(start) + FAULT_AFTER_MINUTES * 60_000
    return [FaultPlan(unit, family, fault_at_ms, severity) for unit, family in enumerate(FAMILIES)]


def test_the_demo_s_plant_shows_every_fault(monitor: Monitor) -> None:
    """Seed and hour of `plenum demo`, ninety plant minutes: one episode each, of its family, and nothing else."""
    times, values = plant(SPRING, 11, 90, planted(SPRING, 0.8))
    played = play(monitor, times, values)
    assert played.opened() == {unit: [family] for unit, family in enumerate(FAMILIES)}
    for change, _ in played.changes:
        if change.transition == "opened":
            assert 0 <= change.opened_at_ms - at(SPRING) - FAULT_AFTER_MINUTES * 60_000 <= 45 * 60_000


def test_faults_are_found_and_named_and_healthy_units_left_alone(monitor: Monitor) -> None:
    """Plants and seasons as they come: nine of ten large faults within 75 minutes (a damper stuck where it should stand
    anyway hides), nineteen of twenty episodes with the right name, none on a healthy unit, none twice."""
    found = named = opened_in_all = faults = 0
    for start in (SPRING, "2026-01-14T10:00:00", "2026-03-18T09:30:00", "2026-10-14T11:00:00"):
        for seed in (1, 2):
            opened = play(monitor, *plant(start, seed, 90, planted(start, 0.8))).opened()
            assert [unit for unit in opened if unit >= len(FAMILIES)] == [], (start, seed, opened)
            assert all(len(families) == len(set(families)) for families in opened.values()), (start, seed, opened)
            faults += len(FAMILIES)
            opened_in_all += sum(len(families) for families in opened.values())
            found += sum(family in opened.get(unit, []) for unit, family in enumerate(FAMILIES))
            named += sum(family == FAMILIES[unit] for unit, families in opened.items() for family in families)
    assert found >= 0.9 * faults
    assert named >= 0.95 * opened_in_all


@pytest.mark.parametrize("start", [SPRING, "2026-01-14T05:30:00", "2026-07-15T16:00:00"])
def test_healthy_units_stay_quiet_through_start_up_and_shut_down(monitor: Monitor, start: str) -> None:
    """Six hours with a start at 7 or an end at 19 in them."""
    played = play(monitor, *plant(start, 23, 360))
    assert played.opened() == {}


def test_verdicts_do_not_depend_on_frames_nor_on_company(monitor: Monitor) -> None:
    """Frames of 1, 7 and 60 samples, and each unit alone: the same bits."""
    times, values = plant(SPRING, 3, 60, planted(SPRING, 0.8), units=7)
    whole = play(monitor, times, values, 10)
    for samples in (1, 7, 60):
        other = play(monitor, times, values, samples)
        count = min(len(whole.verdicts), len(other.verdicts))
        np.testing.assert_array_equal(other.scores()[:count], whole.scores()[:count])
        assert other.opened() == whole.opened()
    for unit in range(3):
        alone = play(monitor, times, values[:, unit : unit + 1], 10)
        np.testing.assert_array_equal(alone.scores()[:, 0], whole.scores()[:, unit])
        assert alone.opened().get(0) == whole.opened().get(unit)
        for mine, theirs in zip(alone.verdicts, whole.verdicts, strict=True):
            np.testing.assert_array_equal(mine.fault_probability[0], theirs.fault_probability[unit])
            np.testing.assert_array_equal(mine.failure_probability[0], theirs.failure_probability[unit])


def test_an_opened_episode_says_why_in_sentences(monitor: Monitor) -> None:
    times, values = plant(SPRING, 11, 90, planted(SPRING, 0.8))
    for change, verdicts in play(monitor, times, values).changes:
        if change.transition != "opened":
            continue
        reasons = explain(verdicts, change.index)
        assert reasons, change
        for reason in reasons:
            assert len(reason.text) > 20
            assert re.search(r"\d", reason.text), reason.text


def test_a_gap_in_the_data_opens_and_clears_nothing(monitor: Monitor) -> None:
    times, values = plant(SPRING, 11, 240, planted(SPRING, 0.8))
    cut = (times < times[0] + 60 * 60_000) | (times > times[0] + 180 * 60_000)
    played = play(monitor, times[cut], values[cut])
    before = {
        (c.row, c.family)
        for c, _ in played.changes
        if c.transition == "opened" and c.opened_at_ms < int(times[0]) + 60 * 60_000
    }
    assert before
    cleared = [(c.row, c.family) for c, _ in played.changes if c.transition == "cleared"]
    assert not before & set(cleared)
    assert not [unit for unit in played.opened() if unit >= len(FAMILIES)]


def test_points_that_a_unit_lacks_are_left_out_and_the_rest_is_judged(monitor: Monitor) -> None:
    times, values = plant(SPRING, 11, 60)
    played = play(monitor, times, values, points=FEW_POINTS)
    assert played.opened() == {}
    assert np.isfinite(played.scores()[20:]).mean() > 0.9
    lacking = [i for i, rule in enumerate(KINDS["ahu"].rules) if not set(rule.points) & set(FEW_POINTS)]
    assert lacking
    for verdicts in played.verdicts:
        assert not verdicts.rule_confirmed[:, lacking].any()


def test_a_unit_that_stands_still_is_not_scored(monitor: Monitor) -> None:
    """At night, with the fan off, there is nothing to judge: no score, and above all no score of 0."""
    times, values = plant("2026-05-12T00:00:00", 11, 60, units=3)
    fan = values[:, :, AHU_POINTS.index("supply_fan_status")]
    played = play(monitor, times, values)
    off = (fan == 0).all(axis=0)
    assert off.any()
    assert np.isnan(played.scores()[15:][:, off]).all()
    assert played.opened() == {}


def test_readings_that_are_all_missing_give_no_score_and_no_episode(monitor: Monitor) -> None:
    times, values = plant(SPRING, 11, 40, units=2)
    values[:, 1] = np.nan
    played = play(monitor, times, values)
    assert np.isnan(played.scores()[:, 1]).all()
    assert played.opened() == {}


def number(cell: str) -> float:
    """A cell of the file; its author's spreadsheet left some errors in it."""
    try:
        return float(cell)
    except ValueError:
        return np.nan


@pytest.mark.data
def test_a_real_air_handler_is_judged(monitor: Monitor) -> None:
    """SZCAV, in Fahrenheit, with twelve of our points. Its first five days; quality has figures of its own."""
    columns = load_map(ROOT / "examples" / "szcav.toml")
    with gzip.open(data_directory() / "hvac" / "lbnl_ahu" / "SZCAV.csv.gz", "rt", newline="") as text:
        rows = list(csv.reader(text))[: 1 + 5 * 1440]
    where = resolve(columns, rows[0])
    reader = TimeReader(columns)
    times = np.array([reader.read(row[where.time]) for row in rows[1:]], dtype=np.int64)
    values = np.array(
        [[number(row[p.position]) * p.convert.factor + p.convert.offset for p in where.points] for row in rows[1:]]
    )
    layout = layout_for("ahu", [p.point for p in where.points])
    positions = features.positions(KINDS["ahu"], layout)
    state = features.new_state(1)
    scores, opened = [], []
    for index in range(len(times)):
        sample = features.gather(values[index][None, :, None].astype(np.float32), None, positions)
        for minutes in features.fold(
            state, KINDS["ahu"], np.zeros(1, dtype=np.intp), times[index : index + 1], np.array([60_000]), sample
        ):
            verdicts = monitor.step(state, minutes)
            scores.append(float(verdicts.anomaly_score[0]))
            opened += [c for c in episodes.decide(state, verdicts) if c.transition == "opened"]
    assert len(scores) > 7_000
    assert np.isfinite(scores).mean() > 0.3
    assert opened


def test_the_step_is_what_the_plant_gives() -> None:
    times, values = plant(SPRING, 1, 2, units=1)
    assert np.diff(times).tolist() == [STEP_MS] * 7
    assert values.shape == (8, 1, len(AHU_POINTS))


def test_after_maintenance_a_unit_is_learned_anew_and_its_neighbours_are_not(monitor: Monitor) -> None:
    """A new filter, of twice the resistance, is no fault of a unit that was told of it."""
    times, values = plant(SPRING, 11, 120, units=2)
    changed_at = len(times) // 2
    values[changed_at:, :, AHU_POINTS.index("filter_differential_pressure")] *= 2
    told, untold = (0, 1)
    layout = layout_for("ahu", AHU_POINTS)
    positions = features.positions(KINDS["ahu"], layout)
    state = features.new_state(2)
    opened = []
    for index, at_ms in enumerate(times):
        if index == changed_at:
            episodes.close_all(state, told)
            baseline.forget(state, told)
        sample = features.gather(values[index][:, :, None], None, positions)
        measured = np.full(2, at_ms)
        for minutes in features.fold(state, KINDS["ahu"], np.arange(2), measured, np.full(2, STEP_MS), sample):
            opened += [c for c in episodes.decide(state, monitor.step(state, minutes)) if c.transition == "opened"]
    assert [(change.row, change.family) for change in opened] == [(untold, "filter_fouled")]
