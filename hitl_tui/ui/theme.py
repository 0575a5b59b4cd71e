"""The console's own calm themes; any Textual theme can be chosen instead."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="hitl-dark",
    primary="#7aa2c8",
    secondary="#5f7f9f",
    accent="#8fb8de",
    warning="#d9a75c",
    error="#d9716f",
    success="#86b37c",
    foreground="#d4d7dc",
    background="#121212",
    surface="#181b20",
    panel="#242a33",
    dark=True,
    variables={"block-cursor-text-style": "none", "border": "#333b47", "scrollbar": "#3a4350", "scrollbar-background": "#121212"},
)
LIGHT = Theme(
    name="hitl-light",
    primary="#2f5f8f",
    secondary="#55789b",
    accent="#1f5f9f",
    warning="#8a5a00",
    error="#a8302e",
    success="#2f6f2b",
    foreground="#22262b",
    background="#f7f7f5",
    surface="#ffffff",
    panel="#e7e8ea",
    dark=False,
    variables={"border": "#b9bec6", "scrollbar": "#b9bec6", "scrollbar-background": "#f7f7f5"},
)
THEMES = (DARK, LIGHT)
