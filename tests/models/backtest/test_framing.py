"""Frames are cut, and values judged, exactly as a gateway does it row by row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.framing import Framer, Unit
from edge.readings import Named, Reader, Readings, layout_of
from edge.settings import FrameSettings, ReadingSettings
from models.contracts.frame import Quality
from models.hvac.backtest import framing, plausible
from models.hvac.backtest.export import ExportError, Raw
from models.hvac.backtest.framing import SAMPLES, cut, cut_unit
from models.hvac.backtest.plausible import prepare

POINTS = (Named("supply_air_temperature", "degF"), Named("heating_valve_command", "%"), Named("occupancy", "state"))
LAYOUT = layout_of("ahu", POINTS)
START_MS = 1_700_000_000_000


def test_the_defaults_are_the_gateways() -> None:
    assert FrameSettings().samples == SAMPLES
    assert ReadingSettings().stuck_seconds == plausible.STUCK_SECONDS


def _raw(at_ms: list[int], columns: list[list[float]], unit: list[int] | None = None) -> Raw:
    units = unit or [0] * len(at_ms)
    return Raw(
        layout=LAYOUT,
        file_units=tuple(named.unit for named in POINTS),
        columns=[np.array(column, dtype=np.float64) for column in columns],
        unit_names=tuple(f"u{number}" for number in range(max(units) + 1)),
        unit=np.array(units, dtype=np.intp),
        at_ms=np.array(at_ms, dtype=np.int64),
        truth=None,
        place=lambda row: f"file f: row {row + 2}",
    )


steps_ms = st.lists(
    st.sampled_from([1, 400, 999, 1000, 1001, 1499, 1500, 1501, 2500, 59_000, 61_500, 200_000]),
    min_size=1,
    max_size=300,
)


@given(steps_ms, st.sampled_from([1000, 1001, 1500]))
@settings(max_examples=200, deadline=None)
def test_rows_go_to_the_frames_and_slots_that_a_framer_puts_them_in(steps: list[int], interval_ms: int) -> None:
    at_ms = START_MS + np.cumsum(steps)
    framer = Framer(Unit(0, "u", LAYOUT, interval_ms), SAMPLES)
    closed = []
    for row, one in enumerate(at_ms.tolist()):
        # The row's number is its value, so that it can be found again.
        readings = Readings(np.array([row, row, row], dtype=np.float32), np.zeros(3, dtype=np.uint8))
        closed += framer.add(one, readings, 0)
    closed += framer.close()
    expected = [
        (int(frame.values[0, slot]), number, slot, frame.measured_at_ms)
        for number, frame in enumerate(closed)
        for slot in np.flatnonzero(frame.quality[0] == 0).tolist()
    ]
    placed, in_frame, in_slot = cut_unit(at_ms, interval_ms)
    starts = at_ms[placed[in_slot == 0]]
    ours = zip(placed.tolist(), in_frame.tolist(), in_slot.tolist(), starts[in_frame].tolist(), strict=True)
    assert list(ours) == expected


values = st.one_of(st.sampled_from([60.0, 61.0, float("nan"), 500.0, -400.0, 0.5]), st.floats(-50, 150))


@given(
    st.lists(
        st.tuples(st.sampled_from([60_000, 3_600_000, 7_200_000]), values, values, st.sampled_from([0.0, 1.0, 2.0])),
        min_size=1,
        max_size=60,
    )
)
@settings(max_examples=200, deadline=None)
def test_values_are_believed_as_a_reader_believes_them(rows: list[tuple[int, float, float, float]]) -> None:
    at_ms = (START_MS + np.cumsum([row[0] for row in rows])).tolist()
    columns = [[row[point] for row in rows] for point in (1, 2, 3)]
    reader = Reader(POINTS, ReadingSettings().stuck_seconds, 0)
    expected = np.full((len(rows), 3), np.nan, dtype=np.float32)
    for number, one in enumerate(at_ms):
        readings = reader.judge(np.array([column[number] for column in columns]), one)
        good = readings.quality == Quality.GOOD
        expected[number, good] = readings.values[good]
    if np.isnan(expected).all():
        return
    np.testing.assert_array_equal(prepare(_raw(at_ms, columns)).values, expected)


def test_blocks_hold_every_row_once_in_its_place() -> None:
    rng = np.random.default_rng(1)
    unit = np.repeat(np.arange(5), 150).tolist()
    at_ms = np.concatenate([START_MS + np.cumsum(rng.choice([60_000, 60_000, 60_000, 300_000], 150)) for _ in range(5)])
    raw = _raw(at_ms.tolist(), [list(map(float, range(750))), [0.0] * 750, [0.0] * 750], unit)
    raw.file_units = ("celsius", "fraction", "state")
    raw.columns[0] = np.arange(750, dtype=np.float64) % 70.0
    export = prepare(raw)
    frames = cut(export)
    seen: dict[int, list[float]] = {number: [] for number in range(5)}
    last: dict[int, int] = {}
    for block in framing.blocks(export, frames):
        assert len(set(block.unit.tolist())) == len(block.unit)
        for place, one in enumerate(block.unit.tolist()):
            assert last.get(one, 0) < block.start_ms[place]
            last[one] = int(block.start_ms[place])
            seen[one] += [value for value in block.values[place, 0].tolist() if not np.isnan(value)]
    for number in range(5):
        expected = export.values[export.slice_of(number), 0]
        assert seen[number] == expected[~np.isnan(expected)].tolist()


def test_a_step_back_is_refused_with_its_row_and_mended_by_sort() -> None:
    raw = _raw([START_MS, START_MS + 120_000, START_MS + 60_000], [[60.0, 61.0, 62.0]] * 2 + [[0.0] * 3])
    with pytest.raises(ExportError, match=r"row 4 .*is before that of the row before it.*row 3.*--sort"):
        prepare(raw)
    assert prepare(raw, sort=True).row.tolist() == [0, 2, 1]


def test_a_time_that_comes_twice_is_refused_and_left_unscored_by_sort() -> None:
    raw = _raw([START_MS, START_MS, START_MS + 60_000], [[60.0, 61.0, 62.0]] * 2 + [[0.0] * 3])
    with pytest.raises(ExportError, match=r"row 3 .*is also that of"):
        prepare(raw)
    assert prepare(raw, sort=True).row.tolist() == [0, 2]
    assert "row 3" in raw.notes[0]


def test_units_do_not_disturb_one_another() -> None:
    raw = _raw([START_MS, START_MS, START_MS + 1, START_MS - 1], [[60.0] * 4] * 2 + [[0.0] * 4], [0, 1, 0, 2])
    assert prepare(raw).starts.tolist() == [0, 2, 3, 4]


def test_what_lies_outside_physics_is_said_once_with_its_first_row() -> None:
    raw = _raw([START_MS + 60_000 * n for n in range(4)], [[60.0, 900.0, 61.0, 900.0], [5.0] * 4, [0.0] * 4])
    export = prepare(raw)
    assert np.isnan(export.values[:, 0]).tolist() == [False, True, False, True]
    (note,) = raw.notes
    assert "2 of 4 values out of range" in note
    assert "row 3" in note
    assert "900 degF, expected 14 to 158; check unit in [points.supply_air_temperature]" in note


def test_steps_that_are_not_the_usual_ones_are_said_with_the_longest_gap() -> None:
    steps = [60_000] * 20 + [90_001] + [60_000] * 20 + [7_200_000] + [60_000] * 5
    at_ms = (START_MS + np.cumsum(steps)).tolist()
    raw = _raw(at_ms, [[60.0] * len(at_ms), [5.0] * len(at_ms), [0.0] * len(at_ms)])
    prepare(raw)
    (note,) = raw.notes
    assert "2 of 46 steps in time are not the usual ones of their unit, the first before file f: row 22" in note
    assert "1 are gaps of more than 10 steps, the longest 2 hours before file f: row 43" in note
