"""The help: every key, with the id under which config.toml can change it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from hitl_tui.ui.commands import all_keys, grouped, is_offered
from hitl_tui.ui.dialogs.text_page import PageScreen
from hitl_tui.ui.review.effects import MARKS as MARK_OF_ORIGIN
from hitl_tui.ui.text.labels import PROPOSED
from hitl_tui.ui.text.lines import AGENT_BAR, BLANK, Line, line

HELP_COLUMNS = 96
KEYS = 16
"""Cells of the column of keys."""
MARKS = (
    ("▌  ☑  ↑", "In a list: under the cursor; marked; escalated to you, or to nobody in particular."),
    (AGENT_BAR, "What stands behind it was written by an agent or a tool, and by nobody else."),
    ("✓ ✎ ✗ ↩ ↻ ○", "A call: approved, edited, rejected, answered, sent back, undecided."),
    ("◌ ● ◆ ✓ ✗ ⊘", "A run: queued, running, waiting for a person, done, failed, cancelled."),
    ("⚖  ⚠", "What the policy says of it; what to be careful about."),
    (" ".join(MARK_OF_ORIGIN.values()), "A value's origin: user, input, tool, the agent's prompt, parts of these, none of them."),
    (f"▲ ▼ {PROPOSED}", "Thumbs up, thumbs down; proposed: a lesson, or a higher level of autonomy."),
    ("▴ ▾", "How much goes on above and below."),
)  # fmt: skip
"""Marks on the screens, with what they mean."""


class HelpScreen(PageScreen):
    """Lists all commands by group, those of the present screen first."""

    @property
    def columns(self) -> int:
        return HELP_COLUMNS

    def __init__(self, keymap: Mapping[str, str], here: Collection[str] = ()) -> None:
        super().__init__("Keys", list(help_lines(keymap, here)))


def help_lines(keymap: Mapping[str, str], here: Collection[str] = ()) -> Iterator[Line]:
    """All commands by group; `here` are the groups that come first."""
    yield line('Each line ends with its id, for config.toml:  [keys]  approve = "ctrl+y"', "muted")
    for heading, commands in grouped(here):
        yield BLANK
        yield line(heading, "title")
        for command in commands:
            drawn = line(f"{command.about} · {command.id}", "", all_keys(command.id, keymap), KEYS, "accent")
            spans = ((len(drawn.text) - len(command.id), len(drawn.text), "muted"),)
            yield Line(drawn.text, "", spans, drawn.lead, drawn.lead_style, KEYS)
    yield BLANK
    yield line("Marks", "title")
    for mark, means in MARKS:
        yield line(means, "", mark, KEYS, "accent")
    yield BLANK
    yield line("Elsewhere", "title")
    yield line("A question with listed answers: answer it with the one of this number.", "", "1 … 9", KEYS, "accent")
    yield line("The command palette: every command by name, and the themes.", "", "ctrl+p", KEYS, "accent")
    yield line("In a dialog: go back; what was typed is kept.", "", "esc", KEYS, "accent")
    if is_offered("outside"):
        yield line("In a dialog: open the text in $EDITOR.", "", "ctrl+e", KEYS, "accent")
    yield line("In a dialog: submit it.", "", "ctrl+s", KEYS, "accent")
