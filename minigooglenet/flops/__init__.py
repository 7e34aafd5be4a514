"""Counting parameters and operations; the audit of the paper's Table 1. Nothing here runs a network, except --time."""

from .command import DESCRIPTION, EXAMPLES, add_arguments, run
from .counting import Count, Row, count
from .report import report

__all__ = ["DESCRIPTION", "EXAMPLES", "Count", "Row", "add_arguments", "count", "report", "run"]
