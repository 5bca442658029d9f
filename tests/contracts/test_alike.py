"""Frames read together are what protobuf reads one by one: every field, every refusal, whatever stands between them."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contracts import alike
from models.contracts.codec import decode_batch, encode, mark_historical
from models.contracts.frame import Frame, FrameBatch, PointShare, Quality
from models.contracts.layout import Layout, layout_for
from models.contracts.points import AHU_POINTS

LAYOUT = layout_for("ahu", AHU_POINTS[:6])
OTHER = layout_for("ahu", AHU_POINTS[1:7])
LAYOUTS = {layout.id: layout for layout in (LAYOUT, OTHER)}
N = 5


def frame(chance: random.Random, layout: Layout = LAYOUT) -> bytes:
    """A frame as some gateway sends it: most are simple, some are not."""
    values = np.array([[chance.uniform(0.1, 0.9) for _ in range(N)] for _ in layout.channels], dtype=np.float32)
    quality = None
    kind = chance.randrange(12)
    if kind == 0:
        values[chance.randrange(6), chance.randrange(N)] = np.nan
    if kind == 1:
        quality = np.full(values.shape, Quality.STALE, dtype=np.uint8)
    if kind == 2:
        values[0] = 1e6  # a wide channel
    made = Frame(
        site=chance.choice(["north", "söder"]),
        gateway=f"gw{chance.choice(['1', '22'])}",
        unit=f"ahu-{chance.randrange(200)}",
        epoch=chance.choice([5, 2**40 + 3, 2**51 + 7]),
        seq=chance.randrange(1, 40_000),
        prior_seq=chance.choice([0, chance.randrange(40_000)]),
        measured_at_ms=chance.choice([1_764_000_000_000, 0, -5]) + chance.randrange(10**9),
        interval_ms=chance.choice([1_000, 60_000]),
        values=values,
        quality=quality,
        jitter_ms=[chance.choice([0, -2, 70, -(2**31)]) for _ in range(N)] if kind in (3, 8) else (),
        score=0.5 if kind in (4, 5) else None,
        reasons=[PointShare("supply_air_temperature", 0.5)] if kind == 5 else (),
        model_version=chance.choice(["", "hvac-1", "hvac-ö"]),
        boottime_ms=chance.choice([0, 12_345_678]),
        historical=kind == 6,
    )
    payload = encode(made, layout)
    return mark_historical(payload) if kind in (6, 7) else payload


def sealed(body: bytes) -> bytes:
    return body + b"\x7d" + crc32c(body).to_bytes(4, "little")


def damaged(chance: random.Random, payload: bytes) -> bytes:
    """Altered on the way, or written by somebody who does not know the rules but knows the checksum."""
    body = bytearray(payload[:-5])
    place = chance.randrange(len(body))
    kind = chance.randrange(6)
    if kind < 3:
        body[place] = chance.randrange(256)
    elif kind == 3:
        del body[place]
    elif kind == 4:
        body += bytes([0xB8, 0x01, 0x00])
    else:
        body = bytearray(payload)
        body[place] ^= 1
        return bytes(body)
    return sealed(bytes(body))


def alone(payload: bytes) -> tuple[str, FrameBatch | None]:
    """Reason or frame, read by protobuf."""
    found = decode_batch([payload], LAYOUTS)
    return (found.rejected[0].error.reason, None) if found.rejected else ("", found.batches[0])


def assert_as_alone(payloads: list[bytes]) -> None:
    found = decode_batch(payloads, LAYOUTS)
    places: dict[int, tuple[FrameBatch, int]] = {}
    for batch in found.batches:
        assert (np.diff(batch.index) > 0).all()
        places |= {place: (batch, row) for row, place in enumerate(batch.index.tolist())}
    refused = {one.position: one.error for one in found.rejected}
    assert len(places) + len(refused) == len(payloads)
    for place, payload in enumerate(payloads):
        reason, expected = alone(payload)
        if expected is None:
            assert refused[place].reason == reason
            continue
        batch, row = places[place]
        assert (batch.units[row], batch.gateways[row]) == (expected.units[0], expected.gateways[0])
        for name in ("epoch", "seq", "prior_seq", "measured_at_ms", "interval_ms", "historical"):
            column, other = getattr(batch, name), getattr(expected, name)
            assert (column.dtype, column[row]) == (other.dtype, other[0]), name
        assert batch.values[row].tobytes() == expected.values[0].tobytes()
        quality = np.zeros(batch.values.shape[1:], dtype=np.uint8) if batch.quality is None else batch.quality[row]
        assert (quality == (0 if expected.quality is None else expected.quality[0])).all()
        assert batch.headers[row] == expected.headers[0]
        assert batch.layout == expected.layout


@pytest.fixture(autouse=True)
def _few_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_FRAMES_MIN", 2)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60), st.floats(0, 0.5))
def test_together_as_alone(seed: int, count: int, damaged_fraction: float) -> None:
    chance = random.Random(seed)
    payloads = []
    for _ in range(count):
        payload = frame(chance, chance.choice([LAYOUT, LAYOUT, OTHER, layout_for("ahu", AHU_POINTS[2:8])]))
        payloads.append(damaged(chance, payload) if chance.random() < damaged_fraction else payload)
    assert_as_alone(payloads)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 10_000))
def test_a_byte_that_differs_from_its_neighbours_is_read_as_alone(seed: int, place: int) -> None:
    chance = random.Random(seed)
    payload = frame(chance)
    body = bytearray(payload[:-5])
    at = place % len(body)
    variants = []
    for value in range(0, 256, 5):
        body[at] = value
        variants.append(sealed(bytes(body)))
    assert_as_alone([payload, payload, *variants, payload])


def test_frames_of_one_fleet_never_meet_protobuf() -> None:
    payloads = [
        encode(Frame("s", "g", f"u{n:03d}", 7, 200 + n, n, 10**12 + n, 1000, np.full((6, N), 0.5, np.float32)), LAYOUT)
        for n in range(128, 300)
    ]
    groups, rest = alike.read_alike(payloads)
    assert rest == []
    assert sum(len(group.index) for group in groups) == len(payloads)


def test_a_batch_of_a_thousand_patterns_takes_no_longer_than_one_by_one() -> None:
    chance = random.Random(1)
    hostile = [frame(chance) + b"x" * (place % 97) for place in range(2_000)]
    began = time.perf_counter()
    assert len(decode_batch(hostile, LAYOUTS).rejected) > 1_900
    assert time.perf_counter() - began < 1
