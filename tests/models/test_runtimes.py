"""The shipped models give the same scores on TensorFlow, on ai-edge-litert and on tflite-runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import registry
from models.hvac.infer import BATCH, open_model, runtime
from models.hvac.monitor import ARTIFACT_DIR
from tests.servers import IN_CI, ROOT

NAMES = ("anomaly", "diagnosis", "risk")
# Outputs are of order 1 to 10; kernels may add in another order. Measured on x86_64: no difference at all.
TOLERANCE = 1e-4
OTHER = ROOT / ".venv-tflite" / "bin" / "python"


def run_elsewhere(python: Path | str) -> str:
    """Check all golden inputs of all models on another interpreter; says on which runtime that was."""
    cards = [registry.read_card(ARTIFACT_DIR / f"{name}.json") for name in NAMES]
    wanted = {str(ARTIFACT_DIR / card.file): card.golden.inputs for card in cards}
    done = subprocess.run(
        [str(python), str(Path(__file__).parent / "tflite_runner.py")],
        input=json.dumps(wanted), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    for card in cards:
        path = ARTIFACT_DIR / card.file
        outputs = np.array(answer["outputs"][str(path)], dtype=np.float32)
        here = open_model(path.read_bytes())(np.array(card.golden.inputs, dtype=np.float32))
        np.testing.assert_allclose(outputs, here, rtol=0, atol=TOLERANCE, err_msg=card.name)
        np.testing.assert_allclose(outputs, np.array(card.golden.outputs), rtol=0, atol=card.golden.tolerance)
        print(card.name, answer["runtime"], float(np.abs(outputs - here).max()))
    return str(answer["runtime"])


def test_here_it_is_litert() -> None:
    assert runtime()[0] == "ai-edge-litert"


def test_tensorflow_agrees() -> None:
    assert run_elsewhere(sys.executable) == "tensorflow"


def test_tflite_runtime_agrees() -> None:
    """32-bit Pis have nothing newer than tflite-runtime 2.14, on Python 3.11 and numpy 1."""
    if not OTHER.exists():
        reason = "tflite-runtime has no environment (Python 3.11 only); make it with: make setup"
        if IN_CI and sys.version_info[:2] == (3, 11):
            pytest.fail(reason)
        pytest.skip(reason)
    assert run_elsewhere(OTHER) == "tflite-runtime"


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 3 * BATCH), seed=st.integers(0, 2**31))
def test_a_row_scores_the_same_bits_in_any_company(name: str, rows: int, seed: int) -> None:
    card = registry.read_card(ARTIFACT_DIR / f"{name}.json")
    model = open_model((ARTIFACT_DIR / card.file).read_bytes())
    x = np.random.default_rng(seed).normal(size=(rows, len(card.inputs))).astype(np.float32)
    together = model(x)
    for row in {0, rows // 2, rows - 1}:
        np.testing.assert_array_equal(model(x[row : row + 1])[0], together[row])


def test_a_wrong_number_of_inputs_is_said() -> None:
    card = registry.read_card(ARTIFACT_DIR / "risk.json")
    model = open_model((ARTIFACT_DIR / card.file).read_bytes())
    with pytest.raises(ValueError, match="expected"):
        model(np.zeros((1, 3), dtype=np.float32))
    assert model(np.zeros((0, len(card.inputs)), dtype=np.float32)).shape == (0, len(card.outputs))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("poison", [np.nan, np.inf, 3e38])
def test_a_neighbour_gone_mad_changes_no_bit_of_a_row(name: str, poison: float) -> None:
    """One unit's NaN or infinity stays its own, within a batch, across its edge, and in the batches after it."""
    card = registry.read_card(ARTIFACT_DIR / f"{name}.json")
    model = open_model((ARTIFACT_DIR / card.file).read_bytes())
    x = np.random.default_rng(3).normal(size=(2 * BATCH + 7, len(card.inputs))).astype(np.float32)
    clean = model(x)
    mad = np.arange(len(x)) % 5 == 0
    x[mad] = poison
    np.testing.assert_array_equal(model(x)[~mad], clean[~mad])
    x[mad] = 0
    np.testing.assert_array_equal(model(x)[~mad], clean[~mad])
