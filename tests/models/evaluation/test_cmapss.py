"""C-MAPSS in small: engines that wear as the published ones do, in files of the same form; and the published files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tensorflow")

from models.hvac.evaluation import cmapss
from tests.servers import data_directory


def engine(unit: int, life: int, draw: np.random.Generator) -> npt.NDArray[np.float64]:
    """All cycles of one life (life, 26): three sensors move with wear, the others stand still."""
    wear = np.exp(4 * (np.arange(life) / life - 1))
    sensors = np.full((life, 21), 100.0)
    for sensor, gain in ((1, 3.0), (2, 8.0), (10, -2.0)):
        sensors[:, sensor] += gain * wear + draw.normal(0, 0.2, life)
    return np.column_stack([np.full(life, unit), np.arange(1, life + 1), np.zeros((life, 3)), sensors])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(2)
    directory = tmp_path_factory.mktemp("cmapss")
    lives = draw.integers(120, 240, 30)
    engines = [engine(unit, life, draw) for unit, life in enumerate(lives, start=1)]
    left = draw.integers(5, 85, 10)
    np.savetxt(directory / "train_FD001.txt.gz", np.concatenate(engines[:20]))
    np.savetxt(
        directory / "test_FD001.txt.gz",
        np.concatenate([e[: len(e) - n] for e, n in zip(engines[20:], left, strict=True)]),
    )
    np.savetxt(directory / "RUL_FD001.txt.gz", left)
    return directory


def test_error_of_engines_that_nobody_has_seen_is_far_below_a_guess(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cmapss, "_FOLDS", 2)
    small = dataclasses.replace(cmapss.DESIGN, members=1, steps=60, learning_rate=0.01)
    found = {figure.name: figure for figure in cmapss.evaluate(files, "FD001", small)}
    assert list(found) == [
        "cmapss.fd001.rmse", "cmapss.fd001.validation_rmse", "cmapss.fd001.int8_rmse", "cmapss.fd001.interval_coverage",
    ]  # fmt: skip
    assert found["cmapss.fd001.rmse"].value < 20
    assert found["cmapss.fd001.validation_rmse"].value < 25
    assert abs(found["cmapss.fd001.int8_rmse"].value - found["cmapss.fd001.rmse"].value) < 4
    assert found["cmapss.fd001.interval_coverage"].value >= 0.6


def test_truth_is_capped_and_the_interval_holds_the_error() -> None:
    figure = cmapss.error_figure("x", np.array([125, 100, 10], dtype=np.float32), [190, 100, 13])
    assert figure.value == pytest.approx(np.sqrt(3))
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low <= figure.value <= figure.high


def test_sensors_that_never_move_are_left_out_and_scales_are_the_training_engines_own() -> None:
    scale = cmapss.scale_of([engine(1, 150, np.random.default_rng(1))])
    assert np.flatnonzero(scale.telling).tolist() == [1, 2, 10]


def test_a_file_of_another_form_is_refused(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "train_FD009.txt.gz", np.zeros((3, 5)))
    with pytest.raises(ValueError, match="5 columns, expected 26"):
        cmapss.read(tmp_path / "train_FD009.txt.gz")


@pytest.mark.data
def test_published_engines_end_where_the_literature_says() -> None:
    directory = data_directory() / "hvac" / "cmapss"
    engines = cmapss.read(directory / "train_FD001.txt.gz")
    assert (len(engines), min(len(e) for e in engines), max(len(e) for e in engines)) == (100, 128, 362)
    assert int(cmapss.scale_of(engines).telling.sum()) in (14, 15)
    assert len(cmapss.read(directory / "test_FD003.txt.gz")) == 100
