"""A program that receives Plenum's webhooks: it checks every signature and remembers what came, and how often."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

HOST = "127.0.0.1"
_BODY_BYTES_MAX = 256 * 1024


@dataclass(slots=True)
class Received:
    """What arrived so far. `events` are the CloudEvents in order of first arrival; `times` counts each webhook id."""

    events: list[dict[str, Any]] = field(default_factory=list)
    times: Counter[str] = field(default_factory=Counter)
    bad_signatures: int = 0


class Receiver:
    """A small HTTP server with one route, `POST /hooks/plenum`."""

    def __init__(self, port: int, secret: str, on_event: Callable[[dict[str, Any]], None]) -> None:
        self.port = port
        self.received = Received()
        self._verifier = Webhook(secret)
        self._on_event = on_event
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen."""
        application = web.Application(client_max_size=_BODY_BYTES_MAX)
        application.router.add_post("/hooks/plenum", self._take)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self.port).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            self._verifier.verify(body, headers)
        except WebhookVerificationError:
            self.received.bad_signatures += 1
            return web.Response(status=401, text="signature does not match")
        webhook_id = headers["webhook-id"]
        self.received.times[webhook_id] += 1
        if self.received.times[webhook_id] == 1:
            event = json.loads(body)
            self.received.events.append(event)
            self._on_event(event)
        return web.Response(status=204)
