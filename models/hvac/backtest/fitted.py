"""Units of type `generic`: a model fitted to the training rows judges the rest; without training rows, as live.

    --train-rows 400   [ fit |  scored, going on learning as live does  ]     rows at their own cadence
    neither            [ the unit's own first days  |  scored           ]     frames, as gateway and stream see them

One run of anomalous rows is one episode.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from models.contracts.frame import as_sent
from models.contracts.messages import alert_id_for
from models.hvac.backtest.export import Doubles, Export, ExportError, Ints, Progress, Rows
from models.hvac.backtest.framing import Cut, cut
from models.hvac.backtest.outcome import Alert, Lists, Outcome, Training
from models.hvac.families import FAMILY, UNKNOWN_FAMILY
from models.hvac.generic import GenericError, GenericSettings, GenericUnit, Scores, fit, fresh, score
from models.hvac.unknown import RULE, live_settings, reasons_of

_ROWS_A_CALL = 65_536
_NAMES_SHOWN = 3


class _Part(NamedTuple):
    """Consecutive samples of a unit and what was said of them; `place` in the export is -1 where a slot has no row."""

    place: Rows
    at_ms: Ints
    values: Doubles
    scores: Scores


def run_generic(
    export: Export, training: Training | None, settings: GenericSettings, site: str, progress: Progress
) -> Outcome:
    """Judge every unit by itself.

    Raises:
        ExportError: no unit has enough rows to learn from.
    """
    run = _Run(export, training, settings, site)
    frames = cut(export) if training is None else None
    failed: dict[str, str] = {}
    for unit, name in enumerate(export.units):
        parts = run.fitted(unit) if frames is None else run.live(unit, frames)
        try:
            for part in parts:
                run.take(name, part)
                progress("judging", max(0, int(part.place.max())) / len(export.row))
        except GenericError as error:
            failed[name] = str(error)
    _complain(run.outcome, failed)
    return run.outcome


class _Run:
    """What came of the units so far."""

    def __init__(self, export: Export, training: Training | None, settings: GenericSettings, site: str) -> None:
        m = len(export.row)
        self._settings, self._site = settings, site
        self._open: Alert | None = None
        self.outcome = Outcome(
            export=export,
            score=np.full(m, np.nan, dtype=np.float32),
            anomalous=np.zeros(m, dtype=bool),
            rules=np.zeros(m, dtype=np.intp),
            tops=np.zeros(m, dtype=np.intp),
            trained=np.zeros(m, dtype=bool) if training is None else training.rows(export),
            rule_lists=Lists(),
            top_lists=Lists(),
            alerts=[],
            version="generic, learned from the file",
        )

    def _sent(self, rows: Rows) -> Doubles:
        """Values of some rows as every receiver would decode them, (n, C)."""
        export = self.outcome.export
        return as_sent(export.values[rows].T, export.raw.layout).T.astype(np.float64)

    def fitted(self, unit: int) -> Iterator[_Part]:
        """Fit to the unit's training rows; judge the others."""
        export = self.outcome.export
        rows = np.arange(*export.slice_of(unit).indices(len(export.row)), dtype=np.intp)
        trained = self.outcome.trained[rows]
        if trained.all():
            raise GenericError("all its rows are training, none is left to judge")
        taught, rest = rows[trained], rows[~trained]
        model = fit(self._sent(taught), export.at_ms[taught], self._settings)
        state = fresh(model)
        for first in range(0, len(rest), _ROWS_A_CALL):
            some = rest[first : first + _ROWS_A_CALL]
            values = self._sent(some)
            yield _Part(some, export.at_ms[some], values, score(model, state, values, export.at_ms[some]))

    def live(self, unit: int, frames: Cut) -> Iterator[_Part]:
        """Let the unit teach itself, from the slots of its frames."""
        export = self.outcome.export
        # Frames, and the rows in them, are in the order of units.
        first, end = np.searchsorted(frames.unit, [unit, unit + 1]).tolist()
        entries = slice(*np.searchsorted(frames.frame, [first, end]).tolist())
        own = slice(first, end)
        length = frames.length[own]
        before = np.cumsum(length) - length
        slot = np.arange(int(length.sum())) - np.repeat(before, length)
        at_ms: Ints = np.repeat(frames.start_ms[own], length) + slot * frames.interval_ms[unit]
        place = np.full(len(slot), -1, dtype=np.intp)
        place[before[frames.frame[entries] - first] + frames.slot[entries]] = frames.row[entries]
        if not len(place):
            raise GenericError("no row holds a reading")
        # A frame may begin a little before the last slot of the one before it: those slots are past already.
        later = np.append(True, at_ms[1:] > np.maximum.accumulate(at_ms)[:-1])
        at_ms, place = at_ms[later], place[later]
        teacher = GenericUnit(live_settings(export.raw.layout, self._settings))
        for begin in range(0, len(place), _ROWS_A_CALL):
            some = place[begin : begin + _ROWS_A_CALL]
            values = self._sent(np.maximum(some, 0))
            values[some < 0] = np.nan
            times = at_ms[begin : begin + _ROWS_A_CALL]
            scores = teacher.take(values, times)
            if scores is not None:
                yield _Part(some, times, values, scores)
        if teacher.learning:
            raise GenericError(
                teacher.why_not
                or f"its first {teacher.settings.learn_days:g} days have not ended in {len(place)} rows;"
                " say --train-rows N or --train-until TIME, or bring a longer file"
            )

    def take(self, name: str, part: _Part) -> None:
        """Keep what was said of some rows of a unit, and its episodes."""
        outcome, layout, scores = self.outcome, self.outcome.export.raw.layout, part.scores
        there = part.place >= 0
        rows = part.place[there]
        outcome.score[rows], outcome.anomalous[rows] = scores.score[there], scores.anomalous[there]
        scored = np.isfinite(scores.score[there])
        outcome.tops[rows] = outcome.top_lists.of_shares(scores.shares[there], layout.points, scored)
        if self._open is not None and self._open.unit != name:
            self._open = None
        was = np.append(self._open is not None, scores.anomalous[:-1])
        for place in np.flatnonzero(scores.anomalous != was).tolist():
            at_ms = int(part.at_ms[place])
            if self._open is not None:
                self._open.cleared_at_ms = at_ms
                self._open = None
                continue
            self._open = Alert(
                alert_id=alert_id_for(self._site, name, RULE, at_ms),
                unit=name,
                family=UNKNOWN_FAMILY,
                rule=RULE,
                opened_at_ms=at_ms,
                cleared_at_ms=None,
                reasons=reasons_of(layout, part.values[place], scores.shares[place]),
                title=FAMILY[UNKNOWN_FAMILY].title,
                severity=FAMILY[UNKNOWN_FAMILY].severity,
            )
            outcome.alerts.append(self._open)


def _complain(outcome: Outcome, failed: dict[str, str]) -> None:
    """Say which units taught nothing; refuse the file if none did."""
    outcome.alerts.sort(key=lambda alert: (alert.opened_at_ms, alert.unit))
    if not failed:
        return
    raw, first = outcome.export.raw, next(iter(failed.values()))
    names = ", ".join(list(failed)[:_NAMES_SHOWN]) + (" and more" if len(failed) > _NAMES_SHOWN else "")
    if len(failed) == len(raw.unit_names):
        raise ExportError(f"{raw.place(0).partition(': row')[0]}: too little to learn from ({names}): {first}")
    outcome.notes.append(f"{len(failed)} of {len(raw.unit_names)} units are not scored ({names}): {first}")
