"""Frames that are built alike, read together: same fields, same lengths, so the same bytes mean the same in all of them.

A gateway sends thousands of frames that differ in nothing but their numbers. One of them, the pattern, is walked field by
field; the others are compared with it in one stroke, and where they have the same skeleton, their numbers are columns:

    pattern    08 01  12 05 north  1a 02 g1  22 05 ahu-1  29 ........  30 d2 85 d8 3a  38 07  62 c0 16 ....  7d ....
    skeleton   ## 01  ## ## .....  ## ## ..  ## ## .....  ## ........  ## 8. 8. 8. 0.  ## 0.  ## ## ## ....  ## ....
               ## equal    8. goes on (top bit of a varint)    . free

What is not alike, not simple (quality runs, wide channels, jitter, reasons) or not in order is left to protobuf, which is
the oracle: whatever is read here, it reads alike, and what is wrong, it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from crc32c import crc32c

from models.contracts.frame import FRAME_BYTES_MAX, SCHEMA

_BYTES = npt.NDArray[np.uint8]
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
SITE, GATEWAY, UNIT, LAYOUT, EPOCH, SEQ, PRIOR_SEQ, MEASURED, INTERVAL, COUNT, SAMPLES = range(2, 13)
_LAST, _SCORE, _MODEL_VERSION, _CLOCK, _BOOTTIME, HISTORICAL = 17, 18, 20, 21, 22, 23
# Fields of a simple frame, and their wire types.
_SIMPLE = {
    1: _VARINT,
    SITE: _LENGTH,
    GATEWAY: _LENGTH,
    UNIT: _LENGTH,
    LAYOUT: _FIXED64,
    EPOCH: _VARINT,
    SEQ: _VARINT,
    PRIOR_SEQ: _VARINT,
    MEASURED: _VARINT,
    INTERVAL: _VARINT,
    COUNT: _VARINT,
    SAMPLES: _LENGTH,
    _LAST: _LENGTH,
    _SCORE: _FIXED32,
    _MODEL_VERSION: _LENGTH,
    _CLOCK: _VARINT,
    _BOOTTIME: _VARINT,
    HISTORICAL: _VARINT,
}
_CHECKSUM_TAG = 0x7D
_CHECKSUM_BYTES = 5
_FRAMES_MIN = 40  # fewer are quicker one by one
_PATTERNS_MAX = 8  # of one length, tried before the rest is left to protobuf
_NAMES_MAX = 200_000
# By where the three names lie, then by their bytes: (site/unit, site/gateway).
_names: dict[tuple[int, ...], dict[bytes, tuple[str, str]]] = {}


class _NotSimpleError(Exception):
    """A pattern that is left to protobuf."""


@dataclass(slots=True)
class Pattern:
    """The skeleton of one frame: where its fields lie (start, end), and which bits of its bytes others must share."""

    fields: dict[int, tuple[int, int]]
    skeleton: _BYTES
    mask: _BYTES


@dataclass(slots=True)
class Alike:
    """Frames of one pattern. `data` (frames, bytes) are they themselves, `index` (frames,) their places in the input."""

    pattern: Pattern
    data: _BYTES
    index: npt.NDArray[np.intp]
    units: list[str] = field(default_factory=list)  # site/unit
    gateways: list[str] = field(default_factory=list)  # site/gateway

    def numbers(self, number: int) -> npt.NDArray[np.uint64]:
        """A varint field of all frames, 0 where they have none."""
        place = self.pattern.fields.get(number)
        if place is None:
            return np.zeros(len(self.data), dtype=np.uint64)
        first, end = place
        value = np.zeros(len(self.data), dtype=np.uint64)
        for column in range(end - 1, first - 1, -1):
            value <<= np.uint64(7)
            value |= self.data[:, column] & np.uint8(0x7F)
        return value

    def signed(self, number: int) -> npt.NDArray[np.int64]:
        """A zigzag field of all frames."""
        value = self.numbers(number)
        halved: npt.NDArray[np.int64] = (value >> np.uint64(1)).astype(np.int64)
        return halved ^ -(value & np.uint64(1)).astype(np.int64)

    def layout_ids(self) -> npt.NDArray[np.uint64]:
        """Of all frames."""
        first, end = self.pattern.fields[LAYOUT]
        return np.ascontiguousarray(self.data[:, first:end]).view("<u8")[:, 0]

    @property
    def plane_bytes(self) -> int:
        """Of each frame."""
        first, end = self.pattern.fields[SAMPLES]
        return end - first

    def planes(self) -> npt.NDArray[np.int16]:
        """Samples of all frames, shape (frames, channels x n)."""
        first, end = self.pattern.fields[SAMPLES]
        return np.ascontiguousarray(self.data[:, first:end]).view("<i2")


def read_alike(payloads: Sequence[bytes]) -> tuple[list[Alike], list[int]]:
    """Simple frames that are sound, in groups; and the places of all other payloads, ascending."""
    by_length: dict[int, list[int]] = {}
    for place, payload in enumerate(payloads):
        by_length.setdefault(len(payload), []).append(place)
    groups: list[Alike] = []
    rest: list[int] = []
    for length, places in by_length.items():
        if len(places) < _FRAMES_MIN or not _CHECKSUM_BYTES < length <= FRAME_BYTES_MAX:
            rest += places
            continue
        whole = len(places) == len(payloads)
        joined = b"".join(payloads if whole else [payloads[place] for place in places])
        data = np.frombuffer(joined, dtype=np.uint8).reshape(len(places), length)
        _split(data, np.array(places, dtype=np.intp), groups, rest)
    rest.sort()
    return groups, rest


def _split(data: _BYTES, index: npt.NDArray[np.intp], groups: list[Alike], rest: list[int]) -> None:
    """Frames of one length by pattern; what is left goes to `rest`."""
    for _ in range(_PATTERNS_MAX):
        if len(data) < _FRAMES_MIN:
            break
        try:
            pattern = _pattern(data[0].tobytes())
        except _NotSimpleError:
            rest.append(int(index[0]))
            data, index = data[1:], index[1:]
            continue
        alike = _has(pattern, data)
        if alike.all():
            _take(Alike(pattern, data, index), groups, rest)
            return
        if alike.sum() >= _FRAMES_MIN:
            _take(Alike(pattern, data[alike], index[alike]), groups, rest)
        else:
            rest += index[alike].tolist()
        data, index = data[~alike], index[~alike]
    rest += index.tolist()


def _has(pattern: Pattern, data: _BYTES) -> npt.NDArray[np.bool_]:
    """Which frames share a pattern's skeleton, shape (frames,). Its samples are free, so they are not looked at."""
    first, end = pattern.fields[SAMPLES]
    found = ((data[:, :first] ^ pattern.skeleton[:first]) & pattern.mask[:first]).any(axis=1)
    found |= ((data[:, end:] ^ pattern.skeleton[end:]) & pattern.mask[end:]).any(axis=1)
    same: npt.NDArray[np.bool_] = np.logical_not(found)
    return same


def _take(group: Alike, groups: list[Alike], rest: list[int]) -> None:
    """Keep the frames that are sound."""
    sound = _checksums(group.data) & _name(group)
    if not sound.all():
        rest += group.index[~sound].tolist()
        group.data, group.index = group.data[sound], group.index[sound]
        kept = np.flatnonzero(sound).tolist()
        group.units, group.gateways = [group.units[at] for at in kept], [group.gateways[at] for at in kept]
    if len(group.data):
        groups.append(group)


def _checksums(data: _BYTES) -> npt.NDArray[np.bool_]:
    """Whose checksum is right, shape (frames,)."""
    view, (count, length) = memoryview(data.tobytes()), data.shape
    body = length - _CHECKSUM_BYTES
    found = np.array([crc32c(view[first : first + body]) for first in range(0, count * length, length)])
    stored = np.ascontiguousarray(data[:, -4:]).view("<u4")[:, 0]
    right: npt.NDArray[np.bool_] = found == stored
    return right


def _name(group: Alike) -> npt.NDArray[np.bool_]:
    """Give the frames their names; whose are UTF-8, shape (frames,)."""
    fields = group.pattern.fields
    (site, site_end), (gateway, gateway_end), (unit, unit_end) = fields[SITE], fields[GATEWAY], fields[UNIT]
    version, version_end = fields.get(_MODEL_VERSION, (0, 0))
    names = np.ascontiguousarray(group.data[:, site:unit_end]).tobytes()
    width = unit_end - site
    known_names = _names.setdefault((site_end - site, gateway - site, gateway_end - site, unit - site, width), {})
    if len(known_names) > _NAMES_MAX:
        known_names.clear()
    sound = np.ones(len(group.data), dtype=bool)
    for place, first in enumerate(range(0, len(names), width)):
        raw = names[first : first + width]
        known = known_names.get(raw)
        if known is None:
            try:
                at = raw[: site_end - site].decode()
                known = (
                    f"{at}/{raw[unit - site : unit_end - site].decode()}",
                    f"{at}/{raw[gateway - site : gateway_end - site].decode()}",
                )
            except UnicodeDecodeError:
                sound[place] = False
                known = ("", "")
            else:
                known_names[raw] = known
        group.units.append(known[0])
        group.gateways.append(known[1])
    if version_end:
        sound &= (group.data[:, version:version_end] < 0x80).all(axis=1)
    return sound


def _pattern(payload: bytes) -> Pattern:
    """Walk one frame.

    Raises:
        _NotSimpleError: it is not simple, or not sound.
    """
    end = len(payload) - _CHECKSUM_BYTES
    mask = np.zeros(len(payload), dtype=np.uint8)
    fields: dict[int, tuple[int, int]] = {}
    at = 0
    while at < end:
        tag, first = _varint(payload, at, end)
        number, wire = tag >> 3, tag & 7
        if _SIMPLE.get(number) != wire:
            raise _NotSimpleError
        mask[at:first] = 0xFF
        if wire == _LENGTH:
            length, start = _varint(payload, first, end)
            mask[first:start] = 0xFF
            first, at = start, start + length
        elif wire == _VARINT:
            at = _varint(payload, first, end)[1]
            mask[first:at] = 0x80
        else:
            at = first + (8 if wire == _FIXED64 else 4)
        if at > end or (number in fields and number != HISTORICAL):
            raise _NotSimpleError
        fields[number] = first, at
    _check(payload, fields, mask)
    mask[end] = 0xFF
    skeleton = np.frombuffer(payload, dtype=np.uint8)
    return Pattern(fields, skeleton, mask)


def _check(payload: bytes, fields: dict[int, tuple[int, int]], mask: _BYTES) -> None:
    """What protobuf and the codec would refuse is left to them; fields that decide on a frame's shape must be equal."""
    if payload[-_CHECKSUM_BYTES] != _CHECKSUM_TAG or not {1, SITE, GATEWAY, UNIT, LAYOUT, SAMPLES} <= fields.keys():
        raise _NotSimpleError
    if not fields[SITE] < fields[GATEWAY] < fields[UNIT]:
        raise _NotSimpleError
    first, end = fields.get(_LAST, (0, 0))
    if (end - first) % 4:
        raise _NotSimpleError
    for number in (1, INTERVAL, COUNT):
        if number not in fields:
            raise _NotSimpleError
    numbers = {number: _varint(payload, *fields[number])[0] for number in (1, INTERVAL, COUNT)}
    plane_bytes = fields[SAMPLES][1] - fields[SAMPLES][0]
    if numbers[1] != SCHEMA or not 0 < numbers[COUNT] < 2**32 or not 0 < numbers[INTERVAL] < 2**32:
        raise _NotSimpleError
    if not plane_bytes or plane_bytes % (2 * numbers[COUNT]):
        raise _NotSimpleError
    for number in (1, INTERVAL, COUNT, _CLOCK):
        if number in fields:
            first, end = fields[number]
            mask[first:end] = 0xFF


def _varint(payload: bytes, at: int, end: int) -> tuple[int, int]:
    """A varint and where it ends; those of ten bytes, which may hold more than 64 bits, are left to protobuf."""
    value = 0
    for count in range(9):
        if at + count >= end:
            break
        byte = payload[at + count]
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, at + count + 1
    raise _NotSimpleError
