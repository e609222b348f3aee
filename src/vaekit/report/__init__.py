"""Report: figures, the table of numbers, and the self-contained HTML page."""

from __future__ import annotations

__all__ = ["Plots", "Subject", "render", "table", "write_report"]

from vaekit.report.figures import Plots
from vaekit.report.page import render, write_report
from vaekit.report.subject import Subject
from vaekit.report.summary import table
