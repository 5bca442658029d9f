"""An engine as processes: started, sampled from outside through /proc, ended with everything that it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from bisect import bisect_left
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psutil

from tests.servers import ROOT

_SAMPLE_SECONDS = 0.1
_MEMORY_EVERY = 10  # samples: adding up memory maps is dear
_END_SECONDS = 10


class Sample(NamedTuple):
    """CPU of a tree of processes, since it began, at an instant of the wall clock."""

    at_ms: float
    cpu_seconds: float


class EngineError(RuntimeError):
    """An engine that ended, or said nothing; with the end of its log."""


class Running:
    """One engine's process and its children, sampled for as long as they run."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.command = command
        self.log_path = log
        self.samples: list[Sample] = []
        self.peak_mebibytes = 0.0

    async def __aenter__(self) -> Self:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        }
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - starts at once, and is watched by a task
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=environment,
                start_new_session=True,
            )
        self._root = psutil.Process(self.process.pid)
        self._sampler = asyncio.create_task(self._sample())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sampler.cancel()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self.process.wait, _END_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await asyncio.to_thread(self.process.wait)

    async def _sample(self) -> None:
        count = 0
        while True:
            with contextlib.suppress(psutil.Error):
                tree = [self._root, *self._root.children(recursive=True)]
                self.samples.append(Sample(time.time() * 1000, sum(map(_cpu_seconds, tree))))
                if count % _MEMORY_EVERY == 0:
                    self.peak_mebibytes = max(self.peak_mebibytes, sum(map(_pss_bytes, tree)) / 2**20)
            count += 1
            await asyncio.sleep(_SAMPLE_SECONDS)

    def check(self) -> None:
        """Raise if it has ended.

        Raises:
            EngineError: it has.
        """
        if self.process.poll() is not None:
            raise EngineError(f"ended with exit code {self.process.returncode}; its log ends:\n{self.log()}")

    def log(self) -> str:
        """The end of what it has printed."""
        return self.log_path.read_text(errors="replace")[-3000:]

    def cpu_seconds_at(self, at_ms: float) -> float:
        """CPU used until an instant, between samples in a straight line."""
        place = bisect_left(self.samples, at_ms, key=lambda one: one.at_ms)
        if place == 0 or place == len(self.samples):
            return self.samples[min(place, len(self.samples) - 1)].cpu_seconds
        before, after = self.samples[place - 1], self.samples[place]
        part = (at_ms - before.at_ms) / (after.at_ms - before.at_ms)
        return before.cpu_seconds + part * (after.cpu_seconds - before.cpu_seconds)


def _cpu_seconds(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _pss_bytes(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0
