"""The audit log: every change has an entry, and any change, truncation or omission is found."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.cli import main
from hitl_tui.errors import Stale
from hitl_tui.filter_language import Filter, parse
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action as Asked
from hitl_tui.model import (
    Answer,
    Context,
    DecisionKind,
    Outcome,
    Pause,
    PauseKind,
    ReviewOutcome,
    ReviewState,
    Routed,
    RunState,
    Subject,
    Verdict,
    digest_of,
)
from hitl_tui.store import audit, history, reconcile, runs
from hitl_tui.store.audit import chained
from hitl_tui.store.maintenance import repair
from hitl_tui.store.statistics import period_counts
from tests.support.empty_database import open_store
from tests.support.properties import examples
from tests.support.tiers import sampled

COLUMNS = ("seq", "at", "kind", "actor", "actor_kind", "run", "review", "body", "hash")


def pause(number: int) -> Pause:
    args = {"to": f"ann{number}@example.com", "text": "Grüße ✓"}
    action = Asked(0, "send_mail", args, tuple(DecisionKind), digest=digest_of("send_mail", args))
    return Pause(f"i{number}", PauseKind.TOOL_CALLS, "tools", (), args, (action,), Context())


@pytest.fixture(scope="session")
def decided_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a few runs, reviews and decisions, one of them undone."""
    import asyncio

    home = tmp_path_factory.mktemp("audit")

    async def work() -> None:
        async with open_store(home / "hitl.db") as store:
            ann = Inbox(store, "ann", grace_s=60)
            for number in range(3):
                await ann.runs.launch("mail", text="hello")
                await store.write("UPDATE runs SET state = 'running', worker = 'w' WHERE id = ?", (number + 1,))
                await reconcile.reconcile(store, number + 1, "mail", "w", [pause(number)], {})
            for id_, answer in ((1, Answer(DecisionKind.APPROVE)), (2, Answer(DecisionKind.REJECT, message="no")), (3, EDITED)):
                await ann.reviews.decide(await ann.reviews.get(id_), {0: answer})
            await ann.reviews.undo(3)

    asyncio.run(work())
    return home


EDITED = Answer(DecisionKind.EDIT, {"to": "bob@example.com", "text": "hi"})


def copy(home: Path, to: Path) -> Path:
    shutil.copytree(home, to)
    return to


@contextlib.contextmanager
def forging(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection without triggers, which are there again afterwards."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        try:
            yield db
        finally:
            for _, sql in triggers:
                db.execute(sql)


def change(home: Path, sql: str, values: Sequence[Any] = ()) -> None:
    with forging(home / "hitl.db") as db:
        assert db.execute(sql, values).rowcount


def hitl(*args: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, list(args))
    return done.exit_code, done.output


def test_audit_has_an_entry_for_every_change(decided_home: Path) -> None:
    code, said = hitl("audit", "verify", "--home", str(decided_home), "--json")
    assert code == 0
    entries = list(audit.entries(decided_home / "hitl.db"))
    counts = {"entries": len(entries), "signatures": 0}
    assert json.loads(said) == {"good": True, **counts, "head": f"{len(entries)} {entries[-1]['hash']}", "problem": None}
    kinds = [entry["kind"] for entry in entries]
    assert kinds.count("launched") == kinds.count("opened") == kinds.count("decided") == 3
    assert kinds.count("undone") == 1
    decided = [entry for entry in entries if entry["kind"] == "decided"]
    assert [entry["actor"] for entry in decided] == ["ann"] * 3
    assert json.loads(json.loads(decided[2]["body"])["args"]) == EDITED.args


def test_audit_records_who_cancels_retries_and_prunes(tmp_path: Path) -> None:
    at = ("--home", str(tmp_path))
    assert hitl("launch", "mail", "hello", *at)[0] == 0
    for verb, who in (("cancel", "ann"), ("retry", "bob"), ("cancel", "cyn")):
        assert hitl(verb, "r1", "--reviewer", who, *at)[0] == 0
    assert hitl("retry", "r7", *at)[0] == hitl("cancel", "r1", *at)[0] == 1
    thread = json.loads(hitl("show", "r1", "--json", *at)[1])["thread"]
    for dry in (("--dry-run",), ()):
        assert hitl("prune", "--older-than", "0s", "--reviewer", "dan", *dry, *at)[0] == 0
    assert "nothing is that old" in hitl("prune", "--older-than", "0s", *at)[1]
    said = [(one["kind"], one["actor"], one["run"], json.loads(one["body"])) for one in audit.entries(tmp_path / "hitl.db")]
    assert said[1:] == [
        ("cancelled", "ann", 1, {"at_once": True}),
        ("retried", "bob", 1, {}),
        ("cancelled", "cyn", 1, {"at_once": True}),
        ("pruned", "dan", None, {"thread": thread, "runs": [1]}),
    ]
    assert not audit.verify(tmp_path / "hitl.db").problem


async def test_audit_has_one_entry_per_cancel(tmp_path: Path) -> None:
    async with open_store(tmp_path / "hitl.db") as store:
        ann = Inbox(store, "ann")
        await ann.runs.launch("mail", text="hello")
        await store.write("UPDATE runs SET state = 'running', worker = 'w'")
        await ann.runs.cancel(1)
        await runs.settle(store, 1, "w", RunState.WAITING)
        assert runs.cancelling(store, "w") == [1]
        assert await runs.cancel(store, 1)
    said = [(one["kind"], one["actor"], json.loads(one["body"])) for one in audit.entries(tmp_path / "hitl.db")]
    assert said[1:] == [("cancelled", "ann", {"at_once": False})]


@pytest.mark.parametrize("sql", ["DELETE FROM audit WHERE seq = 2", "UPDATE audit SET actor = 'bob' WHERE seq = 2"])
async def test_audit_rows_cannot_be_updated_or_deleted(decided_home: Path, tmp_path: Path, sql: str) -> None:
    shutil.copytree(decided_home, tmp_path / "home")
    async with open_store(tmp_path / "home" / "hitl.db") as store:
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            await store.write(sql)


async def test_audit_when_an_entry_does_not_continue_it_refuses_the_entry(decided_home: Path, tmp_path: Path) -> None:
    shutil.copytree(decided_home, tmp_path / "home")
    insert = "INSERT INTO audit VALUES (:seq, 5.0, 'viewed', :actor, 'person', 1, 1, '{}', :hash)"
    async with open_store(tmp_path / "home" / "hitl.db") as store:
        last, previous = await store.one("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        good = {"seq": last + 1, "actor": "ann", "hash": chained(previous, last + 1, 5.0, "viewed", "ann", "person", 1, 1, "{}")}
        for wrong in ({"hash": "0" * 64}, {"actor": "bob"}, {"seq": last + 2}):
            with pytest.raises(sqlite3.IntegrityError, match="does not continue"):
                await store.write(insert, good | wrong)
        assert await store.write(insert, good) == 1
    assert not audit.verify(tmp_path / "home" / "hitl.db").problem


@pytest.fixture(scope="session")
def tampered(decided_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(decided_home, tmp_path_factory.mktemp("tampered") / "home")


@given(data=st.data())
def test_verify_finds_a_change_of_any_byte(tampered: Path, data: st.DataObject) -> None:
    path = tampered / "hitl.db"
    with forging(path) as db:
        length = db.execute("SELECT count(*) FROM audit").fetchone()[0]
        seq = data.draw(st.integers(1, length))
        column = data.draw(st.sampled_from(COLUMNS[1:]))
        kind, value = db.execute(f"SELECT typeof({column}), CAST({column} AS BLOB) FROM audit WHERE seq = ?", (seq,)).fetchone()
        was = db.execute(f"SELECT {column} FROM audit WHERE seq = ?", (seq,)).fetchone()[0]
        if kind == "text" and value:
            place = data.draw(st.integers(0, len(value) - 1))
            byte = data.draw(st.integers(0, 255).filter(lambda new: new != value[place]))
            forged = value[:place] + bytes([byte]) + value[place + 1 :]
            db.execute(f"UPDATE audit SET {column} = CAST(? AS TEXT) WHERE seq = ?", (forged, seq))
        else:
            other = data.draw(
                st.one_of(st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), st.text(min_size=1))
            )
            db.execute(f"UPDATE audit SET {column} = ? WHERE seq = ?", (other, seq))
        changed = db.execute(f"SELECT {column} IS NOT ? FROM audit WHERE seq = ?", (was, seq)).fetchone()[0]
    try:
        found = audit.verify(path)
        assert bool(found.problem) is bool(changed)
        if changed:
            assert found.head.seq == seq - 1
    finally:
        change(tampered, f"UPDATE audit SET {column} = ? WHERE seq = ?", (was, seq))
    assert not audit.verify(path).problem


@pytest.mark.slow
@examples(0.5)
@given(data=st.data())
def test_verify_finds_reordered_missing_or_repeated_entries(tampered: Path, data: st.DataObject) -> None:
    path = tampered / "hitl.db"
    with forging(path) as db:
        true = db.execute("SELECT * FROM audit ORDER BY seq").fetchall()
        place, other = data.draw(st.lists(st.integers(0, len(true) - 1), min_size=2, max_size=2, unique=True))
        forged = list(true)
        match data.draw(st.sampled_from(["swapped", "taken out", "put in again"])):
            case "swapped":
                forged[place], forged[other] = forged[other], forged[place]
            case "taken out":
                del forged[place]
            case _:
                forged.insert(other, forged[place])
        if data.draw(st.booleans()):  # renumbered, so that no gap shows it
            forged = [(seq, *row[1:]) for seq, row in enumerate(forged, 1)]
        else:
            forged = sorted({row[0]: row for row in forged}.values())
        first = next((at for at, (one, was) in enumerate(zip(forged, true, strict=False)) if one != was), min(len(forged), len(true)))
        head = audit.AuditHead(true[-1][0], true[-1][-1])
        _rewrite(db, forged)
    try:
        found = audit.verify(path, head)
        assert bool(found.problem) is (forged != true)
        assert found.head.seq == first
    finally:
        with forging(path) as db:
            _rewrite(db, true)
    assert not audit.verify(path, head).problem


def _rewrite(db: sqlite3.Connection, rows: list[Any]) -> None:
    db.execute("BEGIN")
    db.execute("DELETE FROM audit")
    db.executemany("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.execute("COMMIT")


@pytest.mark.parametrize("column", ["seq", "at", "run", "review", "body", "hash"])
def test_verify_finds_a_value_whose_type_changed(decided_home: Path, tmp_path: Path, column: str) -> None:
    home = copy(decided_home, tmp_path / "home")
    with contextlib.closing(sqlite3.connect(home / "hitl.db", isolation_level=None)) as db:
        rows = db.execute("SELECT * FROM audit").fetchall()
        db.executescript("DROP TABLE audit; CREATE TABLE audit (seq, at, kind, actor, actor_kind, run, review, body, hash)")
        _rewrite(db, rows)  # columns without a type keep what they are given
        same = f"CAST({column} AS {'BLOB' if column in ('body', 'hash') else 'TEXT'})"
        assert db.execute(f"UPDATE audit SET {column} = {same} WHERE seq = 2").rowcount
    found = audit.verify(home / "hitl.db")
    assert found.problem and found.head.seq == 1


def test_verify_finds_a_truncated_log(decided_home: Path, tmp_path: Path) -> None:
    code, head = hitl("audit", "head", "--home", str(decided_home))
    (tmp_path / "head").write_text(head)
    last = int(head.split()[0])
    cut = copy(decided_home, tmp_path / "cut")
    change(cut, "DELETE FROM audit WHERE seq > ?", (last - 2,))
    code, said = hitl("audit", "verify", "--home", str(cut), "--head", head.strip())
    assert code == 1
    assert f"ends with entry {last - 2}, and had {last}" in said
    left_out = copy(decided_home, tmp_path / "left-out")
    change(left_out, "DELETE FROM audit WHERE seq = 2")
    code, said = hitl("audit", "verify", "--home", str(left_out), "--head-file", str(tmp_path / "head"))
    assert code == 1
    assert "entry 2 is missing" in said
    swapped = copy(decided_home, tmp_path / "swapped")
    for old, new in ((2, -1), (3, 2), (-1, 3)):
        change(swapped, "UPDATE audit SET seq = ? WHERE seq = ?", (new, old))
    assert audit.verify(swapped / "hitl.db").head.seq == 1


def test_verify_finds_a_rewritten_log_by_its_saved_head(decided_home: Path, tmp_path: Path) -> None:
    saved = audit.read_head(hitl("audit", "head", "--home", str(decided_home))[1])
    home = copy(decided_home, tmp_path / "home")
    previous = ""
    with forging(home / "hitl.db") as db:
        rows = db.execute("SELECT seq, at, kind, actor, actor_kind, run, review, body FROM audit ORDER BY seq").fetchall()
        for seq, at, kind, actor, *rest in rows:
            who = "bob" if seq == 1 else actor
            previous = chained(previous, seq, at, kind, who, *rest)
            db.execute("UPDATE audit SET actor = ?, hash = ? WHERE seq = ?", (who, previous, seq))
    assert not audit.verify(home / "hitl.db").problem
    assert "another hash than the head that was saved" in audit.verify(home / "hitl.db", saved).problem


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE decisions SET kind = 'approve' WHERE id = 2", "decision 2 (review 2#1) is not what the log says"),
        ("UPDATE decisions SET actor = 'bob' WHERE id = 1", "decision 1 (review 1#1) is not what the log says"),
        ("UPDATE decisions SET at = at - 3600, viewed_ms = 60000 WHERE id = 1", "decision 1 (review 1#1) is not what the log says"),
        ("UPDATE decisions SET superseded = 0 WHERE id = 3", "decision 3 (review 3#1) is not what the log says"),
        ("UPDATE decisions SET superseded = 0, undone_at = NULL WHERE id = 3", "decision 3 (review 3#1) is not what the log says"),
        ("UPDATE decisions SET superseded = 1, undone_at = at WHERE id = 1", "decision 1 (review 1#1) is not what the log says"),
        ("DELETE FROM decisions WHERE id = 2", "decision 2 (review 2#1) is gone"),
        ("UPDATE actions SET args = replace(args, 'ann1', 'eve1')", "the action of decision 2 (review 2#1) is not what was decided"),
        ("UPDATE actions SET name = 'send_male' WHERE review = 3", "the action of decision 3 (review 3#1) is not what was decided"),
        (f"UPDATE actions SET args = '{{}}', digest = '{digest_of('send_mail', {})}'", "decision 1 (review 1#1) is not what was decided"),
        ("UPDATE actions SET args = 'no JSON' WHERE review = 1", "decision 1 (review 1#1) is not what was decided"),
        ("DELETE FROM actions WHERE review = 2", "the action of decision 2 (review 2#1) is gone"),
    ],
)
def test_verify_finds_a_changed_decision_or_action(decided_home: Path, tmp_path: Path, sql: str, said: str) -> None:
    home = copy(decided_home, tmp_path / "home")
    change(home, sql)
    assert said in audit.verify(home / "hitl.db").problem


@pytest.fixture(scope="session")
def full_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a row in every table that the log describes, and an open review."""
    import asyncio

    home = tmp_path_factory.mktemp("full")

    async def work() -> None:
        async with open_store(home / "hitl.db") as store:
            ann, bob = Inbox(store, "ann"), Inbox(store, "bob")
            two = Routed({0: Verdict(Outcome.ASK, "big", "much money", reviewers=2)})
            for number in range(4):
                await ann.runs.launch("mail", text="hello")
                await store.write("UPDATE runs SET state = 'running', worker = 'w' WHERE id = ?", (number + 1,))
                judge = (lambda _: two) if number == 2 else None
                await reconcile.reconcile(store, number + 1, "mail", "w", [pause(number)], {}, judge=judge)
            for id_ in (1, 3):
                await ann.reviews.decide(await ann.reviews.get(id_), {0: Answer(DecisionKind.APPROVE)})
            await reconcile.close(store, {1: ReviewOutcome(ReviewState.APPLIED, "")})
            await ann.feedback.rate(Subject(1, 1, 0), 1, "well done")
            await bob.reviews.escalate(4, "carol", "too large for me")
            await bob.agents.pause("mail")

    asyncio.run(work())
    assert audit.verify(home / "hitl.db").problem == ""
    return home


FORGED = {"args": '{"to":"eve"}', "digest": digest_of("send_mail", {"to": "eve"})}
OPEN_CHANGED = "UPDATE actions SET args = '{args}', digest = '{digest}' WHERE review = 4".format(**FORGED)


@pytest.mark.parametrize(
    ("sql", "said"),
    sampled(
        [
            ("DELETE FROM audit", "decision 1 (review 1#1) is not what the log says of it"),
            (OPEN_CHANGED, "the calls of review 4 are not those that were asked"),
            ("UPDATE actions SET reviewers = 1 WHERE review = 3", "the calls of review 3 are not those that were asked"),
            ("DELETE FROM actions WHERE review = 4", "the calls of review 4 are not those that were asked"),
            ("DELETE FROM reviews WHERE id = 4", "review 4 is in the log and gone from its table"),
            ("UPDATE reviews SET state = 'applied' WHERE id = 4", "review 4, or the log of how it ended,"),
            ("UPDATE reviews SET state = 'open' WHERE id = 1", "review 1, or the log of how it ended,"),
            ("UPDATE reviews SET kind = 'question' WHERE id = 4", "review 4 is not what the log says of it"),
            ("DELETE FROM runs WHERE id = 4", "run r4 is in the log and gone from its table"),
            ("UPDATE runs SET thread = 'x' WHERE id = 4", "run r4 is not what the log says of it"),
            ("DELETE FROM endorsements", "approval 1 is in the log and gone"),
            ("UPDATE endorsements SET actor = 'bob'", "approval 1 is not what the log says of it"),
            (
                "INSERT INTO endorsements (review, slot, kind, actor, actor_key, digest, effect, at) "
                "SELECT review, slot, kind, 'bob', 'bob', digest, effect, at FROM endorsements",
                "approval 2 is not what the log says of it, or the log says nothing",
            ),
            ("DELETE FROM feedback", "rating 1 is in the log and gone"),
            ("UPDATE feedback SET rating = -1", "rating 1 is not what the log says"),
            ("DELETE FROM escalations", "escalation of review 4 is in the log and gone"),
            ("UPDATE escalations SET actor = 'ann'", "escalation of review 4 is not what the log says"),
            (
                "INSERT INTO autonomy (agent, tool, was, level, actor, actor_kind, at, why) "
                "VALUES ('mail', 'send_mail', 'ask', 'auto', 'ann', 'person', 5.0, 'good')",
                "change 1 of an autonomy level is not what the log says",
            ),
            ("UPDATE sqlite_sequence SET seq = 9 WHERE name = 'decisions'", "decision 9 was made, and the last one in the log is 1"),
        ],
        gate=2,
    ),
)
def test_verify_finds_tables_and_log_that_disagree(full_home: Path, tmp_path: Path, sql: str, said: str) -> None:
    home = copy(full_home, tmp_path / "home")
    change(home, sql)
    assert said in audit.verify(home / "hitl.db").problem


@pytest.mark.parametrize(
    ("sql", "said"),
    sampled(
        [
            ("DROP TRIGGER audit_kept", "the trigger audit_kept is missing"),
            ("DROP TRIGGER audit_chained; CREATE TRIGGER audit_chained BEFORE INSERT ON audit BEGIN SELECT 1; END",
             "the trigger audit_chained was changed"),
            ("CREATE TRIGGER quiet AFTER INSERT ON decisions BEGIN DELETE FROM decisions; END", "the trigger quiet was added"),
            ("ALTER TABLE decisions ADD COLUMN more TEXT", "the table decisions was changed"),
            ("DROP TABLE endorsements", "the index endorsements_one is missing"),
            ("DROP INDEX decisions_slot", "the index decisions_slot is missing"),
            ("PRAGMA user_version = 1", "the schema is not the one of its version"),
        ]
    ),
)  # fmt: skip
def test_verify_finds_a_changed_schema(full_home: Path, tmp_path: Path, sql: str, said: str) -> None:
    home = copy(full_home, tmp_path / "home")
    with contextlib.closing(sqlite3.connect(home / "hitl.db", isolation_level=None)) as db:
        db.executescript(sql)
    code, out = hitl("audit", "verify", "--home", str(home))
    assert code == 1
    assert said in out


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("tool", {"Zürich": ["✓", "😀", 1e300, -0.0, 2**70, None, True, {"": {}}], "a": [], "A": "\x00\x7f\u2028"}),
        ("tool\ud800 \\d", {"x\udfff": "\ud800 😀"}),
        ("tool", {"\ud83d\ude00": "from two halves: \ud83d\ude00", "\uff00": [1]}),
        ("node", "a question"),
        ("node", None),
    ],
)
async def test_verify_accepts_undecided_actions_until_changed(tmp_path: Path, name: str, args: Any) -> None:
    action = Asked(0, name, args, tuple(DecisionKind), digest=digest_of(name, args))
    async with open_store(tmp_path / "hitl.db") as store:
        await Inbox(store, "ann").runs.launch("mail", text="hello")
        await store.write("UPDATE runs SET state = 'running', worker = 'w'")
        await reconcile.reconcile(store, 1, "mail", "w", [Pause("i", PauseKind.QUESTION, "node", (), args, (action,), Context())], {})
        assert audit.verify(store.path).problem == ""
        await store.write("UPDATE actions SET args = '[1]'")
        assert audit.verify(store.path).problem == "the action of review 1#1 is not what was asked: its row was changed"


async def test_call_whose_row_was_changed_cannot_be_decided(full_home: Path, tmp_path: Path) -> None:
    home = copy(full_home, tmp_path / "home")
    change(home, "UPDATE actions SET args = replace(args, 'ann3', 'eve3') WHERE review = 4")
    async with open_store(home / "hitl.db") as store:
        bob = Inbox(store, "bob")
        shown = await bob.reviews.get(4)
        with pytest.raises(Stale, match="not what the agent asked"):
            await bob.reviews.decide(shown, {0: Answer(DecisionKind.APPROVE)})
        assert (await bob.reviews.get(4)).row.state is ReviewState.OPEN


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE history SET kind = 'approve'", "decision 2 (review 2#1) is not in the history as it was made"),
        ("UPDATE history SET in_force = 1", "decision 3 (review 3#1) is not in the history as it was made"),
        ("UPDATE history SET decision = 7 WHERE decision = 3", "decision 7 (review 3#1) is not in the history as it was made"),
        ("DELETE FROM history WHERE decision = 1", "decision 1 (review 1#1) is gone from the history"),
    ],
)
async def test_verify_finds_a_changed_history_and_repair_rebuilds_it(decided_home: Path, tmp_path: Path, sql: str, said: str) -> None:
    home = copy(decided_home, tmp_path / "home")
    async with open_store(home / "hitl.db") as store:
        before, figures = await history.search(store, Filter()), await period_counts(store)
        assert audit.verify(store.path).problem == "" == "".join(await repair.rebuild_history(store, keep=True))
        change(home, sql)
        told = audit.verify(store.path).problem
        assert said in told and "doctor --repair" in told
        assert "the history was changed" in "".join(await repair.rebuild_history(store, keep=True))
        assert (await history.search(store, Filter()), await period_counts(store)) == (before, figures)
        assert [row.decision for row in await history.search(store, parse("by:ann ann1", 0))] == [2]
        assert audit.verify(store.path).problem == ""


async def test_verify_accepts_a_person_overriding_policy(tmp_path: Path) -> None:
    verdict = Routed({0: Verdict(Outcome.AUTO, "reading", "it only reads")})
    async with open_store(tmp_path / "hitl.db") as store:
        ann = Inbox(store, "ann")
        await ann.runs.launch("mail", text="hello")
        await store.write("UPDATE runs SET state = 'running', worker = 'w'")
        await reconcile.reconcile(store, 1, "mail", "w", [pause(1)], {}, judge=lambda _: verdict)
        await history.catch_up(store)
        await reconcile.close(store, {1: ReviewOutcome(ReviewState.OPEN, "may have run once", may_have_run=True)})
        await ann.reviews.decide(await ann.reviews.get(1), {0: Answer(DecisionKind.APPROVE)})
        assert audit.verify(store.path).problem == ""
        await history.catch_up(store)
        assert audit.verify(store.path).problem == ""
        assert await repair.rebuild_history(store, keep=False) == []


def test_verify_on_a_full_disk_is_explained(decided_home: Path, tmp_path: Path) -> None:
    mounting = 'mount -t tmpfs -o size=3m,mode=700 tmpfs "$1"'
    verifying = '"$3" -m hitl_tui audit verify --home "$1"'
    command = f'{mounting} && cp "$2/hitl.db" "$1" && {{ head -c 4000000 /dev/zero >"$1/ballast" 2>&-; {verifying}; }}'
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rm", "sh", "-c", mounting, "sh", tmp_path], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace of one's own is allowed here")
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", command, "sh", tmp_path, decided_home, sys.executable], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"the disk is full, and {tmp_path / 'hitl.db'} must grow; make room" in done.stderr


def test_audit_export_writes_all_or_nothing(decided_home: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit.jsonl"
    code, said = hitl("audit", "export", str(out), "--home", str(decided_home))
    assert code == 0
    assert [json.loads(line) for line in out.read_text().splitlines()] == list(audit.entries(decided_home / "hitl.db"))
    assert f"{len(out.read_text().splitlines())} entries" in said
    before = out.read_bytes()
    code, said = hitl("audit", "export", str(out), "--home", str(decided_home))
    assert code == 1
    assert "already" in said
    assert out.read_bytes() == before
    code, said = hitl("audit", "export", str(tmp_path / "nowhere" / "a.jsonl"), "--home", str(decided_home))
    assert code == 1
    assert "cannot be written" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.jsonl"]


@pytest.mark.parametrize("head", ["", "x", "12", "12 abc", "-1 " + "0" * 64])
def test_verify_with_an_invalid_head_is_refused(decided_home: Path, head: str) -> None:
    code, said = hitl("audit", "verify", "--home", str(decided_home), "--head", head)
    assert code == 1
    assert "is no head of the audit" in said


def test_verify_without_a_database_is_explained(tmp_path: Path) -> None:
    code, said = hitl("audit", "verify", "--home", str(tmp_path / "none"))
    assert code == 1
    assert "there is no" in said
