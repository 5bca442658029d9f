"""`plenum simulate load`: the words, the pace, and the figures of what was sent."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Protocol

from models.contracts.clock import wall_ms
from models.contracts.equipment import EQUIPMENT
from models.contracts.exits import Exit
from models.contracts.figures import Figure, show
from models.contracts.messages import GatewayStatus, LayoutMessage
from simulators.load.disorder import KINDS, Planned, Shares, schedule
from simulators.load.fleet import FleetPlan, LoadError, LoadFleet, Numbered
from simulators.load.ledger import Ledger

_BATCH_RECORDS_MAX = 2048
_TICK_SECONDS = 0.002
_SAY_SECONDS = 2.0
_EXAMPLES = """\
examples:
  plenum simulate load --kafka 127.0.0.1:9092 --units 1000 --rate 2000 --seconds 60
  plenum simulate load --mqtt 127.0.0.1:1883 --units 1000 --kinds ahu,rtu --frames 20000
  plenum simulate load --kafka 127.0.0.1:9092 --rate 2000 --frames 100000 --duplicates 0.1 --reordered 0.1 \\
      --poison 0.01 --ledger sent.csv

A second run into the same Kafka needs another --site or a later --start-at: frames that were sent before are known, and
frames older than what a unit has told already are history."""


class Sink(Protocol):
    """Where the load goes."""

    async def connect(self) -> None: ...
    def start(self, fleet: LoadFleet, ledger: Ledger) -> None: ...
    async def tell(self, messages: Iterable[LayoutMessage | GatewayStatus]) -> None: ...
    async def send(self, records: Sequence[Planned]) -> None: ...
    async def flush(self) -> None: ...
    async def stop(self) -> None: ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    plan, shares = FleetPlan(), Shares()
    where = parser.add_argument_group("where to").add_mutually_exclusive_group(required=True)
    where.add_argument("--kafka", metavar="HOST:PORT", help="as the bridge writes; needs plenum[stream] or [cloud]")
    where.add_argument("--mqtt", metavar="HOST:PORT", help="as gateways publish; needs plenum[edge] or [cloud]")
    fleet = parser.add_argument_group("fleet")
    fleet.add_argument("--site", default=plan.site, help="site of all units (%(default)s)")
    fleet.add_argument("--units", type=int, default=plan.units, help="1 to 100000 (%(default)s)")
    fleet.add_argument("--gateways", type=int, default=0, metavar="N", help="one for each 25 units")
    fleet.add_argument("--kinds", default="ahu", help=f"separated by commas, in equal shares: {', '.join(EQUIPMENT)}")
    fleet.add_argument("--faulty", type=float, default=plan.faulty_fraction, metavar="FRACTION",
                       help="of the units have a fault from the start (%(default)s)")  # fmt: skip
    fleet.add_argument("--samples", type=int, default=plan.samples, help="in each frame (%(default)s)")
    fleet.add_argument("--interval", type=float, default=plan.interval_seconds, metavar="SECONDS",
                       help="of plant time between samples, 15 to 300 (%(default)g)")  # fmt: skip
    fleet.add_argument("--pattern-hours", type=float, default=plan.pattern_hours, metavar="HOURS",
                       help="of plant time, simulated first and then repeated (%(default)g)")  # fmt: skip
    fleet.add_argument("--start-at", type=_instant, default=plan.start_at_ms, metavar="TIME",
                       help="plant time of the first sample, ISO 8601 (2025-06-02T00:00Z)")  # fmt: skip
    fleet.add_argument("--seed", type=int, default=plan.seed, help="equal seed, equal bytes (%(default)s)")
    much = parser.add_argument_group("how much")
    much.add_argument("--rate", type=float, default=0.0, metavar="FRAMES", help="a second; 0: as fast as it goes")
    length = much.add_mutually_exclusive_group(required=True)
    length.add_argument("--frames", type=int, default=0, help="end after so many frames")
    length.add_argument("--seconds", type=float, default=0.0, help="end after so many seconds")
    disorder = parser.add_argument_group("disorder (fractions of the frames)")
    disorder.add_argument("--duplicates", type=float, default=0.0, metavar="FRACTION", help="sent twice")
    disorder.add_argument("--reordered", type=float, default=0.0, metavar="FRACTION", help="overtaken by others")
    disorder.add_argument("--late", type=float, default=0.0, metavar="FRACTION", help="held back for long")
    disorder.add_argument(
        "--poison", type=float, default=0.0, metavar="FRACTION", help="have a damaged copy beside them"
    )
    disorder.add_argument("--reorder-seconds", type=float, default=shares.reorder_seconds, metavar="SECONDS",
                          help="within which frames overtake (%(default)g)")  # fmt: skip
    disorder.add_argument("--late-seconds", type=float, default=shares.late_seconds, metavar="SECONDS",
                          help="for which late frames are held back, at most (%(default)g)")  # fmt: skip
    more = parser.add_argument_group("more")
    more.add_argument("--partitions", type=int, default=4, help="of topics that are not there yet (%(default)s)")
    more.add_argument("--root", default="plenum/v1", help="of the MQTT topics (%(default)s)")
    more.add_argument("--ledger", type=Path, metavar="FILE", help="write down every record that the broker took")
    more.add_argument("--json", default="", metavar="FILE", help="write the figures too; - for standard output")


def _instant(text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO 8601 time") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def run_load(arguments: argparse.Namespace) -> int:
    """Send the load; the exit code."""
    plan = FleetPlan(
        site=arguments.site,
        units=arguments.units,
        gateways=arguments.gateways or max(1, arguments.units // 25),
        kinds=tuple(arguments.kinds.split(",")),
        samples=arguments.samples,
        interval_seconds=arguments.interval,
        start_at_ms=arguments.start_at,
        pattern_hours=arguments.pattern_hours,
        faulty_fraction=arguments.faulty,
        seed=arguments.seed,
    )
    shares = Shares(
        duplicates=arguments.duplicates,
        reordered=arguments.reordered,
        late=arguments.late,
        poison=arguments.poison,
        reorder_seconds=arguments.reorder_seconds,
        late_seconds=arguments.late_seconds,
    )
    try:
        plan.check()
        shares.check()
        if not arguments.rate and (shares.reordered or shares.late):
            raise LoadError("reordered and late frames are held back by time; say a --rate")
        sink_of = importlib.import_module(f"simulators.load.{'kafka' if arguments.kafka else 'mqtt'}_sink")
    except LoadError as error:
        return _failed(error, Exit.USAGE)
    except ModuleNotFoundError as error:
        extra = "stream" if arguments.kafka else "edge"
        return _failed(
            f"package {error.name} is missing; install it with: pip install 'plenum[{extra}]'", Exit.SETTINGS
        )
    try:
        if arguments.kafka:
            sink: Sink = sink_of.KafkaSink(arguments.kafka, arguments.partitions)
        else:
            sink = sink_of.MqttSink(arguments.mqtt, arguments.root)
        with Ledger(arguments.ledger) as ledger:
            seconds = asyncio.run(_send(plan, sink, ledger, shares, arguments))
    except LoadError as error:
        return _failed(error, Exit.NETWORK)
    except OSError as error:
        return _failed(f"ledger {arguments.ledger}: {error.strerror}", Exit.SETTINGS)
    show(figures(ledger, seconds), arguments.json)
    return Exit.OK


def figures(ledger: Ledger, seconds: float) -> list[Figure]:
    """What was sent and acknowledged."""
    counts = ledger.counts
    frames = counts["good"] + counts["reordered"] + counts["late"]
    return [
        Figure("load.frames", frames, "frames"),
        Figure("load.frames_per_second", frames / seconds if seconds else 0.0, "frames/s"),
        *(Figure(f"load.{kind}", counts[kind], "records") for kind in KINDS if kind != "good"),
        Figure("load.mebibytes", ledger.payload_bytes / 2**20, "MiB"),
    ]


async def _send(plan: FleetPlan, sink: Sink, ledger: Ledger, shares: Shares, arguments: argparse.Namespace) -> float:
    """Everything from the first layout to the last acknowledgement; seconds that the frames took."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    try:
        await sink.connect()
        _say(f"simulating {plan.pattern_hours:g} h of {', '.join(plan.kinds)}")
        fleet = LoadFleet(plan)
        ledger.begin(fleet)
        sink.start(fleet, ledger)
        _say(f"telling the layouts of {plan.units} units ({len(fleet.faulty)} faulty)")
        await sink.tell(fleet.layout_messages())
        await sink.tell(fleet.statuses(wall_ms(), online=True))
        started = time.monotonic()
        await _pace(fleet, sink, ledger, shares, arguments, stop)
        await sink.flush()
        seconds = time.monotonic() - started
        await sink.tell(fleet.statuses(wall_ms(), online=False))
        return seconds
    finally:
        await sink.stop()


async def _pace(
    fleet: LoadFleet, sink: Sink, ledger: Ledger, shares: Shares, arguments: argparse.Namespace, stop: asyncio.Event
) -> None:
    started = time.monotonic()
    until = started + arguments.seconds if arguments.seconds else None
    frames: Iterator[Numbered] = fleet.frames()
    if arguments.frames:
        frames = islice(frames, arguments.frames)
    elif arguments.rate:
        frames = islice(frames, round(arguments.rate * arguments.seconds))
    else:
        frames = _until(frames, until or started)
    said_at = started
    batch: list[Planned] = []
    for record in schedule(_until_stopped(frames, stop), arguments.rate, shares, fleet.plan.seed):
        ahead = started + record.at_seconds - time.monotonic() if arguments.rate else 0.0
        if len(batch) >= _BATCH_RECORDS_MAX or (batch and ahead > 0):
            await sink.send(batch)
            batch = []
            await asyncio.sleep(0)  # signals and acknowledgements
            ahead = started + record.at_seconds - time.monotonic() if arguments.rate else 0.0
        if ahead > 0 and not stop.is_set():
            await asyncio.sleep(max(ahead, _TICK_SECONDS))
        batch.append(record)
        now = time.monotonic()
        if now - said_at > _SAY_SECONDS:
            said_at = now
            total = sum(ledger.counts.values())
            _say(f"{total} records acknowledged, {total / (now - started):,.0f} a second")
    if batch:
        await sink.send(batch)


def _until(frames: Iterator[Numbered], until: float) -> Iterator[Numbered]:
    for frame in frames:
        yield frame
        if time.monotonic() >= until:
            return


def _until_stopped(frames: Iterator[Numbered], stop: asyncio.Event) -> Iterator[Numbered]:
    """A signal ends the frames; what was held back is sent still."""
    for frame in frames:
        yield frame
        if stop.is_set():
            return


def _say(text: str) -> None:
    print(f"load: {text}", file=sys.stderr, flush=True)


def _failed(error: Exception | str, code: Exit) -> int:
    print(f"load: {error}", file=sys.stderr)
    return code
