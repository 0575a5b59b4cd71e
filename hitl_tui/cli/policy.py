"""`hitl-tui policy`: writes a policy to start from, checks one, tries its channels, replays it over the past, and explains it."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from hitl_tui import durations, notify
from hitl_tui.agents.targets import sample_agents
from hitl_tui.cli import output, policy_output
from hitl_tui.cli.command_group import Group
from hitl_tui.cli.context import tell
from hitl_tui.cli.options import json_option, review_number, shared, slot_number
from hitl_tui.errors import BadHome, Refused
from hitl_tui.inbox import Inbox
from hitl_tui.inbox.autonomy import OFF, as_proposed, standings
from hitl_tui.model import Levels
from hitl_tui.policy.loader import policy_paths, read_policy, read_text
from hitl_tui.policy.notification import ways
from hitl_tui.policy.parser import Problem, examine
from hitl_tui.policy.replay import Replay
from hitl_tui.policy.schema import Policy
from hitl_tui.policy.toml_lines import line_of, places
from hitl_tui.sanitize import visible
from hitl_tui.settings import find_home
from hitl_tui.store import Store, autonomy, history


@click.group(cls=Group)
def policy() -> None:
    """What goes on by itself, what asks, what a person takes over: policy.toml in the home, or in a project's folder."""


@policy.command("init")
@shared
def init(home: str | None, reviewer: str | None) -> None:
    """Write a commented policy.toml into the home to start from; one that is there stays."""
    path = policy_paths(find_home(home).prepare().path)[0]
    text = read_text(sample_agents() / "policy.toml")
    try:
        with path.open("x", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(text)
    except FileExistsError:
        raise Refused(f"there is a {path} already", "edit it, or move it away") from None
    except OSError as error:
        raise BadHome(f"{path} cannot be written: {error.strerror}", "check the home's permissions") from None
    click.echo(visible(f"{path} is there to be edited"))


@policy.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@shared
def check(file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Say what is wrong with a policy, by default the home's. Exit 1 when it cannot be used."""
    path = file or _of_home(home)
    found, problems = _examined(path)
    told = policy_output.check_json(path, found, problems)
    click.echo(output.as_json(told) if json_ else "\n".join(policy_output.check_lines(path, found, problems)))
    sys.exit(0 if told["good"] else 1)


@policy.command("notify-test")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@shared
def notify_test(file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Send a test by every channel of a policy, by default the home's. Exit 1 when one fails."""
    told = _tried(file or _of_home(home))
    click.echo(output.as_json(told) if json_ else policy_output.notify_table(told))
    sys.exit(0 if all(one["sent"] for one in told) else 1)


@policy.command("replay")
@click.option("--since", metavar="TIME", default="30d", show_default=True, help="How far back, like 12h, 30d or 2w.")
@click.option("--policy", "file", type=click.Path(path_type=Path), help="The policy to try; else the home's.")
@click.option("--proposed", is_flag=True, help="As if every level that is proposed was accepted (`hitl-tui autonomy` lists them).")
@json_option
@shared
def replay(since: str, file: Path | None, proposed: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Judge past actions by a policy, and print what it would have decided otherwise. Changes nothing."""
    place = find_home(home).prepare()
    if since.strip()[-1:].isdigit():
        raise Refused(f"{since!r} has no unit", "write it like 30d, 12h or 2w")
    after = time.time() - durations.seconds(since)
    judge = read_policy(file or policy_paths(place.path)[0])
    if proposed and judge.ladder is None:
        raise Refused(*OFF)
    found, levels = asyncio.run(_replayed(place.database, after, judge, proposed))
    told = policy_output.replay_json(found, levels, proposed)
    click.echo(output.as_json(told) if json_ else "\n".join(policy_output.replay_lines(found, since, levels, proposed)))


@policy.command("explain")
@click.argument("review", metavar="REVIEW[#SLOT]")
@json_option
@shared
def explain(review: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Say of each rule why it does or does not speak for a review's actions, by the policy as it is now."""
    id_, _, slot = review.partition("#")

    async def work(inbox: Inbox) -> str:
        found = await inbox.explain(review_number(id_))
        slots = {slot_number(slot)} if slot else set(found.walks)
        if not slots <= found.walks.keys():
            raise Refused(f"review {id_} has no action {slot}", f"it has {', '.join(map(str, found.walks))}")
        told = policy_output.explained_json(found, slots)
        return output.as_json(told) if json_ else "\n".join(policy_output.explained_lines(found, slots))

    tell(work, home, reviewer)


def _of_home(home: str | None) -> Path:
    return policy_paths(find_home(home).path)[0]


def _examined(path: Path) -> tuple[Policy, list[Problem]]:
    """The policy with all that is wrong with it."""
    text = read_text(path)
    found, problems = examine(text)
    later = [] if any(problem.is_error for problem in problems) else list(_untold(text, found))
    return found, sorted([*problems, *later], key=lambda problem: problem.line)


def _untold(text: str, found: Policy) -> Iterator[Problem]:
    """Warnings of channels that cannot work on this machine."""
    lines = places(text)
    for key, what, todo in notify.problems(found.notify):
        yield Problem(line_of(lines, ("notify", key)), what, todo, is_error=False)


def _tried(path: Path) -> list[dict[str, Any]]:
    """Send a test by every channel of a policy now, however quiet it shall be: `[{channel, service, sent, error}]`."""
    wanted = read_policy(path).notify
    names = ways(wanted)
    if not names:
        raise Refused(f"{path} has no channel by which anybody could be told", "give [notify] a desktop, a command or urls")

    async def work() -> list[notify.Outcome]:
        return await asyncio.gather(*(notify.deliver(name, wanted, notify.trial_message()) for name in names))

    return [
        {"channel": name, "service": notify.service_of(name, wanted), "sent": not outcome.error, "error": outcome.error or None}
        for name, outcome in zip(names, asyncio.run(work()), strict=True)
    ]


async def _replayed(database: Path, after: float, judge: Policy, proposed: bool) -> tuple[Replay, Levels | None]:
    """What came of it, and the levels it was judged on; None without a ladder."""
    found = Replay()
    async with Store.open(database) as store, contextlib.aclosing(history.decided_since(store, after)) as batches:
        levels = await _levels(store, judge, proposed)
        async for batch in batches:
            found.add(batch, judge, levels or {})
    return found, levels


async def _levels(store: Store, judge: Policy, proposed: bool) -> Levels | None:
    if judge.ladder is None:
        return None
    return as_proposed(await standings(store, judge), time.time()) if proposed else await autonomy.every_level(store)
