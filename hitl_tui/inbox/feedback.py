"""Ratings, now or later, and the reasons people give."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Feedback, Rating, Subject
from hitl_tui.sanitize import INVISIBLE
from hitl_tui.store import feedback

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox

LONGEST_COMMENT = 2000
"""Characters."""
MOST_TAGS = 10
LONGEST_TAG = 40
MOST_REASONS = 9
"""As many as there are keys for."""
LONGEST_REASON = 60
"""Characters: one line of a dialog at 80 columns."""


class Ratings:
    """What one reviewer thinks of decisions, messages and runs."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    async def rate(self, subject: Subject, rating: Rating, comment: str = "", tags: Sequence[str] = ()) -> Feedback:
        """Give a rating, with a comment and tags, in place of one's own older one on the subject. A tag with commas is several.

        Raises:
            Refused: there is no such decision, message or run, it is an attention check, or the words are too many.
        """
        comment = canonical_json.storable(comment.strip())
        if len(comment) > LONGEST_COMMENT:
            raise Refused(f"the comment has {len(comment):,} characters", f"at most {LONGEST_COMMENT:,} fit")
        given = await feedback.rate(self._store, subject, rating, comment, _normalize_tags(tags), self._inbox.reviewer)
        self._inbox.ring()
        return given

    async def withdraw(self, subject: Subject) -> None:
        """Take one's own rating back.

        Raises:
            Refused: this reviewer gave none.
        """
        if not await feedback.withdraw(self._store, subject, self._inbox.reviewer):
            raise Refused("you have not rated this", "nothing was changed")
        self._inbox.ring()

    def mine(self, subject: Subject) -> Feedback | None:
        """One's own rating on a subject, at once; None when there is none."""
        return feedback.of(self._store, subject, self._inbox.reviewer)

    async def of_run(self, run: int) -> list[Feedback]:
        """Everybody's ratings on a run, its messages and decisions, oldest first."""
        return await feedback.of_run(self._store, run)

    async def of_review(self, review: int) -> list[Feedback]:
        """Everybody's ratings on what was decided of a review, oldest first."""
        return await feedback.of_review(self._store, review)

    async def reasons(self, agent: str, tool: str) -> list[str]:
        """Why people rejected calls of an agent's tool lately: the most used first, then the latest; each in its latest spelling.

        Only what fits on a line and hides nothing, for it is offered to be said again.
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
