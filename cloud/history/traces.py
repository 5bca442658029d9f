"""From stored pieces to the traces that are drawn: one time axis, the points that were asked for, gaps kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cloud.history import Traces
from models.contracts.frame import Codes, Floats, FrameBatch, Quality
from models.contracts.layout import Layout

# Two samples further apart than this many steps have a gap between them.
GAP_STEPS = 1.5


class Piece(NamedTuple):
    """Columns of one layout, t of them. `step_ms` is how far the next column is if nothing is missing."""

    layout: Layout
    at_ms: npt.NDArray[np.int64]  # (t,)
    step_ms: npt.NDArray[np.int64]  # (t,)
    values: Floats  # (channels, t)
    quality: Codes | None  # (channels, t)


def pieces_of_frames(batches: Iterable[FrameBatch]) -> list[Piece]:
    """The samples of decoded frames of one unit."""
    pieces = []
    for batch in batches:
        frames, channels, n = batch.values.shape
        at_ms = batch.measured_at_ms[:, None] + batch.interval_ms[:, None] * np.arange(n)
        flat = (channels, frames * n)
        pieces.append(
            Piece(
                layout=batch.layout,
                at_ms=at_ms.ravel(),
                step_ms=np.repeat(batch.interval_ms, n),
                values=batch.values.transpose(1, 0, 2).reshape(flat),
                quality=None if batch.quality is None else batch.quality.transpose(1, 0, 2).reshape(flat),
            )
        )
    return pieces


def to_traces(pieces: Sequence[Piece], points: Sequence[str], from_ms: int, to_ms: int) -> Traces:
    """The pieces on one time axis, from `from_ms` to before `to_ms`.

    Args:
        points: Names; empty for all. A point that no piece has is left out.
    """
    units = {channel.point: channel.unit for piece in pieces for channel in piece.layout.channels}
    chosen = tuple(point for point in (points or units) if point in units)
    if not chosen:
        return Traces((), (), np.empty(0, np.int64), np.empty((0, 0), np.float32))
    at_ms = np.concatenate([piece.at_ms for piece in pieces])
    step_ms = np.concatenate([piece.step_ms for piece in pieces])
    values = np.full((len(chosen), len(at_ms)), np.nan, dtype=np.float32)
    quality = np.full(values.shape, Quality.MISSING, dtype=np.uint8)
    start = 0
    for piece in pieces:
        columns = slice(start, start + len(piece.at_ms))
        start = columns.stop
        positions = piece.layout.positions(chosen)
        have = np.flatnonzero(positions >= 0)
        values[have, columns] = piece.values[positions[have]]
        quality[have, columns] = Quality.GOOD if piece.quality is None else piece.quality[positions[have]]
    order = np.argsort(at_ms, kind="stable")
    order = order[(at_ms[order] >= from_ms) & (at_ms[order] < to_ms)]
    at_ms, step_ms, values, quality = at_ms[order], step_ms[order], values[:, order], quality[:, order]
    _merge_equal_times(at_ms, values, quality)
    last_of_time = np.append(np.diff(at_ms) > 0, [True] * (at_ms.size > 0)).astype(np.bool_)
    at_ms, step_ms = at_ms[last_of_time], step_ms[last_of_time]
    values, quality = values[:, last_of_time], quality[:, last_of_time]
    gaps = np.flatnonzero(np.diff(at_ms) > GAP_STEPS * step_ms[:-1])
    at_ms = np.insert(at_ms, gaps + 1, at_ms[gaps] + step_ms[gaps])
    values = np.insert(values, gaps + 1, np.float32(np.nan), axis=1)
    quality = np.insert(quality, gaps + 1, Quality.MISSING, axis=1)
    measurement_units = tuple(units[point] for point in chosen)
    return Traces(chosen, measurement_units, at_ms, values, quality if quality.any() else None)


def _merge_equal_times(at_ms: npt.NDArray[np.int64], values: Floats, quality: Codes) -> None:
    """Let the later of two columns of one time have what only the other has: a layout changed within a minute."""
    later = np.flatnonzero(np.diff(at_ms) == 0) + 1
    only_before = np.isnan(values[:, later])
    values[:, later] = np.where(only_before, values[:, later - 1], values[:, later])
    quality[:, later] = np.where(only_before, quality[:, later - 1], quality[:, later])
