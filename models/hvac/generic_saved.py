"""Bytes of what a unit of unknown type has learned: arrays by name, no code in them, read back to the bit."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from models.hvac.generic_model import GenericError, GenericModel, GenericSettings, GenericState

_VERSION = 1
_Array = tuple[str, tuple[int, ...], bytes]
_MODEL_ARRAYS = ("used", "centre", "scale", "spans", "mean", "covariance", "budget")
_STATE_ARRAYS = ("mean", "budget", "before", "level", "age_rows", "block_sum", "block_count")
_DTYPES = frozenset({"<f8", "<i8"})


class Saved(msgspec.Struct, forbid_unknown_fields=True):
    """Everything that a GenericUnit holds. `model` and `state` are empty while it learns."""

    version: int
    settings: GenericSettings
    counters: dict[str, int]
    arrays: dict[str, _Array]
    model: dict[str, float] = {}
    state: dict[str, int] = {}


def write(
    settings: GenericSettings,
    counters: dict[str, int],
    arrays: dict[str, npt.NDArray[Any]],
    fitted: tuple[GenericModel, GenericState] | None,
) -> bytes:
    """Bytes of a unit; `counters` and `arrays` are the unit's own."""
    packed = {f"unit.{name}": _pack(array) for name, array in arrays.items()}
    saved = Saved(_VERSION, settings, counters, packed)
    if fitted is not None:
        model, state = fitted
        saved.model = {
            "interval_ms": model.interval_ms,
            "rows": model.rows,
            "points": model.points,
            "block_rows": model.block_rows,
            "returns_after_blocks": model.returns_after_blocks,
        }
        saved.state = {
            "block_row": state.block_row,
            "measured_at_ms": state.measured_at_ms,
            "over_rows": state.over_rows,
            "under_rows": state.under_rows,
            "anomalous": int(state.anomalous),
        }
        packed |= {f"model.{name}": _pack(getattr(model, name)) for name in _MODEL_ARRAYS}
        packed |= {f"state.{name}": _pack(getattr(state, name)) for name in _STATE_ARRAYS}
    return msgspec.msgpack.encode(saved)


def read(
    saved: bytes,
) -> tuple[GenericSettings, dict[str, int], dict[str, npt.NDArray[Any]], tuple[GenericModel, GenericState] | None]:
    """What `write` was given.

    Raises:
        GenericError: these are not the bytes of a unit, or another release wrote them.
    """
    try:
        kept = msgspec.msgpack.decode(saved, type=Saved)
        if kept.version != _VERSION:
            raise GenericError(f"generic unit: saved in version {kept.version}, expected {_VERSION}; let it learn anew")
        arrays = {name: _unpack(array) for name, array in kept.arrays.items()}
        own = {name.removeprefix("unit."): array for name, array in arrays.items() if name.startswith("unit.")}
        if not kept.model:
            return kept.settings, kept.counters, own, None
        return kept.settings, kept.counters, own, (_model(kept, arrays), _state(kept, arrays))
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, GenericError):
            raise
        raise GenericError(
            f"generic unit: {len(saved)} bytes that are none of a unit: {error}; let it learn anew"
        ) from error


def _model(kept: Saved, arrays: dict[str, npt.NDArray[Any]]) -> GenericModel:
    own: dict[str, Any] = {name: arrays[f"model.{name}"] for name in _MODEL_ARRAYS}
    spans, points = len(own["spans"]), len(own["used"])
    if own["covariance"].shape != (spans, points, points) or own["mean"].shape != (spans, points):
        raise GenericError(f"generic unit: covariance of shape {own['covariance'].shape} for {points} points")
    return GenericModel(
        settings=kept.settings,
        interval_ms=int(kept.model["interval_ms"]),
        rows=int(kept.model["rows"]),
        points=int(kept.model["points"]),
        block_rows=int(kept.model["block_rows"]),
        returns_after_blocks=kept.model["returns_after_blocks"],
        **own,
    )


def _state(kept: Saved, arrays: dict[str, npt.NDArray[Any]]) -> GenericState:
    own: dict[str, Any] = {name: arrays[f"state.{name}"] for name in _STATE_ARRAYS}
    counters: dict[str, Any] = dict(kept.state)
    return GenericState(anomalous=bool(counters.pop("anomalous")), **own, **counters)


def _pack(array: npt.NDArray[Any]) -> _Array:
    array = np.ascontiguousarray(array, dtype=np.float64 if array.dtype.kind == "f" else np.int64)
    return array.dtype.newbyteorder("<").str, array.shape, array.tobytes()


def _unpack(packed: _Array) -> npt.NDArray[Any]:
    dtype, shape, raw = packed
    if dtype not in _DTYPES:
        raise GenericError(f"generic unit: array of type {dtype!r}, expected one of {', '.join(sorted(_DTYPES))}")
    return np.frombuffer(raw, dtype=dtype).reshape(shape).copy()
