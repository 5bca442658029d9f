"""Recorded cases come out exactly as they say, a case that does not is told, and files with a map are judged alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import psychrolib
import pytest

import plenum
from models.contracts.exits import Exit
from models.hvac.conditions_weather import dew_point_celsius, wet_bulb_celsius
from models.hvac.rules_recorded import run_cases

ORACLE = Path(__file__).parents[3] / "shared" / "data" / "hvac" / "rules" / "oracle"


def write_case(folder: Path, expected: dict[str, object], rows: list[str], columns: str) -> None:
    folder.mkdir(parents=True)
    (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")
    (folder / "columns.csv").write_text("col,point_role\n" + columns, encoding="utf-8")
    (folder / "history_wide.csv").write_text("\n".join(["timestamp_utc,a,b", *rows]) + "\n", encoding="utf-8")


def zone(hours: int, fahrenheit: float, word: str = "unoccupied") -> list[str]:
    return [
        f"2026-01-05T{hour:02}:{minute:02}:00Z,{fahrenheit},{word}"
        for hour in range(hours)
        for minute in range(0, 60, 5)
    ]


SETBACK = {"pandas_rule_id": "VAV-2", "equipment_type": "VAV", "poll_seconds": 300}
COLUMNS = "a,zone-air-temp\nb,occupied\n"


@pytest.mark.data
@pytest.mark.skipif(not ORACLE.is_dir(), reason="needs ../shared/data beside the checkout")
def test_every_recorded_case_comes_out_exactly(capsys: pytest.CaptureFixture[str]) -> None:
    assert plenum.run(["rules", "test", str(ORACLE)]) == Exit.OK
    assert "RESULT rules.cases 46 cases\nRESULT rules.asserted 37 cases\nRESULT rules.exact 46 cases" in (
        capsys.readouterr().out
    )


def test_a_reading_stands_until_the_next_and_rows_may_come_in_any_order_or_twice(tmp_path: Path) -> None:
    """Two hours above the setback; confirmed by the third reading, so 110 minutes of fault."""
    rows = zone(2, 74.0)
    expected = {**SETBACK, "any_fault": True, "fault_hours": 110 / 60, "expect_status": "FAULT"}
    for name, given in {"plain": rows, "mixed": [*rows[::-1], rows[3]], "gap": [*rows[:6], *rows[18:]]}.items():
        wanted = expected if name != "gap" else {**SETBACK, "any_fault": True, "fault_hours": 0.75}
        write_case(tmp_path / name, wanted, given, COLUMNS)
    assert [(one.case, one.differences) for one in run_cases(tmp_path)] == [("gap", ()), ("mixed", ()), ("plain", ())]


def test_parameters_are_applied_in_the_units_of_the_catalogue(tmp_path: Path) -> None:
    write_case(
        tmp_path / "high", {**SETBACK, "any_fault": False, "params": {"setback_hi": 74.0}}, zone(2, 74.0), COLUMNS
    )
    write_case(tmp_path / "low", {**SETBACK, "fault_hours": 2.0, "params": {"confirm_min": 0}}, zone(2, 74.0), COLUMNS)
    assert [one.differences for one in run_cases(tmp_path)] == [(), ()]


def test_a_case_that_differs_or_cannot_be_read_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_case(tmp_path / "wrong", {**SETBACK, "any_fault": False}, zone(2, 74.0), COLUMNS)
    write_case(tmp_path / "word", SETBACK, zone(1, 74.0, "perhaps"), COLUMNS)
    write_case(tmp_path / "param", {**SETBACK, "params": {"setback": 1}}, zone(1, 74.0), COLUMNS)
    write_case(tmp_path / "rule", {**SETBACK, "pandas_rule_id": "VAV-99"}, zone(1, 74.0), COLUMNS)
    assert plenum.run(["rules", "test", str(tmp_path)]) == Exit.FINDINGS
    said = capsys.readouterr().out
    for part in ("any_fault True, expected False", "'perhaps'", "'setback' is not known", "'VAV-99'", "0 of 4"):
        assert part in said, part


MAP = """
time = "at"
unit_id = "box-1"
type = "vav_box"
[points.zone_air_temperature]
column = "zone"
unit = "degF"
[points.occupancy]
column = "occupied"
unit = "state"
"""


def test_a_file_with_a_map_is_judged_by_the_same_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"2026-01-05T{m // 60:02}:{m % 60:02}:00Z,{74 + m % 2 / 5},0" for m in range(120)]
    (tmp_path / "zone.csv").write_text("\n".join(["at,zone,occupied", *rows]) + "\n", encoding="utf-8")
    (tmp_path / "map.toml").write_text(MAP, encoding="utf-8")
    words = ["rules", "test", str(tmp_path / "zone.csv"), "--map", str(tmp_path / "map.toml")]
    assert plenum.run([*words, "--json", str(tmp_path / "out.json")]) == Exit.OK
    found = {row["rule"]: row for row in json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))}
    assert found["VAV-2"]["status"] == "FAULT"
    assert found["VAV-2"]["fault_hours"] == pytest.approx(106 / 60, abs=0.001)
    assert found["VAV-4"] == {
        "unit": "box-1", "rule": "VAV-4", "status": "SKIPPED_MISSING_ROLES", "first_at": None, "fault_hours": 0.0,
        "missing": ["zone_damper_command"],
    }  # fmt: skip
    assert plenum.run([*words, "--rule", "VAV-2"]) == Exit.OK
    assert "VAV-4" not in capsys.readouterr().out.rpartition("fault hours")[2]


@pytest.mark.parametrize(
    "words",
    [
        ["rules", "test", "nowhere"],
        ["rules", "test", __file__],
        ["rules", "test", __file__, "--rule", "FC99"],
        ["rules", "test", str(Path(__file__).parent)],
        ["rules", "list", "--equipment", "fridge"],
    ],
)
def test_what_cannot_be_tried_is_refused_in_a_sentence(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert plenum.run(words) == Exit.USAGE
    assert capsys.readouterr().err.startswith("rules: ")


@pytest.mark.parametrize("width", [100, 200])
def test_the_list_shows_every_rule(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert plenum.run(["rules", "list"]) == Exit.OK
    said = capsys.readouterr().out
    assert "83 rules, 62 of the catalogue and 21 of our own" in said
    assert max(len(line.rstrip()) for line in said.splitlines()) <= width


def test_moist_air_agrees_with_psychrolib() -> None:
    """Dew point within 0.2 K of ASHRAE's; Stull's wet bulb within 1 K, as its author says."""
    psychrolib.SetUnitSystem(psychrolib.SI)
    for celsius in (-10.0, 0.5, 10.0, 20.0, 30.0, 40.0):
        for humidity in (0.1, 0.3, 0.5, 0.8, 0.95):
            air, share = np.array([celsius], np.float32), np.array([humidity], np.float32)
            dew = psychrolib.GetTDewPointFromRelHum(celsius, humidity)
            over_water = celsius >= 0 and dew >= 0
            if over_water:
                assert dew_point_celsius(air, share)[0] == pytest.approx(dew, abs=0.2)
            wet = psychrolib.GetTWetBulbFromRelHum(celsius, humidity, 101_325.0)
            if celsius >= 0 and wet >= 0:
                assert wet_bulb_celsius(air, share)[0] == pytest.approx(wet, abs=1.0)
    nothing = np.array([np.nan], np.float32)
    assert np.isnan(dew_point_celsius(nothing, nothing)).all()
    assert np.isnan(wet_bulb_celsius(nothing, nothing)).all()
