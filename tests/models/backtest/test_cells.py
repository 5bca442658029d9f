"""Cells: every spelling of a number, and what is none, with its place."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.hvac.backtest.cells import number, numbers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", 1.5), (" 2 ", 2.0), ("-.5", -0.5), ("3.", 3.0), ("1e3", 1000.0), ("+7", 7.0),
        ("1,5", 1.5), ("1.234,5", 1234.5), ("1,234.5", 1234.5), ("On", 1.0), ("FALSE", 0.0),
    ],
)  # fmt: skip
def test_a_number_in_every_spelling(text: str, value: float) -> None:
    assert number(text) == value
    assert numbers(pa.array([text, "x"])).values[0] == value


@pytest.mark.parametrize("text", ["", "NaN", "n/a", "--", "#N/A"])
def test_a_cell_that_holds_nothing_is_missing_and_not_bad(text: str) -> None:
    found = numbers(pa.array([text, "1,5"]))
    assert np.isnan(found.values[0])
    assert found.bad == 0


@pytest.mark.parametrize("text", ["#VALUE!", "12 C", "1_000", "0x10", "1.2.3"])
def test_a_cell_that_holds_no_number_is_counted_with_its_place(text: str) -> None:
    found = numbers(pa.array(["1", text, text]))
    assert np.isnan(found.values[1:]).all()
    assert (found.bad, found.first_bad) == (2, (1, text))


def test_infinity_is_no_reading() -> None:
    assert np.isnan(numbers(pa.array(["inf", "-inf"])).values).all()
    assert np.isnan(numbers(pa.array([np.inf])).values).all()


def test_decimal_commas_are_found_beside_decimal_points() -> None:
    found = numbers(pa.array(["1,5", "2.5", None]))
    assert (found.comma, found.point) == ((0, "1,5"), (1, "2.5"))
    assert numbers(pa.array(["1,5", "2,5"])).point is None


def test_columns_of_numbers_and_of_truth_values_stay_as_they_are() -> None:
    assert numbers(pa.array([1, None, 3])).values.tolist()[::2] == [1.0, 3.0]
    assert numbers(pa.array([True, False])).values.tolist() == [1.0, 0.0]
    assert numbers(pa.array(["1", "2", "1"]).dictionary_encode()).values.tolist() == [1.0, 2.0, 1.0]


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1))
def test_a_column_is_read_as_python_reads_each_cell(values: list[float]) -> None:
    texts = [repr(value) for value in values]
    np.testing.assert_array_equal(numbers(pa.array(texts)).values, [float(text) for text in texts])
    np.testing.assert_array_equal(numbers(pa.array([*texts, "on"])).values[:-1], [float(text) for text in texts])
