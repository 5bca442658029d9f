"""Known kinds of equipment: the same fold, monitor and latch as gateway and stream, over all units of a file at once.

    Export ──▶ frames of up to 2,048 units ──▶ fold ──▶ Monitor.step ──▶ episodes.decide
                                                 minute by minute ──▶ verdict of every row of that minute

While a unit is trained on, its own references are learned as live; afterwards they stand as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from models.contracts.frame import as_sent
from models.contracts.messages import alert_id_for
from models.hvac import episodes, features
from models.hvac.backtest.export import Bools, Export, ExportError, Floats, Progress, Rows
from models.hvac.backtest.framing import Cut, blocks, cut
from models.hvac.backtest.outcome import Alert, Lists, Outcome, Training
from models.hvac.explain import explain_change
from models.hvac.features import MINUTE_MS, NEVER, Minutes
from models.hvac.kinds import KINDS, Kind
from models.hvac.monitor import Monitor
from models.hvac.points import P
from models.hvac.settings import MonitorSettings
from models.hvac.verdicts import Verdicts


class _Keys:
    """The minutes in which a unit has rows; every verdict of one goes to all of them."""

    def __init__(self, export: Export, frames: Cut) -> None:
        at_ms = export.at_ms.copy()
        # A row stands in the slot of its frame, which may be a little off its own time.
        interval_ms = frames.interval_ms[frames.unit[frames.frame]]
        at_ms[frames.row] = frames.start_ms[frames.frame] + frames.slot * interval_ms
        minute = at_ms // MINUTE_MS
        unit = np.repeat(np.arange(len(export.units)), np.diff(export.starts))
        self._first = int(minute.min())
        self._span = int(minute.max()) - self._first + 2
        self.keys, self.of_row = np.unique(unit * self._span + (minute - self._first), return_inverse=True)

    def find(self, verdicts: Verdicts) -> tuple[Rows, Rows]:
        """Places of verdicts that have rows, and the keys of those."""
        minute = verdicts.minute_at_ms // MINUTE_MS - self._first
        wanted = verdicts.rows * self._span + minute
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        places = np.flatnonzero(self.keys[at] == wanted)
        return places, at[places]


class _Run:
    """The state of all units, and what came of it so far."""

    def __init__(self, export: Export, kind: Kind, monitors: tuple[Monitor, Monitor], keys: _Keys, site: str) -> None:
        self._export, self._kind, self._site = export, kind, site
        self._learning, self._standing = monitors
        self.keys = keys
        self.state = features.new_state(len(export.units))
        n = len(keys.keys)
        self.score = np.full(n, np.nan, dtype=np.float32)
        self.anomalous = np.zeros(n, dtype=bool)
        self.rules = np.zeros(n, dtype=np.intp)
        self.tops = np.zeros(n, dtype=np.intp)
        self.rule_lists, self.top_lists = Lists(), Lists()
        self.alerts: dict[str, Alert] = {}

    def take(self, minutes: Minutes, training: Training | None) -> None:
        """One minute of some units; units that still teach and units that do not are stepped apart."""
        if training is None:
            self._judge(self._learning, minutes)
            return
        teaches = minutes.minute_at_ms < training.end_ms[minutes.rows]
        for monitor, chosen in ((self._learning, teaches), (self._standing, ~teaches)):
            if chosen.all():
                self._judge(monitor, minutes)
            elif chosen.any():
                self._judge(monitor, _some(minutes, chosen))

    def _judge(self, monitor: Monitor, minutes: Minutes) -> None:
        verdicts = monitor.step(self.state, minutes)
        places, keys = self.keys.find(verdicts)
        self.score[keys] = verdicts.anomaly_score[places]
        self.anomalous[keys] = verdicts.anomalous[places]
        self.rules[keys] = self.rule_lists.of_flags(verdicts.rule_confirmed[places], self._kind.rule_ids)
        scored = np.isfinite(verdicts.anomaly_score[places])
        self.tops[keys] = self.top_lists.of_shares(verdicts.point_shares[places], self._kind.points, scored)
        for change in episodes.decide(self.state, verdicts, monitor.settings.episodes):
            self._note(change, verdicts)

    def _note(self, change: episodes.EpisodeChange, verdicts: Verdicts) -> None:
        unit = self._export.units[change.row]
        alert_id = alert_id_for(self._site, unit, change.rule, change.opened_at_ms)
        known = self.alerts.get(alert_id)
        if known is None:
            family = self._kind.families[self._kind.family_slot[change.family]]
            known = self.alerts[alert_id] = Alert(
                alert_id=alert_id,
                unit=unit,
                family=change.family,
                rule=change.rule,
                opened_at_ms=change.opened_at_ms,
                cleared_at_ms=None,
                reasons=explain_change(verdicts, change),
                title=family.title,
            )
        known.severity = change.severity
        if change.transition == "cleared":
            known.cleared_at_ms = change.cleared_at_ms


def run_known(
    export: Export,
    training: Training | None,
    settings: MonitorSettings,
    artifact_dir: Path | None,
    site: str,
    progress: Progress,
) -> Outcome:
    """Run the monitor over an export of one kind of equipment.

    Raises:
        ArtifactError: a model is missing or failed a check.
        ExportError: times are too irregular.
    """
    kind = KINDS[export.raw.layout.equipment]
    learning = Monitor.load(artifact_dir, settings)
    standing = Monitor.load(artifact_dir, _standing(settings)) if training is not None else learning
    frames = cut(export)
    if frames.left_out > len(export.row) / 2:
        raise ExportError(
            f"{export.raw.place(0).partition(': row')[0]}: {frames.left_out} of {len(export.row)} rows have no slot of"
            f" their own on their unit's grid of {_intervals(frames)}; times too irregular to be judged; bring equal steps"
        )
    positions = features.positions(kind, export.raw.layout)
    run = _Run(export, kind, (learning, standing), _Keys(export, frames), site)
    total, done = len(frames.length), 0
    for block in blocks(export, frames):
        values = features.gather(as_sent(block.values, export.raw.layout), None, positions)
        for minutes in features.fold(run.state, kind, block.unit, block.start_ms, block.interval_ms, values):
            run.take(minutes, training)
        done += len(block.unit)
        progress("judging", done / total)
    for minutes in _last_minutes(run.state, kind):
        run.take(minutes, training)
    of_row = run.keys.of_row
    return Outcome(
        export=export,
        score=run.score[of_row],
        anomalous=run.anomalous[of_row],
        rules=run.rules[of_row],
        tops=run.tops[of_row],
        trained=np.zeros(len(of_row), dtype=bool) if training is None else training.rows(export),
        rule_lists=run.rule_lists,
        top_lists=run.top_lists,
        alerts=sorted(run.alerts.values(), key=lambda alert: (alert.opened_at_ms, alert.unit, alert.rule)),
        version=learning.version,
        notes=_notes(export, kind, frames, run.score),
    )


def _last_minutes(state: features.State, kind: Kind) -> Iterator[Minutes]:
    """Close the minute that each unit's last row left open, as the next sample would have done."""
    rows = np.flatnonzero(state["open_minute"] != NEVER)
    nothing = np.full((len(rows), P, 1), np.nan, dtype=np.float32)
    next_ms = (state["open_minute"][rows] + 1) * MINUTE_MS
    yield from features.fold(state, kind, rows, next_ms, np.full(len(rows), MINUTE_MS), nothing)


def _some(minutes: Minutes, chosen: Bools) -> Minutes:
    return Minutes(
        minutes.kind,
        minutes.rows[chosen],
        minutes.minute_at_ms[chosen],
        minutes.means[chosen],
        minutes.coverage_fraction[chosen],
    )


def _standing(settings: MonitorSettings) -> MonitorSettings:
    """The same settings, under which nothing more is learned of a unit."""
    return msgspec.structs.replace(settings, baseline=msgspec.structs.replace(settings.baseline, minutes_max=0))


def _notes(export: Export, kind: Kind, frames: Cut, score: Floats) -> list[str]:
    """What a reader of the result should know of the times and of what could not be judged."""
    notes = []
    unknown = [point for point in export.raw.layout.points if point not in kind.slot]
    if unknown:
        notes.append(f"{kind.title.lower()}: {', '.join(unknown)} are read by no rule and no model of this type")
    if frames.left_out:
        notes.append(
            f"{frames.left_out} rows have no slot of their own on their unit's grid of"
            f" {_intervals(frames)}; they count as their minute does"
        )
    if kind.spec is not None and not np.isfinite(score).any():
        notes.append("no minute could be scored by the anomaly model; rules alone judge (see which points it needs)")
    return notes


def _intervals(frames: Cut) -> str:
    low, high = int(frames.interval_ms.min()), int(frames.interval_ms.max())
    return f"{low / 1000:g} s" if low == high else f"{low / 1000:g} to {high / 1000:g} s"
