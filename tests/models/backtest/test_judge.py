"""Figures against labels, beside a slow oracle."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contracts.figures import Figure
from models.hvac.backtest.judge import Labelled, episodes, figures

DAY_MS = 86_400_000


def _rows(truth: list[int], alarm: list[int], unit: list[int] | None = None, step_ms: int = 60_000) -> Labelled:
    units = np.array(unit or [0] * len(truth), dtype=np.intp)
    at_ms = np.concatenate([step_ms * np.arange(int((units == one).sum())) for one in np.unique(units)])
    return Labelled(units, at_ms.astype(np.int64), np.array(truth, dtype=bool), np.array(alarm, dtype=bool))


def _values(found: list[Figure]) -> dict[str, float]:
    return {figure.name.removeprefix("b."): figure.value for figure in found}


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_rates_are_what_counting_by_hand_gives(rows: list[tuple[bool, bool]]) -> None:
    found = _values(figures(_rows([int(t) for t, _ in rows], [int(a) for _, a in rows]), "b"))
    tp = sum(t and a for t, a in rows)
    fp = sum(a and not t for t, a in rows)
    fn = sum(t and not a for t, a in rows)
    tn = sum(not t and not a for t, a in rows)
    for name, above, below in (
        ("precision", tp, tp + fp),
        ("recall", tp, tp + fn),
        ("f1", 2 * tp, 2 * tp + fp + fn),
        ("false_alarm_rate", fp, fp + tn),
        ("missed_alarm_rate", fn, tp + fn),
    ):
        if below:
            assert found[name] == above / below
        else:
            assert name not in found


def test_delay_is_from_the_start_of_an_episode_to_its_first_alarm() -> None:
    #                  0  1  2  3  4  5  6  7  8  9 10 11
    rows = _rows([0, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0], [1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0])
    found = episodes(rows)
    assert [one.delay_ms for one in found] == [120_000, None, 0]
    values = _values(figures(rows, "b"))
    assert (values["episodes"], values["episodes_detected"], values["detection_delay_seconds"]) == (3, 2, 60)


def test_an_episode_ends_with_its_unit_and_at_a_gap() -> None:
    rows = _rows([1] * 40, [0] * 40, [0] * 20 + [1] * 20)
    assert len(episodes(rows)) == 2
    rows.at_ms[10:20] += 3_600_000
    assert len(episodes(rows)) == 3


def test_an_interval_needs_three_days_that_tell_the_figure() -> None:
    day = [1, 1, 0, 0]
    rows = _rows(day * 5, [1, 0, 0, 0] * 5, step_ms=DAY_MS // 4)
    recall = next(figure for figure in figures(rows, "b") if figure.name == "b.recall")
    assert (recall.low, recall.value, recall.high) == (0.5, 0.5, 0.5)
    one_day = _rows(day, [1, 0, 0, 0], step_ms=DAY_MS // 4)
    assert next(figure for figure in figures(one_day, "b") if figure.name == "b.recall").low is None


def test_equal_rows_give_equal_figures() -> None:
    rng = np.random.default_rng(0)
    rows = _rows(rng.integers(0, 2, 4000).tolist(), rng.integers(0, 2, 4000).tolist(), step_ms=600_000)
    assert figures(rows, "b") == figures(rows, "b")
