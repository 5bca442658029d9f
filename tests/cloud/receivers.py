"""A receiver of webhooks that misbehaves on request: a real TCP server on a free port, each answer a behaviour by name."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import NamedTuple

HOST = "127.0.0.1"


class Taken(NamedTuple):
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers each POST with the next behaviour, the last one for ever.

    `204`, `500` and other numbers are statuses; `302` names another path; `429 7` asks for 7 seconds; `hang` never
    answers, `drip` sends a byte a second, `endless` a body of 1 GB, `reset` cuts the connection.
    """

    def __init__(self, *behaviours: str) -> None:
        self.behaviours = list(behaviours) or ["204"]
        self.taken: list[Taken] = []
        self.sent_bytes = 0
        self.port = 0
        self.came = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/hook"

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Receiver]:
        server = await asyncio.start_server(self._serve, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.split("\r\n")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.taken.append(Taken(lines[0].split(" ")[1], headers, body))
                self.came.set()
                behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
                await self._answer(behaviour, writer)
        writer.close()

    async def _answer(self, behaviour: str, writer: asyncio.StreamWriter) -> None:
        if behaviour == "hang":
            await asyncio.sleep(3600)
        elif behaviour == "reset":
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif behaviour == "drip":
            for byte in b"HTTP/1.1 200 OK\r\n":
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
        elif behaviour == "endless":
            writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 1000000000\r\n\r\n")
            for _ in range(1_000_000_000 // 65536):
                writer.write(b"x" * 65536)
                await writer.drain()
                self.sent_bytes += 65536
        else:
            status, _, seconds = behaviour.partition(" ")
            extra = f"Retry-After: {seconds}\r\n" if seconds else ""
            if status.startswith("3"):
                extra = f"Location: http://{HOST}:{self.port}/elsewhere\r\n"
            writer.write(f"HTTP/1.1 {status} Answer\r\n{extra}Content-Length: 0\r\n\r\n".encode())
            await writer.drain()
