"""Command line of the stream workers.

python -m stream hvac --settings FILE                    a worker
python -m stream hvac --settings FILE --record LOG       write what the app's topics hold to a file
python -m stream hvac --replay LOG                       run the app over that file, no Kafka needed
python -m stream hvac --engine spark ...                 the same on Apache Spark (docs/spark.md); logs are Parquet there
python -m stream dead list|show|put-back                 what no worker could use, and the way back
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from models.contracts.exits import Exit
from models.contracts.logs import start_logging
from models.contracts.settings import SettingsError, load


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    words = sys.argv[1:] if words is None else words
    if list(words[:1]) == ["dead"]:
        from stream.dead_command import main as dead

        return dead(words[1:])
    parser = argparse.ArgumentParser(
        prog="plenum stream",
        description="A stream worker: Kafka in, scores and alerts out.",
        epilog="plenum stream dead: what no worker could use, and the way back (plenum stream dead --help)",
    )
    parser.add_argument("app", choices=["hvac"], help="which app")
    parser.add_argument("--settings", type=Path, help="TOML file; without it every default holds")
    parser.add_argument("--engine", choices=["faust", "spark"], default="faust", help="what runs the app")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--record", type=Path, metavar="LOG", help="write what the app's topics hold to a file, and end"
    )
    instead.add_argument(
        "--replay", type=Path, metavar="LOG", help="run the app over such a file, and print what it says"
    )
    parser.add_argument("--to", type=Path, metavar="DIR", help="with --engine spark --replay: where what it says goes")
    arguments = parser.parse_args(words)
    if arguments.to is not None and arguments.engine != "spark":
        parser.error("--to goes with --engine spark")
    signal.signal(signal.SIGTERM, _leave)  # until the worker listens for it by itself
    from models.registry import ArtifactError
    from stream.settings import StreamSettings

    try:
        if arguments.engine == "spark":
            from stream.spark import command

            return command.run(arguments.settings, arguments.record, arguments.replay, arguments.to)
        settings = load(arguments.settings, StreamSettings) if arguments.settings else StreamSettings()
        start_logging(f"stream-{arguments.app}", settings.log)
        from stream import process

        if arguments.record:
            return process.record_hvac(settings, arguments.record)
        if arguments.replay:
            return process.replay_hvac(settings, arguments.replay)
        return process.run_hvac(settings)
    except (SettingsError, ArtifactError) as error:
        print(error, file=sys.stderr)
        return Exit.SETTINGS


def _leave(*_: object) -> None:
    raise SystemExit(Exit.OK)


if __name__ == "__main__":
    sys.exit(main())
