"""The checkpoint saver with group commits: LangGraph's own conformance suite, its file format, and what its docstring promises."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import sqlite3
import time
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointMetadata, empty_checkpoint
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from hitl_tui.agents import checkpoint_saver
from hitl_tui.agents.checkpoint_saver import CheckpointSaver
from hitl_tui.agents.checkpoints import open_checkpoints
from hitl_tui.errors import Busy
from hitl_tui.home import Home
from hitl_tui.store.maintenance import integrity
from tests.support.empty_database import open_store
from tests.support.harness import commits_in
from tests.support.properties import examples

METADATA: CheckpointMetadata = {"source": "loop", "step": 1}


@contextlib.asynccontextmanager
async def opened(path: Path, busy_s: float = 15.0) -> AsyncIterator[CheckpointSaver]:
    async with open_checkpoints(path, busy_s) as saver:
        await saver.setup()
        yield saver


@pytest.fixture
async def saver(tmp_path: Path) -> AsyncIterator[CheckpointSaver]:
    async with opened(tmp_path / "checkpoints.db") as found:
        yield found


def at(thread: str, number: int | None = None) -> RunnableConfig:
    """The config of a thread, or of the checkpoint with this number."""
    place = {} if number is None else {"checkpoint_id": f"{number:04}"}
    return {"configurable": {"thread_id": thread, "checkpoint_ns": "", **place}}


async def put(saver: BaseCheckpointSaver[Any], thread: str, number: int, value: Any = None) -> None:
    await saver.aput(at(thread), {**empty_checkpoint(), "id": f"{number:04}", "channel_values": {"value": value}}, METADATA, {})


async def newest(saver: BaseCheckpointSaver[Any], thread: str) -> int:
    """The number of a thread's newest checkpoint; 0 if it has none."""
    found = await saver.aget_tuple(at(thread))
    return int(found.checkpoint["id"]) if found else 0


def numbers_in(path: Path, thread: str) -> list[int]:
    """The numbers of a thread's checkpoints as another process sees them."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [int(id_) for (id_,) in db.execute("SELECT checkpoint_id FROM checkpoints WHERE thread_id = ? ORDER BY 1", (thread,))]


# LangGraph's contract


@pytest.mark.slow
async def test_conformance_suite_passes_as_with_langgraphs_own_saver(tmp_path: Path) -> None:
    conformance: Any = pytest.importorskip("langgraph.checkpoint.conformance")

    async def ours() -> AsyncIterator[CheckpointSaver]:
        async with opened(tmp_path / f"{time.monotonic_ns()}.db") as saver:
            yield saver

    async def langgraphs() -> AsyncIterator[AsyncSqliteSaver]:
        async with AsyncSqliteSaver.from_conn_string(":memory:") as saver:
            yield saver

    report, expected = [await conformance.validate(conformance.checkpointer_test(name="saver")(made)) for made in (ours, langgraphs)]
    assert report.passed_all_base(), report.to_dict()
    assert report.results == expected.results


async def test_file_has_the_rows_that_langgraphs_own_saver_writes(saver: CheckpointSaver, tmp_path: Path) -> None:
    checkpoint: Any = {**empty_checkpoint(), "id": "0001", "channel_values": {"messages": ["hi", {"é": 1.5}], "none": None}}
    async with AsyncSqliteSaver.from_conn_string(f"{tmp_path}/stock.db") as stock:
        for one in (saver, stock):
            config: RunnableConfig = {
                "configurable": {"thread_id": "t", "checkpoint_ns": "", "hitl_run": 3},
                "metadata": {"a": "b\0"},
            }
            stored = await one.aput(config, checkpoint, {"source": "input", "step": -1, "parents": {}}, {})
            await one.aput_writes(stored, [("messages", "x"), ("__interrupt__", ("asked",))], "task", "~path")
            await one.aput_writes(stored, [("messages", "again")], "task")  # is ignored
            await one.aput_writes(stored, [("__resume__", 1)], "task")
            await one.aput_writes(stored, [("__resume__", 2)], "task")  # replaces
            await one.aput_writes({"configurable": {**stored["configurable"], "checkpoint_ns": "sub:1"}}, [("a", 1)], "other")
    with contextlib.closing(sqlite3.connect(saver.path)) as mine, contextlib.closing(sqlite3.connect(tmp_path / "stock.db")) as other:
        own = "hitl_"  # the table of leases and the index of checkpoints out of order, which LangGraph does not know
        assert [line for line in mine.iterdump() if own not in line] == list(other.iterdump())


# What is promised


async def test_nothing_is_written_before_what_it_follows_from(tmp_path: Path) -> None:
    path, found = tmp_path / "checkpoints.db", list[list[int]]()
    async with open_checkpoints(path, before_write=lambda: found.append(numbers_in(path, "a"))) as saver:
        await saver.setup()
        await put(saver, "a", 1)
        await saver.aput_writes(at("a", 1), [("value", "b")], "task")
        await saver.adelete_thread("a")
        assert found == [[], [1], [1]]


async def test_put_when_it_returns_is_seen_by_other_processes(saver: CheckpointSaver) -> None:
    for number in (1, 2, 3):
        await put(saver, "t", number)
        assert numbers_in(saver.path, "t")[-1] == number


OPERATIONS = st.lists(st.tuples(st.sampled_from(("put", "writes", "delete", "read", "cancelled put")), st.sampled_from("ab")), max_size=30)


@given(chosen=OPERATIONS)
@examples(0.3)
async def test_order_of_calls_is_kept_and_reads_see_what_was_put_before(chosen: list[tuple[str, str]], tmp_path: Path) -> None:
    path = tmp_path / f"{time.monotonic_ns()}.db"
    after: dict[str, list[int]] = {"a": [0], "b": [0]}  # by thread, the newest checkpoint after each operation so far
    reads: list[tuple[str, int, asyncio.Future[int]]] = []
    writing: list[asyncio.Future[Any]] = []
    async with opened(path) as saver:
        for number, (kind, thread) in enumerate(chosen, 1):
            last = after[thread][-1]
            match kind:
                case "read":
                    reads.append((thread, len(after[thread]) - 1, asyncio.ensure_future(newest(saver, thread))))
                case "delete":
                    writing.append(asyncio.ensure_future(saver.adelete_thread(thread)))
                    after[thread].append(0)
                case "writes":
                    writing.append(asyncio.ensure_future(saver.aput_writes(at(thread, last), [("x", 1)], f"task{number}")))
                case _:
                    writing.append(asyncio.ensure_future(put(saver, thread, number)))
                    after[thread].append(number)
            if kind == "cancelled put":
                await asyncio.sleep(0)  # it has begun
                writing.pop().cancel()
        await asyncio.gather(*writing)
        for thread, place, found in reads:
            assert await found in after[thread][place:]
    for thread, states in after.items():
        assert (numbers_in(path, thread) or [0])[-1] == states[-1]


async def test_puts_of_many_runs_share_transactions(saver: CheckpointSaver) -> None:
    before = commits_in(saver.path)
    await asyncio.gather(*(put(saver, f"t{n}", 1) for n in range(200)))
    assert commits_in(saver.path) - before < 20
    assert all([await newest(saver, f"t{n}") == 1 for n in range(200)])


async def test_transactions_are_bounded_in_bytes(saver: CheckpointSaver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint_saver, "BATCH_BYTES", 10_000)
    before = commits_in(saver.path)
    await asyncio.gather(*(put(saver, f"t{n}", 1, "x" * 6_000) for n in range(20)))
    assert commits_in(saver.path) - before >= 10


async def test_put_that_fails_does_not_fail_those_stored_with_it(saver: CheckpointSaver) -> None:
    bad: Any = object()
    await put(saver, "t", 1)
    tasks = [saver.aput_writes(at("t", 1), [("x", n), ("y", n)], bad if n == 5 else f"task{n}") for n in range(10)]
    errors = [type(one) for one in await asyncio.gather(*tasks, return_exceptions=True)]
    assert errors == [type(None)] * 5 + [sqlite3.ProgrammingError] + [type(None)] * 4
    found = await saver.aget_tuple(at("t"))
    assert found and {task for task, *_ in found.pending_writes or ()} == {f"task{n}" for n in range(10) if n != 5}


async def test_cancelled_put_is_stored_whole(saver: CheckpointSaver) -> None:
    await put(saver, "t", 1)
    task = asyncio.ensure_future(saver.aput_writes(at("t", 1), [("x", 1), ("y", 2), ("z", 3)], "task"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    found = await saver.aget_tuple(at("t"))
    assert found and [value for *_, value in found.pending_writes or ()] == [1, 2, 3]


async def test_list_that_is_not_read_on_holds_up_nobody(saver: CheckpointSaver) -> None:
    for number in range(1, 6):
        await put(saver, "t", number)
    listing = saver.alist(at("t"))
    assert (await anext(listing)).checkpoint["id"] == "0005"
    await put(saver, "t", 6)
    with contextlib.closing(sqlite3.connect(saver.path, isolation_level=None, timeout=0)) as other:
        other.execute("DELETE FROM checkpoints WHERE checkpoint_id = '0003'")
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0  # no reader is in its way
    assert [one.checkpoint["id"] async for one in listing] == ["0004", "0002", "0001"]


async def test_other_processes_read_and_write_the_same_file(saver: CheckpointSaver) -> None:
    async with AsyncSqliteSaver.from_conn_string(f"{saver.path}") as other:
        for number in range(1, 20, 2):
            await asyncio.gather(put(saver, "t", number), put(other, "u", number))
            assert (await newest(other, "t"), await newest(saver, "u")) == (number, number)


async def test_put_while_another_process_writes_waits_for_it_or_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path / "checkpoints.db", busy_s=0.05) as saver:
        with contextlib.closing(sqlite3.connect(saver.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            failed = await asyncio.gather(*(put(saver, "t", number) for number in range(1, 5)), return_exceptions=True)
            assert [type(error) for error in failed] == [Busy] * 4
            assert await newest(saver, "t") == 0
            other.execute("ROLLBACK")
        await put(saver, "t", 1)
        assert await newest(saver, "t") == 1


async def test_code_in_other_threads_and_loops_puts_and_reads(saver: CheckpointSaver) -> None:
    def synchronously() -> list[str]:
        checkpoint = {**empty_checkpoint(), "id": "0001"}
        saver.put_writes(saver.put(at("t"), checkpoint, METADATA, {}), [("x", 1)], "task")  # type: ignore[arg-type]
        return [one.checkpoint["id"] for one in saver.list(at("t"))]

    def on_a_loop_of_its_own() -> int:
        async def work() -> int:
            await asyncio.gather(*(put(saver, "t", number) for number in range(2, 9)))
            return await newest(saver, "t")

        return asyncio.run(work())

    assert await asyncio.to_thread(synchronously) == ["0001"]
    assert await asyncio.to_thread(on_a_loop_of_its_own) == 8


async def test_closing_stores_what_is_queued_and_refuses_more(tmp_path: Path) -> None:
    async with opened(tmp_path / "checkpoints.db") as saver:
        tasks = [asyncio.ensure_future(put(saver, "t", number)) for number in range(1, 30)]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert numbers_in(saver.path, "t") == list(range(1, 30))
    with pytest.raises(sqlite3.ProgrammingError):
        await put(saver, "t", 30)


async def test_home_whose_path_looks_like_a_uri_is_used(tmp_path: Path) -> None:
    home = Home(tmp_path / "50%41 of #1?mode=rw").prepare()
    async with opened(home.checkpoints) as saver, open_store(home.database):
        await put(saver, "t", 1)
        assert await newest(saver, "t") == 1
        assert saver.direct_reader.namespaces_below("t", "") == [""]
        assert integrity.problem(home.checkpoints) == integrity.problem(home.database) == ""
    assert integrity.problem_at_start(home.checkpoints) == ""


# Killed


def put_until_killed(path: Path, acknowledged: Connection) -> None:
    """Put checkpoints, each with two writes, in four threads at a time, and tell of every one that is stored."""

    async def one_run(saver: CheckpointSaver, thread: str) -> None:
        for number in range(1, 10_000):
            await put(saver, thread, number, "x" * 500)
            acknowledged.send(("checkpoint", thread, number))
            await saver.aput_writes(at(thread, number), [("a", number), ("b", number)], "task")
            acknowledged.send(("writes", thread, number))

    async def work() -> None:
        async with opened(path) as saver:
            await asyncio.gather(*(one_run(saver, f"t{n}") for n in range(4)))

    asyncio.run(work())


@pytest.mark.slow
@given(after=st.integers(0, 60), wait_us=st.integers(0, 3000))
@examples(0.2)  # 1,000 with `--full`
def test_kill_at_any_moment_loses_nothing_that_was_acknowledged(after: int, wait_us: int, tmp_path: Path) -> None:
    path = tmp_path / f"{time.monotonic_ns()}.db"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=put_until_killed, args=(path, theirs))
    process.start()
    theirs.close()
    told = [ours.recv() for _ in range(after + 1)]
    time.sleep(wait_us / 1_000_000)  # the moment is what is drawn
    process.kill()
    with contextlib.suppress(EOFError):
        while True:
            told.append(ours.recv())
    process.join()
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        checkpoints = set(db.execute("SELECT 'checkpoint', thread_id, CAST(checkpoint_id AS INTEGER) FROM checkpoints"))
        counts = db.execute("SELECT thread_id, CAST(checkpoint_id AS INTEGER), count(*) FROM writes GROUP BY 1, 2").fetchall()
    assert {count for *_, count in counts} <= {2}, "half of a put was stored"
    assert set(told) <= checkpoints | {("writes", thread, number) for thread, number, _ in counts}
