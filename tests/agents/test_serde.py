"""Untrusted checkpoints: reading imports and calls nothing, and restores the graphs' own types."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
from langgraph.checkpoint.serde import jsonplus

from hitl_tui.agents.serde import StrictSerializer
from hitl_tui.model import RunState
from tests.support.harness import Reviewer, SandboxFactory, open_reviewer, respond


@pytest.fixture
async def fresh_reviewer(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    async with open_reviewer(new_sandbox("types")) as reviewer:
        yield reviewer


@pytest.mark.parametrize("agent", ["orders", "made"])
async def test_state_types_survive_a_restart_of_the_worker(fresh_reviewer: Reviewer, agent: str) -> None:
    run = await fresh_reviewer.launch(agent, given={})
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    assert review.value["name"] == "tea"
    await fresh_reviewer.decide(review, respond(value="yes"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.result_of(run)
    (saw,) = fresh_reviewer.effects(run)
    assert saw == {
        "did": "types",
        "basket": "Basket",
        "items": ["Item", "Rare"],
        "grades": ["Grade", "poor"],
        "spot": "Spot",
        "year": 1666,
        "to": "Address",
        "street": "FINE",
        "extra": "dict",
        "rest": ["datetime", "UUID", "PosixPath"],
    }
    said = [line for line in fresh_reviewer.sandbox.worker_stderr().splitlines() if "Undeclared" in line]
    assert said, "what is not rebuilt is told"
    assert len(said) <= 2, "once by each worker"
    assert "goods.Undeclared, which no schema of these graphs names: it is read as plain data" in said[0]
    assert "allowed_msgpack_modules" not in fresh_reviewer.sandbox.worker_stderr(), "LangGraph's own warnings are not added to it"


async def test_task_results_and_send_arguments_keep_their_types(fresh_reviewer: Reviewer) -> None:
    function = await fresh_reviewer.launch("tasks", given={"street": "Elm"})
    nested = await fresh_reviewer.launch("nested", given={"streets": ["Oak", "Ash"]})
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    for run, count in ((function, 1), (nested, 2)):
        for review in await fresh_reviewer.open_reviews(run, count):
            await fresh_reviewer.decide(review, respond("yes"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.result_of(function)
    await fresh_reviewer.wait(nested)
    assert {"did": "task", "told": "Told", "basket": "Basket", "to": "Address"} in fresh_reviewer.effects(function)
    assert fresh_reviewer.effects(nested).count({"did": "carry", "parcel": "Parcel", "address": "Address"}) == 2


# Hostile files

KINDS: dict[str, tuple[int, Callable[[tuple[str, str], str], tuple[Any, ...]]]] = {
    "one argument": (jsonplus.EXT_CONSTRUCTOR_SINGLE_ARG, lambda what, path: (*what, path)),
    "positional": (jsonplus.EXT_CONSTRUCTOR_POS_ARGS, lambda what, path: (*what, (path,))),
    "keywords": (jsonplus.EXT_CONSTRUCTOR_KW_ARGS, lambda what, path: (*what, {"path": path})),
    "method": (jsonplus.EXT_METHOD_SINGLE_ARG, lambda what, path: ("pathlib", "Path", path, "mkdir")),
    "pydantic 1": (jsonplus.EXT_PYDANTIC_V1, lambda what, path: (*what, {"path": path})),
    "pydantic 2": (jsonplus.EXT_PYDANTIC_V2, lambda what, path: (*what, {"path": path}, "model_validate_json")),
}


def poison(kind: str, module: str, name: str, path: Path) -> bytes:
    code, arguments = KINDS[kind]
    return ormsgpack.packb(ormsgpack.Ext(code, ormsgpack.packb(arguments((module, name), str(path)))))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("module_name", [("os", "mkdir"), ("evil", "Evil")])
async def test_malicious_checkpoint_calls_and_imports_nothing(
    fresh_reviewer: Reviewer, tmp_path: Path, kind: str, module_name: tuple[str, str]
) -> None:  # fmt: skip
    sandbox, proof = fresh_reviewer.sandbox, tmp_path / "proof"
    sandbox.env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), sandbox.env.get("PYTHONPATH", "")])
    (tmp_path / "evil.py").write_text(f"import os\nos.mkdir({str(proof)!r})\nclass Evil:\n    def __init__(self, *a, **k): pass\n")
    run = await fresh_reviewer.launch("orders", given={})
    assert sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    bad = poison(kind, *module_name, proof)
    with contextlib.closing(sqlite3.connect(sandbox.home.checkpoints)) as db, db:
        db.execute("UPDATE writes SET value = ? WHERE channel = 'extra'", (bad,))
        for rowid, value in db.execute("SELECT rowid, checkpoint FROM checkpoints").fetchall():
            assert value
            whole = StrictSerializer().loads_typed(("msgpack", value))
            if "extra" in whole["channel_values"]:
                db.execute("UPDATE checkpoints SET checkpoint = ? WHERE rowid = ?", (with_extra(whole, bad), rowid))
    sandbox.start("--until-idle")
    await fresh_reviewer.decide(review, respond("go on"))
    assert sandbox.workers[-1].wait() == 0
    assert (await fresh_reviewer.inbox.runs.get(run.id)).state in (RunState.DONE, RunState.FAILED)
    assert not proof.exists()


def with_extra(checkpoint: dict[str, Any], bad: bytes) -> bytes:
    """Return the checkpoint with an added channel that has this packed value."""
    marker = "0123456789 a marker as long as no other"
    checkpoint["channel_values"]["extra"] = marker
    return StrictSerializer().dumps_typed(checkpoint)[1].replace(ormsgpack.packb(marker), bad)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "method"])
def test_malicious_checkpoint_works_on_langgraphs_serializer(tmp_path: Path, kind: str) -> None:
    """Otherwise the tests above would prove nothing. (LangGraph refuses methods by itself.)"""
    jsonplus.JsonPlusSerializer(allowed_msgpack_modules=True).loads_typed(("msgpack", poison(kind, "os", "mkdir", tmp_path / "proof")))
    assert (tmp_path / "proof").exists()


def test_old_json_format_is_read_as_data() -> None:
    text = b'{"lc": 2, "type": "constructor", "id": ["uuid", "UUID"], "kwargs": {"int": 5}}'
    assert StrictSerializer().loads_typed(("json", text))["id"] == ["uuid", "UUID"]
