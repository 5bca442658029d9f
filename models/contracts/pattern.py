"""The skeleton of a frame: which fields it has, where they lie, and which bits of its bytes tell so.

    frame      08 01  12 05 north  1a 02 g1  22 05 ahu-1  29 ........  30 d2 85 d8 3a  38 07  62 c0 16 ....  7d ....
    skeleton   ## 01  ## ## .....  ## ## ..  ## ## .....  ## ........  ## 8. 8. 8. 0.  ## 0.  ## ## ## ....  ## ....
               ## equal    8. goes on (top bit of a varint)    . free

Frames that share a skeleton have every field in the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.contracts.frame import SCHEMA

CHECKSUM_BYTES = 5
_CHECKSUM_TAG = 0x7D
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
SITE, GATEWAY, UNIT, LAYOUT, EPOCH, SEQ, PRIOR_SEQ, MEASURED, INTERVAL, COUNT, SAMPLES = range(2, 13)
JITTER, _LAST, _SCORE, MODEL_VERSION, _CLOCK, _BOOTTIME, HISTORICAL = 16, 17, 18, 20, 21, 22, 23
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
    JITTER: _LENGTH,
    _LAST: _LENGTH,
    _SCORE: _FIXED32,
    MODEL_VERSION: _LENGTH,
    _CLOCK: _VARINT,
    _BOOTTIME: _VARINT,
    HISTORICAL: _VARINT,
}


class NotSimpleError(Exception):
    """A frame that is left to protobuf."""


@dataclass(slots=True)
class Pattern:
    """The skeleton of one frame: where its fields lie (start, end), and which bits of its bytes others must share."""

    fields: dict[int, tuple[int, int]]
    skeleton: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.uint8]


def pattern_of(payload: bytes) -> Pattern:
    """Walk one frame.

    Raises:
        NotSimpleError: it is not simple, or not sound.
    """
    end = len(payload) - CHECKSUM_BYTES
    mask = np.zeros(len(payload), dtype=np.uint8)
    fields: dict[int, tuple[int, int]] = {}
    at = 0
    while at < end:
        tag, first = _varint(payload, at, end)
        number, wire = tag >> 3, tag & 7
        if _SIMPLE.get(number) != wire:
            raise NotSimpleError
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
            raise NotSimpleError
        fields[number] = first, at
    _check(payload, fields, mask)
    mask[end] = 0xFF
    skeleton = np.frombuffer(payload, dtype=np.uint8)
    return Pattern(fields, skeleton, mask)


def _check(payload: bytes, fields: dict[int, tuple[int, int]], mask: npt.NDArray[np.uint8]) -> None:
    """What protobuf and the codec would refuse is left to them; fields that decide on a frame's shape must be equal."""
    if payload[-CHECKSUM_BYTES] != _CHECKSUM_TAG or not {1, SITE, GATEWAY, UNIT, LAYOUT, SAMPLES} <= fields.keys():
        raise NotSimpleError
    if not fields[SITE] < fields[GATEWAY] < fields[UNIT]:
        raise NotSimpleError
    first, end = fields.get(_LAST, (0, 0))
    if (end - first) % 4:
        raise NotSimpleError
    if JITTER in fields:
        # Numbers of any lengths, of which the last must end here.
        mask[fields[JITTER][1] - 1] |= 0x80
        if fields[JITTER][0] == fields[JITTER][1] or payload[fields[JITTER][1] - 1] >= 0x80:
            raise NotSimpleError
    for number in (1, INTERVAL, COUNT):
        if number not in fields:
            raise NotSimpleError
    numbers = {number: _varint(payload, *fields[number])[0] for number in (1, INTERVAL, COUNT)}
    plane_bytes = fields[SAMPLES][1] - fields[SAMPLES][0]
    if numbers[1] != SCHEMA or not 0 < numbers[COUNT] < 2**32 or not 0 < numbers[INTERVAL] < 2**32:
        raise NotSimpleError
    if not plane_bytes or plane_bytes % (2 * numbers[COUNT]):
        raise NotSimpleError
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
    raise NotSimpleError
