"""What people decided, as examples to train on. Pure: a case in, examples out."""

from hitl_tui.export.examples import Case, Left, Rules, why_left_out
from hitl_tui.export.formats import CHATS, COLUMNS, FORMATS, examples, features, written
from hitl_tui.export.numbers import loadable
from hitl_tui.export.redaction import Mask, Masker, read_masks
from hitl_tui.export.trajectories import Asked, Thread

__all__ = [
    "CHATS", "COLUMNS", "FORMATS", "Asked", "Case", "Left", "Mask", "Masker", "Rules", "Thread", "examples", "features", "loadable",
    "read_masks", "why_left_out", "written",
]  # fmt: skip
