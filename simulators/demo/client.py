"""A reader of the cloud's API: signs in as a person would, and asks what the dashboard asks."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import aiohttp

from simulators.demo.supervisor import Supervisor

_CSRF = re.compile(r'name="csrf_token"\s+value="([^"]+)"')


class CloudError(RuntimeError):
    """An answer of the cloud that is not what was asked for."""


class CloudClient:
    """One signed-in person."""

    def __init__(self, address: str, user: str, password: str) -> None:
        self.user = user
        self._address = address
        self._password = password
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close its connections."""
        if self._session is not None:
            await self._session.close()

    async def wait_until_ready(self, supervisor: Supervisor, seconds: float = 60) -> None:
        """Wait until the cloud says that it can do its work, then sign in.

        Raises:
            CloudError: it is not ready in time, or refuses the password.
        """
        # Signing in needs the cookies of an address without a name.
        self._session = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        deadline = time.monotonic() + seconds
        seen = ""
        while time.monotonic() < deadline:
            supervisor.check()
            try:
                async with self._session.get(f"{self._address}/readyz") as answer:
                    if answer.status == 200:
                        return await self._sign_in()
                    seen = await answer.text()
            except aiohttp.ClientError as error:
                seen = str(error)
            await asyncio.sleep(0.2)
        raise CloudError(f"cloud {self._address}: not ready within {seconds:.0f} s: {seen[:300]}")

    async def _sign_in(self) -> None:
        session = self._open()
        async with session.get(f"{self._address}/login") as answer:
            found = _CSRF.search(await answer.text())
        if found is None:
            raise CloudError(f"cloud {self._address}/login: no form with a csrf_token, expected one")
        form = {"name": self.user, "password": self._password, "csrf_token": found[1]}
        headers = {"Origin": self._address}
        async with session.post(f"{self._address}/login", data=form, headers=headers, allow_redirects=False) as answer:
            if answer.status != 303:
                raise CloudError(f"cloud {self._address}/login: status {answer.status}, expected 303 for {self.user!r}")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise CloudError("cloud: not signed in; wait_until_ready comes first")
        return self._session

    async def get(self, path: str) -> Any:
        """The JSON behind a path.

        Raises:
            CloudError: any status but 200.
        """
        async with self._open().get(self._address + path) as answer:
            if answer.status != 200:
                raise CloudError(f"cloud {path}: status {answer.status}, expected 200: {(await answer.text())[:300]}")
            return await answer.json()

    async def gateways(self) -> dict[str, dict[str, Any]]:
        """Status of each gateway, by `site/gateway`."""
        return {row["key"]: row["status"] for row in (await self.get("/v1/gateways"))["gateways"]}

    async def ledger(self) -> list[dict[str, Any]]:
        """Rows of the loss ledger, one a gateway and epoch."""
        rows: list[dict[str, Any]] = (await self.get("/v1/system"))["ledger"]
        return rows

    async def alerts(self) -> list[dict[str, Any]]:
        """Every alert, newest first."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self.get(f"/v1/alerts?limit=200&cursor={cursor}")
            found += page["alerts"]
            cursor = page["next_cursor"]
            if not cursor:
                return found

    async def wait_for_units(self, supervisor: Supervisor, units: int, seconds: float = 60) -> None:
        """Wait until this many units have sent a frame.

        Raises:
            CloudError: they have not in time.
        """
        deadline = time.monotonic() + seconds
        seen = 0
        while time.monotonic() < deadline:
            supervisor.check()
            rows = (await self.get("/v1/units"))["units"]
            seen = sum(row["last_measured_at_ms"] is not None for row in rows)
            if seen >= units:
                return
            await asyncio.sleep(0.2)
        raise CloudError(
            f"cloud: {seen} of {units} units sent a frame within {seconds:.0f} s; see the logs of the gateways"
        )

    async def settled(
        self, supervisor: Supervisor, seconds: float
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Alerts and ledger once nothing is missing any more, or when the time is up."""
        deadline = time.monotonic() + seconds
        while True:
            supervisor.check()
            ledger = await self.ledger()
            if all(row["missing"] == 0 for row in ledger) or time.monotonic() > deadline:
                # A webhook may be a moment behind the alert that it tells of.
                await asyncio.sleep(2)
                return await self.alerts(), await self.ledger()
            await asyncio.sleep(0.5)
