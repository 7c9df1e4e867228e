"""Scores side by side: tables, the demonstration and its page."""

from sigsep_classic.compare.table import Row, Table, score_table

__all__ = ["Row", "Table", "score_table"]
