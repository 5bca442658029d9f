"""What every request meets first: a limit on its size, and headers that keep browsers strict."""

from __future__ import annotations

import asyncio

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 256 * 1024

# No inline script or style, nothing from elsewhere, no framing. 'self' covers fetch and the event stream.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}


class Shield:
    """ASGI middleware, outermost. `https` adds HSTS."""

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self._app = app
        self._headers = _HEADERS | ({"Strict-Transport-Security": "max-age=31536000"} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_BYTES_MAX:
                # FastAPI passes this one on; it would hide any other error while it reads a body.
                raise HTTPException(413, f"The request is larger than {BODY_BYTES_MAX} bytes.")
            return message

        streaming = False

        async def headed(message: Message) -> None:
            nonlocal streaming
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                streaming = headers.get("content-type", "").startswith("text/event-stream")
                for name, value in self._headers.items():
                    headers[name] = value
                # Pages and answers hold what only this user may see; files under /static say their own.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, limited, headed)
        except asyncio.CancelledError:
            # The server stops while a browser listens. That is how event streams end; it is no fault to be logged.
            if not streaming:
                raise
            await send({"type": "http.response.body", "body": b""})
