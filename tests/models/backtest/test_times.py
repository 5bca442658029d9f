"""Times: whole columns are read exactly as `TimeReader` reads them cell by cell."""

# ruff: noqa: DTZ001 - local times are what this is about
from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contracts.columnmap import TIME_FORMATS, ColumnMap, ColumnMapError, TimeReader
from models.hvac.backtest.times import TimeError, read_times

BERLIN = ColumnMap(time="t", zone="Europe/Berlin", type="generic")
CALIFORNIA = ColumnMap(time="t", zone="America/Los_Angeles", type="generic")
PLAIN = ColumnMap(time="t", type="generic")


def _oracle(cells: list[str], unit: list[int], columns: ColumnMap) -> list[int]:
    readers: dict[int, TimeReader] = {}
    return [readers.setdefault(one, TimeReader(columns)).read(cell) for cell, one in zip(cells, unit, strict=True)]


def _check(cells: list[str], columns: ColumnMap, units: int = 1) -> None:
    unit = [row % units for row in range(len(cells))]
    ours = read_times(pa.array(cells), np.array(unit, dtype=np.intp), columns)
    assert ours.tolist() == _oracle(cells, unit, columns)


@pytest.mark.parametrize("form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", *TIME_FORMATS])
@pytest.mark.parametrize("columns", [BERLIN, CALIFORNIA, PLAIN])
@pytest.mark.parametrize("start", [datetime(2017, 3, 12, 0, 30), datetime(2024, 10, 27, 0, 30), datetime(2021, 6, 14)])
def test_every_format_in_every_zone_over_the_ends_of_summer_time(
    form: str, columns: ColumnMap, start: datetime
) -> None:
    cells = [(start + timedelta(minutes=10 * step)).strftime(form) for step in range(40)]
    _check(cells, columns)
    _check(cells, columns, units=3)


def test_the_hour_that_comes_twice_is_told_by_the_order_of_rows() -> None:
    local = ["2024-10-27 02:00", "2024-10-27 02:30", "2024-10-27 02:00", "2024-10-27 02:30", "2024-10-27 03:00"]
    at_ms = read_times(pa.array(local), np.zeros(5, dtype=np.intp), BERLIN)
    assert np.diff(at_ms).tolist() == [1_800_000] * 4
    _check(local, BERLIN)


def test_a_clock_without_summer_time_neither_loses_nor_doubles_an_hour() -> None:
    start = datetime(2017, 3, 12, 1, 0)
    local = [(start + timedelta(minutes=30 * step)).strftime("%m/%d/%Y %H:%M") for step in range(8)]
    at_ms = read_times(pa.array(local), np.zeros(8, dtype=np.intp), CALIFORNIA)
    assert np.diff(at_ms).tolist() == [1_800_000] * 7
    _check(local, CALIFORNIA)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 4 * 366 * 96), min_size=1, max_size=40),
    st.sampled_from([BERLIN, CALIFORNIA]),
    st.integers(1, 3),
)
def test_any_order_of_any_times(quarters: list[int], columns: ColumnMap, units: int) -> None:
    start = datetime(2021, 1, 1)
    _check([(start + timedelta(minutes=15 * one)).isoformat(" ") for one in quarters], columns, units)


@pytest.mark.parametrize(
    "cells", [["1700000000", "1700000060"], ["1700000000000.0"], ["2024-01-01T00:00:00Z", "2024-01-01T02:00:00+02:00"]]
)
def test_instants_need_no_zone(cells: list[str]) -> None:
    _check(cells, BERLIN)


def test_mixed_formats_are_read_cell_by_cell() -> None:
    _check(["2024-01-01 00:00", "2024-01-01T00:10:00+00:00"], BERLIN)


def test_columns_of_timestamps() -> None:
    moment = datetime(2024, 7, 1, 12, 0)
    none = np.zeros(1, dtype=np.intp)
    naive = read_times(pa.array([moment], pa.timestamp("ns")), none, BERLIN)
    zoned = read_times(pa.array([moment], pa.timestamp("ns", "Asia/Tokyo")), none, BERLIN)
    assert naive.tolist() == [int(datetime(2024, 7, 1, 10, tzinfo=UTC).timestamp() * 1000)]
    assert zoned.tolist() == [int(datetime(2024, 7, 1, 12, tzinfo=UTC).timestamp() * 1000)]


@pytest.mark.parametrize(("cells", "row"), [(["2024-01-01", "noon"], 1), (["1700000000", "12"], 1), ([None], 0)])
def test_a_cell_that_is_no_time_is_said_with_its_row(cells: list[str | None], row: int) -> None:
    with pytest.raises(TimeError) as error:
        read_times(pa.array(cells, pa.string()), np.zeros(len(cells), dtype=np.intp), PLAIN)
    assert error.value.row == row


def test_the_oracle_knows_the_formats_too() -> None:
    with pytest.raises(ColumnMapError, match=r"M/D/YYYY"):
        TimeReader(PLAIN).read("31/12/2020 0:00")
