"""Files and their map become rows: CSV (gzipped or not) and Parquet, by Arrow, block by block.

Whatever is wrong with a file is one sentence with the file, the row as a spreadsheet counts it, and the column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models.contracts.columnmap import GENERIC, ColumnMap, Columns, PointColumn
from models.contracts.layout import Channel, Layout, channel_for
from models.contracts.points import POINTS
from models.contracts.units import conversion
from models.hvac.backtest import csvfile, parquetfile
from models.hvac.backtest.cells import Cell, Numbers, numbers
from models.hvac.backtest.export import Doubles, ExportError, Ints, Progress, Raw, Rows, silent
from models.hvac.backtest.times import TimeError, read_times

# Column names that most likely hold a truth: as points of a generic unit they would give it away.
_TRUTHS = re.compile(r"(anomal|fault|label|changepoint|ground.?truth|target|failure|class)", re.IGNORECASE)


class _File(NamedTuple):
    """One file, read. `points` in the order of the layout; text columns as Arrow has them."""

    path: Path
    rows: int
    points: list[Numbers]
    time: pa.Array
    unit: pa.Array | None
    label: pa.Array | None


def read(files: Sequence[Path], columns: ColumnMap, progress: Progress = silent) -> Raw:
    """All rows of some files of one shape.

    Args:
        files: Exports, each once.
        columns: The map; with its label column, if there are labels.
        progress: Told how far reading is.

    Raises:
        ExportError: a file cannot be read, or does not fit the map.
    """
    parts: list[_File] = []
    layout: Layout | None = None
    file_units: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    for number, path in enumerate(files):

        def done(part: float, number: int = number) -> None:
            progress("reading", (number + part) / len(files))

        part, resolved, header = _read_file(path, columns, done)
        if layout is None:
            layout, file_units = _layout(columns, resolved)
            names = tuple(header[position] for position in (point.position for point in resolved.points))
            if columns.type == GENERIC and not columns.points:
                # Later files must have the points of the first one.
                columns = msgspec.structs.replace(columns, points={name: PointColumn(column=name) for name in names})
        parts.append(part)
    if layout is None:
        raise ExportError("backtest: no file given")
    rows = _Places([part.path for part in parts], [part.rows for part in parts])
    notes: list[str] = []
    values = [_column(index, parts, rows, names[index], layout.points[index], notes) for index in range(len(names))]
    _check_formats(parts, rows, names)
    if columns.type == GENERIC:
        suspicious = [name for name in names if _TRUTHS.search(name)]
        if suspicious:
            notes.append(f"taken as points: {', '.join(suspicious)}; name them in `ignore` if they hold the truth")
    unit_names, unit = _units(parts, columns, rows)
    return Raw(
        layout=layout,
        file_units=file_units,
        columns=values,
        unit_names=unit_names,
        unit=unit,
        at_ms=_times(parts, unit, columns, rows),
        truth=_truth(parts, columns, rows, notes),
        place=rows.place,
        time_column=columns.time,
        notes=notes,
    )


def _read_file(path: Path, columns: ColumnMap, progress: csvfile.Done) -> tuple[_File, Columns, list[str]]:
    source = parquetfile.open_table(path) if parquetfile.is_parquet(path) else csvfile.open_table(path)
    resolved = source.resolve(columns)
    if resolved.time < 0:
        raise ExportError(f"file {path}: the map names no time column; a file is judged by its times [map.time]")
    wanted = [resolved.time, *(p.position for p in resolved.points)]
    wanted += [position for position in (resolved.unit, resolved.label) if position >= 0]
    points: list[list[Numbers]] = [[] for _ in resolved.points]
    texts: dict[int, list[pa.Array]] = {position: [] for position in (resolved.time, resolved.unit, resolved.label)}
    count = 0
    for batch in source.batches(sorted(set(wanted)), progress):
        for found, point in zip(points, resolved.points, strict=True):
            found.append(numbers(batch[point.position]))
        for position, blocks in texts.items():
            if position >= 0:
                blocks.append(batch[position])
        count += len(batch[resolved.time])
    if not count:
        raise ExportError(f"file {path}: has a header and no rows")

    def whole(position: int) -> pa.Array | None:
        if position < 0:
            return None
        joined = pa.chunked_array(texts[position]).combine_chunks()
        return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined

    file = _File(
        path, count, [_join(one) for one in points], whole(resolved.time), whole(resolved.unit), whole(resolved.label)
    )
    return file, resolved, source.header


def _join(parts: Sequence[Numbers]) -> Numbers:
    """Blocks of one column as one, places counted from its start."""
    before, bad = 0, 0
    first: dict[str, Cell | None] = {"first_bad": None, "comma": None, "point": None}
    for part in parts:
        for name, known in first.items():
            cell: Cell | None = getattr(part, name)
            if known is None and cell is not None:
                first[name] = Cell(cell.row + before, cell.text)
        before, bad = before + len(part.values), bad + part.bad
    return Numbers(np.concatenate([part.values for part in parts]), bad, **first)


def _layout(columns: ColumnMap, resolved: Columns) -> tuple[Layout, tuple[str, ...]]:
    """The channels as a gateway would send them, and the unit of each in the file."""
    units = tuple(columns.points[p.point].unit if p.point in columns.points else "none" for p in resolved.points)
    channels = tuple(
        channel_for(POINTS[point.point])
        if point.point in POINTS and (columns.type != GENERIC or columns.points)
        else Channel(point=point.point, unit=conversion(unit).ours, scale=0.0)
        for point, unit in zip(resolved.points, units, strict=True)
    )
    try:
        return Layout(equipment=columns.type, channels=channels), units
    except ValueError as error:
        raise ExportError(f"map: {error}; name fewer points, or `ignore` columns") from error


class _Places:
    """Where each row stands."""

    def __init__(self, files: Sequence[Path], rows: Sequence[int]) -> None:
        self._files = files
        self._starts = np.concatenate([[0], np.cumsum(rows)])
        self._blank: dict[Path, npt.NDArray[np.intp]] = {}

    def place(self, row: int, column: str = "") -> str:
        """`file X: row N`, with the column where one is meant."""
        file = int(np.searchsorted(self._starts, row, side="right")) - 1
        path, inner = self._files[file], row - int(self._starts[file])
        if parquetfile.is_parquet(path):
            number = inner + 1
        else:
            blank = self._blank.get(path)
            if blank is None:
                blank = self._blank[path] = csvfile.blank_rows(path)
            number = csvfile.row_number(inner, blank)
        return f"file {path}: row {number}{f' column {column!r}' if column else ''}"

    def of_file(self, file: int, row: int, column: str = "") -> str:
        """The same for a row of one file."""
        return self.place(int(self._starts[file]) + row, column)


def _column(index: int, parts: Sequence[_File], rows: _Places, name: str, point: str, notes: list[str]) -> Doubles:
    for file, part in enumerate(parts):
        found = part.points[index]
        if found.first_bad is not None:
            where = rows.of_file(file, found.first_bad.row, name.strip())
            notes.append(
                f"{point}: {found.bad} cells hold no number, taken as missing; the first: {where}: {found.first_bad.text!r}"
            )
    values = np.concatenate([part.points[index].values for part in parts])
    if np.isnan(values).all():
        notes.append(f"column {name.strip()!r} has no number in any of {len(values)} rows [{point}]")
    return values


def _check_formats(parts: Sequence[_File], rows: _Places, names: Sequence[str]) -> None:
    """Refuse decimal commas beside decimal points: one of the two divides thousands, and nobody knows which."""
    for file, part in enumerate(parts):
        comma = next(((n, found.comma) for n, found in enumerate(part.points) if found.comma), None)
        point = next(((n, found.point) for n, found in enumerate(part.points) if found.point and found.comma), None)
        if comma is None or point is None:
            continue
        places = [rows.of_file(file, cell.row, names[index].strip()) for index, cell in (comma, point)]
        raise ExportError(
            f"{places[0]}: {comma[1].text!r} has a decimal comma, but {point[1].text!r} a decimal point"
            f" ({places[1].partition(': ')[2]}); expected one of them throughout; export the file with one number format"
        )


def _units(parts: Sequence[_File], columns: ColumnMap, rows: _Places) -> tuple[tuple[str, ...], Rows]:
    """Names of the units and the unit of each row; files of a map that names none are a unit each."""
    names: dict[str, int] = {}
    spelled: dict[str, str] = {}
    found: list[Rows] = []
    for file, part in enumerate(parts):
        if part.unit is None:
            name = columns.unit_id or unit_name(part.path.name.partition(".")[0])
            found.append(np.full(part.rows, names.setdefault(name, len(names)), dtype=np.intp))
            continue
        coded = part.unit.cast(pa.string()).dictionary_encode()
        if coded.null_count:
            row = int(np.flatnonzero(coded.is_null().to_numpy(zero_copy_only=False))[0])
            raise ExportError(f"{rows.of_file(file, row, columns.unit_column)}: is empty, expected the name of a unit")
        table = []
        for text in coded.dictionary.to_pylist():
            name = unit_name(text)
            if spelled.setdefault(name, text.strip()) != text.strip():
                raise ExportError(
                    f"file {part.path} column {columns.unit_column!r}: units {spelled[name]!r} and {text!r} are both called"
                    f" {name!r} by us (letters, digits, _ and - only); rename one"
                )
            table.append(names.setdefault(name, len(names)))
        found.append(np.array(table, dtype=np.intp)[coded.indices.to_numpy(zero_copy_only=False)])
    return tuple(names), np.concatenate(found)


def unit_name(text: str) -> str:
    """A name as it stands in topics: letters, digits, _ and - only."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text.strip()).strip("-_")[:63] or "unnamed"


def _times(parts: Sequence[_File], unit: Rows, columns: ColumnMap, rows: _Places) -> Ints:
    found, before = [], 0
    for file, part in enumerate(parts):
        try:
            found.append(read_times(part.time, unit[before : before + part.rows], columns))
        except TimeError as error:
            raise ExportError(f"{rows.of_file(file, error.row, columns.time)}: {error}") from error
        before += part.rows
    return np.concatenate(found)


def _truth(parts: Sequence[_File], columns: ColumnMap, rows: _Places, notes: list[str]) -> npt.NDArray[np.int8] | None:
    """1 where the label says fault, 0 where it does not, -1 where it says nothing."""
    if columns.label is None:
        return None
    positive, name = columns.label.positive, columns.label.column
    found = []
    for file, part in enumerate(parts):
        if part.label is None:
            continue
        if isinstance(positive, str):
            words = part.label.cast(pa.string())
            truth = np.array(
                [-1 if word is None else int(word.strip() == positive.strip()) for word in words.to_pylist()]
            )
        else:
            read = numbers(part.label)
            if read.first_bad is not None:
                raise ExportError(
                    f"{rows.of_file(file, read.first_bad.row, name)}: label {read.first_bad.text!r} is no number, expected"
                    f" numbers because positive is {positive!r}; set label.positive in the map"
                )
            truth = np.where(np.isnan(read.values), -1, read.values == float(positive))
        found.append(truth.astype(np.int8))
    whole = np.concatenate(found)
    untold = np.flatnonzero(whole < 0)
    if len(untold) == len(whole):
        raise ExportError(f"{rows.place(0, name)}: no row has a label; check label.column in the map, or --label")
    if len(untold):
        notes.append(
            f"{len(untold)} rows have no label and are not judged, the first at {rows.place(int(untold[0]), name)}"
        )
    if not (whole == 1).any():
        notes.append(f"column {name!r}: no row has the label {positive!r}; check label.positive in the map")
    return whole
