"""Exports decisions as training data: turns a decided review into examples of a format, and writes them with a manifest."""

from hitl_tui.export.examples import ExportCase, IncludedCases, LeftOut, left_out_reason
from hitl_tui.export.formats import FORMATS, Format, fit_columns
from hitl_tui.export.redaction import Mask, Masker, read_masks
from hitl_tui.export.trajectories import AskedCall, ThreadHistory
from hitl_tui.export.writer import ExportResult

__all__ = [
    "FORMATS",
    "AskedCall",
    "ExportCase",
    "ExportResult",
    "Format",
    "IncludedCases",
    "LeftOut",
    "Mask",
    "Masker",
    "ThreadHistory",
    "fit_columns",
    "left_out_reason",
    "read_masks",
]  # fmt: skip
