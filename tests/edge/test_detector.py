"""The gateway's verdicts are the cloud's, bit for bit: what is scored is what is sent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge.detector import Detector, load_detector
from edge.framing import ClosedFrame, Unit
from edge.readings import Named, layout_of
from models.contracts.codec import decode, encode
from models.contracts.frame import Frame, Quality
from models.contracts.layout import Layout, layout_for
from models.contracts.messages import EdgeAlert, alert_id_for
from models.contracts.points import AHU_POINTS
from models.hvac import episodes
from models.hvac.features import State, fold, gather, new_state, positions
from models.hvac.kinds import KINDS
from models.hvac.monitor import Monitor
from simulators.hvac.faults import FaultPlan
from simulators.hvac.world import Fleet
from simulators.hvac.world import run as run_fleet

LAYOUT = layout_for("ahu", AHU_POINTS)
INTERVAL_MS = 15_000
START_MS = 1_778_580_000_000
Recording = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]


@pytest.fixture(scope="module")
def monitor() -> Monitor:
    return load_detector("", "s", "g").monitor


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Four hours of three units, one with a leaking valve: values (U, C, T) and their quality, with planted holes."""
    fleet = Fleet(
        3, 5, START_MS, [FaultPlan(1, "heating_valve_leaking", START_MS + 2_400_000, 0.9)], occupied_hours=(0, 24)
    )
    _, values = run_fleet(fleet, 4 * 240, INTERVAL_MS / 1000)
    values = np.ascontiguousarray(values.transpose(1, 2, 0))
    chance = np.random.default_rng(3)
    quality = np.zeros(values.shape, dtype=np.uint8)
    quality[chance.random(values.shape) < 0.01] = Quality.OUT_OF_RANGE
    holes = chance.random(values.shape) < 0.01
    values[holes] = np.nan
    quality[holes] = Quality.MISSING
    return values, quality


def _unit(row: int, layout: Layout = LAYOUT) -> Unit:
    return Unit(row, f"ahu-{row}", layout, INTERVAL_MS)


def _frames(recording: Recording, n: int, first: int = 0, last: int = 10**9) -> list[list[ClosedFrame]]:
    """Frames of n samples of all units, those that close together in one list."""
    values, quality = recording
    return [
        [
            ClosedFrame(
                _unit(row),
                START_MS + at * INTERVAL_MS,
                values[row, :, at : at + n],
                quality[row, :, at : at + n],
                (),
                0,
            )
            for row in range(values.shape[0])
        ]
        for at in range(first, min(last, values.shape[2]), n)
    ]


def _judge(detector: Detector, recording: Recording, n: int) -> list[EdgeAlert]:
    return [alert for frames in _frames(recording, n) for alert in detector.judge(frames).alerts]


def _assert_same(ours: State, theirs: State) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def _cloud(recording: Recording, n: int, monitor: Monitor) -> tuple[State, list[tuple[str, str]]]:
    """What a cloud makes of the encoded frames of each unit, one by one: by the codec and the shared core alone."""
    state = new_state(3)
    seen: list[tuple[str, str]] = []
    where = positions(KINDS["ahu"], LAYOUT)
    for row in range(3):
        for frames in _frames(recording, n):
            closed = frames[row]
            sent = Frame(
                "s", "g", closed.unit.name, 1, 1, 0, closed.measured_at_ms, INTERVAL_MS, closed.values, closed.quality
            )
            frame = decode(encode(sent, LAYOUT), LAYOUT)
            quality = None if frame.quality is None else frame.quality[None]
            values = gather(frame.values[None], quality, where)
            times, intervals = np.array([frame.measured_at_ms]), np.array([INTERVAL_MS])
            for minutes in fold(state, KINDS["ahu"], np.array([row]), times, intervals, values):
                verdicts = monitor.step(state, minutes)
                for change in episodes.decide(state, verdicts, monitor.settings.episodes):
                    unit = f"ahu-{row}"
                    seen.append((alert_id_for("s", unit, change.rule, change.opened_at_ms), change.transition))
    return state, seen


@pytest.mark.parametrize("n", [1, 37, 60])
def test_the_cloud_comes_to_the_same_state_from_the_frames(n: int, recording: Recording, monitor: Monitor) -> None:
    detector = Detector(monitor, "s", "g")
    alerts = _judge(detector, recording, n)
    state, seen = _cloud(recording, n, monitor)
    _assert_same(detector._state, state)
    assert sorted((alert.alert_id, alert.transition) for alert in alerts) == sorted(seen)


def test_how_samples_are_cut_into_frames_changes_nothing(recording: Recording, monitor: Monitor) -> None:
    one, ten = Detector(monitor, "s", "g"), Detector(monitor, "s", "g")
    alerts = _judge(one, recording, 1), _judge(ten, recording, 10)
    _assert_same(one._state, ten._state)
    assert alerts[0] == alerts[1]


def test_a_leaking_valve_is_told_once_and_on_the_right_unit(recording: Recording, monitor: Monitor) -> None:
    alerts = _judge(Detector(monitor, "s", "g"), recording, 60)
    opened = [alert for alert in alerts if alert.transition == "opened"]
    # Which family the models name is theirs to be tested: tests/models/test_monitor.py. Here: once, and on the right unit.
    assert [alert.unit for alert in opened] == ["ahu-1"]
    assert opened[0].reasons, "says why"
    assert opened[0].opened_at_ms > START_MS + 2_400_000


def test_frames_of_one_unit_in_one_batch_keep_their_order(recording: Recording, monitor: Monitor) -> None:
    apart, together = Detector(monitor, "s", "g"), Detector(monitor, "s", "g")
    batches = _frames(recording, 20)
    for frames in batches:
        apart.judge(frames)
    together.judge([frame for frames in batches for frame in frames])
    _assert_same(apart._state, together._state)


def test_a_detector_goes_on_where_it_stopped(recording: Recording, monitor: Monitor) -> None:
    whole, first = Detector(monitor, "s", "g"), Detector(monitor, "s", "g")
    alerts = _judge(whole, recording, 60)
    parts = [alert for frames in _frames(recording, 60, 0, 480) for alert in first.judge(frames).alerts]
    second = Detector(monitor, "s", "g")
    assert second.restore(first.save())
    parts += [alert for frames in _frames(recording, 60, 480) for alert in second.judge(frames).alerts]
    _assert_same(whole._state, second._state)
    assert parts == alerts, "no alert is raised twice over a restart"


@pytest.mark.parametrize("saved", [b"", b"\xc1", b"\x93\x90\x90\x80", b"nonsense" * 100])
def test_a_state_that_cannot_be_read_is_not_taken(saved: bytes, monitor: Monitor) -> None:
    detector = Detector(monitor, "s", "g")
    assert not detector.restore(saved)
    assert detector.judge([]).alerts == []


def test_scores_and_values_are_those_of_the_frame(recording: Recording, monitor: Monitor) -> None:
    detector = Detector(monitor, "s", "g")
    scores = []
    for frames in _frames(recording, 60):
        for frame, verdict in zip(frames, detector.judge(frames).verdicts, strict=True):
            sent = Frame("s", "g", "u", 1, 1, 0, 0, INTERVAL_MS, frame.values, frame.quality)
            np.testing.assert_array_equal(verdict.values, decode(encode(sent, LAYOUT), LAYOUT).values)
            if verdict.score is not None:
                scores.append(verdict.score)
                assert all(0 <= reason.share <= 1 for reason in verdict.reasons)
    assert scores
    assert all(np.isfinite(scores))


def test_a_unit_without_known_points_is_sent_and_not_scored(monitor: Monitor) -> None:
    layout = layout_of("generic", [Named("vibration", "none")])
    frame = ClosedFrame(_unit(0, layout), START_MS, np.ones((1, 60), np.float32), np.zeros((1, 60), np.uint8), (), 0)
    judged = Detector(monitor, "s", "g").judge([frame])
    assert judged.verdicts[0].score is None
    assert judged.verdicts[0].values.tolist() == frame.values.tolist()
