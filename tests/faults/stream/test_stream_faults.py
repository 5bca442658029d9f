"""The faults of the stream: short forms of F12 to F16 on every run, the whole ones with F17 and F39 in `make faults`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.chaos import ROWS
from tests.faults.stream.rig import FaultKafka, Rig, rig

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One broker for the short forms."""
    with FaultKafka() as server:
        made = Rig(server, tmp_path_factory.mktemp("faults"))
        asyncio.run(made.site.prepare())
        yield made


@pytest.mark.parametrize("name", ["F12", "F13", "F14", "F15", "F16"])
async def test_the_short_form_holds(made: Rig, name: str) -> None:
    row = ROWS[name]
    account = await row.run(made, row.short)
    assert account.broken(timed=False) == []


@pytest.mark.long
@pytest.mark.parametrize("name", ROWS)
async def test_the_whole_form_holds(tmp_path: Path, name: str) -> None:
    row = ROWS[name]
    async with rig(tmp_path) as made:
        account = await row.run(made, row.full)
    print(*(f"{line.name} {line.value:g} {line.unit}" for line in account.lines), sep="\n")
    assert account.broken() == []
