"""The command `plenum`: help for everything, one sentence for every failure, exit codes as promised."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import plenum
from models.contracts.exits import Exit
from tests.servers import ROOT


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["demo"],
        ["replay"],
        ["edge"],
        ["cloud"],
        ["stream"],
        ["simulate"],
        ["points"],
        ["bench"],
        ["train"],
        ["evaluate"],
    ],
    ids=lambda words: " ".join(words) or "plenum",
)
def test_everything_has_help(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "plenum", *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sage" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["frobnicate"], Exit.USAGE, "Unknown command"),
        (["demo", "--seconds", "soon"], Exit.USAGE, "Invalid value"),
        (["replay", "nothing.csv"], Exit.USAGE, "--map"),
        (["replay", "nothing.csv", "--map", "nothing.toml"], Exit.SETTINGS, "no such file"),
        (["replay", "nothing.csv", "--map", "examples/szcav.toml"], Exit.SETTINGS, "cannot be read"),
        (["edge", "run", "nothing.toml"], Exit.SETTINGS, "no such file"),
        (["stream", "hvac", "--settings", "nothing.toml"], Exit.SETTINGS, "no such file"),
        (["cloud", "run", "--settings", "nothing.toml"], Exit.SETTINGS, "no such file"),
        (["simulate", "hvac", "--settings", "nothing.toml"], Exit.SETTINGS, "no such file"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_a_sentence_and_an_exit_code(words: list[str], code: Exit, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "plenum", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_missing_package_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "stream.__main__", None)
    monkeypatch.setitem(sys.modules, "faust", None)

    def missing(_: str) -> None:
        raise ModuleNotFoundError("No module named 'faust'", name="faust")

    monkeypatch.setattr("importlib.import_module", missing)
    assert plenum.run(["stream", "hvac"]) == Exit.SETTINGS
    assert "pip install 'plenum[stream]'" in capsys.readouterr().err


def test_points_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert plenum.run(["points"]) == Exit.OK
    assert "supply_air_temperature" in capsys.readouterr().out


def test_a_map_that_does_not_fit_says_which_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.csv").write_text("Datetime,Other\n2026-01-01T00:00,1\n")
    assert plenum.run(["replay", str(tmp_path / "a.csv"), "--map", str(ROOT / "examples/szcav.toml")]) == Exit.SETTINGS
    assert "is not in the file" in capsys.readouterr().err
