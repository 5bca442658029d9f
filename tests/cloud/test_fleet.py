"""The live picture and its readers."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np

from cloud.fleet import READER_CHANGES_MAX, Change, Fleet
from models.contracts.codec import decode_batch, encode
from models.contracts.frame import Frame, FrameBatch, Quality
from models.contracts.layout import layout_for
from models.contracts.messages import GatewayStatus, Health, LayoutMessage

LAYOUT = layout_for("ahu", ["supply_air_temperature", "supply_fan_status"])
MESSAGE = LayoutMessage(site="site1", gateway="gw1", unit="ahu1", layout=LAYOUT, name="Roof unit 1")
STATUS = GatewayStatus(
    site="site1",
    gateway="gw1",
    state="online",
    sent_at_ms=1,
    started_at_ms=0,
    epoch=7,
    last_seq=10,
    backlog_frames=3,
)
HEALTH = Health(
    site="site1", gateway="gw1", unit="ahu1", equipment="ahu", measured_at_ms=60_000, anomaly_score=0.2, anomalous=False
)


def batch_of(
    measured_at_ms: int,
    values: list[list[float]],
    quality: list[list[int]] | None = None,
    epoch: int = 7,
    seq: int = 1,
    historical: bool = False,
) -> FrameBatch:
    frame = Frame(
        site="site1",
        gateway="gw1",
        unit="ahu1",
        epoch=epoch,
        seq=seq,
        prior_seq=0,
        measured_at_ms=measured_at_ms,
        interval_ms=1000,
        values=np.array(values, dtype=np.float32),
        quality=None if quality is None else np.array(quality, dtype=np.uint8),
        historical=historical,
    )
    return decode_batch([encode(frame, LAYOUT)], {LAYOUT.id: LAYOUT}).batches[0]


def test_newest_values_win_whatever_the_order() -> None:
    fleet = Fleet()
    fleet.apply_layout(MESSAGE)
    fleet.apply_frames(batch_of(10_000, [[18.0, 18.5], [1, 1]], seq=4))
    fleet.apply_frames(batch_of(5_000, [[3.0, 3.0], [0, 0]], seq=3))
    fleet.apply_frames(batch_of(0, [[2.0, 2.0], [0, 0]], seq=9, historical=True))
    (unit,) = fleet.units()
    assert (unit.key, unit.name, unit.equipment, unit.gateway) == ("site1/ahu1", "Roof unit 1", "ahu", "gw1")
    assert unit.last_measured_at_ms == 11_000
    assert unit.values == {"supply_air_temperature": 18.5, "supply_fan_status": 1.0}


def test_a_clock_that_was_ahead_does_not_freeze_the_picture() -> None:
    fleet = Fleet()
    fleet.apply_layout(MESSAGE)
    fleet.apply_frames(batch_of(10**12, [[18.0], [1]], seq=1))
    fleet.apply_frames(batch_of(5_000, [[19.0], [1]], seq=2))
    fleet.apply_frames(batch_of(4_000, [[20.0], [1]], epoch=6, seq=1))  # a new store: numbers start again
    assert fleet.units()[0].values["supply_air_temperature"] == 20.0
    assert fleet.units()[0].last_measured_at_ms == 4_000


def test_a_bad_value_is_none() -> None:
    fleet = Fleet()
    fleet.apply_layout(MESSAGE)
    bad: list[list[int]] = [[Quality.GOOD, Quality.OUT_OF_RANGE], [Quality.GOOD, Quality.GOOD]]
    fleet.apply_frames(batch_of(0, [[18.0, 180.0], [1, 1]], bad))
    assert fleet.units()[0].values == {"supply_air_temperature": None, "supply_fan_status": 1.0}


def test_frames_of_a_unit_without_a_layout_are_left_out() -> None:
    fleet = Fleet()
    fleet.apply_frames(batch_of(0, [[18.0], [1]]))
    assert fleet.units() == []


def test_old_and_historical_health_change_nothing() -> None:
    fleet = Fleet()
    fleet.apply_layout(MESSAGE)
    fleet.apply_health(HEALTH)
    fleet.apply_health(msgspec.structs.replace(HEALTH, measured_at_ms=0, anomaly_score=0.9))
    fleet.apply_health(msgspec.structs.replace(HEALTH, measured_at_ms=120_000, anomaly_score=0.9, historical=True))
    assert fleet.units()[0].health == HEALTH


def test_a_last_will_changes_the_state_only() -> None:
    fleet = Fleet()
    fleet.apply_gateway(STATUS, 100)
    will = msgspec.structs.replace(STATUS, state="offline", last_seq=0, backlog_frames=0)
    fleet.apply_gateway(will, 200)
    (gateway,) = fleet.gateways()
    assert gateway.status == msgspec.structs.replace(STATUS, state="offline")
    assert gateway.last_seen_at_ms == 200


async def test_a_reader_gets_the_kinds_that_it_asked_for() -> None:
    fleet = Fleet()
    fleet.apply_layout(MESSAGE)
    changes = fleet.changes(["sample", "health"])
    fleet.apply_gateway(STATUS, 0)
    fleet.apply_frames(batch_of(10_000, [[18.0, 18.56], [1, 0]]))
    fleet.apply_health(HEALTH)
    sample = await asyncio.wait_for(anext(changes), 1)
    assert (sample.kind, sample.key) == ("sample", "site1/ahu1")
    assert sample.payload == {
        "measured_at_ms": 11_000,
        "values": {"supply_air_temperature": 18.56, "supply_fan_status": 0.0},
        "trace": {
            "at_ms": [10_000, 11_000],
            "values": {"supply_air_temperature": [18.0, 18.56], "supply_fan_status": [1.0, 0.0]},
        },
    }
    health = await asyncio.wait_for(anext(changes), 1)
    assert msgspec.json.decode(msgspec.json.encode(health.payload), type=Health) == HEALTH


async def test_a_slow_reader_is_dropped_and_the_others_are_not() -> None:
    fleet = Fleet()
    slow, quick = fleet.changes(["alert"]), fleet.changes(["alert"])
    for number in range(READER_CHANGES_MAX + 1):
        fleet.publish(Change("alert", "site1/ahu1", {"number": number}))
        assert (await asyncio.wait_for(anext(quick), 1)).payload["number"] == number
    assert [change async for change in slow] == []
    assert fleet.readers_dropped == 1
    fleet.publish(Change("alert", "site1/ahu1", {"number": -1}))
    assert (await asyncio.wait_for(anext(quick), 1)).payload["number"] == -1
