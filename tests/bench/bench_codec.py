"""How long a frame takes to encode, and to decode in batches of 256: 24 channels x 60 samples.

    python -m tests.bench.bench_codec --json bench.json

The peer in the same run is the protobuf message alone: parsed, and its plane turned into an array, one frame after another.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable

import numpy as np

from models.contracts import frame_pb2
from models.contracts.codec import decode_batch, encode
from models.contracts.figures import Figure, show
from models.contracts.frame import Frame
from models.contracts.layout import layout_for
from models.contracts.points import AHU_POINTS, POINTS

FRAMES = 256
RUNS = 7
REPEATS = 40


def _microseconds(work: Callable[[], object], frames: int) -> float:
    """Median over the runs of the time a frame, in microseconds, after a warm-up."""
    work()
    times = []
    for _ in range(RUNS):
        gc.collect()
        started = time.perf_counter()
        for _ in range(REPEATS):
            work()
        times.append((time.perf_counter() - started) / (REPEATS * frames) * 1e6)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_codec")
    parser.add_argument("--json", default="", help="file for the figures; - for standard output")
    arguments = parser.parse_args()
    layout = layout_for("ahu", AHU_POINTS)
    draw = np.random.default_rng(1)
    low = np.array([POINTS[name].low for name in AHU_POINTS])[:, None]
    high = np.array([POINTS[name].high for name in AHU_POINTS])[:, None]
    frames = []
    for seq in range(1, FRAMES + 1):
        values = (low + (high - low) * draw.uniform(0.3, 0.6, (24, 60))).astype(np.float32)
        frames.append(Frame("north", "gw-1", f"ahu-{seq:03d}", 123_456_789, seq, 0, 1_700_000_000_000, 1000, values))
    payloads = [encode(frame, layout) for frame in frames]
    layouts = {layout.id: layout}

    def parse_one_by_one() -> None:
        for payload in payloads:
            message = frame_pb2.Frame.FromString(payload)
            np.frombuffer(message.samples, dtype="<i2").reshape(24, 60) * layout.scales[:, None]

    assert not decode_batch(payloads, layouts).rejected
    show(
        [
            Figure("codec.encode_us", _microseconds(lambda: [encode(frame, layout) for frame in frames], FRAMES), "us"),
            Figure("codec.decode_us", _microseconds(lambda: decode_batch(payloads, layouts), FRAMES), "us"),
            Figure("codec.peer_parse_us", _microseconds(parse_one_by_one, FRAMES), "us"),
            Figure("codec.frame_bytes", float(np.mean([len(payload) for payload in payloads])), "bytes"),
        ],
        arguments.json,
    )


if __name__ == "__main__":
    main()
