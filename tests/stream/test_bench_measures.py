"""How the bench of stream engines judges them: wrong, missing and doubled alerts are seen, speeds are what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tests.bench.stream import model
from tests.bench.stream.engines import ENGINES, NOT_INSTALLED
from tests.bench.stream.latency import LEAD_SECONDS, Latency, latencies_ms
from tests.bench.stream.plant import Plant
from tests.bench.stream.processes import Running, Sample
from tests.bench.stream.report import Results, figures_of, table_of
from tests.bench.stream.throughput import Progress, Speed, progress_of, speed_of
from tests.bench.stream.truth import Found, Truth

PLANT = Plant(units=40, rounds=60, seed=3, rare=60)


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Of a small plant, with the oracle beside it."""
    truth = Truth(PLANT, model.load())
    for number, planes in enumerate(PLANT.planes()):
        truth.add(planes, PLANT.encoded(number, planes))
    return truth


def said(truth: Truth) -> list[Found]:
    """Everything that is to be said, a millisecond for each frame before it."""
    return [Found(alert, truth.index(alert.unit, alert.measured_at_ms)) for alert in truth.alerts.values()]


def test_the_oracle_agrees_and_every_partition_ends_with_an_alert(truth: Truth) -> None:
    assert truth.differs_from_oracle() == ""
    ends = {truth.place(*key).partition for key in truth.alerts if truth.round_of(key[1]) == PLANT.rounds - 1}
    assert ends == set(range(PLANT.partitions))


def test_places_count_the_frames_before_them(truth: Truth) -> None:
    counted = [0] * PLANT.partitions
    for number in range(3):
        for unit, name in enumerate(PLANT.names):
            partition = int(PLANT.partition[unit])
            assert truth.place(name, PLANT.measured_at_ms(number)) == (partition, counted[partition])
            counted[partition] += 1


def test_right_alerts_are_right_whole_and_cut_off(truth: Truth) -> None:
    found = said(truth)
    assert len(found) > 20
    assert truth.differs(found) == ""
    assert truth.differs([one for one in found if one.appended_at_ms < 1_500]) == ""


@pytest.mark.parametrize("wrong", ["missing", "twice", "score", "rules", "invented"])
def test_wrong_alerts_are_seen(truth: Truth, wrong: str) -> None:
    found = said(truth)
    one = found[3]
    if wrong == "missing":
        found.remove(one)
    elif wrong == "twice":
        found.append(one)
    elif wrong == "invented":
        found.append(Found(msgspec.structs.replace(one.alert, unit=PLANT.names[0], measured_at_ms=1), 5))
    else:
        changes = {"score": one.alert.score + 2e-6} if wrong == "score" else {"rules": one.alert.rules ^ 1}
        found[3] = Found(msgspec.structs.replace(one.alert, **changes), one.appended_at_ms)
    assert truth.differs(found)


def test_progress_grows_to_the_whole_log(truth: Truth) -> None:
    progress = progress_of(said(truth), truth)
    assert progress == sorted(progress)
    last = [
        max(truth.place(*key).position for key in truth.alerts if truth.place(*key).partition == number)
        for number in range(4)
    ]
    assert progress[-1].frames == sum(position + 1 for position in last)


def test_speed_is_frames_by_time_and_by_cpu_after_the_warm_part() -> None:
    running = Running([], Path("none"))
    running.samples = [Sample(at_ms, at_ms / 2000) for at_ms in range(0, 20_001, 100)]
    progress = [Progress(at_ms, at_ms * 10) for at_ms in range(1_000, 12_001, 50)]
    speed = speed_of(progress, running, log_frames=10_000_000)
    assert speed == Speed(10_000, 20_000, 0.5, 0.0, 60_000, 6.0)


def test_latency_counts_from_when_a_frame_was_due(truth: Truth) -> None:
    rate, warm = 400.0, 10 * PLANT.units
    lead = warm + LEAD_SECONDS * rate
    found = [
        Found(alert, round(5_000 + 1000 * (truth.index(*key) - warm) / rate) + 7) for key, alert in truth.alerts.items()
    ]
    milliseconds = latencies_ms(found, truth, warm, 5_000.0, rate)
    assert len(milliseconds) == sum(truth.index(*key) >= lead for key in truth.alerts)
    assert all(6.5 <= one <= 7.5 for one in milliseconds)


def test_a_missing_engine_stands_in_the_table() -> None:
    plenum = Results(ENGINES[0], [Speed(3_000, 2_000, 1, 100, 9, 3), Speed(1_000, 1_000, 1, 90, 9, 3)])
    other = Results(ENGINES[1], [Speed(500, 500, 1, 400, 9, 3)], [Latency(1, 2, 3, 0.1, 9, 0)])
    missing = Results(replace(ENGINES[2], version=lambda: ""))
    results = [plenum, other, missing]
    figures = {figure.name: figure for figure in figures_of(results)}
    assert figures["stream.plenum.messages_per_second"].value == 2_000
    assert figures["stream.plenum.readings_per_second"].value == 2_000 * 24 * 60
    assert figures["stream.ratio.kafka_streams"].value == 3
    assert figures["stream.kafka_streams.latency_ms_p99"].value == 3
    assert f"| {missing.engine.title} | {NOT_INSTALLED} |" in table_of(results, 2, [])
