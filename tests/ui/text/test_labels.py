"""Names, trace lines and differences as short texts: pure functions, each on its odd cases."""

from __future__ import annotations

from typing import Any

import pytest

from hitl_tui.model import ActorKind, Event, Json
from hitl_tui.ui.queue.brief_args import group_differences
from hitl_tui.ui.runs.outcome import own_frames
from hitl_tui.ui.runs.trace import event_lines
from hitl_tui.ui.text import labels


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("ANN", ActorKind.PERSON, "you"),
        ("bob\u202e", ActorKind.PERSON, "bob⟨U+202E⟩"),
        ("agent:mail", ActorKind.AGENT, "the agent"),
        ("timeout:outgoing mail", ActorKind.TIMEOUT, "its deadline (outgoing mail)"),
        ("policy:thresholds", ActorKind.POLICY, "policy (thresholds)"),
        ("grant:3", ActorKind.GRANT, "grant 3"),
        ("doctor", ActorKind.SYSTEM, "doctor"),
    ],
)
def test_actor_is_named_as_the_subject_of_a_sentence(name: str, kind: ActorKind, expected: str) -> None:
    assert labels.actor(name, "ann", kind) == expected


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (['{"a": 1}', '{"a": 1}'], "all calls are identical"),
        (['{"a": 1, "b": 2}', '{"a": 2, "b": 3}'], "a, b differ"),
        (['{"host": "web-02"}', '{"host": "web-01"}'], "only host differs: web-01 … web-02"),
        (['{"a": 1}', '{"a": "cut o'], ""),
        (['{"a": 1}', '"text"'], ""),
    ],
)
def test_calls_of_a_group_say_how_they_differ(args: list[str], expected: str) -> None:
    assert group_differences(args) == expected


def told(kind: str, body: Json, node: str = "tools") -> list[str]:
    return [f"{one.lead.strip()}|{one.text}" for one in event_lines(Event(1, 0.0, kind, node, (), body))]


def answer(kind: str, **more: Any) -> Json:
    return {"answers": [{"kind": kind, "tool": "send", "by": "ann", **more}]}


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        ("call", {"name": "send", "args": ["ann", 2]}, ['tools|→ send(["ann", 2])']),
        ("decided", {"reviews": [3, 4]}, ["review 3, 4"]),
        ("decided", answer("respond", args={"city": "Kiel"}), ["send answered by ann", "Kiel"]),
        ("decided", answer("edit", args={"to": "bob"}), ["send edited by ann", '→ send(to="bob")']),
        ("decided", answer("reject", message="not today"), ["send rejected by ann", "not today"]),
        ("custom", {}, ["tools"]),
        ("custom", {"value": ["one", "two"]}, ["one, two"]),
        ("custom", {"value": 5}, ["5"]),
        ("result", {"name": "send", "text": None, "failed": True}, ["send|←"]),
        ("start", {}, ["▸ tools"]),
    ],
)
def test_line_of_the_trace_says_what_happened(kind: str, body: Json, expected: list[str]) -> None:
    shown = "\n".join(told(kind, body))
    assert all(part in shown for part in expected), shown


def test_traceback_that_ends_inside_a_library_is_folded_to_its_end() -> None:
    agent, library = '  File "/a.py", line 1, in f\n    g()\n', '  File "/v/site-packages/lib/x.py", line 2, in g\n    h()\n'
    text = f"Traceback (most recent call last):\n{agent}{library}"
    assert list(own_frames(text)) == [
        ("Traceback (most recent call last):", False),
        ('  File "/a.py", line 1, in f', False),
        ("    g()", False),
        ("… 1 frame of lib", True),
    ]
