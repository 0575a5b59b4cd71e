"""Colours of every theme: what has the keys is seen, and is not taken for a warning."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from hitl_tui.ui.theme import CONTRAST, DISTANCE, READABLE, THEMES, completed, contrast_of, distance
from tests.support.tiers import sampled
from tests.ui.conftest import StartConsole

ALL = [*THEMES, *(theme for name, theme in BUILTIN_THEMES.items() if not name.startswith("ansi"))]


def colours(theme: Theme) -> dict[str, Color]:
    """The colours of a theme as they are drawn on its background."""
    found = completed({**theme.to_color_system().generate(), **theme.variables})
    names = ("background", "surface", "edge", "edge-focus", "field-focus", "panel", "text-accent", "text-warning")
    ground = Color.parse(found["background"])
    return {name: ground.blend(colour, colour.a, alpha=1.0) for name in names for colour in [Color.parse(found[name])]}


@pytest.mark.parametrize("theme", ALL, ids=[theme.name for theme in ALL])
def test_focus_in_every_theme_differs_from_warnings_and_from_what_has_no_focus(theme: Theme) -> None:
    found = colours(theme)
    assert distance(found["text-accent"], found["text-warning"]) >= DISTANCE
    assert distance(found["edge-focus"], found["text-warning"]) >= DISTANCE
    assert distance(found["edge-focus"], found["edge"]) >= DISTANCE
    assert contrast_of(found["edge-focus"], found["background"]) >= CONTRAST > contrast_of(found["edge"], found["background"])
    assert contrast_of(found["edge-focus"], found["surface"]) >= CONTRAST - 0.1
    assert contrast_of(found["text-accent"], found["background"]) >= READABLE
    assert distance(found["field-focus"], found["panel"]) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("theme", sampled(["hitl-light", "solarized-light", "dracula"]))
async def test_focused_field_of_a_dialog_has_an_edge_of_its_own(start_console: StartConsole, theme: str) -> None:
    async with start_console() as console:
        console.app.theme = theme
        await console.press("g", "exclamation_mark")
        focus = Color.parse(console.app.theme_variables["edge-focus"])
        edges = {widget.id: widget.styles.border_left[1] for widget in console.app.screen.query("Input")}
        assert edges["to"] == focus != edges["note"]
        await console.press("tab")
        edges = {widget.id: widget.styles.border_left[1] for widget in console.app.screen.query("Input")}
        assert edges["note"] == focus != edges["to"]
