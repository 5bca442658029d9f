"""The embedded history: every frame counts once, means equal an obvious oracle, gaps stay gaps."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.history import History, HistoryError, StoredStatus, open_history
from cloud.history.database import SCHEMA_VERSION
from cloud.history.minutes import add_bytes, means_of, parts_of, to_bytes
from cloud.ledger import Ledger
from cloud.settings import HistorySettings
from models.contracts.codec import decode_batch, encode
from models.contracts.frame import Frame, FrameBatch, Quality, as_sent
from models.contracts.layout import Channel, Layout, layout_for
from models.contracts.messages import Gap, GatewayStatus, Health, LayoutMessage
from models.contracts.points import AHU_POINTS

LAYOUT = layout_for("ahu", ["supply_air_temperature", "supply_fan_status"])
OTHER = Layout("generic", (Channel("supply_air_temperature", "celsius", 0.01), Channel("current", "amperes", 0)))
LAYOUTS = {layout.id: layout for layout in (LAYOUT, OTHER)}
HOUR_MS = 3_600_000
T0 = 1_700_000_000_000 - 1_700_000_000_000 % HOUR_MS


def frame(
    seq: int,
    at_ms: int,
    values: list[list[float]],
    *,
    interval_ms: int = 1000,
    epoch: int = 7,
    unit: str = "ahu1",
    quality: list[list[int]] | None = None,
    historical: bool = False,
) -> Frame:
    return Frame(
        site="site1",
        gateway="gw1",
        unit=unit,
        epoch=epoch,
        seq=seq,
        prior_seq=seq - 1,
        measured_at_ms=at_ms,
        interval_ms=interval_ms,
        values=np.array(values, dtype=np.float32),
        quality=None if quality is None else np.array(quality, dtype=np.uint8),
        historical=historical,
    )


def batches(*frames: Frame, layout: Layout = LAYOUT) -> list[FrameBatch]:
    decoded = decode_batch([encode(one, layout) for one in frames], LAYOUTS)
    assert not decoded.rejected
    return decoded.batches


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    store = open_history(tmp_path, HistorySettings())
    yield store
    store.close()


def test_raw_samples_come_back_with_gaps_and_quality(history: History) -> None:
    history.write_frames(batches(frame(1, T0, [[18.0, 18.5], [1, 1]])), 0)
    flawed = frame(2, T0 + 10_000, [[19.0, np.nan], [1, 0]], quality=[[0, 0], [0, Quality.STUCK]])
    history.write_frames(batches(flawed), 0)
    traces = history.traces("site1/ahu1", [], T0, T0 + 60_000)
    assert traces.points == ("supply_air_temperature", "supply_fan_status")
    assert traces.units == ("celsius", "state")
    assert (traces.at_ms - T0).tolist() == [0, 1000, 2000, 10_000, 11_000]
    np.testing.assert_array_equal(
        traces.values, np.array([[18, 18.5, np.nan, 19, np.nan], [1, 1, np.nan, 1, 0]], np.float32)
    )
    assert traces.quality is not None
    assert traces.quality.tolist() == [[0, 0, 4, 0, 4], [0, 0, 4, 0, 3]]


def test_traces_are_cut_to_the_time_and_points_asked_for(history: History) -> None:
    history.write_frames(batches(frame(1, T0, [[18, 19, 20, 21], [1, 1, 0, 0]])), 0)
    traces = history.traces("site1/ahu1", ["supply_fan_status", "no_such_point"], T0 + 1000, T0 + 3000)
    assert traces.points == ("supply_fan_status",)
    assert (traces.at_ms - T0).tolist() == [1000, 2000]
    assert traces.values.tolist() == [[1, 0]]
    assert traces.quality is None
    for nothing in (history.traces("site1/ahu9", [], T0, T0 + 60_000), history.traces("site1/ahu1", [], 0, 1)):
        assert nothing.at_ms.size == 0


def test_a_frame_counts_once_however_often_it_comes(history: History, tmp_path: Path) -> None:
    one, two = frame(1, T0, [[18.0], [1]]), frame(2, T0 + 1000, [[20.0], [1]], historical=True)
    first = history.write_frames(batches(one, one, two), 50)
    again = history.write_frames(batches(two, one), 60)
    assert [(stored.seq, stored.duplicate) for stored in first] == [(1, False), (1, True), (2, False)]
    assert [(stored.seq, stored.duplicate) for stored in again] == [(2, True), (1, True)]
    assert history.double_counted() == {}
    history.close()
    reopened = open_history(tmp_path, HistorySettings())
    assert all(stored.duplicate for stored in reopened.write_frames(batches(one, two), 70))
    minutes = reopened.traces("site1/ahu1", [], T0, T0 + 60_000, "1m")
    assert minutes.values.tolist() == [[19.0], [1.0]]
    (record,) = reopened.epochs()
    assert (record.received, record.duplicate, record.late, record.last_seen_at_ms) == (((1, 2),), 5, 1, 70)
    reopened.close()


def test_the_ledger_starts_again_from_what_is_stored(history: History) -> None:
    ledger = Ledger()
    status = GatewayStatus(
        site="site1",
        gateway="gw1",
        state="online",
        sent_at_ms=5,
        started_at_ms=0,
        epoch=7,
        last_seq=9,
        backlog_frames=1,
        gaps=(Gap(4, 5, "quota"),),
    )
    for at_ms, seqs in enumerate(([9, 1, 3], [3, 2], [7, 1])):
        stored = history.write_frames(batches(*(frame(seq, T0 + seq, [[1.0], [1]]) for seq in seqs)), at_ms)
        ledger.arrived(stored, at_ms)
    ledger.told(status, 8)
    history.write_gateways([StoredStatus(status, 8)])
    again = Ledger()
    again.load(history.epochs())
    for stored_status in history.gateways():
        again.told(stored_status.status, stored_status.received_at_ms)
    again.audited(history.double_counted())
    assert again.rows() == ledger.rows()
    (row,) = again.rows()
    assert (row.received, row.duplicate, row.missing, row.reported_lost, row.backlog) == (5, 2, 1, 2, 1)


def test_the_count_of_rows_would_show_a_frame_stored_twice(history: History, tmp_path: Path) -> None:
    history.write_frames(batches(frame(1, T0, [[18.0], [1]])), 0)
    with sqlite3.connect(tmp_path / "history.sqlite") as broken:
        broken.execute(
            "INSERT INTO frames (unit, measured_at_ms, until_ms, stream, seq, received_at_ms, payload)"
            " SELECT unit, measured_at_ms, until_ms, stream, seq, received_at_ms, payload FROM frames"
        )
    broken.close()
    assert history.double_counted() == {("site1/gw1", 7): 1}


@given(
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=12),
    interval_ms=st.sampled_from([1000, 7000, 15_000, 61_000, 4_000_000]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40, deadline=None)
def test_parts_in_any_order_make_the_means_of_an_oracle(sizes: list[int], interval_ms: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    frames, at_ms = [], T0 + int(draw.integers(0, 60_000))
    samples: list[tuple[int, np.ndarray, np.ndarray]] = []
    for seq, n in enumerate(sizes, start=1):
        values = as_sent(draw.normal(20, 5, (2, n)).astype(np.float32), LAYOUT)
        values[draw.random((2, n)) < 0.1] = np.nan
        quality = np.where(draw.random((2, n)) < 0.1, Quality.STUCK, Quality.GOOD).astype(np.uint8)
        quality[np.isnan(values)] = Quality.MISSING
        one = frame(seq, at_ms, values.tolist(), interval_ms=interval_ms, quality=quality.tolist())
        frames.append(one)
        samples += [(at_ms + i * interval_ms, values[:, i], quality[:, i]) for i in range(n)]
        at_ms += n * interval_ms
    order = random.Random(seed)
    for step_ms in (60_000, HOUR_MS):
        parts: list[tuple[int, bytes]] = []
        for batch in batches(*frames):
            found = parts_of(batch, range(len(batch.units)), step_ms)
            starts = found.start_at_ms.tolist()
            parts += [(start, to_bytes(found.sums[k], found.counts[k])) for k, start in enumerate(starts)]
        order.shuffle(parts)
        merged: dict[int, bytes] = {}
        for start, part in parts:
            merged[start] = add_bytes(merged[start], part) if start in merged else part
        means = means_of([merged[start] for start in sorted(merged)], 2)
        for column, start in enumerate(sorted(merged)):
            for channel in range(2):
                good = [
                    float(values[channel])
                    for at, values, quality in samples
                    if start <= at < start + step_ms and quality[channel] == Quality.GOOD
                ]
                expected = np.float32(sum(good) / len(good)) if good else np.float32(np.nan)
                np.testing.assert_array_equal(means[channel, column], expected)


def test_means_of_minutes_and_hours_keep_gaps(history: History) -> None:
    history.write_frames(batches(frame(2, T0 + 65_000, [[10, 20, 30], [1, 1, 0]], interval_ms=30_000)), 0)
    history.write_frames(batches(frame(1, T0 + 5000, [[30, 40], [0, 1]], interval_ms=30_000)), 0)
    history.write_frames(batches(frame(3, T0 + HOUR_MS, [[7], [1]], interval_ms=30_000)), 0)
    minutes = history.traces("site1/ahu1", [], T0 + 30_000, T0 + 2 * HOUR_MS, "1m")
    assert (minutes.at_ms - T0).tolist() == [0, 60_000, 120_000, 180_000, HOUR_MS]
    np.testing.assert_array_equal(minutes.values, np.array([[35, 15, 30, np.nan, 7], [0.5, 1, 0, np.nan, 1]], "f4"))
    hours = history.traces("site1/ahu1", ["supply_air_temperature"], T0, T0 + 2 * HOUR_MS, "1h")
    assert (hours.at_ms - T0).tolist() == [0, HOUR_MS]
    assert hours.values.tolist() == [[26.0, 7.0]]


def test_a_unit_may_change_its_layout(history: History) -> None:
    history.write_frames(batches(frame(1, T0, [[10, 10], [1, 1]])), 0)
    history.write_frames(batches(frame(2, T0 + 2000, [[20, 20], [3.5, 4.5]]), layout=OTHER), 0)
    raw = history.traces("site1/ahu1", [], T0, T0 + 60_000)
    assert raw.points == ("supply_air_temperature", "supply_fan_status", "current")
    np.testing.assert_array_equal(
        raw.values,
        np.array([[10, 10, 20, 20], [1, 1, np.nan, np.nan], [np.nan, np.nan, 3.5, 4.5]], np.float32),
    )
    minutes = history.traces("site1/ahu1", ["current", "supply_fan_status"], T0, T0 + 60_000, "1m")
    assert minutes.at_ms.tolist() == [T0]
    assert minutes.values.tolist() == [[4.0], [1.0]]


def test_the_newest_of_each_unit(history: History) -> None:
    message = LayoutMessage(site="site1", gateway="gw1", unit="ahu1", layout=LAYOUT, name="Roof unit 1")
    health = Health(
        site="site1",
        gateway="gw1",
        unit="ahu1",
        equipment="ahu",
        measured_at_ms=T0,
        anomaly_score=0.25,
        anomalous=False,
    )
    history.write_layouts([message, msgspec.structs.replace(message, unit="ahu2")])
    history.write_frames(batches(frame(2, T0, [[18.0, 18.5], [1, 1]], quality=[[0, 0], [0, Quality.STALE]])), 0)
    history.write_frames(batches(frame(1, T0 - 2000, [[10.0, 10.5], [1, 1]])), 0)
    history.write_health([health, msgspec.structs.replace(health, measured_at_ms=T0 - 60_000)], 0)
    history.write_health([msgspec.structs.replace(health, anomaly_score=0.5)], 0)
    one, two = history.latest()
    assert (one.layout, one.measured_at_ms) == (message, T0 + 1000)
    assert one.values == {"supply_air_temperature": 18.5, "supply_fan_status": None}
    assert one.health == msgspec.structs.replace(health, anomaly_score=0.5)
    assert (two.layout.unit, two.measured_at_ms, two.values, two.health) == ("ahu2", None, {}, None)
    assert [found.measured_at_ms for found in history.health("site1/ahu1", 0, T0 + 1)] == [T0 - 60_000, T0]
    assert history.health("site1/ahu1", T0, T0) == []
    history.write_layouts([msgspec.structs.replace(message, layout=OTHER)])
    assert history.layouts() == LAYOUTS


def test_what_is_too_old_by_its_arrival_goes(history: History) -> None:
    day_ms = 86_400_000
    old = frame(1, T0, [[18.0], [1]])
    history.write_frames(batches(old), received_at_ms=0)
    history.write_frames(batches(frame(2, T0 - 9 * day_ms, [[19.0], [1]])), received_at_ms=10 * day_ms)
    assert history.prune(14 * day_ms + 1) == 1
    assert history.traces("site1/ahu1", [], T0, T0 + 1000).at_ms.size == 0
    assert history.traces("site1/ahu1", [], T0, T0 + 1000, "1m").values.tolist() == [[18.0], [1.0]]
    assert [stored.duplicate for stored in history.write_frames(batches(old), 15 * day_ms)] == [True]


def test_numbers_of_a_hostile_gateway_are_stored_like_any_other(history: History, tmp_path: Path) -> None:
    largest = (1 << 64) - 1
    wild = [frame(seq, at_ms, [[1.0], [1]], epoch=largest) for seq, at_ms in ((largest, -5), (1 << 63, 2**62), (1, 0))]
    for one in wild:
        history.write_frames(batches(one), 0)
    history.close()
    reopened = open_history(tmp_path, HistorySettings())
    (record,) = reopened.epochs()
    assert (record.epoch, record.received) == (largest, ((1, 1), (1 << 63, 1 << 63), (largest, largest)))
    reopened.close()


def test_a_failed_commit_stores_nothing_and_counts_nothing(history: History, tmp_path: Path) -> None:
    one = frame(1, T0, [[18.0], [1]], unit="never_seen")
    blocker = sqlite3.connect(tmp_path / "history.sqlite")
    blocker.execute("CREATE TRIGGER full BEFORE INSERT ON frames BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    blocker.commit()
    with pytest.raises(HistoryError, match="nothing was stored: disk is full"):
        history.write_frames(batches(one), 0)
    assert history.epochs() == []
    blocker.execute("DROP TRIGGER full")
    blocker.commit()
    blocker.close()
    assert [stored.duplicate for stored in history.write_frames(batches(one), 0)] == [False]
    assert history.traces("site1/never_seen", [], T0, T0 + 1000).values.tolist() == [[18.0], [1.0]]


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    newer = sqlite3.connect(tmp_path / "history.sqlite")
    newer.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    newer.close()
    with pytest.raises(HistoryError, match="a newer version wrote it"):
        open_history(tmp_path, HistorySettings())


def test_readers_and_the_writer_do_not_disturb_one_another(history: History) -> None:
    failures: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                minutes = history.traces("site1/ahu1", [], T0, T0 + 2 * HOUR_MS, "1m")
                raw = history.traces("site1/ahu1", [], T0, T0 + 2 * HOUR_MS)
                assert minutes.at_ms.size <= raw.at_ms.size
                history.latest()
        except BaseException as error:  # noqa: BLE001, shown by the test
            failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for seq in range(1, 101):
        history.write_frames(batches(frame(seq, T0 + seq * 60_000, [[18.0], [1]], interval_ms=60_000)), 0)
    done.set()
    for reader in readers:
        reader.join()
    assert not failures
    assert history.traces("site1/ahu1", [], T0, T0 + 2 * HOUR_MS, "1m").at_ms.size == 100


def test_points_written_a_second(history: History) -> None:
    draw = np.random.default_rng(1)
    layout = layout_for("ahu", AHU_POINTS)
    samples = draw.random((len(AHU_POINTS), 60)).tolist()
    payloads = [encode(frame(seq, T0 + seq * 60_000, samples), layout) for seq in range(1, 501)]
    decoded = decode_batch(payloads, {layout.id: layout}).batches
    start = time.perf_counter()
    history.write_frames(decoded, 0)
    points_per_second = len(payloads) * len(AHU_POINTS) * 60 / (time.perf_counter() - start)
    print(f"{points_per_second:,.0f} points/s")
    assert points_per_second > 100_000
