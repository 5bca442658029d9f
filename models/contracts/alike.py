"""Frames that are built alike, read together: same fields, same lengths, so the same bytes mean the same in all of them.

A gateway sends thousands of frames that differ in nothing but their numbers. One of them, the pattern, is walked field by
field (pattern.py); the others are compared with it in one stroke. Where they have its skeleton, their numbers are columns.

What is not alike, not simple (quality runs, wide channels, reasons) or not in order is left to protobuf, which is the
oracle: whatever is read here, it reads alike, and what is wrong, it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from crc32c import crc32c

from models.contracts.frame import FRAME_BYTES_MAX
from models.contracts.pattern import (
    CHECKSUM_BYTES,
    GATEWAY,
    JITTER,
    LAYOUT,
    MODEL_VERSION,
    SAMPLES,
    SITE,
    UNIT,
    NotSimpleError,
    Pattern,
    pattern_of,
)

_BYTES = npt.NDArray[np.uint8]
_FRAMES_MIN = 40  # fewer are quicker one by one
_PATTERNS_MAX = 8  # of one length, tried before the rest is left to protobuf
_FRAMES_A_BLOCK = 256
_NAMES_MAX = 200_000
# By where the three names lie, then by their bytes: (site/unit, site/gateway).
_names: dict[tuple[int, ...], dict[bytes, tuple[str, str]]] = {}


@dataclass(slots=True)
class Alike:
    """Frames of one pattern: `planes` (frames, bytes) are their samples, `others` (frames, bytes) all other bytes, without
    gap; `index` (frames,) are their places in the input.
    """

    pattern: Pattern
    planes: _BYTES
    others: _BYTES
    index: npt.NDArray[np.intp]
    units: list[str]  # site/unit
    gateways: list[str]  # site/gateway

    def _columns(self, number: int) -> tuple[int, int] | None:
        """Where a field lies in `others`."""
        place = self.pattern.fields.get(number)
        first, end = self.pattern.fields[SAMPLES]
        if place is None or place[0] < first:
            return place
        return place[0] - (end - first), place[1] - (end - first)

    def numbers(self, number: int) -> npt.NDArray[np.uint64]:
        """A varint field of all frames, 0 where they have none."""
        value = np.zeros(len(self.index), dtype=np.uint64)
        columns = self._columns(number)
        if columns is not None:
            for column in range(columns[1] - 1, columns[0] - 1, -1):
                value <<= np.uint64(7)
                value |= self.others[:, column] & np.uint8(0x7F)
        return value

    def signed(self, number: int) -> npt.NDArray[np.int64]:
        """A zigzag field of all frames."""
        value = self.numbers(number)
        halved: npt.NDArray[np.int64] = (value >> np.uint64(1)).astype(np.int64)
        return halved ^ -(value & np.uint64(1)).astype(np.int64)

    def layout_ids(self) -> npt.NDArray[np.uint64]:
        """Of all frames."""
        first, end = self._columns(LAYOUT) or (0, 0)
        return np.ascontiguousarray(self.others[:, first:end]).view("<u8")[:, 0]


@dataclass(slots=True)
class _Gathered:
    """Frames of one pattern as they come, block by block."""

    pattern: Pattern
    planes: _BYTES  # room for as many as may come
    count: int = 0
    others: list[_BYTES] = field(default_factory=list)
    index: list[npt.NDArray[np.intp]] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    gateways: list[str] = field(default_factory=list)

    def take(self, data: _BYTES, index: npt.NDArray[np.intp], rest: list[int]) -> None:
        """Keep the frames that are sound; the places of the others go to `rest`."""
        units, gateways, sound = _names_of(self.pattern, data)
        sound &= _checksums(data) & _jitter(self.pattern, data)
        if not sound.all():
            rest += index[~sound].tolist()
            data, index, kept = data[sound], index[sound], np.flatnonzero(sound).tolist()
            units, gateways = [units[at] for at in kept], [gateways[at] for at in kept]
        first, end = self.pattern.fields[SAMPLES]
        self.planes[self.count : self.count + len(data)] = data[:, first:end]
        self.count += len(data)
        self.others.append(np.concatenate([data[:, :first], data[:, end:]], axis=1))
        self.index.append(index)
        self.units += units
        self.gateways += gateways

    def whole(self) -> Alike:
        """All of them."""
        return Alike(
            self.pattern,
            self.planes[: self.count],
            np.concatenate(self.others),
            np.concatenate(self.index),
            self.units,
            self.gateways,
        )


def read_alike(payloads: Sequence[bytes]) -> tuple[list[Alike], list[int]]:
    """Simple frames that are sound, in groups; and the places of all other payloads, ascending."""
    by_length: dict[int, list[int]] = {}
    for place, payload in enumerate(payloads):
        by_length.setdefault(len(payload), []).append(place)
    groups: list[Alike] = []
    rest: list[int] = []
    for length, places in by_length.items():
        if len(places) < _FRAMES_MIN or not CHECKSUM_BYTES < length <= FRAME_BYTES_MAX:
            rest += places
            continue
        gathered: list[_Gathered] = []
        # In blocks of one size, so that what is looked at several times is still in the cache.
        step = -(-len(places) // -(-len(places) // _FRAMES_A_BLOCK))
        for begin in range(0, len(places), step):
            block = places[begin : begin + step]
            joined = b"".join([payloads[place] for place in block])
            data = np.frombuffer(joined, dtype=np.uint8).reshape(len(block), length)
            _split(data, np.array(block, dtype=np.intp), gathered, len(places) - begin, rest)
        groups += [one.whole() for one in gathered if one.count]
    rest.sort()
    return groups, rest


def _split(data: _BYTES, index: npt.NDArray[np.intp], gathered: list[_Gathered], to_come: int, rest: list[int]) -> None:
    """Frames of one length by pattern, known ones first; what is left goes to `rest`. `to_come`: these and later ones."""
    for one in gathered:
        data, index = _take_if(one, data, index, rest)
    for _ in range(_PATTERNS_MAX - len(gathered)):
        if len(data) < _FRAMES_MIN:
            break
        try:
            pattern = pattern_of(data[0].tobytes())
        except NotSimpleError:
            rest.append(int(index[0]))
            data, index = data[1:], index[1:]
            continue
        first, end = pattern.fields[SAMPLES]
        one = _Gathered(pattern, np.empty((to_come, end - first), dtype=np.uint8))
        gathered.append(one)
        data, index = _take_if(one, data, index, rest)
    rest += index.tolist()


def _take_if(
    one: _Gathered, data: _BYTES, index: npt.NDArray[np.intp], rest: list[int]
) -> tuple[_BYTES, npt.NDArray[np.intp]]:
    """Take the frames that share a pattern; the others."""
    if not len(data):
        return data, index
    alike = _has(one.pattern, data)
    if alike.all():
        one.take(data, index, rest)
        return data[:0], index[:0]
    if alike.any():
        one.take(data[alike], index[alike], rest)
        return data[~alike], index[~alike]
    return data, index


def _has(pattern: Pattern, data: _BYTES) -> npt.NDArray[np.bool_]:
    """Which frames share a pattern's skeleton, shape (frames,). Its samples are free, so they are not looked at."""
    first, end = pattern.fields[SAMPLES]
    found = ((data[:, :first] ^ pattern.skeleton[:first]) & pattern.mask[:first]).any(axis=1)
    found |= ((data[:, end:] ^ pattern.skeleton[end:]) & pattern.mask[end:]).any(axis=1)
    same: npt.NDArray[np.bool_] = np.logical_not(found)
    return same


def _checksums(data: _BYTES) -> npt.NDArray[np.bool_]:
    """Whose checksum is right, shape (frames,)."""
    view, (count, length) = np.ascontiguousarray(data).reshape(-1).data, data.shape
    body = length - CHECKSUM_BYTES
    found = np.array([crc32c(view[first : first + body]) for first in range(0, count * length, length)])
    stored = np.ascontiguousarray(data[:, -4:]).view("<u4")[:, 0]
    right: npt.NDArray[np.bool_] = found == stored
    return right


def _jitter(pattern: Pattern, data: _BYTES) -> npt.NDArray[np.bool_]:
    """Whose jitter is made of numbers of at most nine bytes, shape (frames,)."""
    first, end = pattern.fields.get(JITTER, (0, 0))
    goes_on = data[:, first:end] >= 0x80
    if not goes_on.any():
        return np.ones(len(data), dtype=bool)
    for _ in range(min(8, end - first - 1)):
        goes_on = goes_on[:, 1:] & goes_on[:, :-1]
    return np.logical_not(goes_on.any(axis=1)) if end - first > 8 else np.ones(len(data), dtype=bool)


def _names_of(pattern: Pattern, data: _BYTES) -> tuple[list[str], list[str], npt.NDArray[np.bool_]]:
    """Units (site/unit) and gateways (site/gateway) of frames, and whose names are UTF-8, shape (frames,)."""
    fields = pattern.fields
    (site, site_end), (gateway, gateway_end), (unit, unit_end) = fields[SITE], fields[GATEWAY], fields[UNIT]
    names, width = np.ascontiguousarray(data[:, site:unit_end]).tobytes(), unit_end - site
    known = _names.setdefault((site_end - site, gateway - site, gateway_end - site, unit - site, width), {})
    if len(known) > _NAMES_MAX or len(_names) > _NAMES_MAX // 1_000:
        _names.clear()
    found = []
    for first in range(0, len(names), width):
        raw = names[first : first + width]
        pair = known.get(raw)
        if pair is None:
            parts = (raw[: site_end - site], raw[unit - site :], raw[gateway - site : gateway_end - site])
            try:
                at, own, through = (part.decode() for part in parts)
            except UnicodeDecodeError:
                pair = ("", "")
            else:
                pair = known[raw] = f"{at}/{own}", f"{at}/{through}"
        found.append(pair)
    units, gateways = [pair[0] for pair in found], [pair[1] for pair in found]
    sound = np.array([unit != "" for unit in units], dtype=bool)
    version, version_end = fields.get(MODEL_VERSION, (0, 0))
    if version_end:
        sound &= (data[:, version:version_end] < 0x80).all(axis=1)
    return units, gateways, sound
