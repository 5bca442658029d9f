"""What a replay knows of a file beforehand agrees with what the agent will read from it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from models.contracts.columnmap import ColumnMap, LabelColumn, PointColumn
from simulators.demo.recording import RecordingError, look_into, place_alerts

MAP = ColumnMap(
    time="Zeit",
    unit_id="ahu",
    label=LabelColumn(column="Wahrheit", positive=1),
    points={"supply_air_temperature": PointColumn(column="Zuluft °C", unit="degC")},
)
ROWS = "Zeit;Zuluft °C;Wahrheit\n2026-01-01T00:00;14.5;0\n2026-01-01T12:00;14.5;1.0\n2026-01-02T00:00;14.5\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("zipped", [False, True])
def test_every_way_in_which_exports_are_written_is_read(tmp_path: Path, encoding: str, zipped: bool) -> None:
    """Semicolons, a degree sign in Windows' code page, a row that ends early, gzip."""
    path = tmp_path / "export.csv"
    path.write_bytes(gzip.compress(ROWS.encode(encoding)) if zipped else ROWS.encode(encoding))
    found = look_into(path, MAP)
    assert (found.last_at_ms - found.first_at_ms) == 86_400_000
    assert {day: (one.rows, one.faulty_rows) for day, one in found.days.items()} == {
        "2026-01-01": (2, 1),
        "2026-01-02": (1, 0),
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not in the file"),
        (b"Zeit;Zuluft \xc2\xb0C;Wahrheit\nsoon;1;0\n", "no row with a time"),
        (gzip.compress(ROWS.encode())[:-9], "cannot be read"),
    ],
    ids=["empty", "no time", "cut"],
)
def test_a_file_that_cannot_be_played_is_said(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "export.csv"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        look_into(path, MAP)


def test_an_alert_stands_on_every_day_from_its_opening_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "export.csv"
    path.write_text(ROWS)
    found = look_into(path, MAP)
    alert = {"opened_at_ms": found.first_at_ms, "cleared_at_ms": None, "family": "damper_stuck", "rule": "FC10"}
    place_alerts(found, [alert], "UTC")
    assert [one.opened for one in found.days.values()] == [["damper stuck (FC10)"], []]
    assert [one.families for one in found.days.values()] == [{"damper_stuck"}, {"damper_stuck"}]
