"""What a frame is: one unit, n samples of every channel, decoded; `codec.py` turns it into bytes and back.

Every value lies on the grid of its channel's scale, so what a sender scores after `as_sent` is bit for bit what a receiver
decodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from models.contracts import frame_pb2
from models.contracts.layout import Layout

SCHEMA = 1
# AWS IoT Core takes 128 KB a message; a frame of 24 channels x 60 samples has 3 kB.
FRAME_BYTES_MAX = 128 * 1024
MISSING = -32768
WIDE = -32767

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]
RejectReason = Literal["too_large", "truncated", "checksum", "schema", "malformed", "shape", "layout", "identity"]


class Quality(IntEnum):
    """What is known of a sample. Only GOOD is scored."""

    GOOD = 0
    OUT_OF_RANGE = 1
    STALE = 2
    STUCK = 3
    MISSING = 4


class FrameError(ValueError):
    """A frame that cannot be used. `reason` goes to the dead letter as it is."""

    def __init__(self, reason: RejectReason, message: str) -> None:
        super().__init__(message)
        self.reason: RejectReason = reason


class PointShare(NamedTuple):
    """A point and its share of the anomaly score, 0 to 1."""

    point: str
    share: float


@dataclass(slots=True)
class Frame:
    """One decoded frame. `values` has shape (channels, n), NaN where missing; `quality` is None when all is good."""

    site: str
    gateway: str
    unit: str
    epoch: int
    seq: int
    prior_seq: int
    measured_at_ms: int
    interval_ms: int
    values: Floats
    quality: Codes | None = None
    jitter_ms: Sequence[int] = ()
    score: float | None = None
    reasons: Sequence[PointShare] = ()
    model_version: str = ""
    clock: frame_pb2.ClockState = frame_pb2.CLOCK_SYNCHRONISED
    boottime_ms: int = 0
    historical: bool = False


@dataclass(slots=True)
class FrameBatch:
    """Frames of one layout and length, decoded together.

    `values` has shape (frames, channels, n), `quality` the same or None when every sample is good; the other arrays have
    shape (frames,). `index` is the place of each frame in the input of `decode_batch`; `headers` are the messages, parsed
    when they are asked for.
    """

    layout: Layout
    n: int
    values: Floats
    quality: Codes | None
    index: npt.NDArray[np.intp]
    units: list[str]  # site/unit
    gateways: list[str]  # site/gateway
    epoch: npt.NDArray[np.uint64]
    seq: npt.NDArray[np.uint64]
    prior_seq: npt.NDArray[np.uint64]
    measured_at_ms: npt.NDArray[np.int64]
    interval_ms: npt.NDArray[np.int64]
    historical: npt.NDArray[np.bool_]
    headers: Sequence[frame_pb2.Frame]


@dataclass(slots=True)
class Planes:
    """Frames of one layout and length whose planes are still scaled integers: the reader of `decode_batch`, for those who
    work on integers themselves.

    `raw` has shape (frames, channels, n); two values of it are reserved (MISSING, WIDE). `with_extras` are the frames that
    carry quality runs or wide channels. The rest is as in FrameBatch.
    """

    layout: Layout
    n: int
    raw: npt.NDArray[np.int16]
    index: npt.NDArray[np.intp]
    units: list[str]  # site/unit
    gateways: list[str]  # site/gateway
    epoch: npt.NDArray[np.uint64]
    seq: npt.NDArray[np.uint64]
    prior_seq: npt.NDArray[np.uint64]
    measured_at_ms: npt.NDArray[np.int64]
    interval_ms: npt.NDArray[np.int64]
    historical: npt.NDArray[np.bool_]
    headers: Sequence[frame_pb2.Frame]
    with_extras: Sequence[int] = ()


class Rejected(NamedTuple):
    """A payload of a batch that could not be decoded, by its position in the input."""

    position: int
    error: FrameError


@dataclass(slots=True)
class Decoded:
    """What `decode_batch` made of its input: every payload is in exactly one batch or among the rejected."""

    batches: list[FrameBatch] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def as_sent(values: Floats, layout: Layout) -> Floats:
    """The values as every receiver will decode them: on the grid of each channel's scale.

    Args:
        values: Shape (..., channels, n) or (channels,); NaN stays NaN.
    """
    scales = layout.scales if values.ndim == 1 else layout.scales[:, None]
    values = values.astype(np.float32, copy=False)
    if not scales.all():
        steps = np.where(scales == 0, np.float32(1), scales)
        return np.where(scales == 0, values, np.rint(values / steps) * steps).astype(np.float32)
    sent: Floats = np.rint(values / scales) * scales
    return sent
