"""The loops that POST: a few lanes for each receiver, so that one that hangs delays nobody else.

At the rim: every fault of a receiver becomes a `Reply`; what follows from it is decided in `schedule.judge`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp

from cloud.alerts import outbox
from cloud.alerts.database import Database
from cloud.alerts.guard import ForbiddenAddress, guarded_socket
from cloud.alerts.outbox import Letter
from cloud.alerts.schedule import Reply, judge
from cloud.alerts.webhooks import Endpoint, headers_for
from cloud.settings import AlertSettings

REPLY_BYTES_MAX = 64 * 1024
LANES = 4
# A sender that finds nothing looks again after this, should a wake-up ever be missed.
_LOOK_SECONDS = 30.0
# After this the lease of a sender that died runs out; longer than any try may take.
_LEASE_MARGIN_SECONDS = 15.0
# How long we go on reading an answer whose status we know already.
_BODY_SECONDS = 2.0

log = logging.getLogger(__name__)


class Bell:
    """Wakes every lane that waits. A ring between a lane's look and its wait is not missed: lanes compare `count`."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        self.count += 1
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self, seen: int, seconds: float) -> None:
        """Return at the next ring, at once if it rang since `seen`, or after these seconds."""
        if self.count != seen:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            # Not wait_for: before Python 3.12 it swallows a cancellation that comes with the ring, and the lane lived on.
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(future)


class Sender:
    """Delivers what waits in the outbox. `now_ms` is the wall clock, an argument so that 75 hours pass in a test."""

    def __init__(
        self,
        database: Database,
        endpoints: Sequence[Endpoint],
        settings: AlertSettings,
        now_ms: Callable[[], int],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._endpoints = tuple(endpoints)
        self._settings = settings
        self._now_ms = now_ms
        self._chance = chance
        self._bell = Bell()
        self._loop: asyncio.AbstractEventLoop | None = None

    def wake(self) -> None:
        """Something new waits. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._bell.ring)

    async def run(self) -> None:
        """Deliver until cancelled."""
        self._loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(asyncio.Event().wait(), name="webhooks until cancelled")]
        tasks += [
            asyncio.create_task(self._serve(endpoint), name=f"webhook {endpoint.name} lane {lane}")
            for endpoint in self._endpoints
            for lane in range(LANES)
        ]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            self._loop = None
            await _end(tasks)

    async def _serve(self, endpoint: Endpoint) -> None:
        lane = asyncio.current_task()
        async with self._session(endpoint) as session:
            # A time-out inside the HTTP client can swallow a cancellation that comes with it; being told to end counts.
            while lane is None or not lane.cancelling():
                seen = self._bell.count
                try:
                    if await self._deliver_next(endpoint, session):
                        self._bell.ring()  # the next notice of the same alert may now go, in any lane
                        continue
                    due_at_ms = await asyncio.to_thread(outbox.next_due_at_ms, self._database, endpoint.name)
                except Exception:
                    # The lane must outlive a full disk or a locked database; the lease runs out, nothing is lost.
                    log.exception("webhook %s: delivery failed inside the sender; next look in 5 s", endpoint.name)
                    await asyncio.sleep(5)
                    continue
                wait_seconds = _LOOK_SECONDS
                if due_at_ms is not None:
                    wait_seconds = min(_LOOK_SECONDS, max(0.05, (due_at_ms - self._now_ms()) / 1000))
                await self._bell.wait(seen, wait_seconds)

    async def deliver_due(self) -> int:
        """Send everything that is due now, receiver after receiver; the number of tries. For tests and tools."""
        tries = 0
        for endpoint in self._endpoints:
            async with self._session(endpoint) as session:
                while await self._deliver_next(endpoint, session):
                    tries += 1
        return tries

    async def _deliver_next(self, endpoint: Endpoint, session: aiohttp.ClientSession) -> bool:
        """One try of the next due delivery; False when none is due."""
        lease_ms = int((self._settings.timeout_seconds + _BODY_SECONDS + _LEASE_MARGIN_SECONDS) * 1000)
        letter = await asyncio.to_thread(outbox.lease, self._database, endpoint.name, self._now_ms(), lease_ms)
        if letter is None:
            return False
        reply = await self._post(endpoint, session, letter)
        now_ms = self._now_ms()
        verdict = judge(
            reply,
            letter.tries,
            now_ms,
            self._chance(),
            self._settings.retry_seconds,
            self._settings.retry_jitter_fraction,
        )
        await asyncio.to_thread(outbox.settle, self._database, letter, reply, verdict, now_ms)
        if verdict.action != "delivered":
            log.warning(
                "webhook %s: try %d of %s failed: %s; %s",
                endpoint.name,
                letter.tries,
                letter.notice_id,
                reply.error or f"status {reply.status}",
                verdict.action,
            )
        return True

    def _session(self, endpoint: Endpoint) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=1,
            ttl_dns_cache=10,
            socket_factory=guarded_socket(endpoint.allow_private),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=self._settings.timeout_seconds),
        )

    async def _post(self, endpoint: Endpoint, session: aiohttp.ClientSession, letter: Letter) -> Reply:
        headers = headers_for(endpoint.signer, letter.notice_id, letter.body, self._now_ms())
        started = time.monotonic()
        try:
            response = await session.post(endpoint.url, data=letter.body, headers=headers, allow_redirects=False)
            body = await _read_some(response)
            reply = Reply(response.status, retry_after=response.headers.get("Retry-After", ""), body=body)
        except TimeoutError:
            reply = Reply(None, error=f"no answer within {self._settings.timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reply = Reply(None, error=_describe(error))
        return reply._replace(duration_ms=int((time.monotonic() - started) * 1000))


async def _end(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended: one that lost a cancellation inside a library is told again."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.5)


async def _read_some(response: aiohttp.ClientResponse) -> str:
    """At most 64 kB of an answer, for the delivery log; its status stands already, so faults in it do not matter."""
    read = bytearray()
    whole = False
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while len(read) < REPLY_BYTES_MAX:
                piece = await response.content.read(min(8192, REPLY_BYTES_MAX - len(read)))
                if not piece:
                    whole = True
                    break
                read += piece
    except (TimeoutError, aiohttp.ClientError, OSError):
        pass
    if whole:
        response.release()
    else:
        response.close()  # the rest is not read: the connection goes with it
    return read[: outbox.REPLY_CHARACTERS_MAX].decode("utf-8", "replace")


def _describe(error: BaseException) -> str:
    """The cause that a person can act on; a refused address rather than the connector's wrapping of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ForbiddenAddress):
            return str(cause)
        inner = getattr(cause, "os_error", None)
        cause = inner if isinstance(inner, BaseException) and inner is not cause else cause.__cause__
    return f"{type(error).__name__}: {error}"[:300]
