"""Dialogs of the queue and the whole console, imported when first opened; other views keep their own as `*_dialog.py` beside them."""
