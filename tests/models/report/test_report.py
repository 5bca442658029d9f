"""The whole report on a very small fleet: printed, written, and legible; and names from outside are text, never markup."""

from __future__ import annotations

import csv
import html.parser
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.contracts.figures import Figure
from models.contracts.settings import SettingsError
from models.hvac.report import command, detection, page
from models.hvac.report.account import account
from models.hvac.report.assumptions import ReportSettings
from models.hvac.report.study import Study, World
from models.hvac.report.summary import changes
from models.hvac.report.tables import policy_lines, sensitivity_rows
from simulators.hvac.plants.faults import FAMILIES
from simulators.hvac.plants.policy_run import simulate, simulate_events
from tests.models.report.fleet import detection as made

WORLD = World(simulate, simulate_events, FAMILIES)


class Tags(html.parser.HTMLParser):
    """Collects what a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "rect", "line", "polyline", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line", "polyline"):
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def studies() -> list[Study]:
    return command.run_studies(WORLD, small(), made("ahu"), seed=3)


def small() -> ReportSettings:
    settings = ReportSettings()
    fleet = msgspec.structs.replace(settings.fleet, equipment=("ahu",), units=4, sites=2, years=4 / 365)
    faults = msgspec.structs.replace(settings.faults, wear_acceleration=60.0)
    late = msgspec.structs.replace(settings.compliance, late_days=0.5)
    return msgspec.structs.replace(settings, fleet=fleet, faults=faults, compliance=late)


def render(studies: list[Study], settings: ReportSettings, measured: detection.Detection) -> str:
    against = changes({one.equipment: one.outcomes for one in studies})
    words = account(studies, against, settings, measured)
    return page.render(
        studies, against, policy_lines(studies, settings), sensitivity_rows(studies), words, settings, measured, 3
    )


def test_the_page_stands_alone_and_is_whole(studies: list[Study]) -> None:
    found = Tags()
    text = render(studies, small(), made("ahu"))
    found.feed(text)
    assert found.open == []
    assert "script" not in found.seen
    assert found.seen.count("svg") > 6
    assert all(link.startswith("http") for link in found.links)  # sources to follow, nothing to load
    assert "Field evidence: 9 %" in text
    assert "prefers-color-scheme: dark" in text
    assert "nan" not in text.replace("maintenance", "").replace("tenant", "").replace("finance", "")


def test_words_from_outside_are_text(studies: list[Study]) -> None:
    evil = "<script>alert(1)</script>"
    settings = small()
    settings = msgspec.structs.replace(settings, cost=msgspec.structs.replace(settings.cost, currency=evil))
    measured = msgspec.structs.replace(made("ahu"), monitor=evil, measured=evil)
    text = render(studies, settings, measured)
    assert evil not in text
    assert "&lt;script&gt;" in text


def test_policies_met_the_same_fleet(studies: list[Study]) -> None:
    outcomes = studies[0].outcomes
    assert np.array_equal(outcomes["reactive"].occupied_hours, outcomes["plenum"].occupied_hours)
    assert outcomes["reactive"].counts["alerts"].sum() == 0
    assert outcomes["plenum"].counts["alerts"].sum() > 0
    # Nobody but the schedule visits by the calendar.
    assert outcomes["plenum"].counts["visits"].sum() == outcomes["reactive"].counts["visits"].sum() == 0


def test_the_command_prints_figures_and_writes_page_and_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, studies: list[Study]
) -> None:
    measured, settings = tmp_path / "detection.json", tmp_path / "report.toml"
    detection.save(made("ahu"), measured)
    settings.write_text('[fleet]\nequipment = ["ahu"]\nunits = 4\n', encoding="utf-8")
    monkeypatch.setattr(command, "run_studies", lambda *_: studies)
    out, figures_file = tmp_path / "out", tmp_path / "figures.json"
    code = command.run_report(
        WORLD, settings_file=settings, detection_file=measured, out=out, json_path=str(figures_file)
    )
    assert code == 0
    printed = capsys.readouterr().out
    for name in ("energy", "comfort_compliance", "maintenance_compliance"):
        for end in ("", "_low", "_high"):
            assert f"RESULT report.hvac.{name}_change_percent{end} " in printed
    assert "median annual energy" not in printed  # our own words
    assert "9 % of their annual energy" in " ".join(printed.split())
    figures = {figure.name: figure for figure in msgspec.json.decode(figures_file.read_bytes(), type=list[Figure])}
    energy = figures["report.hvac.energy_change_percent"]
    assert energy.low is not None
    assert energy.high is not None
    assert energy.low <= energy.value <= energy.high
    rows = list(csv.DictReader((out / command.UNITS).open(encoding="utf-8")))
    sums = {
        name: sum(float(row["energy_kwh"]) for row in rows if row["policy"] == name) for name in ("reactive", "plenum")
    }
    assert 100 * (sums["plenum"] / sums["reactive"] - 1) == pytest.approx(energy.value, abs=0.01)
    assert (out / command.PAGE).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_kind_without_detection_is_refused_before_anything_runs(tmp_path: Path) -> None:
    path = tmp_path / "detection.json"
    detection.save(made("rtu"), path)
    with pytest.raises(SettingsError, match="'ahu' has not been measured"):
        command.run_report(WORLD, detection_file=path)
