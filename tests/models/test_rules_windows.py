"""Windows against slow, obvious counts over all that was read; the same bits however units are worked on together."""

from __future__ import annotations

import numpy as np
import pytest

from models.contracts.frame import Floats
from models.hvac import features
from models.hvac.facts import Facts
from models.hvac.features import Minutes, State
from models.hvac.kinds import KINDS
from models.hvac.points import P
from models.hvac.settings import RuleSettings
from models.hvac.windows import Windows, watched

SETTINGS = RuleSettings()
START_MS, MINUTE_MS = 1_700_000_100_000, 60_000
KIND = KINDS["vav_box"]


def take(state: State, rows: list[int], at_ms: list[int], values: Floats) -> Facts:
    """One minute of these rows."""
    minutes = Minutes(KIND, np.array(rows, np.intp), np.array(at_ms), values, np.ones(len(rows), np.float32))
    return features.observe(state, minutes, SETTINGS)


def readings(seed: int, units: int, minutes: int) -> Floats:
    """Shape (minutes, units, P): walks, stuck stretches and holes."""
    rng = np.random.default_rng(seed)
    values = np.full((minutes, units, P), np.nan, dtype=np.float32)
    for slot, point in enumerate(KIND.points):
        walk = np.cumsum(rng.normal(0, 0.3, (minutes, units)), axis=0)
        if point.endswith("_command"):
            values[:, :, slot] = np.clip(0.5 + walk, 0, 1)
        elif point == "zone_air_flow":
            values[:, :, slot] = 0.15 + 0.02 * rng.normal(size=(minutes, units))
        else:
            values[:, :, slot] = 20 + walk * (rng.random((minutes, 1)) < 0.5)
    values[rng.random(values.shape) < 0.03] = np.nan
    return values


def fields(windows: Windows) -> list[Floats]:
    return [getattr(windows, name) for name in Windows.__slots__]


@pytest.mark.parametrize("seed", [1, 2])
def test_units_together_or_alone_in_any_place_give_the_same_bits(seed: int) -> None:
    """Rows 0 to 3 one after the other, the same four out of order among eight, and each by itself; with a gap."""
    values = readings(seed, 4, 160)
    straight, mixed, alone = features.new_state(4), features.new_state(8), features.new_state(4)
    places = [6, 1, 4, 3]
    for minute in range(160):
        at_ms = START_MS + MINUTE_MS * (minute + (90 if minute > 100 else 0))
        one = take(straight, [0, 1, 2, 3], [at_ms] * 4, values[minute]).windows
        two = take(mixed, places, [at_ms] * 4, values[minute]).windows
        for left, right in zip(fields(one), fields(two), strict=True):
            np.testing.assert_array_equal(left, right)
        for unit in range(4):
            by_itself = take(alone, [unit], [at_ms], values[minute, unit : unit + 1]).windows
            for left, right in zip(fields(one), fields(by_itself), strict=True):
                np.testing.assert_array_equal(left[unit : unit + 1], right)
    for name, array in straight.items():
        np.testing.assert_array_equal(array, mixed[name][places], err_msg=name)
        np.testing.assert_array_equal(array, alone[name], err_msg=name)


def test_the_hour_is_what_a_count_over_its_readings_says() -> None:
    """Travel, reversals, span, flow; twelve buckets of five minutes, the last one open."""
    values = readings(3, 1, 150)
    values[np.isnan(values)] = 0.5
    state = features.new_state(1)
    outputs = watched(KIND.points).outputs
    for minute in range(150):
        windows = take(state, [0], [START_MS + MINUTE_MS * minute], values[minute]).windows
        if minute < 120:
            continue
        first_bucket = (START_MS + MINUTE_MS * minute) // 300_000 - 11
        since = max(0, -(-(first_bucket * 300_000 - START_MS) // MINUTE_MS))
        for number, column in enumerate(outputs):
            travel, turns, value, direction = 0.0, 0, float(values[0, 0, column]), 0
            for at in range(1, minute + 1):
                step = float(values[at, 0, column]) - value
                if abs(step) < SETTINGS.sensor.hunting_deadband_fraction:
                    continue
                if at >= since:
                    travel += abs(step)
                    turns += direction not in (0, int(np.sign(step)))
                value, direction = float(values[at, 0, column]), int(np.sign(step))
            seen = values[since : minute + 1, 0, column]
            assert windows.travel[0, number] == pytest.approx(travel, abs=1e-4)
            assert windows.reversals[0, number] == turns
            assert windows.span[0, number] == pytest.approx(float(seen.max() - seen.min()), abs=1e-6)
        flow = values[since : minute + 1, 0, KIND.slot["zone_air_flow"]].astype(np.float64)
        assert windows.flow_mean[0] == pytest.approx(flow.mean(), rel=1e-4)
        assert windows.flow_spread[0] == pytest.approx(flow.std(), rel=0.02)
        assert windows.hour_coverage[0] == pytest.approx((minute + 1 - since) / 60)


def test_a_week_counts_its_seven_days_and_forgets_the_eighth() -> None:
    """A fan on for half of each hour, then for eight days without a pause, read every five minutes."""
    state, slot = features.new_state(1), KIND.slot["supply_fan_status"]
    values = np.full((1, P), np.nan, dtype=np.float32)
    share = []
    for minute in range(0, 16 * 1440, 5):
        values[0, slot] = 1.0 if minute >= 8 * 1440 or minute % 60 < 30 else 0.0
        windows = take(state, [0], [START_MS + MINUTE_MS * minute], values).windows
        share.append(float(windows.on_fraction[0]))
    assert share[8 * 288 - 1] == pytest.approx(0.5, abs=0.01)
    assert share[-1] == 1.0
    assert 6 * 24 < windows.seen_hours[0] <= 7 * 24


def test_a_sensor_that_stays_within_its_tolerance_is_flat_and_one_that_creeps_is_not() -> None:
    state, slot = features.new_state(1), KIND.slot["zone_air_temperature"]
    values = np.full((1, P), np.nan, dtype=np.float32)
    for minute in range(90):
        values[0, slot] = 22 + 0.02 * (minute % 2)
        windows = take(state, [0], [START_MS + MINUTE_MS * minute], values).windows
    assert windows.steady_hours[0, slot] == pytest.approx(1.5)
    for minute in range(90, 180):
        values[0, slot] = 22 + 0.004 * (minute - 90)
        windows = take(state, [0], [START_MS + MINUTE_MS * minute], values).windows
    assert windows.steady_hours[0, slot] < 0.3
