"""Counts of parameters and operations, and the audit of the paper's Table 1. Only ``--time`` runs a network."""

from .counting import Count, Row, count
from .report import report

__all__ = ["Count", "Row", "count", "report"]
