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
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
from crc32c import crc32c
from google.protobuf.message import DecodeError

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
    PointShare,
    Quality,
    Rejected,
    as_sent,
)
from models.contracts.layout import Layout

_RAW_MAX = 32766
_CHECKSUM_TAG = b"\x7d"  # field 15, fixed32
_CHECKSUM_BYTES = 5
# Fetched in one call: a frame has 5 µs for everything.
_HEADER = attrgetter(
    "site", "unit", "gateway", "epoch", "seq", "prior_seq", "measured_at_ms", "interval_ms", "historical"
)
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
    payload = body + _CHECKSUM_TAG + crc32c(body).to_bytes(4, "little")
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


def parse(payload: bytes) -> frame_pb2.Frame:
    """The message of a payload, checked for size, checksum, schema and shape, but with its plane still packed.

    Raises:
        FrameError: with the reason that belongs on the dead letter.
    """
    size = len(payload)
    if size > FRAME_BYTES_MAX:
        raise FrameError("too_large", f"frame has {size} bytes, expected at most {FRAME_BYTES_MAX}")
    if size <= _CHECKSUM_BYTES or payload[-5:-4] != _CHECKSUM_TAG:
        raise FrameError(
            "truncated", f"frame of {size} bytes does not end in a checksum field; it was cut or is no frame"
        )
    if crc32c(payload[:-_CHECKSUM_BYTES]) != int.from_bytes(payload[-4:], "little"):
        raise FrameError("checksum", f"frame of {size} bytes does not match its checksum; it was altered on the way")
    try:
        message = frame_pb2.Frame.FromString(payload)
    except DecodeError as error:
        raise FrameError("malformed", f"frame of {size} bytes is not protobuf: {error}") from error
    if message.schema != SCHEMA:
        raise FrameError("schema", f"frame has schema {message.schema}, expected {SCHEMA}; upgrade the older side")
    n, plane_bytes = message.n, len(message.samples)
    if not n or not plane_bytes or plane_bytes % (2 * n) or not message.interval_ms:
        raise FrameError(
            "shape",
            f"frame has n {n}, interval {message.interval_ms} ms and a plane of {plane_bytes} bytes;"
            " expected channels x n x 2 bytes, all above 0",
        )
    return message


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
    out = Decoded()
    groups: dict[tuple[int, int, int], _Group] = {}
    for index, payload in enumerate(payloads):
        try:
            message = parse(payload)
            samples = message.samples
            key = (message.layout_id, message.n, len(samples))
            group = groups.get(key)
            if group is None:
                _check_layout(message, layouts)
                group = groups[key] = _Group()
            if message.quality or message.wide:
                _check_extras(message, layouts[message.layout_id])
                group.with_extras.append(len(group.messages))
        except FrameError as error:
            out.rejected.append(Rejected(index, error))
        else:
            group.messages.append(message)
            group.planes.append(samples)
            group.index.append(index)
    for (layout_id, _, _), group in groups.items():
        if group.messages:
            out.batches.append(_decode_group(group, layouts[layout_id]))
    return out


@dataclass(slots=True)
class _Group:
    """Checked messages of one layout and length; `with_extras` are the rows that carry quality runs or wide channels."""

    messages: list[frame_pb2.Frame] = field(default_factory=list)
    planes: list[bytes] = field(default_factory=list)
    index: list[int] = field(default_factory=list)
    with_extras: list[int] = field(default_factory=list)


def _check_layout(message: frame_pb2.Frame, layouts: Mapping[int, Layout]) -> None:
    layout = layouts.get(message.layout_id)
    if layout is None:
        raise FrameError("layout", f"layout {message.layout_id:016x} of {message.site}/{message.unit} is not known")
    expected = 2 * message.n * len(layout.channels)
    if len(message.samples) != expected:
        raise FrameError("shape", f"plane has {len(message.samples)} bytes, expected {expected} for its layout")


def _check_extras(message: frame_pb2.Frame, layout: Layout) -> None:
    """Refuse run lengths and wide channels that do not fit the plane, before anything is allocated for them."""
    cells = message.n * len(layout.channels)
    if message.quality and sum(run >> 3 for run in message.quality) != cells:
        raise FrameError("shape", f"quality runs do not add up to the {cells} samples of the plane")
    if any(run & 7 > max(Quality) for run in message.quality):
        raise FrameError("shape", f"quality code above {int(max(Quality))}")
    entry = 2 + 4 * message.n
    wide = message.wide
    if len(wide) % entry:
        raise FrameError("shape", f"wide channels have {len(wide)} bytes, expected a multiple of {entry}")
    for start in range(0, len(wide), entry):
        if int.from_bytes(wide[start : start + 2], "little") >= len(layout.channels):
            raise FrameError("shape", "wide channel outside the layout")


def _decode_group(group: _Group, layout: Layout) -> FrameBatch:
    messages = group.messages
    n, channels, frames = messages[0].n, len(layout.channels), len(messages)
    raw = np.frombuffer(b"".join(group.planes), dtype="<i2").reshape(frames, channels, n)
    values = raw * layout.scales[:, None]
    if raw.min() <= WIDE:
        values[raw == MISSING] = np.nan
    quality: Codes | None = None
    for row in group.with_extras:
        message = messages[row]
        _fill_wide(message.wide, values[row])
        if message.quality:
            if quality is None:
                quality = np.zeros((frames, channels, n), dtype=np.uint8)
            runs = np.array(message.quality, dtype=np.uint32)
            quality[row] = np.repeat((runs & 7).astype(np.uint8), runs >> 3).reshape(channels, n)
    headers = map(_HEADER, messages)
    sites, units, gateways, epoch, seq, prior_seq, measured_at_ms, interval_ms, historical = zip(*headers, strict=True)
    return FrameBatch(
        layout=layout,
        n=n,
        values=values,
        quality=quality,
        index=np.array(group.index, dtype=np.intp),
        units=[f"{site}/{unit}" for site, unit in zip(sites, units, strict=True)],
        gateways=[f"{site}/{gateway}" for site, gateway in zip(sites, gateways, strict=True)],
        epoch=np.array(epoch, dtype=np.uint64),
        seq=np.array(seq, dtype=np.uint64),
        prior_seq=np.array(prior_seq, dtype=np.uint64),
        measured_at_ms=np.array(measured_at_ms, dtype=np.int64),
        interval_ms=np.array(interval_ms, dtype=np.int64),
        historical=np.array(historical, dtype=np.bool_),
        headers=messages,
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
    return body + _CHECKSUM_TAG + crc32c(body).to_bytes(4, "little")


def mark_historical(payload: bytes) -> bytes:
    """The same frame marked as sent from a backlog: one field appended, the checksum made anew."""
    body = payload[:-_CHECKSUM_BYTES] + _HISTORICAL_FIELD
    return body + _CHECKSUM_TAG + crc32c(body).to_bytes(4, "little")
