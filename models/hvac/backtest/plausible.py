"""From the rows of a file to what a gateway would have believed: in order, in our units, each bad value flagged. Pure.

    order      rows of each unit by time; a step back or a time that comes twice is refused, or mended by `sort`
    quality    out of range, stuck ──▶ missing; counted, and said with the first place

The same rules as `edge/readings.py`, over whole columns; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from models.contracts.columnmap import GENERIC
from models.contracts.points import POINTS
from models.contracts.units import conversion
from models.hvac.backtest.export import Bools, Doubles, Export, ExportError, Floats, Ints, Raw, Rows

# Temperatures and humidities that stay bit for bit the same for so long are stuck: the gateway's own default.
STUCK_SECONDS = 21_600
# Of the readings of a point: more out of range than this is most likely a wrong unit in the map.
_WRONG_UNIT_FRACTION = 0.2
# A step in time that is so much longer or shorter than usual is worth saying, and a gap is so many steps long.
_IRREGULAR_FRACTION, _GAP_STEPS = 0.5, 10


def prepare(raw: Raw, sort: bool = False) -> Export:
    """Put rows in order and judge every value.

    Args:
        raw: The file.
        sort: Put rows in order of time; of rows with one time the first is taken, the others stay unscored.

    Raises:
        ExportError: rows are not in order, a time comes twice, or no point has a number that can be believed.
    """
    row, starts = _order(raw, sort)
    at_ms = raw.at_ms[row]
    _note_irregular(raw, row, at_ms)
    values = np.empty((len(row), len(raw.columns)), dtype=np.float32)
    seen = np.zeros(len(row), dtype=bool)
    first_of_unit = np.zeros(len(row), dtype=bool)
    first_of_unit[starts[:-1][starts[:-1] < len(row)]] = True
    for number in range(len(raw.columns)):
        ordered = raw.columns[number][row]
        seen |= ~np.isnan(ordered)
        values[:, number] = _believed(raw, number, ordered, row, at_ms, first_of_unit)
    if not np.isfinite(values).any():
        names = ", ".join(raw.layout.points[:6])
        raise ExportError(
            f"{raw.place(0)}: no point has a number that can be believed ({names}); check columns and units in the map"
        )
    empty = [name for name, column in zip(raw.layout.points, values.T, strict=True) if not np.isfinite(column).any()]
    if empty:
        raw.notes.append(f"without any number that can be believed: {', '.join(empty)}; nothing is judged by them")
    return Export(raw, row, starts, at_ms, values, seen)


def _order(raw: Raw, sort: bool) -> tuple[Rows, Rows]:
    """Rows unit by unit, and where each unit begins."""
    n = len(raw.at_ms)
    row: Rows = np.lexsort((raw.at_ms, raw.unit)) if sort else np.argsort(raw.unit, kind="stable")
    step = np.diff(raw.at_ms[row])
    same_unit = np.diff(raw.unit[row]) == 0
    back, twice = np.flatnonzero((step < 0) & same_unit), np.flatnonzero((step == 0) & same_unit)
    if len(back) and (not len(twice) or back[0] < twice[0]):
        raise ExportError(_out_of_order(raw, row, int(back[0]), "is before that of", len(back)))
    if len(twice) and not sort:
        raise ExportError(_out_of_order(raw, row, int(twice[0]), "is also that of", len(twice)))
    if len(twice):
        raw.notes.append(
            f"{len(twice)} rows have a time that their unit had already, the first at {raw.place(int(row[twice[0] + 1]))};"
            " they are left unscored"
        )
        keep = np.ones(n, dtype=bool)
        keep[twice + 1] = False
        row = row[keep]
    starts = np.searchsorted(raw.unit[row], np.arange(len(raw.unit_names) + 1)).astype(np.intp)
    return row, starts


def _out_of_order(raw: Raw, row: Rows, place: int, how: str, count: int) -> str:
    first, second = int(row[place]), int(row[place + 1])
    unit = raw.unit_names[raw.unit[second]]
    return (
        f"{raw.place(second)} column {raw.time_column!r}: {time_text(int(raw.at_ms[second]))} {how} the row before it"
        f" of {unit} ({time_text(int(raw.at_ms[first]))}, {raw.place(first).rpartition(': ')[2]}), {count} such rows;"
        " expected rows in order of time, each time once; --sort puts them in order and leaves repeated times unscored"
    )


def _note_irregular(raw: Raw, row: Rows, at_ms: Ints) -> None:
    """Say where steps in time are not their unit's usual one, and how long the longest gap is."""
    unit = raw.unit[row]
    places = np.flatnonzero(np.diff(unit) == 0)
    steps = np.diff(at_ms)[places]
    if not len(steps):
        return
    usual = np.ones(len(raw.unit_names))
    begins = np.flatnonzero(np.append(True, np.diff(unit[places]) != 0))
    for first, end in zip(begins.tolist(), [*begins[1:].tolist(), len(steps)], strict=True):
        usual[unit[places[first]]] = float(np.median(steps[first:end]))
    apart = np.abs(steps / usual[unit[places]] - 1)
    odd = np.flatnonzero(apart > _IRREGULAR_FRACTION)
    if not len(odd):
        return
    longest = int(steps.argmax())
    gaps = int((apart > _GAP_STEPS).sum())
    raw.notes.append(
        f"{len(odd)} of {len(steps)} steps in time are not the usual ones of their unit, the first before"
        f" {raw.place(int(row[places[odd[0]] + 1]))}; {gaps} are gaps of more than {_GAP_STEPS} steps, the longest"
        f" {_length_text(int(steps[longest]))} before {raw.place(int(row[places[longest] + 1]))}"
    )


def _length_text(length_ms: int) -> str:
    seconds = length_ms / 1000
    for size, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds:g} seconds"


def time_text(at_ms: int) -> str:
    """An instant as people read it, UTC."""
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(sep=" ", timespec="milliseconds")
    return text.replace(".000", "").replace("+00:00", " UTC")


def _believed(raw: Raw, number: int, ordered: Doubles, row: Rows, at_ms: Ints, first_of_unit: Bools) -> Floats:
    """One point in our units, NaN where it is missing, out of range or stuck."""
    channel, unit = raw.layout.channels[number], raw.file_units[number]
    how = conversion(unit)
    ours = ordered * how.factor + how.offset
    there = ~np.isnan(ours)
    good = there.copy()
    known = POINTS.get(channel.point)
    if known is not None:
        with np.errstate(invalid="ignore"):
            wrong = (ours < known.low) | (ours > known.high)
        good &= ~wrong
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            low, high = ((bound - how.offset) / how.factor for bound in (known.low, known.high))
            share = int(wrong.sum()) / max(1, int(there.sum()))
            hint = f"; check unit in [points.{channel.point}]" if share > _WRONG_UNIT_FRACTION else ""
            raw.notes.append(
                f"{channel.point}: {int(wrong.sum())} of {int(there.sum())} values out of range, taken as missing;"
                f" the first at {raw.place(int(row[at]))}: {ordered[at]:.6g} {unit}, expected {low:.4g} to {high:.4g}{hint}"
            )
        if moves(channel.point):
            stuck = _stuck(ours, there, at_ms, first_of_unit) & there & ~wrong
            good &= ~stuck
            if stuck.any():
                at = int(np.flatnonzero(stuck)[0])
                raw.notes.append(
                    f"{channel.point}: {int(stuck.sum())} values stuck for {STUCK_SECONDS // 3600} hours or more, taken as"
                    f" missing; the first at {raw.place(int(row[at]))}"
                )
    return np.where(good, ours, np.nan).astype(np.float32)


def moves(point: str) -> bool:
    """Whether a healthy sensor of this point is never still: what is set by somebody, or rests at 0, may be."""
    known = POINTS.get(point)
    if known is None or point.endswith(("_setpoint", "_command")):
        return False
    return known.unit == "celsius" or point.endswith("_relative_humidity")


def _stuck(ours: Doubles, there: Bools, at_ms: Ints, first_of_unit: Bools) -> Bools:
    """Where a unit's value has been the same, bit for bit, for so long."""
    stuck = np.zeros(len(ours), dtype=bool)
    rows = np.flatnonzero(there)
    if not len(rows):
        return stuck
    value, group = ours[rows], np.cumsum(first_of_unit)[rows]
    moved = np.ones(len(rows), dtype=bool)
    moved[1:] = (value[1:] != value[:-1]) | (group[1:] != group[:-1])
    since = at_ms[rows][np.maximum.accumulate(np.where(moved, np.arange(len(rows)), 0))]
    stuck[rows] = at_ms[rows] - since >= STUCK_SECONDS * 1000
    return stuck


def is_generic(raw: Raw) -> bool:
    """Whether the unit is of a type that nobody knows."""
    return raw.layout.equipment == GENERIC
