"""Files that users bring: CSV exports of historians, opened in one way and read cell by cell in one way by everybody."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

_DELIMITERS = ",;\t|"
_PROBE_CHARACTERS = 65_536

# Cells that hold nothing, and words that stand for 0 or 1, in lower case.
EMPTY = frozenset({"", "nan", "null", "none", "na", "n/a", "-", "--", "#n/a"})
STATES = {"on": 1.0, "true": 1.0, "active": 1.0, "yes": 1.0, "off": 0.0, "false": 0.0, "inactive": 0.0, "no": 0.0}
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")


class ExportFileError(ValueError):
    """A file that cannot be opened, or that is no text."""


class Dialect(NamedTuple):
    """How a file is written."""

    delimiter: str
    encoding: str
    gzipped: bool


@contextmanager
def open_rows(path: Path) -> Iterator[Iterator[list[str]]]:
    """Rows of a CSV file, the header first: gzipped or not, with the delimiter that its header has most of.

    Raises:
        ExportFileError: it cannot be opened, ends in the middle of its compression, or is no text.
    """
    try:
        how = dialect(path)
        with _open_as(path, how.encoding, how.gzipped) as stream:
            yield csv.reader(stream, delimiter=how.delimiter)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise ExportFileError(f"file {path}: cannot be read: {error}") from error


def dialect(path: Path) -> Dialect:
    """How a file is written: UTF-8 or, as older systems write it, Windows' Western code page.

    Raises:
        OSError, EOFError: it cannot be opened, or ends in the middle of its compression.
    """
    with path.open("rb") as raw:
        gzipped = raw.read(2) == b"\x1f\x8b"
    encoding = "utf-8-sig"
    with _open_as(path, encoding, gzipped) as probe:
        try:
            probe.read(_PROBE_CHARACTERS)
        except UnicodeDecodeError:
            encoding = "cp1252"
    with _open_as(path, encoding, gzipped) as stream:
        head = stream.readline()
    return Dialect(max(_DELIMITERS, key=head.count), encoding, gzipped)


def _open_as(path: Path, encoding: str, gzipped: bool) -> IO[str]:
    if gzipped:
        return gzip.open(path, "rt", encoding=encoding, newline="")
    return path.open("r", encoding=encoding, newline="")


def numeric_columns(header: Sequence[str], sample: Sequence[Sequence[str]]) -> list[int]:
    """Columns in which every cell of the first rows that holds anything holds a number."""
    found = []
    for position in range(len(header)):
        cells = [row[position].strip() for row in sample if position < len(row)]
        cells = [cell for cell in cells if cell.lower() not in EMPTY]
        if cells and all(_NUMBER.fullmatch(cell) for cell in cells):
            found.append(position)
    return found
