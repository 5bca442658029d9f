"""Frames of a large fleet are those that agents send: readable, chained, equal to the codec's own bytes."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from models.contracts.codec import decode, decode_batch, encode
from models.contracts.points import POINTS
from simulators.load.fleet import FleetPlan, LoadError, LoadFleet, Numbered

PLAN = FleetPlan(
    units=12, gateways=3, kinds=("ahu", "vav_box"), samples=10, pattern_hours=2, faulty_fraction=0.2, seed=4
)


@pytest.fixture(scope="module")
def fleet() -> LoadFleet:
    return LoadFleet(PLAN)


@pytest.fixture(scope="module")
def frames(fleet: LoadFleet) -> list[Numbered]:
    """Three times the pattern of 12 windows, 36 frames of each unit."""
    return list(islice(fleet.frames(), 36 * PLAN.units))


def test_every_frame_is_what_the_codec_writes(fleet: LoadFleet, frames: list[Numbered]) -> None:
    for one in frames:
        layout = fleet.layouts[fleet.names[one.unit].partition("-")[0]]
        assert encode(decode(one.payload, layout), layout) == one.payload


def test_chains_and_counts_are_those_of_gateways(fleet: LoadFleet, frames: list[Numbered]) -> None:
    layouts = {layout.id: layout for layout in fleet.layouts.values()}
    decoded = decode_batch([one.payload for one in frames], layouts)
    assert not decoded.rejected
    headers = sorted(
        (index, header)
        for batch in decoded.batches
        for index, header in zip(batch.index.tolist(), batch.headers, strict=True)
    )
    newest: dict[str, int] = {}
    count: dict[str, int] = {}
    ends: dict[str, int] = {}
    for _, header in headers:
        assert header.epoch == PLAN.epoch
        assert header.seq == count.get(header.gateway, 0) + 1
        assert header.prior_seq == newest.get(header.unit, 0)
        assert header.measured_at_ms == ends.get(header.unit, PLAN.start_at_ms)
        count[header.gateway] = newest[header.unit] = header.seq
        ends[header.unit] = header.measured_at_ms + header.n * header.interval_ms
    assert sorted(count) == fleet.gateways
    assert [status.last_seq for status in fleet.statuses(0, online=True)] == [count[name] for name in fleet.gateways]
    assert {unit for status in fleet.statuses(0, online=True) for unit in status.units} == set(fleet.names)


def test_values_are_plausible_and_differ_from_unit_to_unit(fleet: LoadFleet, frames: list[Numbered]) -> None:
    for kind, layout in fleet.layouts.items():
        of_kind = [decode(one.payload, layout).values for one in frames if fleet.names[one.unit].startswith(kind)]
        for channel, point in enumerate(layout.points):
            seen = np.concatenate([values[channel] for values in of_kind])
            assert np.nanmin(seen) >= POINTS[point].low
            assert np.nanmax(seen) <= POINTS[point].high
        assert len({values.tobytes() for values in of_kind}) > len(of_kind) / 4


def test_equal_plans_give_equal_bytes_and_another_seed_others(frames: list[Numbered]) -> None:
    assert list(islice(LoadFleet(PLAN).frames(), len(frames))) == frames
    other = LoadFleet(replace(PLAN, seed=5, pattern_hours=0.5))
    assert next(other.frames()).payload != frames[0].payload


def test_layouts_name_each_unit_with_its_own_gateway(fleet: LoadFleet, frames: list[Numbered]) -> None:
    told = {message.unit: message for message in fleet.layout_messages()}
    assert list(told) == fleet.names
    for one in frames:
        message = told[fleet.names[one.unit]]
        assert message.gateway == fleet.gateways[one.gateway]
        assert decode(one.payload, message.layout).gateway == message.gateway


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (FleetPlan(units=0), "0 units: expected 1 to 100000"),
        (FleetPlan(units=3, gateways=4), "4 gateways: expected 1 to 3"),
        (FleetPlan(kinds=("ahu", "toaster")), "kinds 'ahu,toaster': expected some of ahu, rtu"),
        (FleetPlan(interval_seconds=1), "interval of 1 s: expected 15 to 300 s"),
        (FleetPlan(samples=0), "0 samples a frame"),
        (FleetPlan(faulty_fraction=2), "fraction 2 of faulty units"),
        (FleetPlan(pattern_hours=0.5), "a pattern of 0.5 h is shorter than a frame"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan: FleetPlan, said: str) -> None:
    with pytest.raises(LoadError, match=said):
        LoadFleet(plan)
