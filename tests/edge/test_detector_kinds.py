"""A gateway with a unit of every kind of equipment: each is judged as its kind, and as the cloud judges it, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from edge.detector import Detector, load_detector
from edge.framing import ClosedFrame, Unit
from models.contracts.codec import decode, encode
from models.contracts.equipment import EQUIPMENT
from models.contracts.frame import Floats, Frame, Quality
from models.contracts.layout import Layout, layout_for
from models.contracts.messages import EdgeAlert, alert_id_for
from models.contracts.points import POINTS
from models.hvac import episodes, features
from models.hvac.kinds import KINDS
from models.hvac.monitor import Monitor

INTERVAL_MS = 15_000
START_MS = 1_778_580_000_000
SAMPLES = 480
LAYOUTS = {name: layout_for(name, row.simulated) for name, row in EQUIPMENT.items()}


@pytest.fixture(scope="module")
def monitor() -> Monitor:
    return load_detector("", "s", "g").monitor


def wandering(layout: Layout, seed: int) -> Floats:
    """Two hours of readings that wander within what each point can be, with holes, shape (C, SAMPLES)."""
    draw = np.random.default_rng(seed)
    values = np.empty((len(layout.channels), SAMPLES), dtype=np.float32)
    for number, channel in enumerate(layout.channels):
        row = POINTS[channel.point]
        steps = draw.normal(0, 0.01, SAMPLES).cumsum() + draw.uniform(0.2, 0.8)
        values[number] = row.low + (row.high - row.low) * np.clip(steps, 0, 1)
        if row.unit == "state":
            values[number] = float(draw.random() < 0.7)
    values[draw.random(values.shape) < 0.02] = np.nan
    return values


READINGS = {name: wandering(layout, 7 + place) for place, (name, layout) in enumerate(LAYOUTS.items())}


def frames(n: int) -> list[list[ClosedFrame]]:
    """Frames of n samples of one unit of each kind, those that close together in one list."""
    units = [Unit(row, f"{name}-1", layout, INTERVAL_MS) for row, (name, layout) in enumerate(LAYOUTS.items())]
    return [
        [
            ClosedFrame(unit, START_MS + at * INTERVAL_MS, values, np.isnan(values) * np.uint8(Quality.MISSING), (), 0)
            for unit in units
            for values in [READINGS[unit.layout.equipment][:, at : at + n]]
        ]
        for at in range(0, SAMPLES, n)
    ]


def judge(detector: Detector, n: int) -> list[EdgeAlert]:
    return [alert for batch in frames(n) for alert in detector.judge(batch).alerts]


@pytest.mark.parametrize("n", [7, 60])
def test_each_kind_is_judged_as_the_cloud_judges_it(n: int, monitor: Monitor) -> None:
    detector = Detector(monitor, "s", "g")
    alerts = judge(detector, n)
    for row, (name, layout) in enumerate(LAYOUTS.items()):
        kind, state = KINDS[name], features.new_state(1)
        where, told = features.positions(kind, layout), []
        for batch in frames(n):
            closed = batch[row]
            sent = Frame(
                "s", "g", closed.unit.name, 1, 1, 0, closed.measured_at_ms, INTERVAL_MS, closed.values, closed.quality
            )
            frame = decode(encode(sent, layout), layout)
            quality = None if frame.quality is None else frame.quality[None]
            values = features.gather(frame.values[None], quality, where)
            at_ms, interval_ms = np.array([frame.measured_at_ms]), np.array([INTERVAL_MS])
            for minutes in features.fold(state, kind, np.array([0]), at_ms, interval_ms, values):
                verdicts = monitor.step(state, minutes)
                for change in episodes.decide(state, verdicts, monitor.settings.episodes):
                    alert_id = alert_id_for("s", closed.unit.name, change.rule, change.opened_at_ms)
                    told.append((alert_id, change.transition, change.family))
        for field, array in state.items():
            np.testing.assert_array_equal(detector._state[field][row], array[0], err_msg=f"{name} {field}")
        assert told == [(a.alert_id, a.transition, a.family) for a in alerts if a.unit == f"{name}-1"]


def test_a_detector_of_many_kinds_goes_on_where_it_stopped(monitor: Monitor) -> None:
    whole, first, second = (Detector(monitor, "s", "g") for _ in range(3))
    batches = frames(60)
    for batch in batches:
        whole.judge(batch)
    for batch in batches[:4]:
        first.judge(batch)
    assert second.restore(first.save())
    for batch in batches[4:]:
        second.judge(batch)
    for field, array in whole._state.items():
        np.testing.assert_array_equal(second._state[field], array, err_msg=field)


def test_a_unit_that_becomes_another_kind_is_met_anew(monitor: Monitor) -> None:
    """An air handler's controller is replaced by a boiler's under the same name."""
    detector, fresh = Detector(monitor, "s", "g"), Detector(monitor, "s", "g")
    names = list(LAYOUTS)
    for batch in frames(60)[:4]:
        detector.judge([batch[names.index("ahu")]])
    for batch in frames(60)[4:]:
        boiler = batch[names.index("boiler")]
        unit = Unit(0, "ahu-1", boiler.unit.layout, INTERVAL_MS)
        frame = ClosedFrame(unit, boiler.measured_at_ms, boiler.values, boiler.quality, (), 0)
        detector.judge([frame])
        fresh.judge([frame])
    for field, array in fresh._state.items():
        np.testing.assert_array_equal(detector._state[field], array, err_msg=field)
