"""Export of decisions as training data: formats, exclusions, masking, and complete files only."""

from __future__ import annotations

import asyncio
import csv
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.cli import main
from hitl_tui.export import FORMATS, AskedCall, ExportCase, Masker, ThreadHistory, read_masks
from hitl_tui.inbox import Inbox
from hitl_tui.model import (
    Action,
    Answer,
    Attempt,
    Context,
    Decision,
    DecisionKind,
    Json,
    Message,
    Pause,
    PauseKind,
    Progress,
    Review,
    ReviewRow,
    ReviewState,
    digest_of,
)
from hitl_tui.store import Store, audit, reconcile
from tests.benchmarks import large_home
from tests.support.empty_database import open_store
from tests.support.tiers import sampled

ROOT = Path(__file__).parents[2]
SCHEMA = {"type": "object", "description": "Send a mail.", "properties": {"to": {"type": "string"}, "body": {"type": "string"}}}
YES, NO = Answer(DecisionKind.APPROVE), Answer(DecisionKind.REJECT, message="not him")
TO_ANN, TO_BOB = {"to": "Ann", "body": "Grüße ✓"}, {"to": "Bob", "body": "hi"}


def said(calls: Sequence[tuple[str, Json]]) -> tuple[Message, ...]:
    return (
        Message("system", "Be brief."),
        Message("user", "Answer Ann."),
        Message("agent", "", calls=(("read_mail", {"id": "m1"}),)),
        Message("tool", "When?", name="read_mail"),
        Message("agent", "I write to her.", calls=tuple(calls)),
    )


async def ask(
    store: Store, who: Inbox, calls: Sequence[tuple[str, Json]], answers: Sequence[Answer], viewed_ms: int | None = 9000,
    kind: PauseKind = PauseKind.TOOL_CALLS, around: Sequence[Message] | None = None, schema: Json = SCHEMA, thread: str | None = None,
) -> int:  # fmt: skip
    """Add a review of these calls and decide it. Returns its id."""
    (run,) = await who.runs.launch("mail", text="x", thread=thread)
    await store.write("UPDATE runs SET worker = NULL WHERE thread = ?", (thread,))
    await store.write("UPDATE runs SET state = 'running', worker = 'w' WHERE id = ?", (run.id,))
    actions = tuple(
        Action(slot, name, args, tuple(DecisionKind), digest=digest_of(name, args), args_schema=schema)
        for slot, (name, args) in enumerate(calls)
    )
    context = Context(said(calls) if around is None else tuple(around), "I write to her.")
    pause = Pause(f"i{run.id}", kind, "tools", (), {}, actions, context)
    await reconcile.reconcile(store, run.id, "mail", "w", [pause], {})
    ((review,),) = await store.all("SELECT max(id) FROM reviews")
    await who.reviews.decide(await who.reviews.get(review), dict(enumerate(answers)), viewed_ms)
    return int(review)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with an approval, an edit, a rejection, a mixed batch, and excluded decisions: too fast, undone, undoable, by policy."""
    (tmp_path / "home").mkdir(mode=0o700)
    asyncio.run(fill(tmp_path / "home"))
    return tmp_path / "home"


async def fill(home: Path) -> None:
    async with open_store(home / "hitl.db") as store:
        ann, thinking = Inbox(store, "ann"), Inbox(store, "ann", grace_s=600)
        await ask(store, ann, [("send_mail", TO_ANN)], [YES])
        await ask(store, ann, [("send_mail", TO_BOB)], [Answer(DecisionKind.EDIT, TO_ANN)])
        await ask(store, ann, [("send_mail", TO_BOB)], [NO])
        await ask(store, ann, [("send_mail", TO_ANN), ("send_mail", TO_BOB)], [YES, NO])
        await ask(store, ann, [("send_mail", TO_ANN)], [YES], viewed_ms=20)
        taken_back = await ask(store, thinking, [("send_mail", TO_ANN)], [YES])
        await ann.reviews.undo(taken_back)
        by_policy = await ask(store, ann, [("send_mail", TO_ANN)], [YES])
        await store.write("UPDATE decisions SET actor = 'policy:reading', actor_kind = 'policy' WHERE review = ?", (by_policy,))
        await ask(store, thinking, [("send_mail", TO_ANN)], [YES])


async def one_more(home: Path, *calls: tuple[str, Json], answer: Answer = YES) -> None:
    async with open_store(home / "hitl.db") as store:
        await ask(store, Inbox(store, "ann"), calls, [answer] * len(calls))


def hitl(*args: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(args))
    return done.exit_code, done.output


def export(home: Path, format_: str, *options: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Export, and return the examples and the manifest."""
    path = home.parent / f"{format_}-{time.monotonic_ns()}.jsonl"
    code, out = hitl("export", str(path), "--format", format_, "--home", str(home), "--json", *options)
    assert code == 0, out
    manifest = json.loads(path.with_name(path.name + ".manifest.json").read_text())
    assert json.loads(out) == manifest
    return [json.loads(line) for line in path.read_text().splitlines()], manifest


def call(number: int, args: Json, name: str = "send_mail") -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": args}}


PROMPT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Answer Ann."},
    {"role": "assistant", "content": "", "tool_calls": [call(1, {"id": "m1"}, "read_mail")]},
    {"role": "tool", "content": "When?", "tool_call_id": "call_1", "name": "read_mail"},
]
TOOLS = [{"type": "function", "function": {"name": "send_mail", "description": "Send a mail.", "parameters": SCHEMA}}]


def speaks(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": list(calls)}


def test_sft_contains_what_people_approved(home: Path) -> None:
    found, manifest = export(home, "sft")
    good = {"messages": [*PROMPT, speaks(call(2, TO_ANN))], "tools": TOOLS}
    assert found == [good, good, good]  # approved, corrected, and the rest of the batch
    assert manifest["left_out"] == {
        "can still be undone": 1,
        "decided by policy or a timeout": 1,
        "decided faster than it can be read": 1,
        "nothing for sft: no call to learn from, or no conversation": 1,
    }
    assert (manifest["reviews"], manifest["examples"]) == (3, 3)


def test_dpo_contains_corrections(home: Path) -> None:
    found, _ = export(home, "dpo")
    assert found == [{"prompt": PROMPT, "chosen": [speaks(call(2, TO_ANN))], "rejected": [speaks(call(2, TO_BOB))], "tools": TOOLS}]
    (same,), _ = export(home, "openai-dpo")
    assert same["input"]["tools"] == TOOLS
    assert json.loads(same["preferred_output"][0]["tool_calls"][0]["function"]["arguments"]) == TO_ANN
    assert json.loads(same["non_preferred_output"][0]["tool_calls"][0]["function"]["arguments"]) == TO_BOB


def test_dpo_takes_a_mixed_batch_without_its_refused_call(home: Path) -> None:
    better = Answer(DecisionKind.EDIT, TO_ANN)

    async def decide() -> None:
        async with open_store(home / "hitl.db") as store:
            for number, (args, answers) in enumerate(
                [
                    ((TO_BOB, TO_BOB, TO_ANN), [better, NO, YES]),
                    ((TO_BOB, TO_ANN), [Answer(DecisionKind.REJECT, TO_ANN, "to Ann"), NO]),  # sent back with changes
                    ((TO_ANN, TO_BOB), [YES, NO]),  # a refusal alone does not say what to do instead
                    ((TO_BOB, TO_BOB), [better, Answer(DecisionKind.RESPOND, message="done by hand")]),
                ]
            ):
                await ask(store, Inbox(store, "ann"), [(f"mixed_{number}", one) for one in args], answers)

    asyncio.run(decide())
    found, manifest = export(home, "dpo", "--filter", "tool:mixed_*")
    chosen = [[one["function"]["arguments"] for one in pair["chosen"][0]["tool_calls"]] for pair in found]
    rejected = [[one["function"]["arguments"] for one in pair["rejected"][0]["tool_calls"]] for pair in found]
    assert (chosen, rejected) == ([[TO_ANN, TO_ANN], [TO_ANN]], [[TO_BOB, TO_BOB, TO_ANN], [TO_BOB, TO_ANN]])
    assert list(manifest["left_out"].values()) == [2]


WRITE, SQL, READ = ("write_file", {"path": "a"}), ("execute_sql", {"query": "DROP"}), ("read_data", {"n": 1})
BETTER = {"path": "b"}


def test_prompt_excludes_the_turn_that_proposed_the_calls(home: Path) -> None:
    asked = (Message("user", "Do it."), Message("agent", "", calls=(WRITE, SQL, READ)))
    noted = f"Note: not your call. Executed instead: write_file with arguments {json.dumps(BETTER)}.\n\nTool response:\nwritten"
    since = (
        *asked, Message("tool", "Not that.", "execute_sql", failed=True), Message("tool", noted, "write_file"),
        Message("tool", "1", "read_data"), Message("user", "And now?"), Message("agent", "", calls=(SQL, WRITE)),
    )  # fmt: skip

    async def decide() -> None:
        async with open_store(home / "hitl.db") as store:
            ann = Inbox(store, "ann")
            await ask(store, ann, [WRITE, SQL], [Answer(DecisionKind.EDIT, BETTER), NO], around=asked, thread="t")
            await ask(store, ann, [SQL], [YES], around=since, thread="t", kind=PauseKind.TOOL_APPROVAL)

    asyncio.run(decide())
    first, second = export(home, "sft", "--filter", "tool:write_file,execute_sql")[0]
    mended, read = call(1, BETTER, "write_file"), call(2, READ[1], "read_data")
    assert first["messages"] == [{"role": "user", "content": "Do it."}, speaks(mended, read)]
    results = [("write_file", "written", "call_1"), ("read_data", "1", "call_2")]
    assert second["messages"] == [
        *first["messages"],
        *({"role": "tool", "content": text, "tool_call_id": id_, "name": name} for name, text, id_ in results),
        {"role": "user", "content": "And now?"},
        speaks(call(3, SQL[1], "execute_sql")),  # an agent that asks per call may still ask about the other
    ]
    labels = [(one["label"], _arguments(one["completion"])) for one in export(home, "kto", "--filter", "tool:write_file")[0]]
    assert labels == [(False, [WRITE[1], SQL[1], READ[1]]), (True, [BETTER, READ[1]])]
    (pair,) = export(home, "dpo", "--filter", "tool:write_file")[0]
    assert (_arguments(pair["chosen"]), _arguments(pair["rejected"])) == ([BETTER, READ[1]], [WRITE[1], SQL[1], READ[1]])


def test_equal_calls_of_one_conversation_keep_their_own_answers(home: Path) -> None:
    first = (Message("user", "Do it."), Message("agent", "", calls=(SQL,)))
    second = (*first, Message("tool", "No.", SQL[0], failed=True), Message("user", "Now do it."), Message("agent", "", calls=(SQL,)))
    third = (*second, Message("tool", "1", SQL[0]), Message("user", "Read it."), Message("agent", "", calls=(READ,)))

    async def decide() -> None:
        async with open_store(home / "hitl.db") as store:
            for made, answer, around in ((SQL, NO, first), (SQL, YES, second), (READ, YES, third)):
                await ask(store, Inbox(store, "ann"), [made], [answer], around=around, thread="t")

    asyncio.run(decide())
    (last,) = export(home, "sft", "--filter", f"tool:{READ[0]}")[0]
    assert last["messages"] == [
        {"role": "user", "content": "Do it."},
        {"role": "user", "content": "Now do it."},
        speaks(call(1, SQL[1], SQL[0])),
        {"role": "tool", "content": "1", "tool_call_id": "call_1", "name": SQL[0]},
        {"role": "user", "content": "Read it."},
        speaks(call(2, READ[1], READ[0])),
    ]


GATED = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["free", "approve", "edit", "reject", "better"])), min_size=1, max_size=4
)
BY = {"approve": YES, "reject": NO, "better": Answer(DecisionKind.REJECT, {"sent": "back"})}


def scripted(turns: Sequence[tuple[bool, Sequence[tuple[str, str]]]]) -> Iterator[ExportCase]:
    """Add a thread's reviews as LangChain's middleware asks, one per turn or per call; it keeps edits out of the conversation."""
    said = [Message("user", "Go on.")]
    found: list[tuple[Context, PauseKind, list[tuple[Action, Answer]]]] = []
    for turn, (batched, calls) in enumerate(turns):
        made = [(name, {"call": [turn, place]}) for place, (name, _) in enumerate(calls)]
        said.append(Message("agent", "", calls=tuple(made)))
        context = Context(tuple(said))
        asked: list[tuple[Action, Answer]] = []
        for (name, args), (_, fate) in zip(made, calls, strict=True):
            action = Action(len(asked) if batched else 0, name, args, (), digest=digest_of(name, args), args_schema={})
            if fate != "free":
                asked.append((action, BY.get(fate) or Answer(DecisionKind.EDIT, {"mended": args})))
        if asked:
            found += [(context, PauseKind.TOOL_CALLS, asked)] if batched else [(context, PauseKind.TOOL_APPROVAL, [one]) for one in asked]
        results = [
            Message("tool", json.dumps(call[1]), call[0], failed=kept[1] in ("reject", "better"))
            for call, kept in zip(made, calls, strict=True)
        ]
        said += sorted(results, key=lambda one: (not one.failed, one.text[::-1]))
    thread = ThreadHistory(AskedCall(id_, a.digest, None, answer) for id_, (_, _, asked) in enumerate(found) for a, answer in asked)
    for id_, (context, kind, asked) in enumerate(found):
        row = ReviewRow(id_, 1, "mail", kind, ReviewState.APPLIED, "", "", len(asked), 0.0, None, None, "", Progress(), None)
        decisions = {a.slot: Decision(id_, id_, a.slot, answer, "ann", a.digest, 0.0) for a, answer in asked}
        review = Review(row, "t", "i", "tools", (), {}, tuple(a for a, _ in asked), decisions, 0.0, 0.0, 0.0)
        yield ExportCase(review, replace(context, attempts=attempts(context)), thread=thread)


def attempts(context: Context) -> tuple[Attempt, ...]:
    results = {one.text: one for one in context.conversation if one.role == "tool"}
    made = [call for message in context.conversation for call in message.calls]
    return tuple(Attempt(*call, text, results[text].failed) for call in made if (text := json.dumps(call[1])) in results)


@given(st.lists(st.tuples(st.booleans(), GATED), min_size=1, max_size=4))
def test_chat_never_contains_rejected_or_uncorrected_calls(turns: list[tuple[bool, list[tuple[str, str]]]]) -> None:
    fates = {(turn, place): fate for turn, (_, calls) in enumerate(turns) for place, (_, fate) in enumerate(calls)}
    good = {at: {"mended": {"call": list(at)}} if fate == "edit" else {"call": list(at)} for at, fate in fates.items()}
    kept = [at for at in good if fates[at] not in ("reject", "better")]
    for case in scripted(turns):
        mine = [at for at in good if any(action.args == {"call": list(at)} for action in case.review.actions)]
        turn = mine[0][0]
        if case.review.row.kind is PauseKind.TOOL_CALLS:
            mine = [at for at in good if at[0] == turn]
        before = [good[at] for at in kept if at[0] < turn]
        for one in FORMATS["sft"].examples(case):
            assert _arguments(one["messages"]) == before + [good[at] for at in mine if at in kept]
            ids = {made["id"]: made["function"] for message in one["messages"] for made in message.get("tool_calls", ())}
            for result in one["messages"]:
                if result["role"] == "tool":
                    made = ids[result["tool_call_id"]]
                    assert made["name"] == result["name"]
                    assert made["arguments"] in (json.loads(result["content"]), {"mended": json.loads(result["content"])})
        for one in FORMATS["kto"].examples(case):
            assert _arguments(one["prompt"]) == before
            as_made = [{"call": list(at)} for at in mine]
            assert _arguments(one["completion"]) == ([good[at] for at in mine if at in kept] if one["label"] else as_made)
        for one in FORMATS["dpo"].examples(case):
            assert _arguments(one["prompt"]) == before
            assert _arguments(one["chosen"]) == [
                {"sent": "back"} if fates[at] == "better" else good[at] for at in mine if fates[at] != "reject"
            ]


def test_call_rejected_when_asked_again_is_no_example() -> None:
    """A static gate behind the middleware asks about the edited call, which is not in the conversation, and it is rejected there."""
    asked: list[tuple[str, Json, Answer, PauseKind]] = [
        (*SQL, Answer(DecisionKind.EDIT, BETTER), PauseKind.TOOL_CALLS),
        (SQL[0], BETTER, NO, PauseKind.TOOL_GATE),
    ]
    thread = ThreadHistory(AskedCall(id_, digest_of(name, args), "c1", answer) for id_, (name, args, answer, _) in enumerate(asked))
    done = (Message("user", "Do it."), Message("agent", "", calls=(SQL,)))
    later = (*done, Message("tool", "Not that.", SQL[0], failed=True), Message("user", "Read."), Message("agent", "", calls=(READ,)))
    asked.append((*READ, YES, PauseKind.TOOL_CALLS))
    found = []
    for id_, (name, args, answer, kind) in enumerate(asked):
        row = ReviewRow(id_, 1, "mail", kind, ReviewState.APPLIED, "", "", 1, 0.0, None, None, "", Progress(), None)
        action = Action(0, name, args, (), digest=digest_of(name, args), tool_call="c1" if name == SQL[0] else "c2")
        decision = Decision(id_, id_, 0, answer, "ann", action.digest, 0.0)
        review = Review(row, "t", "i", "tools", (), {}, (action,), {0: decision}, 0.0, 0.0, 0.0)
        found.append(ExportCase(review, Context(done if id_ < 2 else later), thread=thread))
    user, asking = {"role": "user", "content": "Do it."}, {"role": "user", "content": "Read."}
    assert [one["messages"] for case in found for one in FORMATS["sft"].examples(case)] == [
        [user, asking, speaks(call(1, READ[1], READ[0]))]
    ]
    labels = [(one["prompt"], one["label"]) for case in found for one in FORMATS["kto"].examples(case)]
    assert labels == [([user], False), ([user], False), ([user, asking], True)]


def test_pauses_that_are_not_tool_calls_are_in_no_chat(home: Path) -> None:
    waits = (Message("user", "Send it."), Message("agent", "", calls=(("send_email", TO_ANN),)))
    spoken = (Message("user", "Send it."), Message("agent", "I do."))

    async def decide() -> None:
        async with open_store(home / "hitl.db") as store:
            ann = Inbox(store, "ann")
            question, inbox = PauseKind.QUESTION, PauseKind.AGENT_INBOX
            await ask(
                store, ann, [("tools", {"to": "Ann"})], [Answer(DecisionKind.RESPOND, {"action": "approve"})], kind=question, around=waits
            )
            await ask(store, ann, [("tools", "Shall I?")], [YES], kind=question, around=waits)
            await ask(store, ann, [("tool_execution", {})], [YES], kind=inbox, around=waits, schema=None)
            await ask(store, ann, [("tool_execution", {})], [YES], kind=inbox, around=spoken, schema=None)
            await ask(store, ann, [("send_email", TO_BOB)], [YES], kind=inbox, around=waits, schema=None)

    asyncio.run(decide())
    for format_, count in (("sft", 1), ("dpo", 0), ("kto", 1), ("openai-dpo", 0)):
        found, manifest = export(home, format_, "--filter", "tool:tools,tool_execution,send_email")
        assert (len(found), manifest["left_out"]["no tool call that an agent made"]) == (count, 4)
        assert all(call(1, TO_BOB, "send_email") in (one.get("messages") or one["completion"])[-1]["tool_calls"] for one in found)
    assert len(export(home, "jsonl", "--filter", "tool:tools,tool_execution")[0]) == 4


def test_call_sent_back_with_edits_is_a_correction(home: Path) -> None:
    asyncio.run(one_more(home, ("send_mail", TO_BOB), answer=Answer(DecisionKind.REJECT, TO_ANN, "to Ann, please")))
    found, _ = export(home, "dpo", "--filter", "decided:reject")
    assert [one["chosen"] for one in found] == [[speaks(call(2, TO_ANN))]]
    assert export(home, "sft", "--filter", '"to Ann, please"')[0] == []


def test_kto_labels_proposals(home: Path) -> None:
    found, _ = export(home, "kto")
    labels = [(one["label"], [c["function"]["arguments"] for c in one["completion"][0]["tool_calls"]]) for one in found]
    assert labels == [
        (True, [TO_ANN]),
        (False, [TO_BOB]),
        (True, [TO_ANN]),
        (False, [TO_BOB]),
        (False, [TO_ANN, TO_BOB]),
        (True, [TO_ANN]),
    ]


def test_keep_options_include_every_decision(home: Path) -> None:
    found, manifest = export(home, "jsonl", "--keep-policy", "--keep-fast", "--keep-undoable")
    assert [one["decision"] for one in found] == ["approve", "edit", "reject", "approve", "reject", *["approve"] * 3]
    assert manifest["left_out"] == {}
    assert found[2]["reason"] == "not him"
    assert found[1]["final"] == TO_ANN and found[2]["final"] is None


def test_filter_option_selects_decisions(home: Path) -> None:
    found, manifest = export(home, "jsonl", "--filter", "decided:edit,reject agent:mail")
    assert {one["review"] for one in found} == {2, 3, 4}
    assert manifest["filter"] == "decided:edit,reject agent:mail"
    code, out = hitl("export", str(home.parent / "x"), "--filter", "agnet:mail", "--home", str(home))
    assert code == 1
    assert "did you mean agent?" in out
    assert not (home.parent / "x").exists()


def test_export_is_deterministic_and_its_hash_is_audited(home: Path) -> None:
    paths = [home.parent / name for name in ("a", "b")]
    for path in paths:
        assert hitl("export", str(path), "--home", str(home))[0] == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    manifest = json.loads((home.parent / "a.manifest.json").read_text())
    assert manifest["sha256"] == hashlib.sha256(paths[0].read_bytes()).hexdigest()
    logged = [json.loads(one["body"]) for one in audit.entries(home / "hitl.db") if one["kind"] == "exported"]
    assert logged[0] == manifest
    assert hitl("audit", "verify", "--home", str(home), "--head", manifest["audit_head"])[0] == 1  # the fixture forged one by hand


def test_export_never_replaces_a_file_or_leaves_a_partial_one(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("mine")
    code, out = hitl("export", str(path), "--home", str(home))
    assert code == 1
    assert "already" in out
    assert path.read_text() == "mine"
    code, out = hitl("export", str(tmp_path / "none" / "out.jsonl"), "--home", str(home))
    assert code == 1
    assert "cannot be written" in out
    code, out = hitl("export", str(tmp_path / ("n" * 250)), "--home", str(home))
    assert (code, "cannot be written: File name too long" in out) == (1, True)
    code, out = hitl("export", str(tmp_path / "new"), "--home", str(home), "--reviewer", "policy:mail")
    assert (code, "is how policy and agents sign" in out) == (1, True)
    synced = set()

    def full(descriptor: int) -> None:
        synced.add(descriptor)
        if len(synced) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)  # the examples fit on the disk, the manifest does not
    code, out = hitl("export", str(tmp_path / "new"), "--home", str(home))
    assert (code, "cannot be written: No space left on device" in out) == (1, True)
    assert "exported" not in {one["kind"] for one in audit.entries(home / "hitl.db")}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "out.jsonl"]


def test_secrets_are_masked(home: Path, tmp_path: Path) -> None:
    secret = {"to": "cleo@example.com", "body": "password: hunter2222, key sk-abcdefghijklmnop, customer C-123456"}
    asyncio.run(one_more(home, ("send_mail", secret)))
    (tmp_path / "masks.toml").write_text('[masks]\n"customer \\\\1" = "C-[0-9]{6}"\n')
    found, manifest = export(home, "sft", "--filter", "customer", "--masks", str(tmp_path / "masks.toml"))
    args = found[0]["messages"][-1]["tool_calls"][0]["function"]["arguments"]
    assert args == {"to": "[e-mail]", "body": "password: [password], key [token], customer [customer \\1]"}
    assert manifest["masked"] == {"customer \\1": 1, "e-mail": 1, "password": 1, "token": 1}
    bare, manifest = export(home, "sft", "--filter", "customer", "--no-masks")
    assert bare[0]["messages"][-1]["tool_calls"][0]["function"]["arguments"] == secret
    assert manifest["masked"] == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("masks = 1", "not a table"),
        ('[masks]\nx = "("', "not a regular expression"),
        ('[masks]\nx = "a*"', "matches the empty text"),
        ("[mask]", "unknown key"),
        ("x =", "not TOML"),
    ],
)
def test_mistake_in_the_masks_file_is_explained(home: Path, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "masks.toml").write_text(text)
    code, out = hitl("export", str(tmp_path / "x"), "--home", str(home), "--masks", str(tmp_path / "masks.toml"))
    assert code == 1
    assert said in out


def test_long_text_is_masked_to_its_end() -> None:
    masker = Masker(read_masks("", "none"))
    text = "word " * 50_000 + "ann@example.com"
    assert masker.mask({"a": [text]})["a"][0].endswith("word [e-mail]")
    assert masker.counts == {"e-mail": 1}


def test_values_are_masked_by_their_name() -> None:
    masker = Masker()
    secret = {"db_password": "hunter2 or so", "apiKey": "abc-12345", "token": {"type": "string"}, "tokens": "many of them", "n": 1}
    told = {"db_password": "[password]", "apiKey": "[password]", "token": {"type": "string"}, "tokens": "many of them", "n": 1}
    assert masker.mask(secret) == told
    assert masker.mask("DB_PASSWORD=hunter2222") == "DB_PASSWORD=[password]"
    assert masker.counts == {"password": 3}


def test_numbers_are_masked() -> None:
    masker = Masker(read_masks('[masks]\n"salary" = "[0-9]{5}\\\\.[0-9]{2}"\npin = "^77"', "none"))
    card, broken = 4111111111111111, 0.3333333333333333
    args = [card, float(card), -5, 0, True, None, broken, 12345.67, {"phone": 4915112345678, "hotel": 4915112345678}]
    masked = ["[card number]", "[card number]", -5, 0, True, None, broken, "[salary]", {"phone": "[telephone]", "hotel": 4915112345678}]
    assert masker.mask(args) == masked
    assert masker.mask({"token": 123456, "PIN": 7712, "x": broken, "n": 2**70}) == {
        "token": "[password]",
        "PIN": "[pin]",
        "x": broken,
        "n": 2**70,
    }
    assert masker.counts == {"card number": 2, "salary": 1, "telephone": 1, "password": 1, "pin": 1}
    bound = {"parameters": {"n": {"maximum": 2**53 - 1}}}
    assert masker.example({"review": 7712, "tools": [bound], "x": [card]}) == {"review": 7712, "tools": [bound], "x": ["[card number]"]}


def test_masking_keeps_json_inside_text_valid(home: Path, tmp_path: Path) -> None:
    secret = {"body": 'api_key = "hunter2222"', "card": 4111111111111111, "to": {"password": 'hunter"2 \\'}}
    asyncio.run(one_more(home, ("send_mail", secret), answer=Answer(DecisionKind.EDIT, {"body": "now"})))
    kept = {"body": 'api_key = "[password]"', "card": "[card number]", "to": {"password": "[password]"}}
    assert kept in _arguments(export(home, "openai-dpo")[0])
    assert hitl("export", str(tmp_path / "t.csv"), "--format", "csv", "--home", str(home))[0] == 0
    assert kept in [json.loads(row["args"]) for row in csv.DictReader((tmp_path / "t.csv").read_text().splitlines())]


def test_pair_that_differs_only_in_secrets_is_left_out_and_counted(home: Path) -> None:
    pair = {"key": "hf_" + "a" * 34}, {"key": "hf_" + "b" * 34}
    asyncio.run(one_more(home, ("deploy", pair[0]), answer=Answer(DecisionKind.EDIT, pair[1])))
    for format_ in ("dpo", "openai-dpo"):
        bare, _ = export(home, format_, "--filter", "tool:deploy", "--no-masks")
        found, manifest = export(home, format_, "--filter", "tool:deploy")
        assert (len(bare), len(found)) == (1, 0)
        assert manifest["left_out"] == {"whose two answers are equal once they are masked": 1}


def test_csv_has_no_formulas(home: Path, tmp_path: Path) -> None:
    asyncio.run(one_more(home, ("=cmd|' /C calc'!A0", {"x": "a,b\nc"})))
    path = tmp_path / "t.csv"
    assert hitl("export", str(path), "--format", "csv", "--home", str(home))[0] == 0
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["tool"] == "'=cmd|' /C calc'!A0"
    assert json.loads(rows[-1]["args"]) == {"x": "a,b\nc"}
    assert len(rows) == 6
    assert list(rows[0]) == [*list(export(home, "jsonl")[0][0])[:18], "args", "final"]


def test_empty_home_gives_an_empty_file(tmp_path: Path) -> None:
    code, out = hitl("export", str(tmp_path / "none.jsonl"), "--home", str(tmp_path / "home"))
    assert code == 0, out
    assert (tmp_path / "none.jsonl").read_text() == ""
    assert hitl("export", str(tmp_path / "none.csv"), "--format", "csv", "--home", str(tmp_path / "home"))[0] == 0
    assert (tmp_path / "none.csv").read_text().startswith("review,slot,run,agent,tool,decision,by,")


def test_partly_decided_review_is_not_exported(home: Path) -> None:
    async def begin() -> None:
        async with open_store(home / "hitl.db") as store:
            await ask(store, Inbox(store, "ann"), [WRITE, SQL], [YES])

    asyncio.run(begin())
    assert export(home, "jsonl", "--filter", "tool:write_file")[1]["left_out"] == {"not decided yet": 1}


def loaded(files: dict[Path, Any], cache: Path) -> list[Any]:
    """Return the rows of each file as trainers load them with these features, without network access."""
    script = (
        "import datasets, json, sys\n"
        "def load(path, features):\n"
        "    columns = {'features': datasets.Features.from_dict(features)} if features else {}\n"
        "    return list(datasets.load_dataset('json', data_files=path, split='train', **columns))\n"
        "print(json.dumps([load(*one) for one in json.loads(sys.argv[1])]))"
    )
    asked = json.dumps([(str(path), features) for path, features in files.items()])
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(cache)}
    done = subprocess.run([sys.executable, "-c", script, asked], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


ODD = {
    "when": "2026-03-01T10:00:00Z",
    "n": 2**53 + 1,
    "m": [2**63 - 1, -(2**63), 2**64 - 1, {"": -5}],
    "x": 0.1,
    "deep": {"a": [1, "b", None, {"c": {}}], "": False},
    "ünï": "\u202e✓\x00 \u2028",
}
"""Values whose columns a guessing reader misreads: a text as a time, a missing key as null."""
HUGE, AS_TEXT = {"a": 2**70, "b": {"c": [10**300, -(2**63) - 1]}}, {"a": str(2**70), "b": {"c": [str(10**300), str(-(2**63) - 1)]}}
"""Integers that JSON allows and `datasets` rejects."""


@pytest.mark.slow
def test_exported_calls_load_unchanged_in_trainers(home: Path, tmp_path: Path) -> None:
    asyncio.run(one_more(home, ("plan", ODD), answer=Answer(DecisionKind.EDIT, {"when": "2026-03-02T10:00:00Z"})))
    asyncio.run(one_more(home, ("plan", {}), ("send_mail", {"to": 7}), ("plan", HUGE)))
    asyncio.run(one_more(home, ("plan", HUGE), answer=Answer(DecisionKind.EDIT, {"a": True})))
    files, wanted = {}, []
    for format_ in ("sft", "dpo", "kto", "openai-dpo"):
        found, manifest = export(home, format_, "--no-masks")
        (path,) = tmp_path.glob(f"{format_}-*.jsonl")
        assert format_ == "sft" or ODD in _arguments(found)
        assert (HUGE if format_ == "openai-dpo" else AS_TEXT) in _arguments(found)
        assert manifest["numbers_as_text"] == {"sft": 3, "dpo": 3, "kto": 6, "openai-dpo": 0}[format_]
        files[path] = manifest.get("features")
        wanted.append(found)
    assert loaded(files, tmp_path / "cache") == wanted


def _arguments(value: Any) -> list[Any]:
    """Return the parsed arguments of every call in a value."""
    if isinstance(value, list):
        return [found for part in value for found in _arguments(part)]
    if isinstance(value, dict):
        own = value.get("arguments")
        return [json.loads(own) if isinstance(own, str) else own] if own is not None else _arguments(list(value.values()))
    return []


def test_lone_surrogate_does_not_break_the_file(home: Path) -> None:
    asyncio.run(one_more(home, ("send_mail", {"to": "Ann", "body": "half \ud83d of it"})))
    found, manifest = export(home, "sft", "--filter", "half")
    assert found[0]["messages"][-1]["tool_calls"][0]["function"]["arguments"]["body"] == "half \ufffd⟨U+D83D⟩ of it"
    assert manifest["examples"] == 1


def test_rows_have_times_of_asking_viewing_and_deciding(home: Path) -> None:
    async def look() -> None:
        async with open_store(home / "hitl.db") as store:
            await Inbox(store, "ann").reviews.record_view(2, 1500)

    asyncio.run(look())
    (row,), _ = export(home, "jsonl", "--filter", "review:2")
    assert row["opened_at"] < row["decided_at"] < row["first_viewed_at"]
    assert row["viewed_ms"] == 9000
    shown = json.loads(hitl("show", "2", "--json", "--home", str(home))[1])
    (remembered,) = json.loads(hitl("history", "review:2", "--json", "--home", str(home))[1])
    names = ("opened_at", "first_viewed_at", "decided_at", "viewed_ms")
    assert [[one[name] for name in names] for one in (shown["actions"][0], remembered)] == [[row[name] for name in names]] * 2


def _caught_while_writing(home: Path) -> tuple[subprocess.Popen[str], Path]:
    """Return an export suspended in the middle of its file, and the file's path; retries with more rows if it was too fast."""
    for rows in (2_000, 8_000, 32_000, 128_000):
        folder = home / str(rows)
        (folder / "out").mkdir(parents=True)
        large_home.fill(folder / "hitl.db", rows)
        path = folder / "out" / "x.jsonl"
        command = [sys.executable, "-m", "hitl_tui", "export", str(path), "--home", str(folder), "--format", "jsonl"]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=_hear_interrupts)
        while process.poll() is None and not _half_written(path):
            time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)
        while process.poll() is None and psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.001)
        if process.poll() is None and _half_written(path) and not path.exists():
            return process, path
        process.kill()
        process.communicate()
    raise AssertionError("every export ended before it could be suspended")


def _hear_interrupts() -> None:
    """Restore SIGINT, which shells set to ignored for background programs and their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _half_written(path: Path) -> bool:
    """Check that a part of the export's file is on the disk."""
    return any(one.stat().st_size for one in path.parent.glob(f".{path.name}.*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("number", sampled([signal.SIGINT, signal.SIGTERM, signal.SIGKILL]))
def test_interrupted_export_leaves_no_file(tmp_path: Path, number: signal.Signals) -> None:
    process, path = _caught_while_writing(tmp_path)
    out = path.parent
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate()
    assert process.returncode
    assert "Traceback" not in said
    left = [one.name for one in out.iterdir()]
    assert not left or (number is signal.SIGKILL and all(name.startswith(".") for name in left))
    assert "exported" not in {one["kind"] for one in audit.entries(out.parent / "hitl.db")}
    assert hitl("export", str(path), "--home", str(out.parent), "--format", "jsonl")[0] == 0
    assert sorted(one.name for one in out.iterdir()) == ["x.jsonl", "x.jsonl.manifest.json"]
