"""F39: minutes at half of what one worker can do, with snapshots on: memory and descriptors stay, nothing falls behind.

The slope of the memory is a line through what was measured after the first quarter, with the interval of its error.
"""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import psutil

from simulators.load.disorder import Shares
from tests.faults.account import Account
from tests.faults.stream.poison import standing_backlog, stored_records, work_off
from tests.faults.stream.rig import Rig
from tests.servers import ROOT, free_port

_UNITS = 1000
_LOOK_SECONDS = 2.0


@dataclass(frozen=True)
class Size:
    """How long."""

    seconds: float = 30.0
    capacity_frames: int = 20_000


FULL = Size(seconds=600.0, capacity_frames=40_000)


async def soak(rig: Rig, size: Size) -> Account:
    """Run it."""
    account = Account("F39", f"{size.seconds:g} s at half capacity, a snapshot every 0.3 s")
    capacity = await _capacity(rig, size.capacity_frames)
    rate = capacity / 2
    port = free_port()
    account.tell("capacity", capacity, "frames/s")
    account.tell("frames_per_second", rate, "frames/s")
    recovered = rig.recoveries() + 1
    async with rig.site.worker(f"[metrics]\nport = {port}\n") as process:
        await rig.recovered(recovered)
        load = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulators", "load", "--kafka", rig.site.bootstrap, "--site", "f39"),
            *("--units", str(_UNITS), "--samples", "10", "--rate", f"{rate:.0f}", "--seconds", f"{size.seconds:g}"),
            cwd=ROOT,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        looks = await _watch(load, psutil.Process(process.pid), rig, port)
        account.exactly("load_exit", await load.wait(), 0, "code")
        await rig.settle(120)
        account.exactly("worker_gone", int(process.poll() is not None), 0, "workers")
    _enter(account, looks, rate)
    return account


async def _capacity(rig: Rig, frames: int) -> float:
    """Frames a second that one worker makes of a standing backlog."""
    records = await standing_backlog(rig, "f39capacity", frames, Shares(), 0)
    return (await work_off(rig, records))[0]


async def _watch(
    load: asyncio.subprocess.Process, worker: psutil.Process, rig: Rig, port: int
) -> npt.NDArray[np.float64]:
    """Seconds, MiB, descriptors and frames behind, at each look; shape (looks, 4)."""
    looks = []
    started = time.monotonic()
    base = sum(end for end in (await rig.site.ends()).values())
    while load.returncode is None:
        done = await asyncio.to_thread(stored_records, port)
        behind = await rig.log_length() - base - done
        looks.append((time.monotonic() - started, worker.memory_info().rss / 2**20, worker.num_fds(), behind))
        await asyncio.sleep(_LOOK_SECONDS)
    return np.array(looks)


def _enter(account: Account, looks: npt.NDArray[np.float64], rate: float) -> None:
    settled = looks[looks[:, 0] > looks[-1, 0] / 4]
    hours = settled[:, 0] / 3600
    (slope, _), covariance = np.polyfit(hours, settled[:, 1], 1, cov=True)
    error = 1.96 * float(np.sqrt(covariance[0, 0]))
    account.tell("looks", len(settled), "looks")
    account.tell("rss_mebibytes", float(settled[-1, 1]), "MiB")
    account.tell("rss_slope_mebibytes_per_hour", float(slope), "MiB/h")
    account.at_most("rss_slope_low_mebibytes_per_hour", float(slope) - error, 1.0, "MiB/h")
    account.at_most("descriptors_growth", float(settled[-1, 2] - settled[0, 2]), 2, "descriptors")
    account.tell("frames_behind_max", float(settled[:, 3].max()), "frames")
    # Nothing piles up: at the end no more is under way than two seconds bring.
    account.at_most("frames_behind_at_the_end", float(np.median(settled[-5:, 3])), 2 * rate, "frames")
