"""Plenum's own worker: the workload as a StreamApp, exactly as the HVAC app is wired."""

from __future__ import annotations

import asyncio
import signal

from models.contracts.settings import KafkaSettings
from stream.app import StreamApp
from stream.process import use_uvloop
from stream.runtime import Worker
from stream.settings import ReadSettings, StateSettings, StreamSettings
from tests.bench.stream import model
from tests.bench.stream.contract import COMMIT_SECONDS, Contract, contract
from tests.bench.stream.workload import stream_app


def settings_of(told: Contract) -> StreamSettings:
    """The worker's defaults, but for what is equal between engines."""
    return StreamSettings(
        group=told.group,
        kafka=KafkaSettings(bootstrap=(told.bootstrap,)),
        read=ReadSettings(commit_seconds=COMMIT_SECONDS),
        state=StateSettings(snapshot_seconds=COMMIT_SECONDS),
    )


def topics_of(group: str) -> tuple[str, str]:
    """Changelog and dead letters."""
    return f"{group}.state", f"{group}.dead"


async def serve(app: StreamApp, settings: StreamSettings) -> None:
    """Run a worker until a signal ends it; its topics exist."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    worker = Worker(app, settings)
    await worker.faust.start()
    crashed = asyncio.create_task(worker.faust.wait_until_stopped())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({crashed, stopping}, return_when=asyncio.FIRST_COMPLETED)
    crashed.cancel()
    await worker.faust.stop()


def main() -> None:
    """Run."""
    use_uvloop()
    told = contract()
    app = stream_app(model.load(), told.source, told.alerts, *topics_of(told.group))
    asyncio.run(serve(app, settings_of(told)))


if __name__ == "__main__":
    main()
