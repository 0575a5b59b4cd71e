"""`hitl-tui audit report`: one page for auditors, whose figures are those of the home."""

from __future__ import annotations

import asyncio
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from hitl_tui.cli import main
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Actor, Answer, DecisionKind
from hitl_tui.store import Store, audit
from tests.support.attention_checks import add_attention_check, approve_mails
from tests.support.harness import reject
from tests.ui.homes import seed

HOSTILE = "<script>alert(1)</script>\u202e"


class Page(HTMLParser):
    """Tags of a page that are not closed, and every address in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [str(value) for name, value in attrs if name in ("href", "src")]
        if tag not in ("meta", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag


def report(home: Path, *more: str) -> str:
    output = home / "report.html"
    output.unlink(missing_ok=True)
    done = CliRunner().invoke(main, ["audit", "report", "--home", str(home), "-o", str(output), *more])
    assert done.exit_code == 0, done.output
    return output.read_text()


async def decided(home: Path) -> int:
    """Three approvals, a rejection, and an attention check that was caught. Returns how many calls are approved."""
    async with Store.open(Home(home).prepare().database) as store:
        project = await seed.add_project(store)
        check = await add_attention_check(store, project)
        inbox = Inbox(store, "ann")
        await inbox.reviews.decide(check, {0: reject("no")}, 900)
        await approve_mails(store, project, 3)
        approved = int(
            (
                await store.one(
                    "SELECT count(*) FROM decisions d JOIN reviews v ON v.id = d.review JOIN runs r ON r.id = v.run WHERE NOT r.attention"
                )
            )[0]
        )
        refused = await inbox.reviews.get(await seed.add_waiting_run(store, project, "mail_assistant", seed.pauses_of_every_kind()[0][1]))
        await inbox.reviews.decide(refused, {0: Answer(DecisionKind.REJECT, message=HOSTILE)}, 900)
        return approved


def test_audit_report_has_the_figures_of_the_home(tmp_path: Path) -> None:
    approved = asyncio.run(decided(tmp_path))
    text = report(tmp_path)
    page = Page(text)
    assert page.open == ["html"] or not page.open
    assert not page.links and "<script" not in text and "\u202e" not in text and "http" not in text
    numbers = re.search(r"<td>irreversible</td><td>person</td>((?:<td class=\"n\">\d+</td>)+)", text)
    assert numbers and re.findall(r">(\d+)<", numbers[1]) == [str(approved), "0", "1", "0"], "a check is no decision"
    assert "21–100 % (95 % CI)" in text  # scipy.stats.binomtest(1, 1).proportion_ci(method="wilson")
    assert "approved unchanged by person" in text and "Calibration" in text
    assert "fatigue by person" in text
    assert f"<td>ann</td><td>1 of {approved + 1}</td>" in text, "the rejection took less than a second, and the check is no decision"
    assert "Verified:" in text and "article 14" in text and "A.6.2.8" in text
    assert "§ 6" in text and "<td>irreversible</td>" not in report(tmp_path, "--agent", "other_*")


LETTERS = """
[[rule]]
name = "letters"
tool = "send_*"
when = 'args.to != ""'
outcome = "ask"
to = "finance"
"""
PRACTICED = {"good": 3, "bad": 2, "caught": 1, "false_alarms": 1, "d_prime": 0.5, "seconds": 40.0, "kinds": {}}


async def practised(home: Path) -> None:
    """Somebody has practised."""
    async with Store.open(Home(home).prepare().database) as store, store.transaction() as db:
        audit.note(db, time.time(), "practiced", Actor("ann"), PRACTICED)


@pytest.mark.slow
def test_audit_report_has_the_people_the_rules_and_the_training(tmp_path: Path) -> None:
    asyncio.run(practised(tmp_path))
    (tmp_path / "people.toml").write_text('[[person]]\nname = "ann"\naliases = ["a.meyer"]\ngroups = ["finance"]\nroles = ["decide"]\n')
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[groups]\nlegal = ["ann"]\n{LETTERS}')
    page = " ".join(re.sub(r"<[^>]+>", " ", report(tmp_path)).split())
    assert "keys that count ann a.meyer finance decide 0 groups of the policy group members finance ann legal ann" in page
    assert "spot checks 5 %" in page and "letters send_* args.to != &quot;&quot; ask 1 finance" in page, page
    assert "false alarms d′ ann" in page and " 2 1 3 1 0.50 " in page
    policy.write_text("[[rule]")
    (tmp_path / "people.toml").write_text("[[person]")
    page = report(tmp_path)
    assert "The policy cannot be used, so every call needs a person" in page and "people.toml cannot be used, so nobody has a right" in page


async def changed(home: Path) -> None:
    """A home whose log somebody has changed."""
    async with Store.open(Home(home).prepare().database) as store:
        await approve_mails(store, await seed.add_project(store), 1)
        await store.write("DROP TRIGGER audit_fixed")
        await store.write("UPDATE audit SET actor = 'eve' WHERE seq = 2")


def test_audit_report_says_that_a_log_was_changed(tmp_path: Path) -> None:
    asyncio.run(changed(tmp_path))
    assert "FAILED after" in report(tmp_path)


def test_audit_report_keeps_an_existing_file(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    done = CliRunner().invoke(main, ["audit", "report", "--home", str(tmp_path), "-o", str(tmp_path / "report.html")])
    assert done.exit_code == 1 and (tmp_path / "report.html").read_text() == "mine"


@pytest.mark.parametrize("since", ["x", ""])
def test_audit_report_refuses_a_period_that_is_none(tmp_path: Path, since: str) -> None:
    done = CliRunner().invoke(main, ["audit", "report", "--home", str(tmp_path), "-o", str(tmp_path / "r.html"), "--since", since])
    assert done.exit_code == 1 and not (tmp_path / "r.html").exists()
