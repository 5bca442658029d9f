"""Files that users bring: played as they are, what cannot be read is said with its row."""

from __future__ import annotations

import gzip
import itertools
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.framing import Unit
from edge.health import Health
from edge.readings import Readings
from edge.settings import CsvDevice, ReadingSettings
from edge.sources import SourceError
from edge.sources.csvfile import CsvSource
from models.contracts.columnmap import ColumnMap, ColumnMapError, LabelColumn, PointColumn, TimeReader, resolve
from models.contracts.frame import Quality
from models.contracts.settings import SettingsError, parse

MAP = ColumnMap(
    time="Time",
    unit_id="u",
    points={
        "supply_air_temperature": PointColumn(column="SAT", unit="degF"),
        "supply_fan_status": PointColumn(column="Fan", unit="state"),
    },
)


class Samples:
    """Keeps what comes, by unit."""

    def __init__(self) -> None:
        self.of: dict[str, list[tuple[int, Readings]]] = {}

    def add_unit(self, unit: Unit) -> None:
        self.of[unit.name] = []

    def take(self, unit: Unit, measured_at_ms: int, readings: Readings, _jitter_ms: int) -> None:
        self.of[unit.name].append((measured_at_ms, readings))

    async def room(self) -> None:
        """Always."""


def _source(path: Path, columns: ColumnMap = MAP, **more: Any) -> CsvSource:
    device = CsvDevice(name="f", path=str(path), map=columns, **more)
    rows = iter(range(100))
    return CsvSource(device, lambda: next(rows), ReadingSettings(), Health(time.monotonic))


async def _play(path: Path, columns: ColumnMap = MAP, **more: Any) -> Samples:
    samples = Samples()
    await _source(path, columns, **more).run(samples)
    return samples


def _file(folder: Path, text: str) -> Path:
    path = folder / "export.csv"
    path.write_text(text)
    return path


async def test_rows_become_samples_in_our_units(tmp_path: Path) -> None:
    path = _file(tmp_path, "Time,SAT ,Fan\n2026-01-01 00:00,68,1\n2026-01-01 00:01,,off\n2026-01-01T00:02:00Z,70.7,0\n")
    samples = (await _play(path)).of["u"]
    assert [at_ms for at_ms, _ in samples] == [1_767_225_600_000 + minute * 60_000 for minute in range(3)]
    np.testing.assert_allclose(
        np.stack([readings.values for _, readings in samples]), np.array([[20, 1], [np.nan, 0], [21.5, 0]])
    )
    assert samples[1][1].quality.tolist() == [Quality.MISSING, 0]


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_files_come_in_many_dresses(zipped: bool, delimiter: str, tmp_path: Path) -> None:
    text = "\ufeffTime,SAT,Fan\r\n3/11/2017 0:00,68.0,1\r\n3/11/2017 0:01,69.8,1\r\n".replace(",", delimiter)
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    source = _source(path)
    assert (source.first_at_ms, source.interval_ms) == (1_489_190_400_000, 60_000)
    samples = Samples()
    await source.run(samples)
    np.testing.assert_allclose([readings.values[0] for _, readings in samples.of["u"]], [20, 21])


async def test_windows_code_page_and_decimal_commas(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("Time;SAT °C;Fan\n01.03.2026 00:00;21,5;ein\n01.03.2026 00:01;21,6;1\n".encode("cp1252"))
    columns = ColumnMap(
        time="Time", unit_id="u", points={"supply_air_temperature": PointColumn(column="SAT °C", unit="°C")}
    )
    samples = (await _play(path, columns)).of["u"]
    np.testing.assert_allclose([readings.values[0] for _, readings in samples], [21.5, 21.6], rtol=1e-6)


async def test_rows_out_of_order_twice_or_without_time_are_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _file(
        tmp_path,
        "Time,SAT,Fan\n2026-01-01 00:00,68,1\n2026-01-01 00:02,69,1\n2026-01-01 00:01,70,1\n2026-01-01 00:02,71,1\n"
        "yesterday,72,1\n\n2026-01-01 00:03,73\n2026-01-01 00:04,warm,1\n",
    )
    with caplog.at_level(logging.INFO, "edge"):
        samples = (await _play(path)).of["u"]
    assert [(at_ms // 60_000) % 60 for at_ms, _ in samples] == [0, 2, 3, 4]
    assert samples[2][1].quality.tolist() == [0, Quality.MISSING]
    assert samples[3][1].quality.tolist() == [Quality.MISSING, 0]
    said = "\n".join(record.message for record in caplog.records)
    assert "row 4: its time is before the row above" in said
    assert "row 5: its time is there twice" in said
    assert "row 6: time 'yesterday' is none that we know" in said
    assert "row 9 column 2: 'warm' is no number; taken as missing" in said
    assert "played to its end, 4 rows, 3 left out" in said


async def test_an_implausible_cell_names_row_and_unit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = _file(tmp_path, "Time,SAT,Fan\n2026-01-01 00:00,720,1\n")
    samples = (await _play(path)).of["u"]
    assert samples[0][1].quality.tolist() == [Quality.OUT_OF_RANGE, 0]
    assert "row 2: supply_air_temperature is 720 degF, expected 14 to 158; check unit" in caplog.text


async def test_a_file_of_several_units(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "Time,Box,SAT,Fan\n2026-01-01 00:00,AHU 1,68,1\n2026-01-01 00:00,AHU/2,70,1\n2026-01-01 00:05,AHU 1,68,1\n",
    )
    columns = ColumnMap(time="Time", unit_column="Box", points=MAP.points)
    samples = await _play(path, columns)
    assert {unit: len(rows) for unit, rows in samples.of.items()} == {"AHU-1": 2, "AHU-2": 1}
    assert _source(path, columns).interval_ms == 300_000


async def test_type_generic_takes_every_numeric_column(tmp_path: Path) -> None:
    path = _file(tmp_path, "when,a,note,b,skip,label\n2026-01-01 00:00,1,x,2.5,9,0\n2026-01-01 00:01,2,y,-3e2,9,1\n")
    columns = ColumnMap(time="when", unit_id="u", type="generic", ignore=("skip",), label=LabelColumn(column="label"))
    samples = (await _play(path, columns)).of["u"]
    np.testing.assert_allclose(
        np.stack([readings.values for _, readings in samples]), np.array([[1, 2.5], [2, -300.0]])
    )


async def test_playback_speed(tmp_path: Path) -> None:
    rows = "".join(f"2026-01-01 00:00:{second:02d},68,1\n" for second in range(10))
    started = time.monotonic()
    await _play(_file(tmp_path, "Time,SAT,Fan\n" + rows), playback_speed=20.0)
    assert 0.4 < time.monotonic() - started < 0.8


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("", MAP, "is empty, expected a header and rows"),
        ("Time,SAT,Fan\n", MAP, "has a header and no rows"),
        ("Tine,SAT,Fan\n1,2,3\n", MAP, "column 'Time' is not in the file [time]; did you mean 'Tine'"),
        ("Time,SAT,SAT,Fan\n1,2,3,4\n", MAP, "column 'SAT' is 2 times in the header"),
        ("Time,SAT,Fan\nsoon,2,3\n", MAP, "row 2: time 'soon' is none that we know"),
        ("Time,SAT,Fan\n17,2,3\n", MAP, "expected epoch seconds or milliseconds"),
        ("Time,SAT,Fan\n2026-01-01,2,3\n", ColumnMap(unit_id="u", points=MAP.points), "names no time column"),
        ("Time,x\n2026-01-01,word\n", ColumnMap(time="Time", unit_id="u", type="generic"), "map names no points"),
    ],
)
def test_a_file_that_cannot_be_played_is_refused_at_once(
    text: str, columns: ColumnMap, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as error:
        _source(_file(tmp_path, text), columns)
    assert message in str(error.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        _source(tmp_path / "none.csv")


async def test_a_file_cut_short_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    rows = "".join(f"2026-01-01 00:{minute:02d},68,1\n" for minute in range(60)) * 400
    path.write_bytes(gzip.compress(("Time,SAT,Fan\n" + rows).encode())[:-2000])
    with pytest.raises(SourceError, match="cannot be read"):
        await _play(path)


# Times


def test_time_of_a_zone_and_the_hour_that_comes_twice() -> None:
    reader = TimeReader(ColumnMap(zone="America/Los_Angeles"))
    cells = ["11/1/2026 0:30", "11/1/2026 1:30", "11/1/2026 1:30", "11/1/2026 2:30"]
    times = [reader.read(cell) for cell in cells]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [3_600_000] * 3
    assert times[0] == 1_793_518_200_000


@pytest.mark.parametrize(
    ("cell", "at_ms"),
    [
        ("2026-03-01T12:00:00+02:00", 1_772_359_200_000),
        ("2026-03-01 10:00:00.250", 1_772_359_200_250),
        ("3/1/2026 10:00", 1_772_359_200_000),
        ("3/1/2026 10:00:00 AM", 1_772_359_200_000),
        ("1.3.2026 10:00", 1_772_359_200_000),
        ("1772359200", 1_772_359_200_000),
        ("1772359200000", 1_772_359_200_000),
        (" 2026-03-01 10:00 ", 1_772_359_200_000),
    ],
)
def test_times_as_people_write_them(cell: str, at_ms: int) -> None:
    assert TimeReader(ColumnMap()).read(cell) == at_ms


def test_a_format_of_ones_own() -> None:
    assert TimeReader(ColumnMap(time_format="%d/%m/%Y %H:%M")).read("1/3/2026 10:00") == 1_772_359_200_000
    with pytest.raises(ColumnMapError, match="does not fit time_format"):
        TimeReader(ColumnMap(time_format="%d/%m/%Y")).read("2026-03-01")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('unit_id = "a"\nunit_column = "b"', "unit_id and unit_column are both set"),
        ('zone = "Europe/Berlun"', "zone 'Europe/Berlun' is not known"),
        ('[points.supply_air_temprature]\ncolumn = "x"', "did you mean 'supply_air_temperature'"),
        ('[points.supply_air_temperature]\ncolumn = "x"\nunit = "kPa"', "expected one that converts to celsius"),
        ('[points.supply_air_temperature]\nunit = "degF"', "missing required field `column`"),
        ('tiem = "x"', "did you mean 'time'"),
    ],
)
def test_maps_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse(text, ColumnMap, "map.toml")
    assert message in str(error.value)


def test_finance_fields_need_no_points() -> None:
    columns = parse('[fields.amount_minor]\ncolumn = "amt"', ColumnMap)
    assert resolve(columns, ["amt"]).points == ()


@pytest.mark.data
async def test_a_real_air_handler(tmp_path: Path) -> None:
    from tests.servers import data_directory

    names = {
        "supply_air_temperature": "AHU: Supply Air Temperature",
        "supply_air_heating_temperature_setpoint": "AHU: Supply Air Temperature Heating Set Point",
        "outdoor_air_temperature": "AHU: Outdoor Air Temperature",
    }
    columns = ColumnMap(
        time="Datetime",
        zone="America/Los_Angeles",
        unit_id="szcav",
        points={name: PointColumn(column=column, unit="degF") for name, column in names.items()},
    )
    source = _source(data_directory() / "hvac" / "lbnl_ahu" / "SZCAV.csv.gz", columns)
    samples = Samples()
    await source.run(samples)
    rows = samples.of["szcav"]
    assert source.interval_ms == 60_000
    # The file is in standard time: the hour that summer time skips comes twice then, and once is left out.
    assert len(rows) > 21_500
    assert 10 < float(np.nanmean([readings.values[0] for _, readings in rows])) < 40
