"""A connection that went away between two looks at it: the error that aiokafka expects, whatever the loop."""

from __future__ import annotations

import subprocess
import sys

from tests.servers import EmbeddedKafka

_WRITE = """
import asyncio, contextlib, sys
import uvloop
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest
from stream.closed import expect_closed_connections

async def write():
    host, port = sys.argv[1].split(":")
    connection = await create_conn(host, int(port))
    connection._writer.transport.abort()
    with contextlib.suppress(KafkaConnectionError):
        for _ in range(10):
            task = asyncio.ensure_future(connection.send(ApiVersionRequest()))
            task.add_done_callback(lambda task: task.exception())
            await asyncio.sleep(0)

if sys.argv[2] == "expected":
    expect_closed_connections()
    expect_closed_connections()
uvloop.run(write())
"""


def write_to_a_closed_connection(bootstrap: str, how: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: what it changes holds for the whole process."""
    words = [sys.executable, "-c", _WRITE, bootstrap, how]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_a_write_to_a_closed_connection_is_a_broken_connection(embedded_kafka: EmbeddedKafka) -> None:
    done = write_to_a_closed_connection(embedded_kafka.bootstrap, "expected")
    assert done.returncode == 0, done.stderr


def test_uvloop_says_it_otherwise(embedded_kafka: EmbeddedKafka) -> None:
    """When this fails, uvloop or aiokafka has changed, and `stream.closed` may go."""
    done = write_to_a_closed_connection(embedded_kafka.bootstrap, "bare")
    assert done.returncode != 0
    assert "the handler is closed" in done.stderr
