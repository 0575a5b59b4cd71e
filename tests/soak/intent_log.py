"""Log of what a reviewer intends and its outcome: one line before and one after, so a kill loses at most the second."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hitl_tui.errors import HitlError
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, Review
from tests.support.set_clock import true_time


class IntentLog:
    """A file of JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, verb: str, phase: str, **more: Any) -> None:
        """Append a line."""
        with self._path.open("ab", buffering=0) as file:
            file.write(json.dumps({"verb": verb, "phase": phase, "at": true_time(), **more}).encode() + b"\n")

    async def decide(self, inbox: Inbox, review: Review, answers: Mapping[int, Answer]) -> bool:
        """Decide and log it. Returns whether it was accepted."""
        slots = {slot: {"kind": said.kind, "args": said.args, "message": said.message} for slot, said in answers.items()}
        about = {"review": review.row.id, "run": review.row.run, "mark": review.row.note, "actor": inbox.reviewer, "slots": slots}
        return await self._act("decide", about, inbox.reviews.decide(review, answers, viewed_ms=1))

    async def undo(self, inbox: Inbox, review: int) -> bool:
        """Undo and log it."""
        return await self._act("undo", {"review": review, "actor": inbox.reviewer}, inbox.reviews.undo(review))

    async def retry(self, inbox: Inbox, run: int) -> bool:
        """Retry a run and log it."""
        return await self._act("retry", {"run": run, "actor": inbox.reviewer}, inbox.runs.retry(run))

    async def cancel(self, inbox: Inbox, run: int) -> bool:
        """Cancel a run and log it."""
        return await self._act("cancel", {"run": run, "actor": inbox.reviewer}, inbox.runs.cancel(run))

    async def _act(self, verb: str, about: dict[str, Any], doing: Any) -> bool:
        self.note(verb, "try", **about)
        try:
            await doing
        except HitlError as error:
            self.note(verb, "lost", why=str(error), **about)
            return False
        self.note(verb, "done", **about)
        return True
