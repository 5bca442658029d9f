"""Files that users bring: CSV exports of historians, opened in one way by everybody who reads them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_DELIMITERS = ",;\t|"
_PROBE_CHARACTERS = 65_536


class ExportFileError(ValueError):
    """A file that cannot be opened, or that is no text."""


@contextmanager
def open_rows(path: Path) -> Iterator[Iterator[list[str]]]:
    """Rows of a CSV file, the header first: gzipped or not, with the delimiter that its header has most of.

    Raises:
        ExportFileError: it cannot be opened, ends in the middle of its compression, or is no text.
    """
    try:
        with _open_text(path) as stream:
            head = stream.readline()
            stream.seek(0)
            yield csv.reader(stream, delimiter=max(_DELIMITERS, key=head.count))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise ExportFileError(f"file {path}: cannot be read: {error}") from error


def _open_text(path: Path) -> IO[str]:
    """The file as text: gzipped or not, UTF-8 or, as older systems write it, Windows' Western code page."""
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"

    def open_as(encoding: str) -> IO[str]:
        if zipped:
            return gzip.open(path, "rt", encoding=encoding, newline="")
        return path.open("r", encoding=encoding, newline="")

    with open_as("utf-8-sig") as probe:
        try:
            probe.read(_PROBE_CHARACTERS)
        except UnicodeDecodeError:
            return open_as("cp1252")
    return open_as("utf-8-sig")
