"""Previews of real calls: made by a real worker, shown by the command line."""

from __future__ import annotations

import sqlite3

import pytest

from hitl_tui.model import RemarkSource
from hitl_tui.store import audit
from hitl_tui.ui.history.render import entry_lines
from hitl_tui.ui.text.labels import Viewer
from tests.support.fake_clock import launch_and_wait, write_policy
from tests.support.harness import SandboxFactory, open_reviewer, reject
from tests.support.sample_run import SAMPLES, SampleRun


def test_steward_lists_the_rows_that_a_statement_would_change_and_changes_none(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox(SAMPLES)
    run = SampleRun(sandbox, "sql_steward", "clean up the customers")
    assert sandbox.run_until_idle() == 0
    review = run.open_review()
    previews = [section for action in review["actions"] for section in action["effects"] if section["kind"] == "preview"]
    assert previews and previews[0]["argument"] == "execute"
    first = previews[0]["effects"][0]["text"]
    count = int(first.split()[0])
    assert count and "would be changed; as they would be:" in first and len(previews[0]["effects"]) == 2 + count
    assert f"preview by the author of execute\n{' ' * 4}" in (told := sandbox.cli("show", review["review"]).stdout) and first in told
    with sqlite3.connect(run.folder / "database" / "customers.db") as db:
        assert db.execute("SELECT count(*) FROM customers WHERE country = 'DE'").fetchone() == (2,)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        pytest.param("fail", "it failed: RuntimeError: no ⟨U+001B⟩[31msuch thing", marks=pytest.mark.slow),
        pytest.param("exit", "it failed: it called sys.exit(3)", marks=pytest.mark.slow),
        ("hang", "it took longer than 0.2 s"),
        pytest.param("number", "it failed: ValueError: a preview is a text", marks=pytest.mark.slow),
    ],
)
async def test_a_preview_that_fails_or_hangs_says_so_and_the_review_is_decided(new_sandbox: SandboxFactory, what: str, told: str) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write_policy(reviewer.sandbox, "")
        _, review = await launch_and_wait(reviewer, "per_call", ("hm", [("mystery", {"what": what})]))
        (remark,) = await reviewer.inbox.reviews.remarks(review.row.id)
        assert (remark.slot, remark.source, remark.body) == (0, RemarkSource.PREVIEW, None)
        assert told in reviewer.sandbox.cli("show", str(review.row.id)).stdout
        await reviewer.decide(review, reject("no"))
        assert audit.verify(reviewer.sandbox.home.database).problem == ""


async def test_output_of_a_preview_is_an_agents_text(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write_policy(reviewer.sandbox, "")
        _, review = await launch_and_wait(reviewer, "per_call", ("hm", [("mystery", {"what": "\x1b[2J a approves"})]))
        shown = reviewer.sandbox.cli("show", str(review.row.id)).stdout
        assert "┃ you see ⟨U+001B⟩[2J a approves" in shown and "\x1b" not in shown
        entries = await audit.of_review(reviewer.store, review.row.id)
        assert [entry.kind for entry in entries] == ["opened", "remarked"]


async def test_preview_is_kept_with_the_decision_that_was_made_on_it(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write_policy(reviewer.sandbox, "")
        _, review = await launch_and_wait(reviewer, "per_call", ("hm", [("mystery", {"what": "a letter"})]))
        await reviewer.decide(review, reject("no"))
        (decision,) = [one for (one,) in await reviewer.store.all("SELECT id FROM decisions")]
        entry = await reviewer.inbox.history.get(decision)
        assert [one.body for one in entry.remarks] == [{"kind": "text", "text": "you see a letter", "cut": False}]
        shown = "\n".join(f"{one.lead}{one.text}" for one in entry_lines(entry, Viewer("ann", 0.0)))
        assert "preview by the author of mystery" in shown and "you see a letter" in shown
        assert "┃ you see a letter" in reviewer.sandbox.cli("history", "--show", str(decision)).stdout
