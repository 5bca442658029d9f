"""Settings of the report: the sample is the defaults, and what cannot be is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.contracts.settings import SettingsError, load, parse
from models.hvac.families import FAMILIES_OF
from models.hvac.report import detection
from models.hvac.report.assumptions import ReportSettings, with_fleet
from models.hvac.report.study import kind_detection
from models.hvac.report.tasks import TASKS
from simulators.hvac.plants.faults import FAMILIES
from tests.models.report.fleet import detection as made

SAMPLE = Path(detection.__file__).parent / "report.sample.toml"


def test_the_sample_is_the_defaults_with_every_key() -> None:
    import tomllib

    import msgspec

    assert load(SAMPLE, ReportSettings) == ReportSettings()
    told = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))
    known = msgspec.to_builtins(ReportSettings())
    assert {part: set(keys) for part, keys in told.items()} == {
        part: set(keys) for part, keys in known.items() if part != "tasks"
    }


def test_every_fault_of_every_plant_can_be_mended() -> None:
    assert {family for families in FAMILIES.values() for family in families} <= TASKS.keys()
    assert {family for families in FAMILIES_OF.values() for family in families} <= TASKS.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[fleet]\nunits = 0", "units"),
        ('[fleet]\nequipment = ["toaster"]', "'toaster' is not known"),
        ("[fleet]\nequipment = []", "at least one kind"),
        ('[fleet]\nequipment = ["ahu", "ahu"]', "each once"),
        ("[plenum]\nacted_fraction = 1.2", "acted_fraction"),
        ("[tasks.fan_belt]\nwork_hours = 1", "family 'fan_belt' is not known"),
        ("[reactive]\nrespond_hours = 3", "did you mean 'response_hours'"),
        ("[cost]\nlabour_per_hour = nan", "labour_per_hour"),
    ],
)
def test_bad_settings_are_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse(text, ReportSettings)


def test_the_command_line_is_held_to_the_same_bounds() -> None:
    assert with_fleet(ReportSettings(), 5, 0.5, "rtu, boiler").fleet.equipment == ("rtu", "boiler")
    with pytest.raises(SettingsError, match="units"):
        with_fleet(ReportSettings(), units=1)
    with pytest.raises(SettingsError, match="years"):
        with_fleet(ReportSettings(), years=0)
    with pytest.raises(SettingsError, match="toaster"):
        with_fleet(ReportSettings(), equipment="toaster")


def test_detection_that_was_not_measured_is_not_invented(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        detection.load(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(SettingsError, match="measure it anew"):
        detection.load(tmp_path / "bad.json")
    with pytest.raises(SettingsError, match="'boiler' has not been measured; there is ahu"):
        kind_detection(made("ahu"), "boiler")


def test_what_was_measured_before_of_other_kinds_stays(tmp_path: Path) -> None:
    path = tmp_path / "detection.json"
    detection.save(made("ahu"), path)
    detection.save(made("rtu"), path)
    assert set(detection.load(path).equipment) == {"ahu", "rtu"}
