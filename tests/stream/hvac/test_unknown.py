"""A unit of a type never seen works from its own first days, at the gateway and in the stream alike.

days   0 . . . . . . 7 . . 8 . . 9
       learned         fault          two points stop going together, then they do again
"""

from __future__ import annotations

from functools import cache

import numpy as np

from edge.detector import Detector
from edge.framing import ClosedFrame, Unit
from models.contracts import topics
from models.contracts.codec import encode
from models.contracts.frame import Floats, Frame
from models.contracts.layout import Channel, Layout
from models.contracts.messages import AlertEvent, EdgeAlert, Health, LayoutMessage, encode_json
from models.hvac.families import UNKNOWN_FAMILY
from models.hvac.unknown import UnknownUnit
from stream.app import StreamApp
from stream.hvac.app import hvac
from stream.settings import StreamSettings
from tests.stream import fleet
from tests.stream.records import log_of, messages, run

LAYOUT = Layout("press", tuple(Channel(name, "none", 0.001) for name in ("oil_pressure", "ram_speed", "motor_current")))
INTERVAL_MS = 600_000
N = 18  # samples a frame
DAY = 144  # samples
SAMPLES = 9 * DAY
FAULT = slice(round(7.6 * DAY), round(8.2 * DAY))


@cache
def readings() -> Floats:
    """Nine days of a press, shape (C, SAMPLES): all three points follow its load, until the motor does not."""
    draw = np.random.default_rng(4)
    load = 1 + 0.5 * np.sin(np.arange(SAMPLES) * 2 * np.pi / DAY) + draw.normal(0, 0.05, SAMPLES)
    values = np.stack([load * 3, load * 2, load * 5]) + draw.normal(0, 0.02, (3, SAMPLES))
    values[2, FAULT] += 4
    return values.astype(np.float32)


def closed() -> list[ClosedFrame]:
    unit = Unit(0, "press-1", LAYOUT, INTERVAL_MS)
    quality = np.zeros((3, N), dtype=np.uint8)
    return [
        ClosedFrame(unit, fleet.START_MS + at * INTERVAL_MS, readings()[:, at : at + N], quality, (), 0)
        for at in range(0, SAMPLES, N)
    ]


def sent() -> list[bytes]:
    frames = [
        Frame("plant", "gw1", "press-1", 7, seq, seq - 1, one.measured_at_ms, INTERVAL_MS, one.values)
        for seq, one in enumerate(closed(), start=1)
    ]
    return [encode(frame, LAYOUT) for frame in frames]


def app() -> StreamApp:
    made = hvac(StreamSettings(), fleet.monitor())
    message = LayoutMessage(site="plant", gateway="gw1", unit="press-1", layout=LAYOUT)
    made.references[0].take(encode_json(message))
    return made


def records() -> list[tuple[int, str, bytes]]:
    return [(1_000_000 + place * 1000, "plant/press-1", payload) for place, payload in enumerate(sent())]


def at_the_gateway(restart_after: int | None = None) -> tuple[list[float | None], list[EdgeAlert]]:
    """Scores of the frames, and alerts."""
    detector = Detector(fleet.monitor(), "plant", "gw1")
    scores, alerts = [], []
    for place, frame in enumerate(closed()):
        if place == restart_after:
            saved, detector = detector.save(), Detector(fleet.monitor(), "plant", "gw1")
            assert detector.restore(saved)
        judged = detector.judge([frame])
        scores.append(judged.verdicts[0].score)
        alerts += judged.alerts
    return scores, alerts


def test_nothing_is_said_while_a_unit_is_learned_and_its_fault_is_told_once() -> None:
    scores, alerts = at_the_gateway()
    learned = 7 * DAY // N
    assert scores[: learned - 1] == [None] * (learned - 1)
    assert all(score is not None for score in scores[learned + 1 :])
    fault_ms = fleet.START_MS + FAULT.start * INTERVAL_MS
    opened = [alert for alert in alerts if alert.transition == "opened" and alert.opened_at_ms >= fault_ms]
    assert opened
    assert opened[0].opened_at_ms <= fault_ms + 6 * 3_600_000
    assert opened[0].family == UNKNOWN_FAMILY
    assert opened[0].reasons[0].name == "motor_current"
    assert [alert.transition for alert in alerts] == ["opened", "cleared"] * (len(alerts) // 2)


def test_the_stream_says_of_the_same_frames_what_the_gateway_says() -> None:
    _, outputs = run(app(), topics.FRAMES, log_of(records()))
    scores, alerts = at_the_gateway()
    events = messages(outputs, topics.ALERTS, AlertEvent)
    told = [(one.alert_id, one.transition, one.measured_at_ms, one.reasons) for one in alerts]
    assert [(one.alert_id, one.transition, one.measured_at_ms, one.reasons) for one in events] == told
    health = messages(outputs, topics.HEALTH, Health)
    assert len(health) == len(scores)
    assert [one.anomaly_score for one in health] == [None if score is None else round(score, 4) for score in scores]
    assert {one.equipment for one in health} == {"press"}


def test_a_gateway_that_starts_again_goes_on() -> None:
    whole = at_the_gateway()
    for place in (20, 58, 66):
        assert at_the_gateway(place) == whole


def test_a_partition_that_is_cut_anywhere_goes_on() -> None:
    whole, outputs = run(app(), topics.FRAMES, log_of(records()))
    parts, said = run(app(), topics.FRAMES, log_of(records()), cuts=range(7, 72, 7))
    assert said == outputs
    assert parts.state.tables["unknown"].extras == whole.state.tables["unknown"].extras


def test_what_is_kept_of_a_unit_stays_small() -> None:
    """A message of Kafka holds a megabyte by default."""
    many = Layout("press", tuple(Channel(f"point_{number}", "none", 0.0) for number in range(200)))
    unit, draw = UnknownUnit(many), np.random.default_rng(1)
    largest = 0
    for place in range(60):
        unit.take(draw.normal(size=(200, 30)).astype(np.float32), None, fleet.START_MS + place * 30 * 300_000, 300_000)
        largest = max(largest, len(unit.save()))
    assert largest < 600_000


def test_a_unit_with_other_points_is_met_anew() -> None:
    unit = UnknownUnit(LAYOUT)
    unit.take(readings()[:, :N], None, fleet.START_MS, INTERVAL_MS)
    other = Layout("press", LAYOUT.channels[:2])
    again = UnknownUnit.restore(unit.save(), other)
    assert again.save() == UnknownUnit(other).save()
    assert UnknownUnit.restore(b"nonsense", LAYOUT).save() == UnknownUnit(LAYOUT).save()
    assert UnknownUnit.restore(unit.save(), LAYOUT).save() == unit.save()
