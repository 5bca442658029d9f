"""Columns of text become numbers, a whole column at once; what cannot be read is counted, with its first place. Pure.

Decimal commas are understood in files whose cells no comma divides, and in quoted cells. A column that has decimal commas
and decimal points is refused, since one of the two is then most likely a divider of thousands.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.contracts.exportfile import EMPTY, STATES

Doubles = npt.NDArray[np.float64]

# As Arrow's reader wants them: each spelling by itself.
NULL_WORDS = tuple(dict.fromkeys(form for word in EMPTY for form in (word, word.upper(), word.capitalize(), "NaN")))
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d+)?")
# 1.234,5 and 1,234.5: which sign divides thousands is plain.
_POINT_THOUSANDS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_COMMA_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+")


class Cell(NamedTuple):
    """One cell by its row in the column, and what stands there."""

    row: int
    text: str


class Numbers(NamedTuple):
    """A column as numbers, NaN where there is none. `bad` cells hold something that is no number."""

    values: Doubles
    bad: int = 0
    first_bad: Cell | None = None
    comma: Cell | None = None  # the first number with a decimal comma
    point: Cell | None = None  # the first with a decimal point, looked for only where commas are


def numbers(column: pa.Array) -> Numbers:
    """Numbers of one column.

    Args:
        column: Text, numbers or truth values, shape (n,); null where the file has nothing.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not _is_text(column.type):
        return Numbers(_finite(_doubles(pc.cast(column, pa.float64(), safe=False))))
    try:
        return Numbers(_finite(_doubles(pc.cast(column, pa.float64()))))
    except pa.ArrowInvalid:
        pass
    trimmed = pc.utf8_trim_whitespace(column)
    quick = pc.replace_substring(trimmed, ",", ".")
    try:
        values = _doubles(pc.cast(quick, pa.float64()))
    except pa.ArrowInvalid:
        return _one_by_one(trimmed)
    return Numbers(_finite(values), 0, None, _first(trimmed, ","), _first(trimmed, "."))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _doubles(column: pa.Array) -> Doubles:
    values: Doubles = np.array(column.to_numpy(zero_copy_only=False), dtype=np.float64)
    return values


def _finite(values: Doubles) -> Doubles:
    values[~np.isfinite(values)] = np.nan
    return values


def _first(column: pa.Array, sign: str) -> Cell | None:
    places = np.flatnonzero(pc.fill_null(pc.match_substring(column, sign), False).to_numpy(zero_copy_only=False))
    return Cell(int(places[0]), column[int(places[0])].as_py()) if len(places) else None


def _one_by_one(column: pa.Array) -> Numbers:
    """Each distinct cell by the rules of a cell."""
    coded = column.dictionary_encode()
    words: list[str] = coded.dictionary.to_pylist()
    codes = coded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    read = [number(word) for word in words]
    table = np.array([np.nan if value is None else value for value in read] + [np.nan])
    wrong = np.array([value is None for value in read] + [False])
    comma = np.array([bool(_COMMA.fullmatch(word)) for word in words] + [False])
    point = np.array([bool(_PLAIN.fullmatch(word)) and "." in word for word in words] + [False])

    def first(flags: npt.NDArray[np.bool_]) -> Cell | None:
        rows = np.flatnonzero(flags[codes])
        return Cell(int(rows[0]), words[codes[rows[0]]]) if len(rows) else None

    return Numbers(_finite(table[codes]), int(wrong[codes].sum()), first(wrong), first(comma), first(point))


def number(text: str) -> float | None:
    """One cell: NaN where it holds nothing, None where it holds no number."""
    text = text.strip()
    if _PLAIN.fullmatch(text):
        return float(text)
    if _COMMA.fullmatch(text):
        return float(text.replace(",", "."))
    if _POINT_THOUSANDS.fullmatch(text):
        return float(text.replace(".", "").replace(",", "."))
    if _COMMA_THOUSANDS.fullmatch(text):
        return float(text.replace(",", ""))
    word = text.lower()
    if word in EMPTY:
        return float("nan")
    return STATES.get(word)
