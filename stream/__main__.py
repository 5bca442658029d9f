"""Command line of the stream workers: `python -m stream hvac --settings FILE`."""

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
    parser = argparse.ArgumentParser(
        prog="plenum stream", description="A stream worker: Kafka in, scores and alerts out."
    )
    parser.add_argument("app", choices=["hvac"], help="which app")
    parser.add_argument("--settings", type=Path, help="TOML file; without it every default holds")
    arguments = parser.parse_args(words)
    signal.signal(signal.SIGTERM, _leave)  # until the worker listens for it by itself
    from stream.settings import StreamSettings

    try:
        settings = load(arguments.settings, StreamSettings) if arguments.settings else StreamSettings()
        start_logging(f"stream-{arguments.app}", settings.log)
        from stream.process import run_hvac

        return run_hvac(settings)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return Exit.SETTINGS


def _leave(*_: object) -> None:
    raise SystemExit(Exit.OK)


if __name__ == "__main__":
    sys.exit(main())
