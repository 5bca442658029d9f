"""The ledger: what a broker has taken, in its own file, so that a test can compare it with what came of it.

kind,reason,unit,gateway,epoch,seq        a line for each record that was acknowledged
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TextIO

from simulators.load.disorder import KINDS, Planned
from simulators.load.fleet import LoadFleet


class Entry(NamedTuple):
    """A record that was acknowledged. `reason` is what its dead letter must say; empty for a record that is good."""

    kind: str
    reason: str
    unit: str  # site/unit
    gateway: str
    epoch: int
    seq: int


class Ledger:
    """Counts what was acknowledged, and writes it down if there is a file."""

    def __init__(self, path: Path | None = None) -> None:
        """Begin a ledger.

        Raises:
            OSError: the file cannot be written.
        """
        self.counts: Counter[str] = Counter(dict.fromkeys(KINDS, 0))
        self.payload_bytes = 0
        self._fleet: LoadFleet | None = None
        self._file: TextIO | None = path.open("w", encoding="utf-8") if path is not None else None
        if self._file is not None:
            self._file.write(",".join(Entry._fields) + "\n")

    def begin(self, fleet: LoadFleet) -> None:
        """Whose frames they will be."""
        self._fleet = fleet

    def acknowledged(self, records: Iterable[Planned]) -> None:
        """A broker has these."""
        fleet, file = self._fleet, self._file
        for _, kind, reason, frame in records:
            self.counts[kind] += 1
            self.payload_bytes += len(frame.payload)
            if file is not None and fleet is not None:
                unit, gateway = fleet.keys[frame.unit].decode(), fleet.gateways[frame.gateway]
                file.write(f"{kind},{reason},{unit},{gateway},{fleet.plan.epoch},{frame.seq}\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def read_ledger(path: Path) -> list[Entry]:
    """The lines of a ledger.

    Raises:
        ValueError: it is none.
    """
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        if tuple(next(lines, ())) != Entry._fields:
            raise ValueError(f"ledger {path}: expected a first line {','.join(Entry._fields)}; is it a ledger?")
        return [
            Entry(kind, reason, unit, gateway, int(epoch), int(seq))
            for kind, reason, unit, gateway, epoch, seq in lines
        ]
