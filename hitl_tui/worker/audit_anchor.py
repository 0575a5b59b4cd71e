"""Gives the end of the audit log to a command of the home's policy, every so many entries or minutes, so that a rewritten log is found."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from hitl_tui.errors import Storage
from hitl_tui.model import PROGRAM
from hitl_tui.notify import subprocess_runner
from hitl_tui.policy.schema import AuditSettings, Policy
from hitl_tui.store import Store, audit

POLL_S = 1.0
TIMEOUT_S = 30.0
LAST = "SELECT seq, at, body FROM audit WHERE seq > ? AND kind = 'anchored' ORDER BY seq DESC LIMIT 1"
HEAD = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class _Anchored:
    """The last time that the head was given away, or could not be."""

    entry: int = 0
    at: float = 0.0
    problem: str = ""


class AuditAnchor:
    """The worker's part in keeping heads elsewhere. Several workers may share it: the log says when one did it last."""

    def __init__(self, store: Store, policy: Callable[[], Policy | None]) -> None:
        """`policy` returns the home's policy."""
        self._store = store
        self._policy = policy
        self._last = _Anchored()
        self._tried_at = -TIMEOUT_S

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[AuditAnchor]:
        """Look in the background while the block lasts, and once more at its end."""
        serving = asyncio.ensure_future(self._serve())
        try:
            yield self
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def _serve(self) -> None:
        while True:
            with contextlib.suppress(Storage):  # the worker reports it
                await self.look()
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Give the head away if that is due; a failure is logged, and tried again later."""
        settings = (self._policy() or Policy()).audit
        if not settings.anchor or not self._is_due(settings):
            return
        self._tried_at = time.monotonic()
        [(seq, hash_)] = self._store.read_now(HEAD)
        head, problem = audit.AuditHead(seq, hash_), ""
        try:
            await subprocess_runner.run(settings.anchor, f"{head}\n", {}, TIMEOUT_S)
        except subprocess_runner.Failed as error:
            problem = error.reason.strip()[-500:] or "it failed"
            print(f"hitl-tui: the audit's head was not kept elsewhere: {problem}", file=sys.stderr, flush=True)
        if problem and problem == self._last.problem:
            return  # it was told
        async with self._store.transaction() as db:
            audit.note(db, time.time(), "anchored", PROGRAM, {"head": str(head), "problem": problem})

    def _is_due(self, settings: AuditSettings) -> bool:
        for entry, at, body in self._store.read_now(LAST, (self._last.entry,)):
            self._last = _Anchored(entry, at, str(json.loads(body)["problem"]))
        newest = next((seq for seq, _ in self._store.read_now(HEAD)), 0)
        new, waited_s = newest - self._last.entry, time.time() - self._last.at
        if self._last.problem:  # its own failures are no new entries
            return time.monotonic() - self._tried_at >= settings.after_s or (new > 0 and time.monotonic() - self._tried_at >= TIMEOUT_S)
        return new >= settings.every or (new > 0 and not 0 <= waited_s < settings.after_s)
