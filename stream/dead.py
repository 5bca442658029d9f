"""Dead letters: what lies there and why, one letter whole, and the way back once the cause is mended.

    hvac.dead.v1 ──list, show──▶ people
                 ──put-back────▶ the topic that the record came from, same key, read by the app like any other

A letter is put back only when the app's decoder can use its payload now (a layout that was missing has come, a newer
version reads the schema), or when a mended payload is given in its place. Frames are recognised by their numbers, so one
that is put back twice counts once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient

from models.contracts import topics
from models.contracts.messages import DeadLetter, MessageError, decode_json
from models.contracts.settings import KafkaSettings
from stream.app import StreamApp
from stream.connection import connection
from stream.whole import read_whole

TOPICS = (topics.HVAC_DEAD, topics.BRIDGE_DEAD)
_ERROR_SHOWN = 70


class Letter(NamedTuple):
    """A dead letter and its offset on the topic of dead letters, by which it is named."""

    number: int
    letter: DeadLetter


class DeadError(ValueError):
    """A letter that is not there or cannot be put back."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters are meant; empty means all."""

    numbers: tuple[int, ...] = ()
    reason: str = ""
    source: str = ""

    def pick(self, letters: Iterable[Letter]) -> list[Letter]:
        """Those of the letters.

        Raises:
            DeadError: a number is asked for that no letter has.
        """
        letters = list(letters)
        missing = sorted(set(self.numbers) - {one.number for one in letters})
        if missing:
            raise DeadError(f"no dead letter has number {missing[0]}; see which there are: plenum stream dead list")
        return [
            one
            for one in letters
            if (not self.numbers or one.number in self.numbers)
            and self.reason in ("", one.letter.reason)
            and self.source in ("", one.letter.source)
        ]


async def read_letters(settings: KafkaSettings, topic: str) -> list[Letter]:
    """Every letter that the topic holds, the oldest first; what is no letter is left out.

    Raises:
        KafkaError: Kafka cannot be reached.
    """
    letters = []
    for record in sorted(await _held(settings, topic), key=lambda one: one.offset):
        try:
            letters.append(Letter(record.offset, decode_json(record.value or b"", DeadLetter)))
        except MessageError:
            continue
    return letters


async def _held(settings: KafkaSettings, topic: str) -> list[ConsumerRecord]:
    """Every record of a topic; nothing if there is no such topic."""
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        await admin.start()
        if topic not in await admin.list_topics():
            return []
        partitions = [one["partition"] for one in (await admin.describe_topics([topic]))[0]["partitions"]]
    finally:
        await admin.close()
    held = await read_whole(connection(settings), topic, partitions)
    return [record for records in held.values() for record in records]


def summary(letters: Sequence[Letter]) -> Iterator[str]:
    """A line for each letter, and how many there are of each reason."""
    if not letters:
        yield "no dead letters"
        return
    yield f"{'number':>8}  {'reason':<10}  {'from':<26}  {'key':<24}  {'bytes':>6}  why"
    for number, letter in letters:
        yield (
            f"{number:>8}  {letter.reason:<10}  {_origin(letter):<26}  {letter.key:<24}  {len(letter.payload):>6}"
            f"  {letter.error[:_ERROR_SHOWN]}"
        )
    counts = Counter(one.letter.reason for one in letters)
    yield f"{len(letters)} dead letters: " + ", ".join(f"{count} {reason}" for reason, count in counts.most_common())


def description(one: Letter) -> Iterator[str]:
    """One letter, whole but for its payload, of which the first bytes are shown."""
    letter = one.letter
    yield f"number       {one.number}"
    yield f"reason       {letter.reason}"
    yield f"error        {letter.error}"
    yield f"from         {_origin(letter)}"
    yield f"key          {letter.key}"
    yield f"received     {letter.received_at_ms} ms UTC"
    yield f"payload      {len(letter.payload)} bytes, beginning {letter.payload[:32].hex(' ')}"


def _origin(letter: DeadLetter) -> str:
    return letter.source if letter.offset is None else f"{letter.source}/{letter.partition}@{letter.offset}"


class Unusable(NamedTuple):
    """A letter that cannot go back, and why."""

    one: Letter
    why: str


def sort_out(app: StreamApp, letters: Iterable[Letter]) -> tuple[list[Letter], list[Unusable]]:
    """Letters that the app can use now, and those that it cannot."""
    inputs = {source.topic: source for source in app.inputs}
    usable: list[Letter] = []
    unusable: list[Unusable] = []
    for one in letters:
        source = inputs.get(one.letter.source)
        if source is None:
            unusable.append(Unusable(one, f"it came from {one.letter.source}, which is no input of {app.name}"))
            continue
        rejected = source.decode([one.letter.payload]).rejected
        if rejected:
            unusable.append(Unusable(one, rejected[0].error))
        else:
            usable.append(one)
    return usable, unusable


async def know_references(app: StreamApp, settings: KafkaSettings) -> None:
    """Read the app's reference topics, without which its decoders refuse much.

    Raises:
        KafkaError: Kafka cannot be reached.
    """
    for reference in app.references:
        for record in await _held(settings, reference.topic):
            if record.value is not None:
                try:
                    reference.take(record.value)
                except MessageError:
                    continue


async def put_back(settings: KafkaSettings, letters: Sequence[Letter]) -> None:
    """Produce the payloads to the topics that they came from, under their keys, in order.

    Raises:
        KafkaError: some or all are not stored.
    """
    producer = AIOKafkaProducer(**connection(settings), acks="all")
    await producer.start()
    try:
        futures = [
            await producer.send(one.letter.source, one.letter.payload, key=one.letter.key.encode()) for one in letters
        ]
        await asyncio.gather(*futures)
    finally:
        await producer.stop()


async def mend(
    app: StreamApp, settings: KafkaSettings, topic: str, wanted: Wanted, payload: bytes | None
) -> tuple[list[Letter], list[Unusable]]:
    """Put back what can be used, with another payload if one is given.

    Returns:
        Letters that were put back, and those that were not.

    Raises:
        DeadError: a letter is not there, or a payload is given for several.
        KafkaError: Kafka cannot be reached, or does not store.
    """
    letters = wanted.pick(await read_letters(settings, topic))
    if payload is not None:
        if len(letters) != 1:
            raise DeadError(f"a mended payload takes the place of one letter, found {len(letters)}; name its number")
        letter = letters[0].letter
        letters = [letters[0]._replace(letter=msgspec.structs.replace(letter, payload=payload))]
    await know_references(app, settings)
    usable, unusable = sort_out(app, letters)
    await put_back(settings, usable)
    return usable, unusable


def save_payload(path: Path, one: Letter) -> None:
    """Write a letter's payload to a file.

    Raises:
        DeadError: the file cannot be written.
    """
    try:
        path.write_bytes(one.letter.payload)
    except OSError as error:
        raise DeadError(f"payload {path}: cannot be written: {error.strerror}") from error


def read_payload(path: Path) -> bytes:
    """A mended payload.

    Raises:
        DeadError: the file cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DeadError(f"payload {path}: cannot be read: {error.strerror}") from error
