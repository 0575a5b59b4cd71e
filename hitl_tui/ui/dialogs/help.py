"""The help: every key, with the id under which config.toml can change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hitl_tui.ui.commands import all_keys, grouped
from hitl_tui.ui.dialogs.text_page import PageScreen
from hitl_tui.ui.text.lines import BLANK, Line, line

KEYS = 16
IDS = 18


class HelpScreen(PageScreen):
    """Lists all commands by group."""

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__("Keys", list(help_lines(keymap)))


def help_lines(keymap: Mapping[str, str]) -> Iterator[Line]:
    """All commands by group."""
    yield line('Change keys in config.toml by their id:  [keys]  approve = "y"', "muted")
    for heading, commands in grouped():
        yield BLANK
        yield line(heading, "title")
        for command in commands:
            named = f"{command.id.ljust(IDS)}{command.about}"
            drawn = line(named, "", all_keys(command.id, keymap), KEYS, "accent")
            yield Line(drawn.text, "", ((0, IDS, "muted"),), drawn.lead, drawn.lead_style, KEYS)
    yield BLANK
    yield line("Elsewhere", "title")
    yield line("".ljust(IDS) + "The command palette: every command by name, and the themes.", "", "ctrl+p", KEYS, "accent")
    yield line("".ljust(IDS) + "In a dialog: go back; what was typed is kept.", "", "esc", KEYS, "accent")
    yield line("".ljust(IDS) + "In a dialog with a long text: submit it.", "", "ctrl+s", KEYS, "accent")
