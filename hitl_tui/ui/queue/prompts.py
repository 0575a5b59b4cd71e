"""Opens the dialogs of `ui/dialogs/` that a decision in the queue needs, and keeps drafts of their texts; defines no dialog itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from textual.widget import Widget

from hitl_tui.argument_text import name_line
from hitl_tui.formatting import counted, until_time
from hitl_tui.model import ROUTES, Action, Answer, DecisionKind, Json, Outcome, ProposalVersion, Review, ReviewRow, ReviewState
from hitl_tui.sanitize import one_line
from hitl_tui.settings import Settings
from hitl_tui.ui.review import render
from hitl_tui.ui.runtime.key_queue import ask
from hitl_tui.ui.text.labels import Viewer

if TYPE_CHECKING:
    from hitl_tui.inbox import Inbox
    from hitl_tui.ui.dialogs.base import AnswerScreen, ReviewScreen
    from hitl_tui.ui.dialogs.decide_many import ManyDecision
    from hitl_tui.ui.dialogs.escalate import Names
    from hitl_tui.ui.queue.call_comparison import ReviewCall

T = TypeVar("T")
Reasons = Callable[[str, str], Awaitable[Sequence[str]]]
"""Reads the recent reasons for rejections of an agent's tool."""
PRESETS = 9
"""As many reasons as there are number keys."""


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """Options of a dialog that asks for a decision."""

    outside: bool = False
    """Open $EDITOR first."""
    again: bool = False
    """Send the call back for revision instead of rejecting it for good."""
    versions: Sequence[ProposalVersion] = ()
    """Earlier versions that went back and forth."""
    unseen_rows: int = 0
    """Lines of the call that have not been on the screen, to be named before it is approved."""
    person: str = ""
    """Who decides."""
    place: int | None = None
    """The listed answer to begin with, from 0."""


@dataclass
class Drafts:
    """Texts typed and not submitted, by review, slot and decision."""

    texts: dict[tuple[int, int, str], str] = field(default_factory=dict)

    def get(self, review: int, slot: int, what: str, otherwise: str = "") -> str:
        """The draft, else the given text."""
        return self.texts.get((review, slot, what), otherwise)

    def keep(self, review: int, slot: int, what: str, text: str) -> None:
        """Keep what was typed."""
        self.texts[review, slot, what] = text

    def forget(self, review: int) -> None:
        """Delete all drafts of a review."""
        for key in [key for key in self.texts if key[0] == review]:
            del self.texts[key]


class Prompts:
    """Opens dialogs for a view and returns what the person entered."""

    def __init__(self, owner: Widget, settings: Settings, reasons: Reasons) -> None:
        self._owner = owner
        self._settings = settings
        self._reasons = reasons
        self._drafts = Drafts()
        self._typed_filter = ""
        self._open: tuple[int, ReviewScreen[Any]] | None = None

    @property
    def asks_about(self) -> int | None:
        """The review a dialog is open about."""
        return self._open[0] if self._open else None

    @property
    def drafts(self) -> dict[tuple[int, int, str], str]:
        """Texts typed and not submitted, by review, slot and decision."""
        return self._drafts.texts

    def tell(self, review: Review, viewer: Viewer) -> None:
        """Show in an open dialog if somebody else has decided its review."""
        if self._open and self._open[0] == review.row.id:
            self._open[1].tell("" if review.row.state == ReviewState.OPEN else render.outcome(review, viewer))

    async def ask(self, review: Review, action: Action, kind: DecisionKind, options: PromptOptions) -> Answer | None:
        """Ask for a decision; None if the person went back."""
        if options.again:
            return await self._edit(review, action, kind, options)
        match kind:
            case DecisionKind.APPROVE:
                return await self._approve(review, action, options)
            case DecisionKind.REJECT:
                return await self._reject(review, action, options)
            case DecisionKind.EDIT:
                return await self._edit(review, action, kind, options)
            case DecisionKind.RESPOND:
                return await self._respond(review, action, options.place)

    async def _approve(self, review: Review, action: Action, options: PromptOptions) -> Answer | None:
        """Approve after a question that says what speaks against it, if anything does, and with the text that its template takes."""
        against = [f"{counted(options.unseen_rows, 'line')} of it were not seen."] if options.unseen_rows else []
        if action.outcome is Outcome.TAKEOVER:
            why = action.routed().removeprefix(f"{ROUTES[Outcome.TAKEOVER]}: ")
            against.append(f"The policy wants a person to take the run over (t), and not to approve this call: {why}.")
        if against:
            from hitl_tui.ui.dialogs.confirm import ConfirmScreen

            title = f"Approve {name_line(action.name, 60)} all the same?"
            screen = ConfirmScreen(title, "\n".join(against), yes="approve it as it is", no="back", calls=[action])
            if not await ask(self._owner, screen):
                return None
        template = action.templates.get(DecisionKind.APPROVE)
        if template is None or not template.takes_message:
            return Answer(DecisionKind.APPROVE)
        from hitl_tui.ui.dialogs.reject import ApproveScreen

        draft = self._drafts.get(review.row.id, action.slot, "approve")
        return await self._answer(review, action, "approve", ApproveScreen(action, (), draft, options.person))

    def forget(self, review: int) -> None:
        """Delete the drafts of a decided review."""
        self._drafts.forget(review)

    def done(self, review: int, what: str) -> None:
        """Delete a draft that was stored."""
        self._drafts.texts.pop((review, 0, what), None)

    def show_difference(self, action: Action, final: Json) -> None:
        """Show the difference between a proposal and its edit."""
        from hitl_tui.ui.dialogs.text_page import PageScreen
        from hitl_tui.ui.text.diff import difference_lines
        from hitl_tui.ui.text.lines import without_last_blank

        changes = list(without_last_blank(difference_lines(action.args, final)))
        self._owner.app.push_screen(PageScreen(f"{action.name}: proposal → edit", changes))

    async def decide_many(self, calls: Sequence[ReviewCall], viewer: Viewer, seen: Collection[str]) -> ManyDecision | None:
        """The decision of several calls at once, or None when the person went back. `seen`: digests that were read whole already."""
        from hitl_tui.ui.dialogs.decide_many import DecideManyScreen

        return await ask(self._owner, DecideManyScreen(calls, viewer, seen, self._settings.reject_reasons[:PRESETS]))

    async def choose(self, title: str, about: str, options: Sequence[str], at_once: bool = False) -> int | None:
        """The place of the option that the person chooses, or None when they went back. `at_once`: a number chooses without enter."""
        from hitl_tui.ui.dialogs.choice import ChoiceScreen

        return await ask(self._owner, ChoiceScreen(title, about, options, at_once))

    async def filter(self, now: str, inbox: Inbox, tried: Callable[[str], None]) -> str | None:
        """Ask for a filter; None if the person went back. `tried` is called with what is typed."""
        from hitl_tui.ui.dialogs.filter import FilterScreen

        reviews = inbox.reviews
        screen = FilterScreen("queue", now, self._typed_filter, tried, reviews.filter_values, reviews.filter_fields)
        wanted = await ask(self._owner, screen)
        self._typed_filter = screen.draft if wanted is None else ""
        return wanted

    async def _reject(self, review: Review, action: Action, options: PromptOptions) -> Answer | None:
        from hitl_tui.ui.dialogs.reject import RejectScreen

        learned = await self._reasons(review.row.agent, action.name)
        known = {reason.casefold() for reason in learned}
        presets = [*learned, *(reason for reason in self._settings.reject_reasons if reason.casefold() not in known)]
        draft = self._drafts.get(review.row.id, action.slot, "reject")
        screen = RejectScreen(action, presets[:PRESETS], draft, options.person)
        return await self._answer(review, action, "reject", screen)

    async def _edit(self, review: Review, action: Action, kind: DecisionKind, options: PromptOptions) -> Answer | None:
        from hitl_tui.ui.dialogs.edit import EditScreen

        what = "edit" if kind is DecisionKind.EDIT else "revise"
        draft = self._drafts.get(review.row.id, action.slot, what)
        screen = EditScreen(review.row.kind, action, draft, kind, options.versions, options.outside)
        return await self._answer(review, action, what, screen)

    async def _respond(self, review: Review, action: Action, place: int | None) -> Answer | None:
        from hitl_tui.ui.dialogs.respond import RespondScreen

        screen = RespondScreen(review.row.kind, action, self._drafts.get(review.row.id, action.slot, "respond"), place)
        return await self._answer(review, action, "respond", screen)

    async def why_claim(self, row: ReviewRow, actions: Sequence[Action], viewer: Viewer) -> str | None:
        """The reason for taking a review that somebody else has claimed; None if the person went back. `actions`: its calls, if known."""
        from hitl_tui.ui.dialogs.reason import ReasonScreen

        until = until_time(row.claimed_until or viewer.now, viewer.now)
        who = one_line(row.claimed_by or "", 40)
        text = f"Claimed by {who} {until}. If you take it, the reason is recorded in its history."
        screen = ReasonScreen(f"Claim {row.tools_told}", text, draft=self._drafts.get(row.id, 0, "claim"), calls=actions)
        return await self._about(row.id, 0, "claim", screen)

    async def escalation(self, row: ReviewRow, actions: Sequence[Action], names: Names) -> tuple[str, str] | None:
        """Recipient and note of an escalation; None if the person went back. `actions`: the calls of the review, if known."""
        from hitl_tui.ui.dialogs.escalate import EscalateScreen

        return await self._about(row.id, 0, "escalate", EscalateScreen(row, actions, names, self._drafts.get(row.id, 0, "escalate")))

    async def _answer(self, review: Review, action: Action, what: str, screen: AnswerScreen) -> Answer | None:
        return await self._about(review.row.id, action.slot, what, screen)

    async def _about(self, review: int, slot: int, what: str, screen: ReviewScreen[T]) -> T | None:
        self._open = (review, screen)
        try:
            return await ask(self._owner, screen)
        finally:
            self._open = None
            self._drafts.keep(review, slot, what, screen.draft)
