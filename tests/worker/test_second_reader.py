"""A second reader on real calls: a command that reads JSON and prints JSON, and a chat model of a provider on a local server."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.model import Opinion, Outcome, RemarkSource, ReviewState, RunState, reading_of
from hitl_tui.store import audit
from tests.support.fake_clock import launch_and_wait, rule_toml, write_policy
from tests.support.harness import Reviewer, Sandbox, SandboxFactory, approve, open_reviewer

READER = """
import json, sys, time
asked = json.load(sys.stdin)
with open({log!r}, "a") as log:
    log.write(json.dumps(asked) + "\\n")
says = asked["arguments"].get("path") or asked["arguments"].get("to")
if says == "hang":
    time.sleep(60)
if says == "fail":
    sys.exit("it broke")
print(json.dumps({{"verdict": says, "confidence": 0.9, "reasons": [{{"text": "as told", "passage": says}}]}}))
"""


def write_reader(sandbox: Sandbox, *lines: str, outcome: str = "auto", more: str = "") -> Path:
    """Write a policy with a reader whose verdict is the call's argument. Returns the file with what it was asked."""
    script, log = sandbox.folder / "reader.py", sandbox.folder / "asked.jsonl"
    script.write_text(READER.format(log=str(log)))
    write_reader_policy(sandbox, f"command = {json.dumps([sys.executable, str(script)])}", *lines, outcome=outcome, more=more)
    return log


def write_reader_policy(sandbox: Sandbox, *lines: str, outcome: str = "auto", more: str = "") -> None:
    moves = rule_toml("moves", "move", f'outcome = "{outcome}"')
    write_policy(sandbox, "\n".join(["[reader]", *lines, "", moves, more]))


async def read_of(reviewer: Reviewer, review: int) -> tuple[Opinion, str]:
    (remark,) = [one for one in await reviewer.inbox.reviews.remarks(review) if one.source is RemarkSource.READER]
    return reading_of(remark.body, remark.problem).opinion, remark.problem


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ("suspicious", Outcome.ASK),
        pytest.param("takeover", Outcome.TAKEOVER, marks=pytest.mark.slow),
        pytest.param("ask", Outcome.ASK, marks=pytest.mark.slow),
    ],
)
async def test_a_call_that_would_run_waits_if_its_reader_says_so(new_sandbox: SandboxFactory, says: str, outcome: Outcome) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        log = write_reader(reviewer.sandbox)
        run, review = await launch_and_wait(reviewer, "per_call", ("moving", [("move", {"path": says})]))
        action = review.actions[0]
        assert (action.outcome, action.rule) == (outcome, "second reader") and reviewer.effects(run) == []
        assert action.reason == f"the second reader says {says} (90% sure): as told; though rule 'moves' says auto"
        assert await read_of(reviewer, review.row.id) == (Opinion(says), "")
        shown = reviewer.sandbox.cli("show", str(review.row.id)).stdout
        assert f"second reader: {Path(sys.executable).name}" in shown and f"{says}, 90% sure" in shown and f"“{says}”" in shown
        asked = json.loads(log.read_text())
        assert (asked["tool"], asked["policy"]["outcome"], asked["risk"]) == ("move", "auto", "reversible")
        assert audit.verify(reviewer.sandbox.home.database).problem == ""


@pytest.mark.parametrize(("says", "moved"), [("ok", 1), ("deny", 0), pytest.param("fail", 1, marks=pytest.mark.slow)])
async def test_a_call_runs_or_is_rejected_without_a_person_as_its_reader_says(new_sandbox: SandboxFactory, says: str, moved: int) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write_reader(reviewer.sandbox)
        (run,) = await reviewer.inbox.runs.launch("per_call", text=json.dumps([("moving", [("move", {"path": says})])]))
        assert reviewer.sandbox.run_until_idle() == 0
        assert (await reviewer.inbox.runs.get(run.id)).state is RunState.DONE and len(reviewer.effects(run)) == moved
        (row,) = await reviewer.inbox.reviews.of_run(run.id)
        opinion, problem = await read_of(reviewer, row.id)
        assert (opinion, problem) == ((Opinion.OK, "it broke") if says == "fail" else (Opinion(says), ""))
        review = await reviewer.inbox.reviews.get(row.id)
        assert review.decisions[0].actor == ("policy:second reader" if says == "deny" else "policy:moves")


async def test_a_call_that_waits_is_read_in_the_background_and_taken_over_or_rejected(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write_reader(reviewer.sandbox, outcome="ask")
        calls = [("move", {"path": says}) for says in ("ok", "takeover", "deny")]
        _, review = await launch_and_wait(reviewer, "batched", ("moving", calls))
        assert [(one.outcome, one.rule) for one in review.actions] == [
            (Outcome.ASK, "moves"), (Outcome.TAKEOVER, "second reader"), (Outcome.DENY, "second reader"),
        ]  # fmt: skip
        assert (review.row.escalated, list(review.undecided)) == ("anybody", [0, 1])
        assert review.decisions[2].actor == "policy:second reader"
        await reviewer.inbox.reviews.decide(review, {0: approve(), 1: approve()})
        assert reviewer.sandbox.run_until_idle() == 0
        assert (await reviewer.inbox.reviews.get(review.row.id)).row.state is ReviewState.APPLIED
        found = (await reviewer.inbox.insights.read()).agreements
        assert [(one.name, one.total, one.agreed) for one in found] == [("second reader and people", 2, 1)]


@pytest.mark.slow
async def test_a_reader_that_hangs_changes_nothing_and_is_told(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write_reader(reviewer.sandbox, 'timeout = "1s"', outcome="ask")
        _, review = await launch_and_wait(reviewer, "per_call", ("moving", [("move", {"path": "hang"})]))
        assert review.actions[0].outcome is Outcome.ASK
        assert "second reader: it did not end within 1 s" in reviewer.sandbox.cli("show", str(review.row.id)).stdout


@pytest.mark.slow
async def test_calls_that_the_section_does_not_name_are_not_read(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        log = write_reader(reviewer.sandbox, 'risk = "irreversible"', outcome="ask")
        _, review = await launch_and_wait(reviewer, "per_call", ("moving", [("move", {"path": "deny"})]))
        assert review.actions[0].outcome is Outcome.ASK and not log.exists()


@contextlib.contextmanager
def anthropic_api() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A local server that speaks Anthropic's Messages API: its address, and what it was asked. A call's argument says what it answers."""
    asked, ended = list[dict[str, Any]](), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (said,) = given["messages"]
            text = said["content"] if isinstance(said["content"], str) else said["content"][0]["text"]
            asked.append({"path": self.path, "system": given["system"], "call": json.loads(text)})
            says = asked[-1]["call"]["arguments"]["path"]
            if says == "hang":
                ended.wait(60)
            answer = json.dumps({"verdict": says, "confidence": 0.8, "reasons": [{"text": "as told", "passage": says}]})
            message = {"id": "msg_1", "type": "message", "role": "assistant", "model": given["model"], "stop_reason": "end_turn"}
            message["content"] = [{"type": "text", "text": "I would rather not say." if says == "chatty" else f"Here you are: {answer}"}]
            message["usage"] = {"input_tokens": 1, "output_tokens": 1}
            if says == "refuse":
                message = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
            body = json.dumps(message).encode()
            with contextlib.suppress(OSError):  # the reader may have given up
                self.send_response(401 if says == "refuse" else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            ended.set()
            server.shutdown()
            serving.join()


@pytest.mark.slow
async def test_a_chat_model_of_a_provider_reads_calls_and_its_failures_change_nothing(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        with anthropic_api() as (url, asked):
            reviewer.sandbox.env |= {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_URL": url, "ANTHROPIC_API_KEY": "local"}
            write_reader_policy(reviewer.sandbox, 'model = "anthropic:claude-local"', 'timeout = "1m"')
            calls = [("move", {"path": says}) for says in ("suspicious", "chatty", "refuse", "deny")]
            run, review = await launch_and_wait(reviewer, "batched", ("moving", calls))
        assert [(one.outcome, one.rule) for one in review.actions] == [
            (Outcome.ASK, "second reader"), (Outcome.AUTO, "moves"), (Outcome.AUTO, "moves"), (Outcome.DENY, "second reader"),
        ]  # fmt: skip
        assert list(review.undecided) == [0] and reviewer.effects(run) == []
        remarks = {one.slot: one for one in await reviewer.inbox.reviews.remarks(review.row.id) if one.source is RemarkSource.READER}
        assert remarks[1].problem == "its answer is no JSON object" and "invalid x-api-key" in remarks[2].problem
        read = reading_of(remarks[0].body, "")
        assert (read.by, read.opinion, read.confidence) == ("anthropic:claude-local", Opinion.SUSPICIOUS, 0.8)
        assert [(one.text, one.is_found) for one in read.reasons] == [("as told", True)]
        assert {one["path"] for one in asked} == {"/v1/messages"} and all("never an instruction" in one["system"] for one in asked)
        assert sorted(one["call"]["tool"] for one in asked) == ["move"] * len(asked)


@pytest.mark.slow
async def test_a_chat_model_that_hangs_or_has_no_package_changes_nothing_and_is_told(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        with anthropic_api() as (url, _):
            reviewer.sandbox.env |= {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_URL": url, "ANTHROPIC_API_KEY": "local"}
            for model, timeout, told in (
                ("anthropic:claude-local", "1s", "it took longer than 1 s"),
                ("upstage:solar", "1m", "requires the langchain-upstage package. Please install it with `pip install langchain-upstage`"),
            ):
                write_reader_policy(reviewer.sandbox, f'model = "{model}"', f'timeout = "{timeout}"', outcome="ask")
                _, review = await launch_and_wait(reviewer, "per_call", ("moving", [("move", {"path": "hang"})]))
                assert (review.actions[0].outcome, review.actions[0].rule) == (Outcome.ASK, "moves")
                (remark,) = await reviewer.inbox.reviews.remarks(review.row.id)
                assert told in remark.problem
                assert f"second reader: {remark.problem}"[:60] in reviewer.sandbox.cli("show", str(review.row.id)).stdout
