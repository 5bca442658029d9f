"""Who may do what: one dependency on every route, which also keeps forged requests out.

A request that changes something must carry the session's CSRF token, in the header `X-CSRF-Token` or the form field
`csrf_token`, and must not come from another site as far as the browser tells.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import urlsplit

from fastapi import Request

from cloud.api.accounts import Accounts, Role, SignedIn
from cloud.api.problems import Problem
from cloud.context import Context

SESSION_COOKIE = "plenum_session"
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf_token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Access = Callable[[Request], Awaitable[SignedIn]]


def context_of(request: Request) -> Context:
    """What `create_app` was given."""
    return cast("Context", request.app.state.context)


def accounts_of(request: Request) -> Accounts:
    """Users and sessions."""
    return cast("Accounts", request.app.state.accounts)


def require(role: Role) -> Access:
    """A dependency that lets through who has at least this role.

    Raises (when called):
        Problem: `not_signed_in`, `role_missing` or `csrf_failed`.
    """

    async def allowed(request: Request) -> SignedIn:
        cookie = request.cookies.get(SESSION_COOKIE)
        signed_in = await asyncio.to_thread(accounts_of(request).session, cookie) if cookie else None
        if signed_in is None:
            raise Problem("not_signed_in", "Sign in at /login; the session is missing or has ended.")
        if request.method not in _SAFE_METHODS:
            refuse_other_sites(request)
            await _check_csrf(request, signed_in.csrf)
        if not signed_in.may(role):
            raise Problem("role_missing", f"This needs the role {role}; {signed_in.user} has {signed_in.role}.")
        request.state.signed_in = signed_in
        return signed_in

    allowed.__dict__["plenum_role"] = role
    return allowed


def refuse_other_sites(request: Request) -> None:
    """Refuse what the browser says comes from another site.

    Raises:
        Problem: `csrf_failed`.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        raise Problem("csrf_failed", "The request came from another site; use the dashboard itself.")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise Problem("csrf_failed", "The request came from another origin; use the dashboard itself.")


async def _check_csrf(request: Request, expected: str) -> None:
    given: object = request.headers.get(CSRF_HEADER)
    if given is None and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        given = (await request.form()).get(CSRF_FIELD)
    if not isinstance(given, str) or not same_secret(given, expected):
        raise Problem("csrf_failed", f"The header {CSRF_HEADER} is missing or wrong; load the page again.")


def same_secret(given: str, expected: str) -> bool:
    """Compare in a time that tells nothing."""
    return hmac.compare_digest(given.encode(), expected.encode())
