"""The load of the latency runs, a process of its own: a plant's frames, each at its instant.

    python -m tests.bench.stream.pace --bootstrap ... --topic ... --units ... --rounds ... --warm-rounds ... --rate ...

It makes all frames, writes the first rounds at once, prints `ready`, waits for a line, and sends the others at the rate.
It prints when the first of them was due (milliseconds of the wall clock) and how late it was at most. A record's timestamp
is when it was due, and its latency counts from there: a sender that falls behind makes no engine look better.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import uvloop

from tests.bench.stream.plant import Plant
from tests.bench.stream.topic import Filler

_TICK_SECONDS = 0.002


async def send_all(filler: Filler, rounds: list[list[bytes]], rate: float) -> None:
    """Send the rounds, a few frames a tick."""
    units = filler.plant.units
    frames = [frame for one in rounds for frame in one]
    started = time.monotonic() + 0.05
    started_at_ms = time.time() * 1000 + 50
    sent, latest_seconds = 0, 0.0
    waiting: set[asyncio.Future[object]] = set()
    while sent < len(frames):
        now = time.monotonic()
        due = min(len(frames), int((now - started) * rate) + 1) if now >= started else 0
        while sent < due:
            latest_seconds = max(latest_seconds, now - started - sent / rate)
            first_unit = sent % units
            end = min(due, sent - first_unit + units)
            due_at_ms = round(started_at_ms + 1000 * sent / rate)
            for future in await filler.send(frames[sent:end], first_unit, due_at_ms):
                waiting.add(future)
                future.add_done_callback(waiting.discard)
            sent = end
        await asyncio.sleep(_TICK_SECONDS)
    await asyncio.gather(*waiting)
    print(f"{started_at_ms:.3f} {1000 * latest_seconds:.3f}", flush=True)


async def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "topic"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("units", "rounds", "warm-rounds", "seed", "partitions"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="frames a second")
    parser.add_argument("--busy", type=float, required=True)
    words = parser.parse_args()
    plant = Plant(words.units, words.rounds, words.seed, busy_fraction=words.busy, partitions=words.partitions)
    rounds = list(plant.log())
    async with Filler(words.bootstrap, words.topic, plant) as filler:
        for number, frames in enumerate(rounds[: words.warm_rounds]):
            # A second of the log's time a round, all in the past: an app that waits by that time need not wait for us.
            at_ms = round(1000 * (time.time() - (words.warm_rounds - number)))
            await asyncio.gather(*await filler.send(frames, 0, at_ms))
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await send_all(filler, rounds[words.warm_rounds :], words.rate)


if __name__ == "__main__":
    uvloop.run(main())
