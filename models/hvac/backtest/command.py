"""What `plenum backtest hvac` does: checks what it is given, reads, judges, writes, and says it all with an exit code.

0 done · 2 the command line makes no sense · 3 a file, map, settings or model cannot be used
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, tzinfo
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from models.contracts import settings as toml
from models.contracts.columnmap import ColumnMap, LabelColumn, load_map, zone_named
from models.contracts.exits import Exit
from models.contracts.figures import show
from models.contracts.settings import SettingsError
from models.hvac.backtest import outputs
from models.hvac.backtest.export import ExportError, silent
from models.hvac.backtest.export import Progress as Told
from models.hvac.backtest.plausible import prepare
from models.hvac.backtest.reader import read
from models.hvac.backtest.report import render
from models.hvac.backtest.run import figures_of, run, training_of
from models.hvac.generic import GenericSettings
from models.hvac.settings import MonitorSettings
from models.registry import ArtifactError


class TriedSettings(MonitorSettings, frozen=True):
    """What may stand in the file of `--settings`: the monitor's settings, and those of units of type generic."""

    generic: GenericSettings = GenericSettings()


class UsageError(ValueError):
    """A command line that makes no sense."""


def run_backtest(
    files: Sequence[Path],
    map_file: Path,
    out: Path,
    *,
    train_until: str = "",
    train_rows: int = 0,
    label: str = "",
    settings_file: Path | None = None,
    models: Path | None = None,
    site: str = "site",
    sort: bool = False,
    force: bool = False,
    json_path: str = "",
) -> int:
    """Backtest some files; returns the exit code. See `plenum backtest --help`."""
    try:
        _check_usage(files, out, train_until, train_rows, force)
        columns = _with_label(load_map(map_file), label)
        settings = toml.load(settings_file, TriedSettings) if settings_file else TriedSettings()
        until_ms = _instant_ms(train_until, zone_named(columns.zone)) if train_until else None
        with _progress() as told:
            export = prepare(read(files, columns, told), sort)
            training = training_of(export, until_ms, train_rows)
            outcome = run(export, training, settings, settings.generic, models, site, told)
            figures = figures_of(outcome)
            out.mkdir(parents=True, exist_ok=True)
            outputs.write_scores(out / outputs.SCORES, outcome, told)
            outputs.write_alerts(out / outputs.ALERTS, outcome.alerts)
            page = render(outcome, figures, [path.name for path in files], zone_named(columns.zone))
            with outputs.replaced(out / outputs.REPORT) as part:
                part.write_text(page, encoding="utf-8")
    except UsageError as error:
        print(f"backtest: {error}", file=sys.stderr)
        return Exit.USAGE
    except (ExportError, SettingsError, ArtifactError) as error:
        print(f"backtest: {error}", file=sys.stderr)
        return Exit.SETTINGS
    except OSError as error:
        print(
            f"backtest: {error.filename or out}: {error.strerror or error}; nothing else was written", file=sys.stderr
        )
        return Exit.SETTINGS
    for note in (*export.raw.notes, *outcome.notes):
        print(f"backtest: note: {note}", file=sys.stderr)
    show(figures, json_path)
    print(f"{out / outputs.SCORES}, {outputs.ALERTS}, {outputs.REPORT}", file=sys.stderr)
    return Exit.OK


def _check_usage(files: Sequence[Path], out: Path, train_until: str, train_rows: int, force: bool) -> None:
    if not files:
        raise UsageError("no file given; say: plenum backtest hvac FILE --map MAP.toml --out DIR")
    seen: dict[Path, Path] = {}
    for path in files:
        before = seen.setdefault(path.resolve(), path)
        if before is not path:
            raise UsageError(f"file {path} is given twice, expected each file once")
    if train_until and train_rows:
        raise UsageError("--train-until and --train-rows are both given; keep one")
    if train_rows < 0:
        raise UsageError(f"--train-rows is {train_rows}, expected 1 or more")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file, expected a directory")
    if not force and out.is_dir() and (there := sorted(path.name for path in out.iterdir())):
        raise UsageError(
            f"--out {out} holds {', '.join(there[:3])}{' and more' if len(there) > 3 else ''};"
            " choose an empty directory, or --force to replace the files of an earlier backtest in it"
        )


def _with_label(columns: ColumnMap, label: str) -> ColumnMap:
    """The map with this label column; one that the map had is then no point either."""
    if columns.fields and not columns.points:
        raise SettingsError("map: has [fields] of another line, expected [points] for hvac")
    if not label or (columns.label is not None and columns.label.column.strip() == label.strip()):
        return columns
    ignore = columns.ignore if columns.label is None else (*columns.ignore, columns.label.column)
    positive = 1 if columns.label is None else columns.label.positive
    return msgspec.structs.replace(columns, label=LabelColumn(column=label, positive=positive), ignore=ignore)


def _instant_ms(text: str, zone: tzinfo) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--train-until {text!r} is no time; expected ISO 8601 such as 2017-03-12T00:00") from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)


@contextmanager
def _progress() -> Iterator[Told]:
    """A bar a part of the work, on standard error, where somebody can see it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield silent
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def told(part: str, done: float) -> None:
            if part not in tasks:
                tasks[part] = progress.add_task(part, total=1.0)
            progress.update(tasks[part], completed=done)

        yield told
