"""Files that users bring: each flaw is one sentence with the file, the row as a spreadsheet counts it, and the column."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.contracts.columnmap import ColumnMap
from models.hvac.backtest.export import ExportError, Raw
from models.hvac.backtest.plausible import prepare
from models.hvac.backtest.reader import read

START_MS = 1_700_000_000_000
ROWS = "time,a,b,label\n" + "".join(f"{START_MS + 60_000 * n},{n}.5,{n * 2},{n % 2}\n" for n in range(5))


def columns(**more: Any) -> ColumnMap:
    return msgspec.convert({"time": "time", "type": "generic", **more}, ColumnMap)


def _read(tmp_path: Path, content: str | bytes, name: str = "rows.csv", **more: Any) -> Raw:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read([path], columns(**more))


def test_all_numeric_columns_are_points_but_time_label_and_what_is_ignored(tmp_path: Path) -> None:
    raw = _read(tmp_path, ROWS, label={"column": "label"}, ignore=["b"])
    assert raw.layout.points == ("a",)
    assert raw.truth is not None
    assert raw.truth.tolist() == [0, 1, 0, 1, 0]
    assert raw.unit_names == ("rows",)
    assert raw.columns[0].tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("zipped", [False, True])
def test_any_delimiter_zipped_or_not(tmp_path: Path, delimiter: str, zipped: bool) -> None:
    content = ROWS.replace(",", delimiter).encode()
    raw = _read(tmp_path, gzip.compress(content) if zipped else content, "rows.csv.gz" if zipped else "rows.csv")
    assert raw.layout.points == ("a", "b", "label")
    assert raw.columns[1].tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_umlauts_and_byte_order_marks(tmp_path: Path, encoding: str) -> None:
    raw = _read(tmp_path, ROWS.replace("time,a", "Zeit,Außen °C").encode(encoding), time="Zeit")
    assert raw.layout.points[0] == "Außen °C"


def test_decimal_commas_in_a_file_that_semicolons_divide(tmp_path: Path) -> None:
    raw = _read(tmp_path, "time;a;b\n2024-01-01 00:00;1,5;10\n2024-01-01 00:01;-2,25;11\n")
    assert raw.columns[0].tolist() == [1.5, -2.25]


def test_several_files_are_one_export_and_a_unit_each(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(ROWS)
    raw = read([tmp_path / "one.csv", tmp_path / "two.csv"], columns())
    assert raw.unit_names == ("one", "two")
    assert raw.place(5) == f"file {tmp_path / 'two.csv'}: row 2"
    with pytest.raises(ExportError, match=r"two.csv: row 2 .*before that"):
        prepare(read([tmp_path / "one.csv", tmp_path / "two.csv"], columns(unit_id="u")))


def test_a_unit_column_names_units_as_topics_have_them(tmp_path: Path) -> None:
    raw = _read(tmp_path, "time,who,a\n1700000000,AHU 1,1\n1700000000,AHU/2,2\n", unit_column="who")
    assert raw.unit_names == ("AHU-1", "AHU-2")
    with pytest.raises(ExportError, match="both called 'AHU-1'"):
        _read(tmp_path, "time,who,a\n1700000000,AHU 1,1\n1700000000,AHU/1,2\n", unit_column="who")


def test_blank_rows_count_as_a_spreadsheet_counts_them(tmp_path: Path) -> None:
    raw = _read(tmp_path, "time,a\n1700000000,1\n\n1700000060,2\n\n1700000060,3\n")
    with pytest.raises(ExportError, match=r"row 6 .*row 4"):
        prepare(raw)


def test_parquet_with_a_zone_and_without(tmp_path: Path) -> None:
    moments = [datetime(2024, 7, 1, 12, minute, tzinfo=UTC) for minute in range(3)]
    for kind, shift_hours in ((pa.timestamp("us", "America/New_York"), 0), (pa.timestamp("ns"), -2)):
        naive = [moment.replace(tzinfo=None) for moment in moments] if shift_hours else moments
        table = pa.table({"time": pa.array(naive, kind), "a": pa.array([1.5, None, 2.5]), "name": ["x", "x", "x"]})
        pq.write_table(table, tmp_path / "rows.parquet")
        raw = read([tmp_path / "rows.parquet"], columns(zone="Europe/Berlin", unit_column="name"))
        assert raw.at_ms[0] == round(moments[0].timestamp() * 1000) + shift_hours * 3_600_000
        assert raw.layout.points == ("a",)
        np.testing.assert_array_equal(raw.columns[0], [1.5, np.nan, 2.5])


def test_a_map_that_names_points_of_the_vocabulary_converts_and_checks_them(tmp_path: Path) -> None:
    points = {"supply_air_temperature": {"column": "a", "unit": "degF"}}
    raw = _read(tmp_path, "time,a\n1700000000,50\n1700000060,oops\n1700000120,500\n", type="ahu", points=points)
    export = prepare(raw)
    np.testing.assert_array_equal(export.values[:, 0], np.array([10, np.nan, np.nan], dtype=np.float32))
    assert any("row 3 column 'a': 'oops'" in note for note in raw.notes)
    assert any("row 4: 500 degF, expected 14 to 158" in note for note in raw.notes)


FLAWS: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "empty": ("", {}, r"is empty, expected a header and rows"),
    "empty_zipped": (gzip.compress(b""), {}, r"is empty, expected a header and rows"),
    "header_only": ("time,a\n", {}, r"has a header and no rows"),
    "junk": (bytes(range(256)) * 40, {}, r"row 1: is no text \(byte 0 is 0x00\)"),
    "junk_later": (ROWS.encode() + b"\x00\x01\x02", {}, r"row 7: is no text"),
    "workbook": (b"PK\x03\x04" + bytes(100), {}, r"is a zip archive or an Excel workbook.*export it as CSV"),
    "utf16": (ROWS.encode("utf-16"), {}, r"is UTF-16 text; save it as UTF-8"),
    "cut_off_zip": (gzip.compress(ROWS.encode() * 50)[:-20], {}, r"cannot be read|Truncated|end-of-stream"),
    "no_time_column": ("when,a\n1700000000,1\n", {}, r"column 'time' is not in the file \[time\]"),
    "no_time_in_the_map": (ROWS, {"time": ""}, r"names no time column"),
    "one_column": ("time:a\n1700000000:1\n", {}, r"one column only: expected names divided by comma"),
    "label_missing": (ROWS, {"label": {"column": "truth"}}, r"column 'truth' is not in the file \[label.column\]"),
    "labels_all_empty": ("time,a,l\n1700000000,1,\n", {"label": {"column": "l"}}, r"row 2 column 'l': no row has a label"),
    "label_of_words": (
        "time,a,l\n1700000000,1,ok\n", {"label": {"column": "l"}}, r"row 2 column 'l': label 'ok' is no number.*positive",
    ),
    "ragged": ("time,a,b\n1700000000,1,2\n1700000060,3\n", {}, r"row 3: has 2 cells, expected 3 as its header"),
    "too_long": ("time,a\n1700000000,1\n1700000060,3,4\n", {}, r"row 3: has 3 cells, expected 2"),
    "bad_time": ("time,a\n1700000000,1\nnoon,2\n", {}, r"row 3 column 'time': time 'noon'"),
    "empty_time": ("time,a\n1700000000,1\n,2\n", {}, r"row 3 column 'time': time is empty"),
    "empty_unit": ("time,u,a\n1700000000,x,1\n1700000060,,2\n", {"unit_column": "u"}, r"row 3 column 'u': is empty"),
    "twice_the_column": ("time,a,a\n1700000000,1,2\n", {"points": {"p": {"column": "a"}}}, r"is 2 times in the header"),
    "mixed_formats": (
        "time;a\n2024-01-01 00:00;1,5\n2024-01-01 00:01;1.234\n", {}, r"row 2 column 'a': '1,5'.*'1.234'.*row 3 column 'a'",
    ),
    "no_numbers": ("time,a\n1700000000,x\n1700000060,y\n", {}, r"map names no points"),
}  # fmt: skip


@pytest.mark.parametrize("name", FLAWS)
def test_a_flaw_is_one_sentence_with_its_place(tmp_path: Path, name: str) -> None:
    content, more, expected = FLAWS[name]
    with pytest.raises(ExportError, match=expected) as error:
        _read(tmp_path, content, **more)
    assert "\n" not in str(error.value)
    assert "rows.csv" in str(error.value)


def test_a_column_without_any_number_is_said_and_one_with_nothing_else_refused(tmp_path: Path) -> None:
    points = {name: {"column": name} for name in ("a", "b")}
    raw = _read(tmp_path, "time,a,b\n1700000000,,1\n1700000060,nan,2\n", points=points)
    prepare(raw)
    assert any("column 'a' has no number in any of 2 rows [a]" in note for note in raw.notes)
    with pytest.raises(ExportError, match=r"no point has a number that can be believed \(a, b\)"):
        prepare(_read(tmp_path, "time,a,b\n1700000000,,\n1700000060,nan,\n", points=points))


def test_rows_without_a_label_are_not_judged_and_said(tmp_path: Path) -> None:
    raw = _read(tmp_path, "time,a,l\n1700000000,1,1\n1700000060,2,\n", label={"column": "l"})
    assert raw.truth is not None
    assert raw.truth.tolist() == [1, -1]
    assert any("1 rows have no label" in note and "row 3" in note for note in raw.notes)


def test_labels_in_words(tmp_path: Path) -> None:
    raw = _read(tmp_path, "time,a,l\n1700000000,1,ok\n1700000060,2, bad \n", label={"column": "l", "positive": "bad"})
    assert raw.truth is not None
    assert raw.truth.tolist() == [0, 1]


def test_a_truth_that_would_be_a_point_is_pointed_out(tmp_path: Path) -> None:
    raw = _read(tmp_path, "time,a,changepoint\n1700000000,1,0\n1700000060,2,1\n")
    assert any("changepoint" in note and "`ignore`" in note for note in raw.notes)


def test_a_file_that_is_not_there_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no such file"):
        read([tmp_path / "none.csv"], columns())
    with pytest.raises(ExportError, match="is a directory"):
        read([tmp_path], columns())


def test_parquet_that_is_damaged_or_holds_lists(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"PAR1" + bytes(50))
    with pytest.raises(ExportError, match="cannot be read as Parquet"):
        read([path], columns())
    pq.write_table(pa.table({"time": [1_700_000_000], "a": [[1.0]]}), path)
    with pytest.raises(ExportError, match=r"column 'a' holds list.*expected numbers"):
        read([path], columns(points={"a": {"column": "a"}}))
