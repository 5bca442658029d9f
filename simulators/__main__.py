"""Simulated plants and fleets.

python -m simulators hvac --settings FILE      a plant that answers Modbus
python -m simulators load --kafka HOST:PORT    a large fleet's frames, straight into Kafka or MQTT
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from models.contracts.exits import Exit
from models.contracts.logs import start_logging
from models.contracts.settings import SettingsError, load
from simulators.hvac.registers import PROFILES, edge_points_toml
from simulators.load.command import add_arguments, run_load


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code tells how it went (`models.contracts.exits`)."""
    parser = argparse.ArgumentParser(prog="python -m simulators", description="Simulated plants.")
    commands = parser.add_subparsers(dest="command", required=True)
    hvac = commands.add_parser("hvac", help="air handlers that answer Modbus TCP")
    what = hvac.add_mutually_exclusive_group(required=True)
    what.add_argument("--settings", metavar="FILE", help="run the plant of this file; see simulators.sample.toml")
    what.add_argument("--points", choices=tuple(PROFILES), help="print [[points]] with which an agent reads this make")
    fleet = commands.add_parser(
        "load", help="frames of 1,000 to 100,000 units into Kafka or MQTT", description="A large fleet's frames."
    )
    add_arguments(fleet)
    arguments = parser.parse_args(argv)
    return run_load(arguments) if arguments.command == "load" else _run_plant(arguments)


def _run_plant(arguments: argparse.Namespace) -> int:
    if arguments.points:
        sys.stdout.write(edge_points_toml(PROFILES[arguments.points], table="points"))
        return Exit.OK
    # Load needs no Modbus, so a plant's parts are imported here.
    from simulators.hvac.emit import EmitError
    from simulators.hvac.serve import serve
    from simulators.hvac.settings import SimulatorSettings, check_settings

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
