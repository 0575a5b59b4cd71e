"""What people decided, as examples to train on. Pure: a case in, examples out."""

from hitl_tui.training.cases import Case, Left, Rules, why_left_out
from hitl_tui.training.formats import FORMATS, examples, features
from hitl_tui.training.masking import Mask, Masker, read_masks

__all__ = ["FORMATS", "Case", "Left", "Mask", "Masker", "Rules", "examples", "features", "read_masks", "why_left_out"]
