"""Exports decisions as training data: turns a decided review into examples of a format, and writes them with a manifest."""

from hitl_tui.export.examples import Case, LeftOut, Selection, left_out_reason
from hitl_tui.export.formats import CHATS, COLUMNS, FORMATS, column_types, examples, fit_columns, in_format
from hitl_tui.export.redaction import Mask, Masker, read_masks
from hitl_tui.export.trajectories import AskedCall, ThreadHistory
from hitl_tui.export.writer import ExportResult

__all__ = [
    "CHATS",
    "COLUMNS",
    "FORMATS",
    "AskedCall",
    "Case",
    "ExportResult",
    "LeftOut",
    "Mask",
    "Masker",
    "Selection",
    "ThreadHistory",
    "column_types",
    "examples",
    "fit_columns",
    "in_format",
    "left_out_reason",
    "read_masks",
]  # fmt: skip
