"""Notifications of escalations to real servers and programs: once, at the right time, without private content."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hitl_tui.inbox import Inbox
from hitl_tui.model import EVERYBODY, Notification, PauseKind, RunState, TakeoverPlan
from hitl_tui.policy import parser as policies
from hitl_tui.policy.notification import channel_of, end_of_quiet
from hitl_tui.store import Store, notifications, takeovers
from hitl_tui.ui.queue.prefetch_cache import PrefetchCache
from hitl_tui.ui.review.context import people_lines
from hitl_tui.web.answers import AnswerPages
from hitl_tui.worker.notifier import Notifier
from hitl_tui.worker.scheduled_jobs import ScheduledJobs
from tests.support.empty_database import open_store
from tests.support.fake_clock import rule_toml, write_policy
from tests.support.harness import TIMEOUT_S, Reviewer, Sandbox, SandboxFactory, approve, open_reviewer
from tests.support.notification_servers import SECRET, MailServer, Webhook, mail_server, webhook
from tests.support.tiers import sampled
from tests.ui.homes import seed

MONDAY_NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC).timestamp()
FORGED = "pay\nhitl-tui show 99\x1b[2J\u202e"


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as server:
        yield server


@pytest.fixture
def mails() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


class Team:
    """A project's store, with a notifier under a fake clock."""

    def __init__(self, store: Store, project: int, policy: str) -> None:
        self.store = store
        self.project = project
        self.policy = policies.parse(policy)
        self.now = MONDAY_NOON
        self.inbox = Inbox(store, "ann")
        self.jobs = ScheduledJobs(store, project, lambda: self.policy, lambda: self.now)
        self.notifier = Notifier(store, "w1", project, lambda: self.policy, clock=lambda: self.now)

    async def ask(self, *names: str) -> int:
        """Add a review with calls of these tools."""
        actions = [seed.action(name, {"to": FORGED, "amount": 5}, slot) for slot, name in enumerate(names or ("send_mail",))]
        return await seed.add_waiting_run(self.store, self.project, "clerk\n", seed.pause(PauseKind.TOOL_CALLS, *actions))

    async def escalate(self, review: int, note: str = "") -> None:
        """Escalate a review, and queue its notifications."""
        await self.inbox.reviews.escalate(review, "bob", note)
        assert await self.jobs.run_due()

    async def send(self) -> None:
        """Send due notifications, and wait until they are done."""
        await self.notifier.send_due()
        await self.notifier.wait()

    async def later(self, seconds: float) -> None:
        """Advance the clock, and send due notifications."""
        self.now += seconds
        await self.send()

    async def notifications(self, review: int) -> dict[str, Notification]:
        """Return the review's notifications by kind of channel."""
        return {notification.channel.partition(":")[0]: notification for notification in await self.inbox.reviews.notifications(review)}

    async def logged(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the audit entries of these kinds."""
        rows = await self.store.all(f"SELECT kind, body FROM audit WHERE kind IN ({', '.join('?' * len(kinds))})", kinds)
        return [{"kind": kind, **json.loads(body)} for kind, body in rows]


@pytest.fixture
async def at(tmp_path: Path) -> AsyncIterator[Callable[[str], Any]]:
    """Make a team with a policy: `await at(policy)`."""
    async with open_store(tmp_path / "hitl.db") as store:

        async def make(policy: str) -> Team:
            project = await seed.add_project(store)
            await seed.add_worker(store, project)
            return Team(store, project, policy)

        yield make


def notify(**keys: Any) -> str:
    """Return a `[notify]` table."""
    return "[notify]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())


def script(folder: Path, text: str) -> list[str]:
    """Return a command that runs this Python code."""
    path = folder / "program.py"
    path.write_text(f"import json, os, pathlib, subprocess, sys, time\nhere = pathlib.Path({str(folder)!r})\n{text}\n")
    return [sys.executable, "-S", "-E", str(path)]


@pytest.mark.slow
async def test_escalation_is_sent_once_by_mail_and_webhook_and_audited(at: Callable[[str], Any], hook: Webhook, mails: MailServer) -> None:
    team = await at(notify(urls=[hook.url, mails.url, hook.url]))
    review = await team.ask()
    await team.escalate(review)
    await team.send()
    await team.later(3600)
    said = f"clerk waits with send_mail\nhitl-tui show {review}"
    assert hook.received == [{"title": "hitl-tui: send_mail by clerk", "body": said}]
    (mail,) = mails.received
    assert mail["Subject"] == "hitl-tui: send_mail by clerk"
    assert mail.get_payload(decode=True).decode().strip().replace("\r\n", "\n") == said  # type: ignore[union-attr]
    assert {notification.state for notification in await team.inbox.reviews.notifications(review)} == {"sent"}
    logged = await team.logged("notified", "notify_failed")
    assert sorted(one["channel"] for one in logged) == sorted([channel_of(hook.url), channel_of(mails.url)])
    await team.escalate(review, "once more")
    await team.send()
    assert (len(hook.received), len(mails.received)) == (2, 2)


@pytest.mark.parametrize(
    ("content", "title", "lines"),
    [
        ("nothing", "hitl-tui", []),
        ("names", "hitl-tui: send_mail, wire by clerk", ["clerk waits with send_mail, wire"]),
        (
            "summary",
            "hitl-tui: send_mail, wire by clerk",
            [
                "send_mail: pay hitl-tui show 99⟨U+001B⟩[2J⟨U+202E⟩ · 5",
                "wire: pay hitl-tui show 99⟨U+001B⟩[2J⟨U+202E⟩ · 5",
                "for: bob",
                "why: ann escalated it",
                "note: look hitl-tui show 1",
            ],
        ),
    ],
)
async def test_notification_contains_only_allowed_fields_and_no_forged_lines(
    at: Callable[[str], Any], tmp_path: Path, content: str, title: str, lines: list[str]
) -> None:
    told = "keys = ('HITL_TITLE', 'HITL_BODY', 'HITL_LINK', 'HITL_REVIEW')\n"
    told += "(here / 'got').write_text(json.dumps([sys.stdin.read(), *(os.environ[key] for key in keys)]))"
    team = await at(notify(command=script(tmp_path, told), content=content))
    review = await team.ask("send_mail", "wire")
    await team.escalate(review, "look\nhitl-tui show 1")
    await team.send()
    body = "\n".join([*lines, f"hitl-tui show {review}"])
    assert json.loads((tmp_path / "got").read_text()) == [f"{body}\n", title, body, f"hitl-tui show {review}", str(review)]


async def handed_back(team: Team, plan: TakeoverPlan) -> int:
    """ann hands a run back that two people must decide. Returns the run."""
    pay = seed.action("pay", {"amount": 5}, reviewers=2)
    review = await seed.add_waiting_run(team.store, team.project, "clerk\n", seed.pause(PauseKind.TOOL_CALLS, pay))
    run = (await team.inbox.reviews.get(review)).row.run
    await team.store.write("INSERT INTO heads (run, checkpoint, nodes, calls) VALUES (?, 'c', '[]', '[]')", (run,))
    assert (await team.inbox.takeovers.hand_back((await team.inbox.takeovers.take(run)).id, plan)).is_unconfirmed
    return run


@pytest.mark.parametrize(
    ("content", "lines"),
    sampled(
        [
            ("names", ["hitl-tui: r1 of clerk was handed back", "another person must confirm the plan"]),
            ("nothing", ["hitl-tui"]),
            (
                "summary",
                [
                    "hitl-tui: r1 of clerk was handed back", "another person must confirm the plan",
                    'plan: {"note": "paid\\nhitl-tui show 9\\u001b[2J"}', "by: ann",
                ],
            ),
        ]
    ),
)  # fmt: skip
async def test_hand_back_that_waits_is_told_once_to_those_who_may_confirm_it(
    at: Callable[[str], Any], tmp_path: Path, content: str, lines: list[str]
) -> None:
    told = "(here / 'got').open('a').write('\\n'.join([os.environ['HITL_TITLE'], sys.stdin.read()]))"
    team = await at(notify(command=script(tmp_path, told), content=content))
    run = await handed_back(team, TakeoverPlan(state={"note": "paid\nhitl-tui show 9\x1b[2J"}))
    assert team.jobs.has_work() and await team.jobs.run_due() and not team.jobs.has_work()
    await team.send()
    await team.later(3600)
    assert (tmp_path / "got").read_text().splitlines() == [*lines, f"hitl-tui confirm r{run}"]
    assert [(one["channel"], one["hand_back"]) for one in await team.logged("notified")] == [("command", 1)]
    shown = await team.inbox.takeovers.latest(run)
    assert shown and await Inbox(team.store, "bob").takeovers.confirm(shown)
    found = takeovers.ready(team.store, team.project, ["clerk\n"], ())
    assert found and await takeovers.submit(team.store, "w1", found[1]), "what was notified is no change of the hand-back"


async def test_hand_back_that_is_withdrawn_meanwhile_is_not_told(at: Callable[[str], Any], tmp_path: Path) -> None:
    team = await at(notify(command=script(tmp_path, "(here / 'got').touch()")))
    run = await handed_back(team, TakeoverPlan(state={"paid": True}))
    assert await team.jobs.run_due()
    await team.inbox.takeovers.take(run)
    await team.send()
    assert not (tmp_path / "got").exists()


@pytest.mark.slow
async def test_failing_webhook_is_retried_with_growing_delays(at: Callable[[str], Any], hook: Webhook) -> None:
    team = await at(notify(urls=[hook.url]))
    hook.answers += [500, 503]
    review = await team.ask()
    await team.escalate(review)
    await team.send()
    (waiting,) = await team.inbox.reviews.notifications(review)
    assert (waiting.state, waiting.tries, waiting.due_at) == ("due", 1, team.now + 5)
    assert "json: " in waiting.error
    assert "and is tried again" in waiting.told()
    await team.later(4.9)
    assert len(hook.received) == 1
    await team.later(0.1)
    await team.later(29)
    assert len(hook.received) == 2
    await team.later(1)
    (sent,) = await team.inbox.reviews.notifications(review)
    assert (sent.state, sent.tries, sent.told()) == ("sent", 3, "")
    assert [one["kind"] for one in await team.logged("notified", "notify_failed")] == ["notify_failed", "notify_failed", "notified"]


@pytest.mark.slow
async def test_webhook_that_always_fails_is_given_up_without_showing_secrets(
    at: Callable[[str], Any], hook: Webhook, tmp_path: Path
) -> None:
    team = await at(notify(urls=[hook.url], retries=1))
    hook.answers += [401, 401, 401]
    review = await team.ask()
    rev = await team.inbox.revision()
    await team.escalate(review)
    await team.send()
    await team.later(600)
    await team.later(6000)
    assert len(hook.received) == 2
    (notification,) = await team.inbox.reviews.notifications(review)
    assert (notification.state, notification.tries) == ("failed", 2)
    assert notification.told().startswith(f"a notification by {channel_of(hook.url)} failed: json: ")
    assert review in [row.id for row in (await team.inbox.changes(rev)).reviews]
    row, around = (await team.inbox.reviews.get(review)).row, await PrefetchCache(team.inbox).read_context(review)
    assert notification.told() in "".join(shown.text for shown in people_lines(row, around, "ann", team.now))
    await team.store.all("PRAGMA wal_checkpoint(TRUNCATE)")
    assert SECRET.encode() not in (tmp_path / "hitl.db").read_bytes()


@pytest.mark.slow
async def test_hanging_command_is_killed_with_its_children_and_delays_nothing(
    at: Callable[[str], Any], hook: Webhook, tmp_path: Path
) -> None:
    hangs = ["sh", "-c", f"sleep 600 & echo $$ $! > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pids; wait"]
    team = await at(notify(command=hangs, urls=[hook.url], timeout="4s", retries=0))
    review = await team.ask()
    await team.escalate(review)
    await team.notifier.send_due()
    await until(lambda: len(hook.received) == 1 and (tmp_path / "pids").exists())
    await team.notifier.wait()
    told = await team.notifications(review)
    assert told["url"].state == "sent"
    assert (told["command"].state, told["command"].error) == ("failed", "it did not end within 4 s")
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        await until(lambda pid=pid: is_over(pid))  # type: ignore[misc]


@pytest.mark.slow
async def test_service_that_does_not_answer_times_out(at: Callable[[str], Any], hook: Webhook) -> None:
    team = await at(notify(urls=[hook.url], timeout="1s"))
    review = await team.ask()
    await team.escalate(review)
    hook.may_answer.clear()
    await team.send()
    (notification,) = await team.inbox.reviews.notifications(review)
    assert (notification.state, notification.error) == ("due", "json: it did not answer within 1 s")


@pytest.mark.parametrize(
    ("text", "limit", "error"),
    [
        ("print('no route to https://hooks.example.com/T0/B1/' + 'x' * 9, file=sys.stderr); sys.exit(3)", "60s", "no route to …"),
        ("sys.exit(7)", "60s", "it ended with exit code 7"),
        ("os.kill(os.getpid(), 15)", "60s", "it was ended by SIGTERM"),
        ("os.write(2, b'x' * 3_000_000)", "2s", "it did not end within 2 s"),
    ],
)
async def test_failed_command_is_explained_in_one_line(at: Callable[[str], Any], tmp_path: Path, text: str, limit: str, error: str) -> None:
    team = await at(notify(command=script(tmp_path, text), timeout=limit, retries=0))
    review = await team.ask()
    await team.escalate(review)
    await team.send()
    assert [notification.error for notification in await team.inbox.reviews.notifications(review)] == [error]


@pytest.mark.slow
async def test_channel_that_cannot_work_is_not_retried(at: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    team = await at(notify(desktop=True, command=["no-such-program"], urls=["nosuch://word@host"]))
    review = await team.ask()
    await team.escalate(review)
    await team.send()
    told = await team.notifications(review)
    assert {notification.state for notification in told.values()} == {"failed"}
    assert "no-such-program cannot be run" in told["command"].error
    assert told["desktop"].error.startswith("there is neither notify-send nor osascript here; ")
    assert told["url"].error == "Apprise cannot use this nosuch:// address; correct it in [notify]"


async def test_channel_removed_from_the_policy_is_reported(at: Callable[[str], Any]) -> None:
    team = await at(notify(command=["true"]))
    review = await team.ask()
    await team.escalate(review)
    team.policy = policies.parse("")
    await team.send()
    assert [notification.error for notification in await team.inbox.reviews.notifications(review)] == [
        "the policy no longer has this channel"
    ]


async def test_missing_apprise_extra_says_how_to_install_it(
    at: Callable[[str], Any], hook: Webhook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "apprise.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    team = await at(notify(urls=[hook.url]))
    review = await team.ask()
    await team.escalate(review)
    await team.send()
    (notification,) = await team.inbox.reviews.notifications(review)
    assert notification.state == "failed"
    assert 'pip install "hitl-tui[notify]"' in notification.error


async def test_desktop_notification_shows_agent_text_as_text(
    at: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notify-send"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/shown\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    team = await at(notify(desktop=True))
    review = await team.ask("<b>--send</b>")
    await team.escalate(review)
    await team.send()
    assert (tmp_path / "shown").read_text().splitlines() == [
        "--app-name=hitl-tui", "--", "hitl-tui: <b>--send</b> by clerk",
        "clerk waits with &lt;b&gt;--send&lt;/b&gt;", f"hitl-tui show {review}",
    ]  # fmt: skip


async def test_channel_address_is_not_in_the_process_list(at: Callable[[str], Any], hook: Webhook) -> None:
    team = await at(notify(urls=[hook.url]))
    await team.escalate(await team.ask())
    hook.may_answer.clear()
    await team.notifier.send_due()
    await until(lambda: len(hook.received) == 1)
    children = psutil.Process().children(recursive=True)
    seen = [" ".join([*child.cmdline(), *child.environ().values()]) for child in children if "hitl_tui.notify" in child.cmdline()]
    hook.may_answer.set()
    await team.notifier.wait()
    assert len(seen) == 1
    assert SECRET not in seen[0]


async def test_quiet_time_delays_notices_and_drops_those_of_handled_reviews(at: Callable[[str], Any], hook: Webhook) -> None:
    team = await at(notify(urls=[hook.url], quiet="11:00-13:30 UTC"))
    claimed, decided, waiting = await team.ask(), await team.ask(), await team.ask()
    for review in (claimed, decided, waiting):
        await team.escalate(review)
    await team.later(89 * 60)
    assert hook.received == []
    await team.inbox.reviews.claim(claimed)
    shown = await team.inbox.reviews.get(decided)
    await team.inbox.reviews.decide(shown, {0: approve()})
    await team.later(60)
    assert [said["body"].splitlines()[-1] for said in hook.received] == [f"hitl-tui show {waiting}"]
    states = [(await team.inbox.reviews.notifications(review))[0].state for review in (claimed, decided, waiting)]
    assert states == ["dropped", "dropped", "sent"]


@pytest.mark.slow
async def test_retry_waits_for_the_end_of_quiet_time(at: Callable[[str], Any], hook: Webhook) -> None:
    team = await at(notify(urls=[hook.url], quiet="12:01-14:00 UTC"))
    hook.answers += [500]
    review = await team.ask()
    await team.escalate(review)
    await team.later(58)
    assert len(hook.received) == 1
    await team.later(60)
    assert len(hook.received) == 1
    team.now = MONDAY_NOON + 2 * 3600
    await team.send()
    assert len(hook.received) == 2
    assert (await team.inbox.reviews.notifications(review))[0].state == "sent"


@pytest.mark.parametrize(
    ("quiet", "at_", "until_"),
    [
        ('"22:00-07:00 Europe/Berlin"', "2026-11-23T21:30:00+01:00", "2026-11-23T21:30:00+01:00"),
        ('"22:00-07:00 Europe/Berlin"', "2026-11-23T22:00:30+01:00", "2026-11-24T07:00:00+01:00"),
        ('"22:00-07:00 Europe/Berlin"', "2026-03-29T01:30:00+01:00", "2026-03-29T07:00:00+02:00"),
        ('["22:00-07:00 UTC", "sat,sun 00:00-24:00 UTC"]', "2026-11-27T23:00:00+00:00", "2026-11-30T07:00:00+00:00"),
        ('"outside mon 09:00-10:00 UTC"', "2026-11-23T10:00:00+00:00", "2026-11-30T09:00:00+00:00"),
        ('"mon-sun 00:00-24:00"', "2026-11-23T10:00:00+00:00", None),
    ],
)
def test_end_of_quiet_time_is_computed(quiet: str, at_: str, until_: str | None) -> None:
    found = end_of_quiet(policies.parse(f"[notify]\nquiet = {quiet}\n").notify, dt.datetime.fromisoformat(at_).timestamp())
    assert found == (until_ and dt.datetime.fromisoformat(until_).timestamp())


async def test_two_workers_send_each_notice_once(at: Callable[[str], Any], hook: Webhook, tmp_path: Path) -> None:
    team = await at(notify(command=script(tmp_path, "(here / 'sent').open('a').write(os.environ['HITL_REVIEW'] + '\\n')")))
    expected = []
    for _ in range(12):
        expected.append(await team.ask())
        await team.escalate(expected[-1])
    async with open_store(team.store.path) as other:
        await other.write("INSERT INTO workers (id, project, host, pid, started, concurrency, beat_at) SELECT 'w2', project, host, pid, "
                          "started, concurrency, beat_at FROM workers")  # fmt: skip
        second = Notifier(other, "w2", team.project, lambda: team.policy, clock=lambda: team.now)
        for _ in range(6):
            await asyncio.gather(team.notifier.send_due(), second.send_due())
            await asyncio.gather(team.notifier.wait(), second.wait())
    assert sorted(map(int, (tmp_path / "sent").read_text().split())) == expected


async def test_notice_taken_by_a_worker_that_is_gone_is_sent_by_another(at: Callable[[str], Any], tmp_path: Path) -> None:
    team = await at(notify(command=script(tmp_path, "(here / 'sent').open('a').write('once')")))
    review = await team.ask()
    await team.escalate(review)
    assert len(await notifications.take(team.store, "gone", team.project, team.now, 9)) == 1
    await team.send()
    found = [(notification.state, notification.tries) for notification in await team.inbox.reviews.notifications(review)]
    assert (found, (tmp_path / "sent").read_text()) == ([("sent", 2)], "once")


# With whole workers


def told_by(sandbox: Sandbox, text: str, **more: Any) -> None:
    """Write a policy that notifies by a command with this code."""
    (sandbox.home.path / "policy.toml").write_text(notify(command=script(sandbox.folder, text), **more))


async def escalated(reviewer: Reviewer) -> int:
    """Return a review of a real run, escalated to bob."""
    run = await reviewer.launch("batched", [("send", {"to": "ann"})])
    review = await reviewer.open_review(run)
    await reviewer.inbox.reviews.escalate(review.row.id, "bob", "look")
    return review.row.id


@pytest.mark.slow
async def test_hanging_command_delays_no_decision_and_ends_with_the_worker(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    told_by(sandbox, "(here / 'pids').open('a').write(f'{os.getpid()}\\n')\ntime.sleep(600)", timeout="1h")
    worker = sandbox.start()
    async with open_reviewer(sandbox) as ann:
        number = await escalated(ann)
        await until(lambda: (sandbox.folder / "pids").exists())
        review = await ann.inbox.reviews.get(number)
        await ann.decide(review, approve())
        await ann.wait(review.row.run)
        assert [notification.state for notification in await ann.inbox.reviews.notifications(number)] == ["sending"]
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        await until(lambda: is_over(int((sandbox.folder / "pids").read_text())))
        assert sandbox.run_until_idle() == 0
        assert [notification.state for notification in await ann.inbox.reviews.notifications(number)] == ["dropped"]


@pytest.mark.slow
async def test_notice_of_a_crashed_worker_is_sent_by_the_next(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    first = "(here / 'pids').open('a').write(f'{os.getpid()}\\n')\ntime.sleep(600 if not (here / 'go').exists() else 0)"
    told_by(sandbox, first, timeout="1h")
    worker = sandbox.start()
    async with open_reviewer(sandbox) as ann:
        number = await escalated(ann)
        await until(lambda: (sandbox.folder / "pids").exists())
        worker.kill()
        os.kill(int((sandbox.folder / "pids").read_text()), signal.SIGKILL)
        assert [notification.state for notification in await ann.inbox.reviews.notifications(number)] == ["sending"]
        (sandbox.folder / "go").touch()
        assert sandbox.run_until_idle() == 0
        assert [(notification.state, notification.tries) for notification in await ann.inbox.reviews.notifications(number)] == [("sent", 2)]
        assert len((sandbox.folder / "pids").read_text().split()) == 2


@pytest.mark.slow
async def test_show_command_reports_a_failed_notice(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    told_by(sandbox, "sys.exit('no network')", retries=0)
    async with open_reviewer(sandbox) as ann:
        run = await ann.launch("batched", [("send", {"to": "ann"})])
        assert sandbox.run_until_idle() == 0
        number = str((await ann.open_review(run)).row.id)
        await ann.inbox.reviews.escalate(int(number), "bob", "look")
        assert sandbox.run_until_idle() == 0
    assert "note: a notification by command failed: no network" in sandbox.cli("show", number).stdout.splitlines()
    (told,) = sandbox.cli_json("show", number)["notifications"]
    assert (told["channel"], told["state"], told["error"]) == ("command", "failed", "no network")


# The command line


@pytest.mark.slow
def test_notify_test_command_sends_by_every_channel_and_reports_results(
    new_sandbox: SandboxFactory, hook: Webhook, mails: MailServer
) -> None:
    sandbox = new_sandbox("pauses")
    path = sandbox.home.path / "policy.toml"
    path.write_text(notify(urls=[hook.url, mails.url], quiet="00:00-24:00"))
    told = sandbox.cli_json("policy", "notify-test")
    assert [(one["service"], one["sent"]) for one in told] == [
        (f"json ({channel_of(hook.url)})", True), (f"mailto ({channel_of(mails.url)})", True),
    ]  # fmt: skip
    assert (hook.received[0]["title"], mails.received[0]["Subject"]) == ("hitl-tui: a test", "hitl-tui: a test")
    hook.answers += [404]
    shown = sandbox.cli("policy", "notify-test", code=1).stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["FAILED", "sent"]
    assert SECRET not in "\n".join(shown)
    path.write_text("")
    assert "no notification channel" in sandbox.cli_error("policy", "notify-test")


@pytest.mark.slow
def test_policy_check_and_doctor_warn_about_channels_that_cannot_work(new_sandbox: SandboxFactory, tmp_path: Path) -> None:
    sandbox = new_sandbox("pauses")
    path = sandbox.home.path / "policy.toml"
    path.write_text('[notify]\ndesktop = true\ncommand = ["no-such-program"]\nurls = "json://127.0.0.1"\n')
    (tmp_path / "empty").mkdir()
    checked = sandbox.cli("policy", "check", PATH=str(tmp_path / "empty")).stdout.splitlines()
    assert checked[0].startswith(f"{path}:2: warning: there is neither notify-send nor osascript here; ")
    assert checked[1] == f"{path}:3: warning: there is no program 'no-such-program' here; correct command in [notify]"
    assert "is valid" in checked[2]
    found = sandbox.cli("doctor", code=1, PATH=str(tmp_path / "empty")).stdout
    assert "there is no program 'no-such-program' here" in found
    path.write_text('[notify]\ntimeout = "0s"\n')
    assert "timeout cannot be 0" in sandbox.cli("policy", "check", code=1).stdout


async def until(true: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + TIMEOUT_S
    while not true():
        assert time.monotonic() < end, "it never was so"
        await asyncio.sleep(0.02)


def is_over(pid: int) -> bool:
    """Check that a process has ended; zombies count as ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# Links that decide


async def test_link_in_a_message_of_a_real_worker_decides_the_call(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        sandbox = reviewer.sandbox
        told, script = sandbox.folder / "told", sandbox.folder / "tell.py"
        script.write_text(f"import os; open({str(told)!r}, 'a').write(os.environ.get('HITL_ANSWER', 'none') + chr(10))")
        command = json.dumps([sys.executable, str(script)])
        sandbox.home.web.mkdir(exist_ok=True)
        sandbox.home.web_address.write_text("http://127.0.0.1:9\n")
        rules = [rule_toml("moves", "move", 'to = "ann"', 'outcome = "ask"'), rule_toml("letters", "send", 'to = "ann"', 'outcome = "ask"')]
        people = '[groups]\nstaff = ["ann"]\n'
        write_policy(sandbox, f'{people}[notify]\ncommand = {command}\nlinks = "ann"\n' + "".join(rules))
        sandbox.start()
        run, letter = [
            await reviewer.launch("per_call", text=json.dumps([("so", [call])]))
            for call in (("move", {"path": "b"}), ("send", {"to": "x"}))
        ]
        until = time.monotonic() + TIMEOUT_S
        while not told.exists() or len(told.read_text().splitlines()) < 2:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        links = told.read_text().splitlines()
        assert sorted(links)[1] == "none" and len({*links}) == 2, "an irreversible call has no link"
        token = sorted(links)[0].removeprefix("http://127.0.0.1:9/answer#")
        pages = AnswerPages(reviewer.store, sandbox.home, lambda: EVERYBODY)
        digest = (await reviewer.open_review(run)).actions[0].digest
        assert digest in await pages.page(token)
        assert await pages.decide(token, "", digest, "approve", "") == ("Review 1 is approved by ann.", False)
        await reviewer.wait(run, RunState.DONE)
        assert len(reviewer.effects(run)) == 1 and reviewer.effects(letter) == []
