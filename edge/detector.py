"""Scores frames on the gateway, with the same code as the cloud, and says when an episode opens or clears.

What is scored is what will be sent: every value on the grid of its channel, bad samples left out. So the stream, which
folds the same frames in the same order, comes to the same verdicts bit for bit, and its alerts have the same ids.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edge.framing import ClosedFrame
from models.contracts.frame import Floats, PointShare, as_sent
from models.contracts.layout import Layout
from models.contracts.messages import EdgeAlert, alert_id_for
from models.contracts.settings import load
from models.hvac import episodes, features, unknown
from models.hvac.explain import explain_change
from models.hvac.families import FAMILY, UNKNOWN_FAMILY
from models.hvac.features import STATE_FIELDS, State, fold, gather, grow_state, new_state
from models.hvac.kinds import KINDS, SLOTS_MARK, Kind
from models.hvac.monitor import Monitor, Verdicts
from models.hvac.settings import MonitorSettings
from models.hvac.unknown import UnknownUnit

_REASONS_MAX = 3
_SHARE_MIN = 0.05


class Verdict(NamedTuple):
    """What is known of one frame. `values` (C, n) are those to send; `score` is None where nothing could be scored."""

    values: Floats
    score: float | None
    reasons: tuple[PointShare, ...]


class Judged(NamedTuple):
    """Verdicts in the order of the frames, and what changed."""

    verdicts: list[Verdict]
    alerts: list[EdgeAlert]


class _Saved(msgspec.Struct, array_like=True):
    """The state of all units, as it is kept on the disk."""

    slots_mark: int
    units: tuple[str, ...]
    arrays: dict[str, tuple[str, tuple[int, ...], bytes]]
    unknown: dict[str, bytes]


class Detector:
    """The windows and episodes of all units of one gateway. Not for two threads at once."""

    def __init__(self, monitor: Monitor, site: str, gateway: str) -> None:
        self.monitor = monitor
        self._site = site
        self._gateway = gateway
        self._state: State = new_state(0)
        self._units: list[str] = []
        self._rows: dict[str, int] = {}
        self._positions: dict[int, npt.NDArray[np.intp]] = {}
        # Units of types that we do not know: what each has shown, and as which layout.
        self._unknown: dict[str, UnknownUnit] = {}
        self._saved_unknown: dict[str, bytes] = {}

    @property
    def version(self) -> str:
        """Version of the models, as frames carry it."""
        return self.monitor.version

    def judge(self, frames: Sequence[ClosedFrame]) -> Judged:
        """Fold frames into the state of their units and step the monitor over every minute that ends.

        Args:
            frames: Those of one unit in order of time.
        """
        verdicts = [Verdict(as_sent(frame.values, frame.unit.layout), None, ()) for frame in frames]
        alerts: list[EdgeAlert] = []
        for group in _waves(frames):
            kind = KINDS.get(frames[group[0]].unit.layout.equipment)
            if kind is not None:
                self._judge_group(kind, frames, group, verdicts, alerts)
                continue
            for index in group:
                verdicts[index] = self._judge_unknown(frames[index], verdicts[index], alerts)
        return Judged(verdicts, alerts)

    def _judge_group(
        self,
        kind: Kind,
        frames: Sequence[ClosedFrame],
        group: Sequence[int],
        verdicts: list[Verdict],
        alerts: list[EdgeAlert],
    ) -> None:
        rows = np.array([self._row(frames[index].unit.name) for index in group], dtype=np.intp)
        of_row = dict(zip(rows.tolist(), group, strict=True))
        values = gather(
            np.stack([verdicts[index].values for index in group]),
            np.stack([frames[index].quality for index in group]),
            self._columns(kind, frames[group[0]].unit.layout),
        )
        times = np.array([frames[index].measured_at_ms for index in group], dtype=np.int64)
        intervals = np.array([frames[index].unit.interval_ms for index in group], dtype=np.int64)
        for minutes in fold(self._state, kind, rows, times, intervals, values):
            seen = self.monitor.step(self._state, minutes)
            changes = episodes.decide(self._state, seen, self.monitor.settings.episodes)
            for place, row in enumerate(seen.rows.tolist()):
                if math.isfinite(seen.anomaly_score[place]):
                    score, reasons = float(seen.anomaly_score[place]), _top(kind, seen.point_shares[place])
                    verdicts[of_row[row]] = verdicts[of_row[row]]._replace(score=score, reasons=reasons)
            alerts += [self._alert(change, seen) for change in changes]

    def _judge_unknown(self, frame: ClosedFrame, verdict: Verdict, alerts: list[EdgeAlert]) -> Verdict:
        """One frame of a unit of unknown type: what its own first days make of it."""
        name, layout = frame.unit.name, frame.unit.layout
        unit = self._unknown.get(name)
        if unit is None or unit.layout.id != layout.id:
            unit = self._unknown[name] = UnknownUnit.restore(self._saved_unknown.pop(name, b""), layout)
        seen = unit.take(verdict.values, frame.quality, frame.measured_at_ms, frame.unit.interval_ms)
        alerts += [
            EdgeAlert(
                site=self._site,
                gateway=self._gateway,
                unit=name,
                alert_id=alert_id_for(self._site, name, unknown.RULE, change.opened_at_ms),
                transition=change.transition,
                family=UNKNOWN_FAMILY,
                rule=unknown.RULE,
                severity=FAMILY[UNKNOWN_FAMILY].severity,
                opened_at_ms=change.opened_at_ms,
                measured_at_ms=change.measured_at_ms,
                reasons=change.reasons,
                anomaly_score=change.score,
                model_version=self.version,
            )
            for change in seen.changes
        ]
        shares = tuple(PointShare(reason.name, reason.share or 0.0) for reason in seen.reasons)
        return verdict._replace(score=seen.score, reasons=shares)

    def _alert(self, change: episodes.EpisodeChange, seen: Verdicts) -> EdgeAlert:
        unit = self._units[change.row]
        score = float(seen.anomaly_score[change.index])
        return EdgeAlert(
            site=self._site,
            gateway=self._gateway,
            unit=unit,
            alert_id=alert_id_for(self._site, unit, change.rule, change.opened_at_ms),
            transition=change.transition,
            family=change.family,
            rule=change.rule,
            severity=change.severity,
            opened_at_ms=change.opened_at_ms,
            measured_at_ms=int(seen.minute_at_ms[change.index]),
            reasons=explain_change(seen, change),
            anomaly_score=score if math.isfinite(score) else None,
            model_version=self.version,
        )

    def _row(self, unit: str) -> int:
        row = self._rows.get(unit)
        if row is None:
            row = self._rows[unit] = len(self._units)
            self._units.append(unit)
            self._state = grow_state(self._state, len(self._units))
        return row

    def _columns(self, kind: Kind, layout: Layout) -> npt.NDArray[np.intp]:
        found = self._positions.get(layout.id)
        if found is None:
            found = self._positions[layout.id] = features.positions(kind, layout)
        return found

    def save(self) -> bytes:
        """The state of all units, to be kept with the frames that led to it."""
        arrays = {
            name: (array.dtype.str, array.shape, np.ascontiguousarray(array).tobytes())
            for name, array in self._state.items()
        }
        others = self._saved_unknown | {name: unit.save() for name, unit in self._unknown.items()}
        return msgspec.msgpack.encode(_Saved(SLOTS_MARK, tuple(self._units), arrays, others))

    def restore(self, saved: bytes) -> bool:
        """Go on where a detector stopped; False, and nothing changed, if another release wrote this."""
        try:
            kept = msgspec.msgpack.decode(saved, type=_Saved)
            if kept.slots_mark != SLOTS_MARK or kept.arrays.keys() != STATE_FIELDS.keys():
                return False
            state: State = {}
            for name, expected in STATE_FIELDS.items():
                dtype, shape, data = kept.arrays[name]
                if np.dtype(dtype) != np.dtype(expected.dtype) or tuple(shape) != (len(kept.units), *expected.shape):
                    return False
                state[name] = np.frombuffer(data, dtype=expected.dtype).reshape(shape).copy()
        except (msgspec.MsgspecError, ValueError, TypeError):
            return False
        self._state = state
        self._units = list(kept.units)
        self._rows = {unit: row for row, unit in enumerate(self._units)}
        self._unknown, self._saved_unknown = {}, dict(kept.unknown)
        return True


def load_detector(artifact_dir: str, site: str, gateway: str, monitor_file: str = "") -> Detector:
    """A detector with the models of a directory; with an empty name, those that ship with Plenum."""
    thresholds = load(monitor_file, MonitorSettings) if monitor_file else None
    return Detector(Monitor.load(Path(artifact_dir) if artifact_dir else None, thresholds), site, gateway)


def _waves(frames: Sequence[ClosedFrame]) -> Iterator[list[int]]:
    """Frames that can be folded together, by their place: one layout and length, each unit once, its order kept."""
    pending = list(range(len(frames)))
    while pending:
        groups: dict[tuple[int, int], list[int]] = {}
        units: set[str] = set()
        later = []
        for index in pending:
            frame = frames[index]
            if frame.unit.name in units:
                later.append(index)
                continue
            units.add(frame.unit.name)
            groups.setdefault((frame.unit.layout.id, frame.values.shape[1]), []).append(index)
        yield from groups.values()
        pending = later


def _top(kind: Kind, shares: Floats) -> tuple[PointShare, ...]:
    """The points that make up most of a score."""
    best = np.argsort(shares)[::-1][:_REASONS_MAX]
    return tuple(PointShare(kind.points[point], float(shares[point])) for point in best if shares[point] >= _SHARE_MIN)
