"""Style sheets stay scoped: the queue looks the same whatever was opened before."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.css.model import Selector, SelectorType
from textual.css.stylesheet import Stylesheet
from textual.widget import Widget

import hitl_tui.ui
from hitl_tui.ui.queue.view import QueueView
from tests.ui.conftest import NOW, ConsoleDriver, StartConsole
from tests.ui.homes.run_heads import add_heads

UI = Path(hitl_tui.ui.__file__).parent
SHEETS = sorted(UI.rglob("*.tcss"))
BATCH = 3
"""Place in the list of the review with several calls: its pane has every part that a pane can have."""
OPENINGS: list[tuple[str, list[str], list[str]]] = [
    *[(view, [view], ["f1"]) for view in ("f2", "f3", "f4", "f5", "L")],
    *[(dialog, [dialog], ["escape"]) for dialog in ("e", "r", "m", "exclamation_mark", "slash", "n", "question_mark", "ctrl+p")],
    ("take over", ["t"], ["ctrl+g"]),
]
"""What is opened, the keys that open it, and those that go back."""


@pytest.mark.parametrize("sheet", SHEETS, ids=[sheet.name for sheet in SHEETS])
def test_every_selector_starts_with_a_class_of_its_own(sheet: Path) -> None:
    """A loaded sheet applies to every screen: `app.tcss` may name any class, any other sheet those of its folder, and of dialogs."""
    folder = UI if sheet.parent.name == "dialogs" else sheet.parent
    names = set(re.findall(r"^class (\w+)", "\n".join(path.read_text() for path in folder.rglob("*.py")), re.MULTILINE))
    names |= {"Screen", "CommandPalette"} if sheet.parent == UI else set()
    css = Stylesheet(variables=dict.fromkeys(re.findall(r"\$([\w-]+)", sheet.read_text()), "#112233"))
    css.read(sheet)
    rules = [rule for rule in css.rules if rule.styles.get_rules()]  # a block that only nests others styles nothing
    unscoped = [rule.selectors for rule in rules for chosen in rule.selector_set if not _is_scoped(chosen.selectors, names)]
    assert not unscoped, f"{sheet.name}: begin these selectors with the class of their screen or widget"


def _is_scoped(selectors: Sequence[Selector], names: set[str]) -> bool:
    """Whether the selectors start with one of the classes, or with the state of a screen and then one of them: `Screen.-low RunPane`."""
    types = [selector.name for selector in selectors if selector.type is SelectorType.TYPE]
    if selectors[0].type is not SelectorType.TYPE:
        return False
    return types[0] in names or (types[0] == "Screen" and types[1:2] != [] and types[1] in names)


@pytest.mark.slow
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
async def test_queue_looks_the_same_after_any_two_screens(start_console: StartConsole, backwards: bool) -> None:
    """A style sheet stays loaded once its screen was opened, so every screen is opened after every other."""
    async with start_console("variety", clock=lambda: NOW) as console:
        await add_heads(console.store)
        await console.press(*["j"] * BATCH)
        await console.pilot.pause(0.4)
        await console.settle()
        before = _drawn(console)
        for name, opens, closes in reversed(OPENINGS) if backwards else OPENINGS:
            await console.press(*opens)
            assert name.startswith(("f", "L")) or len(console.app.screen_stack) == 2, f"{name} did not open"
            await console.press(*closes)
            assert len(console.app.screen_stack) == 1, f"{name} did not close"
            await console.settle()
            assert _drawn(console) == before, f"the queue looks different after {name}"


def _drawn(console: ConsoleDriver) -> dict[str, object]:
    """Return position, size and styles of every widget in the queue."""
    widgets: list[Widget] = list(console.app.query_one(QueueView).walk_children(Widget))
    return {f"{type(one).__name__}#{one.id}": (one.region, dict(one.styles.get_rules())) for one in widgets if one.display}
