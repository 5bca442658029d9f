"""The files of a backtest: scores.csv, one row an input row in the order of the file; alerts.jsonl, one line an episode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from models.hvac.backtest.export import Progress
from models.hvac.backtest.outcome import Alert, Outcome

SCORES, ALERTS, REPORT = "scores.csv", "alerts.jsonl", "report.html"
_ROWS_A_BLOCK = 65_536
_SPECIAL = frozenset(',"\r\n')
_SCHEMA = pa.schema(
    [
        ("unit", pa.string()),
        ("measured_at_ms", pa.int64()),
        ("anomaly_score", pa.string()),
        ("anomalous", pa.int8()),
        ("rules", pa.string()),
        ("top_points", pa.string()),
    ]
)


class _Line(msgspec.Struct):
    """One line of alerts.jsonl."""

    alert_id: str
    unit: str
    family: str
    rule: str
    opened_at_ms: int
    cleared_at_ms: int | None
    reasons: list[dict[str, object]]


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A file beside this one to be written, which takes its place when all went well: nobody reads half a file."""
    part = path.with_name(path.name + ".part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_scores(path: Path, outcome: Outcome, progress: Progress) -> None:
    """Write a row for every row of the input; a row that could not be scored has an empty score."""
    export = outcome.export
    total = export.rows_total
    # From the order of the export back to the order of the file; -1: a row that has no place in the export.
    place = np.full(total, -1, dtype=np.intp)
    place[export.row] = np.arange(len(export.row))
    units = pa.array(export.units)
    rules, tops = pa.array(outcome.rule_lists.texts), pa.array(outcome.top_lists.texts)
    # Arrow quotes every text or none.
    texts = (*outcome.rule_lists.texts, *outcome.top_lists.texts)
    quoting = "needed" if any(_SPECIAL & set(text) for text in texts) else "none"
    options = arrow_csv.WriteOptions(include_header=True, quoting_style=quoting, quoting_header="none")
    with replaced(path) as part, arrow_csv.CSVWriter(part, _SCHEMA, write_options=options) as writer:
        for first in range(0, total, _ROWS_A_BLOCK):
            rows = place[first : first + _ROWS_A_BLOCK]
            there = rows >= 0
            score = np.where(there, outcome.score[rows], np.float32(np.nan))
            # Arrow writes the shortest text that reads back to the same float32.
            text = pa.array(score, mask=np.isnan(score)).cast(pa.string()).fill_null("")
            writer.write_table(
                pa.table(
                    [
                        units.take(pa.array(export.raw.unit[first : first + _ROWS_A_BLOCK])),
                        pa.array(export.raw.at_ms[first : first + _ROWS_A_BLOCK]),
                        text,
                        pa.array(np.where(there, outcome.anomalous[rows], False).astype(np.int8)),
                        rules.take(pa.array(np.where(there, outcome.rules[rows], 0))),
                        tops.take(pa.array(np.where(there, outcome.tops[rows], 0))),
                    ],
                    schema=_SCHEMA,
                )
            )
            progress("writing", min(1.0, (first + _ROWS_A_BLOCK) / total))


def write_alerts(path: Path, alerts: list[Alert]) -> None:
    """Write one line an episode, in order of opening; `cleared_at_ms` is null while it is open at the end."""
    encoder = msgspec.json.Encoder()
    with replaced(path) as part, part.open("wb") as file:
        for alert in alerts:
            line = _Line(
                alert_id=alert.alert_id,
                unit=alert.unit,
                family=alert.family,
                rule=alert.rule,
                opened_at_ms=alert.opened_at_ms,
                cleared_at_ms=alert.cleared_at_ms,
                reasons=[msgspec.to_builtins(reason) for reason in alert.reasons],
            )
            file.write(encoder.encode(line) + b"\n")
