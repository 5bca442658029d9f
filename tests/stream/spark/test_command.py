"""What is missing is said in one sentence that tells how to get it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from models.contracts.exits import Exit
from stream.__main__ import main
from stream.spark import command

ENGINE = ("hvac", "--engine", "spark")


@pytest.fixture(autouse=True)
def no_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers on a captured stderr would outlive it."""
    monkeypatch.setattr(command, "start_logging", lambda *_: None)


@pytest.fixture
def settings(tmp_path: Path) -> str:
    path = tmp_path / "stream.toml"
    path.write_text(f"[spark]\njars_dir = '{tmp_path}/jars'\n")
    return str(path)


def test_a_missing_connector(settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ENGINE, "--settings", settings]) == Exit.SETTINGS
    error = capsys.readouterr().err
    assert "lacks spark-sql-kafka-0-10_2.13-4.2.0.jar" in error
    assert "make servers" in error


def test_a_missing_package(settings: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "pyspark" else find_spec(name))
    assert main([*ENGINE, "--settings", settings]) == Exit.SETTINGS
    assert "package pyspark is missing; install it with: pip install 'plenum[spark]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "error"),
    [("", "java is missing at"), ('openjdk version "11.0.2" 2019-01-15', "is version 11, expected 17 or later")],
)
def test_a_missing_or_old_java(
    version: str,
    error: str,
    settings: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    if version:
        java = tmp_path / "bin" / "java"
        java.parent.mkdir()
        java.write_text(f"#!/bin/sh\necho '{version}' >&2\n")
        java.chmod(0o755)
    assert main([*ENGINE, "--settings", settings, "--replay", str(tmp_path), "--to", f"{tmp_path}/to"]) == Exit.SETTINGS
    said = capsys.readouterr().err
    assert error in said
    assert "apt-get install openjdk-17-jre-headless" in said


def test_of_a_failed_query_the_cause_in_python_is_told() -> None:
    text = """[STREAM_FAILED] Query hvac terminated with exception: Job aborted due to stage failure
org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "stream/spark/live.py", line 100, in handleInputRows
stream.snapshot.SnapshotError: hvac partition 2: a newer worker wrote this state

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:645)
"""
    assert command.reason_of(text) == "SnapshotError: hvac partition 2: a newer worker wrote this state"
    assert command.reason_of("[STREAM_FAILED] no more\nat java") == "[STREAM_FAILED] no more"


def test_a_replay_needs_a_place_for_what_it_says(settings: str, tmp_path: Path) -> None:
    assert main([*ENGINE, "--settings", settings, "--replay", str(tmp_path)]) == Exit.USAGE


def test_a_worker_knows_no_place_for_what_a_replay_says(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["hvac", "--replay", str(tmp_path), "--to", str(tmp_path)])
    assert ended.value.code == Exit.USAGE
