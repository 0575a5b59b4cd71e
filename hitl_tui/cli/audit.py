"""`hitl-tui audit`: verifies the audit log, prints its head, and exports it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import click

from hitl_tui import __version__, atomic_write
from hitl_tui.cli import output
from hitl_tui.cli.command_group import Group, example
from hitl_tui.cli.context import interrupt_on_signals
from hitl_tui.cli.options import common_options, json_option
from hitl_tui.errors import HitlError, Refused
from hitl_tui.formatting import parse_duration
from hitl_tui.home import find_home
from hitl_tui.inbox import Inbox
from hitl_tui.oversight.statistics import Statistics
from hitl_tui.people.file import PeopleFile
from hitl_tui.policy import globs
from hitl_tui.policy.loader import HomePeople, PolicyFile, policy_paths
from hitl_tui.sanitize import visible
from hitl_tui.store import Store, signature_history
from hitl_tui.store import audit as log
from hitl_tui.store.audit_report import gather
from hitl_tui.store.statistics import StatisticsFilter


@click.group(cls=Group, epilog=example("hitl-tui audit verify"))
def audit() -> None:
    """Verify and export the audit log.

    The log is append-only, and each entry holds the hash of the one before it.
    """


@audit.command("verify", epilog=example("hitl-tui audit head > head.txt", "hitl-tui audit verify --head-file head.txt"))
@click.option("--head", metavar="HEAD", help="An earlier `audit head`; finds entries cut off or rewritten since.")
@click.option("--head-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with an earlier `audit head`.")
@json_option
@common_options
def verify(head: str | None, head_file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Verify the log offline.

    Checks every link, the tables against the log in both directions, and the
    schema; then every signature, by the keys of people.toml. Exits with 1 if one
    differs. That the whole log was written anew, or that its end was cut off,
    shows only by a head that was kept elsewhere, or that somebody has signed.
    """
    text = head_file.read_text("utf-8", "replace") if head_file else head
    where = find_home(home)
    found, signed = log.verify(where.database, log.read_head(text) if text is not None else None), 0
    if not found.problem:
        with log.reading(where.database) as db:
            signed, problem = signature_history.found(db, where.people)
        found = replace(found, problem=problem)
    click.echo(output.as_json(_json(found, signed)) if json_ else visible(_text(found, signed)))
    sys.exit(1 if found.problem else 0)


@audit.command("head", epilog=example("hitl-tui audit head > head.txt"))
@common_options
def head(home: str | None, reviewer: str | None) -> None:
    """Print the last entry's number and hash.

    Keep them on another machine, and pass them to `audit verify` later.
    """
    click.echo(str(log.head(find_home(home).database)))


@audit.command("export", epilog=example("hitl-tui audit export audit.jsonl"))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@common_options
def export(file: Path | None, home: str | None, reviewer: str | None) -> None:
    """Write every entry as one line of JSON.

    Writes to FILE, which must not exist yet, or to standard output.
    """
    entries = log.entries(find_home(home).database)
    if file is None:
        _write(entries, sys.stdout.write)
        return
    with interrupt_on_signals(), atomic_write.whole(file) as out:
        count = _write(entries, out.write)
    click.echo(visible(f"{count:,} entries written to {file}"))


@audit.command("signatures", epilog=example("hitl-tui audit signatures signatures"))
@click.argument("folder", type=click.Path(path_type=Path))
@common_options
def signatures(folder: Path, home: str | None, reviewer: str | None) -> None:
    """Write every signature for ssh-keygen.

    FOLDER, which must not exist yet, gets each signed text, its signature, and
    the allowed signers, with which `ssh-keygen -Y verify` verifies it.
    """
    where = find_home(home)
    try:
        with log.reading(where.database) as db:
            count = signature_history.export(db, PeopleFile(where.path).current(), folder)
    except OSError as error:
        raise Refused(f"{folder} cannot be made: {error.strerror}", "name a folder that does not exist") from None
    click.echo(visible(f"{count:,} signature{'' if count == 1 else 's'} written to {folder}"))


async def _figures(database: Path, since: float, agent: str) -> Statistics | None:
    """The figures of the insights view, for the agents of the report; None of a home that is too damaged to count in."""
    try:
        async with Store.open(database) as store:
            return await Inbox(store, "auditor").insights.read(since, StatisticsFilter(agent=agent))
    except HitlError:
        return None


@audit.command("report", epilog=example("hitl-tui audit report --since 90d -o report.html"))
@click.option("--since", metavar="TIME", default="90d", show_default=True, help="How far back, like 30d.")
@click.option("--agent", metavar="GLOB", default="*", help="Only these agents.")
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="File to write, which must not exist yet.")
@common_options
def report(since: str, agent: str, output: Path, home: str | None, reviewer: str | None) -> None:
    """Write a page for auditors.

    One HTML file, for a browser or a printer, without links to others: who may
    decide what, decisions by risk and person, takeovers, deadlines, attention
    checks, changes of policy and levels, the result of `audit verify`, and which
    of these facts speak to which article or control.
    """
    from hitl_tui.cli import audit_report

    where, now = find_home(home), time.time()
    after = now - parse_duration(since)
    verified, signed = log.verify(where.database), 0
    with log.reading(where.database) as db:
        if not verified.problem:
            signed, problem = signature_history.found(db, where.people)
            verified = replace(verified, problem=problem)
        facts = gather(db, after, now, lambda name: globs.names(agent, name), audit_report.KINDS)
    path = policy_paths(where.path)[0]
    file = PolicyFile((path,), people=PeopleFile(where.path).current)
    top = audit_report.ReportHead(str(where.path), after, now, agent, __version__)
    figures = asyncio.run(_figures(where.database, after, agent))
    page = audit_report.page(top, facts, HomePeople(where.path).current(), file.current(), str(path), verified, signed, figures)
    with interrupt_on_signals(), atomic_write.whole(output) as out:
        out.write(page)
    click.echo(visible(f"written to {output}"))


def _write(entries: Iterable[object], write: Callable[[str], object]) -> int:
    count = 0
    for entry in entries:
        write(json.dumps(entry, ensure_ascii=True) + "\n")
        count += 1
    return count


def _text(found: log.Verified, signed: int) -> str:
    count = f"{found.head.seq:,} entr{'y' if found.head.seq == 1 else 'ies'}"
    if found.problem:
        return f"FAILED after {count}: {found.problem}"
    signatures = f", {signed:,} signature{'' if signed == 1 else 's'}" if signed else ""
    return f"verified: {count}{signatures}; head {found.head}"


def _json(found: log.Verified, signed: int) -> dict[str, object]:
    counts = {"entries": found.head.seq, "signatures": signed}
    return {"good": not found.problem, **counts, "head": str(found.head), "problem": found.problem or None}
