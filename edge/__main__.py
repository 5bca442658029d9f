"""`python -m edge run|check|read-once SETTINGS`: the agent of one gateway, and what a technician needs on site."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from edge.settings import EdgeSettings, load_settings
from models.contracts.exits import Exit
from models.contracts.logs import start_logging
from models.contracts.settings import SettingsError

LOG = logging.getLogger("edge")


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; its exit code: 0 ok, 1 findings, 2 usage, 3 settings, 4 network."""
    parser = argparse.ArgumentParser(prog="plenum edge", description="The agent of one gateway.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run|check|read-once")
    for name, text in (
        ("run", "read, score, store and send until SIGTERM or Ctrl-C"),
        ("check", "try settings, outbox, models, devices and broker; nothing is sent"),
        ("read-once", "read every device once and print each point with its value, unit and quality"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("settings", help="TOML file; edge.sample.toml beside the code shows every key")
    try:
        arguments = parser.parse_args(words)
    except SystemExit as stop:
        return Exit.OK if stop.code == 0 else Exit.USAGE
    try:
        settings = load_settings(arguments.settings)
        start_logging("edge", settings.log)
    except SettingsError as error:
        print(f"plenum edge: {error}", file=sys.stderr)
        return Exit.SETTINGS
    try:
        if arguments.command == "run":
            return asyncio.run(_run(settings))
        from edge import check

        work = check.check(settings) if arguments.command == "check" else check.read_once(settings)
        return asyncio.run(work)
    except KeyboardInterrupt:
        return Exit.OK


async def _run(settings: EdgeSettings) -> int:
    from edge.agent import Agent
    from edge.outbox import OutboxError
    from edge.sources import SourceError

    try:
        agent = Agent(settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, agent.stop)
        await agent.run()
    except (SettingsError, SourceError, OutboxError) as error:
        print(f"plenum edge: {error}", file=sys.stderr)
        return Exit.SETTINGS
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
