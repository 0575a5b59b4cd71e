"""What people sign: statements of the calls they decide, one text for several, grants, hand-backs, and changes of people.toml."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from hitl_tui import canonical_json
from hitl_tui.model.actions import Action, Answer, digest_of, effect_of
from hitl_tui.model.takeovers import Takeover
from hitl_tui.model.values import Json

DECISION, DECISIONS, PEOPLE, GRANT, HAND_BACK = "decision", "decisions", "people", "grant", "hand-back"
"""What a signed text is about, under its key `hitl-tui`: no text of one kind can be read as another."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a person signs of one decision on one call. Its text is canonical JSON with these names as keys."""

    home: str
    """Hash of the first entry of the home's audit log."""
    review: int
    call: int
    """From 1, as people count."""
    action: str
    """Digest of the call as it was shown."""
    decision: str
    """The `DecisionKind`."""
    final: str
    """Digest of what the decision makes happen: that of the call with its final arguments, if it is approved or edited."""
    answer: str
    """Digest of all of the answer: kind, arguments, message and what a template sends."""
    person: str
    """The name as it is stored with the decision."""
    at: float
    """Unix time at which signing began, by the clock of then; nothing depends on it."""
    seen: float | None
    """Share of the call that had been on the screen, 0 to 1; None if it was not measured."""
    head: str
    """End of the audit log when signing began, as `audit head` prints it."""

    @property
    def text(self) -> str:
        """The text that is signed, or whose SHA-256 is signed with others."""
        return canonical_json.canonical({"hitl-tui": DECISION, **asdict(self)})


STATEMENT = {"hitl-tui", *(field.name for field in fields(Statement))}


def state(home: str, head: str, review: int, action: Action, answer: Answer, person: str, at: float, seen: float | None) -> Statement:
    """The statement of a decision. `head` is the end of the audit log, `at` the Unix time, and `seen` the share that was on the screen."""
    sent = [answer.args, answer.message, answer.template]
    stored = Answer(answer.kind, *json.loads(canonical_json.dumps(sent)))  # as it is read again: two halves of a character are one then
    return Statement(
        home, review, action.number, action.digest, str(answer.kind), effect_of(_stored(action), stored),
        digest_of(str(answer.kind), [stored.args, stored.message, stored.template]), person, at, seen, head,
    )  # fmt: skip


def _stored(action: Action) -> Action:
    """The call under its stored name."""
    name = canonical_json.storable(action.name)
    return action if name == action.name else Action(action.slot, name, action.args, action.allowed, digest=action.digest)


def read_statement(text: str) -> Statement | None:
    """The statement that a text is; None if it is none, or not in canonical form."""
    try:
        found = json.loads(text)
        if not isinstance(found, dict) or found.keys() != STATEMENT or found.pop("hitl-tui") != DECISION:
            return None
        statement = Statement(**found)
        return statement if statement.text == text else None
    except (TypeError, ValueError, RecursionError):
        return None


def sha256(text: str) -> str:
    """SHA-256 (hex) of a text as UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def signed_text(statements: Sequence[str]) -> str:
    """What is signed for these statements: the only one itself, or the list of their digests."""
    if len(statements) == 1:
        return statements[0]
    return canonical_json.canonical({"hitl-tui": DECISIONS, "sha256": [sha256(text) for text in statements]})


def covers(signed: str, statement: str) -> bool:
    """Whether a signed text is this statement, or lists its digest."""
    if signed == statement:
        return True
    try:
        found = json.loads(signed)
    except (ValueError, RecursionError):
        return False
    if not isinstance(found, dict) or found.keys() != {"hitl-tui", "sha256"} or found["hitl-tui"] != DECISIONS:
        return False
    return isinstance(found["sha256"], list) and sha256(statement) in found["sha256"]


def people_text(home: str, head: str, before: str, after: str, person: str, at: float) -> str:
    """What is signed for a change of people.toml. `before` and `after` are SHA-256 of the file, `head` is the end of the audit log."""
    return canonical_json.canonical(
        {"hitl-tui": PEOPLE, "home": home, "head": head, "before": before, "people": after, "person": person, "at": at}
    )


GRANTED = ("review", "slot", "agent", "run", "tool", "digest", "scope", "sources", "risk", "uses", "for_s")
"""What a person signs of a grant; the names are those of its columns and of its entry in the log."""


def grant_text(home: str, head: str, granted: Mapping[str, Json], person: str, at: float) -> str:
    """What is signed for a grant. `head` is the end of the audit log when signing began, `granted` has the values of `GRANTED`."""
    values = {name: granted[name] for name in GRANTED}
    return canonical_json.canonical({"hitl-tui": GRANT, "home": home, "head": head, "grant": values, "person": person, "at": at})


def grant_problem(text: str, granted: Mapping[str, Json], home: str) -> tuple[str, str, str]:
    """In what a signed text differs from a grant, as a clause, empty if in nothing; and the person and the log's head that it names."""
    try:
        found = json.loads(text)
        person, head = str(found["person"]), str(found["head"])
        expected = grant_text(home, head, granted, person, found["at"])
    except (TypeError, ValueError, KeyError, RecursionError):
        return "its signature is of something else", "", ""
    return "" if expected == text else "its signature is of another grant", person, head


def hand_back_text(home: str, head: str, takeover: Takeover, plan: Json, person: str, at: float) -> str:
    """What is signed by a person who hands a run back, and by those who confirm it. `plan` is the plan's JSON as it is stored."""
    about = {"run": takeover.run, "takeover": takeover.id, "checkpoint": takeover.head, "plan": digest_of(HAND_BACK, plan)}
    return canonical_json.canonical({"hitl-tui": HAND_BACK, "home": home, "head": head, **about, "person": person, "at": at})
