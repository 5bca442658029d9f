"""Golden snapshots: the HVAC app's state as each released version wrote it, and what was in it.

    python -m tests.stream.golden.make        writes the files of today's version

Files of former versions stay for ever: every later worker must read them. `NAME.bin` holds the records of the changelog,
`NAME.json` their meaning: keys, and of each column type, shape and checksum of its rows in the order of the keys.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from models.contracts import topics
from models.contracts.codec import mark_historical
from stream.hvac import state
from stream.partition import Partition
from stream.snapshot import SCHEMA, Entry, Snapshots
from stream.table import State, Table
from tests.stream import fleet
from tests.stream.records import Rec

FOLDER = Path(__file__).parent
T0_MS = 1_764_100_000_000
Meaning = dict[str, Any]


def name_of_today() -> str:
    """Of the files that today's version writes."""
    return f"hvac_schema{SCHEMA}_version{state.VERSION}"


def log() -> list[Rec]:
    """Three units: one with a hole in its chain, one faulty, one with historical frames of another gateway."""
    sender, other, out = fleet.Sender(), fleet.Sender(gateway="gw2", epoch=5), list[Rec]()
    for index in range(8):
        for unit in ("ahu-1", "ahu-2", "ahu-3"):
            payload = sender.frame(unit, index, faulty=unit == "ahu-2" and index >= 3)
            if (index, unit) != (6, "ahu-1"):
                out.append(Rec(len(out), T0_MS + 1_000 * index, f"plant/{unit}".encode(), payload))
    for index in range(2):
        payload = mark_historical(other.frame("ahu-3", index))
        out.append(Rec(len(out), T0_MS + 9_000, b"plant/ahu-3", payload))
    return out


def made() -> State:
    """The state after that log, and a unit more that was forgotten."""
    partition = Partition(fleet.app())
    partition.process(topics.FRAMES, log())
    live = partition.state.tables[state.LIVE]
    live.begin()
    live.touch(live.rows(["plant/gone"]))
    live.keep()
    live.remove(live.rows(["plant/gone"]))
    return partition.state


def meaning(one: State) -> Meaning:
    """What a state holds, as it is compared."""
    return {
        "positions": one.positions,
        "times_ms": one.times_ms,
        "tables": {name: _of_table(table) for name, table in one.tables.items()},
    }


def _of_table(table: Table) -> Meaning:
    keys = [key for key in table.keys if key]
    rows = np.array([table.find(key) for key in keys], dtype=np.intp)
    return {
        "keys": keys,
        "columns": {
            name: [column.dtype.str, list(column.shape[1:]), hashlib.sha256(column[rows].tobytes()).hexdigest()]
            for name, column in sorted(table.columns.items())
        },
        "extras": {
            table.keys[row]: hashlib.sha256(msgspec.msgpack.encode(extra)).hexdigest()
            for row, extra in sorted(table.extras.items())
        },
    }


def entries(name: str) -> list[tuple[bytes, bytes | None]]:
    """The records of a golden changelog."""
    return msgspec.msgpack.decode((FOLDER / f"{name}.bin").read_bytes(), type=list[tuple[bytes, bytes | None]])


def expected(name: str) -> Meaning:
    """What they mean."""
    read: Meaning = msgspec.json.decode((FOLDER / f"{name}.json").read_bytes())
    return read


def write(name: str, records: list[Entry], one: State) -> None:
    """Both files."""
    (FOLDER / f"{name}.bin").write_bytes(msgspec.msgpack.encode([tuple(record) for record in records]))
    (FOLDER / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(meaning(one)), indent=1) + b"\n")


if __name__ == "__main__":
    if (FOLDER / f"{name_of_today()}.bin").exists():
        sys.exit(f"{name_of_today()} exists, and must stay as it is; raise the version if columns have changed")
    state_of_today = made()
    written, _ = Snapshots("golden", version=state.VERSION).take(state_of_today)
    write(name_of_today(), written, state_of_today)
