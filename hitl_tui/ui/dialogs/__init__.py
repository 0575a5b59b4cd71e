"""Dialogs: each imported only when it is first opened, so that the first frame does not wait for them."""
