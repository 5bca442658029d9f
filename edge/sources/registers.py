"""Registers of one Modbus unit: which blocks to read, and what their words mean. Pure.

points      40001 40002 ....... 40010   30005        what the settings list
blocks      [holding 0, 10 words    ]   [input 4, 1]  what is asked for, at most 125 words each
words       w0 w1 w2 ........... w9      w10           answers, end to end in one array
values      one number a point                        by index arrays that were made once
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edge.settings import PointSettings, RegisterKind

# Limits of the protocol for one request.
WORDS_MAX = 125
BITS_MAX = 2000

Words = npt.NDArray[np.uint16]
Doubles = npt.NDArray[np.float64]


class Block(NamedTuple):
    """One request: `length` words (or bits) of a table from `address` on, for these points."""

    kind: RegisterKind
    address: int
    length: int
    points: tuple[int, ...]


def plan(points: Sequence[PointSettings], gap_registers_max: int, address_offset: int = 0) -> tuple[Block, ...]:
    """The requests that read all points, as few as the protocol and the gaps allow.

    Args:
        points: In the order of the unit's channels.
        gap_registers_max: So many words between two points are read along.
        address_offset: Added to every address.
    """
    where = sorted((point.place, index) for index, point in enumerate(points))
    blocks: list[Block] = []
    for (kind, address), index in where:
        start = address + address_offset
        end = start + points[index].width
        most = BITS_MAX if kind in ("coil", "discrete") else WORDS_MAX
        last = blocks[-1] if blocks else None
        if last and last.kind == kind and start - last.address - last.length <= gap_registers_max:
            length = max(end - last.address, last.length)
            if length <= most:
                blocks[-1] = Block(kind, last.address, length, (*last.points, index))
                continue
        blocks.append(Block(kind, start, end - start, (index,)))
    return tuple(blocks)


def split(block: Block, points: Sequence[PointSettings], address_offset: int = 0) -> tuple[Block, ...]:
    """A block that the device refused, in smaller ones: first without its gaps, then in halves; one point stays whole."""
    if len(block.points) == 1:
        return (block,)
    mine = [points[index] for index in block.points]
    pieces = plan(mine, 0, address_offset)
    if len(pieces) == 1:
        middle = len(mine) // 2
        pieces = plan(mine[:middle], 0, address_offset) + tuple(
            piece._replace(points=tuple(index + middle for index in piece.points))
            for piece in plan(mine[middle:], 0, address_offset)
        )
    return tuple(piece._replace(points=tuple(block.points[index] for index in piece.points)) for piece in pieces)


class Decoder:
    """Turns the words of a plan into raw values times scale plus offset, all points of a unit at once."""

    def __init__(self, points: Sequence[PointSettings], blocks: Sequence[Block], address_offset: int = 0) -> None:
        self.blocks = tuple(blocks)
        self._scale = np.array([point.scale for point in points])
        self._offset = np.array([point.offset for point in points])
        starts = np.cumsum([0, *(block.length for block in blocks)])
        self.words = int(starts[-1])
        self._high = np.zeros(len(points), dtype=np.intp)
        self._low = np.zeros(len(points), dtype=np.intp)
        self._block = np.zeros(len(points), dtype=np.intp)
        for number, block in enumerate(blocks):
            for index in block.points:
                point = points[index]
                first = int(starts[number]) + point.place[1] + address_offset - block.address
                last = first + point.width - 1
                self._high[index], self._low[index] = (first, last) if point.word_order == "big" else (last, first)
                self._block[index] = number
        kinds = np.array([point.type for point in points])
        self._signed16 = np.flatnonzero(kinds == "int16")
        self._signed32 = np.flatnonzero(kinds == "int32")
        self._float32 = np.flatnonzero(kinds == "float32")
        self._bool = np.flatnonzero(kinds == "bool")
        self._wide = np.array([point.width == 2 for point in points])
        self._swapped = np.array([point.byte_order == "little" for point in points])
        sentinels = [(index, _pattern(point, raw)) for index, point in enumerate(points) for raw in point.missing]
        self._sentinel_point = np.array([index for index, _ in sentinels], dtype=np.intp)
        self._sentinel = np.array([pattern for _, pattern in sentinels], dtype=np.uint32)

    def decode(self, words: Words, answered: npt.NDArray[np.bool_]) -> Doubles:
        """Values in the units of the settings, NaN where missing.

        Args:
            words: Answers of all blocks, end to end, shape (self.words,); of a block without answer, anything.
            answered: Which blocks answered, shape (blocks,).

        Returns:
            Shape (points,).
        """
        low = _in_order(words[self._low], self._swapped)
        high = _in_order(words[self._high], self._swapped)
        bits = np.where(self._wide, high << 16 | low, low)
        raw = bits.astype(np.float64)
        raw[self._signed16] = bits[self._signed16].astype(np.uint16).view(np.int16)
        raw[self._signed32] = bits[self._signed32].view(np.int32)
        with np.errstate(invalid="ignore"):  # a signalling NaN is a missing value like any other
            raw[self._float32] = bits[self._float32].view(np.float32)
        raw[self._bool] = bits[self._bool] != 0
        values: Doubles = raw * self._scale + self._offset
        values[~np.isfinite(values)] = np.nan
        values[self._sentinel_point[bits[self._sentinel_point] == self._sentinel]] = np.nan
        values[~answered[self._block]] = np.nan
        return values


def _in_order(words: Words, swapped: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint32]:
    """Words as numbers, the bytes exchanged where a device sends the low one first."""
    ordered = np.where(swapped, words.byteswap(), words)
    return ordered.astype(np.uint32)


def _pattern(point: PointSettings, raw: float) -> int:
    """The bits of a sentinel: -32768 and 32768 are the same for an int16."""
    if point.type == "float32":
        return int(np.array(raw, dtype=np.float32).view(np.uint32))
    return int(raw) & (0xFFFF_FFFF if point.width == 2 else 0xFFFF)
