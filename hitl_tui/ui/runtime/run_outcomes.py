"""What became of runs: failures that the reviewer has not seen, and how the others ended."""

from __future__ import annotations

from collections.abc import Sequence

from hitl_tui.argument_text import name_line
from hitl_tui.inbox import Inbox
from hitl_tui.model import Run, RunFailure, RunState
from hitl_tui.sanitize import one_line
from hitl_tui.ui.runs.outcome import last_message
from hitl_tui.ui.text import labels
from hitl_tui.ui.widgets.status_line import Status


class RunOutcomes:
    """Knows what the status line, the header and the terminal tell of runs that ended."""

    def __init__(self, inbox: Inbox, since: float) -> None:
        """`since`: runs that ended before this Unix time are no news."""
        self._inbox = inbox
        self._told_until = since
        self.failures: Sequence[RunFailure] = ()
        """Unseen failures, newest first."""

    async def read(self) -> list[RunFailure]:
        """Read the unseen failures. Returns those that are new."""
        known = {(one.run, one.ended_at) for one in self.failures}
        self.failures = await self._inbox.runs.unseen_failures()
        return [one for one in self.failures if (one.run, one.ended_at) not in known]

    async def take(self, changed: Sequence[Run]) -> list[RunFailure]:
        """Take in runs that changed. Returns new failures."""
        known = {one.run for one in self.failures}
        if any(run.state == RunState.FAILED or run.id in known for run in changed):
            return await self.read()
        return []

    def ended(self, changed: Sequence[Run], runs_key: str) -> Status | None:
        """How the last of these runs ended that have not been told yet; None if none has."""
        done = [run for run in changed if run.state == RunState.DONE and (run.ended_at or 0) > self._told_until]
        if not done:
            return None
        last = max(done, key=lambda run: run.ended_at or 0)
        self._told_until = last.ended_at or 0
        message = last_message(last)
        text = f"✓ r{last.id} {one_line(last.agent, 40)} is done" + (f": {one_line(message, 200)}" if message else "")
        return Status(text, "muted", tail=f" · {runs_key} shows it")

    def failed(self, runs_key: str) -> Status | None:
        """The line on failures that concern the reviewer, which stays; None while there are none."""
        own = [one for one in self.failures if one.is_own]
        if not own:
            return None
        last, others = own[0], len(own) - 1
        more = f" · {others} more failed" if others else ""
        text = f"✗ r{last.run} failed{_after(last)}: {one_line(last.error, 200)}"
        return Status(text, "error", passing=False, tail=f"{more} · {runs_key} shows it")


def _after(failure: RunFailure) -> str:
    """What the reviewer did before, as the end of a clause."""
    if failure.decision is None:
        return ""
    return f" after you {labels.DECIDED[failure.decision][1]} {name_line(failure.tool, 40)}"
