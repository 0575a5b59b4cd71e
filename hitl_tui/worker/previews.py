"""Calls the preview functions of tools for open reviews, in the background: one that hangs delays only itself."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from hitl_tui import canonical_json
from hitl_tui.errors import Storage
from hitl_tui.home import Home
from hitl_tui.model import Json, PauseKind, RemarkSource
from hitl_tui.previews import REGISTRY, Registered
from hitl_tui.store import Store, remarks
from hitl_tui.store.remarks import CallWithoutRemark
from hitl_tui.worker.output_capture import current_run
from hitl_tui.worker.review_jobs import ReviewJobs

KINDS = [kind.value for kind in PauseKind if kind.is_tool_call]
BUSY = "too many previews have not ended"
STORE_RETRY_S = 1.0


class Previews(ReviewJobs[tuple[int, int]]):
    """Makes the previews of one project. Several workers may make the same one: the first that is stored counts."""

    def __init__(self, store: Store, project: int, home: Home, explain: Callable[[BaseException], str], ring: Callable[[], None]) -> None:
        """`explain` makes a sentence of an agent's exception."""
        super().__init__()
        self._store = store
        self._project = project
        self._home = home
        self._explain = explain
        self._ring = ring
        self._after = 0
        """Reviews up to this one are known to have all their previews."""
        self._threads = 0
        """One that does not end stays counted, because Python cannot stop it."""

    def start(self) -> bool:
        tools = REGISTRY.tools
        if not tools or self.room < 1:
            return False
        newest = remarks.newest_review(self._store)
        if newest == self._after:
            return False
        missing = [call for call in self._missing(tools) if call.key not in self.jobs]
        if not missing and not self.jobs:
            self._after = newest
        for call in missing[: self.room]:
            self.begin(call.key, self._make(call))
        return bool(missing)

    def _missing(self, tools: Sequence[str]) -> Iterator[CallWithoutRemark]:
        """Open calls without a preview that have a function for one."""
        found = remarks.without(self._store, self._project, RemarkSource.PREVIEW, KINDS, self._after, tools)
        return (call for call in found if REGISTRY.of(call.agent, call.tool))

    async def _make(self, call: CallWithoutRemark) -> None:
        body, problem = await self._shown(call)
        while True:
            try:
                await remarks.add(self._store, call.review, call.slot, RemarkSource.PREVIEW, body, problem, time.time())
                break
            except Storage:
                await asyncio.sleep(STORE_RETRY_S)
        self._ring()

    async def _shown(self, call: CallWithoutRemark) -> tuple[Json, str]:
        """What the preview of a call shows, and why it shows nothing."""
        function = REGISTRY.of(call.agent, call.tool)
        if function is None or not isinstance(call.args, dict):
            return None, "its arguments are no object"
        if self._threads >= self.CONCURRENCY:
            return None, BUSY
        try:
            body, error = await asyncio.wait_for(self._in_thread(function, call), function.timeout_s)
        except TimeoutError:
            return None, f"it took longer than {function.timeout_s:g} s"
        return body, f"it failed: {canonical_json.one_line(self._explain(error), 300)}" if error else ""

    def _in_thread(self, function: Registered, call: CallWithoutRemark) -> asyncio.Future[tuple[Json, BaseException | None]]:
        """Call the function in a thread of its own, whose output goes to the log of the run."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Json, BaseException | None]] = loop.create_future()
        config = {"configurable": {"thread_id": call.thread, "hitl_workdir": str(self._home.workdir(call.thread))}}
        args = call.args if isinstance(call.args, dict) else {}

        def settle(body: Json, error: BaseException | None) -> None:
            self._threads -= 1
            if not future.done():
                future.set_result((body, error))

        def work() -> None:
            current_run.set(call.run)
            body: Json = None
            failed: BaseException | None = None
            try:
                body = function.run(args, config)
            except BaseException as error:  # noqa: BLE001 - a preview is the agent's code
                failed = error
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, body, failed)

        self._threads += 1
        threading.Thread(target=contextvars.Context().run, args=(work,), name="preview", daemon=True).start()
        return future
