"""Backtests: a recorded export through the same code as gateway and stream, before a model or a threshold is activated.

reader   file and map ──▶ Export          rim: CSV and Parquet, by Arrow
cells, times                              text ──▶ numbers, text ──▶ milliseconds; each bad cell with its place
plausible, order, framing                 quality, order and frames, as a gateway makes them
run      Export ──▶ Outcome               known kinds: fold, Monitor.step, episodes.decide; generic: fit and score
judge    Outcome and labels ──▶ figures   pure
outputs, report                           scores.csv, alerts.jsonl, report.html
command                                   what `plenum backtest hvac` does, with its exit codes
"""
