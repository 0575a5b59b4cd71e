"""Colours of every theme: what has the keys is seen, and is not taken for a warning."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

from hitl_tui.ui.theme import BEHIND, CONTRAST, DISTANCE, READABLE, THEMES, completed, contrast_of, distance
from hitl_tui.ui.widgets.styled_lines import STYLES
from tests.support.tiers import sampled
from tests.ui.conftest import StartConsole

TEXTS = sorted({variable for name, (variable, _, _) in STYLES.items() if name not in ("faint", "rule")})
"""The theme variables of what holds words."""
GROUNDS = ("background", "surface", "panel")
"""What words stand on; a list draws the item under its cursor on `panel`."""
ALL = [*THEMES, *(theme for name, theme in BUILTIN_THEMES.items() if not name.startswith("ansi"))]


def colours(theme: Theme) -> dict[str, Color]:
    """The colours of a theme as they are drawn on its background."""
    found = completed({**theme.to_color_system().generate(), **theme.variables})
    names = {"background", "surface", "panel", "edge", "edge-focus", "field-focus", "text-disabled"}
    ground = Color.parse(found["background"])
    return {name: ground.blend(colour, colour.a, alpha=1.0) for name in names | set(TEXTS) for colour in [Color.parse(found[name])]}


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


@pytest.mark.parametrize("theme", ALL, ids=[theme.name for theme in ALL])
def test_muted_text_and_placeholders_in_every_theme_are_readable(theme: Theme) -> None:
    found = colours(theme)

    def best(ground: str) -> float:
        return min(READABLE, contrast_of(found["foreground"], found[ground]))

    assert {g: contrast_of(found["text-muted"], found[g]) >= best(g) for g in GROUNDS} == dict.fromkeys(GROUNDS, True)
    fields = ("panel", "field-focus")
    assert {g: contrast_of(found["text-disabled"], found[g]) >= best(g) for g in fields} == dict.fromkeys(fields, True)


@pytest.mark.parametrize("theme", THEMES, ids=[theme.name for theme in THEMES])
def test_words_of_own_themes_are_readable_and_behind_a_dialog_still_are(theme: Theme) -> None:
    found = colours(theme)
    pairs = {(text, ground): (found[text], found[ground]) for text in TEXTS for ground in GROUNDS}
    assert {pair: contrast_of(*both) for pair, both in pairs.items() if contrast_of(*both) < READABLE} == {}
    dimmed = {pair: [one.blend(found["background"], BEHIND) for one in both] for pair, both in pairs.items()}
    assert {pair: contrast_of(*both) for pair, both in dimmed.items() if contrast_of(*both) < CONTRAST} == {}


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
