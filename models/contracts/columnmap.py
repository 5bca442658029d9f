"""Column maps: which column of a user's file is which point, in which unit. One format for all lines and commands.

    time = "Datetime"            # ISO 8601, 3/11/2017 0:05 (month first), 11.3.2017 0:05, or epoch seconds or milliseconds
    zone = "America/Los_Angeles" # of times that carry none
    unit_id = "SZCAV"            # or unit_column = "machineID"
    type = "ahu"                 # or "generic": every numeric column is a point
    ignore = ["Comment"]
    [label]
    column = "Ground Truth"
    positive = 1
    [points.supply_air_temperature]
    column = "AHU: Supply Air Temperature"
    unit = "degF"

`resolve` fits a map to the header of a file. Spaces around names count on neither side: exports are full of them.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from models.contracts.equipment import EQUIPMENT
from models.contracts.messages import NAME_PATTERN
from models.contracts.points import POINTS, PointError, check_unit
from models.contracts.settings import Settings, SettingsError, load
from models.contracts.units import Conversion, UnitError, conversion

GENERIC = "generic"


class ColumnMapError(ValueError):
    """A file and its map that do not fit each other, or a cell that cannot be read."""


class PointColumn(Settings, frozen=True):
    """The column of one point, and the unit that the file has it in (`degF`, `%`, `in. w.c.`)."""

    column: str
    unit: str = "none"


class FieldColumn(Settings, frozen=True):
    """The column of one field of a payment or an application."""

    column: str


class LabelColumn(Settings, frozen=True):
    """The column of the truth, and the value in it that means a fault (fraud, default)."""

    column: str
    positive: str | int | float | bool = 1


class ColumnMap(Settings, frozen=True):
    """A map as its file has it. Points are named by the vocabulary, or freely for type `generic`."""

    time: str = ""
    # strptime's format, where a time is none of those that we know.
    time_format: str = ""
    zone: str = "UTC"
    unit_id: str = ""
    unit_column: str = ""
    type: str = "ahu"
    ignore: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    label: LabelColumn | None = None
    points: Mapping[str, PointColumn] = {}
    fields: Mapping[str, FieldColumn] = {}

    def __post_init__(self) -> None:
        if self.unit_id and self.unit_column:
            raise ValueError(
                "unit_id and unit_column are both set; keep the one that tells which unit a row belongs to"
            )
        if self.unit_id and not re.match(NAME_PATTERN, self.unit_id):
            raise ValueError(f"unit_id {self.unit_id!r}: expected letters, digits, _ and -, at most 63")
        if not self.fields and self.type != GENERIC and self.type not in EQUIPMENT:
            near = difflib.get_close_matches(self.type, (*EQUIPMENT, GENERIC), n=1)
            hint = f"did you mean {near[0]!r}" if near else f"known: {', '.join((*EQUIPMENT, GENERIC))}"
            raise ValueError(f"type {self.type!r} is not a kind of equipment; {hint}")
        try:
            zone_named(self.zone)
            for name, point in self.points.items():
                if self.type == GENERIC and name not in POINTS:
                    conversion(point.unit)
                elif name in POINTS:
                    check_unit(POINTS[name], point.unit)
                else:
                    near = difflib.get_close_matches(name, POINTS, n=1)
                    hint = f"did you mean {near[0]!r}" if near else "see `plenum points`, or use type generic"
                    raise PointError(f"point {name!r} is not in the vocabulary; {hint}")
        except (PointError, UnitError, ColumnMapError) as error:
            raise ValueError(str(error)) from error


class ResolvedPoint(NamedTuple):
    """A point and where it stands. Its value is `cell * convert.factor + convert.offset`, in `convert.ours`."""

    point: str
    position: int
    convert: Conversion


class Columns(NamedTuple):
    """Positions in the header; -1 where the map names no such column."""

    time: int
    unit: int
    label: int
    points: tuple[ResolvedPoint, ...]


def load_map(path: Path | str) -> ColumnMap:
    """The map in a TOML file.

    Raises:
        SettingsError: as `settings.load`; unknown points, units and zones included.
    """
    return load(path, ColumnMap)


def resolve(columns: ColumnMap, header: Sequence[str], numeric: Sequence[int] | None = None) -> Columns:
    """Fit a map to the header of a file.

    Args:
        columns: The map.
        header: Column names as the file has them.
        numeric: For type `generic` without points: positions of the columns that hold numbers.

    Raises:
        ColumnMapError: a column that the map names is not there, or is there twice; no point is left.
    """
    names = [name.strip().lstrip("\ufeff") for name in header]

    def find(column: str, where: str) -> int:
        wanted = column.strip()
        count = names.count(wanted)
        if count == 1:
            return names.index(wanted)
        if count:
            raise ColumnMapError(f"column {wanted!r} is {count} times in the header, expected once [{where}]")
        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}" if near else f"the file has {', '.join(map(repr, names[:12]))}"
        raise ColumnMapError(f"column {wanted!r} is not in the file [{where}]; {hint}")

    time = find(columns.time, "time") if columns.time else -1
    unit = find(columns.unit_column, "unit_column") if columns.unit_column else -1
    label = find(columns.label.column, "label.column") if columns.label else -1
    ignored = {find(name, "ignore") for name in columns.ignore} | {time, unit, label}
    points = [
        ResolvedPoint(name, find(point.column, f"points.{name}.column"), conversion(point.unit))
        for name, point in columns.points.items()
    ]
    if not points and columns.type == GENERIC:
        free = [index for index in numeric or () if index not in ignored]
        points = [ResolvedPoint(names[index], index, conversion("none")) for index in free]
    if not points and not columns.fields:
        raise ColumnMapError("map names no points; add [points.NAME] tables, or use type generic")
    return Columns(time, unit, label, tuple(points))


def zone_named(name: str) -> tzinfo:
    """The time zone of this IANA name.

    Raises:
        ColumnMapError: there is none.
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ColumnMapError(f"zone {name!r} is not known; expected an IANA name such as Europe/Berlin") from None


# Month first, as American building systems write it; where a file has the day first, the map says so by time_format.
TIME_FORMATS = (
    "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%y %H:%M", "%m/%d/%Y %I:%M %p", "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S", "%d-%b-%y %I:%M:%S %p",
)  # fmt: skip
_EPOCH_MS_MIN = 1e11


class TimeReader:
    """Turns the time cells of one file into milliseconds UTC, and remembers which format fitted last.

    At the end of summer time an hour comes twice: where a local time steps back within it, the second one is meant. At
    its beginning an hour is left out: a file that has times in it comes from a clock that keeps no summer time, and is
    read so from there on.
    """

    def __init__(self, columns: ColumnMap) -> None:
        self._zone = zone_named(columns.zone)
        self._wanted = columns.time_format
        self._format = columns.time_format
        self._newest_ms: int | None = None
        self._no_summer_time: timedelta | None = None  # the offset of a clock without it, once that is known

    def read(self, text: str) -> int:
        """Milliseconds UTC of one cell.

        Raises:
            ColumnMapError: it is no time that we know.
        """
        text = text.strip()
        at_ms = self._epoch_ms(text)
        if at_ms is None:
            moment = self._moment(text)
            at_ms = self._local_ms(moment) if moment.tzinfo is None else round(moment.timestamp() * 1000)
        self._newest_ms = at_ms if self._newest_ms is None else max(at_ms, self._newest_ms)
        return at_ms

    def _local_ms(self, moment: datetime) -> int:
        first, second = (moment.replace(tzinfo=self._zone, fold=fold) for fold in (0, 1))
        before, after = first.utcoffset() or timedelta(), second.utcoffset() or timedelta()
        if self._no_summer_time is None and before < after:
            self._no_summer_time = before
        if self._no_summer_time is not None:
            return round((moment.replace(tzinfo=UTC) - self._no_summer_time).timestamp() * 1000)
        at_ms = round(first.timestamp() * 1000)
        if before > after and self._newest_ms is not None and at_ms <= self._newest_ms:
            later = round(second.timestamp() * 1000)
            at_ms = later if later > self._newest_ms else at_ms
        return at_ms

    def _epoch_ms(self, text: str) -> int | None:
        if self._wanted:
            return None
        try:
            number = float(text)
        except ValueError:
            return None
        if not math.isfinite(number) or not 1e8 <= abs(number) < 1e14:
            raise ColumnMapError(f"time {text!r} is a number, expected epoch seconds or milliseconds after 1973")
        return round(number if abs(number) >= _EPOCH_MS_MIN else number * 1000)

    def _moment(self, text: str) -> datetime:
        if self._wanted:
            try:
                return datetime.strptime(text, self._wanted)  # noqa: DTZ007 - the zone is the map's
            except ValueError:
                raise ColumnMapError(f"time {text!r} does not fit time_format {self._wanted!r}") from None
        if not self._format:
            try:
                return datetime.fromisoformat(text)
            except ValueError:
                pass
        for known in (self._format, *TIME_FORMATS) if self._format else TIME_FORMATS:
            try:
                moment = datetime.strptime(text, known)  # noqa: DTZ007 - the zone is the map's
            except ValueError:
                continue
            self._format = known
            return moment
        raise ColumnMapError(
            f"time {text!r} is none that we know; expected ISO 8601 or M/D/YYYY H:MM, or set time_format in the map"
        )


__all__ = [
    "TIME_FORMATS",
    "ColumnMap",
    "ColumnMapError",
    "Columns",
    "FieldColumn",
    "LabelColumn",
    "PointColumn",
    "ResolvedPoint",
    "SettingsError",
    "TimeReader",
    "load_map",
    "resolve",
    "zone_named",
]
