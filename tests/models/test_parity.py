"""Edge, stream and backtest judge the same rows alike: equal scores, bit for bit, minute by minute, and the same alerts.

rows.csv ──▶ CsvSource ──▶ Framer ──▶ Detector         gateway
                              └─▶ frames ──▶ app       stream, its whole core, without Kafka
    └──────▶ reader ──▶ plausible ──▶ framing ──▶ run  backtest
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge.detector import Detector
from edge.framing import ClosedFrame, Framer, Unit
from edge.health import Health
from edge.readings import Readings
from edge.settings import CsvDevice, ReadingSettings
from edge.sources.csvfile import CsvSource
from models.contracts import topics
from models.contracts.codec import encode
from models.contracts.columnmap import ColumnMap
from models.contracts.frame import Frame
from models.contracts.layout import Layout
from models.contracts.messages import AlertEvent, LayoutMessage, decode_json, encode_json
from models.contracts.points import AHU_POINTS, POINTS
from models.hvac.backtest.export import silent
from models.hvac.backtest.framing import SAMPLES
from models.hvac.backtest.outputs import write_scores
from models.hvac.backtest.plausible import prepare
from models.hvac.backtest.reader import read
from models.hvac.backtest.run import run
from models.hvac.features import Minutes, State
from models.hvac.monitor import Monitor
from models.hvac.settings import EpisodeSettings, MonitorSettings
from models.hvac.verdicts import Verdicts
from simulators.hvac.faults import FaultPlan
from simulators.hvac.world import Fleet
from simulators.hvac.world import run as run_fleet
from stream.hvac.app import hvac
from stream.replay import Recorded, Replay
from stream.settings import StreamSettings

START_MS = 1_748_844_000_000  # a Monday in June, 06:00
UNITS = ("north-1", "north-2", "north-3")
MINUTES = 480
SETTINGS = MonitorSettings(episodes=EpisodeSettings(clear_minutes=30))
FOREIGN = {"celsius": ("degF", 1.8, 32.0), "fraction": ("%", 100.0, 0.0)}

# Scores by unit and minute, as their bits.
Scores = dict[tuple[str, int], int]


def _map() -> ColumnMap:
    points = {
        name: {"column": name.upper(), "unit": FOREIGN.get(POINTS[name].unit, (POINTS[name].unit,))[0]}
        for name in AHU_POINTS
    }
    raw = {"time": "Time", "unit_column": "Unit", "type": "ahu", "points": points}
    return msgspec.convert(raw, ColumnMap)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight hours of three air handlers, one with a leaking valve, as a messy export: holes, words, wild values, a gap of
    twenty minutes, a sensor that is stuck, times that are off by seconds, and two rows in one slot."""
    plans = [FaultPlan(1, "heating_valve_leaking", START_MS + 3_600_000, 0.9)]
    fleet = Fleet(3, 5, START_MS, plans, occupied_hours=(0, 24), warmup_hours=2)
    times, values = run_fleet(fleet, MINUTES, 60.0)
    chance = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("parity") / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["Time", "Unit", *(name.upper() for name in AHU_POINTS)])
        for minute, at_ms in enumerate(times.tolist()):
            for unit, name in enumerate(UNITS):
                if unit == 2 and 100 <= minute < 120:
                    continue
                cells = [_cell(point, float(values[minute, unit, c]), chance) for c, point in enumerate(AHU_POINTS)]
                if unit == 0:
                    cells[AHU_POINTS.index("zone_air_temperature")] = "70.25"
                off_ms = int(chance.integers(-4000, 4000)) if unit == 1 else 0
                writer.writerow([at_ms + off_ms, name, *cells])
                if unit == 2 and minute == 200:
                    writer.writerow([at_ms + 10_000, name, *cells])
    return path


def _cell(point: str, value: float, chance: np.random.Generator) -> str:
    draw = chance.random()
    if draw < 0.004:
        return str(chance.choice(["", "n/a", "#VALUE!", "9999"]))
    _, factor, offset = FOREIGN.get(POINTS[point].unit, ("", 1.0, 0.0))
    return f"{value * factor + offset:.6g}"


@contextmanager
def _heard(patch: pytest.MonkeyPatch) -> Iterator[Scores]:
    """Every score that a monitor gives, by unit and minute; rows of all three are in the order of `UNITS`."""
    scores: Scores = {}
    step = Monitor.step

    def listening(self: Monitor, state: State, minutes: Minutes) -> Verdicts:
        verdicts = step(self, state, minutes)
        for row, at_ms, score in zip(verdicts.rows, verdicts.minute_at_ms, verdicts.anomaly_score, strict=True):
            scores[UNITS[row], int(at_ms)] = int(np.float32(score).view(np.uint32))
        return verdicts

    with patch.context() as patched:
        patched.setattr(Monitor, "step", listening)
        yield scores


class _Gateway:
    """Frames as a gateway cuts them."""

    def __init__(self) -> None:
        self.closed: list[ClosedFrame] = []
        self._framers: dict[str, Framer] = {}

    def add_unit(self, unit: Unit) -> None:
        self._framers[unit.name] = Framer(unit, SAMPLES)

    def take(self, unit: Unit, measured_at_ms: int, readings: Readings, jitter_ms: int) -> None:
        self.closed += self._framers[unit.name].add(measured_at_ms, readings, 0, jitter_ms)

    async def room(self) -> None:
        """Always."""

    async def play(self, path: Path) -> list[ClosedFrame]:
        numbers = iter(range(len(UNITS)))
        device = CsvDevice(name="file", path=str(path), map=_map())
        await CsvSource(device, lambda: next(numbers), ReadingSettings(), Health(time.monotonic)).run(self)
        for framer in self._framers.values():
            self.closed += framer.close()
        return self.closed


def _records(frames: list[ClosedFrame], layout: Layout) -> Iterator[Recorded]:
    """The log of a bridge: layouts, then frames."""
    for number, name in enumerate(UNITS):
        message = encode_json(LayoutMessage(site="s", gateway="g", unit=name, layout=layout))
        yield Recorded(topics.LAYOUTS, 0, number, START_MS, f"s/{name}/{layout.id}".encode(), message)
    last: dict[str, int] = {}
    for seq, frame in enumerate(frames, start=1):
        name = frame.unit.name
        sent = Frame(
            "s",
            "g",
            name,
            7,
            seq,
            last.get(name, 0),
            frame.measured_at_ms,
            frame.unit.interval_ms,
            frame.values,
            frame.quality,
        )
        last[name] = seq
        yield Recorded(topics.FRAMES, 0, seq, START_MS + seq * 60_000, f"s/{name}".encode(), encode(sent, layout))


async def test_gateway_stream_and_backtest_give_equal_scores_and_alerts(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = await _Gateway().play(rows)
    layout = frames[0].unit.layout
    monitor = Monitor.load(settings=SETTINGS)

    with _heard(monkeypatch) as at_the_edge:
        edge_alerts = Detector(monitor, "s", "g").judge(frames).alerts
    with _heard(monkeypatch) as in_the_stream:
        outputs = list(Replay(hvac(StreamSettings(), monitor), batch_records=5).run(_records(frames, layout)))
    stream_alerts = [decode_json(out.value, AlertEvent) for _, out in outputs if out.topic == topics.ALERTS]
    export = prepare(read([rows], _map()))
    with _heard(monkeypatch) as in_the_backtest:
        outcome = run(export, settings=SETTINGS, site="s")

    scored = [minute for minute, bits in at_the_edge.items() if np.isfinite(np.uint32(bits).view(np.float32))]
    assert len(scored) > len(UNITS) * MINUTES * 0.8
    assert in_the_stream == at_the_edge
    # A gateway leaves the last minute open until the next sample comes; a backtest knows that none comes.
    last = {minute: bits for minute, bits in in_the_backtest.items() if minute not in at_the_edge}
    assert len(last) == len(UNITS)
    assert {minute: bits for minute, bits in in_the_backtest.items() if minute not in last} == at_the_edge

    said = sorted((alert.alert_id, alert.transition, alert.family, alert.rule) for alert in edge_alerts)
    assert said
    assert sorted((one.alert_id, one.transition, one.family, one.rule) for one in stream_alerts) == said
    for alert in edge_alerts:
        if alert.transition == "opened":
            (ours,) = [one for one in outcome.alerts if one.alert_id == alert.alert_id]
            assert (ours.family, ours.rule, ours.opened_at_ms, ours.reasons) == (
                alert.family, alert.rule, alert.opened_at_ms, alert.reasons,
            )  # fmt: skip
    assert {one.alert_id for one in outcome.alerts} == {alert.alert_id for alert in edge_alerts}
    cleared = {alert.alert_id: alert.measured_at_ms for alert in edge_alerts if alert.transition == "cleared"}
    assert {one.alert_id: one.cleared_at_ms for one in outcome.alerts if one.cleared_at_ms} == cleared

    write_scores(tmp_path / "scores.csv", outcome, silent)
    _check_scores(rows, tmp_path / "scores.csv", in_the_backtest)


def _check_scores(rows: Path, scores: Path, heard: Scores) -> None:
    """Every row of scores.csv stands for the same row of the file, and holds the score of its minute to the last bit."""
    with rows.open(encoding="utf-8") as file, scores.open(encoding="utf-8") as written:
        ours, theirs = list(csv.DictReader(written)), list(csv.DictReader(file))
    assert [(row["unit"], row["measured_at_ms"]) for row in ours] == [(row["Unit"], row["Time"]) for row in theirs]
    for row in ours:
        if row["unit"] != "north-2":  # its times are off by seconds, so a row may stand in the minute beside its own
            bits = heard[row["unit"], int(row["measured_at_ms"]) // 60_000 * 60_000]
            expected = np.uint32(bits).view(np.float32)
            written_score = np.float32(row["anomaly_score"] or "nan")
            assert written_score == expected or (np.isnan(written_score) and np.isnan(expected)), row
