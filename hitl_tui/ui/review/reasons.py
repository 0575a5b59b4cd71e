"""Finds the part of an agent's text that is about one of several calls, such as its line in a numbered list. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hitl_tui.model import Action

ITEM = re.compile(r"\s*(?:(?P<number>\d{1,3})[.)]|[-*•–])\s+\S")
"""How an item of a list begins."""
SHORTEST, LONGEST = 3, 200
"""Characters of a value by which a text can name a call."""


def own_reason(action: Action, reasoning: str, calls: int) -> str:
    """The item of a list in `reasoning` that is about this call alone; empty if there is none.

    Where the text numbers as many items as the review has calls, it is the one of the call's number, if it names the tool or a value of
    the call. Else it is the only item that names the tool and a value.

    Args:
        calls: how many calls the review has.
    """
    items = list(_items(reasoning))
    if [number for number, _ in items] == list(range(1, calls + 1)):
        text = items[action.slot][1] if action.slot < calls else ""
        return text if _names(text, action.name) or _names_value(text, action) else ""
    found = [text for _, text in items if _names(text, action.name) and _names_value(text, action)]
    return found[0] if len(found) == 1 else ""


def repeats_call(description: str, action: Action) -> bool:
    """LangChain's default description only says name and arguments again."""
    return action.name in description and "Args:" in description


def _items(text: str) -> Iterator[tuple[int | None, str]]:
    """The items of the lists in a text, each with its number and with the lines that continue it."""
    number, lines = None, list[str]()
    for one in [*text.split("\n"), ""]:
        begins = ITEM.match(one)
        if lines and (begins or not one.strip()):
            yield number, "\n".join(lines)
            lines = []
        if begins:
            number = int(begins["number"]) if begins["number"] else None
        if begins or lines:
            lines.append(one)


def _names_value(text: str, action: Action) -> bool:
    values = action.args.values() if isinstance(action.args, dict) else [action.args]
    texts = (str(value).strip() for value in values if isinstance(value, str | int | float) and not isinstance(value, bool))
    return any(_names(text, value) for value in texts if SHORTEST <= len(value) <= LONGEST)


def _names(text: str, what: str) -> bool:
    """Whether a text holds a name or a value as a whole, and not as a part of a longer word."""
    return re.search(rf"(?<!\w){re.escape(what)}(?!\w)", text, re.IGNORECASE) is not None
