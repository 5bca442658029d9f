"""Reading frames: payloads in, planes of scaled integers out, those of one layout and length together.

payloads ─▶ alike.py     frames built alike, in strokes ─┐
        └─▶ protobuf     all others, one by one ─────────┴─▶ Planes, and what was refused
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import overload

import numpy as np
from crc32c import crc32c
from google.protobuf.message import DecodeError

from models.contracts import frame_pb2, pattern
from models.contracts.alike import Alike, read_alike
from models.contracts.frame import FRAME_BYTES_MAX, SCHEMA, FrameError, Planes, Quality, Rejected
from models.contracts.layout import Layout

CHECKSUM_TAG = b"\x7d"  # field 15, fixed32
CHECKSUM_BYTES = 5
# Fetched in one call: this is per frame.
_HEADER = attrgetter(
    "site", "unit", "gateway", "epoch", "seq", "prior_seq", "measured_at_ms", "interval_ms", "historical"
)
_ARRAYS = ("index", "epoch", "seq", "prior_seq", "measured_at_ms", "interval_ms", "historical")


def parse(payload: bytes) -> frame_pb2.Frame:
    """The message of a payload, checked for size, checksum, schema and shape, but with its plane still packed.

    Raises:
        FrameError: with the reason that belongs on the dead letter.
    """
    size = len(payload)
    if size > FRAME_BYTES_MAX:
        raise FrameError("too_large", f"frame has {size} bytes, expected at most {FRAME_BYTES_MAX}")
    if size <= CHECKSUM_BYTES or payload[-5:-4] != CHECKSUM_TAG:
        raise FrameError(
            "truncated", f"frame of {size} bytes does not end in a checksum field; it was cut or is no frame"
        )
    if crc32c(payload[:-CHECKSUM_BYTES]) != int.from_bytes(payload[-4:], "little"):
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


def read_planes(payloads: Sequence[bytes], layouts: Mapping[int, Layout]) -> tuple[list[Planes], list[Rejected]]:
    """As `decode_batch`, with the samples as they were sent. Frames that are built alike are read together."""
    groups, rest = read_alike(payloads)
    parts: dict[tuple[int, int, int], list[Planes]] = {}
    for group in groups:
        rest += _take_alike(group, payloads, layouts, parts)
    rejected: list[Rejected] = []
    singles: dict[tuple[int, int, int], _Group] = {}
    for index in sorted(rest):
        try:
            message = parse(payloads[index])
            samples = message.samples
            key = (message.layout_id, message.n, len(samples))
            single = singles.get(key)
            if single is None:
                _check_layout(message, layouts)
                single = singles[key] = _Group()
            if message.quality or message.wide:
                _check_extras(message, layouts[message.layout_id])
                single.with_extras.append(len(single.messages))
        except FrameError as error:
            rejected.append(Rejected(index, error))
        else:
            single.messages.append(message)
            single.planes.append(samples)
            single.index.append(index)
    for key, single in singles.items():
        if single.messages:
            parts.setdefault(key, []).append(_planes_of(single, layouts[key[0]]))
    return [part[0] if len(part) == 1 else _joined(part) for part in parts.values()], rejected


def _take_alike(
    group: Alike,
    payloads: Sequence[bytes],
    layouts: Mapping[int, Layout],
    parts: dict[tuple[int, int, int], list[Planes]],
) -> list[int]:
    """Frames that were read together, by layout; the places of those whose layout is not known or does not fit."""
    ids, planes, plane_bytes = group.layout_ids(), group.planes.view("<i2"), group.planes.shape[1]
    n = int(group.numbers(pattern.COUNT)[0])
    columns = {
        "epoch": group.numbers(pattern.EPOCH),
        "seq": group.numbers(pattern.SEQ),
        "prior_seq": group.numbers(pattern.PRIOR_SEQ),
        "measured_at_ms": group.signed(pattern.MEASURED),
        "interval_ms": group.numbers(pattern.INTERVAL).astype(np.int64),
        "historical": group.numbers(pattern.HISTORICAL) != 0,
    }
    left: list[int] = []
    for layout_id in set(ids.tolist()):
        at = np.flatnonzero(ids == layout_id)
        layout = layouts.get(layout_id)
        if layout is None or 2 * n * len(layout.channels) != plane_bytes:
            left += group.index[at].tolist()
            continue
        whole = len(at) == len(ids)
        index = group.index if whole else group.index[at]
        read = Planes(
            layout=layout,
            n=n,
            raw=(planes if whole else planes[at]).reshape(len(at), len(layout.channels), n),
            index=index,
            units=group.units if whole else [group.units[place] for place in at.tolist()],
            gateways=group.gateways if whole else [group.gateways[place] for place in at.tolist()],
            headers=_Headers([payloads[place] for place in index.tolist()]),
            **{name: column if whole else column[at] for name, column in columns.items()},
        )
        parts.setdefault((layout_id, n, plane_bytes), []).append(read)
    return left


class _Headers(Sequence[frame_pb2.Frame]):
    """Messages that are parsed when somebody asks for them. Their payloads were checked."""

    def __init__(self, held: list[bytes | frame_pb2.Frame]) -> None:
        self.held = held

    def __len__(self) -> int:
        return len(self.held)

    @overload
    def __getitem__(self, place: int) -> frame_pb2.Frame: ...
    @overload
    def __getitem__(self, place: slice) -> list[frame_pb2.Frame]: ...
    def __getitem__(self, place: int | slice) -> frame_pb2.Frame | list[frame_pb2.Frame]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        held = self.held[place]
        if isinstance(held, bytes):
            held = self.held[place] = frame_pb2.Frame.FromString(held)
        return held


def _joined(parts: list[Planes]) -> Planes:
    """Planes of one layout and length as one, in the order of the input."""
    order = np.argsort(np.concatenate([part.index for part in parts]), kind="stable")
    places = order.tolist()
    to = np.empty_like(order)
    to[order] = np.arange(len(order))
    raw = np.empty((len(order), *parts[0].raw.shape[1:]), dtype="<i2")
    held: list[bytes | frame_pb2.Frame] = []
    extras: list[int] = []
    for part in parts:
        here = to[len(held) : len(held) + len(part.index)]
        raw[here] = part.raw
        extras += here[list(part.with_extras)].tolist()
        held += part.headers.held if isinstance(part.headers, _Headers) else part.headers
    units = [unit for part in parts for unit in part.units]
    gateways = [gateway for part in parts for gateway in part.gateways]
    return Planes(
        layout=parts[0].layout,
        n=parts[0].n,
        raw=raw,
        units=[units[place] for place in places],
        gateways=[gateways[place] for place in places],
        headers=_Headers([held[place] for place in places]),
        with_extras=sorted(extras),
        **{name: np.concatenate([getattr(part, name) for part in parts])[order] for name in _ARRAYS},
    )


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


def _planes_of(group: _Group, layout: Layout) -> Planes:
    messages = group.messages
    raw = np.frombuffer(b"".join(group.planes), dtype="<i2").reshape(len(messages), len(layout.channels), messages[0].n)
    headers = map(_HEADER, messages)
    sites, units, gateways, epoch, seq, prior_seq, measured_at_ms, interval_ms, historical = zip(*headers, strict=True)
    return Planes(
        layout=layout,
        n=messages[0].n,
        raw=raw,
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
        with_extras=group.with_extras,
    )
