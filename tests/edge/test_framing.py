"""Frames: every sample in its slot, every hole a hole, nothing twice."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.framing import ClosedFrame, Framer, Unit
from edge.readings import Named, Readings, layout_of
from models.contracts.frame import Quality

LAYOUT = layout_of("ahu", [Named("supply_air_temperature", "celsius"), Named("outdoor_air_temperature", "celsius")])


def _framer(samples: int = 4, interval_ms: int = 1000) -> Framer:
    return Framer(Unit(0, "u", LAYOUT, interval_ms), samples)


def _good(value: float) -> Readings:
    return Readings(np.full(2, value, dtype=np.float32), np.zeros(2, dtype=np.uint8))


def _nothing() -> Readings:
    return Readings(np.full(2, np.nan, dtype=np.float32), np.full(2, 4, dtype=np.uint8))


def _play(framer: Framer, samples: list[tuple[int, float]]) -> list[ClosedFrame]:
    frames = []
    for at_ms, value in samples:
        frames += framer.add(at_ms, _good(value), 7)
    return frames


def test_a_full_frame_is_closed() -> None:
    framer = _framer()
    frames = _play(framer, [(1000, 1), (2000, 2), (3000, 3), (4000, 4), (5000, 5)])
    assert [frame.measured_at_ms for frame in frames] == [1000]
    assert frames[0].values[0].tolist() == [1, 2, 3, 4]
    assert frames[0].jitter_ms == ()
    assert frames[0].boottime_ms == 7
    assert framer.close()[0].measured_at_ms == 5000


def test_a_missed_slot_is_missing() -> None:
    (frame,) = _play(_framer(), [(1000, 1), (2000, 2), (4000, 4)])
    assert np.isnan(frame.values[0, 2])
    assert frame.quality[:, 2].tolist() == [Quality.MISSING] * 2
    assert frame.values[0, 3] == 4


def test_irregular_times_keep_their_jitter() -> None:
    (frame,) = _play(_framer(), [(1000, 1), (2100, 2), (2900, 3), (4000, 4)])
    assert frame.jitter_ms == (0, 100, -100, 0)


def test_a_long_gap_ends_the_frame() -> None:
    first, second = _play(_framer(), [(1000, 1), (2000, 2), (60_000, 3), (61_000, 4), (62_000, 5), (63_000, 6)])
    assert (first.values.shape[1], second.measured_at_ms) == (2, 60_000)


def test_time_that_stands_still_or_goes_back_changes_nothing() -> None:
    framer = _framer()
    frames = _play(framer, [(1000, 1), (2000, 2), (2000, 9), (1000, 9), (500, 9), (3000, 3), (4000, 4), (4000, 9)])
    assert len(frames) == 1
    assert frames[0].values[0].tolist() == [1, 2, 3, 4]
    assert framer.late == 4


def test_a_frame_in_which_nothing_was_read_is_none() -> None:
    framer = _framer()
    for at_ms in range(1000, 9000, 1000):
        assert framer.add(at_ms, _nothing(), 0) == []
    assert framer.close() == []


def test_a_device_that_falls_silent_leaves_its_frame_to_the_clock() -> None:
    framer = _framer()
    framer.add(1000, _good(1), 0)
    assert framer.close_due(5999) == []
    (frame,) = framer.close_due(6000)
    assert frame.values.shape == (2, 1)
    assert framer.close_due(99_000) == []


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.integers(-3000, 9000), min_size=1, max_size=60),
    samples=st.integers(1, 7),
    seed=st.integers(0, 3),
)
def test_every_accepted_sample_is_in_exactly_one_frame(steps: list[int], samples: int, seed: int) -> None:
    framer = _framer(samples)
    at_ms, sent, frames = 10_000, [], []
    for number, step in enumerate(steps):
        at_ms += step + seed
        before = framer.late
        frames += framer.add(at_ms, _good(number), 0)
        if framer.late == before:
            sent.append((at_ms, number))
    frames += framer.close()
    found = []
    for frame in frames:
        for slot in range(frame.values.shape[1]):
            if frame.quality[0, slot] == Quality.GOOD:
                jitter = frame.jitter_ms[slot] if frame.jitter_ms else 0
                found.append((frame.measured_at_ms + slot * 1000 + jitter, int(frame.values[0, slot])))
    assert found == sent
    starts = [frame.measured_at_ms for frame in frames]
    assert starts == sorted(starts)
    assert all(1 <= frame.values.shape[1] <= samples for frame in frames)
