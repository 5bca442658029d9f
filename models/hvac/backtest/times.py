"""Columns of times become milliseconds UTC, a whole column at once, exactly as `TimeReader` reads them cell by cell. Pure.

one format fits every cell ──▶ local times, vectorised ──▶ zone, an hour that comes twice included
none does                  ──▶ `TimeReader` row by row, which says what is wrong with the first cell that it cannot read
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.contracts.columnmap import TIME_FORMATS, ColumnMap, ColumnMapError, TimeReader, zone_named

Ints = npt.NDArray[np.int64]
_EPOCH_MS_MIN = 1e11
_OLDEST_MS = -2_208_988_800_000  # 1900: an older year is most likely a year of two digits read as one of four
_ISO = "ISO 8601"
_QUARTER_MS = 900_000  # zones change at quarters of an hour


class TimeError(ValueError):
    """A cell that is no time, by its row in the column."""

    def __init__(self, row: int, message: str) -> None:
        super().__init__(message)
        self.row = row


def read_times(column: pa.Array, unit: npt.NDArray[np.intp], columns: ColumnMap) -> Ints:
    """Milliseconds UTC of each row.

    Args:
        column: Text, numbers or timestamps, shape (n,).
        unit: Unit of each row, shape (n,): an hour that comes twice is told by each unit's own order.
        columns: The map, for zone and format.

    Raises:
        TimeError: a cell is empty, or no time.
    """
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise TimeError(row, "time is empty, expected one in every row")
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    zone = zone_named(columns.zone)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        stamps = _milliseconds(pc.cast(column, pa.timestamp("us", getattr(column.type, "tz", None))))
        return stamps if getattr(column.type, "tz", None) else to_utc_ms(stamps, unit, zone)
    text = pc.cast(column, pa.string())
    coded = pc.utf8_trim_whitespace(text).dictionary_encode()
    words, codes = coded.dictionary, coded.indices.to_numpy(zero_copy_only=False)
    if not columns.time_format:
        for instants in (_epochs(words), _zoned(words)):
            if instants is not None:
                found: Ints = instants[codes]
                return found
    for local in _local(words, columns.time_format):
        return to_utc_ms(local[codes], unit, zone)
    return _row_by_row(text, unit, columns)


def _milliseconds(stamps: pa.Array) -> Ints:
    micros = stamps.cast(pa.int64()).to_numpy(zero_copy_only=False)
    rounded: Ints = np.rint(micros / 1000).astype(np.int64)
    return rounded


def _epochs(words: pa.Array) -> Ints | None:
    try:
        value = pc.cast(words, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    size = np.abs(value)
    if not ((size >= 1e8) & (size < 1e14)).all():
        return None  # `TimeReader` says which
    instants: Ints = np.rint(np.where(size >= _EPOCH_MS_MIN, value, value * 1000)).astype(np.int64)
    return instants


def _zoned(words: pa.Array) -> Ints | None:
    try:
        return _milliseconds(pc.cast(words, pa.timestamp("us", "UTC")))
    except pa.ArrowInvalid:
        return None


def _local(words: pa.Array, wanted: str) -> Iterator[Ints]:
    """Local times by the first format that fits every cell, if any does."""
    for known in (wanted,) if wanted else (_ISO, *TIME_FORMATS):
        try:
            if known == _ISO:
                stamps = pc.cast(words, pa.timestamp("us"))
            else:
                stamps = pc.strptime(words, format=known, unit="us", error_is_null=True)
        except pa.ArrowInvalid:
            continue
        if stamps.null_count == 0:
            local = _milliseconds(stamps)
            if len(local) == 0 or local.min() > _OLDEST_MS:
                yield local
                return


def to_utc_ms(local_ms: Ints, unit: npt.NDArray[np.intp], zone: tzinfo) -> Ints:
    """Instants of local times: an hour that comes twice, and one that a clock without summer time has and the zone has not.

    Args:
        local_ms: Shape (n,).
        unit: Unit of each row, shape (n,); its rows are in the order of the file.
        zone: Of the times.
    """
    if zone is UTC or len(local_ms) == 0:
        return local_ms
    quarters, where = np.unique(local_ms // _QUARTER_MS, return_inverse=True)
    before, after = _offsets_ms(quarters, zone, 0)[where], _offsets_ms(quarters, zone, 1)[where]
    at_ms: Ints = local_ms - before
    for one in np.unique(unit[before != after]):
        rows = np.flatnonzero(unit == one)
        left_out = np.flatnonzero(before[rows] < after[rows])
        if len(left_out):
            late = rows[int(left_out[0]) :]
            at_ms[late] = local_ms[late] - before[late[0]]
            rows = rows[: int(left_out[0])]
        _second_hours(at_ms, local_ms - after, rows, np.flatnonzero(before[rows] > after[rows]))
    return at_ms


def _second_hours(at_ms: Ints, second_ms: Ints, rows: npt.NDArray[np.intp], places: npt.NDArray[np.intp]) -> None:
    """Within an hour that comes twice, move the rows of one unit that step back to the second one; works on `at_ms`."""
    if not len(places):
        return
    begin, end = int(places[0]), int(places[-1]) + 1
    newest = int(at_ms[rows[:begin]].max()) if begin else None
    for row in rows[begin:end].tolist():
        if newest is not None and at_ms[row] <= newest < second_ms[row]:
            at_ms[row] = second_ms[row]
        newest = int(at_ms[row]) if newest is None else max(newest, int(at_ms[row]))


def _offsets_ms(quarters: Ints, zone: tzinfo, fold: int) -> Ints:
    start = datetime(1970, 1, 1)  # noqa: DTZ001 - local times
    moments = (start + timedelta(milliseconds=quarter * _QUARTER_MS) for quarter in quarters.tolist())
    offsets = (moment.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for moment in moments)
    return np.array([round(offset.total_seconds() * 1000) for offset in offsets], dtype=np.int64)


def _row_by_row(text: pa.Array, unit: npt.NDArray[np.intp], columns: ColumnMap) -> Ints:
    readers: dict[int, TimeReader] = {}
    at_ms = np.zeros(len(text), dtype=np.int64)
    for row, (cell, one) in enumerate(zip(text.to_pylist(), unit.tolist(), strict=True)):
        try:
            reader = readers.get(one) or readers.setdefault(one, TimeReader(columns))
            at_ms[row] = reader.read(cell)
        except ColumnMapError as error:
            raise TimeError(row, str(error)) from error
    return at_ms
