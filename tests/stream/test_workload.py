"""The bench's workload: the fast forms say what the slow one says."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from models.contracts.codec import decode, encode
from models.contracts.frame import Frame
from models.contracts.messages import decode_json
from stream.partition import Partition
from tests.bench.stream import model
from tests.bench.stream.naive import Naive, Said
from tests.bench.stream.plant import EPOCH, GATEWAY, SITE, Plant
from tests.bench.stream.single import Single
from tests.bench.stream.workload import Alert, stream_app
from tests.stream.records import Rec, log_of

PARAMETERS = model.load()
PLANT = Plant(units=30, rounds=60, seed=5, rare=40, busy_fraction=0.1)


@pytest.fixture(scope="module")
def log() -> list[Rec]:
    """One partition with all frames of a small plant."""
    payloads = chain.from_iterable(PLANT.log())
    return log_of((1, PLANT.names[place % PLANT.units], payload) for place, payload in enumerate(payloads))


@pytest.fixture(scope="module")
def truth(log: list[Rec]) -> list[Said]:
    """What the oracle says."""
    naive = Naive(PARAMETERS)
    return [said for one in log if (said := naive.take(one.value or b"")) is not None]


def new_partition() -> Partition:
    return Partition(stream_app(PARAMETERS, "in", "alerts", "state", "dead"))


def assert_equal(alerts: list[Alert], truth: list[Said]) -> None:
    def order(one: Alert | Said) -> tuple[int, str]:
        return one.measured_at_ms, one.unit

    found, expected = sorted(alerts, key=order), sorted(truth, key=order)
    assert [(one.unit, one.state, one.measured_at_ms, one.rules) for one in found] == [
        (one.unit, one.state, one.measured_at_ms, one.rules) for one in expected
    ]
    np.testing.assert_allclose([one.score for one in found], [one.score for one in expected], atol=1e-9)


def run(log: list[Rec], cut: int) -> tuple[Partition, list[Alert]]:
    partition = new_partition()
    outputs = [
        output
        for start in range(0, len(log), cut)
        for output in partition.process("in", log[start : start + cut]).outputs
    ]
    return partition, [decode_json(output.value, Alert) for output in outputs if output.topic == "alerts"]


def test_parameters_are_what_is_drawn() -> None:
    assert model.load() == model.draw()


def test_oracle_meets_every_rule_and_the_model_alone(truth: list[Said]) -> None:
    raised = [one for one in truth if one.state == "raised"]
    assert {number for number in range(6) for one in raised if one.rules >> number & 1} == set(range(6))
    assert any(one.state == "cleared" for one in truth)
    assert any(one.score > 0.5 for one in raised)
    assert any(one.score < 0.5 for one in raised)


@pytest.mark.parametrize("cut", [1, 7, 100, 1_800])
def test_batches_of_any_size_say_what_the_oracle_says(log: list[Rec], truth: list[Said], cut: int) -> None:
    assert_equal(run(log, cut)[1], truth)


def test_single_frames_say_what_the_oracle_says(log: list[Rec], truth: list[Said]) -> None:
    single = Single(PARAMETERS)
    memory: dict[bytes, bytes] = {}
    alerts = []
    for one in log:
        key = one.key or b""
        memory[key], said = single.step(memory.get(key), single.decode(one.value or b""))
        alerts += [said] if said else []
    assert len(memory[b"bench/ahu-000000"]) == 416
    assert_equal(alerts, truth)


def test_a_duplicate_changes_nothing(log: list[Rec]) -> None:
    clean, said = run(log[:900], 90)
    twice = [one for one in log[:900] for _ in range(2)]
    again = [one._replace(offset=offset) for offset, one in enumerate(twice)]
    state, said_again = run(again, 90)
    assert said_again == said
    # Sums are taken over parts of a batch, so their last bits may depend on how it was cut.
    for name, column in clean.state.tables["units"].columns.items():
        np.testing.assert_allclose(column, state.state.tables["units"].columns[name], rtol=1e-9, atol=1e-9)


def test_frames_are_those_of_the_codec(log: list[Rec]) -> None:
    frame = decode(log[3].value or b"", model.LAYOUT)
    assert (frame.site, frame.gateway, frame.epoch, frame.seq) == (SITE, GATEWAY, EPOCH, 4)
    assert encode(Frame(*(getattr(frame, name) for name in Frame.__slots__)), model.LAYOUT) == log[3].value


def test_poison_costs_itself_alone(log: list[Rec], truth: list[Said]) -> None:
    partition = new_partition()
    poison = [one._replace(offset=2 * one.offset, value=b"no frame") for one in log]
    good = [one._replace(offset=2 * one.offset + 1) for one in log]
    mixed = sorted(chain(poison[:50], good), key=lambda one: one.offset)
    done = partition.process("in", mixed)
    assert sum(done.dead.values()) == 50
    assert_equal([decode_json(one.value, Alert) for one in done.outputs if one.topic == "alerts"], truth)
