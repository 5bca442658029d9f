"""What the demo prints: one line an event, with the seconds since its start, for people who watch."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.text import Text

_COLOURS = {"critical": "bold red", "warning": "yellow", "info": "cyan"}


class Show:
    """Prints lines; `seconds` counts from its making, by the monotonic clock."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Wall seconds since the start."""
        return time.monotonic() - self._started

    def line(self, text: str, style: str = "") -> None:
        """One line with the time."""
        self._console.print(Text.assemble((f"{self.seconds:6.1f} s  ", "dim"), (text, style)))

    def step(self, done: str) -> None:
        """Something is up."""
        self.line(f"✓ {done}", "green")

    def alert(self, event: dict[str, Any]) -> None:
        """One alert of a webhook, in one line: where, what, how bad, why, and where to look."""
        data = event["data"]
        kind = event["type"].rpartition(".")[2]
        reason = data["reasons"][0]["text"] if data["reasons"] and kind != "cleared" else data["title"]
        line = Text.assemble(
            (f"{self.seconds:6.1f} s  ", "dim"),
            (f"ALERT {kind:<8} ", _COLOURS.get(data["severity"], "") if kind != "cleared" else "green"),
            (f"{data['site']}/{data['unit']}", "bold"),
            f"  {data['family'].replace('_', ' ')} ({data['severity']}): {reason}",
        )
        if data.get("url"):
            line.append(f"  {data['url']}", "blue")
        self._console.print(line)

    def plain(self, text: str = "") -> None:
        """A line without the time."""
        self._console.print(text)
