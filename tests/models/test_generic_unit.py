"""The live form: learns from its own first days whatever their cadence, scores then, and survives a restart at any row."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from models.hvac.generic import GenericError, GenericSettings, GenericUnit
from models.hvac.generic_model import Doubles, Millis
from tests.models.test_generic import machine, times

SETTINGS = GenericSettings(learn_days=1.0, learn_rows_max=512)


def run(values: Doubles, at_ms: Millis, cuts: list[int], *, restart: bool) -> tuple[Doubles, Doubles, Doubles]:
    """Score, anomalous and shares with the rows cut into calls, and the unit saved and restored between them."""
    unit, start, parts = GenericUnit(SETTINGS), 0, []
    for cut in [*cuts, len(values)]:
        rows = values[start : start + cut]
        told = unit.take(rows, at_ms[start : start + cut])
        blank = np.full(len(rows), np.nan)
        parts.append(
            (blank, blank, np.zeros(rows.shape)) if told is None else (told.score, told.anomalous, told.shares)
        )
        start += cut
        if restart:
            unit = GenericUnit.restore(unit.save())
    score, anomalous, shares = (np.concatenate(column) for column in zip(*parts, strict=True))
    return score, np.nan_to_num(anomalous), shares


@pytest.mark.parametrize("interval_ms", [60_000, 300_000])
def test_restarts_and_cuts_change_no_bit(interval_ms: int) -> None:
    values = machine(3000, 3, 1)
    values[2500:] += 12
    values[np.random.default_rng(1).random(values.shape) < 0.05] = np.nan
    at_ms = times(3000, interval_ms)
    cuts = np.random.default_rng(2).integers(1, 400, 12).tolist()
    whole = run(values, at_ms, [], restart=False)
    pieces = run(values, at_ms, cuts, restart=True)
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole[1][2550:].mean() > 0.8


def test_nothing_is_said_in_the_first_days_and_something_after() -> None:
    unit = GenericUnit(SETTINGS)
    values, at_ms = machine(1000, 3, 1), times(1000, 300_000)
    assert unit.take(values[:288], at_ms[:288]) is None
    was_learning = unit.learning
    told = unit.take(values[288:], at_ms[288:])
    assert told is not None
    assert was_learning
    assert not unit.learning
    assert np.isnan(told.score[0])
    assert np.isfinite(told.score[1:]).all()


def test_memory_is_bounded_at_one_row_a_second() -> None:
    settings = GenericSettings(learn_days=0.2, learn_rows_max=512)
    unit = GenericUnit(settings)
    values, at_ms = machine(20_000, 2, 1), times(20_000, 1000)
    largest = 0
    for start in range(0, 20_000, 1000):
        unit.take(values[start : start + 1000], at_ms[start : start + 1000])
        largest = max(largest, len(unit.save()))
    assert not unit.learning
    assert largest < 512 * 2 * 8 + 512 * 8 + 4096


def test_days_that_teach_nothing_are_said_and_as_many_more_are_waited_for() -> None:
    unit = GenericUnit(SETTINGS)
    still, at_ms = np.full((400, 2), 5.0), times(1000, 300_000)
    assert unit.take(still, at_ms[:400]) is None
    assert "none of 2 points is there and moves" in unit.why_not
    assert unit.take(machine(600, 2, 1), at_ms[400:]) is not None
    assert unit.why_not == ""


def test_too_few_rows_in_the_first_days_are_waited_for() -> None:
    unit = GenericUnit(SETTINGS)
    day = 24
    assert unit.take(machine(8 * day, 2, 1), times(8 * day, 3_600_000)) is None
    assert unit.take(machine(2 * day, 2, 2), times(2 * day, 3_600_000) + 8 * day * 3_600_000) is not None


def test_another_number_of_points_is_refused() -> None:
    unit = GenericUnit(SETTINGS)
    unit.take(machine(10, 3, 1), times(10))
    with pytest.raises(GenericError, match=r"expected \(n, 3\)"):
        unit.take(machine(10, 4, 1), times(10))


@pytest.mark.parametrize("saved", [b"", b"nonsense", msgspec.msgpack.encode({"version": 1})])
def test_bytes_of_something_else_are_refused(saved: bytes) -> None:
    with pytest.raises(GenericError, match="let it learn anew"):
        GenericUnit.restore(saved)


def test_bytes_of_another_version_are_refused() -> None:
    kept = msgspec.msgpack.decode(GenericUnit(SETTINGS).save())
    with pytest.raises(GenericError, match="saved in version 99, expected 1"):
        GenericUnit.restore(msgspec.msgpack.encode({**kept, "version": 99}))
