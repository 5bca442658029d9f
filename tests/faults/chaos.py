"""Plant the faults of the first release, one after another, and print the ledger: `plenum chaos`.

    python -m tests.faults.chaos --rows F12,F14 --json chaos.json

Each row has a broker of its own. Short forms by default, the whole ones with --full. The exit code is 1 if anything that is
promised does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from models.contracts.exits import Exit
from models.contracts.figures import show
from tests.faults.account import Account, table
from tests.faults.stream import broker, disorder, poison, rebalance, recovery, soak, zombie
from tests.faults.stream.rig import Rig, rig
from tests.servers import ServerError, why_no_kafka

_WIDTH = 140


@dataclass(frozen=True)
class Row:
    """A fault of the stream: how it is run, short and in full; `first` release or later."""

    run: Callable[[Rig, Any], Awaitable[Account]]
    short: Any
    full: Any
    first: bool = True

    def __call__(self, full: bool) -> Account:
        """Run it on a broker of its own."""

        async def run() -> Account:
            with tempfile.TemporaryDirectory(prefix="plenum-chaos-") as directory:
                async with rig(Path(directory)) as made:
                    return await self.run(made, self.full if full else self.short)

        return asyncio.run(run())


# Rows of other parts are added here: anything that takes `full` and gives an account.
ROWS: dict[str, Row] = {
    "F12": Row(disorder.disorder, disorder.Size(), disorder.FULL),
    "F13": Row(poison.poison, poison.Size(), poison.FULL),
    "F14": Row(broker.broker, broker.Size(), broker.FULL),
    "F15": Row(rebalance.rebalance, rebalance.Size(), rebalance.FULL),
    "F16": Row(zombie.zombie, zombie.Size(), zombie.FULL),
    "F17": Row(recovery.recovery, recovery.Size(), recovery.FULL, first=False),
    "F39": Row(soak.soak, soak.Size(), soak.FULL, first=False),
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    first = ",".join(name for name, row in ROWS.items() if row.first)
    parser = argparse.ArgumentParser(
        prog="plenum chaos", description="Plant faults, and print the ledger of what came of them."
    )
    parser.add_argument("--rows", default=first, help=f"of {', '.join(ROWS)}, separated by commas (%(default)s)")
    parser.add_argument("--full", action="store_true", help="the whole forms: an hour, not minutes")
    parser.add_argument("--json", default="", metavar="FILE", help="write the figures too; - for standard output")
    arguments = parser.parse_args(words)
    names = arguments.rows.split(",")
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        print(f"chaos: row {unknown[0]!r} is not known, expected some of {', '.join(ROWS)}", file=sys.stderr)
        return Exit.USAGE
    if reason := why_no_kafka():
        print(f"chaos: {reason}", file=sys.stderr)
        return Exit.SETTINGS
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(Exit.FINDINGS))  # so that brokers and workers are ended too
    accounts, failed = [], []
    for name in names:
        print(f"chaos: {name}", file=sys.stderr, flush=True)
        try:
            accounts.append(ROWS[name](arguments.full))
        except (AssertionError, ServerError) as error:
            failed.append(f"{name}: {error}")
    Console(width=_WIDTH).print(table(accounts))
    show((figure for account in accounts for figure in account.figures()), arguments.json)
    failed += [sentence for account in accounts for sentence in account.broken()]
    for sentence in failed:
        print(f"chaos: {sentence}", file=sys.stderr)
    return Exit.FINDINGS if failed else Exit.OK


if __name__ == "__main__":
    sys.exit(main())
