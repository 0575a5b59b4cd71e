"""Every key: to add one, declare its `Command` here, and write its handler `action_<name>` in the view or screen where it works.

Key bar, palette, help and the keys of config.toml come from this table.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.binding import Binding, BindingType
from textual.keys import KEY_NAME_REPLACEMENTS, Keys, key_to_character

from hitl_tui.errors import BadHome
from hitl_tui.pinned_session import is_pinned

if TYPE_CHECKING:
    from textual.app import App


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the console, with its keys."""

    id: str
    keys: str
    """Textual's key names, separated by commas; the first is shown."""
    action: str
    label: str
    """A word or two, for the key line."""
    about: str
    """A sentence, for help, palette and tooltips."""
    group: str
    """Where it works."""
    typing: bool = False
    """Works while a text is typed, too."""


GROUPS = {
    "app": "Everywhere",
    "queue": "Queue: the review under the cursor",
    "queue_list": "Queue: the list",
    "list": "Lists",
    "runs": "Runs",
    "history": "History",
    "insights": "Insights",
    "ratings": "Ratings of decisions, runs and messages",
    "policy": "Policy",
    "lessons": "Lessons: the one under the cursor",
    "text": "Texts (enter goes into one, tab to the next)",
    "pane": "Details",
    "takeover": "Takeover",
}
"""Group → its heading in the help."""

COMMANDS = (
    Command("approve", "a", "approve", "approve", "Approve the call as shown, or answer yes to a question.", "queue"),
    Command("edit", "e", "edit", "edit", "Change the arguments, then run the call with them.", "queue"),
    Command("edit_outside", "E", "edit_outside", "$EDITOR", "Change the arguments in $EDITOR.", "queue"),
    Command("reject", "r", "reject", "reject", "Reject the call with a reason that the agent reads.", "queue"),
    Command("revise", "w", "revise", "send back", "Send back for revision, with a note and your changes.", "queue"),
    Command("respond", "m", "respond", "respond", "Answer the question, or respond in place of the tool.", "queue"),
    Command("undo", "u", "undo", "undo", "Undo your last decision while its grace time runs.", "queue"),
    Command("grant", "p", "grant", "allow the like", "Let calls like this one run without asking: make a grant.", "queue"),
    Command("claim", "c", "claim", "claim", "Claim or release a review; a claim of somebody else needs a reason.", "queue"),
    Command("escalate", "exclamation_mark", "escalate", "escalate", "Escalate to a person or a group, with a note.", "queue"),
    Command("take_over", "t", "take_over", "take over", "Take the run over: act as its agent, then hand it back.", "queue"),
    Command("difference", "d", "difference", "difference", "Show what an edit changed.", "queue"),
    Command("show_run", "v", "show_run", "its run", "Go to the run of this review: its trace, input and log.", "queue"),
    Command("context", "o", "context", "context", "Switch between the arguments and the full context.", "queue"),
    Command("copy", "y", "copy", "copy", "Copy a value of the call exactly, or all of its arguments as JSON.", "queue"),
    Command("next_call", "right", "call(1)", "next call", "Go to the next call of the same review.", "queue"),
    Command("previous_call", "left", "call(-1)", "previous call", "Go to the previous call of the same review.", "queue"),
    Command("filter", "slash", "filter", "filter", "Show only matching reviews, like agent:mail* since:7d invoice.", "queue"),
    Command("mark", "x", "mark", "mark", "Mark the review or the group under the cursor, or remove its mark.", "queue_list"),
    Command("mark_all", "X", "mark_all", "mark all", "Mark everything that is listed, or remove all marks.", "queue_list"),
    Command("mark_down", "J", "extend(1)", "mark down", "Mark this one and the next.", "queue_list"),
    Command("mark_up", "K", "extend(-1)", "mark up", "Mark this one and the one before.", "queue_list"),
    Command(
        "decide_many",
        "A",
        "decide_many",
        "decide all",
        "Decide all marked reviews together, or all calls of this one: a table shows where they differ.",
        "queue",
    ),
    Command("order", "s", "order", "sort, group", "Sort the queue, and show reviews of the same tools as one row.", "queue"),
    Command("snooze", "h", "snooze", "snooze", "Hide the marked reviews, or this one, until a time or until something changes.", "queue"),
    Command("pause", "P", "pause", "pause", "Pause all agents or this one, or let them go on. Nothing is lost.", "app"),
    Command("new", "n", "new_run", "new run", "Start a run: choose an agent and enter its task.", "app"),
    Command("queue", "f1", "show('queue')", "Queue", "Reviews that wait for a decision.", "app"),
    Command("runs", "f2", "show('runs')", "Runs", "All runs, with their trace and result.", "app"),
    Command("history", "f3", "show('history')", "History", "Past decisions: who decided what, when and why.", "app"),
    Command("insights", "f4", "show('insights')", "Insights", "Statistics of agents, tools, rules and reviewers.", "app"),
    Command("policy", "f5", "show('policy')", "Policy", "Rules, how often each matched, and why the review is routed as it is.", "app"),
    Command("lessons", "L", "show('lessons')", "Lessons", "Lessons for agents, drawn from rejections and edits.", "app"),
    Command("restart", "R", "restart", "restart worker", "Restart the worker to reload agent code; runs continue.", "app"),
    Command("suspend", "ctrl+z", "suspend_process", "suspend", "Go back to the shell; `fg` brings the console back.", "app"),
    Command("help", "question_mark", "help", "help", "All keys, and the ids to change them in config.toml.", "app"),
    Command("quit", "q,ctrl+q", "quit", "quit", "Quit. The worker stops; runs continue next time.", "app"),
    Command("down", "j,down", "move(1)", "down", "Go to the next item.", "list"),
    Command("up", "k,up", "move(-1)", "up", "Go to the previous item.", "list"),
    Command("page_down", "pagedown", "page(1)", "page down", "Go a page down.", "list"),
    Command("page_up", "pageup", "page(-1)", "page up", "Go a page up.", "list"),
    Command("first", "g,home", "first", "first", "Go to the first item.", "list"),
    Command("last", "G,end", "last", "last", "Go to the last item.", "list"),
    Command("open", "enter", "open", "details", "Open the details; of a waiting run, its review.", "list"),
    Command("read_on", "space", "read_on", "read on", "Read on in the details, page by page.", "list"),
    Command("continue", "m", "continue", "next message", "Send a finished run the next message of its conversation.", "runs"),
    Command("show_review", "v", "show_review", "review", "Go to the review that the run waits for, or back to the queue.", "runs"),
    Command("filter_runs", "slash", "filter", "filter", "Show only matching runs, like failed mail* since:7d.", "runs"),
    Command("retry", "ctrl+r", "retry", "retry", "Continue a failed or cancelled run from its checkpoint.", "runs"),
    Command("cancel", "ctrl+x", "cancel", "cancel", "Cancel a run; its open reviews are closed.", "runs"),
    Command("release_run", "c", "release", "release", "Release a run whose worker does not respond; another continues it.", "runs"),
    Command("take_over_run", "t", "take_over", "take over", "Take over a run that waits, failed or was cancelled.", "runs"),
    Command("intervene_result", "1", "intervene('result')", "tool result", "Write the tool's result; the call does not run.", "takeover"),
    Command("intervene_rewrite", "2", "intervene('rewrite')", "rewrite", "Rewrite the agent's last message or its calls.", "takeover"),
    Command("intervene_guidance", "3", "intervene('guidance')", "guide", "Give the agent guidance and let it try again.", "takeover"),
    Command("intervene_state", "4", "intervene('state')", "state", "Edit the graph's state: a field for each key.", "takeover"),
    Command("intervene_answer", "5", "intervene('answer')", "finish", "End the conversation with your answer.", "takeover"),
    Command("intervene_stop", "6", "intervene('stop')", "stop", "Stop the run.", "takeover"),
    Command("hand_back", "ctrl+s", "hand_back", "hand back", "Apply the plan and let the agent go on.", "takeover", True),
    Command(
        "discard",
        "ctrl+g",
        "discard",
        "discard",
        "Discard the takeover: the run stays as it was, your changes are deleted.",
        "takeover",
        True,
    ),
    Command("other_panel", "ctrl+o", "other_panel", "other panel", "Switch between the run and your actions.", "takeover", True),
    Command("mode", "ctrl+t", "mode", "JSON", "Switch between fields and the whole as JSON.", "takeover", True),
    Command("outside", "ctrl+e", "outside", "$EDITOR", "Edit the focused field in $EDITOR.", "takeover", True),
    Command("write_outside", "E", "outside", "$EDITOR", "Edit the longest field of the chosen action in $EDITOR.", "takeover"),
    Command("filter_history", "slash", "filter", "filter", "Show only matching decisions; searches while you type.", "history"),
    Command("rate_up", "plus", "rate(1)", "thumbs up", "Rate it as good. The same key again adds a comment and tags.", "ratings"),
    Command("rate_down", "minus", "rate(-1)", "thumbs down", "Rate it as bad: exports use it as a bad example.", "ratings"),
    Command("rate_none", "equals_sign", "rate(0)", "no rating", "Remove your rating.", "ratings"),
    Command(
        "rate_message",
        "asterisk",
        "rate_message",
        "rate a message",
        "Choose a message of the run and rate it with the same keys.",
        "ratings",
    ),
    Command("period", "p", "tab(1)", "period", "Show the last 7, 30 or 90 days, or everything.", "insights"),
    Command("numbers", "t", "numbers", "table", "Switch between charts and a table of numbers.", "insights"),
    Command("practice", "e", "practice", "practice", "Practise finding bad calls: none of them can run.", "insights"),
    Command("edit_policy", "e", "edit_policy", "edit file", "Edit policy.toml in $EDITOR; it is checked afterwards.", "policy"),
    Command(
        "accept_level",
        "a",
        "accept_level",
        "accept",
        "Accept the agents' policy, or the proposed level, if you confirm.",
        "policy",
    ),
    Command("set_level", "s", "set_level", "set level", "Set the tool to any autonomy level, with a reason.", "policy"),
    Command("next_proposal", "p", "next_proposal", "next proposal", "Go to the next tool with a proposed level.", "policy"),
    Command("show_calls", "v", "show_calls", "its calls", "Go to the calls that the grant let through, in the history.", "policy"),
    Command("drill", "d", "drill", "drill", "Find bad calls that the policy would let run; nothing runs.", "policy"),
    Command("revoke_grant", "r", "revoke_grant", "revoke", "End the grant: calls like it ask again.", "policy"),
    Command("accept", "a", "accept", "accept", "Accept the lesson: the agent reads it from now on.", "lessons"),
    Command("drop", "d", "drop", "drop", "Drop the lesson: no agent reads it.", "lessons"),
    Command("edit_lesson", "e", "edit", "edit", "Change the lesson's text.", "lessons"),
    Command("edit_lesson_outside", "E", "edit_outside", "$EDITOR", "Change the lesson's text in $EDITOR.", "lessons"),
    Command("next_tab", "right_square_bracket", "tab(1)", "next tab", "Next tab of the details.", "pane"),
    Command("previous_tab", "left_square_bracket", "tab(-1)", "previous tab", "Previous tab of the details.", "pane"),
    Command("back", "escape", "back", "back", "Go back to the list.", "pane"),
    Command("details_down", "ctrl+d", "scroll_details(1)", "details down", "Scroll the details without leaving the list.", "pane"),
    Command("details_up", "ctrl+u", "scroll_details(-1)", "details up", "Scroll the details back.", "pane"),
    Command("text_down", "j,down", "scroll_down", "down", "Scroll the text a line down.", "text"),
    Command("text_up", "k,up", "scroll_up", "up", "Scroll the text a line up.", "text"),
    Command("text_page_down", "pagedown,space", "page_down", "page down", "Scroll the text a page down.", "text"),
    Command("text_page_up", "pageup,b", "page_up", "page up", "Scroll the text a page up.", "text"),
    Command("text_home", "g,home", "scroll_home", "top", "Go to the beginning of the text.", "text"),
    Command("text_end", "G,end", "scroll_end", "end", "Go to the end of the text.", "text"),
    Command("search", "slash", "search", "search", "Search in the text; the hits are found while you type.", "text"),
    Command("next_hit", "n,enter", "next_hit(1)", "next hit", "While a text is searched: go to the next hit.", "text"),
    Command("previous_hit", "N,shift+enter", "next_hit(-1)", "previous hit", "While a text is searched: go to the hit before.", "text"),
    Command("end_search", "escape", "end_search", "end search", "While a text is searched: end the search.", "text"),
)
BY_ID = {command.id: command for command in COMMANDS}
DECIDES = frozenset({
    "approve", "edit", "edit_outside", "reject", "revise", "respond", "escalate", "take_over", "decide_many", "pause",
    "retry", "cancel", "take_over_run", "intervene_stop", "hand_back", "discard",
    "accept_level", "set_level", "accept", "drop", "grant", "revoke_grant",
})  # fmt: skip
"""Commands that change what an agent does: never by Enter, Escape or Tab, nor from the command palette."""
OF_AN_ACCOUNT = frozenset({"edit_outside", "outside", "write_outside", "edit_policy", "edit_lesson_outside", "suspend"})
"""Commands that a session over SSH or in a browser does not have."""
NEEDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((
        "approve", "edit", "edit_outside", "reject", "revise", "respond", "claim", "escalate", "decide_many", "pause", "new", "continue",
        "retry", "cancel", "release_run", "rate_up", "rate_down", "rate_none", "rate_message", "accept", "drop", "edit_lesson",
        "edit_lesson_outside", "revoke_grant",
    ), ("decide",)),
    "grant": ("grant",),
    **dict.fromkeys(("take_over", "take_over_run", "hand_back"), ("take_over",)),
    "edit_policy": ("policy",),
    "set_level": ("autonomy",),
    "accept_level": ("policy", "autonomy"),
}  # fmt: skip
"""Commands → the roles of which a person needs one, where the home has a people.toml."""
MOVES = frozenset(command.id for command in COMMANDS if command.group in ("list", "text")) - {"open", "search", "end_search"} | {
    "next_call", "previous_call", "next_tab", "previous_tab", "details_down", "details_up",
}  # fmt: skip
"""Commands that act again while their key is held, and when several of their keys come at once."""
PAGES = frozenset({"read_on", "text_page_down", "details_down"})
"""Those among them that turn a page or half of one, and do so once while their key is held where it is recorded what was read."""
APART = (
    frozenset({"list", "text"}),
    frozenset({"queue", "runs", "history", "insights", "policy", "lessons", "takeover"}),
    frozenset({"ratings", "insights", "policy", "lessons", "takeover"}),
)
"""Groups that are never active together, so that they may share keys."""
IN_TEXTS = {
    "search": frozenset({"filter", "filter_runs", "filter_history"}),
    "next_hit": frozenset({"new"}),
    "end_search": frozenset({"back"}),
}
"""Commands of a text → those whose keys they may have: in a text the former acts, elsewhere the latter."""
SAME_KEY = {"ctrl+m": "enter", "ctrl+j": "enter", "newline": "enter", "ctrl+i": "tab", "ctrl+left_square_bracket": "escape"}
"""Keys that terminals send as other keys."""
NAMED_KEYS = frozenset(name for key in Keys if len(name := key.value.rpartition("+")[2]) > 1) - {"return", "ctrl-at"}
MODIFIERS = frozenset({"ctrl", "alt", "shift", "super", "hyper", "meta"})
NEVER_DECIDE = frozenset({"enter", "escape", "tab"})
FIELD_KEYS = NEVER_DECIDE | {"backspace", "delete", "left", "right", "up", "down", "home", "end", "pageup", "pagedown"}
"""Keys that a text field needs, besides those that write."""
SHOWN = {
    "question_mark": "?",
    "slash": "/",
    "plus": "+",
    "minus": "-",
    "asterisk": "*",
    "equals_sign": "=",
    "exclamation_mark": "!",
    "right_square_bracket": "]",
    "left_square_bracket": "[",
    "right": "→",
    "left": "←",
    "escape": "esc",
}


def group(*names: str) -> list[BindingType]:
    """Bindings of the groups, for the widget that has their actions."""
    chosen = [c for c in COMMANDS if c.group in names]
    return [Binding(c.keys, c.action, c.label, tooltip=c.about, id=c.id, show=False, priority=c.typing) for c in chosen]


def read_keymap(keys: Mapping[str, str]) -> dict[str, str]:
    """The user's keys, checked.

    Raises:
        BadHome: an unknown command or key, two commands on one key, or a key that the command must not have.
    """
    for id_, given in keys.items():
        if id_ not in BY_ID:
            raise BadHome(f"config.toml: keys.{id_} is not a command", f"known commands: {', '.join(BY_ID)}")
        if not all(_tidy(given)):
            raise BadHome(f"config.toml: keys.{id_} does not name a key", 'write it as in approve = "ctrl+y" or down = "j,down"')
        for key in _tidy(given):
            _check_key(BY_ID[id_], key)
    taken: dict[str, list[Command]] = {}
    for command in COMMANDS:
        for key in _tidy(keys.get(command.id, command.keys)):
            for other in taken.setdefault(SAME_KEY.get(key, key), []):
                if _together(command, other):
                    raise BadHome(f"config.toml: the key {key} is given to {other.id} and {command.id}", "give one of them another key")
            taken[SAME_KEY.get(key, key)].append(command)
    return {id_: ",".join(_tidy(given)) for id_, given in keys.items()}


def _check_key(command: Command, key: str) -> None:
    """Refuse a key that does not exist, or that the command must not have."""
    modifiers, _, plain = SAME_KEY.get(key, key).rpartition("+")
    writes = modifiers in ("", "shift") and key_to_character(plain) is not None
    if not _exists(key):
        raise BadHome(f"config.toml: keys.{command.id}: there is no key {key!r}", 'write it as in "y", "Y", "ctrl+y", "f6" or "enter"')
    if command.id in DECIDES and plain in NEVER_DECIDE:
        raise BadHome(f"config.toml: keys.{command.id}: {key} must not decide, it is pressed for other things", "give it another key")
    if command.typing and (writes or plain in FIELD_KEYS):
        raise BadHome(f"config.toml: keys.{command.id}: text fields need {key}", "give it a key with ctrl")


def _exists(key: str) -> bool:
    """Whether a terminal can send the key under this name."""
    modifiers, _, plain = key.rpartition("+")
    given = modifiers.split("+") if modifiers else []
    character = key_to_character(plain)
    if plain in NAMED_KEYS:
        known = True
    elif character is None or not character.isprintable():
        known = False
    else:
        known = plain == _key_name(character) and "shift" not in given  # the shifted character is a key of its own
    return known and len(set(given)) == len(given) and set(given) <= MODIFIERS


def _key_name(key: str) -> str:
    """Textual's name of a key whose last part may be given as its character."""
    modifiers, plain = key[:-1], key[-1:]
    if not key or plain.isalnum() or (modifiers and modifiers[-1] != "+"):
        return key
    name = unicodedata.name(plain, plain).lower().replace("-", "_").replace(" ", "_")
    return modifiers + KEY_NAME_REPLACEMENTS.get(name, name)


def shown_key(id_: str, keymap: Mapping[str, str]) -> str:
    """The first key of a command as people write it."""
    return _shown(keymap.get(id_, BY_ID[id_].keys).split(",")[0].strip())


def active_key(app: App[Any], id_: str) -> str:
    """The key of a command as the focused widget has it, as people write it; empty if the command does nothing here."""
    return next((_shown(key) for key, active in app.active_bindings.items() if active.binding.id == id_), "")


def all_keys(id_: str, keymap: Mapping[str, str]) -> str:
    """Every key of a command as people write them."""
    keys = keymap.get(id_, BY_ID[id_].keys).split(",")
    return "  ".join(_shown(key.strip()) for key in keys)


def _shown(key: str) -> str:
    return SHOWN.get(key, key.upper() if key[:1] == "f" and key[1:].isdigit() else key)


def _tidy(keys: str) -> list[str]:
    names = {shown: name for name, shown in SHOWN.items()}
    return [names.get(key.strip(), _key_name(key.strip())) for key in keys.split(",")]


def _together(a: Command, b: Command) -> bool:
    """Whether both may be active at once, so that a key can be only one's."""
    groups = {a.group, b.group}
    in_texts = b.id in IN_TEXTS.get(a.id, ()) or a.id in IN_TEXTS.get(b.id, ())
    return len(groups) == 1 or not (in_texts or any(groups <= apart for apart in APART))


def grouped(first: Collection[str] = ()) -> Iterator[tuple[str, list[Command]]]:
    """Headings and their commands, for the help; the groups of the screen that asks come first."""
    for name in sorted(GROUPS, key=lambda name: name not in first):
        yield GROUPS[name], [command for command in COMMANDS if command.group == name and is_offered(command.id)]


def is_offered(id_: str) -> bool:
    """Whether a command does anything in this kind of session: key bar, palette and help leave the others out."""
    return id_ not in OF_AN_ACCOUNT or not is_pinned()


def elsewhere(key: str, keymap: Mapping[str, str]) -> str:
    """What a key does in other places, for a person who pressed it in vain; empty for a key that does nothing anywhere."""
    found: dict[str, list[str]] = {}
    for command in COMMANDS:
        if SAME_KEY.get(key, key) in _tidy(keymap.get(command.id, command.keys)):
            places = found.setdefault(command.label, [])
            place = GROUPS[command.group].partition(":")[0].partition(" (")[0]
            places += [place] if place not in places else []
    told = "; ".join(f"{label} ({', '.join(places)})" for label, places in found.items())
    return f"{_shown(key)} does nothing here, only elsewhere: {told}" if told else ""
