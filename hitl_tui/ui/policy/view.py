"""F5: rules, settings and tools on the ladder at the left, what the cursor is on beside them, and why a review is where it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal

from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Level, LevelChange, RuleCount, Standing
from hitl_tui.policy.explain import Explained
from hitl_tui.policy.loader import PolicyNow
from hitl_tui.policy.schema import Policy
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.commands import group
from hitl_tui.ui.messages import HintsChanged, RowsChanged
from hitl_tui.ui.policy import autonomy_levels
from hitl_tui.ui.policy.entries import entries
from hitl_tui.ui.policy.list import PolicyList
from hitl_tui.ui.policy.pane import PolicyPane
from hitl_tui.ui.policy.render import absent_lines, problem_lines
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.runtime.external_editor import edit_file
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListDetail
from hitl_tui.ui.widgets.text_view import TextView, row_starts

PROBLEM_ROWS = 6
"""Rows of what is wrong with the file; more can be scrolled to."""
BESIDE = 5
"""Cells beside it that are no text: margins and scrollbar."""
LOOK_S = 1.0
"""How often the file, and what people decided, is looked at while it is on the screen."""


class PolicyView(ListDetail[PolicyPane]):
    """Shows the policy as its file is now."""

    BINDINGS = group("policy", "pane")

    def __init__(self, inbox: Inbox, home: Path, clock: Callable[[], float]) -> None:
        super().__init__(id="policy-view")
        self._inbox = inbox
        self._now = PolicyNow()
        self._counts: Sequence[RuleCount] = ()
        self._standings: Sequence[Standing] = ()
        self._weighed_at = -math.inf
        self._is_late = False
        self._review: int | None = None
        self._explained: Explained | None = None
        self._loaded = False
        self.items = PolicyList(self._moved, clock)
        self.pane = PolicyPane(home, inbox.reviewer, clock)

    def compose(self) -> ComposeResult:
        yield TextView(id="policy-problems")
        with Horizontal():
            yield self.items
            yield self.pane
        yield TextView(id="no-policy", classes="empty-page")

    def on_mount(self) -> None:
        self.query_one("#no-policy", TextView).show(absent_lines())
        self.query_one("#policy-problems", TextView).display = False
        self.set_interval(LOOK_S, self._look)

    @property
    def focus_target(self) -> PolicyList | TextView:
        """What has the keys when the view is shown."""
        return self.items if self._now.policy else self.query_one("#no-policy", TextView)

    @property
    def detail_focus(self) -> TextView:
        """What has the keys in the details."""
        return self.pane.query_one("#walk" if self._explained and not self._standing else "#rule-text", TextView)

    @work(group="policy", exclusive=True)
    @reports_errors
    async def about(self, review: int | None, slot: int) -> None:
        """Show which rule speaks for an action of a review."""
        self._review = review
        await self.follow(slot)

    async def follow(self, slot: int | None = None) -> None:
        """Read the file, the counts and the review again, and show what is other than it was."""
        review = self._review
        explained = await self._inbox.policy.explain(review) if review is not None else None
        counts = await self._inbox.policy.rule_counts()
        if review != self._review:
            return  # another one was chosen meanwhile, and is being read
        now = explained.file if explained else self._inbox.policy.status()
        standings = await self._weigh(now)
        if (now, counts, standings) != (self._now, self._counts, self._standings) or not self._loaded:
            self._now, self._counts, self._standings, self._loaded = now, counts, standings, True
            self._draw()
        if explained != self._explained or slot is not None:
            self._explained = explained
            self.pane.show_walk(explained, slot)
        self.post_message(HintsChanged())

    async def _weigh(self, now: PolicyNow) -> Sequence[Standing]:
        """Where each tool stands; weighed anew once in a while only, for it takes some queries a tool."""
        if now.policy is None or now.policy.ladder is None:
            return ()
        if now is self._now and time.monotonic() - self._weighed_at < LOOK_S:
            self._is_late = True
            return self._standings
        self._weighed_at, self._is_late = time.monotonic(), False
        return await self._inbox.autonomy.standings()

    @work(group="policy-file", exclusive=True)
    @reports_errors
    async def _look(self) -> None:
        target = self._explained.target if self._explained else ""
        if self.display and self._loaded and (self._is_late or self._inbox.policy.status(target) is not self._now):
            await self.follow()

    def _draw(self) -> None:
        now, items = self._now, self.items
        items.put(entries(now.policy, self._counts, self._standings) if now.policy else [])
        as_read = "  as last read" if now.policy and now.policy.problem else ""
        proposed = f"  {self.proposed:,} proposed" if self.proposed else ""
        items.border_title = f"Rules  {len(now.policy.rules):,}{as_read}{proposed}" if now.policy else "Rules"
        self._show_problems()
        self._show_if_any()
        self._show_entry()

    @property
    def proposed(self) -> int:
        """How many tools could go a step up."""
        return sum(one.proposed is not None for one in self._standings)

    def _show_entry(self) -> None:
        """Show what the cursor is on; how a tool came where it stands is read first."""
        chosen = self.items.chosen
        self.pane.show_entry(chosen, self._now)
        if chosen and chosen.standing:
            self._read_changes(chosen.standing)

    @work(group="policy-changes", exclusive=True)
    @reports_errors
    async def _read_changes(self, standing: Standing) -> None:
        changes = await self._inbox.autonomy.changes(standing.agent, standing.tool)
        if standing is self._standing:
            self.pane.show_entry(self.items.chosen, self._now, changes)

    @property
    def _standing(self) -> Standing | None:
        """Of the tool under the cursor."""
        chosen = self.items.chosen
        return chosen.standing if chosen else None

    def _show_problems(self) -> None:
        problems = self.query_one("#policy-problems", TextView)
        problems.display = bool(self._now.problems)
        lines = list(problem_lines(self._now))
        room = max(1, self.app.size.width - BESIDE)
        rows = sum(1 for line in lines for _ in row_starts(line.text, room - line.indent))
        problems.styles.height = min(rows, PROBLEM_ROWS)
        problems.show(lines)

    def on_resize(self) -> None:
        if self._loaded:
            self._show_problems()

    def _show_if_any(self) -> None:
        had_focus = self.has_focus_within
        self.set_class(self._now.policy is None, "-empty")
        if had_focus and self._now.policy is None:
            self.screen.set_focus(self.focus_target)
        elif had_focus and self.query_one("#no-policy").has_focus:
            self.screen.set_focus(self.items)

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        self._show_entry()
        self.post_message(HintsChanged())

    def action_tab(self, by: int) -> None:
        self.pane.step_tab(by)

    # The ladder

    def action_next_proposal(self) -> None:
        items = self.items
        listed = [entry.id for entry in items.entries if entry.standing and entry.standing.proposed]
        after = [id_ for id_ in listed if items.cursor is not None and id_ > items.cursor]
        if listed:
            items.select((after or listed)[0])
        elif self._loaded:
            self._tell("no tool could go a step up now")

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_accept_level(self) -> None:
        one, policy = self._standing, self._now.policy
        if one is None or policy is None:
            self._tell("put the cursor on a tool that a step is proposed for")
        elif one.proposed is None:
            self._tell(f"no step is proposed for {one_line(one.tool, 40)}{f': {one.says}' if one.says else ''}")
        else:
            await self._agree(one, one.proposed, policy)

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_set_level(self) -> None:
        from hitl_tui.ui.dialogs.reason import ReasonScreen
        from hitl_tui.ui.policy.level_dialog import LevelScreen

        one, policy = self._standing, self._now.policy
        if one is None or policy is None:
            self._tell("put the cursor on a tool of the ladder")
            return
        level = await ask(self, LevelScreen(one, policy))
        if level is not None and level is one.proposed:
            await self._agree(one, level, policy)
        elif level is not None:
            title, question, about = autonomy_levels.asked(one, level, policy)
            why = await ask(self, ReasonScreen(title, f"{question}\n\n{about}", f"set it to {level}"))
            if why is not None:
                await self._set(one, level, why)

    async def _agree(self, one: Standing, level: Level, policy: Policy) -> None:
        """The evidence stands for a step that is proposed; no other reason is asked for."""
        from hitl_tui.ui.dialogs.confirm import ConfirmScreen

        if await ask(self, ConfirmScreen(*autonomy_levels.asked(one, level, policy))):
            await self._set(one, level, "")

    async def _set(self, one: Standing, level: Level, why: str) -> None:
        change: LevelChange = await self._inbox.autonomy.set(one.agent, one.tool, level, why)
        self._tell(f"{one_line(one.tool, 40)} of {one_line(one.agent, 40)}: {change.was} → {change.level}")
        self._weighed_at = -math.inf
        await self.follow()
        self.post_message(RowsChanged())

    def _tell(self, text: str) -> None:
        self.notify(visible(text), timeout=3, markup=False)

    # The file

    @reports_errors
    async def action_edit_policy(self) -> None:
        path = self._now.path
        if path is None:
            raise Refused("there is no policy.toml", "`hitl-tui policy init` writes one to start from")
        edit_file(self.app, path)
        await self.follow()
        self._say()

    def _say(self) -> None:
        """What the editor left, in a sentence."""
        now = self._now
        mistakes = sum(problem.is_error for problem in now.problems)
        if now.policy is None:
            self.notify("the policy is gone: everything asks", severity="warning", timeout=8, markup=False)
        elif mistakes:
            text = f"{mistakes} mistakes" if mistakes > 1 else "a mistake"
            text += ": everything asks until the policy is corrected"
            self.notify(visible(text), title="policy", severity="error", timeout=8, markup=False)
        else:
            count = len(now.policy.rules)
            self.notify(f"the policy is good: {count} rule{'s' * (count != 1)}", timeout=3, markup=False)

    def hints(self) -> list[Hint]:
        """The keys that do something now."""
        if self._now.policy is None:
            return []
        hints = [self.detail_hint]
        if one := self._standing:
            hints += [("accept_level", f"accept {one.proposed}")] if one.proposed else []
            hints.append(("set_level", "set its level"))
        elif self.proposed:
            hints.append(("next_proposal", f"{self.proposed:,} proposed"))
        hints.append(("edit_policy", "edit the file"))
        return [*hints, ("next_tab", "next call")] if self.pane.calls > 1 and not one else hints
