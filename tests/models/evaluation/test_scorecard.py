"""The command in small: what is missing is said, and the table holds the report's figures that the file had before."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.contracts.exits import Exit
from models.contracts.figures import Figure, show
from models.hvac.evaluation.scorecard import run_evaluate
from simulators.hvac.lessons import live_plants, play_lesson


def test_the_table_holds_what_the_file_of_figures_held_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, table = tmp_path / "figures.json", tmp_path / "scorecard.md"
    show([Figure("report.hvac.downtime_change_percent", -31.5, "percent", -40.0, -20.0)], str(figures))
    code = run_evaluate(play_lesson, live_plants, None, 0, 1, 0, 1, table, str(figures))
    assert code == Exit.OK
    assert "| Downtime against reactive, % | -31.5 | -40 to -20 | -25 or less | yes |" in table.read_text()
    assert "no --data given" in capsys.readouterr().err


def test_a_folder_that_is_not_the_data_sets_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run_evaluate(play_lesson, live_plants, tmp_path, 0, 1, 0, 1, None, "")
    assert code == Exit.SETTINGS
    assert "expected the folder `hvac` of the public data sets" in capsys.readouterr().err
