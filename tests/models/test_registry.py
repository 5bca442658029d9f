"""A model that is not exactly what its card says is refused before it may score, and says why."""

from __future__ import annotations

import ast
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models import registry
from models.hvac import features
from models.hvac.infer import open_model, runtime
from models.hvac.kinds import KINDS
from models.hvac.monitor import ARTIFACT_DIR, Monitor
from models.hvac.points import P
from models.registry import ArtifactError, Card
from tests.servers import ROOT

NAMES = ("anomaly", "diagnosis", "risk")
# In a process of its own, for what may crash is native code: DIRECTORY NAME COUNT SEED. Checksums are made right again.
FORGE = """
import random, sys
from pathlib import Path
import msgspec
from models import registry
from models.hvac.infer import open_model
directory, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
card = registry.read_card(directory / f"{name}.json")
good, draw, refused = (directory / card.file).read_bytes(), random.Random(int(sys.argv[4])), 0
for number in range(count):
    spoilt = bytearray(good)
    # Half of them near the start or the end, where the tables stand that say where all else is.
    place = draw.choice([draw.randrange(len(good)), draw.randrange(512), len(good) - 1 - draw.randrange(2048)])
    if number % 3 == 0:
        spoilt[place] ^= 1 << draw.randrange(8)
    elif number % 3 == 1:
        spoilt[place : place + 4] = draw.randbytes(4)
    else:
        del spoilt[place:]
    registry.write(directory, msgspec.structs.replace(card, sha256=registry.checksum(bytes(spoilt))), bytes(spoilt))
    try:
        artifact = registry.load(directory, name, open_model)
    except registry.ArtifactError:
        refused += 1
    else:
        assert registry.check_golden(card, artifact.model) <= card.golden.tolerance
print(refused)
"""


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
    script = (
        "import sys; from models.hvac.monitor import Monitor; Monitor.load();"
        "print(sorted({'joblib', 'yaml', 'dill', 'cloudpickle', 'tensorflow', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "runs", [pytest.param(1), pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]
)
def test_a_spoilt_model_under_a_right_checksum_crashes_nothing(directory: Path, name: str, runs: int) -> None:
    """What still loads computes the golden vectors; all else is an ArtifactError, and the process lives."""
    count, died = 100, []
    for seed in range(runs):
        command = [sys.executable, "-c", FORGE, str(directory), name, str(count), str(seed)]
        shutil.copytree(ARTIFACT_DIR, directory, dirs_exist_ok=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode < 0:
            died.append((seed, signal.Signals(-done.returncode).name))
            continue
        assert done.returncode == 0, done.stderr[-2000:]
        assert int(done.stdout) >= count // 3  # at least all that were cut
    if died and runs > 1:
        # A right checksum over a wrong file is no accident, and what dies is LiteRT: known, shown, not ours to catch.
        pytest.xfail(f"LiteRT crashed in {len(died)} of {runs} runs of {count} forged models: {died}")
    assert not died


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_nan_are_refused(directory: Path, name: str) -> None:
    """The largest float32 matrix of the file, found by what the runtime reads from it, becomes NaN."""
    content = (directory / f"{name}.tflite").read_bytes()
    interpreter = runtime()[1](model_content=content)
    interpreter.allocate_tensors()
    weights: list[bytes] = []
    for detail in interpreter.get_tensor_details():
        if detail["dtype"] == np.float32:
            try:
                found = interpreter.get_tensor(detail["index"]).tobytes()
            except ValueError:  # belongs to the runtime, not to the file
                continue
            weights += [found] if len(found) >= 64 and content.count(found) == 1 else []
    place = max(weights, key=len)
    spoilt = content.replace(place, np.full(len(place) // 4, np.nan, dtype=np.float32).tobytes())
    card = registry.read_card(directory / f"{name}.json")
    registry.write(directory, msgspec.structs.replace(card, sha256=registry.checksum(spoilt)), spoilt)
    with pytest.raises(ArtifactError, match=r"NaN or infinity|golden vectors differ|refuses"):
        registry.load(directory, name, open_model)


@pytest.mark.parametrize("count", [pytest.param(200), pytest.param(10_000, marks=pytest.mark.long)])
def test_an_altered_card_is_refused_or_is_still_a_card(directory: Path, count: int) -> None:
    """Seeded mutations of its bytes: whatever comes, it is an ArtifactError or a model that computes as before."""
    good = (directory / "risk.json").read_bytes()
    inputs = np.array(registry.read_card(directory / "risk.json").golden.inputs, dtype=np.float32)
    before = registry.load(directory, "risk", open_model).model(inputs)
    draw, refused = random.Random(11), 0
    for number in range(count):
        spoilt = bytearray(good)
        # Half of them before the golden vectors, where the words are.
        place = draw.choice([draw.randrange(len(good)), draw.randrange(2000)])
        if number % 3 == 0:
            spoilt[place] ^= 1 << draw.randrange(8)
        elif number % 3 == 1:
            del spoilt[place:]
        else:
            spoilt[place : place + draw.randrange(8)] = draw.randbytes(draw.randrange(8))
        (directory / "risk.json").write_bytes(spoilt)
        try:
            artifact = registry.load(directory, "risk", open_model)
        except ArtifactError:
            refused += 1
        else:
            np.testing.assert_array_equal(artifact.model(inputs), before)
    assert refused >= count // 3


@pytest.mark.parametrize("lost", ["inputs", "outputs"])
def test_a_card_of_another_shape_is_refused(directory: Path, lost: str) -> None:
    """One column less, in the list and in the golden vectors alike."""
    card = registry.read_card(directory / "risk.json")
    rows = tuple(row[1:] for row in getattr(card.golden, lost))
    golden = msgspec.structs.replace(card.golden, **{lost: rows})
    rewrite_card(directory, "risk", golden=golden, **{lost: getattr(card, lost)[1:]})
    with pytest.raises(ArtifactError, match=r"cannot run|gave shape"):
        registry.load(directory, "risk", open_model)


def test_the_golden_vectors_run_before_anything_else_is_scored(directory: Path) -> None:
    asked: list[registry.Floats] = []

    def watched(content: bytes) -> registry.Model:
        model = open_model(content)

        def score(x: registry.Floats) -> registry.Floats:
            asked.append(x.copy())
            return model(x)

        return score

    card = registry.load(directory, "risk", watched).card
    (only,) = asked
    np.testing.assert_array_equal(only, np.array(card.golden.inputs, dtype=np.float32))


def test_the_last_good_models_go_on_scoring_when_new_ones_are_refused(directory: Path) -> None:
    monitor = Monitor.load(directory)
    minutes = features.Minutes(
        KINDS["ahu"],
        np.arange(3),
        np.full(3, 60_000),
        np.full((3, P), 20, dtype=np.float32),
        np.ones(3, dtype=np.float32),
    )
    before = monitor.step(features.new_state(3), minutes)
    for name in NAMES:
        (directory / f"{name}.tflite").write_bytes((directory / f"{name}.tflite").read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="cut or altered"):
        Monitor.load(directory)
    after = monitor.step(features.new_state(3), minutes)
    for field in ("anomaly_score", "fault_probability", "failure_probability"):
        np.testing.assert_array_equal(getattr(after, field), getattr(before, field))


def test_no_source_of_models_can_load_code() -> None:
    """F31: numpy itself brings pickle into the process, so the sources are asked, not `sys.modules`."""
    banned = {"pickle", "_pickle", "joblib", "yaml", "dill", "cloudpickle", "marshal", "shelve"}
    seen = 0
    for path in sorted((ROOT / "models").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "__import__"}, path
            elif isinstance(node, ast.keyword):
                assert node.arg != "allow_pickle" or ast.unparse(node.value) == "False", path
            assert not banned & {name.split(".")[0] for name in names}, path
            seen += len(names)
    assert seen > 100


def test_a_file_name_that_no_system_takes_is_refused(directory: Path) -> None:
    rewrite_card(directory, "risk", file="risk\0.tflite")
    with pytest.raises(ArtifactError):
        registry.load(directory, "risk", open_model)


@pytest.mark.parametrize("limit", [None, 0.0, -1.0])
def test_a_card_without_the_thresholds_that_scoring_needs_is_refused(directory: Path, limit: float | None) -> None:
    names = registry.read_card(directory / "anomaly.json").thresholds
    rewrite_card(directory, "anomaly", thresholds={} if limit is None else dict.fromkeys(names, limit))
    with pytest.raises(ArtifactError, match=r"limit\.zone"):
        Monitor.load(directory)


@pytest.mark.parametrize(("name", "kind"), [("anomaly", "inputs"), ("diagnosis", "outputs"), ("risk", "inputs")])
def test_columns_in_another_order_are_refused_though_the_shape_fits(directory: Path, name: str, kind: str) -> None:
    columns = list(getattr(registry.read_card(directory / f"{name}.json"), kind))
    columns[1], columns[2] = columns[2], columns[1]
    rewrite_card(directory, name, **{kind: tuple(columns)})
    with pytest.raises(ArtifactError, match=rf"{kind[:-1]} 1 is .*, expected .*; it was trained for another version"):
        Monitor.load(directory)
