"""`plenum stream dead`: list dead letters, show one, put back what can be used now."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from aiokafka.errors import KafkaError

from models.contracts import topics
from models.contracts.exits import Exit
from models.contracts.logs import start_logging
from models.contracts.settings import SettingsError, load
from models.registry import ArtifactError
from stream import dead
from stream.hvac.app import hvac, load_monitor
from stream.settings import StreamSettings


def main(words: Sequence[str]) -> int:
    """Run the command; the exit code is 1 when a letter that was asked for could not be put back."""
    arguments = _parser().parse_args(words)
    try:
        settings = load(arguments.settings, StreamSettings) if arguments.settings else StreamSettings()
        start_logging("stream-dead", settings.log)
        return asyncio.run(_run(settings, arguments))
    except (SettingsError, ArtifactError) as error:
        return _failed(error, Exit.SETTINGS)
    except dead.DeadError as error:
        return _failed(error, Exit.FINDINGS)
    except KafkaError as error:
        where = ", ".join(settings.kafka.bootstrap)
        return _failed(f"kafka at {where} failed: {error!r}; is it running, and are its settings right?", Exit.NETWORK)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="plenum stream dead", description="Records that no worker could use: what they are, and the way back."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="a line for each letter")
    one = commands.add_parser("show", help="one letter, whole")
    one.add_argument("number", type=int, help="as the list has it")
    one.add_argument("--payload", type=Path, metavar="FILE", help="write its payload to a file")
    back = commands.add_parser(
        "put-back",
        help="put back into their topics what can be used now",
        description="Put letters back into their topics, if the app can use them now. Twice is as good as once.",
    )
    back.add_argument("number", type=int, nargs="*", help="as the list has it")
    back.add_argument("--all", action="store_true", help="whatever can be used now")
    back.add_argument(
        "--payload", type=Path, metavar="FILE", help="a mended payload in place of that of the one letter"
    )
    for command in (listing, back):
        command.add_argument("--reason", default="", help="only letters with this reason")
        command.add_argument("--source", default="", metavar="TOPIC", help="only letters that came from this topic")
    for command in (listing, one):
        command.add_argument("--topic", choices=dead.TOPICS, default=topics.HVAC_DEAD, help="(%(default)s)")
    for command in (listing, one, back):
        command.add_argument("--settings", type=Path, help="TOML file of the workers; without it every default holds")
    return parser


async def _run(settings: StreamSettings, arguments: argparse.Namespace) -> int:
    if arguments.command == "list":
        wanted = dead.Wanted(reason=arguments.reason, source=arguments.source)
        for line in dead.summary(wanted.pick(await dead.read_letters(settings.kafka, arguments.topic))):
            print(line)
        return Exit.OK
    if arguments.command == "show":
        wanted = dead.Wanted((arguments.number,))
        letter = wanted.pick(await dead.read_letters(settings.kafka, arguments.topic))[0]
        for line in dead.description(letter):
            print(line)
        if arguments.payload:
            dead.save_payload(arguments.payload, letter)
        return Exit.OK
    return await _put_back(settings, arguments)


async def _put_back(settings: StreamSettings, arguments: argparse.Namespace) -> int:
    wanted = dead.Wanted(tuple(arguments.number), arguments.reason, arguments.source)
    if wanted == dead.Wanted() and not arguments.all:
        return _failed("say which letters: numbers, --reason, --source or --all", Exit.USAGE)
    payload = dead.read_payload(arguments.payload) if arguments.payload else None
    app = hvac(settings, load_monitor(settings))
    usable, unusable = await dead.mend(app, settings.kafka, topics.HVAC_DEAD, wanted, payload)
    for one, why in unusable:
        print(f"{one.number}: not put back: {why}")
    print(f"{len(usable)} put back, {len(unusable)} cannot be used")
    return Exit.FINDINGS if unusable and not arguments.all else Exit.OK


def _failed(error: Exception | str, code: Exit) -> int:
    print(f"stream dead: {error}", file=sys.stderr)
    return code
