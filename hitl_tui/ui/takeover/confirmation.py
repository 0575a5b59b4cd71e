"""`t` on a handed-back run that needs a second person: show the plan, and confirm it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.app import App

from hitl_tui import takeover_plan
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Takeover
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.dialogs.confirm import ConfirmScreen
from hitl_tui.ui.messages import RowsChanged
from hitl_tui.ui.runtime.key_queue import ask
from hitl_tui.ui.text.lines import Line, line, value_lines
from hitl_tui.ui.widgets.text_view import TextView

PARTS = {
    "state": "state: new values",
    "text": "agent's last message, rewritten",
    "calls": "calls, rewritten: each is asked about before it runs",
    "results": "results in place of the tools', by call",
    "guidance": "guidance: the agent tries again",
    "answer": "final answer: the run ends with it",
}
"""What each part of a plan does, in the order in which they are carried out."""
SIGNING = "waiting for your key: touch it, or answer your ssh-agent"


class PlanScreen(ConfirmScreen):
    """Returns True once the plan was read to its end and confirmed."""

    WIDTH = 120

    async def action_submit(self) -> None:
        """Only `y` confirms."""

    def action_yes(self) -> None:
        if self.query_one("#page", TextView).status() != ["▴ end"]:
            self.complain("the plan goes on below: read it to its end first (j, or space)")
        else:
            super().action_yes()


def is_to_confirm(inbox: Inbox, latest: Takeover | None) -> bool:
    """Whether a takeover waits for other people than its author, of whom this reviewer is one."""
    return latest is not None and latest.is_unconfirmed and not inbox.people().same_person(latest.actor, inbox.reviewer)


async def confirm_hand_back(app: App[None], inbox: Inbox, shown: Takeover, calls: Sequence[Action]) -> None:
    """Show a plan, and confirm it if the reviewer says so. For workers of `DIALOG_GROUP`.

    Raises:
        Refused: it cannot be confirmed, or not signed; or the plan was changed meanwhile.
    """
    author = one_line(shown.actor, 40)
    question = f"{author} acted as the agent of run r{shown.run}, and handed it back. Rules want another person to agree with the plan."
    about = f"`hitl-tui take-over r{shown.run} --reason …` takes the run from {author} instead."
    title = f"Confirm the hand-back of run r{shown.run}"
    screen = PlanScreen(title, question, about, yes="confirm", no="not now", text=list(plan_lines(shown)), calls=calls)
    if not await ask(app, screen):
        return
    if inbox.takeovers.must_sign(shown.run):
        app.notify(SIGNING, timeout=4, markup=False)
    is_enough = await inbox.takeovers.confirm(shown)
    then = "its agent goes on" if is_enough else "more people must confirm it"
    app.notify(visible(f"run r{shown.run}: the hand-back by {author} is confirmed; {then}"), timeout=4, markup=False)
    app.post_message(RowsChanged())


def plan_lines(shown: Takeover) -> Iterator[Line]:
    """What a plan does, part by part, in full."""
    plan = takeover_plan.as_json(shown.plan)
    for part, about in PARTS.items():
        if part in plan:
            yield line(about, "strong")
            yield from value_lines(plan[part], agent=False)
