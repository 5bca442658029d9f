"""What every engine is told on its command line, and what it promises.

An engine reads frames from the beginning of a topic that exists, writes an alert for every unit that is raised or cleared,
keeps its place and its state so that a restart loses nothing, and runs until it is told to end. It prints nothing but logs:
all figures are taken from outside.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

# Seconds between commits of offsets and between writes of state, for every engine that has such a setting.
COMMIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Contract:
    """Where to read, where to write, under which name, and where files may lie."""

    bootstrap: str
    source: str
    alerts: str
    group: str
    directory: Path

    def words(self) -> list[str]:
        """As command-line arguments."""
        return [
            *("--bootstrap", self.bootstrap, "--source", self.source, "--alerts", self.alerts),
            *("--group", self.group, "--directory", str(self.directory)),
        ]


def contract() -> Contract:
    """The contract of this process."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "source", "alerts", "group", "directory"):
        parser.add_argument(f"--{name}", required=True)
    words = parser.parse_args()
    return Contract(words.bootstrap, words.source, words.alerts, words.group, Path(words.directory))
