"""Logging for every process: one line an event, text for people or JSON for machines, no secret and no line break."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from models.contracts.settings import LogSettings, SettingsError


def start_logging(process: str, settings: LogSettings | None = None) -> None:
    """Send the process's log to standard error.

    Raises:
        SettingsError: the level or the format is not known.
    """
    settings = settings or LogSettings()
    level = logging.getLevelNamesMapping().get(settings.level.upper())
    if level is None:
        raise SettingsError(f"log level {settings.level!r}: expected DEBUG, INFO, WARNING or ERROR [log.level]")
    if settings.format not in ("text", "json"):
        raise SettingsError(f"log format {settings.format!r}: expected text or json [log.format]")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(process) if settings.format == "json" else _TextLines(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("aiokafka", "kafka", "pymodbus", "asyncio", "faust", "mode"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))


def one_line(text: str) -> str:
    """Text with control characters escaped, so that data cannot forge a log line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _TextLines(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__(f"%(asctime)s {process} %(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        head, *traceback = super().format(record).split("\n") if record.exc_info else [super().format(record)]
        return "\n".join([one_line(head), *("    " + one_line(line) for line in traceback)])


class _JsonLines(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "process": self._process,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)
