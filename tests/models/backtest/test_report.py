"""The report in a browser: whole without a network, and legible on a desk and on a phone."""

from __future__ import annotations

import re
import shutil
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.contracts.columnmap import load_map
from models.hvac.backtest.charts import Axis, Span, axis_of, bars, line, ticks
from models.hvac.backtest.plausible import prepare
from models.hvac.backtest.reader import read
from models.hvac.backtest.report import render
from models.hvac.backtest.run import figures_of, run
from tests.models.backtest.plant import write_export, write_map

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

SPAN = Span(0, 1_200_000, UTC)


def test_a_line_breaks_at_a_gap_and_holds_the_extremes() -> None:
    at_ms = np.array([*range(0, 600_000, 1000), *range(900_000, 1_200_000, 1000)])
    values = np.zeros(len(at_ms))
    values[100] = 5.0
    drawn = line(SPAN, Axis(0.0, 5.0), at_ms, values)
    assert drawn.count("M") == 2
    assert re.search(r"L\d+\.\d 0\.0", drawn)
    assert line(SPAN, Axis(0, 1), at_ms, np.full(len(at_ms), np.nan)) == ""


def test_bars_that_touch_are_one() -> None:
    at_ms = np.arange(0, 1_200_000, 1000)
    flags = np.zeros(len(at_ms), dtype=bool)
    flags[100:200] = flags[600] = True
    assert bars(SPAN, at_ms, flags, at_ms + 1000) == [(100.0, 100.0), (600.0, 1.2)]


def test_axes_have_round_ends() -> None:
    assert axis_of(np.array([3.2, 17.9])) == Axis(0.0, 20.0)
    assert axis_of(np.array([np.nan])).high > axis_of(np.array([np.nan])).low
    assert axis_of(np.array([5.0, 5.0])).high > 5.0


def test_ticks_stand_at_round_times() -> None:
    assert [text for _, text in ticks(Span(0, 6 * 3_600_000, UTC))][1:] == [
        f"{hour:02d}:00".lstrip("0") for hour in range(1, 6)
    ]


def _listen(page: Page, wrong: list[str]) -> None:
    """Complaints of a page, and whatever it asks a network for."""

    def on_request(request: Request) -> None:
        if not request.url.startswith("file:"):
            wrong.append(request.url)

    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", on_request)


@pytest.mark.chromium
def test_it_is_legible_at_any_width_and_asks_for_nothing(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    export = prepare(read([write_export(tmp_path, 120)], load_map(write_map(tmp_path))))
    outcome = run(export)
    page_file = tmp_path / "report.html"
    page_file.write_text(render(outcome, figures_of(outcome), ["<b>plant</b>.csv"], UTC), encoding="utf-8")
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width in (1280, 390):
            page = browser.new_page(viewport={"width": width, "height": 900})
            wrong: list[str] = []
            _listen(page, wrong)
            page.goto(page_file.as_uri())
            assert wrong == []
            assert page.evaluate("document.documentElement.scrollWidth") == width
            assert page.locator("h1").inner_text() == "Backtest of <b>plant</b>.csv"
            plot = page.locator(".plot").first
            plot.hover()
            assert page.locator(".times .now").first.inner_text() != ""
            if width > 1000:
                box = plot.bounding_box()
                assert box is not None
                page.mouse.move(box["x"] + 100, box["y"] + 10)
                page.mouse.down()
                page.mouse.move(box["x"] + 300, box["y"] + 10)
                page.mouse.up()
                assert plot.locator("svg").get_attribute("viewBox") != "0 0 1200 100"
            page.close()
        browser.close()
