"""Every command in the README works, in an empty folder, as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.contracts.exits import Exit
from simulators.hvac.world import Fleet, run
from tests.servers import ROOT, free_port

START_AT_MS = 1_778_000_000_000
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for line in block.strip().splitlines()
]


def run_line(line: str, directory: Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """A README line, in another directory, with this environment's commands in the place of `.venv/bin`."""
    words = shlex.split(line.replace(".venv/bin/", f"{Path(sys.executable).parent}/"))
    words = [str(ROOT / word) if word.startswith(("edge/", "examples/")) else word for word in words]
    return subprocess.run(
        words, cwd=directory, capture_output=True, text=True, timeout=timeout, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def line_with(part: str) -> str:
    found = [line for line in COMMANDS if part in line]
    assert len(found) == 1, (part, found)
    return str(found[0])


def test_every_command_of_the_readme_is_tried_here_or_is_one_of_the_two() -> None:
    """A new line in the README needs a test."""
    assert {" ".join(line.split()[:3]) for line in COMMANDS} == {
        "make demo",
        "make test",
        ".venv/bin/plenum replay history.csv.gz",
        "cp edge/edge.sample.toml edge.toml",
        ".venv/bin/python -m edge",
        ".venv/bin/plenum rules list",
        ".venv/bin/plenum backtest hvac",
        ".venv/bin/plenum report hvac",  # runs for minutes: tests/models/report
        "make evaluate",  # runs for half an hour: its parts are tested in tests/models/evaluation
    }


def test_rules_and_backtest_as_the_readme_has_them(tmp_path: Path) -> None:
    listed = run_line(line_with("rules list"), tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "CW-APR-1" in listed.stdout
    write_history(tmp_path / "history.csv.gz")
    done = run_line(line_with("plenum backtest"), tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "result" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("target", ["demo", "test", "check", "bench", "evaluate", "train", "setup", "help", "servers"])
def test_make_knows_the_target(target: str) -> None:
    """What the targets do is tested elsewhere; here, that make finds them and what they call."""
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def write_history(path: Path) -> None:
    """Four hours of a simulated unit, in the columns and units of the map's file."""
    import gzip

    from models.contracts.columnmap import load_map
    from models.contracts.points import AHU_POINTS
    from models.contracts.units import conversion

    columns = load_map(ROOT / "examples" / "szcav.toml")
    at_ms, values = run(Fleet(units=1, seed=3, start_at_ms=START_AT_MS), steps=240, dt_seconds=60)
    lines = ["Datetime," + ",".join(p.column for p in columns.points.values()) + ",Fault Detection Ground Truth"]
    moments = np.datetime_as_string(np.asarray(at_ms, dtype="datetime64[ms]"), unit="m")
    for row, moment in enumerate(moments):
        cells = []
        for name, point in columns.points.items():
            how = conversion(point.unit)
            known = name in AHU_POINTS
            value = float(values[row, 0, AHU_POINTS.index(name)]) if known else (20.0 if how.ours == "celsius" else 0.0)
            cells.append(f"{(value - how.offset) / how.factor:.3f}")
        lines.append(f"{moment},{','.join(cells)},0")
    with gzip.open(path, "wt") as out:
        out.write("\n".join(lines) + "\n")


def test_a_recorded_file_is_replayed(tmp_path: Path) -> None:
    write_history(tmp_path / "history.csv.gz")
    done = run_line(line_with("plenum replay"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = dict(re.findall(r"^RESULT (\S+) (\S+)", done.stdout, re.MULTILINE))
    assert figures["replay.frames"] == "16"
    assert figures["replay.frames_lost"] == figures["replay.frames_duplicate"] == "0"


def test_the_sample_of_the_agent_leads_to_clear_answers(tmp_path: Path) -> None:
    """A device and a broker that are not there: `check` says which, with the exit code for networks."""
    assert run_line(line_with("cp edge"), tmp_path).returncode == 0
    settings = tmp_path / "edge.toml"
    text = settings.read_text().partition("# A historian's export")[0]
    text = text.replace("10.0.0.7", "127.0.0.1").replace("port = 502", f"port = {free_port()}")
    settings.write_text(text.replace("port = 1883", f"port = {free_port()}"))
    checked = run_line(line_with("edge check"), tmp_path)
    assert checked.returncode == Exit.NETWORK, checked.stdout + checked.stderr
    assert "Connection refused" in checked.stdout
    read = run_line(line_with("edge read-once"), tmp_path)
    assert read.returncode == Exit.NETWORK, read.stdout + read.stderr
