"""Leaderboards for programs: CSV and JSON. Shares are fractions here, not percent."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Any

import pandas as pd

from ltbench.report.content import Content, Leaderboard, Row, long_scores
from ltbench.report.wording import (
    content_notes,
    footnotes,
    omnibus_sentence,
    subtitle,
    summary_notes,
)


def csv(content: Content) -> str:
    """Return one row for each table and method; missing values are empty."""
    rows = [_flat(board, row) for board in content.boards for row in board.rows]
    return pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")


def rows_csv(content: Content) -> str:
    """Return the rows behind the tables: every run's score on every metric of the table."""
    frames = []
    for board in content.boards:
        scores = long_scores(board.table.runs, [m.name for m in board.metrics])
        scores.insert(0, "protocol_hash", board.table.protocol_hash)
        scores.insert(0, "dataset", board.table.dataset)
        frames.append(scores.dropna(subset=["value"]))
    return pd.concat(frames).to_csv(index=False, lineterminator="\n")


def to_json(content: Content) -> str:
    """Return everything a leaderboard says as one JSON object; missing values are null."""
    document: dict[str, Any] = {
        "format": 1,
        "tables": [_table(board) for board in content.boards],
        "across_datasets": None,
        "notes": content_notes(content),
    }
    if content.summary:
        result = content.summary.result
        document["across_datasets"] = {
            "metric": content.summary.metric.name,
            "datasets": list(content.summary.datasets),
            "ranks": result.ranks.to_dict(orient="index"),
            "mean_ranks": result.mean_ranks.to_dict(),
            "friedman": {
                "statistic": result.statistic,
                "df": result.df,
                "p": result.p,
                "p_permutation": result.p_permutation,
            },
            "nemenyi_critical_difference": result.critical_difference,
            "incomplete": list(result.incomplete),
            "notes": summary_notes(content.summary),
        }
    return json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _table(board: Leaderboard) -> dict[str, Any]:
    return {
        "dataset": board.table.dataset,
        "title": board.table.title,
        "protocol": board.table.protocol,
        "protocol_hash": board.table.protocol_hash,
        "setting": board.table.setting,
        "cells": subtitle(board),
        "primary": board.primary.name,
        "reference": board.reference,
        "metrics": [metric.name for metric in board.metrics],
        "declared": [metric.name for metric in board.declared],
        "rows": [{**asdict(row), "settings": row.settings} for row in board.rows],
        "omnibus": {
            metric.name: {
                **asdict(board.analysis.omnibus[metric.name]),
                "p_holm": board.analysis.omnibus_holm[metric.name],
                "sentence": omnibus_sentence(board, metric),
            }
            for metric in board.declared
        },
        "over_images": board.images.frame.to_dict("records") if board.images else None,
        "notes": footnotes(board),
    }


def _flat(board: Leaderboard, row: Row) -> dict[str, object]:
    low, high = row.ranks or (None, None)
    flat: dict[str, object] = {
        "dataset": board.table.dataset,
        "protocol": board.table.protocol,
        "protocol_hash": board.table.protocol_hash,
        "method": row.label,
        "settings": "tuned" if row.tuned else row.settings,
        **{f"tuned_{name}": row.tuned.get(name, "") for name in ("search", "trials", "seed")},
        "seeds_done": row.done,
        "seeds_run": row.started,
        "rank_low": low,
        "rank_high": high,
        "letters": row.letters,
        "reference": board.reference,
    }
    for metric in board.metrics:
        cell = row.cells[metric.name]
        flat[f"{metric.name}_n"] = len(cell.values)
        flat[f"{metric.name}_mean"] = cell.mean
        flat[f"{metric.name}_half_width"] = cell.half_width
    for metric in board.declared:
        comparison = row.comparisons.get(metric.name)
        for name in ("difference", "low", "high", "g", "p", "p_holm", "claimed"):
            value = getattr(comparison, name) if comparison else None
            flat[f"{metric.name}_vs_reference_{name}"] = value
    return flat


def _plain(value: Any) -> Any:
    """Return a value with NaN as ``None`` and tuples as lists, for strict JSON."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
