"""Ratings of decisions, messages and runs, and the reasons people give for rejections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Feedback, Rating, Role, Subject
from hitl_tui.sanitize import INVISIBLE
from hitl_tui.store import feedback

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox

LONGEST_COMMENT = 2000
"""Characters."""
MOST_TAGS = 10
LONGEST_TAG = 40
MOST_REASONS = 9
"""One for each of the keys 1 to 9."""
LONGEST_REASON = 60
"""Characters: one line of a dialog at 80 columns."""


class Ratings:
    """One reviewer's ratings of decisions, messages and runs."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    async def rate(self, subject: Subject, rating: Rating, comment: str = "", tags: Sequence[str] = ()) -> Feedback:
        """Rate a subject, with a comment and tags. This replaces this reviewer's earlier rating. A tag with commas is several tags.

        Raises:
            Refused: there is no such decision, message or run, it is an attention check, or the comment or tags are too long.
        """
        await self._inbox.require(Role.DECIDE, "rate")
        comment = canonical_json.storable(comment.strip())
        if len(comment) > LONGEST_COMMENT:
            raise Refused(f"the comment has {len(comment):,} characters", f"at most {LONGEST_COMMENT:,} fit")
        given = await feedback.rate(self._store, subject, rating, comment, _normalize_tags(tags), self._inbox.reviewer)
        self._inbox.ring()
        return given

    async def withdraw(self, subject: Subject) -> None:
        """Withdraw this reviewer's rating.

        Raises:
            Refused: this reviewer gave none.
        """
        if not await feedback.withdraw(self._store, subject, self._inbox.reviewer):
            raise Refused("you have not rated this", "nothing was changed")
        self._inbox.ring()

    def mine(self, subject: Subject) -> Feedback | None:
        """This reviewer's rating of a subject; None if there is none. Synchronous."""
        return feedback.of(self._store, subject, self._inbox.reviewer)

    async def of_run(self, run: int) -> list[Feedback]:
        """Everybody's ratings of a run, its messages and decisions, oldest first."""
        return await feedback.of_run(self._store, run)

    async def of_review(self, review: int) -> list[Feedback]:
        """Everybody's ratings of the decisions on a review, oldest first."""
        return await feedback.of_review(self._store, review)

    async def reasons(self, agent: str, tool: str) -> list[str]:
        """Reasons of recent rejections of a tool's calls: the most used first, then the latest; each in its latest spelling.

        Only reasons that fit on a line and have no invisible characters, because they are offered for reuse.
        """
        counts: dict[str, int] = {}
        spelled: dict[str, str] = {}
        for message in feedback.reasons(self._store, agent, tool):
            text = " ".join(message.split())
            if 0 < len(text) <= LONGEST_REASON and not INVISIBLE.search(text):
                counts[text.casefold()] = counts.get(text.casefold(), 0) + 1
                spelled.setdefault(text.casefold(), text)
        return [spelled[key] for key in sorted(counts, key=lambda key: -counts[key])][:MOST_REASONS]


def _normalize_tags(tags: Iterable[str]) -> list[str]:
    """Lower case, single blanks, each once.

    Raises:
        Refused: too many, or one too long.
    """
    parts = (" ".join(canonical_json.storable(part).lower().split()) for tag in tags for part in tag.split(","))
    found = list(dict.fromkeys(filter(None, parts)))
    if len(found) > MOST_TAGS:
        raise Refused(f"{len(found)} tags are too many", f"at most {MOST_TAGS} say something")
    for tag in found:
        if len(tag) > LONGEST_TAG:
            raise Refused(f"the tag {tag[:LONGEST_TAG]!r}… is too long", f"at most {LONGEST_TAG} characters; say more in the comment")
    return found
