"""Child processes of the demo: started in order, watched, and all ended again, whatever happens.

Each child has a process group of its own and a log file; the kernel ends it should the demo itself be killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
_PR_SET_PDEATHSIG = 1


class ChildError(RuntimeError):
    """A child that did not start or that ended by itself, with the end of its log."""


@dataclass(slots=True)
class Child:
    """One process of the demo."""

    name: str
    process: asyncio.subprocess.Process
    log: Path


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nothing listens on now, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [probe.getsockname()[1] for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _die_with_parent() -> None:
    """In the child, before it runs: end when the demo ends, even by SIGKILL (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervisor:
    """Starts processes and ends them all; an asynchronous context manager."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.children: list[Child] = []

    async def __aenter__(self) -> Supervisor:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, name: str, arguments: Sequence[str], *, stdin: bool = False, stdout: bool = False) -> Child:
        """Start `python ARGUMENTS`; its log goes to a file of its own.

        Args:
            name: For messages and the log file.
            arguments: After the interpreter, such as `-m stream hvac`.
            stdin: Keep a pipe to its standard input.
            stdout: Keep a pipe from its standard output, else that goes to the log too.
        """
        log = self.directory / f"{name}.log"
        with log.open("ab") as sink:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if stdout else sink,
                stderr=sink,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child

    def ended(self) -> Child | None:
        """The first child that ended by itself, if any."""
        return next((child for child in self.children if child.process.returncode is not None), None)

    def check(self) -> None:
        """Raise when a child has ended.

        Raises:
            ChildError: with the end of its log.
        """
        child = self.ended()
        if child is not None:
            tail = child.log.read_text(errors="replace")[-1500:].strip()
            raise ChildError(
                f"{child.name} ended with code {child.process.returncode}, expected it to run on; end of its log:\n{tail}"
            )

    async def wait_for(self, what: str, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Wait until something is ready, while every child runs.

        Raises:
            ChildError: a child ended, or the time is up.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ChildError(f"{what} was not ready within {seconds:.0f} s; see the logs in {self.directory}")
            await asyncio.sleep(0.05)

    async def wait_for_port(self, what: str, port: int, seconds: float = 30) -> None:
        """Wait until something listens on a port of the loopback address."""
        await self.wait_for(what, lambda: listens(port), seconds)

    async def stop(self, seconds: float = 5) -> None:
        """End all children, the last started first: politely, then by force."""
        for child in reversed(self.children):
            _signal(child, signal.SIGTERM)
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(seconds):
                for child in self.children:
                    await child.process.wait()
        for child in self.children:
            _signal(child, signal.SIGKILL)
            await child.process.wait()
        self.children.clear()


def _signal(child: Child, number: signal.Signals) -> None:
    """Signal a child's whole group; it may have ended already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, number)


def listens(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback address."""
    with socket.socket() as probe:
        probe.settimeout(0.3)
        return probe.connect_ex((HOST, port)) == 0
