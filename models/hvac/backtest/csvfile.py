"""A CSV export as columns of text, block by block, by Arrow; what Arrow does not say is looked up row by row."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as arrow_csv

from models.contracts.columnmap import ColumnMap, ColumnMapError, Columns, resolve
from models.contracts.exportfile import Dialect, ExportFileError, dialect, numeric_columns, open_rows
from models.hvac.backtest.cells import NULL_WORDS
from models.hvac.backtest.export import ExportError

Done = Callable[[float], None]
_BLOCK_BYTES = 8 << 20
_PROBE_BYTES = 65_536
_SAMPLE_ROWS = 200
_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ARCHIVES = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
    b"BZh": "compressed by bzip2",
}


@dataclass(slots=True)
class CsvTable:
    """One file: its header, its first rows, and how it is written."""

    path: Path
    header: list[str]
    sample: list[list[str]]
    how: Dialect

    def resolve(self, columns: ColumnMap) -> Columns:
        """Where the map's columns stand.

        Raises:
            ExportError: one is missing or there twice.
        """
        try:
            return resolve(columns, self.header, numeric_columns(self.header, self.sample))
        except ColumnMapError as error:
            hint = ""
            if len(self.header) == 1:
                hint = "; the header has one column only: expected names divided by comma, semicolon, tab or |"
            raise ExportError(f"file {self.path}: {error}{hint}") from error

    def batches(self, positions: Sequence[int], done: Done) -> Iterator[dict[int, pa.Array]]:
        """These columns as text, null where a cell holds nothing; one block after another.

        Raises:
            ExportError: a row has more or fewer cells than the header, or the file ends in the middle.
        """
        names = [str(index) for index in range(len(self.header))]
        chosen = [names[position] for position in positions]
        size = max(1, self.path.stat().st_size)
        try:
            with self.path.open("rb") as raw:
                source = pa.PythonFile(raw, mode="r")
                stream = pa.CompressedInputStream(source, "gzip") if self.how.gzipped else source
                reader = arrow_csv.open_csv(
                    stream,
                    read_options=arrow_csv.ReadOptions(
                        column_names=names,
                        skip_rows_after_names=1,
                        block_size=_BLOCK_BYTES,
                        encoding="utf8" if self.how.encoding.startswith("utf-8") else self.how.encoding,
                    ),
                    parse_options=arrow_csv.ParseOptions(delimiter=self.how.delimiter, newlines_in_values=True),
                    convert_options=arrow_csv.ConvertOptions(
                        include_columns=chosen,
                        column_types=dict.fromkeys(names, pa.string()),
                        null_values=list(NULL_WORDS),
                        strings_can_be_null=True,
                    ),
                )
                for batch in reader:
                    done(min(1.0, raw.tell() / size))
                    yield {position: batch.column(index) for index, position in enumerate(positions)}
        except (pa.ArrowInvalid, OSError) as error:
            raise ExportError(_what_is_wrong(self, error)) from error


def open_table(path: Path) -> CsvTable:
    """Look into a file.

    Raises:
        ExportError: there is none, it is empty, it is no text, or it has no rows.
    """
    if not path.exists():
        raise ExportError(f"file {path}: no such file")
    if path.is_dir():
        raise ExportError(f"file {path}: is a directory, expected a CSV or Parquet file")
    try:
        with path.open("rb") as raw:
            head = raw.read(4)
        if not head:
            raise ExportError(f"file {path}: is empty, expected a header and rows")
        for magic, what in _ARCHIVES.items():
            if head.startswith(magic):
                raise ExportError(f"file {path}: is {what}, expected CSV (gzipped or not) or Parquet; export it as CSV")
        _check_text(path, zipped=head.startswith(_GZIP))
        how = dialect(path)
        with open_rows(path) as rows:
            header = next(rows, [])
            sample = list(itertools.islice(rows, _SAMPLE_ROWS))
    except ExportFileError as error:
        raise ExportError(str(error)) from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ExportError(f"file {path}: cannot be read: {error}") from error
    if not any(cell.strip() for cell in header):
        raise ExportError(f"file {path}: row 1: is empty, expected a header with the names of the columns")
    if not any(sample):
        raise ExportError(f"file {path}: has a header and no rows")
    return CsvTable(path, header, sample, how)


def _check_text(path: Path, zipped: bool) -> None:
    """Refuse what is no text: control characters do not stand in exports."""
    with gzip.open(path) if zipped else path.open("rb") as stream:
        probe = stream.read(_PROBE_BYTES)
    if not probe:
        raise ExportError(f"file {path}: is empty, expected a header and rows")
    if probe.startswith(_UTF16):
        raise ExportError(f"file {path}: is UTF-16 text; save it as UTF-8")
    odd = next((at for at, byte in enumerate(probe) if byte < 9 or 13 < byte < 32 or byte == 127), None)
    if odd is not None:
        row = probe[:odd].count(b"\n") + 1
        raise ExportError(
            f"file {path}: row {row}: is no text (byte {odd} is 0x{probe[odd]:02x}), expected CSV or Parquet"
        )


def _what_is_wrong(table: CsvTable, error: Exception) -> str:
    """Arrow's complaint as a sentence with a row."""
    try:
        with open_rows(table.path) as rows:
            for number, row in enumerate(rows, start=1):
                if row and len(row) != len(table.header):
                    return (
                        f"file {table.path}: row {number}: has {len(row)} cells, expected {len(table.header)} as its header"
                        f" (divided by {table.how.delimiter!r}); is the file cut off, or a cell not quoted?"
                    )
    except ExportFileError as unreadable:
        return str(unreadable)
    return f"file {table.path}: cannot be read: {error}"


def blank_rows(path: Path) -> npt.NDArray[np.intp]:
    """How many rows with cells stand before each blank one, ascending."""
    found, full = [], 0
    with open_rows(path) as rows:
        next(rows, None)
        for row in rows:
            if row:
                full += 1
            else:
                found.append(full)
    return np.array(found, dtype=np.intp)


def row_number(row: int, blank: npt.NDArray[np.intp]) -> int:
    """The number of a row as a spreadsheet shows it: the header is row 1, blank rows count."""
    return row + 2 + int(np.searchsorted(blank, row, side="right"))
