"""Units of type generic: fitted to training rows, or teaching themselves exactly as a gateway lets them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.contracts.columnmap import ColumnMap
from models.contracts.frame import as_sent
from models.contracts.messages import alert_id_for
from models.hvac.backtest.export import Export, ExportError
from models.hvac.backtest.framing import SAMPLES
from models.hvac.backtest.plausible import prepare
from models.hvac.backtest.reader import read
from models.hvac.backtest.run import figures_of, run, training_of
from models.hvac.generic import GenericSettings
from models.hvac.unknown import RULE, UnknownUnit

START_MS = 1_700_000_000_000
INTERVAL_MS = 60_000
ROWS, BREAKS_AT = 3000, 2400
MAP = msgspec.convert(
    {"time": "time", "type": "generic", "unit_column": "unit", "label": {"column": "broken"}}, ColumnMap
)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of two machines with three sensors that hang together; the second one's stop doing so near the end."""
    rng = np.random.default_rng(11)
    path = tmp_path_factory.mktemp("generic") / "machines.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("time,unit,flow,pressure,power,broken\n")
        drive = np.sin(np.arange(ROWS) / 97)[:, None] + 0.2 * rng.standard_normal((ROWS, 2))
        for row in range(ROWS):
            for unit in range(2):
                broken = unit == 1 and row >= BREAKS_AT
                x = drive[row, unit]
                values = [x + 0.05 * rng.standard_normal(), 2 * x + 0.05 * rng.standard_normal(), 4.0 - x]
                if broken:
                    values[1] -= 8.0
                cells = ["" if rng.random() < 0.01 else f"{value:.5f}" for value in values]
                file.write(f"{START_MS + INTERVAL_MS * row},m{unit},{','.join(cells)},{int(broken)}\n")
    return path


@pytest.fixture(scope="module")
def export(rows: Path) -> Export:
    return prepare(read([rows], MAP))


def test_a_unit_that_teaches_itself_is_judged_as_the_gateway_judges_it(export: Export) -> None:
    # The week that a unit usually learns would be the whole file.
    settings = GenericSettings(learn_days=0.5)
    outcome = run(export, generic=settings, site="s")
    for number, name in enumerate(export.units):
        live = UnknownUnit(export.raw.layout)
        live._unit.settings = msgspec.structs.replace(live._unit.settings, learn_days=0.5)
        span = export.slice_of(number)
        said: list[tuple[str, int]] = []
        for first in range(span.start, span.stop, SAMPLES):
            values = as_sent(np.ascontiguousarray(export.values[first : first + SAMPLES].T), export.raw.layout)
            seen = live.take(values, None, int(export.at_ms[first]), INTERVAL_MS)
            said += [(change.transition, change.opened_at_ms) for change in seen.changes]
            newest = outcome.score[first : first + SAMPLES]
            newest = newest[np.isfinite(newest)]
            if seen.score is not None:
                assert seen.score == float(newest[-1])
        ours = [alert for alert in outcome.alerts if alert.unit == name]
        assert [one.alert_id for one in ours] == [
            alert_id_for("s", name, RULE, opened) for transition, opened in said if transition == "opened"
        ]
        assert [one.cleared_at_ms is not None for one in ours].count(True) == [t for t, _ in said].count("cleared")


def test_a_unit_without_any_reading_is_said_and_the_others_are_judged(rows: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    dead = "".join(f"{START_MS + INTERVAL_MS * row},dead,,,,0\n" for row in range(300))
    more.write_text(rows.read_text() + dead)
    outcome = run(prepare(read([more], MAP)), generic=GenericSettings(learn_days=0.5))
    assert np.isnan(outcome.score[outcome.export.slice_of(2)]).all()
    assert np.isfinite(outcome.score[outcome.export.slice_of(0)]).any()
    assert any("not scored (dead)" in note for note in outcome.notes)


def test_a_fitted_unit_finds_the_break_and_does_not_judge_its_training(export: Export) -> None:
    outcome = run(export, training_of(export, None, 1000))
    figures = {figure.name: figure.value for figure in figures_of(outcome)}
    assert np.isnan(outcome.score[outcome.trained]).all()
    assert np.isfinite(outcome.score[~outcome.trained]).mean() > 0.99
    assert figures["backtest.rows"] == 2 * (ROWS - 1000)
    assert figures["backtest.recall"] > 0.8
    assert figures["backtest.false_alarm_rate"] < 0.05
    first = next(
        alert
        for alert in outcome.alerts
        if alert.unit == "m1" and alert.opened_at_ms >= START_MS + INTERVAL_MS * BREAKS_AT
    )
    assert first.family == "unusual_operation"
    assert "pressure" in {reason.name for reason in first.reasons}


def test_a_unit_does_not_depend_on_the_others_in_the_file(export: Export, rows: Path, tmp_path: Path) -> None:
    alone_file = tmp_path / "alone.csv"
    lines = rows.read_text().splitlines()
    alone_file.write_text("\n".join([lines[0], *(line for line in lines if ",m1," in line)]) + "\n")
    alone = prepare(read([alone_file], MAP))
    settings = GenericSettings(learn_days=0.5)
    together = run(export, generic=settings).score[export.slice_of(1)]
    np.testing.assert_array_equal(run(alone, generic=settings).score, together)


def test_too_little_to_learn_from_is_refused(export: Export) -> None:
    with pytest.raises(ExportError, match=r"too little to learn from \(m0, m1\).*expected 200 or more"):
        run(export, training_of(export, None, 100))
    with pytest.raises(ExportError, match=r"its first 7 days have not ended in 3000 rows; say --train-rows"):
        run(export)
