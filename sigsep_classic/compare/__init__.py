"""Scores side by side: tables, the demonstration and its page."""

from sigsep_classic.compare.evaluating import Scoring, evaluate
from sigsep_classic.compare.merging import Comparison, merge
from sigsep_classic.compare.published import published_rows
from sigsep_classic.compare.records import TrackScores
from sigsep_classic.compare.table import Row, Table, score_table

__all__ = [
    "Comparison",
    "Row",
    "Scoring",
    "Table",
    "TrackScores",
    "evaluate",
    "merge",
    "published_rows",
    "score_table",
]
