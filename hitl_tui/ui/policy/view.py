"""F5, the policy view: rules, settings and autonomy levels on the left, and on the right the selected one and why a review was routed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal

from hitl_tui.argument_text import name_line
from hitl_tui.errors import Refused
from hitl_tui.formatting import counted
from hitl_tui.inbox import Changes
from hitl_tui.model import Grant, Level, RuleCount, ToolAutonomy
from hitl_tui.policy.explain import Explanation
from hitl_tui.policy.loader import PolicyStatus
from hitl_tui.policy.schema import Policy
from hitl_tui.sanitize import visible
from hitl_tui.ui.commands import group
from hitl_tui.ui.messages import HintsChanged, HistoryShown, ProposalsCounted, RowsChanged
from hitl_tui.ui.policy.autonomy_levels import change_question
from hitl_tui.ui.policy.list import PolicyList, policy_rows
from hitl_tui.ui.policy.pane import PolicyPane
from hitl_tui.ui.policy.render import absent_lines, problem_lines
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.runtime.external_editor import edit_file
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.text.lines import agent_name, line
from hitl_tui.ui.views import ViewContext
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListDetail, Selection
from hitl_tui.ui.widgets.text_view import TextView, row_starts

if TYPE_CHECKING:
    from hitl_tui.drill.report import Report

PROBLEM_ROWS = 6
"""Most rows for errors in the file; the rest is scrolled to."""
DRILLED_S = 90 * 86_400.0
"""How far back a drill looks for good calls."""
MARGIN = 5
"""Cells beside the errors: margins and scrollbar."""
POLL_S = 1.0
"""How often the file and the autonomy levels are checked while the view is shown."""


class PolicyView(ListDetail[PolicyList, PolicyPane]):
    """Shows the policy as its file is now."""

    GROUPS = ("policy", "pane")
    SHEET = Path(__file__).with_name("policy.tcss")
    BINDINGS = group(*GROUPS)

    def __init__(self, context: ViewContext) -> None:
        super().__init__(context)
        inbox, clock = context.inbox, context.clock
        self._clock = clock
        self._now = PolicyStatus()
        self._counts: Sequence[RuleCount] = ()
        self._tools: Sequence[ToolAutonomy] = ()
        self._grants: Sequence[Grant] = ()
        self._tools_at = -math.inf
        """When the autonomy levels were read, by the monotonic clock."""
        self._tools_due = False
        """They were asked for again too soon after that."""
        self._review: int | None = None
        self._explained: Explanation | None = None
        self._loaded = False
        self.items = PolicyList(self._moved, clock)
        self.pane = PolicyPane(context.home.path, inbox.reviewer, clock)

    def compose(self) -> ComposeResult:
        yield TextView(id="policy-problems")
        with Horizontal():
            yield self.items
            yield self.pane
        yield TextView(id="no-policy", classes="empty-page")

    def on_mount(self) -> None:
        self.query_one("#no-policy", TextView).show(absent_lines())
        self.query_one("#policy-problems", TextView).display = False
        self.set_interval(POLL_S, self._poll)

    @property
    def focus_target(self) -> PolicyList | TextView:
        """What takes the focus when the view is shown."""
        return self.items if self._has_rows else self.query_one("#no-policy", TextView)

    @property
    def _has_rows(self) -> bool:
        return self._now.policy is not None or bool(self._grants)

    @property
    def _grant(self) -> Grant | None:
        """The selected grant."""
        return self.items.chosen.grant if self.items.chosen else None

    @property
    def detail_focus(self) -> TextView:
        """What takes the focus in the details."""
        return self.pane.query_one("#walk" if self._explained and not self._tool else "#rule-text", TextView)

    @property
    def proposed(self) -> int:
        """Tools with a proposed level."""
        return sum(one.proposed is not None for one in self._tools)

    @property
    def _tool(self) -> ToolAutonomy | None:
        """The autonomy level of the selected tool; None on a rule or a setting."""
        return self.items.chosen.autonomy if self.items.chosen else None

    # Reading

    def shown(self, selection: Selection) -> None:
        self._explain(selection)

    async def take(self, changes: Changes) -> None:
        if self.display:
            await self.follow()

    @work(group="policy", exclusive=True)
    @reports_errors
    async def _explain(self, selection: Selection) -> None:
        """Show which rule matches a call of a review."""
        self._review = selection.review
        await self.follow(selection.slot)

    async def follow(self, slot: int | None = None) -> None:
        """Read the file, the counts, the levels and the review again, and draw what has changed."""
        review = self._review
        explained = await self._inbox.policy.explain(review) if review is not None else None
        counts = await self._inbox.policy.rule_counts()
        if review != self._review:
            return  # another one was selected meanwhile, and is being read
        now = explained.file if explained else self._inbox.policy.status()
        tools, grants = await self._read_tools(now), await self._inbox.grants.every()
        found = (now, counts, tools, grants)
        if found != (self._now, self._counts, self._tools, self._grants) or not self._loaded:
            self._now, self._counts, self._tools, self._grants = found
            self._loaded = True
            self.post_message(ProposalsCounted(self.proposed))
            self._draw()
        if explained != self._explained or slot is not None:
            self._explained = explained
            self.pane.show_walk(explained, slot)
        self.post_message(HintsChanged())

    async def _read_tools(self, now: PolicyStatus) -> Sequence[ToolAutonomy]:
        """The autonomy levels; at most once per `POLL_S`, since weighing the evidence takes a few queries per tool."""
        if now.policy is None or now.policy.autonomy is None:
            return ()
        if now is self._now and time.monotonic() - self._tools_at < POLL_S:
            self._tools_due = True
            return self._tools
        self._tools_at, self._tools_due = time.monotonic(), False
        return await self._inbox.autonomy.tools()

    @work(group="policy-file", exclusive=True)
    @reports_errors
    async def _poll(self) -> None:
        target = self._explained.target if self._explained else ""
        if self.display and self._loaded and (self._tools_due or self._inbox.policy.status(target) is not self._now):
            await self.follow()

    @work(group="policy-changes", exclusive=True)
    @reports_errors
    async def _read_changes(self, tool_autonomy: ToolAutonomy) -> None:
        changes = await self._inbox.autonomy.changes(tool_autonomy.agent, tool_autonomy.tool)
        if tool_autonomy is self._tool:
            self.pane.show_row(self.items.chosen, self._now, changes)

    # Drawing

    def _draw(self) -> None:
        policy, items = self._now.policy, self.items
        items.put(policy_rows(policy, self._counts, self._tools, self._grants, self._clock()))
        outdated = "  not accepted" if not self._now.accepted else "  as last read" if policy and policy.problem else ""
        proposed = f"  {self.proposed:,} proposed" if self.proposed else ""
        items.border_title = f"Rules  {len(policy.rules):,}{outdated}{proposed}" if policy else "Grants" if self._grants else "Rules"
        self._draw_problems()
        self._show_list_or_page()
        self._draw_row()

    def _draw_row(self) -> None:
        """Draw the selected row; a tool's past changes follow when they are read."""
        self.pane.show_row(self.items.chosen, self._now)
        if tool_autonomy := self._tool:
            self._read_changes(tool_autonomy)
        if grant := self._grant:
            self._read_uses(grant)

    @work(group="policy-changes", exclusive=True)
    @reports_errors
    async def _read_uses(self, grant: Grant) -> None:
        uses = await self._inbox.grants.used_by(grant.id)
        if grant is self._grant:
            self.pane.show_row(self.items.chosen, self._now, uses=uses)

    def _draw_problems(self) -> None:
        problems = self.query_one("#policy-problems", TextView)
        problems.display = bool(self._now.problems)
        lines = list(problem_lines(self._now))
        room = max(1, self.app.size.width - MARGIN)
        rows = sum(1 for line in lines for _ in row_starts(line.text, room - line.gutter))
        problems.styles.height = min(rows, PROBLEM_ROWS)
        problems.show(lines)

    def _show_list_or_page(self) -> None:
        """Show the list, or without a policy the page that explains what one is; the focus follows."""
        had_focus = self.has_focus_within
        self.set_class(not self._has_rows, "-empty")
        if had_focus and (not self._has_rows or self.query_one("#no-policy").has_focus):
            self.screen.set_focus(self.focus_target)

    def on_resize(self) -> None:
        if self._loaded:
            self._draw_problems()

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        self._draw_row()
        self.post_message(HintsChanged())

    def action_tab(self, by: int) -> None:
        self.pane.step_tab(by)

    # Autonomy levels

    def action_next_proposal(self) -> None:
        items = self.items
        proposals = [row.id for row in items.listed if row.autonomy and row.autonomy.proposed]
        below = [id_ for id_ in proposals if items.cursor is not None and id_ > items.cursor]
        if proposals:
            items.select((below or proposals)[0])
        elif self._loaded:
            self.say_why("no level is proposed now")

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_accept_level(self) -> None:
        tool_autonomy, policy = self._tool, self._now.policy
        if not self._now.accepted:
            await self._accept_policy(self._now)
        elif tool_autonomy is None or policy is None:
            self.say_why("select a tool with a proposed level first")
        elif tool_autonomy.proposed is None:
            reason = f": {tool_autonomy.says}" if tool_autonomy.says else ""
            self.say_why(f"no level is proposed for {name_line(tool_autonomy.tool, 40)}{reason}")
        else:
            await self._accept(tool_autonomy, tool_autonomy.proposed, policy)

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_set_level(self) -> None:
        from hitl_tui.ui.policy.level_dialog import LevelScreen

        tool_autonomy, policy = self._tool, self._now.policy
        if tool_autonomy is None or policy is None:
            self.say_why("select a tool first")
            return
        level = await ask(self, LevelScreen(tool_autonomy, policy))
        if level is None:
            return
        if level is tool_autonomy.proposed:
            await self._accept(tool_autonomy, level, policy)
        else:
            await self._set_with_reason(tool_autonomy, level, policy)

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_revoke_grant(self) -> None:
        grant = self._grant
        if grant is None:
            self.say_why("select a grant first")
        elif grant.state(self._clock()) == "revoked":
            self.say_why(f"grant {grant.id} is revoked already")
        else:
            await self._inbox.grants.revoke(grant.id)
            self._notify(f"grant {grant.id} is revoked: calls like it ask again")
            await self.follow()
            self.post_message(RowsChanged())

    def action_show_calls(self) -> None:
        grant = self._grant
        if grant is None:
            self.say_why("select a grant first")
        else:
            self.post_message(HistoryShown(f"grant:{grant.id}"))

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_drill(self) -> None:
        """Show which bad calls the policy would let run."""
        from hitl_tui.ui.policy.drill import DrillScreen

        await ask(self, DrillScreen(self._drilled))

    async def _drilled(self) -> Report:
        """What the drill finds in the project of the explained review, else in the first one with agents."""
        target = self._explained.target if self._explained else ""
        target = target or next(iter(await self._inbox.agents.targets()), "")
        return await self._inbox.policy.drill(target, self._clock() - DRILLED_S)

    async def _accept(self, tool_autonomy: ToolAutonomy, level: Level, policy: Policy) -> None:
        """Set a proposed level after a confirmation; the evidence is the reason."""
        from hitl_tui.ui.dialogs.confirm import ConfirmScreen

        if await ask(self, ConfirmScreen(*change_question(tool_autonomy, level, policy))):
            await self._set(tool_autonomy, level, "")

    async def _set_with_reason(self, tool_autonomy: ToolAutonomy, level: Level, policy: Policy) -> None:
        from hitl_tui.ui.dialogs.reason import ReasonScreen

        title, effect, evidence = change_question(tool_autonomy, level, policy)
        reason = await ask(self, ReasonScreen(title, f"{effect}\n\n{evidence}", f"set to {level}"))
        if reason is not None:
            await self._set(tool_autonomy, level, reason)

    async def _set(self, tool_autonomy: ToolAutonomy, level: Level, reason: str) -> None:
        change = await self._inbox.autonomy.set(tool_autonomy.agent, tool_autonomy.tool, level, reason)
        self._notify(f"{name_line(tool_autonomy.tool, 40)} of {agent_name(tool_autonomy.agent)}: {change.was} → {change.level}")
        self._tools_at = -math.inf
        await self.follow()
        self.post_message(RowsChanged())

    def _notify(self, text: str) -> None:
        self.notify(visible(text), timeout=3, markup=False)

    # The file

    async def _accept_policy(self, now: PolicyStatus) -> None:
        """Show the text of a policy in an agents' folder, and let it take effect if the person says so."""
        from hitl_tui.policy.loader import digest_of, read_text
        from hitl_tui.ui.dialogs.confirm import ConfirmScreen

        assert now.path is not None, "only a file can lack acceptance"
        text = read_text(now.path)
        question = f"Let {now.path} take effect as it is here?"
        lines = [line(one) for one in text.splitlines()]
        about = "Agents may write into this folder. Each change of the file must be accepted again."
        if await ask(self, ConfirmScreen("Accept the policy", question, about, "accept", "leave it", lines)):
            await self._inbox.policy.accept(now.path, digest_of(text))
            self._notify("the policy is accepted, and takes effect")
            await self.follow()
            self.post_message(RowsChanged())

    @reports_errors
    async def action_edit_policy(self) -> None:
        path = self._now.path
        if path is None:
            raise Refused("there is no policy.toml", "`hitl-tui policy init` writes one to start from")
        edit_file(self.app, path)
        await self.follow()
        self._notify_validity()

    def _notify_validity(self) -> None:
        """Say whether the file is valid after it was edited."""
        policy = self._now.policy
        errors = sum(problem.is_error for problem in self._now.problems)
        if policy is None:
            self.notify("the policy file is gone: everything asks", severity="warning", timeout=8, markup=False)
        elif not policy.accepted:
            self.notify("everything asks until the policy is accepted (a)", severity="warning", timeout=8, markup=False)
        elif errors:
            text = f"{counted(errors, 'error')} in the policy: everything asks until it is fixed"
            self.notify(text, severity="error", timeout=8, markup=False)
        else:
            self.notify(f"the policy is valid: {counted(len(policy.rules), 'rule')}", timeout=3, markup=False)

    def hints(self) -> list[Hint]:
        """The keys that work now."""
        if grant := self._grant:
            end: list[Hint] = [("revoke_grant", "revoke")] if grant.state(self._clock()) != "revoked" else []
            return [self.detail_hint, ("show_calls", "its calls"), *end]
        if self._now.policy is None:
            return [("drill", "drill")]
        hints = [self.detail_hint]
        if not self._now.accepted:
            return [*hints, ("accept_level", "accept policy"), ("edit_policy", "edit file")]
        if tool_autonomy := self._tool:
            hints += [("accept_level", f"accept {tool_autonomy.proposed}")] if tool_autonomy.proposed else []
            return [*hints, ("set_level", "set level"), ("edit_policy", "edit file")]
        hints += [("next_proposal", f"{self.proposed:,} proposed")] if self.proposed else []
        hints += [("edit_policy", "edit file"), ("drill", "drill")]
        return [*hints, ("next_tab", "next call")] if self.pane.calls > 1 else hints
