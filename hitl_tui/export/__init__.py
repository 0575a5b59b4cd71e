"""Decisions as training examples: a case in, examples out, written to a file with a manifest."""

from hitl_tui.export.examples import Case, Left, Rules, why_left_out
from hitl_tui.export.formats import CHATS, COLUMNS, FORMATS, examples, features, loadable, written
from hitl_tui.export.redaction import Mask, Masker, read_masks
from hitl_tui.export.trajectories import Asked, Thread
from hitl_tui.export.writer import Exported

__all__ = [
    "CHATS", "COLUMNS", "FORMATS", "Asked", "Case", "Exported", "Left", "Mask", "Masker", "Rules", "Thread", "examples", "features",
    "loadable", "read_masks", "why_left_out", "written",
]  # fmt: skip
