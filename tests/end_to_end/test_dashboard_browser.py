"""The dashboard in a real Chromium: an operator signs in, watches a trace move, sees an alert come, acknowledges it.

Screenshots of every page, desktop and phone, light and dark, go to `artefacts/`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from models.contracts.clock import wall_ms
from models.contracts.messages import Reason
from models.contracts.settings import ClockSettings
from tests.cloud.plant import FRAME_MS, PASSWORD, Plant, Served, make_context, served
from tests.cloud.test_dashboard import XSS

pytestmark = pytest.mark.chromium

ARTEFACTS = Path(__file__).resolve().parents[2] / "artefacts"
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
HOURS_MS = 2 * 3600 * 1000
BAD, GOOD = "campus/ahu-02", "campus/ahu-01"


class House:
    """A served plant of three units whose clock runs 30 times as fast as ours."""

    def __init__(self, server: Served, plant: Plant) -> None:
        self.server = server
        self.plant = plant
        self.next_ms = 0

    @property
    def url(self) -> str:
        return self.server.url

    def frames(self, number: int = 1) -> None:
        """The next frames of the two units that send, and their health."""
        for _ in range(number):
            at_ms = self.next_ms
            self.next_ms += FRAME_MS

            def feed(at_ms: int = at_ms) -> None:
                for key, score in ((GOOD, 0.3), (BAD, 1.6)):
                    self.plant.frame(key, at_ms, {"supply_air_temperature": 4.0} if key == BAD else None)
                    self.plant.health(key, at_ms + FRAME_MS, score)

            self.server.call(feed)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    now_ms = wall_ms()
    clock = ClockSettings(speed=30, origin_wall_ms=now_ms, origin_plant_ms=now_ms)
    context = make_context(tmp_path_factory.mktemp("house"), clock=clock)
    plant = Plant(context)
    start_ms = context.clock.now_ms() - HOURS_MS
    for unit, name in (("ahu-01", "Library"), ("ahu-02", "Lecture hall"), ("ahu-03", "Gym")):
        plant.unit(unit, "gw-north", "campus", name, "Main building")
    with served(context) as server:
        house = House(server, plant)
        house.next_ms = start_ms
        house.frames(16)
        house.next_ms += 6 * FRAME_MS  # a quarter of an hour without data
        house.frames(22)
        server.call(lambda: plant.gateway("gw-north", "campus", units=("ahu-01", "ahu-02", "ahu-03")))
        yield house


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


def _open(chromium: Browser, house: House, complaints: list[str], **options: Any) -> tuple[BrowserContext, Page]:
    """A page that is signed in; what the browser complains of is collected."""
    context = chromium.new_context(base_url=house.url, **options)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))

    def on_dialog(dialog: Any) -> None:
        complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def on_console(message: Any) -> None:
        # The login page asks whether there is a session; that there is none is no complaint.
        if message.type in ("error", "warning") and "401 (Unauthorized)" not in message.text:
            complaints.append(f"console: {message.text}")

    page.on("dialog", on_dialog)
    page.on("console", on_console)
    page.goto("/login")
    page.get_by_label("User").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Fleet")).to_be_visible()
    return context, page


def newest_drawn_ms(page: Page, at_least_ms: int = 1, seconds: float = 5) -> int:
    """Time of the newest sample in the charts, once it is at least this; our policy forbids `wait_for_function`."""
    charts = page.locator("#charts")
    deadline = time.monotonic() + seconds
    while True:
        shown_ms = int(charts.get_attribute("data-newest-ms") or 0)
        if shown_ms >= at_least_ms:
            return shown_ms
        assert time.monotonic() < deadline, f"the charts end at {shown_ms} ms, expected {at_least_ms} or more"
        page.wait_for_timeout(50)


def test_an_operator_sees_a_trace_move_an_alert_come_and_acknowledges_it(chromium: Browser, house: House) -> None:
    complaints: list[str] = []
    context, page = _open(chromium, house, complaints, viewport=DESKTOP)
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    page.get_by_role("rowheader", name="Library").get_by_role("link").click()
    expect(page.get_by_role("heading", name="Library")).to_be_visible()
    charts = page.locator("#charts")
    expect(charts.locator("canvas")).to_have_count(11)

    # The trace moves: its newest sample is later, and the picture is another.
    plot = page.locator('[data-chart="air"] canvas')
    before_ms, before = newest_drawn_ms(page), plot.screenshot()
    house.frames(2)
    newest_drawn_ms(page, before_ms + 2 * FRAME_MS)
    assert plot.screenshot() != before
    expect(page.locator('[data-chart="air"] .legend b').first).to_contain_text("°C")

    # An alert comes while the operator looks at something else.
    page.get_by_role("link", name="Alerts").first.click()
    expect(page.get_by_text("No open alert")).to_be_visible()
    alert_id = house.plant.alert(BAD, house.next_ms - FRAME_MS)
    card = page.locator("li.alert").filter(has_text="Heating valve lets hot water through while closed")
    expect(card).to_be_visible(timeout=2000)
    expect(page.locator(".toast")).to_contain_text("Heating valve")
    expect(page.locator("#badge")).to_have_text("1")
    expect(card).to_contain_text("Supply air warm with both valves closed")
    expect(card).to_contain_text("Check first: Close the valve")

    card.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("No open alert")).to_be_visible()
    expect(page.locator("#badge")).to_have_text("")
    stored = house.server.context.alerts.alert(alert_id)
    assert stored is not None
    assert stored.acknowledged is not None
    assert (stored.state, stored.acknowledged.by) == ("acknowledged", "admin")

    # Its page: why, evidence, a note, cleared.
    page.goto(f"/alerts/{alert_id}")
    expect(page.get_by_role("heading", name="What to check")).to_be_visible()
    expect(page.locator("#charts canvas")).not_to_have_count(0)
    page.get_by_label("Note").fill("Valve reseated <b>by hand</b>")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("ol.log")).to_contain_text("Valve reseated <b>by hand</b>")
    expect(page.locator(".unithead .state")).to_have_text("cleared")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/units/campus/ahu-01")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()
    assert complaints == []


def test_ranges_zoom_and_series_answer(chromium: Browser, house: House) -> None:
    complaints: list[str] = []
    context, page = _open(chromium, house, complaints, viewport=DESKTOP)
    page.goto("/units/campus/ahu-01")
    newest_drawn_ms(page)
    with page.expect_response(lambda answer: "/traces" in answer.url) as asked:
        page.get_by_role("button", name="24 h", exact=True).click()
    assert asked.value.json()["resolution"] == "1m"
    plot = page.locator('[data-chart="air"] .u-over')
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    with page.expect_response(lambda answer: "/traces" in answer.url) as asked:
        page.mouse.move(box["x"] + box["width"] * 0.90, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 60, steps=4)
        page.mouse.up()
    zoomed = asked.value.json()
    assert zoomed["to_ms"] - zoomed["from_ms"] < 2 * HOURS_MS
    with page.expect_response(lambda answer: "/traces" in answer.url):
        page.mouse.dblclick(box["x"] + 100, box["y"] + 40)
    series = page.locator('[data-chart="air"] .legend button').first
    series.click()
    expect(series).to_have_attribute("aria-pressed", "false")
    context.close()
    assert complaints == []


def test_a_lost_connection_is_said_and_mended(chromium: Browser, house: House) -> None:
    complaints: list[str] = []
    context, page = _open(chromium, house, complaints, viewport=DESKTOP)
    page.goto("/alerts")
    expect(page.locator("#live-words")).to_have_text("Live")
    context.set_offline(True)
    hub = house.server.app.state.hub
    house.server.call(lambda: [reader.drop() for reader in list(hub._readers)])
    expect(page.locator("#live-words")).to_have_text("Reconnecting", timeout=5000)
    house.plant.alert(GOOD, house.next_ms, rule="OAF-DEV", title="Outdoor air damper does not follow its command")
    context.set_offline(False)
    # What happened meanwhile is shown without a reload.
    expect(page.locator("li.alert")).to_contain_text(["Outdoor air damper"], timeout=10_000)
    expect(page.locator("#live-words")).to_have_text("Live")
    context.close()


def test_nothing_that_devices_write_is_executed(chromium: Browser, tmp_path: Path) -> None:
    context = make_context(tmp_path)
    plant = Plant(context)
    now_ms = context.clock.now_ms()
    ids = []
    for number, payload in enumerate(XSS):
        key = plant.unit(f"ahu-{number:02}", name=payload, location=payload)
        plant.frame(key, now_ms - 2 * FRAME_MS)
        plant.health(key, now_ms - FRAME_MS, 2.0, rules=(payload,), top_points=(Reason("point", payload, payload),))
        ids.append(
            plant.alert(
                key, now_ms - FRAME_MS, title=payload, checks=(payload,), reasons=(Reason("rule", "x", payload),)
            )
        )
    complaints: list[str] = []
    with served(context) as server:
        house = House(server, plant)
        opened, page = _open(chromium, house, complaints, viewport=DESKTOP)
        for path in ("/", "/alerts?state=all", "/system", "/units/hq/ahu-00", "/units/hq/ahu-04", f"/alerts/{ids[1]}"):
            page.goto(path)
            expect(page.locator("#live-words")).to_have_text("Live")
        # Live events become text as well.
        page.goto("/alerts")
        expect(page.locator("#live-words")).to_have_text("Live")
        plant.alert("hq/ahu-00", now_ms, title=XSS[1])
        expect(page.locator(".toast b")).to_have_text(XSS[1])
        opened.close()
    assert complaints == [], "no dialog, no violation of the policy, no error"


PAGES = {
    "fleet": "/",
    "unit": f"/units/{BAD}",
    "unit-silent": "/units/campus/ahu-03",
    "alerts": "/alerts?state=all",
    "alert": "",
    "system": "/system",
    "account": "/account",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_every_page_fits_its_screen(chromium: Browser, house: House, size: str, scheme: Any) -> None:
    ARTEFACTS.mkdir(exist_ok=True)
    complaints: list[str] = []
    viewport = DESKTOP if size == "desktop" else PHONE
    alert_id = house.plant.alert(BAD, house.next_ms - 4 * FRAME_MS, severity="critical")
    context, page = _open(chromium, house, complaints, viewport=viewport, color_scheme=scheme)
    for name, path in PAGES.items():
        page.goto(path or f"/alerts/{alert_id}")
        if name in ("unit", "alert"):
            newest_drawn_ms(page)
        expect(page.locator("#live-words")).to_have_text("Live")
        overflow = page.locator("html").evaluate("root => root.scrollWidth - innerWidth")
        assert overflow <= 0, f"{name} is {overflow} px wider than a {size}"
        page.screenshot(path=ARTEFACTS / f"{name}-{size}-{scheme}.png", full_page=True)
    context.close()
    assert complaints == []
