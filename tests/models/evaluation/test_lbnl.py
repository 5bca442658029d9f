"""Promises of the evaluation across systems: each fault unbalances what it should, a verdict knows no later minute, the
threshold is the stated tolerance unless the training days speak against it, and figures are what slow counting gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.hvac.evaluation import lbnl
from models.hvac.evaluation.lbnl import MINUTES, Recording, choose, macro_f1, scores
from models.hvac.kinds import KINDS
from models.hvac.points import P
from tests.servers import ROOT, data_directory

# A constant-volume unit at half speed on a mild day: closed valves, damper at its minimum.
HEALTHY = {
    "outdoor_air_temperature": 12.0,
    "return_air_temperature": 22.0,
    "mixed_air_temperature": 19.5,
    "supply_air_temperature": 20.0,
    "supply_air_heating_temperature_setpoint": 18.0,
    "supply_air_cooling_temperature_setpoint": 24.0,
    "outdoor_air_damper_command": 0.15,
    "heating_valve_command": 0.0,
    "cooling_valve_command": 0.0,
    "supply_fan_speed_command": 0.5,
    "supply_fan_status": 1.0,
    "supply_air_static_pressure": 350.0,
    "supply_air_static_pressure_setpoint": 348.0,
}
FAULTS = {
    "damper stuck open": {"mixed_air_temperature": 13.0, "supply_air_temperature": 13.5},
    "damper leaking while closed": {
        "outdoor_air_damper_command": 0.0, "mixed_air_temperature": 19.8, "supply_air_temperature": 20.3,
    },
    "heating valve leaking": {"supply_air_temperature": 23.0},
    "cooling valve leaking": {"supply_air_temperature": 17.0},
    "cooling fights heating": {"heating_valve_command": 0.4, "supply_air_temperature": 17.0},
    "cooling valve stuck closed": {
        "cooling_valve_command": 1.0, "supply_air_cooling_temperature_setpoint": 12.0, "supply_air_temperature": 20.0,
    },
    "duct without pressure": {"supply_air_static_pressure": -40.0},
}  # fmt: skip


def days(*points: dict[str, float]) -> Recording:
    """One day of each of these states, all minutes alike."""
    values = np.full((len(points), MINUTES, P), np.nan, dtype=np.float32)
    for day, state in enumerate(points):
        for name, value in state.items():
            values[day, :, KINDS["ahu"].slot[name]] = value
    return Recording(values, np.zeros(len(points), dtype=bool))


def test_each_fault_leaves_its_balance_and_a_healthy_day_none() -> None:
    last = scores(days(HEALTHY, *(HEALTHY | fault for fault in FAULTS.values())))[:, -1]
    assert last[0] < 0.5
    assert (last[1:] > 1).all(), dict(zip(FAULTS, last[1:], strict=True))


def test_points_that_are_not_told_unbalance_nothing() -> None:
    few = {name: HEALTHY[name] for name in ("supply_air_temperature", "supply_fan_status")}
    assert scores(days(few, {}))[:, -1].tolist() == [0, 0]


def test_a_unit_at_rest_is_not_judged() -> None:
    resting = HEALTHY | FAULTS["damper stuck open"] | {"supply_fan_speed_command": 0.0, "supply_fan_status": 0.0}
    assert scores(days(resting))[0, -1] == 0


def test_a_verdict_knows_no_later_minute() -> None:
    recording = days(HEALTHY)
    recording.values[0, 700:, KINDS["ahu"].slot["supply_air_temperature"]] = 30
    score = scores(recording)[0]
    assert (score[:700] == scores(days(HEALTHY))[0, :700]).all()
    assert score[700] < 1 < score[-1]
    assert (np.diff(score) >= 0).all()


def test_what_stands_for_less_than_a_quarter_of_an_hour_is_no_evidence() -> None:
    """Five-minute means smear a disturbance of eight minutes over twelve."""
    recording = days(HEALTHY)
    recording.values[0, 700:708, KINDS["ahu"].slot["supply_air_temperature"]] = 30
    assert scores(recording)[0, -1] < 1


def test_f1_of_both_classes_is_what_slow_counting_gives() -> None:
    draw = np.random.default_rng(3)
    verdict, faulty = draw.random((5, 40)) < 0.6, np.array([True, False, True, True, False])

    def naive(which: bool) -> float:
        hit = sum(verdict[d, m] == which and faulty[d] == which for d in range(5) for m in range(40))
        said = sum(verdict[d, m] == which for d in range(5) for m in range(40))
        true = sum(faulty[d] == which for d in range(5)) * 40
        precision, recall = hit / said, hit / true
        return float(2 * precision * recall / (precision + recall))

    assert macro_f1(verdict, faulty) == pytest.approx((naive(True) + naive(False)) / 2)


def test_always_saying_faulty_gives_what_the_issue_says() -> None:
    assert macro_f1(np.ones((15, 10), bool), np.arange(15) > 0) == pytest.approx(0.48, abs=0.005)
    assert macro_f1(np.ones((26, 10), bool), np.arange(26) < 13) == pytest.approx(0.33, abs=0.005)


@pytest.mark.parametrize(
    ("healthy", "expected"),
    [(0.4, 1.0), (1.1, 2.0**0.25), (2.2, 2.0**1.25)],
)
def test_the_stated_tolerance_stands_unless_healthy_days_are_beyond_it(healthy: float, expected: float) -> None:
    faulty = np.arange(20) < 10
    score = np.where(faulty, 4.5, healthy)[:, None] * np.ones((1, 5), dtype=np.float32)
    assert choose(score.astype(np.float32), faulty) == pytest.approx(expected)


def test_a_day_that_is_not_whole_is_named(tmp_path: Path) -> None:
    map_path = tmp_path / "map.toml"
    map_path.write_text(
        'time = "t"\ntype = "ahu"\n[label]\ncolumn = "y"\n[points.supply_air_temperature]\ncolumn = "sat"\nunit = "degF"\n'
    )
    rows = [f"3/11/2017 {minute // 60}:{minute % 60:02d},{60 + minute % 7},1" for minute in range(MINUTES)]
    whole, broken = tmp_path / "whole.csv", tmp_path / "broken.csv"
    whole.write_text("\n".join(["t,sat,y", *rows]))
    broken.write_text("\n".join(["t,sat,y", *rows[:-3]]))
    recording = lbnl.read(whole, map_path)
    assert recording.faulty.tolist() == [True]
    assert recording.values[0, 0, KINDS["ahu"].slot["supply_air_temperature"]] == pytest.approx(
        (60 - 32) / 1.8, abs=1e-3
    )
    with pytest.raises(lbnl.LbnlError, match="2017-03-11 has 1437 labelled minutes"):
        lbnl.read(broken, map_path)


@pytest.mark.data
def test_both_files_fit_their_maps() -> None:
    for (file, map_file), (count, faulty) in zip(lbnl.SYSTEMS.values(), ((26, 13), (15, 14)), strict=True):
        recording = lbnl.read(data_directory() / "hvac" / "lbnl_ahu" / file, ROOT / "examples" / map_file)
        assert (len(recording.faulty), recording.faulty.sum()) == (count, faulty)
        supply = recording.values[:, :, KINDS["ahu"].slot["supply_air_temperature"]]
        assert 5 < np.nanmedian(supply) < 30
