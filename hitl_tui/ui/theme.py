"""The console's own calm themes; any Textual theme can be chosen instead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from textual.color import Color
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
DISTANCE = 70.0
"""Distance of two colours in RGB from which they are told apart at a glance."""
CONTRAST = 3.0
"""Contrast with the background from which a line is well seen, as WCAG 2 has it for what is no text."""
READABLE = 4.5
"""The same for text."""
FIELD = 0.15
"""Share of the focused edge's colour in the ground of a field."""
BEHIND = 0.2
"""Share of the background in what stands behind a dialog: little enough that it can still be read."""
QUIET = 0.6
"""Share of the foreground in quiet text, where it is readable with so little."""


def completed(variables: Mapping[str, str]) -> dict[str, str]:
    """A theme's variables with those that the console adds.

    `edge` and `edge-focus` are the borders of what has the keys not and has them; many themes give both the same colour. `text-accent`
    differs from `text-warning` in every theme. `field-focus` is the ground of the field that has the keys: `panel` with a little of its
    edge. `text-muted` is readable on whatever text stands on, `text-disabled`, of placeholders, in fields too. `backdrop` lies over what is
    behind a dialog. The colours of ANSI themes are the terminal's own, and stay.
    """
    if Color.parse(variables["background"]).ansi is not None:
        edges = {"edge": "ansi_bright_black", "edge-focus": variables["border"]}
        return {**variables, **edges, "field-focus": variables["panel"], "backdrop": "transparent"}

    def colour(name: str) -> Color:
        found = Color.parse(variables[name])
        return background.blend(found, found.a, alpha=1.0)

    background = Color.parse(variables["background"])
    warning = colour("text-warning")

    def first(names: Iterable[str], contrast: float) -> str:
        def is_good(found: Color) -> bool:
            return distance(found, warning) >= DISTANCE and contrast_of(found, background) >= contrast

        return variables[next((name for name in names if is_good(colour(name))), "foreground")]

    def muted(*grounds: Color) -> str:
        """The quietest text that is readable on all these grounds."""
        mixed = (background.blend(colour("foreground"), share / 50, alpha=1.0) for share in range(round(QUIET * 50), 50))
        good = (one for one in mixed if all(contrast_of(one, ground) >= READABLE for ground in grounds))
        return next(good, colour("foreground")).hex

    quiet = background.blend(colour("foreground"), 0.3, alpha=1.0)
    focus = first(("primary", "text-primary", "text-secondary", "secondary", "accent"), CONTRAST)
    accent = first(("text-accent", "text-primary", "primary", "text-secondary", "secondary", "accent"), READABLE)
    is_calm = contrast_of(colour("border"), background) < CONTRAST and distance(colour("border"), Color.parse(focus)) >= DISTANCE
    ground = colour("panel").blend(Color.parse(focus), FIELD, alpha=1.0)
    edge = variables["border"] if is_calm else quiet.hex
    texts = {
        "text-accent": accent,
        "text-muted": muted(background, colour("surface"), colour("panel")),
        "text-disabled": muted(colour("panel"), ground),
    }
    grounds = {"field-focus": ground.hex, "backdrop": background.with_alpha(BEHIND).hex}
    return {**variables, **texts, **grounds, "edge": edge, "edge-focus": focus}


def distance(a: Color, b: Color) -> float:
    """How far apart two colours are in RGB: 0 to 441."""
    return math.dist(a.rgb, b.rgb)


def contrast_of(a: Color, b: Color) -> float:
    """The contrast of two colours by WCAG 2: 1 to 21."""
    darker, lighter = sorted((_luminance(a), _luminance(b)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
