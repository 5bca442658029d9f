"""A model that is not exactly what its card says is refused before it may score, and says why."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models import registry
from models.hvac.infer import open_model
from models.hvac.monitor import ARTIFACT_DIR, Monitor
from models.registry import ArtifactError, Card

NAMES = ("anomaly", "diagnosis", "risk")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of the shipped artifacts, to be spoilt."""
    return Path(shutil.copytree(ARTIFACT_DIR, tmp_path / "artifact"))


def rewrite_card(directory: Path, name: str, **changes: object) -> None:
    """Another card in the place of the shipped one."""
    card = registry.read_card(directory / f"{name}.json")
    (directory / f"{name}.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(card, **changes)))


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_models_load_and_are_small(name: str) -> None:
    artifact = registry.load(ARTIFACT_DIR, name, open_model)
    assert registry.check_golden(artifact.card, artifact.model) <= artifact.card.golden.tolerance
    assert (ARTIFACT_DIR / artifact.card.file).stat().st_size < 1_000_000
    for said in (artifact.card.purpose, artifact.card.limits, artifact.card.data, artifact.card.split):
        assert len(said) > 20
    assert artifact.card.metrics
    assert artifact.card.command == "make train"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [pytest.param(150), pytest.param(10_000, marks=pytest.mark.long)])
def test_a_cut_or_altered_file_is_refused(directory: Path, name: str, count: int) -> None:
    """Bytes flipped, ends cut, bytes added, pieces swapped: none is ever opened."""
    path = directory / f"{name}.tflite"
    good = path.read_bytes()
    draw = random.Random(5)

    def never(_: bytes) -> registry.Model:
        raise AssertionError("the runtime must not see this file")

    for _ in range(count):
        spoilt = bytearray(good)
        how = draw.randrange(4)
        place = draw.randrange(len(good))
        if how == 0:
            spoilt[place] ^= 1 << draw.randrange(8)
        elif how == 1:
            del spoilt[place:]
        elif how == 2:
            spoilt[place:place] = bytes([draw.randrange(256)])
        else:
            spoilt[:place], spoilt[place:] = spoilt[len(good) - place :], spoilt[: len(good) - place]
        if bytes(spoilt) == good:
            continue
        path.write_bytes(spoilt)
        with pytest.raises(ArtifactError):
            registry.load(directory, name, never)


def test_a_file_that_is_no_model_is_refused_though_its_checksum_is_right(directory: Path) -> None:
    (directory / "risk.tflite").write_bytes(b"no model" * 100)
    rewrite_card(directory, "risk", sha256=registry.checksum(b"no model" * 100))
    with pytest.raises(ArtifactError, match="the runtime refuses it"):
        registry.load(directory, "risk", open_model)


def test_the_model_of_another_card_is_refused(directory: Path) -> None:
    """A good file under a forged card: the golden vectors tell."""
    content = (directory / "risk.tflite").read_bytes()
    rewrite_card(directory, "diagnosis", file="risk.tflite", sha256=registry.checksum(content))
    with pytest.raises(ArtifactError, match=r"cannot run|gave shape|golden vectors differ"):
        registry.load(directory, "diagnosis", open_model)


@pytest.mark.parametrize("answer", [np.nan, np.inf, 0.25])
def test_a_model_that_computes_something_else_is_refused(answer: float) -> None:
    card = registry.read_card(ARTIFACT_DIR / "risk.json")
    good = open_model((ARTIFACT_DIR / "risk.tflite").read_bytes())

    def wrong(x: registry.Floats) -> registry.Floats:
        outputs = good(x)
        outputs[0, 0] += np.float32(answer)
        return outputs

    with pytest.raises(ArtifactError, match="NaN or infinity" if not np.isfinite(answer) else "golden vectors differ"):
        registry.check_golden(card, wrong)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: (d / "risk.json").unlink(), "cannot be read"),
        (lambda d: (d / "risk.tflite").unlink(), "cannot be read"),
        (lambda d: (d / "risk.json").write_text("{"), "fetch it again"),
        (lambda d: (d / "risk.json").write_bytes(b"[" * 60_000), "fetch it again"),
        (lambda d: (d / "risk.json").write_bytes(b" " * (registry.CARD_BYTES_MAX + 1)), "more than"),
        (lambda d: (d / "risk.tflite").write_bytes(bytes(registry.MODEL_BYTES_MAX + 1)), "more than"),
        (lambda d: shutil.copy(d / "anomaly.json", d / "risk.json"), "the files are mixed up"),
        (lambda d: rewrite_card(d, "risk", file="../risk.tflite"), "not a plain file name"),
    ],
    ids=["no card", "no model", "cut card", "nested card", "huge card", "huge model", "other card", "path"],
)
def test_files_that_are_not_there_or_not_right_are_refused(directory: Path, spoil: object, message: str) -> None:
    assert callable(spoil)
    spoil(directory)
    with pytest.raises(ArtifactError, match=message):
        Monitor.load(directory)


def test_what_is_written_loads(tmp_path: Path) -> None:
    card = registry.read_card(ARTIFACT_DIR / "risk.json")
    registry.write(tmp_path, card, (ARTIFACT_DIR / "risk.tflite").read_bytes())
    assert registry.load(tmp_path, "risk", open_model).card == card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["risk.json", "risk.tflite"]


def test_a_card_refuses_fields_that_it_does_not_know() -> None:
    text = (ARTIFACT_DIR / "risk.json").read_bytes().replace(b'"purpose"', b'"code": "import os", "purpose"', 1)
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(text, type=Card)


def test_loading_a_model_imports_no_loader_of_code() -> None:
    """F31: what runs at the edge cannot reach pickle's friends for models."""
    import subprocess

    script = (
        "import sys; from models.hvac.monitor import Monitor; Monitor.load();"
        "print(sorted({'joblib', 'yaml', 'dill', 'cloudpickle', 'tensorflow', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
