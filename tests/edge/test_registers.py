"""Registers against a slow and obvious oracle: one point at a time, by struct."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.settings import PointSettings
from edge.sources.registers import BITS_MAX, WORDS_MAX, Block, Decoder, plan, split

_KINDS = ("holding", "input", "coil", "discrete")


@st.composite
def _points(draw: st.DrawFn) -> list[PointSettings]:
    points = []
    for number in range(draw(st.integers(1, 40))):
        kind = draw(st.sampled_from(_KINDS))
        bits = kind in ("coil", "discrete")
        points.append(
            PointSettings(
                point=f"p{number}",
                address=draw(st.integers(0, 400)),
                kind=kind,  # type: ignore[arg-type]
                type=draw(
                    st.sampled_from(["bool"] if bits else ["int16", "uint16", "int32", "uint32", "float32", "bool"])
                ),
                scale=draw(st.sampled_from([1.0, 0.1, -2.5])),
                offset=draw(st.sampled_from([0.0, -50.0])),
                missing=tuple(draw(st.lists(st.sampled_from([-32768, 65535, 0]), max_size=2))),
                word_order=draw(st.sampled_from(["big", "little"])),
                byte_order=draw(st.sampled_from(["big", "little"])),
            )
        )
    return points


def _word(kind: str, address: int, seed: int) -> int:
    """What every cell of the imagined device holds."""
    value = (address * 40503 + seed * 9973 + len(kind) * 77) & 0xFFFF
    if kind in ("coil", "discrete"):
        return value & 1
    return (0x8000, 0xFFFF, 0, value)[address % 4] if seed % 2 else value


def _oracle(point: PointSettings, seed: int, address_offset: int) -> float:
    kind, address = point.place
    words = [_word(kind, address + address_offset + place, seed) for place in range(point.width)]
    if point.byte_order == "little":
        words = [(word & 0xFF) << 8 | word >> 8 for word in words]
    if point.word_order == "little":
        words.reverse()
    data = struct.pack(f">{len(words)}H", *words)
    code = {"int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "float32": ">f", "bool": ">H"}[point.type]
    raw = struct.unpack(code, data)[0]
    for sentinel in point.missing:
        size = 8 * len(data)
        same = (
            struct.pack(">f", sentinel) == data
            if point.type == "float32"
            else (int(raw) - int(sentinel)) % 2**size == 0
        )
        if same:
            return math.nan
    if point.type == "bool":
        raw = float(raw != 0)
    value = float(raw) * point.scale + point.offset
    return value if math.isfinite(value) else math.nan


@settings(max_examples=150, deadline=None)
@given(points=_points(), gap=st.integers(0, 30), offset=st.integers(0, 50), seed=st.integers(0, 9), data=st.data())
def test_decoding_equals_reading_point_by_point(
    points: list[PointSettings], gap: int, offset: int, seed: int, data: st.DataObject
) -> None:
    blocks = plan(points, gap, offset)
    decoder = Decoder(points, blocks, offset)
    words = [_word(block.kind, block.address + place, seed) for block in blocks for place in range(block.length)]
    answered = np.array(data.draw(st.lists(st.booleans(), min_size=len(blocks), max_size=len(blocks))))
    values = decoder.decode(np.array(words, dtype=np.uint16), answered)
    for number, block in enumerate(blocks):
        for index in block.points:
            expected = _oracle(points[index], seed, offset) if answered[number] else math.nan
            np.testing.assert_equal(values[index], expected, err_msg=f"{points[index]}")


@settings(max_examples=150, deadline=None)
@given(points=_points(), gap=st.integers(0, 30), offset=st.integers(0, 50))
def test_blocks_hold_every_point_once_within_the_limits(points: list[PointSettings], gap: int, offset: int) -> None:
    blocks = plan(points, gap, offset)
    _check(points, blocks, offset)
    assert sorted(index for block in blocks for index in block.points) == list(range(len(points)))


def _check(points: list[PointSettings], blocks: tuple[Block, ...], offset: int) -> None:
    for block in blocks:
        assert 0 < block.length <= (BITS_MAX if block.kind in ("coil", "discrete") else WORDS_MAX)
        for index in block.points:
            kind, address = points[index].place
            assert block.kind == kind
            assert block.address <= address + offset
            assert address + offset + points[index].width <= block.address + block.length


@settings(max_examples=100, deadline=None)
@given(points=_points(), gap=st.integers(0, 30), offset=st.integers(0, 50))
def test_a_refused_block_is_split_until_each_point_stands_alone(
    points: list[PointSettings], gap: int, offset: int
) -> None:
    pending, done = list(plan(points, gap, offset)), []
    for _ in range(1000):
        if not pending:
            break
        block = pending.pop()
        pieces = split(block, points, offset)
        _check(points, pieces, offset)
        assert sorted(i for piece in pieces for i in piece.points) == sorted(block.points)
        if len(pieces) == 1 and len(block.points) == 1:
            done.append(block)
        else:
            assert len(pieces) > 1
            pending += pieces
    assert sorted(index for block in done for index in block.points) == list(range(len(points)))


def test_neighbours_are_read_together_and_gaps_up_to_the_limit() -> None:
    points = [PointSettings(point=f"p{a}", address=a) for a in (0, 1, 5, 30)]
    assert [(b.address, b.length) for b in plan(points, 4)] == [(0, 6), (30, 1)]
    assert [(b.address, b.length) for b in plan(points, 0)] == [(0, 2), (5, 1), (30, 1)]


def test_a_block_never_asks_for_more_than_125_registers() -> None:
    points = [PointSettings(point=f"p{a}", address=a) for a in range(300)]
    assert [block.length for block in plan(points, 16)] == [125, 125, 50]


@pytest.mark.parametrize("raw", [-32768, 32768])
def test_a_sentinel_may_be_written_signed_or_unsigned(raw: int) -> None:
    point = PointSettings(point="p", address=0, type="int16", missing=(raw,))
    decoder = Decoder([point], plan([point], 0))
    assert np.isnan(decoder.decode(np.array([0x8000], dtype=np.uint16), np.array([True])))[0]
