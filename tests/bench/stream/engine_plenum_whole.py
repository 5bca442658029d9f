"""The whole HVAC app, all rules and LiteRT models, on the same frames; only its topics have other names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from models.contracts import topics
from models.contracts.messages import LayoutMessage, encode_json
from stream.app import Batch, Input, Output, StreamApp
from stream.hvac.app import hvac, load_monitor
from stream.process import use_uvloop
from stream.settings import StreamSettings
from stream.table import State
from tests.bench.stream import model
from tests.bench.stream.contract import Contract, contract
from tests.bench.stream.engine_plenum import serve, settings_of, topics_of
from tests.bench.stream.plant import GATEWAY, SITE


def renamed(app: StreamApp, told: Contract) -> StreamApp:
    """The app on the bench's topics: frames from the one source, health as the alerts that are timed."""
    layout = LayoutMessage(site=SITE, gateway=GATEWAY, unit="ahu-000000", layout=model.LAYOUT)
    app.references[0].take(encode_json(layout))
    state_topic, dead_topic = topics_of(told.group)
    names = {topics.HEALTH: told.alerts, topics.ALERTS: f"{told.group}.hvac"}
    inner_update, inner_decide = app.update, app.decide

    def update(state: State, batch: Batch) -> Iterator[Any]:
        yield from inner_update(state, replace(batch, topic=topics.FRAMES))

    def decide(state: State, step: Any) -> Iterator[Output]:
        for output in inner_decide(state, step):
            yield output._replace(topic=names[output.topic])

    return replace(
        app,
        inputs=(Input(told.source, app.input(topics.FRAMES).decode),),
        update=update,
        decide=decide,
        outputs=tuple(names.values()),
        state_topic=state_topic,
        dead_topic=dead_topic,
        references=(),
    )


def main() -> None:
    """Run."""
    use_uvloop()
    told = contract()
    settings: StreamSettings = settings_of(told)
    asyncio.run(serve(renamed(hvac(settings, load_monitor(settings)), told), settings))


if __name__ == "__main__":
    main()
