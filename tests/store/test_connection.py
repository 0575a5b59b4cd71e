"""The database: created, also by several processes at once; refused when newer, damaged or locked."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hitl_tui.errors import BadHome, Busy, Stale
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, Context, DecisionKind, Pause, PauseKind, ReviewOutcome, ReviewState, Routed, RunState
from hitl_tui.store import Store, audit, connection, migrations, reconcile, reviews, runs, submissions
from hitl_tui.store.maintenance import integrity
from tests.ui.homes import seed


async def test_store_is_created_from_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hitl.db"
    async with Store.open(path) as store:
        assert await store.one("PRAGMA user_version") == (len(migrations.STEPS),)
        assert await store.one("PRAGMA journal_mode") == ("wal",)
        assert await store.one("PRAGMA synchronous") == (2,)
    assert path.stat().st_mode & 0o777 == 0o600
    async with Store.open(path, "NORMAL") as store:
        assert await store.one("PRAGMA synchronous") == (1,)


def test_home_that_others_may_read_is_made_private_unless_it_is_shared(tmp_path: Path) -> None:
    for name, shared in (("ours", False), ("mixed", True)):
        home = Home(tmp_path / name).prepare()
        home.database.touch()
        (home.path / ("letters.txt" if shared else "policy.toml")).touch()
        home.path.chmod(0o755)
        home.database.chmod(0o644)
        home.prepare()
        assert [path.stat().st_mode & 0o777 for path in (home.path, home.database)] == [0o755 if shared else 0o700, 0o600]


async def test_migration_step_is_applied_to_old_and_new_homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    async with Store.open(old):
        pass
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, lambda: "ALTER TABLE runs ADD COLUMN added TEXT"))
    for path in (old, new):
        async with Store.open(path) as store:
            assert await store.one("PRAGMA user_version") == (len(migrations.STEPS),)
            assert await store.all("SELECT added FROM runs") == []


async def test_migration_step_that_fails_leaves_the_schema_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "hitl.db"
    async with Store.open(path):
        pass
    broken = "ALTER TABLE runs ADD COLUMN added TEXT; INSERT INTO nowhere VALUES (1)"
    monkeypatch.setattr(migrations, "STEPS", (*migrations.STEPS, lambda: broken))
    with pytest.raises(BadHome):
        async with Store.open(path):
            pass
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(migrations.STEPS) - 1,)
        assert not any(row[1] == "added" for row in db.execute("PRAGMA table_info(runs)"))


@pytest.mark.parametrize(("application", "version"), [*((0, version) for version in range(1, 10)), (0x6869746C, 1)])
@pytest.mark.parametrize("is_killed", [False, True], ids=["closed", "killed"])
async def test_home_from_before_the_release_is_refused_and_untouched(
    tmp_path: Path, application: int, version: int, is_killed: bool
) -> None:
    """Development versions had other tables: `user_version` 1 to 9 without `application_id`, later another id."""
    path = tmp_path / "hitl.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(f"PRAGMA journal_mode = WAL; CREATE TABLE runs (id INTEGER PRIMARY KEY); PRAGMA application_id = {application}")
        db.execute(f"PRAGMA user_version = {version}")
        held = _files(tmp_path)
    if is_killed:  # its process died before the log was written into the file
        for name, data in held.items():
            (tmp_path / name).write_bytes(data)
    before = _files(tmp_path)
    with pytest.raises(BadHome, match=r"development version of hitl-tui from before 0\.1\.0.*choose a new home"):
        async with Store.open(path):
            pass
    with pytest.raises(BadHome, match="development version"):
        audit.verify(path)
    assert "development version" in integrity.problem(path)
    assert _files(tmp_path) == before


def _files(folder: Path) -> dict[str, bytes]:
    """Return the contents of database and write-ahead log; the `-shm` file is an index that readers may write."""
    return {one.name: one.read_bytes() for one in folder.iterdir() if not one.name.endswith("-shm")}


async def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hitl.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (text TEXT)")
    with pytest.raises(BadHome, match="database of another program"):
        async with Store.open(path):
            pass


async def test_store_can_be_created_by_several_processes_at_once(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys, pathlib\nfrom hitl_tui.store import Store\n"
        "async def main():\n    async with Store.open(pathlib.Path(sys.argv[1])) as s: print(await s.one('SELECT count(*) FROM runs'))\n"
        "sys.stdin.readline()\nasyncio.run(main())"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, str(tmp_path / "hitl.db"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
        )
        for _ in range(6)
    ]  # fmt: skip
    for out, err in await asyncio.gather(*(process.communicate(b"\n") for process in processes)):
        assert (out, err) == (b"(0,)\n", b"")


async def test_database_of_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    path = tmp_path / "hitl.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(migrations.STEPS) + 1}")
    with pytest.raises(BadHome, match="newer hitl-tui"):
        async with Store.open(path):
            pass
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


async def test_damaged_database_is_reported_on_open_and_later(tmp_path: Path) -> None:
    path = tmp_path / "hitl.db"
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(BadHome, match="damaged"):
        async with Store.open(path):
            pass
    path.unlink()
    with pytest.raises(BadHome, match="damaged"):
        async with Store.open(path):
            raise sqlite3.DatabaseError("database disk image is malformed")


async def test_locked_database_is_busy_and_works_after_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUSY_S", 0.1)
    async with Store.open(tmp_path / "hitl.db") as store:
        with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Busy, match="locked by another program"):
                await runs.insert(store, [runs.NewRun(None, "a", "t", "", {})])
            with pytest.raises(Busy):
                await store.write("DELETE FROM changes WHERE seq = 0")
            assert await runs.newest(store, 10) == [], "reading goes on"
            other.execute("ROLLBACK")
        assert await runs.insert(store, [runs.NewRun(None, "a", "t", "", {})]) == [1]


async def test_lone_surrogates_are_stored_as_escapes(tmp_path: Path) -> None:
    lone = "\ud800"
    async with Store.open(tmp_path / "hitl.db") as store:
        inbox = Inbox(store, "ann")
        (run,) = await inbox.runs.launch("a", text=f"do {lone}")
        await store.write("INSERT INTO projects (id, target, label, seen_at) VALUES (1, 't', 'l', 0)")
        taken = await runs.lease_next(store, "w", 1, ["a"], alone=True)
        assert taken
        action_of = Action(0, f"tool{lone}", {"x": lone}, tuple(DecisionKind), lone, tool_call=lone, digest="d")
        pause = Pause("i", PauseKind.TOOL_CALLS, lone, (lone,), {lone: lone}, (action_of,), Context(reasoning=lone, error=lone))
        await reconcile.reconcile(store, run.id, "a", "w", [pause], {})
        (row,) = await inbox.reviews.pending(10)
        assert row.title == "tool\\ud800"
        review = await inbox.reviews.get(row.id)
        assert review.actions[0].args == {"x": lone}
        assert (await inbox.reviews.context(row.id)).reasoning == lone


async def test_two_decisions_at_once_give_one_winner(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "hitl.db") as mine, Store.open(tmp_path / "hitl.db") as theirs:
        ann, bob = Inbox(mine, "ann"), Inbox(theirs, "bob")
        (run,) = await ann.runs.launch("a", text="x")
        await mine.write("INSERT INTO projects (id, target, label, seen_at) VALUES (1, 't', 'l', 0)")
        await runs.lease_next(mine, "w", 1, ["a"], alone=True)
        made = Action(0, "tool", {}, tuple(DecisionKind), digest="d")
        await reconcile.reconcile(mine, run.id, "a", "w", [Pause("i", PauseKind.TOOL_CALLS, "n", (), {}, (made,), Context())], {})
        (row,) = await ann.reviews.pending(10)
        review = await ann.reviews.get(row.id)
        said = [
            one.reviews.decide(review, {0: Answer(kind)})
            for _ in range(10)
            for one, kind in ((ann, DecisionKind.APPROVE), (bob, DecisionKind.REJECT))
        ]
        outcomes = await asyncio.gather(*said, return_exceptions=True)
        stale = [outcome for outcome in outcomes if isinstance(outcome, Stale)]
        assert len(stale) == 19
        (decision,) = (await ann.reviews.get(row.id)).decisions.values()
        assert all(f"by {decision.actor}" in str(error) for error in stale)


async def test_question_has_one_open_review_at_a_time(tmp_path: Path) -> None:
    question = Pause("q", PauseKind.QUESTION, "n", (), {}, (Action(0, "n", {}, tuple(DecisionKind), digest="q"),), Context())
    async with Store.open(tmp_path / "hitl.db") as store:
        await seed.add_many_reviews(store, 1)
        async with store.transaction() as db:
            first, _ = reviews.insert(db, 1, "a", question, Routed({}))
        for state in ("open", "decided", "submitted"):
            await store.write("UPDATE reviews SET state = ? WHERE id = ?", (state, first))
            with pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE constraint failed: reviews\.run"):
                async with store.transaction() as db:
                    reviews.insert(db, 1, "a", question, Routed({}))
        for number, state in enumerate(("applied", "stale", "expired", "failed")):
            await store.write("UPDATE reviews SET state = ? WHERE id = ?", (state, first + number))
            async with store.transaction() as db:
                assert reviews.insert(db, 1, "a", question, Routed({})) > (first + number, 0.0)


async def test_change_feed_reports_a_decision_once(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "hitl.db") as mine, Store.open(tmp_path / "hitl.db") as theirs:
        await seed.add_many_reviews(mine, 2)
        ann, bob = Inbox(mine, "ann", grace_s=60), Inbox(theirs, "bob")
        rev = await bob.revision()
        await ann.reviews.decide(await ann.reviews.get(2), {0: Answer(DecisionKind.APPROVE)})
        seen = await bob.changes(rev)
        assert [(row.id, row.state) for row in seen.reviews] == [(2, ReviewState.DECIDED)]
        assert not (await bob.changes(seen.rev)).reviews
        await ann.reviews.undo(2)
        assert [(row.id, row.state) for row in (await bob.changes(seen.rev)).reviews] == [(2, ReviewState.OPEN)]


async def test_run_is_leased_by_one_worker(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "hitl.db") as mine, Store.open(tmp_path / "hitl.db") as theirs:
        await mine.write("INSERT INTO projects (id, target, label, seen_at) VALUES (1, 't', 'l', 0)")
        await Inbox(mine, "ann").runs.launch("a", text="x", count=20)
        taken = await asyncio.gather(
            *(runs.lease_next(store, name, 1, ["a"], alone=True) for store, name in [(mine, "w"), (theirs, "v")] * 15)
        )
        ids = [run.id for run in taken if run]
        assert sorted(ids) == list(range(1, 21))
        assert {run.state for run in await runs.newest(mine, 100)} == {RunState.RUNNING}


async def test_run_leased_during_a_requeue_stays_with_its_worker(tmp_path: Path) -> None:
    """The worker's heartbeat requeues runs it no longer drives while its loop leases the next run."""
    async with Store.open(tmp_path / "hitl.db") as store:
        await store.write("INSERT INTO projects (id, target, label, seen_at) VALUES (1, 't', 'l', 0)")
        await Inbox(store, "ann").runs.launch("a", text="x", count=30)
        active: dict[int, str] = {}

        async def take() -> None:
            run = await runs.lease_next(store, "w", 1, ["a"], alone=True)
            assert run is not None
            active[run.id] = "driven"

        for _ in range(30):
            released, _ = await asyncio.gather(runs.release(store, "w", active.keys()), take())
            assert released == []
        assert {run.state for run in await runs.newest(store, 100)} == {RunState.RUNNING}
        del active[7]
        assert await runs.release(store, "w", active.keys()) == [7]


async def test_decision_is_not_rolled_back_with_another_transaction(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "hitl.db") as store:
        await store.write("INSERT INTO projects (id, target, label, seen_at) VALUES (1, 't', 'l', 0)")
        begun, inserted = asyncio.Event(), asyncio.Event()

        async def fail() -> None:
            async with store.transaction():
                begun.set()
                await asyncio.sleep(0.05)
                assert not inserted.is_set(), "a statement got in between"
                raise ZeroDivisionError

        async def write() -> None:
            await begun.wait()
            await store.write("UPDATE projects SET label = 'kept'")
            inserted.set()

        failed, _ = await asyncio.gather(fail(), write(), return_exceptions=True)
        assert isinstance(failed, ZeroDivisionError)
        assert (await store.one("SELECT label FROM projects"))[0] == "kept"


async def steps_of_an_idle_look(path: Path, waiting: int) -> int:
    """Return the work of an idle worker's poll, in thousands of SQLite virtual machine steps."""
    async with Store.open(path) as store:
        await seed.add_many_reviews(store, waiting)
        steps = itertools.count()
        store.read_now("SELECT 1")
        store._writer.set_progress_handler(lambda: next(steps) and None, 100)  # reads at once too
        await store.db.set_progress_handler(lambda: next(steps) and None, 100)
        assert submissions.ready(store, 1, ["mail_assistant"], ()) is None
        assert await runs.lease_next(store, "w", 1, ["mail_assistant"], alone=True) is None
        assert not await runs.work_left(store, 1, ["mail_assistant"])
        assert runs.cancelling(store, "w") == []
        assert len(await reviews.waiting(store, 10)) == 10
        return next(steps)


@pytest.mark.slow
async def test_idle_worker_poll_costs_the_same_with_many_waiting(tmp_path: Path) -> None:
    """The cost depends on the work to do, not on the number of rows."""
    few = await steps_of_an_idle_look(tmp_path / "few.db", 100)
    assert await steps_of_an_idle_look(tmp_path / "many.db", 20_000) <= few * 2 + 5


async def test_write_is_visible_while_the_queue_is_being_read(tmp_path: Path) -> None:
    async with Store.open(tmp_path / "hitl.db") as store:
        inbox, project = Inbox(store, "ann"), await seed.add_project(store)
        for _ in range(20):
            await seed.add_waiting_run(store, project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail()))

        async def read() -> None:
            while True:
                assert len(await inbox.reviews.open_ids()) == 20

        reading = [asyncio.ensure_future(read()) for _ in range(4)]
        for _ in range(100):
            assert (await inbox.runs.launch("later", given={}))[0].state is RunState.QUEUED
        assert not any(one.done() for one in reading)
        for one in reading:
            one.cancel()
        await asyncio.wait(reading)


async def test_repeated_question_after_a_repeated_gate_is_marked(tmp_path: Path) -> None:
    question = Pause("q", PauseKind.QUESTION, "n", (), {}, (Action(0, "n", {}, tuple(DecisionKind), digest="q"),), Context())
    gate = Pause("g", PauseKind.GATE, "n", (), {}, (Action(0, "n", {}, tuple(DecisionKind), digest="g"),), Context())
    outcomes: dict[int, ReviewOutcome] = {}
    async with Store.open(tmp_path / "hitl.db") as store:
        ann = Inbox(store, "ann")
        (run,) = await ann.runs.launch("a", text="x")
        for number, pause in enumerate(
            (question, gate, question, replace(gate, note="may have run once: cut off", may_have_run=True), question), 1
        ):
            await store.write("UPDATE runs SET state = 'running', worker = 'w'")
            await reconcile.reconcile(store, run.id, "a", "w", [replace(pause, interrupt=f"{pause.interrupt}{number}")], outcomes)
            review = await ann.reviews.get(number)
            assert review.row.note.startswith("may have run once") is (number > 3)
            await ann.reviews.decide(review, {0: Answer(DecisionKind.APPROVE)})
            await store.write("UPDATE reviews SET state = 'submitted', submitted_at = 1.0, submitted_by = 'w' WHERE id = ?", (number,))
            outcomes = {number: ReviewOutcome(ReviewState.APPLIED)}


async def test_second_connection_does_not_release_the_first_ones_locks(tmp_path: Path) -> None:
    path = tmp_path / "hitl.db"
    visit = f"import sqlite3; db = sqlite3.connect({str(path)!r}); db.execute('SELECT count(*) FROM runs').fetchone(); db.close()"
    async with Store.open(path) as first, Store.open(path):
        await first.write("UPDATE runs SET title = title")
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", visit], check=True
        )  # if it took itself for the last one, it would delete the log
        assert path.with_name("hitl.db-wal").exists()
