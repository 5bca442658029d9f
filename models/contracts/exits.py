"""Exit codes of every command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """0 ok, 1 findings (a check that did not pass), 2 usage, 3 settings, 4 network."""

    OK = 0
    FINDINGS = 1
    USAGE = 2
    SETTINGS = 3
    NETWORK = 4
