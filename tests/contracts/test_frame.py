"""Promises of the frame: every value that was sent is what is read, and damage is never read as data."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from models.contracts.codec import decode, decode_batch, encode, mark_historical, parse
from models.contracts.frame import FRAME_BYTES_MAX, Floats, Frame, FrameError, PointShare, Quality, as_sent
from models.contracts.layout import Channel, Layout, layout_for
from models.contracts.points import AHU_POINTS, POINTS

AHU = layout_for("ahu", AHU_POINTS)
ODD = Layout(
    equipment="generic",
    channels=(Channel("vibration", "none", 0.0), Channel("pressure", "pascals", 0.1), Channel("on", "state", 1.0)),
)
GOLDEN = Path(__file__).parent / "golden"


def plausible_values(n: int = 60, seed: int = 7) -> Floats:
    """Values within the plausible range of every channel, shape (24, n)."""
    draw = np.random.default_rng(seed)
    low = np.array([POINTS[name].low for name in AHU.points])[:, None]
    high = np.array([POINTS[name].high for name in AHU.points])[:, None]
    return np.asarray(low + (high - low) * draw.uniform(0.3, 0.6, (len(AHU.points), n)), dtype=np.float32)


def a_frame(values: Floats, **changes: object) -> Frame:
    frame = Frame("north", "gw-1", "ahu-01", 1234567890123, 55, 54, 1_700_000_000_000, 1000, values)
    for name, value in changes.items():
        setattr(frame, name, value)
    return frame


def naive_as_sent(value: float, scale: float) -> float:
    """The grid of one value, the slow and obvious way, in single precision."""
    if np.isnan(value) or scale == 0:
        return value
    return float(np.float32(np.rint(np.float32(value) / np.float32(scale))) * np.float32(scale))


any_values = npst.arrays(
    np.float32,
    st.tuples(st.just(3), st.integers(1, 70)),
    elements=st.floats(-1e6, 1e6, width=32) | st.just(float("nan")),
)


@given(any_values)
def test_what_is_decoded_is_what_as_sent_says(values: Floats) -> None:
    """NaN, wide channels and channels of float32 included."""
    frame = decode(encode(a_frame(values), ODD), ODD)
    expected = [[naive_as_sent(v, c.scale) for v in row] for row, c in zip(values, ODD.channels, strict=True)]
    np.testing.assert_array_equal(frame.values, np.array(expected, dtype=np.float32))
    np.testing.assert_array_equal(as_sent(values, ODD), frame.values)
    if np.isnan(values).any():
        assert frame.quality is not None
        np.testing.assert_array_equal(frame.quality == Quality.MISSING, np.isnan(values))
    else:
        assert frame.quality is None


@given(any_values)
def test_as_sent_twice_is_as_sent_once(values: Floats) -> None:
    once = as_sent(values, ODD)
    np.testing.assert_array_equal(as_sent(once, ODD), once)


@given(npst.arrays(np.uint8, (24, 13), elements=st.integers(0, 3)))
def test_quality_survives_the_round_trip(quality: np.typing.NDArray[np.uint8]) -> None:
    frame = decode(encode(a_frame(plausible_values(13), quality=quality), AHU), AHU)
    if quality.any():
        assert frame.quality is not None
        np.testing.assert_array_equal(frame.quality, quality)
    else:
        assert frame.quality is None


def test_every_field_survives_the_round_trip() -> None:
    sent = a_frame(
        plausible_values(),
        jitter_ms=(0, -3, 12),
        score=0.25,
        reasons=(PointShare("supply_air_temperature", 0.75),),
        model_version="2026.1",
        boottime_ms=9,
        historical=True,
    )
    got = decode(encode(sent, AHU), AHU)
    for name in ("site", "gateway", "unit", "epoch", "seq", "prior_seq", "measured_at_ms", "interval_ms", "score"):
        assert getattr(got, name) == getattr(sent, name)
    assert (got.jitter_ms, got.reasons, got.historical) == (sent.jitter_ms, sent.reasons, True)
    assert (got.model_version, got.boottime_ms, got.clock) == ("2026.1", 9, sent.clock)


def test_a_batch_decodes_as_its_frames_one_by_one() -> None:
    """Two layouts, two lengths, quality in some: each payload stands in exactly one batch at its own index."""
    payloads, expected = [], []
    for index in range(40):
        layout, rows = (ODD, 3) if index % 3 == 0 else (AHU, 24)
        values = plausible_values(60 if index % 2 else 10, seed=index)[:rows]
        quality = None if index % 5 else np.full(values.shape, Quality.STALE, dtype=np.uint8)
        payloads.append(encode(a_frame(values, seq=index + 1, prior_seq=index, quality=quality), layout))
        expected.append(decode(payloads[-1], layout))
    decoded = decode_batch(payloads, {AHU.id: AHU, ODD.id: ODD})
    assert not decoded.rejected
    seen = []
    for batch in decoded.batches:
        for row, index in enumerate(batch.index.tolist()):
            seen.append(index)
            np.testing.assert_array_equal(batch.values[row], expected[index].values)
            quality = None if batch.quality is None else batch.quality[row]
            if expected[index].quality is None:
                assert quality is None or not quality.any()
            else:
                np.testing.assert_array_equal(quality, expected[index].quality)
            assert int(batch.seq[row]) == index + 1
            assert batch.units[row] == "north/ahu-01"
            assert batch.gateways[row] == "north/gw-1"
    assert sorted(seen) == list(range(40))


@settings(max_examples=300)
@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_flipped_byte_is_refused(place: int, flip: int) -> None:
    payload = bytearray(encode(a_frame(plausible_values(5)), AHU))
    payload[place % len(payload)] ^= flip
    with pytest.raises(FrameError) as refused:
        decode(bytes(payload), AHU)
    assert refused.value.reason in ("checksum", "truncated")


@given(st.integers(0, 10**6))
def test_a_cut_frame_is_refused(place: int) -> None:
    payload = encode(a_frame(plausible_values(5)), AHU)
    with pytest.raises(FrameError) as refused:
        decode(payload[: place % len(payload)], AHU)
    assert refused.value.reason in ("checksum", "truncated")


@given(st.binary(max_size=400))
def test_garbage_is_refused(payload: bytes) -> None:
    decoded = decode_batch([payload], {AHU.id: AHU})
    assert [r.position for r in decoded.rejected] == [0]


def with_checksum(message: object) -> bytes:
    """A valid envelope around a message that lies."""
    from crc32c import crc32c

    from models.contracts import frame_pb2

    assert isinstance(message, frame_pb2.Frame)
    message.ClearField("crc32c")
    body = message.SerializeToString()
    return body + b"\x7d" + struct.pack("<I", crc32c(body))


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("schema", 2, "schema"),
        ("n", 0, "shape"),
        ("n", 61, "shape"),
        ("n", 2**31, "shape"),
        ("interval_ms", 0, "shape"),
        ("samples", b"", "shape"),
        ("wide", b"\x00\x00\x00", "shape"),
        ("wide", b"\xff\x00" + bytes(240), "shape"),
        ("layout_id", 1, "layout"),
        ("quality", [2**31], "shape"),
        ("quality", [(24 * 60) << 3 | 7], "shape"),
    ],
)
def test_a_frame_that_lies_is_refused_with_its_reason(field: str, value: object, reason: str) -> None:
    """A frame with a right checksum but fields that do not fit: refused before anything large is allocated."""
    message = parse(encode(a_frame(plausible_values()), AHU))
    if isinstance(value, list):
        message.quality.extend(value)
    else:
        setattr(message, field, value)
    decoded = decode_batch([with_checksum(message)], {AHU.id: AHU})
    assert [r.error.reason for r in decoded.rejected] == [reason]
    assert not decoded.batches


def test_a_frame_that_is_too_large_is_refused_at_both_ends() -> None:
    with pytest.raises(FrameError, match="send fewer samples"):
        encode(a_frame(plausible_values(4000)), AHU)
    with pytest.raises(FrameError) as refused:
        parse(b"\0" * (FRAME_BYTES_MAX + 1))
    assert refused.value.reason == "too_large"


def test_marking_a_frame_historical_changes_nothing_else() -> None:
    values = plausible_values()
    got = decode(mark_historical(encode(a_frame(values), AHU)), AHU)
    assert got.historical
    assert got.seq == 55
    np.testing.assert_array_equal(got.values, as_sent(values, AHU))


def test_a_frame_is_small() -> None:
    """About 3 kB for 24 channels x 60 samples, as the design measured."""
    assert len(encode(a_frame(plausible_values()), AHU)) < 3_100


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("frame_*.bin")), ids=lambda p: p.stem)
def test_frames_of_every_released_schema_still_decode(path: Path) -> None:
    got = decode(path.read_bytes(), AHU)
    np.testing.assert_array_equal(got.values, as_sent(plausible_values(), AHU))
    assert (got.site, got.seq, got.prior_seq, got.score) == ("north", 55, 54, 0.5)


def test_there_is_a_golden_frame() -> None:
    assert list(GOLDEN.glob("frame_v1*.bin"))
