"""`python -m simulators hvac --settings FILE`: a simulated plant that answers Modbus."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from models.contracts.exits import Exit
from models.contracts.logs import start_logging
from models.contracts.settings import SettingsError, load
from simulators.hvac.emit import EmitError
from simulators.hvac.registers import PROFILES, edge_points_toml
from simulators.hvac.serve import serve
from simulators.hvac.settings import SimulatorSettings, check_settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code tells how it went (`models.contracts.exits`)."""
    parser = argparse.ArgumentParser(prog="python -m simulators", description="Simulated plants.")
    commands = parser.add_subparsers(dest="command", required=True)
    hvac = commands.add_parser("hvac", help="air handlers that answer Modbus TCP")
    what = hvac.add_mutually_exclusive_group(required=True)
    what.add_argument("--settings", metavar="FILE", help="run the plant of this file; see simulators.sample.toml")
    what.add_argument("--points", choices=tuple(PROFILES), help="print [[points]] with which an agent reads this make")
    arguments = parser.parse_args(argv)
    if arguments.points:
        sys.stdout.write(edge_points_toml(PROFILES[arguments.points], table="points"))
        return Exit.OK
    try:
        settings = load(arguments.settings, SimulatorSettings)
        check_settings(settings)
        start_logging("simulators", settings.log)
        asyncio.run(serve(settings))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return Exit.SETTINGS
    except EmitError as error:
        sys.stderr.write(f"{error}\n")
        return Exit.NETWORK
    return Exit.OK


if __name__ == "__main__":
    sys.exit(main())
