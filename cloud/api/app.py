"""The application: JSON API, event stream and dashboard, wired in one place.

create_app(context) ──▶ FastAPI
    /v1/...    cloud/api        JSON, problems as RFC 9457
    /...       cloud/dashboard  pages; without a session they lead to /login
    /static    files of the pages; /healthz and /readyz for supervisors
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cloud.api import alerts, events, problems, system, units
from cloud.api.accounts import Accounts
from cloud.api.events import EventHub
from cloud.api.problems import Problem
from cloud.api.shield import Shield
from cloud.context import Context
from cloud.dashboard import pages

log = logging.getLogger(__name__)


def create_app(context: Context) -> FastAPI:
    """The application on everything that the cloud process shares.

    At the first start it makes the first administrator, and prints `login: admin / PASSWORD` once unless the settings name
    a file with the password.

    Raises:
        SettingsError: the password file cannot be read, or is empty.
    """
    accounts = Accounts(context.alerts.database, context.settings.login, Path(context.settings.data_dir))
    password = accounts.ensure_first_admin()
    if password is not None:
        print(f"login: admin / {password}", flush=True)
    hub = EventHub(context)
    app = FastAPI(
        title="Plenum",
        version=system.version(),
        summary="Predictive maintenance for HVAC fleets",
        docs_url=None,  # its page needs scripts from elsewhere
        redoc_url=None,
        openapi_url=None,  # pages.py serves it, behind the login
        lifespan=_lifespan(hub),
    )
    app.state.context = context
    app.state.accounts = accounts
    app.state.hub = hub
    for router in (units.router, alerts.router, events.router, system.router):
        app.include_router(router)
    pages.add_pages(app)
    for kind in (Problem, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _on_error)
    app.add_middleware(Shield, https=context.settings.http.public_url.startswith("https:"))
    return app


def _lifespan(hub: EventHub) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(hub.run(), name="event hub")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return lifespan


def _answer(request: Request, problem: Problem) -> Response:
    if request.url.path.startswith(("/v1/", "/healthz", "/readyz", "/metrics")):
        return problems.to_response(problem, request)
    return pages.problem_page(request, problem)


async def _on_error(request: Request, error: Exception) -> Response:
    """Whatever went wrong, as a problem."""
    if isinstance(error, Problem):
        return _answer(request, error)
    if isinstance(error, HTTPException):
        return _answer(request, problems.from_http(error))
    if isinstance(error, RequestValidationError):
        return _answer(request, problems.from_validation(error))
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(request, Problem("internal", "It is logged; try again, and tell your administrator if it stays."))
