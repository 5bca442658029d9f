"""Samples become minutes in one way only, however they are cut into frames and whoever is folded with them.

samples   . . . . | . . . . | . . .        a minute closes when a later sample comes
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contracts.frame import Floats, Quality
from models.hvac import features
from models.hvac.kinds import KINDS
from models.hvac.points import P

AHU = KINDS["ahu"]
START_MS = 1_700_000_040_000  # the start of a minute
MINUTE_MS = 60_000


def naive_minutes(times: list[int], values: list[float]) -> dict[int, float]:
    """Mean of the good samples of every minute that a later sample has closed: the slow, obvious way."""
    minutes: dict[int, list[float]] = {}
    for time, value in zip(times, values, strict=True):
        minutes.setdefault(time // MINUTE_MS * MINUTE_MS, []).append(value)
    newest = max(minutes)
    means = {}
    for at_ms, found in minutes.items():
        good = [value for value in found if not np.isnan(value)]
        if at_ms < newest:
            means[at_ms] = float(np.mean(good)) if good else float("nan")
    return means


def fold_frames(
    frames: list[tuple[int, Floats]], interval_ms: int, row: int = 0, rows: int = 1
) -> tuple[dict[int, Floats], features.State]:
    """Minutes of one unit, from frames of (time of the first sample, values (P, n))."""
    state = features.new_state(rows)
    out: dict[int, Floats] = {}
    for at_ms, values in frames:
        for minutes in features.fold(
            state, AHU, np.array([row]), np.array([at_ms]), np.array([interval_ms]), values[None]
        ):
            assert minutes.rows.tolist() == [row]
            at = int(minutes.minute_at_ms[0])
            assert at not in out
            out[at] = minutes.means[0]
    return out, state


Folded = list[tuple[int, list[float], float]]  # start of the minute, means (P,), coverage


class SlowFold:
    """One unit, sample after sample, in whole 2**-20ths: the minutes of `features.fold` to the last bit.

    A late sample, up to an hour before the open minute, is dropped. One older than that means that the clock was set back:
    the open minute closes and all begins anew.
    """

    def __init__(self) -> None:
        self.minute: int | None = None
        self.steps: list[list[int]] = []
        self.covered_ms = 0
        self.closed: Folded = []

    def add(self, at_ms: int, interval_ms: int, sample: list[float]) -> None:
        """Take one sample of all points."""
        minute = at_ms // MINUTE_MS
        if self.minute is not None and 0 < self.minute - minute <= 60:
            return
        if minute != self.minute:
            self.close()
            self.minute, self.steps, self.covered_ms = minute, [[] for _ in range(P)], 0
        good = [abs(value) < 1e8 for value in sample]
        for point in range(P):
            if good[point]:
                self.steps[point].append(round(sample[point] * 2**20))
        self.covered_ms += interval_ms * any(good)

    def close(self) -> None:
        """Give out the open minute."""
        if self.minute is not None:
            means = [sum(steps) / (len(steps) * 2**20) if steps else float("nan") for steps in self.steps]
            coverage = min(self.covered_ms / MINUTE_MS, 1.0)
            self.closed.append(
                (self.minute * MINUTE_MS, np.array(means, dtype=np.float32).tolist(), float(np.float32(coverage)))
            )


def folded(state: features.State, calls: list[tuple[Any, Any, Any, Floats]], units: int) -> list[Folded]:
    """Minutes of each unit, in the order in which they come."""
    closed: list[Folded] = [[] for _ in range(units)]
    for rows, at_ms, interval_ms, values in calls:
        for minutes in features.fold(state, AHU, rows, at_ms, interval_ms, values):
            for place, row in enumerate(minutes.rows.tolist()):
                closed[row].append((
                    int(minutes.minute_at_ms[place]),
                    minutes.means[place].tolist(),
                    float(minutes.coverage_fraction[place]),
                ))  # fmt: skip
    return closed


def recording(draw: np.random.Generator, samples: int) -> Floats:
    """Values (P, samples) with holes."""
    values = draw.normal(20, 5, (P, samples)).astype(np.float32)
    values[draw.random((P, samples)) < 0.15] = np.nan
    return values


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    interval_ms=st.sampled_from([1000, 7000, 15_000, 30_000, 60_000, 300_000]),
    samples=st.integers(2, 200),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=8),
)
def test_minutes_are_those_of_the_oracle_and_of_any_other_cut(
    seed: int, interval_ms: int, samples: int, cuts: list[int]
) -> None:
    values = recording(np.random.default_rng(seed), samples)
    times = [START_MS + index * interval_ms for index in range(samples)]
    whole, _ = fold_frames([(START_MS, values)], interval_ms)
    pieces: list[tuple[int, Floats]] = []
    first = 0
    while first < samples:
        length = cuts[len(pieces) % len(cuts)]
        pieces.append((times[first], values[:, first : first + length]))
        first += length
    cut, _ = fold_frames(pieces, interval_ms)
    assert whole.keys() == cut.keys()
    for at_ms, means in whole.items():
        np.testing.assert_array_equal(cut[at_ms], means)
    for point in (0, P // 2, P - 1):
        expected = naive_minutes(times, values[point].tolist())
        assert dict.fromkeys(expected) == dict.fromkeys(whole)
        for at_ms, mean in expected.items():
            np.testing.assert_allclose(whole[at_ms][point], mean, rtol=1e-5, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), units=st.integers(1, 9))
def test_units_folded_together_are_as_each_alone(seed: int, units: int) -> None:
    draw = np.random.default_rng(seed)
    values = np.stack([recording(draw, 40) for _ in range(units)])
    starts = START_MS + draw.integers(0, 120, units) * 1000
    state = features.new_state(units)
    together: dict[tuple[int, int], Floats] = {}
    order = draw.permutation(units)
    for minutes in features.fold(state, AHU, order, starts[order], np.full(units, 15_000), values[order]):
        assert len(set(minutes.rows.tolist())) == len(minutes.rows)
        for place, row in enumerate(minutes.rows.tolist()):
            together[row, int(minutes.minute_at_ms[place])] = minutes.means[place]
    for unit in range(units):
        alone, own = fold_frames([(int(starts[unit]), values[unit])], 15_000)
        assert {at for row, at in together if row == unit} == alone.keys()
        for at_ms, means in alone.items():
            np.testing.assert_array_equal(together[unit, at_ms], means)
        for name in features.STATE_FIELDS:
            np.testing.assert_array_equal(state[name][unit], own[name][0], err_msg=name)


def test_a_minute_closes_only_when_a_later_sample_comes() -> None:
    ones = np.ones((P, 4), dtype=np.float32)
    closed, state = fold_frames([(START_MS, ones)], 15_000)
    assert closed == {}
    later = list(
        features.fold(
            state, AHU, np.array([0]), np.array([START_MS + MINUTE_MS]), np.array([15_000]), ones[None, :, :1]
        )
    )
    assert [int(minutes.minute_at_ms[0]) for minutes in later] == [START_MS]
    assert later[0].means[0].tolist() == [1.0] * P


def test_a_gap_leaves_no_minutes_in_it() -> None:
    ones = np.ones((P, 4), dtype=np.float32)
    closed, _ = fold_frames([(START_MS, ones), (START_MS + 10 * MINUTE_MS, ones)], 15_000)
    assert list(closed) == [START_MS]


def test_other_rows_stay_as_they_are() -> None:
    _, state = fold_frames([(START_MS, np.ones((P, 40), dtype=np.float32))], 15_000, row=1, rows=3)
    fresh = features.new_state(3)
    for name in features.STATE_FIELDS:
        for row in (0, 2):
            np.testing.assert_array_equal(state[name][row], fresh[name][row], err_msg=name)


def test_growing_keeps_every_row() -> None:
    _, state = fold_frames([(START_MS, np.ones((P, 40), dtype=np.float32))], 15_000)
    grown = features.grow_state(state, 5)
    for name in features.STATE_FIELDS:
        np.testing.assert_array_equal(grown[name][:1], state[name], err_msg=name)
        assert len(grown[name]) == 5


@settings(deadline=None)
@given(seed=st.integers(0, 2**31))
def test_only_good_samples_of_known_points_are_gathered(seed: int) -> None:
    draw = np.random.default_rng(seed)
    channels, n = 5, 6
    values = draw.normal(size=(2, channels, n)).astype(np.float32)
    quality: npt.NDArray[np.uint8] = draw.integers(0, len(Quality), (2, channels, n)).astype(np.uint8)
    positions = np.full(P, -1, dtype=np.intp)
    positions[:channels] = draw.permutation(channels)
    got = features.gather(values, quality, positions)
    for frame in range(2):
        for point, position in enumerate(positions.tolist()):
            for sample in range(n):
                good = position >= 0 and quality[frame, position, sample] == Quality.GOOD
                expected = values[frame, position, sample] if good else np.float32("nan")
                np.testing.assert_array_equal(got[frame, point, sample], expected)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), units=st.integers(1, 4), cut=st.integers(1, 12))
def test_gaps_late_samples_and_wild_values_fold_as_the_slow_way_says(seed: int, units: int, cut: int) -> None:
    """Units of several intervals in one call, some of them absent; late frames; a clock set back; cut; grown in between."""
    draw = np.random.default_rng(seed)
    interval = draw.choice([1000, 7000, 15_000, 60_000, 300_000], units)
    clock = START_MS + draw.integers(0, 200_000, units)
    slow = [SlowFold() for _ in range(units)]
    calls, pieces = [], []
    for _ in range(6):
        rows = draw.permutation(units)[: draw.integers(1, units + 1)]
        n = int(draw.integers(1, 13))
        at_ms = clock[rows] + draw.choice(
            [0, 0, 0, 5000, 70_000, 9_000_000, -45_000, -3_700_000, -9_000_000], len(rows)
        )
        values = np.stack([recording(draw, n) for _ in rows])
        wild = draw.random(values.shape)
        values[wild < 0.04] = draw.choice(np.array([np.inf, -np.inf, 1e8, -3e9, -0.0, 1e-7, 9.9e7], dtype=np.float32))
        values[:, :, draw.random(n) < 0.2] = np.nan
        clock[rows] = at_ms + n * interval[rows]
        calls.append((rows, at_ms, interval[rows], values))
        pieces += [
            (rows, at_ms + first * interval[rows], interval[rows], values[:, :, first : first + cut])
            for first in range(0, n, cut)
        ]
        for place, row in enumerate(rows.tolist()):
            for sample in range(n):
                at = int(at_ms[place] + sample * interval[row])
                slow[row].add(at, int(interval[row]), values[place, :, sample].tolist())
    state, other = features.new_state(units), features.new_state(units)
    found = folded(state, calls, units)
    for row in range(units):
        np.testing.assert_equal(found[row], slow[row].closed)
    halfway = len(pieces) // 2
    first_half = folded(other, pieces[:halfway], units)
    other = features.grow_state(other, units + 3)
    second_half = folded(other, pieces[halfway:], units)
    np.testing.assert_equal([a + b for a, b in zip(first_half, second_half, strict=True)], found)
    for name in features.STATE_FIELDS:
        np.testing.assert_array_equal(other[name][:units], state[name], err_msg=name)


def test_a_minute_half_read_says_so() -> None:
    """Three of four samples came, and of those one is bad in every point: half of the minute is covered."""
    values = np.ones((P, 3), dtype=np.float32)
    values[:, 1] = np.nan
    values[0, 2] = np.nan  # one point alone does not uncover the minute
    one = np.ones((1, P, 1), dtype=np.float32)
    _, state = fold_frames([(START_MS, values)], 15_000)
    (minutes,) = features.fold(state, AHU, np.array([0]), np.array([START_MS + MINUTE_MS]), np.array([15_000]), one)
    assert minutes.coverage_fraction.tolist() == [0.5]
