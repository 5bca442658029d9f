"""A browser without a screen for tests: cookies, the CSRF token of its page, signing in as a person does."""

from __future__ import annotations

import re
from typing import Any

import httpx

from tests.cloud.plant import PASSWORD

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


def client(url: str, **options: Any) -> httpx.Client:
    """A client that keeps cookies and follows nothing."""
    return httpx.Client(base_url=url, timeout=20, trust_env=False, **options)


def token_in(page: str) -> str:
    """The CSRF token of a page's first form."""
    found = _TOKEN.search(page)
    assert found, "the page has no form with a token"
    return found[1]


def sign_in(browser: httpx.Client, name: str = "admin", password: str = PASSWORD, to: str = "") -> httpx.Response:
    """Fill in the login form; the answer to it."""
    form = browser.get("/login", params={"next": to} if to else {})
    return browser.post(
        "/login", data={"name": name, "password": password, "csrf_token": token_in(form.text), "next": to}
    )


def signed_in(url: str, name: str = "admin", password: str = PASSWORD) -> httpx.Client:
    """A client with a session, whose requests carry its CSRF token."""
    browser = client(url)
    answer = sign_in(browser, name, password)
    assert answer.status_code == 303, answer.text
    browser.headers["X-CSRF-Token"] = token_in(browser.get("/account").text)
    return browser
