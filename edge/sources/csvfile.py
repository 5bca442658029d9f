"""A historian's export, played as if it were read now: CSV, gzipped or not, with a column map.

Rows must be in order of time (of each unit). A row that is not, or that comes twice, or whose time cannot be read is left
out, counted and said; a file whose first row cannot be read is refused before anything starts.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from edge.framing import Unit
from edge.health import Health
from edge.readings import Named, Reader, layout_of
from edge.settings import CsvDevice, ReadingSettings
from edge.sources import Sink, SourceError
from edge.sources.registers import Doubles
from models.contracts.columnmap import ColumnMap, ColumnMapError, Columns, TimeReader, resolve
from models.contracts.exportfile import EMPTY, STATES, ExportFileError, numeric_columns, open_rows
from models.contracts.frame import Codes, Quality
from models.contracts.layout import Layout

LOG = logging.getLogger("edge")

_SAMPLE_ROWS = 200
_INTERVAL_MS_DEFAULT = 60_000
_ROWS_A_TURN = 256
_AHEAD_SECONDS = 0.005


class CsvSource:
    """One file. Its header, its first row and its interval are read when it is made."""

    def __init__(
        self, device: CsvDevice, next_row: Callable[[], int], readings: ReadingSettings, health: Health
    ) -> None:
        """Look into the file.

        Args:
            device: Its settings, with the map.
            next_row: Gives each new unit its row.
            readings: When a sensor is not believed.
            health: Takes counts and complaints.

        Raises:
            SourceError: no such file, no header, a column that the map names is not there, or the first row has no time.
        """
        if device.map is None:
            raise SourceError(f"device {device.name!r} has no column map; add map_file or [devices.map]")
        self.name = device.name
        self._device = device
        self._map: ColumnMap = device.map
        self._next_row = next_row
        self._readings = readings
        self._health = health
        self._path = Path(device.path)
        self._units: dict[str, tuple[Unit, Reader]] = {}
        with self._rows() as rows:
            header = next(rows, None)
            if not header:
                raise SourceError(f"file {self._path}: is empty, expected a header and rows")
            sample = list(itertools.islice(rows, _SAMPLE_ROWS))
        if not sample:
            raise SourceError(f"file {self._path}: has a header and no rows")
        try:
            self._columns: Columns = resolve(self._map, header, numeric_columns(header, sample))
        except ColumnMapError as error:
            raise SourceError(f"file {self._path}: {error}") from error
        if self._columns.time < 0:
            raise SourceError(
                f"file {self._path}: the map names no time column; a file is played by its times [map.time]"
            )
        self._layout: Layout = layout_of(
            self._map.type, [Named(point.point, self._unit_of(point.point)) for point in self._columns.points]
        )
        self.first_at_ms, self.interval_ms = self._look_ahead(sample)

    def _unit_of(self, point: str) -> str:
        column = self._map.points.get(point)
        return column.unit if column else "none"

    def _look_ahead(self, sample: Sequence[Sequence[str]]) -> tuple[int, int]:
        """Time of the first row, and the interval: as set, or the median of the first rows of the first unit."""
        reader = TimeReader(self._map)
        try:
            first_at_ms = reader.read(sample[0][self._columns.time])
        except (ColumnMapError, IndexError) as error:
            raise SourceError(f"file {self._path}: row 2: {error} [time]") from error
        if self._device.interval_seconds:
            return first_at_ms, round(self._device.interval_seconds * 1000)
        name = self._unit_name(sample[0])
        times = [first_at_ms]
        for row in sample[1:]:
            try:
                if self._unit_name(row) == name:
                    times.append(reader.read(row[self._columns.time]))
            except (ColumnMapError, IndexError):
                continue
        steps = [later - earlier for earlier, later in itertools.pairwise(times) if later > earlier]
        return first_at_ms, round(median(steps)) if steps else _INTERVAL_MS_DEFAULT

    @property
    def units(self) -> tuple[Unit, ...]:
        """Units met so far."""
        return tuple(unit for unit, _ in self._units.values())

    @contextmanager
    def _rows(self) -> Iterator[Iterator[list[str]]]:
        """Rows of the file, the header first.

        Raises:
            SourceError: it cannot be opened or is no text.
        """
        try:
            with open_rows(self._path) as rows:
                yield rows
        except ExportFileError as error:
            raise SourceError(str(error)) from error

    async def run(self, sink: Sink) -> None:
        """Play the file to its end."""
        started = time.monotonic()
        speed = self._device.playback_speed
        times: dict[str, TimeReader] = {}
        newest: dict[str, int] = {}
        played = left_out = 0
        with self._rows() as rows:
            next(rows, None)
            for number, row in enumerate(rows, start=2):
                if not row:
                    continue
                unit_name = self._unit_name(row)
                at_ms = self._time(row, number, times.setdefault(unit_name, TimeReader(self._map)))
                if at_ms is None or not self._in_order(at_ms, newest.get(unit_name), number):
                    left_out += 1
                    continue
                newest[unit_name] = at_ms
                if speed:
                    due = started + (at_ms - self.first_at_ms) / 1000 / speed
                    if due - time.monotonic() > _AHEAD_SECONDS:
                        await asyncio.sleep(due - time.monotonic())
                if played % _ROWS_A_TURN == 0:
                    await asyncio.sleep(0)
                    await sink.room()
                self._take(sink, row, number, unit_name, at_ms)
                played += 1
        LOG.info("file %s: played to its end, %d rows, %d left out", self._path, played, left_out)

    def _time(self, row: Sequence[str], number: int, reader: TimeReader) -> int | None:
        try:
            return reader.read(row[self._columns.time])
        except (ColumnMapError, IndexError) as error:
            why = str(error) if isinstance(error, ColumnMapError) else f"has {len(row)} cells and no time"
            self._health.complain(f"{self.name}:time", f"file {self._path}: row {number}: {why}; the row is left out")
            return None

    def _in_order(self, at_ms: int, before_ms: int | None, number: int) -> bool:
        if before_ms is None or at_ms > before_ms:
            return True
        what = "is there twice" if at_ms == before_ms else "is before the row above"
        self._health.complain(
            f"{self.name}:order:{at_ms == before_ms}",
            f"file {self._path}: row {number}: its time {what}, expected rows in order of time; the row is left out",
        )
        return False

    def _take(self, sink: Sink, row: Sequence[str], number: int, unit_name: str, at_ms: int) -> None:
        known = self._units.get(unit_name)
        if known is None:
            unit = Unit(
                self._next_row(), unit_name, self._layout, self.interval_ms, self._device.title, self._device.location
            )
            named = [Named(point.point, self._unit_of(point.point)) for point in self._columns.points]
            known = self._units[unit_name] = (unit, Reader(named, self._readings.stuck_seconds, 0))
            sink.add_unit(unit)
        unit, reader = known
        values = np.array([self._cell(row, point.position, number) for point in self._columns.points])
        readings = reader.judge(values, at_ms)
        if (readings.quality == Quality.OUT_OF_RANGE).any():
            self._complain_of_range(readings.quality, values, reader, number)
        sink.take(unit, at_ms, readings, 0)

    def _cell(self, row: Sequence[str], position: int, number: int) -> float:
        text = row[position].strip() if position < len(row) else ""
        try:
            return float(text)
        except ValueError:
            pass
        word = text.lower()
        if word in EMPTY:
            return np.nan
        if word in STATES:
            return STATES[word]
        if re.fullmatch(r"[+-]?\d+,\d+", text):
            return float(text.replace(",", "."))
        self._health.complain(
            f"{self.name}:cell:{position}",
            f"file {self._path}: row {number} column {position + 1}: {text!r} is no number; taken as missing",
        )
        return np.nan

    def _complain_of_range(self, quality: Codes, values: Doubles, reader: Reader, number: int) -> None:
        for index in np.flatnonzero(quality == Quality.OUT_OF_RANGE):
            point = self._columns.points[index]
            low, high = (
                (bound - point.convert.offset) / point.convert.factor
                for bound in (reader.low[index], reader.high[index])
            )
            self._health.complain(
                f"{self.name}:{point.point}:range",
                f"file {self._path}: row {number}: {point.point} is {values[index]:.6g} {self._unit_of(point.point)},"
                f" expected {low:.4g} to {high:.4g}; check unit in [points.{point.point}]",
            )

    def _unit_name(self, row: Sequence[str]) -> str:
        position = self._columns.unit
        if position < 0:
            return self._map.unit_id
        text = row[position].strip() if position < len(row) else ""
        # A name stands in topics: letters, digits, _ and - only.
        return re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:63] or "unnamed"
