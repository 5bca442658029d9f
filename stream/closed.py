"""A write to a connection that is closed already, under uvloop.

asyncio takes such a write and drops it; uvloop raises a RuntimeError. aiokafka (0.14) expects an OSError, and whichever of
its tasks meets the other one dies: when it is the one that fetches metadata, the client waits for its answer for ever,
with heartbeats and commits behind it. It happens when a broker goes away between two looks at its connection.
"""

from __future__ import annotations

import functools
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError


def expect_closed_connections() -> None:
    """From now on such a write is the broken connection that it is, to every aiokafka client of this process."""
    if not hasattr(AIOKafkaConnection.send, "__wrapped__"):
        AIOKafkaConnection.send = _expecting(AIOKafkaConnection.send)


def _expecting(send: Any) -> Any:
    @functools.wraps(send)
    def expecting(self: AIOKafkaConnection, *args: Any, **words: Any) -> Any:
        try:
            return send(self, *args, **words)
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error

    return expecting
