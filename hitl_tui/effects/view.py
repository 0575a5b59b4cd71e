"""What a call would do, as rows that console and command line draw: its commands, statements, files, hosts and recipients.

Each row keeps an agent's text apart from the words about it. Takes from a millisecond to a fraction of a second, and may read a file: not
for an event loop.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from hitl_tui.effects import addresses, files, shell, sql
from hitl_tui.effects.addresses import Address
from hitl_tui.sanitize import one_line

SHELL_NAMES = ("shell", "bash", "command", "cmd")
"""Arguments that hold a script, or a program and its arguments."""
SQL_NAMES = ("sql", "query", "statement", "statements")
RECIPIENT_NAMES = ("to", "cc", "bcc", "recipient", "recipients", "email", "emails", "to_addresses")
VIEWS = ("shell", "sql", "file", "url", "mail", "none")
"""What a rule may say that an argument holds."""
ALL = "*"
"""Stands for every text of a call, where a rule names one view for all."""
DESTRUCTIVE = ("shell", "sql")
"""Views of arguments that say whether data is destroyed."""
GRAVE = frozenset({"high", "critical", "irreversible"})
"""Risks that say no less than what a call destroys."""
MOST_ROWS = 40
IN_ORDER = 6
"""Commands up to which they are listed in their order."""
MOST_ARGUMENTS = 200
"""Arguments that are looked at."""
LONGEST = 300
"""Characters of a command or statement in a row."""


@dataclass(frozen=True, slots=True)
class EffectSettings:
    """What is known beside a call's arguments."""

    views: Mapping[str, str]
    """Argument to one of `VIEWS`, as a rule says it."""
    folder: str = ""
    """The run's work folder; empty if not known."""
    own_domains: tuple[str, ...] = ()
    """Domains of the organisation."""
    launch_input: Any = None
    """What the run was launched with."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that a call would do."""

    text: str
    """As the agent wrote it, on one line: a command, a statement, a path, an address; empty for a sentence alone."""
    marks: tuple[str, ...] = ()
    """Words: `writes`, `deletes`, `network`, `outside` …"""
    detail: str = ""
    """What they are about, for people: hosts, files. May hold parts of the agent's text."""
    style: str = ""
    """`error`, `warning`, `muted`, or `success` for what is added."""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """What one argument would do."""

    argument: str
    kind: str
    """`shell`, `sql`, `file`, `change`, `url`, `mail`, `preview` of the whole call (its `argument` is the tool), `reader` or `decider`."""
    effects: tuple[Effect, ...]
    problem: str = ""
    """Why it cannot be told, as a clause."""
    note: str = ""
    """What its heading says besides, as a clause."""

    def as_json(self) -> dict[str, Any]:
        """`{argument, kind, problem, effects: [{text, marks, detail}]}`."""
        effects = [{"text": one.text, "marks": list(one.marks), "detail": one.detail} for one in self.effects]
        return {"argument": self.argument, "kind": self.kind, "problem": self.problem or None, "effects": effects}


def sections(tool: str, args: Any, settings: EffectSettings) -> tuple[Section, ...]:
    """What a call would do, argument by argument; nothing for arguments of which nothing is known."""
    if not isinstance(args, dict):
        return ()
    found = [_section(name, value, settings) for name, value in islice(args.items(), MOST_ARGUMENTS)]
    try:
        change = files.change(tool, args, settings.folder)
    except ValueError:  # a path that no file can have
        change = None
    return tuple(one for one in (*found, _change(change) if change else None) if one and (one.effects or one.problem))


def _section(name: str, value: Any, settings: EffectSettings) -> Section | None:
    kind = kind_of(name, value, settings.views)
    try:
        match kind:
            case "shell":
                return _commands(name, value)
            case "sql":
                return _statements(name, value)
            case "file":
                return Section(name, kind, (_file(value, settings),))
            case "url":
                return Section(name, kind, (_address(addresses.of_url(value, settings.own_domains)),))
            case "mail":
                listed = addresses.of_recipients(value, settings.own_domains)
                return Section(name, kind, tuple(map(_address, listed[:MOST_ROWS])))
    except Exception:  # noqa: BLE001 - whatever a parser makes of an agent's text, the review stays on the screen
        return Section(name, kind, (), "it could not be read")
    return None


def kind_of(name: str, value: Any, views: Mapping[str, str]) -> str:
    """Which of `VIEWS` an argument has, by a rule, else by its name and value; empty for none."""
    is_text, is_texts = isinstance(value, str), isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
    if not is_text and not is_texts:
        return ""
    said = views.get(name) or (views.get(ALL) if is_text else "")
    if said:
        return said if is_text or said in ("shell", "mail") else ""
    name = name.lower()
    if name in SHELL_NAMES:
        return "shell"
    if name in RECIPIENT_NAMES:
        return "mail"
    if not is_text:
        return ""
    if name in SQL_NAMES and sql.STARTS.match(value):
        return "sql"
    if addresses.is_url(value):
        return "url"
    return "file" if name in files.PATHS and value and "\n" not in value else ""


def _commands(name: str, value: Any) -> Section:
    script = shell.parse(value) if isinstance(value, str) else shell.parse_words(tuple(value))
    if script.problem:
        return Section(name, "shell", (), script.problem)
    rows, note = [_command(command) for command in script.commands], ""
    if len(rows) > IN_ORDER:  # what matters must not stand below what does not
        rows.sort(key=lambda row: not row.marks)
        note = f"{len(rows)}, those with effects first"
    return Section(name, "shell", (*rows[:MOST_ROWS], *_more(len(rows))), note=note)


def _command(command: shell.Command) -> Effect:
    effects = command.effects
    known = {"deletes": effects.deletes, "writes": effects.writes and not effects.deletes, "network": effects.network}
    marks = [word for word, does in known.items() if does]
    if None in (effects.writes, effects.network) and not marks:
        marks.append("not known")
    hosts = [host for host in effects.hosts if host != "?"]
    written = ["a file known only when it runs" if one == "?" else one for one in command.written]
    details = [f"into {', '.join(written)}"] * bool(written) + [f"to {', '.join(hosts)}"] * bool(hosts)
    style = "error" if effects.deletes else "warning" if marks else "muted"
    return Effect(_short(command.text), tuple(marks), "; ".join(details), style, len(command.under))


def _statements(name: str, value: str) -> Section:
    parsed = sql.parse(value)
    if parsed.problem:
        return Section(name, "sql", (), parsed.problem)
    return Section(name, "sql", (*map(_statement, parsed.statements[:MOST_ROWS]), *_more(len(parsed.statements))))


def _statement(one: sql.Statement) -> Effect:
    lacks_where = one.kind in ("update", "delete") and not one.where
    marks = [one.kind if one.kind != "other" else "not known", *(["no WHERE"] if lacks_where else [])]
    detail = f"tables {', '.join(one.tables)}" if one.tables else ""
    if lacks_where:
        detail += "; every row"
    worst = lacks_where or one.kind in ("drop", "truncate", "delete")
    return Effect(_short(one.text), tuple(marks), detail, "error" if worst else "muted" if one.writes is False else "warning")


def _file(path: str, settings: EffectSettings) -> Effect:
    found = files.place(path, settings.folder)
    marks = ["outside"] if found.is_outside else []
    detail = found.resolved if found.resolved != path else ""
    if found.is_outside:
        detail = f"{detail or path} is outside the run's work folder"
    if found.exists is False:
        detail += f"{'; ' if detail else ''}it does not exist"
    return Effect(_short(path), tuple(marks), detail, "error" if marks else "muted")


def _address(address: Address) -> Effect:
    marks = (["outside"] if address.outside else []) + (["odd"] if address.odd else [])
    details = [address.domain] if address.domain and address.domain != address.host else []
    details += [address.odd] if address.odd else []
    details += ["outside the organisation"] if address.outside else []
    text = address.host if addresses.is_url(address.text) and address.host else _short(address.text)
    return Effect(text, tuple(marks), "; ".join(details), "error" if address.odd else "warning" if address.outside else "muted")


_SIGNS = {"+": ("added", "success"), "-": ("removed", "error"), " ": ("", "muted"), "…": ("", "muted")}


def _change(change: files.Change) -> Section:
    if change.note:
        return Section(change.path, "change", (Effect("", (), change.note, "muted"),))
    return Section(change.path, "change", tuple(_changed(sign, text) for sign, text in change.rows))


def _changed(sign: str, text: str) -> Effect:
    word, style = _SIGNS[sign]
    return Effect("", (), "…", style) if sign == "…" else Effect(text, (word,) if word else (), "", style)


def _more(count: int) -> Sequence[Effect]:
    return [Effect("", (), f"{count - MOST_ROWS} more", "warning")] if count > MOST_ROWS else []


def _short(text: str) -> str:
    text = re.sub(r"\s+", " ", text).strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


TITLES = {"shell": "commands of {}", "sql": "statements of {}", "file": "{} leads to", "url": "{} reaches", "mail": "{} goes to",
          "change": "changes in {}", "preview": "preview by the author of {}", "reader": "second reader", "decider": "decider"}  # fmt: skip


def title_of(section: Section, name: str) -> str:
    """A section's heading; `name` is its argument or path as it is drawn."""
    return TITLES[section.kind].replace("{}", name) + (f": {section.note}" if section.note else "")


OWN_PROBLEMS = ("preview", "reader", "decider")
"""Kinds whose problem is a sentence of its own."""


def problem_of(section: Section) -> str:
    """A section's problem as a clause."""
    return section.problem if section.kind in OWN_PROBLEMS else f"cannot be told, because {section.problem}"


def is_empty(found: Sequence[Section]) -> bool:
    """Whether the sections say nothing that the arguments do not say: addresses and paths without a mark or detail."""
    plain = (one for section in found if section.kind in ("file", "url", "mail") for one in section.effects)
    others = any(section.kind not in ("file", "url", "mail") or section.problem for section in found)
    return not others and not any(one.marks or one.detail for one in plain)


def destruction(found: Iterable[Section]) -> str:
    """The words of the first command or statement that deletes data, or changes every row: `delete, no WHERE`; empty if none does."""
    effects = (effect for section in found if section.kind in DESTRUCTIVE for effect in section.effects)
    return next((", ".join(effect.marks) for effect in effects if effect.style == "error"), "")


def destroyed(args: Any, settings: EffectSettings) -> str:
    """Return what the commands and statements of a call destroy, in the words of `destruction`; empty if nothing."""
    if not isinstance(args, dict):
        return ""
    texts = ((name, value) for name, value in islice(args.items(), MOST_ARGUMENTS) if kind_of(name, value, settings.views) in DESTRUCTIVE)
    return destruction(section for name, value in texts if (section := _section(name, value, settings)))


def risk_told(risk: str | None, destroys: str = "") -> tuple[str, str]:
    """A call's risk in words, the same everywhere: what it destroys before a stated risk that says less, which is the second part."""
    if destroys and risk not in GRAVE:
        return destroys, f"stated risk {one_line(risk, 20) if risk else 'unknown'}"
    return one_line(risk, 20) if risk else "risk unknown", ""


def worth_showing(found: Sequence[Section]) -> Iterator[Section]:
    """The sections without those that say nothing that the arguments do not say."""
    return (section for section in found if not is_empty([section]))
