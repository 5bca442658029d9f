"""What the app remembers of each unit, and in which order frames reach it.

    table     one row a unit
    live      the monitor's state and the unit's place in its chain of frames
    past      the monitor's state of historical frames: scored in silence, never mixed with live state
    unknown   what units of types that we do not know have shown of themselves

A batch becomes waves: the j-th frame of every unit in it, all units worked on together. Units whose frames come in order,
nearly all of them, never leave numpy; the others go through `chain.py` one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
import numpy.typing as npt

from models.contracts import topics
from models.contracts.codec import decode_batch
from models.contracts.frame import FrameBatch, FrameError
from models.contracts.layout import Layout
from models.contracts.messages import EdgeAlert
from models.hvac import features
from stream.app import Batch
from stream.hvac.chain import NO_CHAIN, Extra, Link, Released, UnitChain, chain_id
from stream.table import Columns, Rows, State, Table, TableSpec

# Raise it whenever columns, tables or extras change (`features.STATE_FIELDS` too), and add a golden snapshot:
# `python -m tests.stream.golden.make`.
VERSION = 1
LIVE, PAST, UNKNOWN = "live", "past", "unknown"
NOT_DUE = np.iinfo(np.int64).max
Ints = npt.NDArray[np.int64]


def live_columns(rows: int) -> Columns:
    """Monitor and chain, for so many units."""
    return {
        **features.new_state(rows),
        "chain": np.full(rows, NO_CHAIN, dtype=np.uint64),
        "chain_seq": np.zeros(rows, dtype=np.uint64),
        "chain_measured_at_ms": np.zeros(rows, dtype=np.int64),
        "chain_due_at_ms": np.full(rows, NOT_DUE, dtype=np.int64),
    }


class Learned(msgspec.Struct, frozen=True, array_like=True):
    """What a unit of unknown type has shown, as `UnknownUnit.save` writes it."""

    unit: bytes


TABLES: dict[str, TableSpec] = {
    LIVE: TableSpec(live_columns, Extra),
    PAST: TableSpec(features.new_state),
    UNKNOWN: TableSpec(lambda rows: {"last_measured_at_ms": np.full(rows, -1, dtype=np.int64)}, Learned),
}


@dataclass(slots=True)
class Frames:
    """Decoded frames of one batch, and what is needed to decode one again that had to wait."""

    payloads: Sequence[bytes]
    batches: list[FrameBatch]
    layouts: Mapping[int, Layout]


@dataclass(slots=True)
class Wave:
    """At most one frame a unit: frames `at` (k,) of `batch`, and their rows (k,) in `table`, distinct and ascending."""

    table: Table
    rows: Rows
    batch: FrameBatch
    at: Rows
    live: bool


@dataclass(slots=True)
class EdgeAlerts:
    """What gateways decided by themselves, in the order of the log, each with its unit's kind of equipment."""

    alerts: list[tuple[EdgeAlert, str]]


class _Turn(NamedTuple):
    """A frame whose turn has come: the `rank`-th of its row."""

    row: int
    rank: int
    batch: int
    at: int


@dataclass(slots=True)
class _Order:
    """Frames of one table in the order in which they are folded."""

    turns: list[_Turn] = field(default_factory=list)
    arrays: list[npt.NDArray[np.intp]] = field(default_factory=list)  # (4, k): row, rank, batch, at
    ranks: dict[int, int] = field(default_factory=dict)

    def add(self, row: int, batch: int, at: int) -> None:
        """One more frame for this row."""
        rank = self.ranks.get(row, 0)
        self.ranks[row] = rank + 1
        self.turns.append(_Turn(row, rank, batch, at))

    def waves(self, table: Table, batches: list[FrameBatch], live: bool) -> Iterator[Wave]:
        """The frames, rank by rank, each rank's frames of one layout together."""
        parts = list(self.arrays)
        if self.turns:
            parts.append(np.array(self.turns, dtype=np.intp).T)
        if not parts:
            return
        row, rank, batch, at = np.concatenate(parts, axis=1)
        order = np.lexsort((row, batch, rank))
        row, rank, batch, at = row[order], rank[order], batch[order], at[order]
        cuts = np.flatnonzero((np.diff(rank) != 0) | (np.diff(batch) != 0)) + 1
        for first, end in zip([0, *cuts.tolist()], [*cuts.tolist(), len(row)], strict=True):
            yield Wave(table, row[first:end], batches[batch[first]], at[first:end], live)


def update(state: State, batch: Batch, wait_ms: int) -> Iterator[Wave | EdgeAlerts]:
    """Put a batch into the state.

    Args:
        state: Of one partition.
        batch: Decoded by `app.py`'s decoders.
        wait_ms: How long a missing link is waited for, by the timestamps of the log.
    """
    if batch.topic == topics.EDGE_ALERTS:
        yield EdgeAlerts(batch.items)
    elif batch.topic == topics.FRAMES:
        yield from _update_frames(state, batch.items, batch.timestamps_ms, batch.time_ms, wait_ms)


def _update_frames(state: State, frames: Frames, timestamps_ms: Ints, time_ms: int, wait_ms: int) -> Iterator[Wave]:
    live, past = state.tables[LIVE], state.tables[PAST]
    now_ms = np.maximum(np.maximum.accumulate(timestamps_ms), time_ms)
    batches = list(frames.batches)
    arrived = _Arrived.of(live, frames, timestamps_ms)
    live_order, past_order = _Order(), _Order()
    live.touch(arrived.row)
    disordered = _advance_in_order(live.columns, arrived, live_order)
    # A unit without a frame in this batch may still have waited long enough by now.
    end_ms = int(now_ms[-1])
    for row in np.flatnonzero(live.columns["chain_due_at_ms"][: live.extent] <= end_ms).tolist():
        disordered.setdefault(row, [])
    turns = [
        (row, link, is_live, place)
        for row, members in disordered.items()
        for link, is_live, place in _advance_one(live, row, arrived, members, now_ms, end_ms, wait_ms, frames.payloads)
    ]
    waited = iter(_decode_waited([link.payload for _, link, _, place in turns if place is None], frames, batches))
    for row, _, is_live, place in turns:
        found = next(waited) if place is None else (int(arrived.batch[place]), int(arrived.at[place]))
        if is_live:
            live_order.add(row, *found)
        else:
            past_row = past.rows([live.keys[row]])
            past.touch(past_row)
            past_order.add(int(past_row[0]), *found)
    yield from live_order.waves(live, batches, live=True)
    yield from past_order.waves(past, batches, live=False)


def _decode_waited(payloads: Sequence[bytes], frames: Frames, batches: list[FrameBatch]) -> list[tuple[int, int]]:
    """Decode frames that had waited, into further batches; batch and place of each.

    All of them together: many units begin at once (a new log, gateways after an update), and a frame in a batch of its own
    would be judged alone.
    """
    again = decode_batch(payloads, frames.layouts)
    if again.rejected:
        error = again.rejected[0].error
        # It was readable when it came: its layout was withdrawn.
        raise FrameError(error.reason, f"frame that had waited cannot be decoded: {error}")
    found = [(0, 0)] * len(payloads)
    for batch in again.batches:
        for at, index in enumerate(batch.index.tolist()):
            found[index] = (len(batches), at)
        batches.append(batch)
    return found


@dataclass(slots=True)
class _Arrived:
    """The frames of one batch as arrays of one length, in the order of the log."""

    row: Rows
    chain: npt.NDArray[np.uint64]
    seq: npt.NDArray[np.uint64]
    prior_seq: npt.NDArray[np.uint64]
    measured_at_ms: Ints
    historical: npt.NDArray[np.bool_]
    timestamp_ms: Ints
    index: Rows  # place in the batch of records
    batch: Rows
    at: Rows

    @classmethod
    def of(cls, live: Table, frames: Frames, timestamps_ms: Ints) -> _Arrived:
        """Every frame of these batches."""
        batches = frames.batches
        if not batches:
            none, none_64 = np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.uint64)
            flags = np.zeros(0, dtype=bool)
            return cls(none, none_64, none_64, none_64, none, flags, none, none, none, none)
        index = np.concatenate([batch.index for batch in batches])
        order = np.argsort(index)
        units = [unit for batch in batches for unit in batch.units]
        gateways = [gateway for batch in batches for gateway in batch.gateways]
        epochs = np.concatenate([batch.epoch for batch in batches]).tolist()
        chains = [chain_id(gateway, epoch) for gateway, epoch in zip(gateways, epochs, strict=True)]
        # Rows are given in the order of the log, so that a snapshot does not depend on how batches were cut.
        rows = live.rows([units[place] for place in order.tolist()])

        def column(name: str) -> npt.NDArray[Any]:
            whole: npt.NDArray[Any] = np.concatenate([getattr(batch, name) for batch in batches])[order]
            return whole

        return cls(
            row=rows,
            chain=np.array(chains, dtype=np.uint64)[order],
            seq=column("seq"),
            prior_seq=column("prior_seq"),
            measured_at_ms=column("measured_at_ms"),
            historical=column("historical"),
            timestamp_ms=timestamps_ms[index[order]],
            index=index[order],
            batch=np.repeat(np.arange(len(batches)), [len(batch.units) for batch in batches])[order],
            at=np.concatenate([np.arange(len(batch.units)) for batch in batches])[order],
        )


def _advance_in_order(columns: Columns, arrived: _Arrived, order: _Order) -> dict[int, list[int]]:
    """Advance every unit all of whose frames continue its chain; the frames of the others, by row."""
    if not len(arrived.row):
        return {}
    by_row = np.argsort(arrived.row, kind="stable")
    row = arrived.row[by_row]
    seq, prior_seq, measured = arrived.seq[by_row], arrived.prior_seq[by_row], arrived.measured_at_ms[by_row]
    begins = np.ones(len(row), dtype=bool)
    begins[1:] = row[1:] != row[:-1]
    seq_before = np.empty_like(seq)
    seq_before[1:] = seq[:-1]
    seq_before[begins] = columns["chain_seq"][row[begins]]
    in_order = (
        (arrived.chain[by_row] == columns["chain"][row])
        & (prior_seq <= seq_before)
        & (seq > seq_before)
        & ~arrived.historical[by_row]
        & (columns["chain_due_at_ms"][row] == NOT_DUE)
    )
    starts = np.flatnonzero(begins)
    whole = np.logical_and.reduceat(in_order, starts)
    rank = np.arange(len(row)) - np.repeat(starts, np.diff(starts, append=len(row)))
    if whole.any():
        last = np.append(starts[1:], len(row)) - 1
        rows = row[starts[whole]]
        columns["chain_seq"][rows] = seq[last[whole]]
        newest = np.maximum.reduceat(measured, starts)[whole]
        columns["chain_measured_at_ms"][rows] = np.maximum(columns["chain_measured_at_ms"][rows], newest)
        taken = np.repeat(whole, np.diff(starts, append=len(row)))
        places = by_row[taken]
        order.arrays.append(
            np.stack([row[taken], rank[taken], arrived.batch[places], arrived.at[places]]).astype(np.intp)
        )
    left: dict[int, list[int]] = {}
    for first, end in zip(starts[~whole].tolist(), np.append(starts[1:], len(row))[~whole].tolist(), strict=True):
        left[int(row[first])] = by_row[first:end].tolist()
    return left


def _advance_one(
    live: Table,
    row: int,
    arrived: _Arrived,
    members: list[int],
    now_ms: Ints,
    end_ms: int,
    wait_ms: int,
    payloads: Sequence[bytes],
) -> list[tuple[Link, bool, int | None]]:
    """Take one unit's frames through its chain: what is released, whether live, and its place in this batch if any."""
    live.touch(np.array([row], dtype=np.intp))
    columns = live.columns
    extra = cast("Extra", live.extras.get(row, Extra()))
    unit = UnitChain(
        chain=int(columns["chain"][row]),
        seq=int(columns["chain_seq"][row]),
        measured_at_ms=int(columns["chain_measured_at_ms"][row]),
        waiting=list(extra.waiting),
        holes=list(extra.holes),
        past=list(extra.past),
    )
    places: dict[tuple[int, int], int] = {}
    released: list[Released] = []
    for member in members:
        index = int(arrived.index[member])
        link = Link(
            chain=int(arrived.chain[member]),
            seq=int(arrived.seq[member]),
            prior_seq=int(arrived.prior_seq[member]),
            measured_at_ms=int(arrived.measured_at_ms[member]),
            historical=bool(arrived.historical[member]),
            arrived_at_ms=int(arrived.timestamp_ms[member]),
            payload=payloads[index],
        )
        released += unit.pass_over(int(now_ms[index]), wait_ms)
        places.setdefault((link.chain, link.seq), member)
        released += unit.arrive(link)
    released += unit.pass_over(end_ms, wait_ms)
    columns["chain"][row] = unit.chain
    columns["chain_seq"][row] = unit.seq
    columns["chain_measured_at_ms"][row] = unit.measured_at_ms
    due = unit.due_at_ms(wait_ms)
    columns["chain_due_at_ms"][row] = NOT_DUE if due is None else due
    left = Extra(tuple(unit.waiting), tuple(unit.holes), tuple(unit.past))
    live.set_extra(row, None if left == Extra() else left)
    return [(link, is_live, places.get((link.chain, link.seq))) for link, is_live in released]
