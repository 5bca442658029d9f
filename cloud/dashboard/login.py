"""Signing in and out, and the change of one's password."""

from __future__ import annotations

import asyncio
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from starlette.responses import RedirectResponse

from cloud.api.access import SESSION_COOKIE, accounts_of, context_of, refuse_other_sites, require, same_secret
from cloud.api.accounts import NAME_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN, SignedIn
from cloud.api.problems import Problem
from cloud.dashboard.render import bare, page

TICKET_COOKIE = "plenum_login"
_TICKET_SECONDS = 3600

router = APIRouter(include_in_schema=False)
Viewer = Annotated[SignedIn, Depends(require("viewer"))]


@router.get("/login")
async def login_form(request: Request, to: Annotated[str, Query(alias="next")] = "") -> Response:
    """The form. Who has a session already goes on."""
    who = await asyncio.to_thread(accounts_of(request).session, request.cookies.get(SESSION_COOKIE))
    if who is not None:
        return RedirectResponse(safe_target(to), 303)
    return _form(request, to)


@router.post("/login")
async def login(
    request: Request,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    csrf_token: Annotated[str, Form()] = "",
    to: Annotated[str, Form(alias="next")] = "",
) -> Response:
    """Begin a session, or show the form again with what is wrong."""
    accounts = accounts_of(request)
    ticket = request.cookies.get(TICKET_COOKIE, "")
    try:
        refuse_other_sites(request)
        if not ticket or not same_secret(csrf_token, accounts.login_csrf(ticket)):
            raise Problem("csrf_failed", "The form was too old. Try again.")
        who = await accounts.sign_in(name.strip(), password, request.client.host if request.client else "unknown")
    except Problem as problem:
        return _form(request, to, name[:NAME_CHARACTERS_MAX], problem)
    response = RedirectResponse(safe_target(to), 303)
    _set_session(request, response, who)
    response.delete_cookie(TICKET_COOKIE)
    return response


@router.post("/logout")
async def logout(request: Request, who: Viewer) -> Response:
    """End the session."""
    await asyncio.to_thread(accounts_of(request).sign_out, who)
    response = RedirectResponse("/login", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


@router.get("/account")
async def account(request: Request, who: Viewer) -> Response:
    """One's own account."""
    return await page(request, who, "account.html", here="account", problem=None, shortest=PASSWORD_CHARACTERS_MIN)


@router.post("/account/password")
async def change_password(
    request: Request, who: Viewer, old: Annotated[str, Form()] = "", new: Annotated[str, Form()] = ""
) -> Response:
    """Take a new password; every other session of this person ends."""
    try:
        fresh = await accounts_of(request).change_password(who, old, new)
    except Problem as problem:
        return await page(
            request,
            who,
            "account.html",
            here="account",
            status=problem.status,
            problem=problem,
            shortest=PASSWORD_CHARACTERS_MIN,
        )
    response = RedirectResponse("/", 303)
    _set_session(request, response, fresh)
    return response


def safe_target(to: str) -> str:
    """Where to go after signing in: a path of ours, never another site."""
    odd = any(ord(c) < 33 or c == "\\" for c in to)
    if odd or not to.startswith("/") or to.startswith(("//", "/login", "/logout")):
        return "/"
    return to


def login_address(path_and_query: str) -> str:
    """The login page that leads back here."""
    to = safe_target(path_and_query)
    return "/login" if to == "/" else f"/login?next={quote(to)}"


def _form(request: Request, to: str, name: str = "", problem: Problem | None = None) -> Response:
    accounts = accounts_of(request)
    ticket = accounts.login_ticket()
    response = bare(
        "login.html",
        problem.status if problem else 200,
        csrf=accounts.login_csrf(ticket),
        next=safe_target(to),
        name=name,
        problem=problem,
    )
    if problem:
        response.headers.update(problem.headers)
    response.set_cookie(
        TICKET_COOKIE, ticket, max_age=_TICKET_SECONDS, httponly=True, samesite="strict", secure=_https(request)
    )
    return response


def _set_session(request: Request, response: Response, who: SignedIn) -> None:
    response.set_cookie(
        SESSION_COOKIE,
        accounts_of(request).cookie(who),
        max_age=int(context_of(request).settings.login.session_hours * 3600),
        httponly=True,
        samesite="strict",
        secure=_https(request),
    )


def _https(request: Request) -> bool:
    return context_of(request).settings.http.public_url.startswith("https:")
