"""The codec of the frame: one unit, n samples of every channel, in about 3 kB.

The bytes are the protobuf message of frame.proto with the checksum as its last field:

    | field 1 .. field 23, without 15        | 0x7d | crc32c, little-endian |
    |<------ covered by the checksum ------->|      4 bytes                 |

`samples` is the plane of int16, channel after channel; two values are reserved: MISSING (NaN) and WIDE (the whole channel
stands in `wide`, as `uint16 channel, n x float32` for each). Every value, wide or not, lies on the grid of its channel's
scale, so what a sender scores after `as_sent` is bit for bit what a receiver decodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from crc32c import crc32c

from models.contracts import frame_pb2
from models.contracts.frame import (
    FRAME_BYTES_MAX,
    MISSING,
    SCHEMA,
    WIDE,
    Codes,
    Decoded,
    Floats,
    Frame,
    FrameBatch,
    FrameError,
    Planes,
    PointShare,
    Quality,
    as_sent,
)
from models.contracts.layout import Layout
from models.contracts.planes import CHECKSUM_BYTES, CHECKSUM_TAG, parse, read_planes

__all__ = ["decode", "decode_batch", "encode", "mark_historical", "pack", "parse", "read_planes"]

_RAW_MAX = 32766
_HISTORICAL_FIELD = b"\xb8\x01\x01"  # field 23, true


def encode(frame: Frame, layout: Layout) -> bytes:
    """The bytes of a frame, checksum included.

    Raises:
        FrameError: shapes disagree with the layout, or the frame is larger than FRAME_BYTES_MAX.
    """
    values = frame.values
    if values.ndim != 2 or values.shape[0] != len(layout.channels) or values.shape[1] == 0:
        raise FrameError(
            "shape", f"values have shape {values.shape}, expected ({len(layout.channels)}, n) with n above 0"
        )
    message = frame_pb2.Frame(
        schema=SCHEMA,
        site=frame.site,
        gateway=frame.gateway,
        unit=frame.unit,
        layout_id=layout.id,
        epoch=frame.epoch,
        seq=frame.seq,
        prior_seq=frame.prior_seq,
        measured_at_ms=frame.measured_at_ms,
        interval_ms=frame.interval_ms,
        n=values.shape[1],
        model_version=frame.model_version,
        clock=frame.clock,
        boottime_ms=frame.boottime_ms,
        historical=frame.historical,
    )
    message.samples, message.wide, newest = _to_plane(values, layout)
    message.last.extend(newest)
    quality = frame.quality
    missing = np.isnan(values)
    if missing.any():
        quality = np.where(missing, np.uint8(Quality.MISSING), np.uint8(0) if quality is None else quality)
    if quality is not None:
        message.quality.extend(_to_runs(quality))
    if frame.jitter_ms:
        message.jitter_ms.extend(frame.jitter_ms)
    if frame.score is not None:
        message.score = frame.score
        for share in frame.reasons:
            message.reason.add(point=share.point, share=share.share)
    body = message.SerializeToString()
    payload = body + CHECKSUM_TAG + crc32c(body).to_bytes(4, "little")
    if len(payload) > FRAME_BYTES_MAX:
        raise FrameError(
            "too_large", f"frame has {len(payload)} bytes, expected at most {FRAME_BYTES_MAX}; send fewer samples"
        )
    return payload


def _to_plane(values: Floats, layout: Layout) -> tuple[bytes, bytes, list[float]]:
    """Plane, wide channels and newest values of a frame."""
    scales = layout.scales[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.rint(values / scales)
    largest = np.abs(steps).max()
    if largest <= _RAW_MAX:  # False for NaN too
        newest: list[float] = (steps[:, -1] * layout.scales).tolist()
        return steps.astype("<i2").tobytes(), b"", newest
    sent = as_sent(values, layout)
    with np.errstate(invalid="ignore"):
        too_wide = (layout.scales == 0) | (np.abs(steps) > _RAW_MAX).any(axis=1)
    plane = np.where(np.isnan(steps) | ~np.isfinite(steps), MISSING, np.clip(steps, -_RAW_MAX, _RAW_MAX)).astype("<i2")
    plane[too_wide] = WIDE
    wide = b"".join(
        int(channel).to_bytes(2, "little") + sent[channel].astype("<f4").tobytes()
        for channel in np.flatnonzero(too_wide)
    )
    return plane.tobytes(), wide, sent[:, -1].tolist()


def _to_runs(quality: Codes) -> list[int]:
    """Run lengths of the plane's codes, `length << 3 | code`; empty when all are good."""
    codes = quality.ravel()
    if not codes.any():
        return []
    starts = np.flatnonzero(np.diff(codes, prepend=codes[0] ^ 1))
    lengths = np.diff(starts, append=codes.size)
    runs: list[int] = (lengths.astype(np.int64) << 3 | codes[starts]).tolist()
    return runs


def decode(payload: bytes, layout: Layout) -> Frame:
    """One frame, for tools and tests; hot paths use `decode_batch`.

    Raises:
        FrameError: the payload is damaged, or was written with another layout.
    """
    decoded = decode_batch([payload], {layout.id: layout})
    if decoded.rejected:
        raise decoded.rejected[0].error
    batch = decoded.batches[0]
    message = batch.headers[0]
    return Frame(
        site=message.site,
        gateway=message.gateway,
        unit=message.unit,
        epoch=message.epoch,
        seq=message.seq,
        prior_seq=message.prior_seq,
        measured_at_ms=message.measured_at_ms,
        interval_ms=message.interval_ms,
        values=batch.values[0],
        quality=None if batch.quality is None else batch.quality[0],
        jitter_ms=tuple(message.jitter_ms),
        score=message.score if message.HasField("score") else None,
        reasons=tuple(PointShare(reason.point, reason.share) for reason in message.reason),
        model_version=message.model_version,
        clock=message.clock,
        boottime_ms=message.boottime_ms,
        historical=message.historical,
    )


def decode_batch(payloads: Sequence[bytes], layouts: Mapping[int, Layout]) -> Decoded:
    """Decode many frames, those of one layout and length together, without a loop over samples.

    Args:
        payloads: Frames of any units.
        layouts: Known layouts by id. A frame of an unknown one is rejected with reason `layout`.
    """
    planes, rejected = read_planes(payloads, layouts)
    return Decoded([_scaled(one) for one in planes], rejected)


def _scaled(planes: Planes) -> FrameBatch:
    """Planes in the units of their points."""
    layout, raw = planes.layout, planes.raw
    values = raw * layout.scales[:, None]
    if raw.min() <= WIDE:
        values[raw == MISSING] = np.nan
    quality: Codes | None = None
    for row in planes.with_extras:
        message = planes.headers[row]
        _fill_wide(message.wide, values[row])
        if message.quality:
            if quality is None:
                quality = np.zeros(raw.shape, dtype=np.uint8)
            runs = np.array(message.quality, dtype=np.uint32)
            quality[row] = np.repeat((runs & 7).astype(np.uint8), runs >> 3).reshape(raw.shape[1:])
    return FrameBatch(
        layout=layout,
        n=planes.n,
        values=values,
        quality=quality,
        index=planes.index,
        units=planes.units,
        gateways=planes.gateways,
        epoch=planes.epoch,
        seq=planes.seq,
        prior_seq=planes.prior_seq,
        measured_at_ms=planes.measured_at_ms,
        interval_ms=planes.interval_ms,
        historical=planes.historical,
        headers=planes.headers,
    )


def _fill_wide(wide: bytes, values: Floats) -> None:
    """Put the wide channels of one frame into its values, shape (channels, n)."""
    n = values.shape[1]
    for start in range(0, len(wide), 2 + 4 * n):
        channel = int.from_bytes(wide[start : start + 2], "little")
        values[channel] = np.frombuffer(wide, dtype="<f4", count=n, offset=start + 2)


def pack(message: frame_pb2.Frame) -> bytes:
    """The bytes of a parsed message, checksum made anew: how a store keeps a decoded frame whole."""
    message.ClearField("crc32c")
    body = message.SerializeToString()
    return body + CHECKSUM_TAG + crc32c(body).to_bytes(4, "little")


def mark_historical(payload: bytes) -> bytes:
    """The same frame marked as sent from a backlog: one field appended, the checksum made anew."""
    body = payload[:-CHECKSUM_BYTES] + _HISTORICAL_FIELD
    return body + CHECKSUM_TAG + crc32c(body).to_bytes(4, "little")
