"""Sensors: what the controller believes and the registers hold when they are right, and in each way of being wrong."""

from __future__ import annotations

import numpy as np
import pytest

from simulators.hvac.faults import FaultError
from simulators.hvac.plants.faults import Condition, FaultPlan
from simulators.hvac.plants.sensing import Sensing, sensor_of

POINTS = ("supply_air_temperature", "return_air_temperature", "zone_air_flow", "supply_fan_status")
UNITS = 2
TRUE = (14.0, 24.0, 0.4, 1.0)


def sensors(plans: list[tuple[FaultPlan, float]] | None = None, drift: float = 0.0, flow_drift: float = 0.0) -> Sensing:
    sensing = Sensing(POINTS, UNITS, seed=1)
    severity = {"supply_air_sensor_drift": np.array([drift, 0.0]), "air_flow_sensor_drift": np.array([flow_drift, 0.0])}
    sensing.feel({point: np.full(UNITS, value) for point, value in zip(POINTS, TRUE, strict=True)})
    sensing.update(Condition(severity, {}, dict.fromkeys(severity, np.ones(UNITS))), plans or [])
    return sensing


def fault(mode: str, **more: object) -> FaultPlan:
    settings = {"unit_index": 0, "family": "sensor_fault", "at_ms": 0, "severity": 0.5, "point": POINTS[0]}
    return FaultPlan(**(settings | {"mode": mode} | more))  # type: ignore[arg-type]


def test_healthy_sensors_tell_the_truth_within_their_offset_and_noise() -> None:
    sensing = sensors()
    read = np.array([sensing.read(step) for step in range(200)])
    assert read.shape == (200, UNITS, len(POINTS))
    assert read.dtype == np.float32
    assert np.allclose(read.mean(axis=0)[:, 0], 14.0 + sensing.error(POINTS[0]), atol=0.03)
    assert np.all(np.abs(sensing.error(POINTS[0])) <= 2 * sensor_of(POINTS[0]).offset)
    assert np.all(read[..., 3] == 1)
    steps = read[..., 0] / 0.1
    assert np.allclose(steps, np.round(steps), atol=1e-3)


def test_the_noise_depends_on_the_step_not_on_how_often_one_reads() -> None:
    first, second = sensors(), sensors()
    first.read(3)
    assert np.array_equal(first.read(4), second.read(4))
    assert not np.array_equal(first.read(4), first.read(5))


def test_a_drifting_sensor_is_off_by_its_severity_and_lost_at_one() -> None:
    healthy = sensors().error(POINTS[0])
    assert (sensors(drift=0.5).error(POINTS[0]) - healthy).tolist() == pytest.approx([3.0, 0.0])
    error, lost = sensors(drift=1.0).belief(POINTS[0])
    assert lost.tolist() == [True, False]
    assert error[0] == 0
    assert np.isnan(sensors(drift=1.0).read(1)[0, 0])


def test_a_drifting_flow_sensor_is_off_by_a_share() -> None:
    assert sensors(flow_drift=0.5).error("zone_air_flow")[0] == pytest.approx(0.5 * 0.6 * 0.4)


def test_a_stuck_sensor_holds_what_it_told_without_noise() -> None:
    plan = fault("stuck")
    sensing = sensors([(plan, 0.5)])
    held = 14.0 + sensing.offset[0, 0]
    for celsius in (15.0, 18.0, 11.0):
        sensing.feel({point: np.full(UNITS, celsius) for point in POINTS})
        assert celsius + sensing.error(POINTS[0])[0] == pytest.approx(held)
        assert sensing.read(1)[0, 0] == pytest.approx(held, abs=0.051)
    assert sensing.read(1)[1, 0] == pytest.approx(11.0, abs=1.0)


def test_swapped_sensors_tell_each_others_value() -> None:
    sensing = sensors([(fault("swapped", partner="return_air_temperature"), 0.5)])
    read = np.array([sensing.read(step) for step in range(100)]).mean(axis=0)
    assert read[0, :2] == pytest.approx([24.0, 14.0], abs=0.6)
    assert read[1, :2] == pytest.approx([14.0, 24.0], abs=0.6)


def test_a_biased_and_a_lost_sensor() -> None:
    healthy = sensors().error(POINTS[0])[0]
    assert sensors([(fault("bias", direction=-1), 0.5)]).error(POINTS[0])[0] == pytest.approx(healthy - 3.0)
    assert np.isnan(sensors([(fault("lost"), 0.5)]).read(1)[0, 0])


def test_a_fault_in_a_channel_that_is_not_told_is_refused() -> None:
    with pytest.raises(FaultError, match="sensor fault in 'mixed_air_temperature': expected one of"):
        sensors().check(fault("bias", point="mixed_air_temperature"))
