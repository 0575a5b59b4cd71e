"""`hitl-tui policy`: writes a first policy.toml, checks it, tests its notifications, replays it on past actions, and explains it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hitl_tui import notify
from hitl_tui.cli import output, policy_output
from hitl_tui.cli.command_group import Group, example
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import call_slot, common_options, completes, json_option, review_number
from hitl_tui.errors import BadHome, Refused
from hitl_tui.formatting import parse_duration
from hitl_tui.home import find_home, sample_agents
from hitl_tui.inbox import Inbox
from hitl_tui.inbox.autonomy import OFF, as_proposed, tools
from hitl_tui.model import Levels, People, Role
from hitl_tui.oversight.grants import SINCE_S
from hitl_tui.oversight.suggestions import Attention, effect, suggestions
from hitl_tui.people.file import PeopleFile
from hitl_tui.policy.lint import missed_below
from hitl_tui.policy.loader import digest_of, policy_paths, read_policy, read_text
from hitl_tui.policy.notification import channel_names
from hitl_tui.policy.parser import parse, parse_with_problems
from hitl_tui.policy.replay import Replay, reads_context
from hitl_tui.policy.schema import Policy
from hitl_tui.sanitize import visible
from hitl_tui.store import Store, autonomy, grants, history
from hitl_tui.store.usable_grants import UsableGrants
from hitl_tui.toml_reader import Problem, key_lines, line_of


@click.group(cls=Group, epilog=example("hitl-tui policy init", "hitl-tui policy check"))
def policy() -> None:
    """Write, check, explain and replay policy.toml.

    A policy decides which calls run by themselves, which need a person, and which are denied. It is read from the home, else from the
    folder of the project.
    """


@policy.command("init", epilog=example("hitl-tui policy init"))
@common_options
def init(home: str | None, reviewer: str | None) -> None:
    """Write a commented policy.toml into the home.

    An existing file is kept.
    """
    path = policy_paths(find_home(home).prepare().path)[0]
    text = read_text(sample_agents() / "policy.toml")
    try:
        with path.open("x", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(text)
    except FileExistsError:
        raise Refused(f"{path} exists already", "edit it, or move it away") from None
    except OSError as error:
        raise BadHome(f"{path} cannot be written: {error.strerror}", "check the home's permissions") from None
    click.echo(visible(f"written to {path}; edit it to your needs"))


@policy.command("check", epilog=example("hitl-tui policy check", "hitl-tui policy check ./policy.toml"))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@common_options
def check(file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Check a policy for mistakes.

    Checks FILE, else the home's policy.toml. Exits with 1 if it cannot be used.
    """
    path = file or _of_home(home)
    found, problems = _examined(path, path.absolute().parent == find_home(home).path.absolute(), home)
    result = policy_output.check_json(path, found, problems)
    click.echo(output.as_json(result) if json_ else "\n".join(policy_output.check_lines(path, found, problems)))
    sys.exit(0 if result["good"] else 1)


@policy.command("accept", epilog=example("hitl-tui policy accept", "hitl-tui policy accept ./policy.toml"))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@common_options
def accept(file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Let a policy in the agents' folder take effect.

    Accepts FILE, else the policy in force, as it is now; each change must be
    accepted again. The home's policy needs none.
    """

    given = file.resolve() if file else None

    async def work(inbox: Inbox) -> str:
        path = given or inbox.policy.status().path
        if path is None:
            raise Refused("there is no policy.toml", "name the file, or write one with `hitl-tui policy init`")
        if path == _of_home(home):
            raise Refused(f"{path} is the home's policy, which needs no acceptance", "it counts as it is")
        found, problems = _examined(path, False, home)
        digest = digest_of(read_text(path))
        await inbox.policy.accept(path, digest)
        result = {**policy_output.check_json(path, found, problems), "accepted": digest}
        warnings = [one for one in policy_output.check_lines(path, found, problems)]
        return output.as_json(result) if json_ else "\n".join([*warnings, f"accepted, sha256 {digest}"])

    print_from_inbox(work, home, reviewer)


@policy.command("notify-test", epilog=example("hitl-tui policy notify-test"))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@common_options
def notify_test(file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Send a test message by every notification channel.

    Uses the policy in FILE, else the home's. Exits with 1 if a message fails.
    """
    result = _send_tests(file or _of_home(home))
    click.echo(output.as_json(result) if json_ else policy_output.notify_table(result))
    sys.exit(0 if all(one["sent"] for one in result) else 1)


@policy.command("replay", epilog=example("hitl-tui policy replay --since 30d"))
@click.option("--since", metavar="TIME", default="30d", show_default=True, help="How far back, like 12h, 30d or 2w.")
@click.option("--policy", "file", type=click.Path(path_type=Path), help="Policy to try; default: the home's.")
@click.option("--proposed", is_flag=True, help="Assume that every proposed autonomy level is accepted.")
@json_option
@common_options
def replay(since: str, file: Path | None, proposed: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Print what a policy would have decided differently.

    Judges past actions by the policy and the grants of that time. Changes
    nothing.
    """
    opened = find_home(home).prepare()
    if since.strip()[-1:].isdigit():
        raise Refused(f"{since!r} has no unit", "write it like 30d, 12h or 2w")
    after = time.time() - parse_duration(since)
    people = PeopleFile(opened.path).current()
    judge = read_policy(file or policy_paths(opened.path)[0], people)
    if proposed and judge.autonomy is None:
        raise Refused(*OFF)
    found, levels = asyncio.run(_replayed(opened.database, after, judge, people, proposed))
    result = policy_output.replay_json(found, levels, proposed)
    click.echo(output.as_json(result) if json_ else "\n".join(policy_output.replay_lines(found, since, levels, proposed)))


@policy.command("suggest", epilog=example("hitl-tui policy suggest", "hitl-tui policy suggest --write"))
@click.option("--write", is_flag=True, help="Accept: write the changes into the home's policy.toml.")
@json_option
@common_options
def suggest(write: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Suggest changes of policy.toml from grants and past decisions.

    Prints a difference, what each change rests on, and its replay on the last 90 days.
    """
    path = _of_home(home)

    async def work(inbox: Inbox) -> str:
        text = read_text(path) if path.exists() else ""
        people = PeopleFile(path.parent).current()
        before = read_policy(path, people) if text else None
        past = await grants.every_past_call(inbox.store, time.time() - SINCE_S)
        shown, caught = await grants.checks(inbox.store, time.time() - SINCE_S)
        calls = [one for found in past.values() for one in found]
        attention = Attention(shown, caught, sum(one.rated_down for one in calls))
        made = await grants.made_from(inbox.store)
        found = await asyncio.to_thread(suggestions, text, before or Policy(), made, past, attention)
        if not found:
            return (
                output.as_json({"suggestions": [], "diff": "", "replay": None}) if json_ else "nothing to suggest: too little was decided"
            )
        after = parse(found[-1].text, people=people)
        replayed = await asyncio.to_thread(effect, before, after, calls)
        if write:
            await inbox.require(Role.POLICY, "change the policy")
            _replace(path, found[-1].text)
        said = policy_output.suggested_json(path, text, found, replayed)
        return output.as_json(said) if json_ else "\n".join(policy_output.suggested_lines(said, write))

    print_from_inbox(work, home, reviewer)


@policy.command("explain", epilog=example("hitl-tui policy explain 12"))
@click.argument("review", metavar="REVIEW[#CALL]", shell_complete=completes("all reviews"))
@json_option
@common_options
def explain(review: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Explain which rule matches a review, and why.

    Uses the policy as it is now.
    """
    id_, _, call = review.partition("#")

    async def work(inbox: Inbox) -> str:
        found = await inbox.policy.explain(review_number(id_))
        slots = {call_slot(call, found.review.row.id, len(found.walks))} if call else set(found.walks)
        result = policy_output.explained_json(found, slots)
        return output.as_json(result) if json_ else "\n".join(policy_output.explained_lines(found, slots))

    print_from_inbox(work, home, reviewer)


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, "utf-8")
        part.chmod(0o600)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BadHome(f"{path} cannot be written: {error.strerror}", "check the home's permissions") from None


def _of_home(home: str | None) -> Path:
    return policy_paths(find_home(home).path)[0]


def _examined(path: Path, in_home: bool, home: str | None) -> tuple[Policy, list[Problem]]:
    """The policy and its problems, sorted by line."""
    text = read_text(path)
    found, problems = parse_with_problems(text, in_home, PeopleFile(find_home(home).path).current())
    later = [] if any(problem.is_error for problem in problems) else [*missed_below(found.rules), *_channel_warnings(text, found)]
    return found, sorted([*problems, *later], key=lambda problem: problem.line)


def _channel_warnings(text: str, found: Policy) -> Iterator[Problem]:
    """Warnings about notification channels that cannot work on this machine."""
    lines = key_lines(text)
    for key, what, todo in notify.problems(found.notify):
        yield Problem(line_of(lines, ("notify", key)), what, todo, is_error=False)


def _send_tests(path: Path) -> list[dict[str, Any]]:
    """Send a test message by every channel of a policy, also in quiet hours: `[{channel, service, sent, error}]`."""
    wanted = read_policy(path, PeopleFile(path.parent).current()).notify
    names = channel_names(wanted)
    if not names:
        raise Refused(f"{path} has no notification channel", "set desktop, command or urls in [notify]")

    async def work() -> list[notify.DeliveryResult]:
        return await asyncio.gather(*(notify.deliver(name, wanted, notify.sample_notification()) for name in names))

    return [
        {"channel": name, "service": notify.service_of(name, wanted), "sent": not outcome.error, "error": outcome.error or None}
        for name, outcome in zip(names, asyncio.run(work()), strict=True)
    ]


async def _replayed(database: Path, after: float, judge: Policy, people: People, proposed: bool) -> tuple[Replay, Levels | None]:
    """The replay, and the autonomy levels it used; None if the policy has no [autonomy]."""
    found = Replay()
    async with Store.open(database) as store:
        levels = await _levels(store, judge, proposed)
        granted = await UsableGrants(store).as_they_were(after, people)
        wanted = functools.partial(reads_context, judge, granted)
        async with contextlib.aclosing(history.decided_since(store, after, wanted)) as batches:
            async for batch in batches:
                found.add(batch, judge, levels or {}, granted)
    return found, levels


async def _levels(store: Store, judge: Policy, proposed: bool) -> Levels | None:
    if judge.autonomy is None:
        return None
    return as_proposed(await tools(store, judge), time.time()) if proposed else await autonomy.every_level(store)
