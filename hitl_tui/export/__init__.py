"""Exports decisions as training data: turns a decided review into examples of a format, and writes them with a manifest."""

from hitl_tui.export.examples import Case, LeftOut, Selection, left_out_reason
from hitl_tui.export.formats import FORMATS, Format, fit_columns
from hitl_tui.export.redaction import Mask, Masker, read_masks
from hitl_tui.export.trajectories import AskedCall, ThreadHistory
from hitl_tui.export.writer import ExportResult

__all__ = [
    "FORMATS",
    "AskedCall",
    "Case",
    "ExportResult",
    "Format",
    "LeftOut",
    "Mask",
    "Masker",
    "Selection",
    "ThreadHistory",
    "fit_columns",
    "left_out_reason",
    "read_masks",
]  # fmt: skip
