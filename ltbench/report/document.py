"""Leaderboards for programs. Shares are fractions here, not percent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from ltbench.report.badges import badge_columns, badges
from ltbench.report.before_test import transductive_labels
from ltbench.report.content import Content, Leaderboard, Row
from ltbench.report.csv_text import csv_text
from ltbench.report.priors import priors_columns, priors_document
from ltbench.report.validation_labels import TRAINED_ON, validation_labels
from ltbench.report.wording import (
    content_notes,
    footnotes,
    omnibus_sentence,
    subtitle,
    summary_notes,
)
from ltbench.results.scheme import EvaluationScheme
from ltbench.results.tuned import axes_of, found_words


def rows_frame(content: Content) -> pd.DataFrame:
    """Return one row for each table and method.

    There are columns on what tuning searched, and found of the protocol, where it searched any; on
    which methods are compared with the reference seed by seed, where any is; on which learnt on the
    test images, or were trained on validation images, where any did; on badges and origins, where
    runs were handed in; and on the evaluation scheme and the selection rule, where domains are
    unseen.
    """
    pairs = [(board, row) for board in content.boards for row in board.rows]
    frame = pd.DataFrame([_flat(board, row) for board, row in pairs])
    if any("axes" in row.tuned for _, row in pairs):
        place = frame.columns.get_loc("tuned_seed") + 1
        axes = [" ".join(axes_of(row.tuned)) if row.tuned else "" for _, row in pairs]
        frame.insert(place, "tuned_axes", axes)
        frame.insert(place + 1, "tuned_found", [" ".join(found_words(r.tuned)) for _, r in pairs])
    if any(row.paired for _, row in pairs):
        frame["paired"] = [row.paired for _, row in pairs]
    transductive = [row.label in transductive_labels(board) for board, row in pairs]
    if any(transductive):
        frame["transductive"] = transductive
    trained = [row.label in validation_labels(board) for board, row in pairs]
    if any(trained):
        frame[TRAINED_ON] = trained
    for name, values in badge_columns(content).items():
        frame[name] = values
    return _with_schemes(frame, [board for board, _ in pairs])


def _with_schemes(frame: pd.DataFrame, boards: Sequence[Leaderboard]) -> pd.DataFrame:
    """Return rows with evaluation scheme and selection rule, where any table has unseen domains."""
    if any(board.table.scheme.kind != EvaluationScheme().kind for board in boards):
        place = list(frame.columns).index("protocol_hash") + 1
        frame.insert(place, "evaluation", [board.table.scheme.evaluation for board in boards])
        frame.insert(place + 1, "selection", [board.table.selection for board in boards])
    return frame


def runs_csv(content: Content) -> str:
    """Return the rows behind the tables: every run's score on every metric of the table."""
    frames = []
    for board in content.boards:
        scores = board.table.long_scores([m.name for m in board.metrics])
        scores.insert(0, "protocol_hash", board.table.protocol_hash)
        scores.insert(0, "dataset", board.table.dataset)
        frames.append(scores.dropna(subset=["value"]))
    boards = [b for b, f in zip(content.boards, frames, strict=True) for _ in range(len(f))]
    return csv_text(_with_schemes(pd.concat(frames, ignore_index=True), boards))


def document(content: Content, *, explain: bool = False) -> dict[str, Any]:
    """Return everything leaderboards say, as one object of JSON; notes at length if asked for."""
    found: dict[str, Any] = {
        "format": 1,
        "tables": [_table(board, explain=explain) for board in content.boards],
        "across_datasets": None,
        "notes": content_notes(content),
    }
    if content.summary:
        result = content.summary.result
        found["across_datasets"] = {
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
    return found


def _table(board: Leaderboard, *, explain: bool) -> dict[str, Any]:
    handed_in = badges(board)
    return {
        "dataset": board.table.dataset,
        "options": board.table.options,
        "title": board.table.title,
        "protocol": board.table.protocol,
        "protocol_hash": board.table.protocol_hash,
        "setting": board.table.setting,
        "split": board.table.split,
        "evaluation": board.table.scheme.evaluation,
        "selection": board.table.selection,
        **_unseen(board),
        "differs": board.table.differs,
        "cells": subtitle(board),
        "primary": board.primary.name,
        "reference": board.reference,
        "metrics": [metric.name for metric in board.metrics],
        "declared": [metric.name for metric in board.declared],
        "measures": {m.name: asdict(m.declared) for m in board.metrics if m.declared},
        "rows": [
            {
                "label": row.label,
                **asdict(row),
                "settings": row.settings,
                **({"badges": dict(handed_in.get(row.label, {}))} if handed_in else {}),
            }
            for row in board.rows
        ],
        "omnibus": {
            metric.name: {
                **asdict(board.analysis.omnibus[metric.name]),
                "p_holm": board.analysis.omnibus_holm[metric.name],
                "claimed": board.analysis.claims(metric.name),
                "sentence": omnibus_sentence(board, metric),
            }
            for metric in board.declared
        },
        **({"test_priors": priors_document(board.priors)} if board.priors else {}),
        "over_images": board.images.frame.to_dict("records") if board.images else None,
        "budgets": board.budgets,
        "notes": footnotes(board, explain=explain),
    }


def _unseen(board: Leaderboard) -> dict[str, Any]:
    """Return what there is of a table of every unseen domain in turn."""
    joined = board.table.joined
    if joined is None:
        return {}
    return {
        "unseen_domains": list(joined.domains),
        "joins": {member.protocol_hash: member.dataset for member in joined.members},
        "missing": list(joined.missing),
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
    priors = priors_columns(board.priors, row.label) if board.priors else {}
    return flat | _anova(board) | priors


def _anova(board: Leaderboard) -> dict[str, object]:
    """Return Welch's analysis of variance of a table, the same in all of its rows."""
    flat: dict[str, object] = {}
    for metric in board.declared:
        test = board.analysis.omnibus[metric.name]
        found = {
            "f": test.statistic,
            "df1": test.df1,
            "df2": test.df2,
            "p": test.p,
            "p_calibrated": test.p_calibrated,
            "p_holm": board.analysis.omnibus_holm[metric.name],
            "omega_squared": test.omega_squared,
            "claimed": board.analysis.claims(metric.name),
        }
        flat |= {f"{metric.name}_anova_{name}": value for name, value in found.items()}
    return flat
