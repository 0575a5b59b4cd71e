"""What people decided, as examples to train on. Pure: a case in, examples out."""

from hitl_tui.training.cases import Case, Left, Rules, why_left_out
from hitl_tui.training.formats import FORMATS, examples, features, written
from hitl_tui.training.masking import Mask, Masker, read_masks
from hitl_tui.training.numbers import loadable

__all__ = [
    "FORMATS", "Case", "Left", "Mask", "Masker", "Rules", "examples", "features", "loadable", "read_masks", "why_left_out", "written",
]  # fmt: skip
