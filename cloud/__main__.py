"""The cloud's processes.

python -m cloud bridge --settings FILE     MQTT to Kafka
python -m cloud run --settings FILE        history, alerts, API, dashboard
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cloud.settings import CloudSettings
from models.contracts.exits import Exit
from models.contracts.logs import start_logging
from models.contracts.settings import SettingsError, load

log = logging.getLogger("cloud")
_OPEN_CONNECTIONS_SECONDS = 1  # a browser that reads events holds its connection


def main(words: Sequence[str] | None = None) -> int:
    """Run one of the processes until SIGTERM or Ctrl-C; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m cloud", description="The cloud side of Plenum.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (("bridge", "MQTT to Kafka"), ("run", "history, alerts, API and dashboard")):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--settings", required=True, help="TOML; cloud/cloud.sample.toml shows every key")
    chosen = parser.parse_args(words)
    try:
        settings = load(chosen.settings, CloudSettings)
        start_logging(f"cloud-{chosen.command}", settings.log)
        # They report every try to reach a dead broker, several a second; we say it in one sentence.
        for client in ("aiokafka", "kafka"):
            logging.getLogger(client).setLevel(logging.CRITICAL)
        return _bridge(settings) if chosen.command == "bridge" else _run(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return Exit.SETTINGS


def _bridge(settings: CloudSettings) -> Exit:
    from cloud.bridge import Bridge

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return Bridge(settings).run(stop)


def _run(settings: CloudSettings) -> Exit:
    from cloud.history import HistoryError

    try:
        listener = _listen(settings.http.host, settings.http.port)
    except OSError as error:
        print(
            f"http {settings.http.host}:{settings.http.port}: {error.strerror};"
            " take another port, or 0 for a free one [http.port]",
            file=sys.stderr,
        )
        return Exit.NETWORK
    try:
        asyncio.run(_serve(settings, listener))
    except HistoryError as error:
        print(error, file=sys.stderr)
        return Exit.SETTINGS
    return Exit.OK


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, made before anything else so that a taken port is the first thing one hears of."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


async def _serve(settings: CloudSettings, listener: socket.socket) -> None:
    """Everything of `run`, on one event loop, until a signal."""
    import uvicorn

    from cloud.alerts.service import AlertService
    from cloud.alerts.webhooks import endpoints_from
    from cloud.api.app import create_app
    from cloud.context import Context
    from cloud.fleet import Fleet
    from cloud.history import open_history
    from cloud.ingest import Ingest
    from cloud.ledger import Ledger
    from cloud.mqtt import AckSender
    from models.contracts.clock import PlantClock

    class Server(uvicorn.Server):
        """uvicorn, which leaves signals to us."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    host, port = listener.getsockname()[:2]
    address = f"http://{host}:{port}"
    data = Path(settings.data_dir)
    history = open_history(data, settings.history)
    public_url = settings.http.public_url or address
    context = Context(
        settings=settings,
        clock=PlantClock(settings.clock),
        history=history,
        ledger=Ledger(),
        fleet=Fleet(),
        alerts=AlertService(data / "alerts.sqlite", endpoints_from(settings.webhooks), settings.alerts, public_url),
    )
    context.ledger.load(history.epochs())
    for stored in history.gateways():
        context.ledger.told(stored.status, stored.received_at_ms)
        context.fleet.apply_gateway(stored.status, stored.received_at_ms)
    context.fleet.load(history.latest())
    acks = AckSender(settings.mqtt) if settings.ack == "stored" else None
    server = Server(
        uvicorn.Config(
            create_app(context),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_OPEN_CONNECTIONS_SECONDS,
        )
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if acks is not None:
        acks.start()
    tasks = [
        asyncio.create_task(Ingest(context, acks).run(), name="ingest"),
        asyncio.create_task(context.alerts.run(), name="webhooks"),
    ]
    serving = asyncio.create_task(server.serve([listener]), name="http")
    stopping = asyncio.create_task(stop.wait(), name="signal")
    print(f"dashboard: {public_url}", flush=True)
    try:
        # A task that fails ends the process, for a supervisor to start it again. Without receivers, webhooks just end.
        running: set[asyncio.Task[Any]] = {*tasks, serving, stopping}
        while not (stopping.done() or serving.done()):
            ended, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
    finally:
        server.should_exit = True
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.wait((*tasks, serving, stopping), timeout=2)
        if acks is not None:
            acks.stop()
        history.close()
        log.info("stopped")


if __name__ == "__main__":
    sys.exit(main())
