"""Rows become frames exactly as a gateway cuts them: 60 slots on a grid of equal intervals from the first sample on. Pure.

    rows      .    .         .    .   ..       each goes to the slot that is nearest; a second one for a slot is left out
    frame     [ 0    1    -    3    4  ]       a slot without a row is missing, never 0

What is scored here is therefore what gateway and stream score of the same rows, bit for bit; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.hvac.backtest.export import Export, Floats, Ints, Rows

SAMPLES = 60  # of a frame, the gateway's own default
_INTERVAL_MS_DEFAULT = 60_000
_LOOK_AHEAD_ROWS = 200
# A unit whose own interval is as near to the file's has that one, and some jitter.
_SAME_FRACTION = 0.1
# Units that are worked on together: enough for numpy to be fast, few enough for the arrays to stay small.
_UNITS_MAX = 2_048


@dataclass(slots=True)
class Cut:
    """Rows of an export in their frames; one entry a row that has a place. `left_out` counts those that have none."""

    row: Rows  # place among the export's ordered rows
    frame: Rows
    slot: Rows
    # one entry a frame
    unit: Rows
    rank: Rows  # the how-manieth frame of its unit
    length: Rows
    start_ms: Ints
    interval_ms: Ints  # one entry a unit
    left_out: int


@dataclass(slots=True)
class Block:
    """At most one frame of each of some units, all of one length: `values` (k, C, n)."""

    unit: Rows
    start_ms: Ints
    interval_ms: Ints
    values: Floats


def cut(export: Export) -> Cut:
    """Cut every unit's rows into frames."""
    units = len(export.units)
    interval_ms = np.full(units, _INTERVAL_MS_DEFAULT, dtype=np.int64)
    usual_ms = _interval_of_file(export)
    parts: list[tuple[Rows, Rows, Rows]] = []  # rows, frame within the unit, slot
    starts: list[Ints] = []
    for unit in range(units):
        span = export.slice_of(unit)
        at_ms = export.at_ms[span]
        if len(at_ms) > 1:
            own_ms = max(1, round(float(np.median(np.diff(at_ms)))))
            interval_ms[unit] = usual_ms if abs(own_ms - usual_ms) < _SAME_FRACTION * usual_ms else own_ms
        row, frame, slot = cut_unit(at_ms, int(interval_ms[unit]))
        # Nothing read at all makes no frame.
        alive = np.zeros(int(frame[-1]) + 1 if len(frame) else 0, dtype=bool)
        alive[frame[export.seen[span][row]]] = True
        kept = alive[frame]
        row, frame, slot = row[kept], (np.cumsum(alive) - 1)[frame[kept]], slot[kept]
        parts.append((row + span.start, frame, slot))
        starts.append(at_ms[row[np.flatnonzero(slot == 0)]])
    counts = np.array([len(one) for one in starts], dtype=np.intp)
    before = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
    frame = np.concatenate([part[1] + first for part, first in zip(parts, before, strict=True)])
    slot = np.concatenate([part[2] for part in parts])
    length = np.zeros(int(counts.sum()), dtype=np.intp)
    np.maximum.at(length, frame, slot + 1)
    row = np.concatenate([part[0] for part in parts])
    return Cut(
        row=row,
        frame=frame,
        slot=slot,
        unit=np.repeat(np.arange(units), counts),
        rank=np.arange(len(length)) - np.repeat(before, counts),
        length=length,
        start_ms=np.concatenate(starts),
        interval_ms=interval_ms,
        left_out=len(export.row) - len(row),
    )


def _interval_of_file(export: Export) -> int:
    """Time between rows as a gateway that plays the file tells it: from the first rows of its first unit."""
    raw = export.raw
    at_ms = raw.at_ms[:_LOOK_AHEAD_ROWS][raw.unit[:_LOOK_AHEAD_ROWS] == raw.unit[0]]
    steps = np.diff(at_ms)
    steps = steps[steps > 0]
    return max(1, round(float(np.median(steps)))) if len(steps) else _INTERVAL_MS_DEFAULT


def cut_unit(at_ms: Ints, interval_ms: int) -> tuple[Rows, Rows, Rows]:
    """Rows of one unit that have a slot, with the number of their frame and the slot; every frame has its slot 0."""
    n = len(at_ms)
    if n and (np.diff(at_ms) == interval_ms).all():
        every = np.arange(n)
        return every, every // SAMPLES, every % SAMPLES
    rows, frames, slots = [], [], []
    first = number = 0
    while first < n:
        # A slot is the nearest one, so the frame takes in what lies up to half an interval behind its last slot.
        end = int(np.searchsorted(at_ms, at_ms[first] + SAMPLES * interval_ms, side="right"))
        slot = np.rint((at_ms[first:end] - at_ms[first]) / interval_ms).astype(np.intp)
        full = np.flatnonzero(slot >= SAMPLES - 1)
        if len(full):  # the row that fills the frame closes it; one behind it opens the next
            at = int(full[0])
            slot = slot[: at + (slot[at] == SAMPLES - 1)]
        kept = np.flatnonzero(np.diff(slot, prepend=-1) > 0)
        rows.append(kept + first)
        slots.append(slot[kept])
        frames.append(np.full(len(kept), number, dtype=np.intp))
        first += len(slot)
        number += 1
    if not rows:
        none = np.zeros(0, dtype=np.intp)
        return none, none, none
    return np.concatenate(rows), np.concatenate(frames), np.concatenate(slots)


def blocks(export: Export, cut_rows: Cut) -> Iterator[Block]:
    """Frames of many units at a time, each unit's in their order."""
    by_frame = np.argsort(cut_rows.frame, kind="stable")
    begin = np.searchsorted(cut_rows.frame[by_frame], np.arange(len(cut_rows.length) + 1))
    order = np.lexsort((cut_rows.unit, cut_rows.length, cut_rows.rank))
    keys = np.stack([cut_rows.rank[order], cut_rows.length[order]])
    cuts = np.flatnonzero((np.diff(keys, axis=1) != 0).any(axis=0)) + 1
    channels = export.values.shape[1]
    for frames in np.split(order, cuts):
        for first in range(0, len(frames), _UNITS_MAX):
            group = frames[first : first + _UNITS_MAX]
            sizes = begin[group + 1] - begin[group]
            places = np.repeat(np.arange(len(group)), sizes)
            inner = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            entries = by_frame[np.repeat(begin[group], sizes) + inner]
            values = np.full((len(group), channels, int(cut_rows.length[group[0]])), np.nan, dtype=np.float32)
            values[places, :, cut_rows.slot[entries]] = export.values[cut_rows.row[entries]]
            unit = cut_rows.unit[group]
            yield Block(unit, cut_rows.start_ms[group], cut_rows.interval_ms[unit], values)
