"""Signing in, staying in, and keeping others out."""

from __future__ import annotations

import re
import sqlite3
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from cloud.alerts.database import Database
from cloud.api.accounts import Accounts
from cloud.api.app import create_app
from cloud.api.problems import Problem
from cloud.api.throttle import FREE_FAILURES, wait_seconds_after
from cloud.dashboard.login import safe_target
from cloud.settings import LoginSettings
from tests.cloud.browsing import client, sign_in, signed_in, token_in
from tests.cloud.plant import PASSWORD, Plant, Served, make_context, served

BASE64_URL = string.ascii_letters + string.digits + "-_"

OPEN_PATHS = {"/login", "/healthz", "/readyz"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    context = make_context(tmp_path_factory.mktemp("login"))
    plant = Plant(context)
    plant.unit("ahu-1")
    with served(context) as running:
        yield running


def _routes(served_app: Served) -> list[APIRoute]:
    from starlette.routing import Mount

    found: list[APIRoute] = []
    pending = list(served_app.app.routes)
    while pending:
        route = pending.pop()
        if isinstance(route, APIRoute):
            found.append(route)
        elif isinstance(route, Mount):
            assert route.path == "/static", "only static files may be mounted: they have no login"
        else:
            inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
            assert inner is not None, f"a route that nobody checks: {route!r}"
            pending += inner
    return found


def test_every_route_without_login_is_refused(server: Served) -> None:
    browser = client(server.url)
    tried = 0
    for route in _routes(server):
        if route.path in OPEN_PATHS:
            continue
        path = re.sub(r"\{[^}]+\}", "x", route.path)
        for method in route.methods or ():
            answer = browser.request(method, path)
            tried += 1
            if path.startswith(("/v1", "/metrics")):
                assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in"), path
            else:
                assert answer.status_code == 303, path
                assert answer.headers["location"].startswith("/login"), path
            assert "ahu-1" not in answer.text
    assert tried >= 25


def test_open_paths_and_static_files_need_no_login(server: Served) -> None:
    browser = client(server.url)
    for path in ("/login", "/healthz", "/readyz", "/static/plenum.css", "/static/vendor/htmx-2.0.11.min.js"):
        assert browser.get(path).status_code == 200, path
    for path in ("/static/../login.py", "/static/%2e%2e/login.py", "/static/none.js"):
        assert browser.get(path).status_code in (303, 404), path


def test_every_changing_request_needs_the_token(server: Served) -> None:
    browser = signed_in(server.url)
    token = browser.headers.pop("X-CSRF-Token")
    for route in _routes(server):
        path = re.sub(r"\{[^}]+\}", "x", route.path)
        for method in (route.methods or set()) - {"GET", "HEAD"}:
            if path == "/login":
                continue
            for headers in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": token, "Origin": "https://evil.example"},
                            {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"}):  # fmt: skip
                answer = browser.request(method, path, headers=headers)
                assert answer.status_code == 403, (method, path, headers)
    assert browser.get("/").status_code == 200, "still signed in"


def test_a_login_form_from_elsewhere_does_not_sign_in(server: Served) -> None:
    browser = client(server.url)
    answer = browser.post("/login", data={"name": "admin", "password": PASSWORD, "csrf_token": "made-up"})
    assert answer.status_code == 403
    assert "plenum_session" not in browser.cookies


def test_the_session_cookie_is_strict_and_hidden_from_scripts(server: Served) -> None:
    answer = sign_in(client(server.url), to="/alerts")
    assert (answer.status_code, answer.headers["location"]) == (303, "/alerts")
    (cookie,) = (c for c in answer.headers.get_list("set-cookie") if c.startswith("plenum_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie, "this server speaks http"


def test_wrong_passwords_are_refused_alike_whether_the_user_exists_or_not(server: Served) -> None:
    answers = [sign_in(client(server.url), name, "wrong password") for name in ("admin", "nobody")]
    texts = [re.sub(r'value="[^"]*"', "", answer.text) for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert texts[0] == texts[1]


def test_guessing_is_slowed_down_and_the_right_password_waits_too(server: Served) -> None:
    server.app.state.accounts.add_user("gus", PASSWORD, "viewer")
    browser = client(server.url)
    statuses = [sign_in(browser, "gus", f"guess {i}").status_code for i in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    last = sign_in(browser, "gus")
    assert last.status_code == 429
    assert 1 <= int(last.headers["retry-after"]) <= 900
    assert "try again in" in last.text


async def test_waits_double_and_end_and_a_success_forgives(tmp_path: Path) -> None:
    now = [1_000_000]
    accounts = Accounts(Database(tmp_path / "a.sqlite"), LoginSettings(), tmp_path, now_ms=lambda: now[0])
    accounts.add_user("mira", PASSWORD, "technician")
    for _ in range(5):
        with pytest.raises(Problem, match="wrong"):
            await accounts.sign_in("mira", "no", "10.0.0.1")
    with pytest.raises(Problem, match="try again in 2 s"):
        await accounts.sign_in("mira", PASSWORD, "10.0.0.1")
    assert (await accounts.sign_in("mira", PASSWORD, "10.0.0.2")).user == "mira", "from elsewhere she may"
    now[0] += 2000
    assert (await accounts.sign_in("mira", PASSWORD, "10.0.0.1")).user == "mira"
    with pytest.raises(Problem, match="wrong"):
        await accounts.sign_in("mira", "no", "10.0.0.1")
    assert [wait_seconds_after(n, 5) for n in (0, 4, 5, 6, 7, 50)] == [0, 0, 2, 4, 8, 900]
    assert FREE_FAILURES["user"] > 10 * FREE_FAILURES["pair"], "a stranger must not lock somebody out"


def test_sessions_end_by_time_by_signing_out_and_by_a_new_password(tmp_path: Path) -> None:
    with served(make_context(tmp_path)) as server:
        first, second = signed_in(server.url), signed_in(server.url)
        assert second.get("/v1/units").status_code == 200
        assert first.post("/account/password", data={"old": "wrong", "new": "a new password"}).status_code == 401
        assert first.post("/account/password", data={"old": PASSWORD, "new": "short"}).status_code == 422
        assert first.post("/account/password", data={"old": PASSWORD, "new": "a new password"}).status_code == 303
        assert second.get("/v1/units").status_code == 401, "other sessions end with the old password"
        assert first.get("/v1/units").status_code == 200
        assert sign_in(client(server.url)).status_code == 401
        stolen = first.cookies["plenum_session"]
        first.headers["X-CSRF-Token"] = token_in(first.get("/account").text)
        assert first.post("/logout").status_code == 303
        thief = client(server.url, cookies={"plenum_session": stolen})
        assert thief.get("/v1/units").status_code == 401, "a cookie is worth nothing after signing out"
        third = signed_in(server.url, password="a new password")
        with server.context.alerts.database.writing() as session:
            session.connection().exec_driver_sql("UPDATE sessions SET expires_at_ms = 1")
        assert third.get("/v1/units").status_code == 401


def test_tampered_cookies_are_nobody(server: Served) -> None:
    browser = signed_in(server.url)
    good = browser.cookies["plenum_session"]
    # Every other last character, because some of them are the same bytes to a base64 decoder.
    respelled = [good[:-1] + last for last in BASE64_URL if last != good[-1]]
    for bad in (*respelled, "x" + good, "", "." * 300, good.partition(".")[0]):
        assert client(server.url, cookies={"plenum_session": bad}).get("/v1/units").status_code == 401


def test_the_database_holds_no_password_and_no_cookie(server: Served) -> None:
    browser = signed_in(server.url)
    token = browser.cookies["plenum_session"].partition(".")[0]
    path = server.context.alerts.database.path
    dump = "\n".join(sqlite3.connect(path).iterdump())
    assert PASSWORD not in dump
    assert token not in dump
    assert "argon2id" in dump
    assert path.stat().st_mode & 0o077 == 0
    assert (path.parent / "session.key").stat().st_mode & 0o077 == 0


def test_the_first_administrator_gets_a_password_that_is_shown_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = make_context(tmp_path, password_file=False)
    create_app(context)
    shown = re.fullmatch(r"login: admin / (\S{12,})\n", capsys.readouterr().out)
    assert shown
    create_app(context)
    assert capsys.readouterr().out == "", "not again"
    with served(context) as server:
        browser = signed_in(server.url, password=shown[1])
        assert "You still use the password that was printed" in browser.get("/").text


def test_a_technician_may_act_and_a_viewer_may_only_look(server: Served) -> None:
    accounts: Accounts = server.app.state.accounts
    accounts.add_user("mira", PASSWORD, "technician")
    accounts.add_user("vera", PASSWORD, "viewer")
    alert_id = Plant(server.context).alert("hq/ahu-1", 1_700_000_000_000)
    viewer, technician = signed_in(server.url, "vera"), signed_in(server.url, "mira")
    answer = viewer.post(f"/v1/alerts/{alert_id}/acknowledge")
    assert (answer.status_code, answer.json()["code"]) == (403, "role_missing")
    assert technician.post(f"/v1/alerts/{alert_id}/acknowledge").json()["acknowledged"]["by"] == "mira"
    assert technician.post("/v1/webhooks/x/enable").status_code == 403


@pytest.mark.parametrize(
    ("to", "goes_to"),
    [
        ("/alerts?state=open", "/alerts?state=open"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/login", "/"),
        ("/logout", "/"),
    ],
)
def test_after_signing_in_one_never_lands_elsewhere(to: str, goes_to: str) -> None:
    assert safe_target(to) == goes_to
