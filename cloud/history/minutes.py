"""Means of minutes and hours as sums that can be added up in any order. Pure: no clock, no I/O.

A frame of 60 samples that starts within a minute gives two parts; each carries the sum and the number of its good samples
for every channel, so that the mean of a minute is the same whichever frame came first:

    minute     |        12:00        |        12:01        |
    frame 7            [=============|=======]
    frame 8                                  [=============|===...
    parts              ( 7, 12:00   )( 7,12:01)( 8, 12:01 )
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts.frame import Floats, FrameBatch, Quality

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


class Parts(NamedTuple):
    """Sums over the samples that one frame has in one minute or hour: k parts, one row each."""

    row: npt.NDArray[np.intp]  # (k,) row of the frame among the chosen ones
    start_at_ms: npt.NDArray[np.int64]  # (k,)
    sums: npt.NDArray[np.float64]  # (k, channels)
    counts: npt.NDArray[np.uint32]  # (k, channels) good samples


def parts_of(batch: FrameBatch, rows: Sequence[int], step_ms: int) -> Parts:
    """The parts that these frames of a batch add to minutes or hours.

    Sums are of float32 values in float64: exact, hence equal in every order, as long as a channel's values differ by less
    than a factor of 10^5 or so; the mean is rounded to float32 anyway.
    """
    chosen = np.asarray(rows, dtype=np.intp)
    values = batch.values[chosen]
    at_ms = batch.measured_at_ms[chosen, None] + batch.interval_ms[chosen, None] * np.arange(batch.n)
    bins = at_ms // step_ms
    good = ~np.isnan(values)
    if batch.quality is not None:
        good &= batch.quality[chosen] == Quality.GOOD
    # Samples of a frame are in time order, so a part is a stretch of the flat time axis.
    new = np.ones(bins.shape, dtype=np.bool_)
    new[:, 1:] = bins[:, 1:] != bins[:, :-1]
    starts = np.flatnonzero(new)
    flat = (batch.values.shape[1], -1)
    sums = np.where(good, values, np.float32(0)).transpose(1, 0, 2).reshape(flat)
    counts = good.transpose(1, 0, 2).reshape(flat)
    return Parts(
        row=starts // batch.n,
        start_at_ms=bins.ravel()[starts] * step_ms,
        sums=np.add.reduceat(sums, starts, axis=1, dtype=np.float64).T.copy(),
        counts=np.add.reduceat(counts, starts, axis=1, dtype=np.uint32).T.copy(),
    )


def to_bytes(sums: npt.NDArray[np.float64], counts: npt.NDArray[np.uint32]) -> bytes:
    """One part as it is stored: the sums, then the counts, little-endian."""
    return sums.astype("<f8").tobytes() + counts.astype("<u4").tobytes()


def add_bytes(one: bytes, other: bytes) -> bytes:
    """The part that two parts of the same minute and layout make."""
    channels = len(one) // 12
    sums = np.frombuffer(one, "<f8", channels) + np.frombuffer(other, "<f8", channels)
    counts = np.frombuffer(one, "<u4", channels, 8 * channels) + np.frombuffer(other, "<u4", channels, 8 * channels)
    return to_bytes(sums, counts)


def means_of(stored: Sequence[bytes], channels: int) -> Floats:
    """Means of stored parts, shape (channels, k); NaN where a channel had no good sample."""
    stored_part = np.dtype([("sums", "<f8", (channels,)), ("counts", "<u4", (channels,))])
    rows = np.frombuffer(b"".join(stored), dtype=stored_part)
    with np.errstate(invalid="ignore"):
        means: Floats = (rows["sums"] / rows["counts"]).T.astype(np.float32)
    return means
