"""The review under the cursor: its arguments, the reasons, and its context in tabs."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from hitl_tui.argument_text import name_line
from hitl_tui.effects import remark_sections
from hitl_tui.effects.provenance import Provenance, of_call
from hitl_tui.effects.view import Section, destruction, sections, worth_showing
from hitl_tui.model import Action, Context, DecisionKind, HandBack, ProposalVersion, Review, ReviewRow, ReviewState, Viewing
from hitl_tui.model.verdicts import severity
from hitl_tui.oversight.reading import reading_time_s, words_to_read
from hitl_tui.sanitize import one_line
from hitl_tui.ui.commands import active_key
from hitl_tui.ui.messages import CallChosen, TabChosen
from hitl_tui.ui.queue.prefetch_cache import LoadedReview
from hitl_tui.ui.review import assignment, drafts, effects, render
from hitl_tui.ui.review.arguments import ArgumentsView
from hitl_tui.ui.review.assignment import NO_ACTIVITY
from hitl_tui.ui.review.call_tabs import CallTabs
from hitl_tui.ui.review.context import ReviewContext
from hitl_tui.ui.review.effects import effect_lines
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.text.lines import Line, line
from hitl_tui.ui.widgets.list_detail import DetailPane
from hitl_tui.ui.widgets.tabs import TabBar
from hitl_tui.ui.widgets.text_view import TextView, row_starts

WHY_ROWS = 5
"""Reasons may have so many rows of what the surroundings would have, and any that nothing else needs."""
EFFECT_ROWS = 10
"""Most rows of what a call would do; the rest can be scrolled to."""
LOW, TINY = 22, 15
"""Rows of the pane below which long arguments leave little for their reasons, and none for what the call would do."""
WOULD_DO = "What it would do"
KNOWN_EFFECTS = 50
"""Calls of which it is remembered what they would do."""
LEAST = 3
"""Rows that reasons and surroundings keep when the arguments need all there is."""
SHARE = 0.36
"""Of the pane, for the surroundings, when the arguments need less."""
SPACE_READS_ON = "space reads on"
FACT_STYLES = {"warning": "bold $text-warning", "accent": "$text-accent", "muted": "$text-muted"}
"""Style → style of a piece of the first line."""


class ReviewPane(DetailPane):
    """Shows one action of one review at a time."""

    def __init__(self, reviewer: str, clock: Callable[[], float]) -> None:
        super().__init__(id="review")
        self._reviewer = reviewer
        self._clock = clock
        self.approve_asks: Callable[[Review, Action], bool] = lambda review, action: False
        """Whether approve asks before all of an action has been seen, rather than show the next page."""
        self.review: Review | None = None
        self.surroundings = Context()
        self._activity = NO_ACTIVITY
        self.review_context: ReviewContext | None = None
        self.slot = 0
        self._row: ReviewRow | None = None
        self._shown_at = 0.0
        self._viewed_s: defaultdict[int, float] = defaultdict(float)
        self.zoomed = False
        self._bare = True
        self._chose_tab = False
        """Whether the person went to a tab of this review, and so wants to see what surrounds it."""
        self.viewers: Mapping[int, Sequence[str]] = {}
        """The other people who look at a review now, by review."""
        self.hand_backs: Mapping[int, HandBack] = {}
        """Hand-backs that wait for other people, by run."""
        self._loaded: LoadedReview | None = None
        self._effects: tuple[Section, ...] = ()
        """What the action that is shown would do, as far as it has been read."""
        self._awaited = ""
        """The key in `_known_effects` of what is being read."""
        self._origins: tuple[Provenance, ...] = ()
        """Where the values of its arguments come from, as far as it has been read."""
        self._known_effects: OrderedDict[str, tuple[tuple[Section, ...], tuple[Provenance, ...]]] = OrderedDict()

    def compose(self) -> ComposeResult:
        yield Static(id="hands")
        yield Static(id="facts")
        yield CallTabs()
        yield ArgumentsView()
        yield TabBar({effects.TAB: WOULD_DO}, id="effects-rule")
        yield TextView(id="effects")
        yield TabBar({"Why": "Why"}, id="why-rule")
        yield TextView(id="why")
        yield TabBar(self._titles(), id="tabs")
        yield TextView(id="surroundings")

    def on_mount(self) -> None:
        self._draw()

    @property
    def action(self) -> Action | None:
        """The action that is shown."""
        return self.review.actions[self.slot] if self.review else None

    @property
    def arguments(self) -> ArgumentsView:
        """What is asked."""
        return self.query_one(ArgumentsView)

    @property
    def painted(self) -> bool:
        """Whether what is asked has been on the screen."""
        return self.review is not None and self.arguments.painted

    @property
    def reads_effects(self) -> bool:
        """Whether it is still being read what the action would do."""
        return bool(self._awaited)

    @property
    def versions(self) -> list[ProposalVersion]:
        """Earlier versions of the action that is shown."""
        return drafts.of(self._activity.versions, self.action)

    @property
    def viewed_ms(self) -> int:
        """How long the action that is shown has been in view, with the times before it was turned away from."""
        return int((self._viewed_s[self.slot] + time.monotonic() - self._shown_at) * 1000)

    @property
    def reading_ms(self) -> int:
        """Milliseconds below which nobody can have read the action that is shown."""
        return int(reading_time_s(words_to_read(self.action, self.surroundings)) * 1000) if self.action else 0

    @property
    def viewing(self) -> Viewing:
        """How the action that is shown has been viewed so far."""
        return Viewing(self.viewed_ms, self.arguments.seen_share, self.reading_ms)

    def _turn_to(self, slot: int) -> None:
        now = time.monotonic()
        self._viewed_s[self.slot] += now - self._shown_at
        self.slot, self._shown_at = slot, now

    def show(self, loaded: LoadedReview) -> None:
        """Show a review at the riskiest call that this person has something to say of; one that is shown stays until they have."""
        review, as_before, slot = loaded.review, self._shows(loaded), self._slot_of(loaded)
        remarked = as_before and self._loaded is not None and loaded.remarks != self._loaded.remarks
        another = self.review is None or review.row.id != self.review.row.id
        if another:
            self._viewed_s.clear()
            self._shown_at = time.monotonic()
            self._set_zoomed(False)
            self._chose_tab = False
            self.query_one("#tabs", TabBar).choose("Conversation")
        if self._row is None or review.row.id != self._row.id:
            self.review_context = None
        self.review, self.surroundings, self._activity = review, loaded.context, loaded.activity
        self._row, self._loaded = review.row, loaded
        self.loading = False
        if as_before and slot == self.slot:
            self.count_down()  # what is read stays where it is
            if remarked:
                self._draw_found()
        else:
            self._turn_to(slot)
            self._draw()
        if another and self.versions:  # what became of what this person wrote, before anything else
            self.query_one("#tabs", TabBar).choose(drafts.TAB)
            self._draw_tab()

    def _slot_of(self, loaded: LoadedReview) -> int:
        mine = assignment.mine(loaded.activity, self._reviewer)
        undecided = sorted(loaded.review.undecided, key=lambda slot: -severity(loaded.review.risk_of(loaded.review.actions[slot])))
        same = self.review is not None and self.review.row.id == loaded.review.row.id
        if same and self.slot in undecided and self.slot not in mine - assignment.mine(self._activity, self._reviewer):
            return self.slot
        return next((slot for slot in undecided if slot not in mine), next(iter(undecided), 0))

    def _shows(self, loaded: LoadedReview) -> bool:
        """Whether it is on the screen already, but for who has it and until when."""
        if self.review is None or (loaded.context, loaded.activity) != (self.surroundings, self._activity):
            return False
        now, row = self.review.row, loaded.review.row
        same = (row.id, row.state, row.note, row.decided) == (now.id, now.state, now.note, now.decided)
        return same and replace(loaded.review, row=now) == self.review

    def show_context(self, review: int, review_context: ReviewContext) -> None:
        """What was read meanwhile of what surrounds it."""
        if self.review is not None and self.review.row.id == review and review_context != self.review_context:
            self.review_context = review_context
            self._retitle()
            if self.query_one("#tabs", TabBar).chosen in ("Similar", "People"):
                self._draw_tab()

    def wait(self, row: ReviewRow | None) -> None:
        """Nothing to see yet: the review is being read."""
        self.review, self._row, self.review_context, self._activity = None, row, None, NO_ACTIVITY
        self._draw()

    def show_loading(self) -> None:
        """Reading takes long enough to say so; what is read anew stays before one's eyes meanwhile."""
        self.loading = self.review is None

    @property
    def viewer(self) -> Viewer:
        """Who looks at it, now."""
        return Viewer(self._reviewer, self._clock())

    def count_down(self) -> None:
        """Say anew how long it can be taken back, who has it, and when its time is over."""
        facts = Content("")
        if self.review and self.action:
            room, destroys = max(0, self.size.width - 2), destruction(self._sections())
            facts = render.facts(self.review, self.action, self.surroundings, self.viewer, room, destroys)
        self.query_one("#facts", Static).update(facts, layout=False)
        line_, told = self.query_one("#hands", Static), self._hands()
        shown, line_.display = line_.display, bool(told)
        line_.update(Content(assignment.GAP).join([Content.styled(*part) for part in told]), layout=False)
        if shown != line_.display:
            self._fit()

    def _hands(self) -> list[tuple[str, str]]:
        if not self.review or not self.action:
            return []
        room, row = max(0, self.size.width - 2), self.review.row
        viewers, hand_back = self.viewers.get(row.id, ()), self.hand_backs.get(row.run)
        told = assignment.told(self.review, self.action, self._activity, self._reviewer, self._clock(), room, viewers, hand_back)
        return [(text, FACT_STYLES.get(style, "")) for text, style in told]

    def say(self, text: str) -> None:
        """What goes on with it, on the lower border."""
        self.notes.put("progress", text)

    def remark(self, text: str) -> bool:
        return self.arguments.remark(text) or super().remark(text)

    def turn(self, by: int) -> bool:
        """Go to another call of the review; whether there is one."""
        if self.review is None or len(self.review.actions) < 2:
            return False
        self._turn_to((self.slot + by) % len(self.review.actions))
        self._draw(only_action=True)
        return True

    def zoom(self) -> None:
        """Give the whole pane to the surroundings, or take it back."""
        self._set_zoomed(not self.zoomed)
        self._fit()

    def _set_zoomed(self, zoomed: bool) -> None:
        self.zoomed = zoomed
        self.set_class(zoomed, "-zoomed")

    def on_call_chosen(self, message: CallChosen) -> None:
        message.stop()
        self.turn(message.slot - self.slot)

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._chose_tab = True
        self._draw_tab()

    def step_tab(self, by: int) -> None:
        """Show another tab."""
        self.query_one("#tabs", TabBar).step(by)
        self._chose_tab = True
        self._draw_tab()

    @property
    def text(self) -> TextView:
        """The arguments, or the context while it has the whole pane."""
        return self.query_one("#surroundings", TextView) if self.zoomed else self.arguments

    def on_resize(self) -> None:
        self.call_after_refresh(self.count_down)  # the facts have other room
        self.call_after_refresh(self._fit)

    def _draw(self, only_action: bool = False) -> None:
        if not self.query(CallTabs):
            return  # the console is leaving
        review, action = self.review, self.action
        self.draw_title()
        self.query_one(CallTabs).show(review, self.slot)
        viewer = self.viewer
        if review and action:
            key = action.digest if action.answer_schema is None else f"{review.row.id} {action.digest}"  # its lines hold the schema too
            if action.templates:
                key = f"{review.row.id} {action.digest} {list(action.templates.values())}"
            head = list(render.head_lines(review, action, viewer, self._activity))
            approves = review.row.state is ReviewState.OPEN and DecisionKind.APPROVE in action.allowed
            self.arguments.how_to_read_on = self._how_to_read_on if approves else lambda: SPACE_READS_ON
            self.arguments.show_call(key, head, render.argument_lines(review, action))
        else:
            self.arguments.show_call("", (), ())
        self._look_up_effects()
        self.count_down()
        self._draw_why(action)
        if not only_action or self._activity.versions:
            self._retitle()
            self._draw_tab()

    def _how_to_read_on(self) -> str:
        asks = self.review and self.action and self.approve_asks(self.review, self.action)
        return SPACE_READS_ON if asks else f"{active_key(self.app, 'approve') or 'a'} or {SPACE_READS_ON}"

    def _look_up_effects(self) -> None:
        """Show what the action would do, or have it read once the arguments have been painted."""
        review, action, loaded = self.review, self.action, self._loaded
        self._effects, self._origins, self._awaited = (), (), ""
        if review and action and loaded and review.row.kind.is_tool_call:
            key = f"{review.row.id} {action.digest}"
            known = self._known_effects.get(key)
            self._effects, self._origins = known or ((), ())
            if known is None:
                self._awaited = key
                self.call_after_refresh(self._read_effects, key, action, loaded)
        self._draw_effects()

    @work(group="effects", exclusive=True)
    @reports_errors
    async def _read_effects(self, key: str, action: Action, loaded: LoadedReview) -> None:
        """Read what an action would do, off the event loop: parsers are imported, and files may be read."""
        try:
            settings = await loaded.effect_settings()
            known = settings[action.slot]
            found = await asyncio.to_thread(sections, action.name, action.args, known)
            origins = await asyncio.to_thread(of_call, action.args, loaded.context.conversation, known.launch_input)
        finally:
            self._awaited = "" if self._awaited == key else self._awaited
        self._known_effects[key] = found, origins
        while len(self._known_effects) > KNOWN_EFFECTS:
            self._known_effects.popitem(last=False)
        if self.action is not None and self.action.digest == action.digest:
            self._effects, self._origins = found, origins
            self._draw_found()

    def _draw_found(self) -> None:
        """Draw what was found out of the action while it is shown."""
        self._draw_effects()
        self.count_down()  # the first line tells the worst of it
        tabs = self.query_one("#tabs", TabBar)
        self._retitle()
        if tabs.chosen == effects.TAB:
            self._draw_tab()
        self._fit()

    def _draw_effects(self) -> None:
        heading = self._only_heading
        self.query_one("#effects-rule", TabBar).retitle(
            {effects.TAB: f"{WOULD_DO}: {heading}" if heading else WOULD_DO}, {effects.TAB: WOULD_DO}
        )
        self.query_one("#effects", TextView).show(self._effect_lines())
        self.arguments.mark_values(effects.value_marks(self.action.args if self.action else None, self._origins))

    def _sections(self) -> tuple[Section, ...]:
        """What is told of the action: the preview of its tool, and what is read from its arguments."""
        action, loaded = self.action, self._loaded
        previews = remark_sections.sections_of(action.name, action.slot, loaded.remarks) if action and loaded else ()
        return (*previews, *self._effects)

    @property
    def _has_effects(self) -> bool:
        """Whether there is anything to say of what the action would do."""
        return any(True for _ in worth_showing(self._sections()))

    def _draw_why(self, action: Action | None) -> None:
        why, rule = self.query_one("#why", TextView), self.query_one("#why-rule", TabBar)
        lines = list(self._why(action)) if action else []
        why.show(lines)
        why.display = rule.display = bool(lines)
        self._fit()

    def _why(self, action: Action) -> Iterator[Line]:
        calls = len(self.review.actions) if self.review else 1
        return render.why_lines(action, self.surroundings, self.viewer, self._activity, calls)

    def _titles(self) -> dict[str, str]:
        told = {effects.TAB: effects.TAB} if self._has_effects or self._origins else {}
        others = render.tab_titles(self.surroundings, self._row, self.review_context, self.viewer)
        return {**drafts.titles(self.versions), **others, **told}

    def _retitle(self) -> None:
        titles = self._titles()
        self.query_one("#tabs", TabBar).retitle(titles, render.short_tab_titles(titles))

    def _draw_tab(self) -> None:
        tabs = self.query_one("#tabs", TabBar)
        review, action, review_context = self.review, self.action, self.review_context
        told = render.tab_lines(tabs.chosen, review, action, self.surroundings, review_context, self.viewer) if review and action else ()
        if action and tabs.chosen == drafts.TAB:
            told = drafts.lines(self.versions, action, self._reviewer, self._clock())
        if action and tabs.chosen == effects.TAB:
            told = effects.tab_lines(self._sections(), self._origins)
        lines = iter(told)
        first = next(lines, None)
        self._bare = first is None
        self.query_one("#surroundings", TextView).show(
            chain([first or line("nothing", "muted")], lines), at_end=tabs.chosen == "Conversation"
        )
        self._fit()

    def _fit(self) -> None:
        """Rows for each part: the arguments get what they need, reasons and surroundings what is left, and a little in any case."""
        surroundings, why = self.query_one("#surroundings", TextView), self.query_one("#why", TextView)
        surroundings.display = self.zoomed or not self._bare
        review, action = self.review, self.action
        self.arguments.styles.height = "1fr"
        if not review or not action or not self.size.height or self.zoomed:
            self.query_one("#effects").display = self.query_one("#effects-rule").display = False
            surroundings.styles.height = "1fr" if self.zoomed else None
            return
        heads = [one for one in (self.query_one("#hands"), self.query_one("#facts"), self.query_one(CallTabs)) if one.display]
        room = self.size.height - 1 - sum(1 + one.styles.margin.bottom for one in heads)
        reasons = list(self._why(action)) if why.display else []
        head = render.head_lines(review, action, self.viewer, self._activity)
        asked = self._rows(chain(head, render.argument_lines(review, action)), room)
        told = self._effect_rows(room, asked)
        room -= told + 1 if told else 0
        below = 0 if self._bare else int(self.size.height * SHARE)
        room -= 1 if why.display else 0
        above = self._rows(reasons, max(WHY_ROWS, room - asked - below))
        below -= max(0, min(asked + above + below - room, below - LEAST))
        above -= max(0, min(asked + above + below - room, above - LEAST))
        missing = asked + above + below - room
        if missing > 0 and not self._chose_tab:
            if missing <= below:  # rather all that is asked than the end of its context
                below = below - missing if below - missing > 1 else 0
            elif self.size.height < LOW:  # and more of it on each page
                above, below = min(above, LEAST - 1), 0
        surroundings.display = below > 0
        why.styles.height, surroundings.styles.height = max(1, above), below
        self._spread(room - asked - above - below, asked, told)

    def _effect_rows(self, room: int, asked: int) -> int:
        """Rows for what the action would do, of those that the arguments leave; where they leave none, for the worst of it."""
        if not self._has_effects:
            return 0
        needed = self._rows(self._effect_lines(), EFFECT_ROWS)
        told = min(needed, max(LEAST, room - asked - 2 * LEAST))
        is_tiny = self.size.height < TINY and asked + told + 1 > room
        return 0 if is_tiny else told  # then it is in its tab

    def _spread(self, spare: int, asked: int, told: int) -> None:
        """Give the rows that nothing needs to what the action would do, and to the surroundings: none stay empty between two parts."""
        if told and spare > 0:
            more = self._rows(self._effect_lines(), told + spare) - told
            told, spare = told + more, spare - more
        self.query_one("#effects").styles.height = max(1, told)
        self.query_one("#effects").display = self.query_one("#effects-rule").display = bool(told)
        if spare > 0:
            self.arguments.styles.height = asked + 1  # a row says why a key did nothing
            self.query_one("#surroundings").styles.height = "1fr"

    def _effect_lines(self) -> Iterator[Line]:
        """What the action would do; the heading of a single section stands on the rule above it."""
        lines = effect_lines(self._sections())
        return islice(lines, 1, None) if self._only_heading else lines

    @property
    def _only_heading(self) -> str:
        """The heading of what the action would do, where its commands or statements are all there is to say."""
        shown = list(worth_showing(self._sections()))
        is_only = len(shown) == 1 and shown[0].kind in ("shell", "sql") and not shown[0].problem
        return next(effect_lines(shown)).text if is_only else ""

    def _rows(self, lines: Iterable[Line], limit: int) -> int:
        """How many rows the lines take, counted up to a limit."""
        width = self.size.width - 4  # padding, and the scrollbar with the column beside it
        rows = (1 for one in lines for _ in row_starts(one.text, width - one.gutter))
        return sum(islice(rows, limit))

    def title(self) -> tuple[str, Sequence[str]]:
        if self._row is None:
            return "", ()
        name = name_line(self.action.name, 40) if self.action else one_line(self._row.title, 40)
        return name, render.sources(self._row, self.review)
