"""The pages: what they say, what they escape, and the pure parts behind them. How they look and move is for a browser."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.dashboard import words
from cloud.dashboard.charts import charts_of, evidence_of
from cloud.dashboard.render import STATIC, static
from cloud.dashboard.trends import HEIGHT, SPAN_MS, WIDTH, svg_points
from cloud.dashboard.views import Condition, fleet_rows, tally, unit_row
from cloud.fleet import GatewayView, UnitView
from models.contracts.layout import Channel, Layout
from models.contracts.messages import GatewayStatus, Health, Reason, Risk, WaitingCost
from tests.cloud.browsing import signed_in
from tests.cloud.plant import FRAME_MS, LAYOUT, Plant, Served, make_context, served
from tests.cloud.test_alerts import event

NOW_MS = 1_700_000_000_000
XSS = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg/onload=alert(1)>",
    "</textarea><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "${alert(1)}",
    "' hx-on:click='alert(1)",
    "\" hx-get=\"/logout",
    "&lt;b&gt;",
    "\u202ereversed",
)  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(make_context(tmp_path)) as running:
        yield running


def test_the_empty_fleet_tells_what_to_do(server: Served) -> None:
    browser = signed_in(server.url)
    page = browser.get("/").text
    assert "No units yet" in page
    assert "python -m edge check" in page
    assert "No open alert" in browser.get("/alerts").text
    assert "No frame has arrived yet" in browser.get("/system").text
    assert "No receiver is set up" in browser.get("/system").text


def test_a_page_that_is_not_there_says_so_in_words(server: Served) -> None:
    browser = signed_in(server.url)
    for path, text in (
        ("/units/hq/none", "no gateway has announced it"),
        ("/alerts/al_x", "no such alert"),
        ("/x", "Nothing is here"),
    ):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert text in html.unescape(answer.text)
    assert browser.get("/alerts?state=bogus").status_code == 422


def test_pages_show_units_by_urgency_with_alerts_and_ages(server: Served) -> None:
    plant = Plant(server.context)
    now_ms = server.context.clock.now_ms()

    def feed() -> None:
        for unit in ("a-well", "b-bad", "c-silent"):
            plant.unit(unit, name=f"Unit {unit}")
        plant.gateway()
        for key in ("hq/a-well", "hq/b-bad"):
            plant.frame(key, now_ms - FRAME_MS)
            plant.health(key, now_ms - 60_000, 0.3)
        plant.frame("hq/c-silent", now_ms - 3_600_000)

    server.call(feed)
    plant.alert("hq/b-bad", now_ms - 600_000, severity="critical")
    browser = signed_in(server.url)
    page = browser.get("/").text
    assert page.index("Unit b-bad") < page.index("Unit c-silent") < page.index("Unit a-well")
    for text in ("Act now", "No data", "Healthy", "Heating valve lets hot water"):
        assert text in page
    unit = browser.get("/units/hq/c-silent").text
    assert "although the gateway is online" in html.unescape(unit)
    server.call(lambda: plant.gateway(state="offline"))
    unit = browser.get("/units/hq/c-silent").text
    assert "is offline. It keeps measuring" in unit


def test_what_waiting_costs_is_said_and_ranks_the_fleet(server: Served) -> None:
    plant = Plant(server.context)
    now_ms = server.context.clock.now_ms()

    def feed() -> None:
        for unit in ("a-dear", "b-cheap", "c-well"):
            plant.unit(unit, name=f"Unit {unit}")
            plant.frame(f"hq/{unit}", now_ms - FRAME_MS)
        plant.gateway()

    server.call(feed)
    dear = plant.alert("hq/a-dear", now_ms - 600_000, waiting=WaitingCost(120.0, 2160, 3.0, 1500, 12_340, "EUR"))
    plant.alert("hq/b-cheap", now_ms - 600_000, severity="critical", waiting=WaitingCost(2.0, 36, 0.0, 0, 100, "EUR"))
    browser = signed_in(server.url)
    urgent, costly = browser.get("/").text, browser.get("/?order=cost").text
    assert urgent.index("Unit b-cheap") < urgent.index("Unit a-dear") < urgent.index("Unit c-well")
    assert costly.index("Unit a-dear") < costly.index("Unit b-cheap") < costly.index("Unit c-well")
    assert "€160<small> a day" in costly
    assert 'hx-get="/parts/fleet?order=cost"' in costly
    page = browser.get(f"/alerts/{dear}").text
    for text in ("What waiting costs", "<b>€160</b> a day", "120 kWh a day", "3.0 h a day", "€123 a day"):
        assert text in page
    body = browser.get(f"/v1/alerts/{dear}").json()
    assert body["alert"]["waiting"]["failure_cost_minor_per_day"] == 12_340
    assert browser.get("/?order=whim").status_code == 422


def test_acting_from_a_page_without_scripts_works(server: Served) -> None:
    plant = Plant(server.context)
    server.call(lambda: plant.unit("ahu-1"))
    alert_id = plant.alert("hq/ahu-1", NOW_MS)
    browser = signed_in(server.url)
    token = browser.headers.pop("X-CSRF-Token")
    answer = browser.post(
        f"/alerts/{alert_id}/acknowledge", data={"csrf_token": token, "note": "seen", "state": "open"}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts?state=open")
    assert "No open alert" in browser.get("/alerts").text
    listed = html.unescape(browser.get("/alerts?state=acknowledged").text)
    assert "Acknowledged by admin: “seen”" in listed
    again = browser.post(f"/alerts/{alert_id}/acknowledge", data={"csrf_token": token})
    assert (again.status_code, again.headers["location"]) == (303, f"/alerts/{alert_id}"), "no error, how it stands"
    assert browser.post(f"/alerts/{alert_id}/explode", data={"csrf_token": token}).status_code == 422


def test_htmx_without_a_session_is_led_to_the_login(server: Served) -> None:
    browser = signed_in(server.url)
    browser.cookies.clear()
    answer = browser.get("/parts/fleet", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login")


def test_nothing_that_devices_or_people_write_becomes_markup(server: Served) -> None:
    plant = Plant(server.context)
    browser = signed_in(server.url)
    for number, payload in enumerate(XSS):
        unit = f"ahu-{number}"

        def feed(payload: str = payload, unit: str = unit) -> None:
            plant.unit(unit, name=payload, location=payload)
            plant.gateway(version=payload, model_version=payload, devices_failing=(payload,))
            plant.health(f"hq/{unit}", NOW_MS, 2.0, rules=(payload,), model_version=payload,
                         top_points=(Reason("point", payload, payload),), fault_probabilities={payload: 0.9})  # fmt: skip

        server.call(feed)
        alert_id = plant.alert(
            f"hq/{unit}", NOW_MS, title=payload, family=payload, rule=payload, checks=(payload,), model_version=payload,
            reasons=(Reason("rule", payload, payload),), fault_probabilities={payload: 0.9},
        )  # fmt: skip
        server.context.alerts.acknowledge(alert_id, payload, payload)
        server.context.ingest.last_error = payload
        server.context.ingest.dead[payload] += 1
        for path in ("/", f"/units/hq/{unit}", "/alerts?state=all", f"/alerts/{alert_id}", "/system"):
            page = browser.get(path)
            assert page.status_code == 200
            _check_escaped(page.text, payload, path)


def _check_escaped(body: str, payload: str, path: str) -> None:
    tags = _tags(body)
    for sign in ("<script>alert", "onerror=", "onload=", "hx-on:", 'hx-get="/logout'):
        assert sign not in tags, (path, payload)
    assert payload in html.unescape(body), f"{path} hides what was written"
    # Scripts and styles come from files only, so the policy can forbid the rest.
    assert re.findall(r"<script(?![^>]* src=)", body) == []
    assert re.findall(r"<[^>]+ style=", body) == []


def _tags(body: str) -> str:
    """All tags with their attribute names, without quoted values."""
    return " ".join(re.sub(r'"[^"]*"|\'[^\']*\'', "", tag) for tag in re.findall(r"<[a-zA-Z][^>]*>", body))


def test_static_files_are_kept_by_their_content_and_vendored_ones_bring_their_licence(server: Served) -> None:
    browser = signed_in(server.url)
    answer = browser.get(static("plenum.css"))
    assert "immutable" in answer.headers["cache-control"]
    assert browser.get("/static/plenum.css").headers["cache-control"] == "no-cache"
    vendored = {path.name.split("-")[0] for path in (STATIC / "vendor").glob("*.js")}
    assert vendored == {"htmx", "uplot"}
    assert {path.name for path in (STATIC / "vendor").glob("*LICENSE.txt")} == {f"{n}-LICENSE.txt" for n in vendored}
    size = sum(path.stat().st_size for path in STATIC.rglob("*.js"))
    assert size < 300_000


# --- pure parts ---


def _view(score: float | None = 0.3, age_ms: int = 60_000, risk_day: float = 0.0, anomalous: bool = False) -> UnitView:
    health = Health(
        site="hq", gateway="gw1", unit="u", equipment="ahu", measured_at_ms=NOW_MS, anomaly_score=score,
        anomalous=anomalous, risks=(Risk(24, risk_day), Risk(168, risk_day)),
    )  # fmt: skip
    return UnitView("hq/u", "hq", "u", "U", "ahu", "gw1", last_measured_at_ms=NOW_MS - age_ms, health=health)


def _gateway(state: str = "online") -> GatewayView:
    status = GatewayStatus("hq", "gw1", state, 0, 0, 1, 1, 0)  # type: ignore[arg-type]
    return GatewayView("hq/gw1", "hq", "gw1", status, 0)


@pytest.mark.parametrize(
    ("view", "severity", "gateway", "condition"),
    [
        (_view(), "", "online", "healthy"),
        (_view(), "critical", "online", "act"),
        (_view(), "warning", "online", "attention"),
        (_view(risk_day=0.51), "", "online", "act"),
        (_view(anomalous=True), "", "online", "attention"),
        (_view(anomalous=True, age_ms=700_000), "", "online", "silent"),
        (_view(), "", "offline", "silent"),
        (_view(score=None), "", "online", "unscored"),
        (_view(age_ms=700_000), "critical", "offline", "act"),
    ],
)
def test_the_worst_that_holds_is_the_condition(
    view: UnitView, severity: str, gateway: str, condition: Condition
) -> None:
    from cloud.alerts.lifecycle import merge

    alerts = [merge(None, event(severity=severity))] if severity else []
    assert unit_row(view, alerts, _gateway(gateway), NOW_MS).condition == condition


def test_units_without_any_sample_are_counted_as_silent() -> None:
    rows = fleet_rows([UnitView("hq/new", "hq", "new", "New", "ahu", "gw9")], [], [], NOW_MS)
    assert rows[0].condition == "silent"
    assert rows[0].gateway_state == "unknown"
    assert tally(rows)["silent"] == 1


def test_every_point_is_drawn_once_with_those_of_its_unit() -> None:
    drawn = charts_of(LAYOUT)
    points = [line.point for chart in drawn for line in chart.lines]
    assert sorted(points) == sorted(LAYOUT.points)
    units = {channel.point: channel.unit for channel in LAYOUT.channels}
    for chart in drawn:
        assert len({units[line.point] for line in chart.lines}) == 1
    generic = Layout("generic", (Channel("oil_level", "none", 0.0), Channel("supply_air_temperature", "celsius", 0.01)))
    assert [chart.title for chart in charts_of(generic)] == ["Air temperatures", "Other points"]
    assert [c.unit for c in evidence_of(["supply_air_temperature", "heating_valve_command"], LAYOUT)] == ["°C", "%"]


def test_trend_lines_stay_in_their_box_and_leave_out_what_has_no_score() -> None:
    scores = [(NOW_MS - SPAN_MS + i * 60_000, [0.0, 1.0, 9.9, None][i % 4]) for i in range(180)]
    pairs = [tuple(map(float, pair.split(","))) for pair in svg_points(scores, NOW_MS).split()]
    assert len(pairs) == 135
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in pairs)
    assert svg_points(scores[:1], NOW_MS) == ""


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (words.value(21.44, "celsius"), "21.4 °C"),
        (words.value(-0.004, "fraction"), "0 %"),
        (words.value(5432.0, "watts"), "5.43 kW"),
        (words.value(1.0, "state"), "on"),
        (words.value(float("nan"), "pascals"), "–"),
        (words.percent(0.0), "0 %"),
        (words.percent(0.004), "<1 %"),
        (words.percent(0.999), ">99 %"),
        (words.hours(30.0), "30 h"),
        (words.hours(96.0), "4 days"),
        (words.hours(1e6), ">1 year"),
        (words.age(5.0), "5 s"),
        (words.age(7200.0), "2 h"),
        (words.age(-3.0), "0 s"),
        (words.when(NOW_MS, NOW_MS), "22:13"),
        (words.when(NOW_MS - 86_400_000, NOW_MS), "13 Nov 22:13"),
        (words.when(NOW_MS - 366 * 86_400_000, NOW_MS), "13 Nov 2022 22:13"),
        (words.instant(NOW_MS), "2023-11-14 22:13:20 UTC"),
        (words.money(320), "€3.20"),
        (words.money(123_456), "€1 235"),
        (words.money(1200, "CHF"), "CHF 12"),
        (words.money(None), "–"),
        (words.plural(1, "alert"), "1 alert"),
        (words.count(1234567), "1 234 567"),
    ],
)
def test_numbers_and_times_are_written_for_people(shown: str, text: str) -> None:
    assert shown.replace("\u202f", " ") == text
