"""Recorded sets as users bring them: nothing of the figures is asserted but that they come from whole files."""

from __future__ import annotations

import csv
import gzip
from itertools import pairwise
from pathlib import Path

import pytest

from models.contracts.exits import Exit
from plenum import run

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "hvac"
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


def _map(directory: Path, text: str) -> str:
    path = directory / "map.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.data
def test_a_pump_as_generic(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = _map(tmp_path, 'time = "datetime"\ntype = "generic"\nignore = ["changepoint"]\n')
    words = ["--train-rows", "400", "--label", "anomaly", "--out", str(tmp_path / "out")]
    assert run(["backtest", "hvac", str(DATA / "skab/valve1/0.csv.gz"), "--map", columns, *words]) == Exit.OK
    said = capsys.readouterr().out
    assert "RESULT backtest.rows 747 count" in said
    assert "RESULT backtest.f1 " in said


@pytest.mark.data
def test_a_clock_that_was_set_back_is_refused_and_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = _map(tmp_path, 'time = "timestamp"\ntype = "generic"\n')
    words = [
        str(DATA / "nab/machine_temperature_system_failure.csv.gz"),
        "--map",
        columns,
        "--out",
        str(tmp_path / "out"),
    ]
    assert run(["backtest", "hvac", *words]) == Exit.SETTINGS
    assert "row 10151 column 'timestamp': 2014-01-07 02:00:00 UTC is before" in capsys.readouterr().err
    assert run(["backtest", "hvac", *words, "--sort"]) == Exit.OK
    assert "RESULT backtest.rows 22683 count" in capsys.readouterr().out


@pytest.mark.data
def test_some_hours_of_an_air_handler(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "szcav.csv"
    with gzip.open(DATA / "lbnl_ahu/SZCAV.csv.gz", "rt", encoding="utf-8") as file:
        lines = list(file)
    rows.write_text("".join([lines[0], *lines[1_400:1_800]]))
    words = ["--map", str(EXAMPLES / "szcav.toml"), "--out", str(tmp_path / "out")]
    assert run(["backtest", "hvac", str(rows), *words]) == Exit.OK
    assert "RESULT backtest.recall " in capsys.readouterr().out
    with (tmp_path / "out" / "scores.csv").open(encoding="utf-8") as file:
        scores = list(csv.DictReader(file))
    # The record goes through the hour that summer time leaves out: no minute is lost or doubled.
    times = [int(row["measured_at_ms"]) for row in scores]
    assert {later - earlier for earlier, later in pairwise(times)} == {60_000}
    assert sum(bool(row["anomaly_score"]) for row in scores) > 380
