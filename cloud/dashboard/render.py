"""Templates and what every page has in common: who is signed in, the plant's time, the number of open alerts."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from cloud.api import system
from cloud.api.access import context_of
from cloud.api.accounts import SignedIn
from cloud.dashboard.words import FILTERS

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"

_environment = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,  # every template, whatever its name
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(FILTERS)


def _static_url(name: str) -> str:
    """Address of a static file, with its content in the name: a browser may keep it for ever."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


_URLS = {path.relative_to(STATIC).as_posix(): "" for path in STATIC.rglob("*") if path.is_file()}


def static(name: str) -> str:
    """Address of a static file.

    Raises:
        KeyError: there is no such file; programmer error.
    """
    if not _URLS[name]:
        _URLS[name] = _static_url(name)
    return _URLS[name]


_environment.globals["static"] = static


class StaticPages(StaticFiles):
    """Static files that a browser keeps when their address holds their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = scope["query_string"].startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if versioned else "no-cache"
        return response


def bare(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page that needs no session: login, and errors before it."""
    return HTMLResponse(_environment.get_template(template).render(**values), status)


async def page(
    request: Request, who: SignedIn, template: str, *, here: str = "", status: int = 200, **values: Any
) -> HTMLResponse:
    """A page, or a part of one that htmx asked for.

    Args:
        request: The request.
        who: Who asks.
        template: Its file.
        here: Entry of the navigation that is marked.
        status: Of the answer.
        values: For the template.
    """
    context = context_of(request)
    counts = await asyncio.to_thread(context.alerts.counts)
    common = {
        "who": who,
        "here": here,
        "counts": counts,
        "now_ms": context.clock.now_ms(),
        "speed": context.clock.speed,
        "version": system.version(),
    }
    return HTMLResponse(_environment.get_template(template).render(**(common | values)), status)
