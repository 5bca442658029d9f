"""What the dashboard draws: samples, minute and hour means, health. One small interface, an embedded store behind it.

Every method blocks; call it in a thread from asyncio. Reading and writing may happen at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from cloud.ledger import EpochRecord, StoredFrame
from cloud.settings import HistorySettings
from models.contracts.frame import Codes, Floats, FrameBatch
from models.contracts.layout import Layout
from models.contracts.messages import GatewayStatus, Health, LayoutMessage

Resolution = Literal["raw", "1m", "1h"]


class HistoryError(RuntimeError):
    """The store cannot be used; nothing of the call was stored."""


class Traces(NamedTuple):
    """Samples or means of some points of one unit, in time order.

    A gap is one column of NaN, one step after the last sample before it: a line drawn through `values` breaks there.
    """

    points: tuple[str, ...]
    units: tuple[str, ...]  # of measurement, one a point
    at_ms: npt.NDArray[np.int64]  # (t,); start of the minute or hour for means
    values: Floats  # (points, t)
    quality: Codes | None = None  # (points, t) for `raw` where a sample is not good; means hold good samples only


class StoredStatus(NamedTuple):
    """A gateway's status and when it came, wall time."""

    status: GatewayStatus
    received_at_ms: int


class LatestUnit(NamedTuple):
    """The newest that is stored of one unit, to start the live picture from."""

    layout: LayoutMessage
    measured_at_ms: int | None  # of the newest sample
    values: dict[str, float | None]
    health: Health | None


class History(Protocol):
    """What every store can do. Units are named by `site/unit`, gateways by `site/gateway`."""

    def write_frames(self, batches: Sequence[FrameBatch], received_at_ms: int) -> list[StoredFrame]:
        """Store frames in one commit; those that are stored already are recognised, counted and left alone.

        Returns:
            Every frame of the batches: all of them are stored when this returns.
        """
        ...

    def write_layouts(self, layouts: Sequence[LayoutMessage]) -> None:
        """Store what units are; the newest of a unit counts."""
        ...

    def write_gateways(self, statuses: Sequence[StoredStatus]) -> None:
        """Store the newest status of each gateway and epoch, and every gap that was ever reported."""
        ...

    def write_health(self, health: Sequence[Health], received_at_ms: int) -> None:
        """Store the states of units; a state of the same unit and time takes the place of the one before."""
        ...

    def traces(
        self, unit_key: str, points: Sequence[str], from_ms: int, to_ms: int, resolution: Resolution = "raw"
    ) -> Traces:
        """What was measured from `from_ms` to before `to_ms`, plant's time.

        Args:
            points: Names; empty for all that the unit has. A point that the unit lacks is left out.
        """
        ...

    def health(self, unit_key: str, from_ms: int, to_ms: int) -> list[Health]:
        """States of a unit from `from_ms` to before `to_ms`, plant's time, in time order."""
        ...

    def layouts(self) -> dict[int, Layout]:
        """Every layout that a unit ever had, by id."""
        ...

    def latest(self) -> list[LatestUnit]:
        """The newest of every unit that has a layout."""
        ...

    def gateways(self) -> list[StoredStatus]:
        """Statuses by gateway and epoch, in the order in which they came."""
        ...

    def epochs(self) -> list[EpochRecord]:
        """Which frames are stored, and the gaps reported: what the ledger starts from."""
        ...

    def double_counted(self) -> dict[tuple[str, int], int]:
        """Frames stored more than once, by gateway and epoch, found by counting: empty, or a fault of ours."""
        ...

    def prune(self, now_ms: int) -> int:
        """Delete what came in before the days to keep; how many rows went.

        Args:
            now_ms: Wall time.
        """
        ...

    def close(self) -> None:
        """Finish and let go of the files."""
        ...


def open_history(data_dir: Path, settings: HistorySettings) -> History:
    """The embedded store, one SQLite file in `data_dir`.

    Raises:
        HistoryError: the file cannot be opened, or a newer version wrote it.
    """
    from cloud.history.sqlite import SqliteHistory

    return SqliteHistory(data_dir / "history.sqlite", settings)
