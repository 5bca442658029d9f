"""Figures that a command prints: `RESULT name value unit`, and the same as JSON where asked."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec


class Figure(msgspec.Struct, frozen=True):
    """One measured value; `low` and `high` bound it where an interval is known."""

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None


def line(figure: Figure) -> str:
    """`RESULT name value unit`, six significant digits, whole numbers without a point."""
    return f"RESULT {figure.name} {figure.value:.6g} {figure.unit}"


def show(figures: Iterable[Figure], json_path: str = "") -> None:
    """Print the figures, and write them to a file (`-`: standard output) where one is named.

    Figures already in the file are kept unless they have the name of a new one, so that several benchmarks fill one file.
    """
    figures = list(figures)
    for figure in figures:
        print(line(figure), flush=True)
    if json_path == "-":
        sys.stdout.write(msgspec.json.encode(figures).decode() + "\n")
    elif json_path:
        path = Path(json_path)
        before = msgspec.json.decode(path.read_bytes(), type=list[Figure]) if path.exists() else []
        names = {figure.name for figure in figures}
        merged = [figure for figure in before if figure.name not in names] + figures
        path.write_bytes(msgspec.json.format(msgspec.json.encode(merged), indent=2) + b"\n")


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share, by Wilson's score."""
    if n == 0:
        return 0.0, 1.0
    p, z = hits / n, 1.96
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return float((middle - half) / scale), float((middle + half) / scale)
