"""What a recorded file says of itself: its span and, where its map names a label, the truth of each day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from models.contracts.columnmap import ColumnMap, ColumnMapError, TimeReader, resolve, zone_named
from models.contracts.exportfile import ExportFileError, open_rows


class RecordingError(ValueError):
    """A file that cannot be played, or that its map does not fit."""


@dataclass(slots=True)
class Day:
    """Rows of one local day, and how many of them the label calls faulty; `families` are of alerts open in it."""

    rows: int = 0
    faulty_rows: int = 0
    opened: list[str] = field(default_factory=list)
    families: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Recording:
    """Span and days (by ISO date in the map's zone) of a file; `labelled` tells whether there is a truth."""

    first_at_ms: int
    last_at_ms: int
    labelled: bool
    days: dict[str, Day]


def look_into(file: Path, columns: ColumnMap) -> Recording:
    """Read a file once for its span and its truth; rows whose time cannot be read are the agent's to report.

    Raises:
        RecordingError: no such file, no rows, or the map does not fit.
    """
    try:
        with open_rows(file) as rows:
            header = next(rows, [])
            where = resolve(columns, header, range(len(header)))
            return _summarise(rows, columns, where.time, where.label, file)
    except ExportFileError as error:
        raise RecordingError(str(error)) from error
    except ColumnMapError as error:
        raise RecordingError(f"file {file}: {error}") from error


def _summarise(rows: Iterator[list[str]], columns: ColumnMap, time: int, label: int, file: Path) -> Recording:
    reader, zone = TimeReader(columns), zone_named(columns.zone)
    positive = str(columns.label.positive).strip() if columns.label else ""
    found = Recording(0, 0, label >= 0, {})
    for row in rows:
        try:
            at_ms = reader.read(row[time])
        except (ColumnMapError, IndexError):
            continue
        found.first_at_ms = min(found.first_at_ms or at_ms, at_ms)
        found.last_at_ms = max(found.last_at_ms, at_ms)
        day = found.days.setdefault(datetime.fromtimestamp(at_ms / 1000, zone).date().isoformat(), Day())
        day.rows += 1
        day.faulty_rows += 0 <= label < len(row) and _same(row[label], positive)
    if not found.days:
        raise RecordingError(f"file {file}: no row with a time, expected at least one [map.time]")
    return found


def _same(cell: str, positive: str) -> bool:
    """Whether a label cell is the positive value: `1` and `1.0` are."""
    try:
        return float(cell) == float(positive)
    except ValueError:
        return cell.strip() == positive


def place_alerts(recording: Recording, alerts: Sequence[dict[str, Any]], zone: str) -> None:
    """Note each alert on the day on which it opened and on every day on which it stood."""
    local = zone_named(zone)
    for alert in alerts:
        opened = datetime.fromtimestamp(alert["opened_at_ms"] / 1000, local).date().isoformat()
        cleared_at_ms = alert["cleared_at_ms"] or recording.last_at_ms
        cleared = datetime.fromtimestamp(cleared_at_ms / 1000, local).date().isoformat()
        for date, day in recording.days.items():
            if date == opened:
                day.opened.append(f"{alert['family'].replace('_', ' ')} ({alert['rule']})")
            if opened <= date <= cleared:
                day.families.add(alert["family"])
