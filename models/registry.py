"""Trained models as data: a model file and its card, checked before the model may score anything.

    NAME.tflite   the model                NAME.json   its card: what it is, what it was trained on, how good it is

A model is used only if its file has the checksum of the card, its shapes are those of the card, and it reproduces the
golden vectors of the card. Nothing here can load code: no pickle, joblib or YAML.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from models.contracts.figures import Figure

Floats = npt.NDArray[np.float32]
# Takes (m, inputs), gives (m, outputs).
Model = Callable[[Floats], Floats]

CARD_BYTES_MAX = 1 << 20
MODEL_BYTES_MAX = 1 << 24


class ArtifactError(ValueError):
    """A model that must not be used. Whoever has a good model keeps scoring with it."""


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input or output of a model. `unit` is that of a change of 1, such as `3 celsius`."""

    name: str
    unit: str


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Inputs and what the model made of them when it was trained; within `tolerance`, absolute, on every runtime."""

    inputs: tuple[tuple[float, ...], ...]
    outputs: tuple[tuple[float, ...], ...]
    tolerance: float


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one should know of a model before one trusts it."""

    name: str
    version: str
    purpose: str
    limits: str  # when not to use it
    file: str
    sha256: str
    data: str
    split: str
    command: str  # that rebuilds it
    seed: int
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    thresholds: Mapping[str, float]
    metrics: tuple[Figure, ...]
    versions: Mapping[str, str]
    golden: Golden


@dataclass(frozen=True, slots=True, eq=False)
class Artifact:
    """A model that passed all checks."""

    card: Card
    model: Model

    def thresholds(self, names: tuple[str, ...]) -> Floats:
        """Thresholds of the card by name, shape (len(names),).

        Raises:
            ArtifactError: the card lacks one, or it is not above 0.
        """
        return _thresholds(self, names)

    def check_columns(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Refuse a model that reads or gives other columns than this code means, or in another order.

        Raises:
            ArtifactError: with the first column that differs.
        """
        for kind, wanted, columns in (("input", inputs, self.card.inputs), ("output", outputs, self.card.outputs)):
            found = [column.name for column in columns]
            if found != list(wanted):
                at = next(
                    (at for at, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b),
                    min(len(found), len(wanted)),
                )
                raise ArtifactError(
                    f"model {self.card.name}: {kind} {at} is {(*found, None)[at]!r}, expected {(*wanted, None)[at]!r};"
                    " it was trained for another version"
                )


@lru_cache(maxsize=256)
def _thresholds(artifact: Artifact, names: tuple[str, ...]) -> Floats:
    """As `Artifact.thresholds`; asked for every minute, so looked up once."""
    card = artifact.card
    values = np.array([card.thresholds.get(name, np.nan) for name in names], dtype=np.float32)
    wrong = [name for name, value in zip(names, values, strict=True) if not 0 < value < np.inf]
    if wrong:
        raise ArtifactError(
            f"model {card.name}: its card lacks the threshold {wrong[0]!r}, or it is not above 0; train it anew"
        )
    values.flags.writeable = False
    return values


def checksum(content: bytes) -> str:
    """SHA-256 of a model file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def load(directory: Path, name: str, open_model: Callable[[bytes], Model]) -> Artifact:
    """The model of this name, checked.

    Args:
        directory: Where `NAME.json` and the file that it names stand.
        name: Of the model.
        open_model: Makes a model of the bytes of the file, on the runtime at hand.

    Raises:
        ArtifactError: a file is missing or unreadable, or a check failed; the model was not used.
    """
    card = read_card(directory / f"{name}.json")
    if card.name != name:
        raise ArtifactError(f"model {name}: its card is of {card.name!r} [{directory}]; the files are mixed up")
    path = directory / card.file
    if Path(card.file).name != card.file:
        raise ArtifactError(f"model {name}: file {card.file!r} is not a plain file name [{directory}]")
    content = _read(path, MODEL_BYTES_MAX)
    found = checksum(content)
    if found != card.sha256:
        raise ArtifactError(
            f"model {name}: file of {len(content)} bytes has checksum {found[:12]}, expected {card.sha256[:12]} [{path}];"
            " it was cut or altered, fetch it again"
        )
    try:
        model = open_model(content)
    except (ValueError, RuntimeError, TypeError, OSError) as error:
        raise ArtifactError(f"model {name}: the runtime refuses it: {error} [{path}]") from error
    check_golden(card, model)
    return Artifact(card, model)


def read_card(path: Path) -> Card:
    """A card from its file.

    Raises:
        ArtifactError: no such file, not a card, or golden vectors of another shape than inputs and outputs.
    """
    try:
        card = msgspec.json.decode(_read(path, CARD_BYTES_MAX), type=Card)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(f"card {path.name}: {error} [{path}]; fetch it again") from error
    golden = card.golden
    shapes = {(len(row), len(out)) for row, out in zip(golden.inputs, golden.outputs, strict=False)}
    wanted = (len(card.inputs), len(card.outputs))
    if len(golden.inputs) != len(golden.outputs) or shapes != {wanted}:
        raise ArtifactError(f"card {path.name}: golden vectors have shapes {shapes}, expected {wanted} [{path}]")
    return card


def check_golden(card: Card, model: Model) -> float:
    """Run the golden vectors of the card, and give the largest difference.

    Raises:
        ArtifactError: the model gives another shape, NaN, or other values.
    """
    inputs = np.array(card.golden.inputs, dtype=np.float32)
    expected = np.array(card.golden.outputs, dtype=np.float32)
    try:
        outputs = model(inputs)
    except (ValueError, RuntimeError, TypeError) as error:
        raise ArtifactError(f"model {card.name}: cannot run {inputs.shape[1]} inputs: {error}") from error
    if outputs.shape != expected.shape:
        raise ArtifactError(f"model {card.name}: gave shape {outputs.shape}, expected {expected.shape}")
    if not np.isfinite(outputs).all():
        raise ArtifactError(f"model {card.name}: gave NaN or infinity on its golden vectors; train it anew")
    apart = float(np.abs(outputs - expected).max())
    if not apart <= card.golden.tolerance:
        raise ArtifactError(
            f"model {card.name}: golden vectors differ by {apart:.3g}, expected at most {card.golden.tolerance:.3g};"
            " the file is not the model of this card, or the runtime computes wrongly"
        )
    return apart


def write(directory: Path, card: Card, content: bytes) -> None:
    """Store a model and its card, the model first, so that a reader never meets a card without its model."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in ((card.file, content), (f"{card.name}.json", _pretty(card))):
        part = directory / f"{name}.part"
        part.write_bytes(data)
        part.replace(directory / name)


def _pretty(card: Card) -> bytes:
    return msgspec.json.format(msgspec.json.encode(card), indent=1) + b"\n"


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise ArtifactError(f"model file {str(path)!r}: cannot be read: {error}; fetch it again") from error
    if len(content) > bytes_max:
        raise ArtifactError(f"model file {path}: more than {bytes_max} bytes, expected at most that; it is no model")
    return content
