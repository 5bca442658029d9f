"""A Parquet export as columns, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.contracts.columnmap import ColumnMap, ColumnMapError, Columns, resolve
from models.hvac.backtest.cells import NULL_WORDS
from models.hvac.backtest.export import ExportError

_MAGIC = b"PAR1"
_BATCH_ROWS = 131_072


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by its first bytes."""
    try:
        with path.open("rb") as raw:
            return raw.read(4) == _MAGIC
    except OSError:
        return False


@dataclass(slots=True)
class ParquetTable:
    """One file, opened."""

    path: Path
    header: list[str]
    file: pq.ParquetFile

    def resolve(self, columns: ColumnMap) -> Columns:
        """Where the map's columns stand.

        Raises:
            ExportError: one is missing or there twice.
        """
        numeric = [index for index, field in enumerate(self.file.schema_arrow) if _is_number(field.type)]
        try:
            return resolve(columns, self.header, numeric)
        except ColumnMapError as error:
            raise ExportError(f"file {self.path}: {error}") from error

    def batches(self, positions: Sequence[int], done: Callable[[float], None]) -> Iterator[dict[int, pa.Array]]:
        """These columns as they are stored, null where a cell holds nothing; one block after another.

        Raises:
            ExportError: a column has a type that holds neither numbers nor text, or the file is damaged.
        """
        schema = self.file.schema_arrow
        for position in positions:
            if pa.types.is_nested(schema.field(position).type) or pa.types.is_binary(schema.field(position).type):
                raise ExportError(
                    f"file {self.path}: column {self.header[position]!r} holds {schema.field(position).type},"
                    " expected numbers, text or times"
                )
        total, count = max(1, self.file.metadata.num_rows), 0
        try:
            for batch in self.file.iter_batches(_BATCH_ROWS, columns=[self.header[position] for position in positions]):
                count += batch.num_rows
                done(count / total)
                yield {position: _clean(batch.column(self.header[position])) for position in positions}
        except (pa.ArrowException, OSError) as error:
            raise ExportError(f"file {self.path}: cannot be read: {error}") from error


def open_table(path: Path) -> ParquetTable:
    """Look into a file.

    Raises:
        ExportError: it is damaged or has no rows.
    """
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise ExportError(f"file {path}: cannot be read as Parquet: {error}") from error
    if not file.metadata.num_rows:
        raise ExportError(f"file {path}: has columns and no rows")
    return ParquetTable(path, list(file.schema_arrow.names), file)


def _is_number(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def _clean(column: pa.Array) -> pa.Array:
    """Text as a CSV file would have it: null where a cell holds a word for nothing."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pc.if_else(pc.is_in(column, pa.array(NULL_WORDS, column.type)), pa.scalar(None, column.type), column)
    return column
