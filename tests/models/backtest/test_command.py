"""`plenum backtest hvac` as users call it: what it writes, what it prints, and how it ends when something is wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pytest

from models.contracts.exits import Exit
from models.contracts.figures import Figure
from models.hvac.monitor import ARTIFACT_DIR
from plenum import run
from tests.models.backtest.plant import MINUTES, SLIPS_AFTER_MINUTES, START_MS, write_export, write_map

SLIPS_AT_MS = START_MS + SLIPS_AFTER_MINUTES * 60_000


@pytest.fixture(scope="module")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an export and its map."""
    directory = tmp_path_factory.mktemp("brought")
    write_export(directory)
    write_map(directory)
    return directory


def _backtest(brought: Path, out: Path, *words: str) -> int:
    return run(
        ["backtest", "hvac", str(brought / "plant.csv"), "--map", str(brought / "map.toml"), "--out", str(out), *words]
    )


@pytest.fixture(scope="module")
def done(brought: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a backtest with labels wrote, and its figures beside it."""
    directory = tmp_path_factory.mktemp("done")
    words = ("--label", "faulty", "--site", "north", "--json", str(directory / "figures.json"))
    assert _backtest(brought, directory / "out", *words) == Exit.OK
    return directory


def test_scores_have_a_row_for_every_row_of_the_file_in_its_order(brought: Path, done: Path) -> None:
    with (done / "out" / "scores.csv").open(encoding="utf-8") as file:
        ours = list(csv.DictReader(file))
    with (brought / "plant.csv").open(encoding="utf-8") as file:
        theirs = list(csv.DictReader(file))
    assert list(ours[0]) == ["unit", "measured_at_ms", "anomaly_score", "anomalous", "rules", "top_points"]
    assert [(row["unit"], row["measured_at_ms"]) for row in ours] == [(row["unit"], row["time"]) for row in theirs]
    scored = [row for row in ours if row["anomaly_score"]]
    assert len(scored) > 0.8 * len(ours)
    anomalous = {row["unit"] for row in ours if row["anomalous"] == "1"}
    assert "ahu-2" in anomalous
    late = [row for row in ours if row["unit"] == "ahu-2" and int(row["measured_at_ms"]) > SLIPS_AT_MS + 3_600_000]
    assert all(row["top_points"] for row in late)
    assert any(row["rules"] for row in late)


def test_alerts_are_episodes_with_ids_and_reasons(done: Path) -> None:
    lines = (done / "out" / "alerts.jsonl").read_text(encoding="utf-8").splitlines()
    alerts = [json.loads(line) for line in lines]
    (slip,) = alerts
    assert list(slip) == ["alert_id", "unit", "family", "rule", "opened_at_ms", "cleared_at_ms", "reasons"]
    assert slip["unit"] == "ahu-2"
    assert slip["alert_id"].startswith("al_")
    assert SLIPS_AT_MS < slip["opened_at_ms"] < START_MS + MINUTES * 60_000
    assert slip["cleared_at_ms"] is None
    assert slip["reasons"][0]["text"]


def test_figures_with_labels(done: Path) -> None:
    figures = {
        figure.name: figure for figure in msgspec.json.decode((done / "figures.json").read_bytes(), type=list[Figure])
    }
    assert figures["backtest.rows"].value == 2 * MINUTES
    assert figures["backtest.alert.recall"].value > 0.5
    assert figures["backtest.episodes"].value == 1
    assert 0 <= figures["backtest.detection_delay_seconds"].value < 7200
    assert {
        "backtest.precision",
        "backtest.f1",
        "backtest.false_alarm_rate",
        "backtest.missed_alarm_rate",
    } <= figures.keys()


def test_the_report_needs_no_network(done: Path) -> None:
    page = (done / "out" / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page
    assert "https://" not in page
    assert '<section class="panel"><h2>Alerts (1)</h2>' in page
    assert "<script src" not in page


def test_training_rows_are_not_judged(brought: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _backtest(brought, tmp_path / "out", "--train-rows", "100", "--label", "faulty") == Exit.OK
    assert f"RESULT backtest.rows {2 * (MINUTES - 100)} count" in capsys.readouterr().out
    assert _backtest(brought, tmp_path / "until", "--train-until", "2025-06-02T07:41:00") == Exit.OK
    assert f"RESULT backtest.rows {2 * (MINUTES - 100)} count" in capsys.readouterr().out


def test_thresholds_can_be_tried(brought: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "monitor.toml"
    settings.write_text("[episodes]\nopen_minutes = 10000\nunsure_minutes = 10000\nrule_open_minutes = 10000\n")
    words = ("--settings", str(settings), "--models", str(ARTIFACT_DIR))
    assert _backtest(brought, tmp_path / "out", *words) == Exit.OK
    assert "RESULT backtest.alerts 0 count" in capsys.readouterr().out


def _refused(words: list[str], code: int, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backtest", "hvac", *words]) == code
    said = capsys.readouterr()
    assert expected in said.err
    assert said.err.count("\n") == 1
    assert "RESULT" not in said.out


def test_what_cannot_be_used_is_one_sentence_and_an_exit_code(
    brought: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, map_file, out = str(brought / "plant.csv"), str(brought / "map.toml"), str(tmp_path / "out")
    usual = ["--map", map_file, "--out", out]
    empty = tmp_path / "empty.csv"
    empty.write_bytes(b"")
    bad_unit = tmp_path / "bad.toml"
    bad_unit.write_text(Path(map_file).read_text().replace('"celsius"', '"degQ"'))
    _refused([str(empty), *usual], Exit.SETTINGS, "empty.csv: is empty", capsys)
    _refused([rows, "--map", str(bad_unit), "--out", out], Exit.SETTINGS, "unit 'degQ' is not known", capsys)
    _refused([rows, "--map", str(tmp_path / "no.toml"), "--out", out], Exit.SETTINGS, "no such file", capsys)
    _refused([rows, *usual, "--label", "truth"], Exit.SETTINGS, "column 'truth' is not in the file", capsys)
    _refused([rows, *usual, "--train-rows", "5000"], Exit.SETTINGS, "nothing to judge", capsys)
    _refused([rows, *usual, "--train-until", "2020-01-01"], Exit.SETTINGS, "nothing to learn from", capsys)
    _refused([rows, *usual, "--models", str(tmp_path)], Exit.SETTINGS, "anomaly", capsys)
    _refused([rows, *usual, "--settings", map_file], Exit.SETTINGS, "unknown key", capsys)
    _refused([rows, rows, *usual], Exit.USAGE, "is given twice", capsys)
    _refused(usual, Exit.USAGE, "no file given", capsys)
    _refused([rows, *usual, "--train-until", "soon"], Exit.USAGE, "is no time", capsys)
    _refused([rows, *usual, "--train-rows", "5", "--train-until", "2025-06-02"], Exit.USAGE, "keep one", capsys)
    assert not Path(out).exists()


def test_a_directory_that_holds_something_is_not_overwritten(
    brought: Path, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (done / "out" / "scores.csv").stat().st_mtime_ns
    assert _backtest(brought, done / "out") == Exit.USAGE
    assert "--force" in capsys.readouterr().err
    assert (done / "out" / "scores.csv").stat().st_mtime_ns == before
