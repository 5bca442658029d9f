r"""LBNL's air handlers, one system held against the other: what was chosen on the one judges the days of the other.

`MZVAV-2-2` is a multi-zone VAV unit (26 days, 13 faulty: damper stuck, heating valve leaking, cooling valve stuck),
`SZCAV` a real single-zone constant-volume unit (15 days, 14 faulty: damper stuck or leaking, valves stuck or leaking). The
label is one a day: a fault was put in or taken out between days, so each day is a unit met anew and knows of no other day.

A day's score is the largest imbalance (`balances`) that has stood for a quarter of an hour without a break; it only ever
grows. A minute is called faulty once the score of its day so far has reached the threshold, by nothing that comes later.

    imbalance    __/\__/‾‾‾‾‾\______/\____         1 = the stated tolerance
    score        ________/‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾‾
    verdict      0 0 0 0 0 1 1 1 1 1 1 1 1

All that is learned is the threshold, on the system of the other side. Stated tolerances are the prior: of the thresholds
that are within one standard error of the best on the training days, the nearest to 1 is taken (one-standard-error rule).
Rows are never split at random: the minutes of a day are next to copies of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from models.contracts.columnmap import load_map
from models.contracts.figures import Figure
from models.hvac import episodes, features
from models.hvac.backtest import reader as backtest
from models.hvac.backtest.plausible import prepare
from models.hvac.evaluation.balances import BALANCES, balances
from models.hvac.features import Minutes
from models.hvac.kinds import KINDS
from models.hvac.monitor import Monitor
from models.hvac.points import Bools, Floats, P
from models.hvac.settings import RuleSettings

MINUTES = 1440
MAPS_DIR = Path(__file__).parents[3] / "examples"
SYSTEMS = {"sim": ("MZVAV-2-2.csv.gz", "mzvav.toml"), "real": ("SZCAV.csv.gz", "szcav.toml")}
HELD_MINUTES = 15
# Guideline 36 (5.16.14) lets an outdoor sensor that is not at the intake be off by 2.5 times what the others may.
SETTINGS = RuleSettings(outdoor_air_error_celsius=1.6)
THRESHOLDS = 2.0 ** np.arange(-1, 2.25, 0.25)
_SEED, _BOOTSTRAPS, _MINUTE_MS, _DAY_MS = 7, 1000, 60_000, 86_400_000


class LbnlError(ValueError):
    """A file that is not the recording it should be."""


class Recording(NamedTuple):
    """Whole days of one unit: points of an air handler in our units, shape (D, 1440, P), and the label of each day (D,)."""

    values: Floats
    faulty: Bools


def read(path: Path, map_path: Path) -> Recording:
    """A labelled recording as a gateway would have read it.

    Raises:
        SettingsError, ExportError: the map or the file, as for any backtest.
        LbnlError: a day is not whole, or its label changes within it.
    """
    # The days are those of the file's own clock, whatever zone that stood in.
    columns = msgspec.structs.replace(load_map(map_path), zone="UTC")
    export = prepare(backtest.read([path], columns))
    days, day = np.unique(export.at_ms // _DAY_MS, return_inverse=True)
    minute = export.at_ms // _MINUTE_MS % MINUTES
    label = np.full((len(days), MINUTES), -1, dtype=np.int8)  # not told
    if export.raw.truth is not None:
        label[day, minute] = export.raw.truth[export.row]
    for index in np.flatnonzero((label < 0).any(axis=1) | (label != label[:, :1]).any(axis=1)):
        told = np.count_nonzero(label[index] >= 0)
        raise LbnlError(
            f"file {path}: day {np.datetime64(int(days[index]), 'D')} has {told} labelled minutes, "
            f"{np.count_nonzero(label[index] == 1)} of them faulty, expected {MINUTES} of one label"
        )
    values = np.full((len(days), MINUTES, P), np.nan, dtype=np.float32)
    for point, column in zip(export.raw.layout.points, export.values.T, strict=True):
        values[day, minute, KINDS["ahu"].slot[point]] = column
    return Recording(values, label[:, 0] == 1)


def scores(recording: Recording, settings: RuleSettings = SETTINGS) -> Floats:
    """Score of each day so far, shape (D, 1440); 0 until something has stood."""
    days = len(recording.values)
    state = features.new_state(days)
    last = np.full((days, len(BALANCES), HELD_MINUTES), -np.inf, dtype=np.float32)
    score = np.zeros((days, MINUTES), dtype=np.float32)
    for minute, one in enumerate(_minutes(recording)):
        off = balances(features.observe(state, one, settings), settings)
        # A minute without verdict neither adds to what has stood nor ends it.
        judged = ~np.isnan(off)
        last[judged] = np.concatenate([last[judged][:, 1:], off[judged][:, None]], axis=1)
        score[:, minute] = last.min(axis=2).max(axis=1)
    grown: Floats = np.maximum.accumulate(score.clip(0), axis=1)
    return grown


def _minutes(recording: Recording) -> Iterator[Minutes]:
    """The same minute of every day, each day in a row of its own."""
    rows = np.arange(len(recording.values), dtype=np.intp)
    whole = np.ones(len(rows), dtype=np.float32)
    for minute in range(MINUTES):
        at_ms = np.full(len(rows), _DAY_MS + minute * _MINUTE_MS, dtype=np.int64)
        yield Minutes(KINDS["ahu"], rows, at_ms, recording.values[:, minute], whole)


def alarms(recording: Recording, monitor: Monitor) -> Bools:
    """Whether the shipped monitor, trained on neither system, has opened an episode today, shape (D, 1440)."""
    state = features.new_state(len(recording.values))
    opened = np.zeros((len(recording.values), MINUTES), dtype=bool)
    for minute, one in enumerate(_minutes(recording)):
        for change in episodes.decide(state, monitor.step(state, one), monitor.settings.episodes):
            opened[change.row, minute:] |= change.transition == "opened"
    return opened


def macro_f1(verdict: Bools, faulty: Bools) -> float:
    """Mean of the F1 of faulty and of healthy minutes.

    Args:
        verdict: Shape (D, n).
        faulty: Label of each day, shape (D,).
    """
    return (class_f1(verdict, faulty) + class_f1(~verdict, ~faulty)) / 2


def class_f1(verdict: Bools, positive: Bools) -> float:
    """F1 of one class over minutes: verdict (D, n), positive (D,)."""
    truth = np.broadcast_to(positive[:, None], verdict.shape)
    hits, called, true = (int(np.count_nonzero(flags)) for flags in (verdict & truth, verdict, truth))
    return 2 * hits / max(called + true, 1)


def choose(score: Floats, faulty: Bools) -> float:
    """The threshold that days of one system suggest: the nearest to 1 that is within one standard error of their best."""
    reached = np.array([macro_f1(score >= threshold, faulty) for threshold in THRESHOLDS])
    best = int(reached.argmax())
    verdict = score >= THRESHOLDS[best]
    error = np.std([macro_f1(verdict[days], faulty[days]) for days in _resampled(faulty)])
    near = np.flatnonzero(reached >= reached[best] - error)
    return float(THRESHOLDS[near[np.abs(np.log(THRESHOLDS[near])).argmin()]])


def _resampled(faulty: Bools) -> Iterator[npt.NDArray[np.intp]]:
    """Days drawn again, faulty and healthy ones each among themselves: how many of each there are was decided by whoever
    planned the recording."""
    draw = np.random.default_rng(_SEED)
    classes = [np.flatnonzero(faulty), np.flatnonzero(~faulty)]
    for _ in range(_BOOTSTRAPS):
        yield np.concatenate([draw.choice(days, len(days)) for days in classes])


def figures(data_dir: Path, maps_dir: Path = MAPS_DIR) -> list[Figure]:
    """Both directions, and all days of both systems together.

    Args:
        data_dir: The folder `hvac` of the data sets.
        maps_dir: Where the maps of the two files are.
    """
    days = {name: read(data_dir / "lbnl_ahu" / file, maps_dir / map_file) for name, (file, map_file) in SYSTEMS.items()}
    faulty = {name: recording.faulty for name, recording in days.items()}
    score = {name: scores(recording) for name, recording in days.items()}
    found, called = [], {}
    for train, test in (("sim", "real"), ("real", "sim")):
        threshold = choose(score[train], faulty[train])
        verdict = called[test] = score[test] >= threshold
        name = f"lbnl.{train}_to_{test}"
        found += [
            _figure(f"{name}.f1", macro_f1, verdict, faulty[test]),
            _figure(f"{name}.f1_faulty", class_f1, verdict, faulty[test]),
            # What it would be if a whole day were known before its minutes are judged.
            _figure(f"{name}.f1_whole_day", macro_f1, verdict[:, -1:], faulty[test]),
            Figure(f"{name}.threshold", threshold, "tolerances"),
        ]
    every = np.concatenate([verdict[:, -1:] for verdict in called.values()])
    found.append(
        _figure("lbnl.day_accuracy", balanced_accuracy, every, np.concatenate([faulty[name] for name in called]))
    )
    # What hangs on the outdoor sensor: the same with one that is held to be as exact as the others.
    exact = {name: scores(recording, RuleSettings()) for name, recording in days.items()}
    for train, test in (("sim", "real"), ("real", "sim")):
        verdict = exact[test] >= choose(exact[train], faulty[train])
        found.append(_figure(f"lbnl.{train}_to_{test}.f1_outdoor_exact", macro_f1, verdict, faulty[test]))
    monitor = Monitor.load()
    shipped = {name: alarms(recording, monitor) for name, recording in days.items()}
    found += [_figure(f"lbnl.shipped_monitor.{name}.f1", macro_f1, shipped[name], faulty[name]) for name in shipped]
    return found


def balanced_accuracy(verdict: Bools, faulty: Bools) -> float:
    """Mean of the shares of faulty and of healthy days that are called so: verdict (D, 1), faulty (D,)."""
    right = verdict[:, 0] == faulty
    return float(right[faulty].mean() + right[~faulty].mean()) / 2


def _figure(name: str, measure: Callable[[Bools, Bools], float], verdict: Bools, faulty: Bools) -> Figure:
    """A measure over days with its 95 % interval by bootstrap."""
    drawn = [measure(verdict[days], faulty[days]) for days in _resampled(faulty)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Figure(name, measure(verdict, faulty), "fraction", float(low), float(high))
