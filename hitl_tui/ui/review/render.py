"""A review as lines: facts, arguments, reasons, and what surrounds it. Exact; agents' text is only ever text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from textual.content import Content

from hitl_tui import canonical_json, free_questions
from hitl_tui.argument_text import name_text
from hitl_tui.effects.view import risk_told
from hitl_tui.formatting import at_time
from hitl_tui.model import (
    Action,
    ActorKind,
    Answer,
    Context,
    DecisionKind,
    Escalation,
    Json,
    Message,
    Outcome,
    PauseKind,
    Review,
    ReviewRow,
    ReviewState,
    same_person,
)
from hitl_tui.policy.limits import OUTSIDE
from hitl_tui.sanitize import one_line
from hitl_tui.ui.review import assignment
from hitl_tui.ui.review.assignment import NO_ACTIVITY, ReviewActivity
from hitl_tui.ui.review.context import ReviewContext, people_lines, people_title, similar_lines, similar_title
from hitl_tui.ui.review.reasons import own_reason, repeats_call
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.text.lines import BLANK, Line, agent_name, json_lines, line, paragraph, table, value_lines, without_last_blank
from hitl_tui.validation import can_revise

TABS = ("Conversation", "Done so far", "Similar", "People", "Graph", "State", "Raw")
GAP = 3
"""Cells between the facts of the first line."""
AFTER = " · "
"""Begins a fact that belongs to the one before it."""
SPEAKER = 14
"""Cells of the column that says who speaks."""
GONE = (ReviewState.STALE, ReviewState.EXPIRED, ReviewState.FAILED)
STATES = {
    ReviewState.DECIDED: "decided",
    ReviewState.SUBMITTED: "being applied",
    ReviewState.APPLIED: "applied",
    ReviewState.STALE: "gone",
    ReviewState.EXPIRED: "expired",
    ReviewState.FAILED: "failed",
}
"""Where a review is that is no longer open, in a word."""
ROLES = {"user": "accent", "agent": "strong", "tool": "muted", "system": "muted"}


def facts(review: Review, action: Action, context: Context, viewer: Viewer, room: int, destroys: str = "") -> Content:
    """The first line of a review: its state once it is decided, the kind of pause, and risk and confidence of the action.

    Where `room`, in cells, is short, the bar of the confidence goes first, then the model, then the kind; never a number.

    Args:
        destroys: what the arguments say the action destroys, in words. It stands before a stated risk that says less.
    """
    row, confidence, risk = review.row, action.confidence.value, review.risk_of(action)
    confidence = row.confidence if confidence is None else confidence
    parts: list[tuple[str, str]] = []
    if row.state != ReviewState.OPEN:
        seconds = assignment.undo_seconds(row, viewer.reviewer, viewer.now)
        parts.append((f"undo {seconds} s", "bold $text-accent") if seconds else (STATES[row.state], "bold"))
    elif row.route == Outcome.TAKEOVER:
        parts.append(("take over", "bold $error"))
    told, stated = risk_told(risk, destroys)
    if stated:
        parts += [(told, "bold $text-error"), (f"{AFTER}{stated}", "$text-muted")]
    elif risk:
        parts.append((told, f"bold ${'error' if labels.risk_style(risk) == 'error' else 'warning'}"))
    elif row.kind.is_tool_call:
        parts.append((told, "$text-muted"))
    kind, model = (labels.KINDS[row.kind], "$text-muted"), (one_line(context.model, 40), "$text-muted")
    said = [] if confidence is None else [(f"confidence {confidence:.2f}", "$text-warning" if confidence < 0.5 else "$text-muted")]
    bar = [(f"{text} {labels.gauge(confidence or 0.0)}", style) for text, style in said]
    choices = ([*parts, kind, *bar, model], [*parts, kind, *said, model], [*parts, kind, *bar], [*parts, kind, *said], [*parts, *said])
    drawn = [_apart(one) for one in choices]
    return Content.assemble(*next((one for one in drawn if sum(cell_len(text) for text, _ in one) <= room), drawn[-1]))


def _apart(parts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The parts with a gap between them, but for one that belongs to the one before."""
    shown = [part for part in parts if part[0]]
    gaps = ["" if place == 0 or text.startswith(AFTER) else " " * GAP for place, (text, _) in enumerate(shown)]
    return [piece for gap, part in zip(gaps, shown, strict=True) for piece in ((gap, ""), part)]


def outcome(review: Review, viewer: Viewer) -> str:
    """What became of a review that is no longer open: who decided what and when, or why it is gone."""
    closed = labels.closing(review.row, viewer.reviewer)[1]
    told = review.decided_at is not None and review.row.state not in GONE
    return f"{closed} {at_time(review.decided_at or 0.0, viewer.now)}" if told else closed


def sources(row: ReviewRow, review: Review | None) -> list[str]:
    """Where a review comes from, the fullest first, for as much room as there is."""
    short = f"{agent_name(row.agent)} · run r{row.run}"
    if review is None:
        return [short]
    if row.kind is PauseKind.FRONTEND_TOOLS:
        return [f"{short} · after its last node", short, f"run r{row.run}"]
    node = one_line(review.node.rpartition(".")[0] or review.node, 40)
    return [f"{short} · node {one_line(' › '.join([*review.path, review.node]), 60)}", f"{short} · node {node}", short, f"run r{row.run}"]


def head_lines(review: Review, action: Action, viewer: Viewer, activity: ReviewActivity = NO_ACTIVITY) -> Iterator[Line]:
    """What must be known before the arguments: a warning, what was decided, what others said."""
    yield from _note(review.row, viewer)
    yield from _decided(review, action, viewer)
    yield from _endorsed(review, action, viewer, activity)


def argument_lines(review: Review, action: Action) -> Iterator[Line]:
    """What is asked, in full."""
    if review.row.kind in (PauseKind.QUESTION, PauseKind.MCP_ELICITATION) or not isinstance(action.args, dict):
        yield from _question(action)
    elif action.args:
        yield from table(action.args.items())
    else:
        yield line("no arguments", "muted")
    if action.choices:
        yield BLANK
        yield line("possible answers", "muted")
        for number, choice in enumerate(action.choices, 1):
            if review.row.kind is PauseKind.QUESTION:
                yield from _choice(choice, f" {number}")
            else:
                yield from value_lines(choice, f" {number}", 4, "accent")


def copyable(action: Action) -> list[tuple[str, str]]:
    """What can be copied of an action: each argument by its name, a text as it is, anything else as JSON; then all of them as JSON."""
    args = action.args
    if not isinstance(args, dict):
        return [("the value", args if isinstance(args, str) else canonical_json.dumps(args, indent=2))]
    values = [(name, value if isinstance(value, str) else canonical_json.dumps(value, indent=2)) for name, value in args.items()]
    return values if len(values) == 1 else [*values, ("all arguments as JSON", canonical_json.dumps(args, indent=2))]


def _note(row: ReviewRow, viewer: Viewer) -> Iterator[Line]:
    if row.state in GONE:
        glyph, closed, style = labels.closing(row, viewer.reviewer)
        yield line(closed, style, glyph, 2, style)
        yield BLANK
    elif row.note:
        yield line(row.note, "warning", "⚠", 2, "warning")
        yield BLANK


def _decided(review: Review, action: Action, viewer: Viewer) -> Iterator[Line]:
    decision = review.decisions.get(action.slot)
    if decision is None:
        return
    glyph, word, style = labels.decided(review.row.kind, decision.answer)
    who = "you" if same_person(decision.actor, viewer.reviewer) else decision.actor
    text = f"{word} by {who}{labels.identified(decision.identified)} {at_time(decision.at, viewer.now)}"
    yield from paragraph(text + (f": {decision.answer.message}" if decision.answer.message else ""), style, glyph, 2, style)
    yield from _sent(action, decision.answer)
    if decision.answer.template is not None:
        yield from value_lines(decision.answer.template, "", 2, agent=False)
    yield BLANK


def _endorsed(review: Review, action: Action, viewer: Viewer, activity: ReviewActivity) -> Iterator[Line]:
    """Approvals so far of an action that needs several people, with exactly what they approved."""
    if action.slot in review.decisions or review.row.state != ReviewState.OPEN:
        return
    for one in activity.endorsements:
        if one.slot == action.slot:
            glyph, word, style = labels.DECIDED[one.answer.kind]
            who = f"{labels.actor(one.actor, viewer.reviewer)}{labels.identified(one.identified)}"
            text = f"{word} by {who} {at_time(one.at, viewer.now)}"
            need = f"{'another person' if action.reviewers <= 2 else 'other people'} must {labels.AGAIN[one.answer.kind]}"
            if one.is_hidden:
                need = "you answer without seeing what they say"
            elif action.blind:
                need = assignment.blind_need(action, activity)
            yield from paragraph(f"{text}: {need}" + (f": {one.answer.message}" if one.answer.message else ""), "", glyph, 2, style)
            yield from _sent(action, one.answer)
            yield BLANK


def _sent(action: Action, answer: Answer) -> Iterator[Line]:
    """What an answer sends: of an edit what it changes, and the proposal follows; anything else whole."""
    if answer.args is None:
        return
    if answer.kind is DecisionKind.EDIT:
        yield from without_last_blank(difference_lines(action.args, answer.args))
        yield BLANK
        yield line("proposal", "muted")
    else:
        yield from value_lines(answer.args, "", 2, agent=False)


def _question(action: Action) -> Iterator[Line]:
    if isinstance(action.args, dict) and action.args:
        yield from table(action.args.items())
    else:
        yield from value_lines(action.args)
    if isinstance(action.answer_schema, dict):
        yield BLANK
        yield line("schema of the answer", "muted")
        yield from json_lines(action.answer_schema, "", 2)
    if action.templates:
        yield BLANK
        yield line("sent by the policy's answer template", "muted")
        for decision, template in action.templates.items():
            yield from paragraph(canonical_json.dumps(template.value), "", f"  {decision}", 11, "accent")
            if template.problem:
                yield from paragraph(f"{decision} is not offered: the template {template.problem}", "warning", "⚠", 2, "warning")


def _choice(choice: Json, number: str) -> Iterator[Line]:
    """A choice by its label, and below it what it sends, where that is something else."""
    sent = free_questions.answer_of(choice)
    shown = choice if sent is choice else free_questions.label_of(choice)
    yield from value_lines(shown, number, 4, "accent")
    if sent != shown:
        yield line(f"sends {canonical_json.dumps(sent)}", "muted", "", 4, agent=True)


def _routed(action: Action) -> Iterator[Line]:
    """Why policy sent it here, and where its confidence comes from; the number is above."""
    if action.outcome:
        is_outside = action.reason.startswith(OUTSIDE)
        style = "error" if action.outcome is Outcome.TAKEOVER else "warning" if is_outside else "accent"
        yield line(action.routed(), "warning" if is_outside else "", "⚖", 2, style)
    if action.confidence.source:
        yield line(action.confidence.origin(), "muted", "", 2)


def why_lines(
    action: Action, context: Context, viewer: Viewer | None = None, activity: ReviewActivity = NO_ACTIVITY, calls: int = 1
) -> Iterator[Line]:
    """Why it asks: what went wrong, who escalated it, what policy says of it, what the agent said, what the graph's author wrote.

    Args:
        calls: how many calls the review has. What the agent said is of all of them; what is of this call alone comes first.
    """
    if context.error:
        yield from paragraph(context.error, "error", "✗", 2, "error", agent=True)
    if activity.escalations and viewer:
        yield from _escalated(activity.escalations[-1], action, context, viewer)
    reasoning, description, shared = context.reasoning.strip(), action.description.strip(), calls > 1
    own = own_reason(action, reasoning, calls) if shared else ""
    first = list(paragraph(own, agent=True)) if own else []
    routed = list(_routed(action))
    is_usual = all(one.lead_style not in ("error", "warning") for one in routed)
    yield from (*first, *routed) if is_usual else (*routed, *first)  # where room is short, only what comes first is on the screen
    reasoning = _without_lines(reasoning, own)
    if repeats_call(description, action) or (description in reasoning and not shared):
        description = ""
    if shared:
        reasoning = _without_lines(reasoning, description)
    else:
        description = _without_lines(description, reasoning)
    said = (reasoning, "muted" if own else "")
    for text, style in ((description, "muted"), said) if shared else (said, (description, "muted")):
        if text:
            yield from paragraph(text, style, agent=True)


def _without_lines(text: str, of: str) -> str:
    """A text without the lines that another, which is shown beside it, has too."""
    known = set(map(str.strip, of.split("\n"))) - {""}
    return "\n".join(one for one in text.split("\n") if one.strip() not in known).strip("\n")


def _escalated(last: Escalation, action: Action, context: Context, viewer: Viewer) -> Iterator[Line]:
    """Who put it before whom, and why; the tab has all of them."""
    to = assignment.recipient(last.recipient, viewer.reviewer)
    # who it was, the error above, or the rule below
    repeats = last.actor_kind is ActorKind.PERSON or (context.error and context.error in last.why) or last.why == action.reason
    why = f": {last.why}" if last.why and not repeats else ""
    told = f"escalated by {labels.actor(last.actor, viewer.reviewer, last.actor_kind)}{to} {at_time(last.at, viewer.now)}{why}"
    yield line(told, "", "↑", 2, "warning")
    if last.note.strip():
        yield from paragraph(last.note.strip(), "strong", "", 2)


def tab_lines(
    tab: str, review: Review, action: Action, context: Context, review_context: ReviewContext | None, viewer: Viewer
) -> Iterator[Line]:
    """The lines of one of the lower tabs."""
    match tab:
        case "Conversation":
            for message in context.conversation:
                yield from message_lines(message)
        case "Done so far":
            yield from attempt_lines(context)
        case "Similar" | "People" if review_context is None:
            yield line("…", "muted")
        case "Similar" if review_context:
            yield from similar_lines(action, review_context, viewer.reviewer, viewer.now)
        case "People" if review_context:
            yield from people_lines(review.row, review_context, viewer.reviewer, viewer.now)
        case "Graph":
            yield from _graph(review, context)
        case "State":
            yield from json_lines(context.state)
        case _:
            yield from json_lines(review.value)


def tab_titles(context: Context, row: ReviewRow | None, review_context: ReviewContext | None, viewer: Viewer) -> dict[str, str]:
    """Tab → its title, with a count where that says something."""
    counts = {"Conversation": len(context.conversation), "Done so far": len(context.attempts)}
    titles = {tab: f"{tab} {counts[tab]}" if tab in counts else tab for tab in TABS}
    return {**titles, "Similar": similar_title(review_context), "People": people_title(row, review_context, viewer.reviewer, viewer.now)}


def short_tab_titles(titles: Mapping[str, str]) -> dict[str, str]:
    """The titles for where there is little room: no number that is 0, and the shortest words."""
    return {
        tab: title.removesuffix(" 0").replace("Done so far", "Done").replace(" of ", "/").removesuffix(" approved")
        for tab, title in titles.items()
    }


def message_lines(message: Message) -> Iterator[Line]:
    """Who says what, and the calls it makes."""
    who = one_line(message.name or message.role, SPEAKER - 2) if message.role == "tool" else one_line(message.role, SPEAKER - 2)
    style = "error" if message.failed else "muted" if message.role in ("tool", "system") else ""
    if message.text or not message.calls:
        yield from paragraph(message.text, style, who, SPEAKER, ROLES.get(message.role, "muted"), agent=True)
        who = ""
    for name, args in message.calls:
        yield call_line(name, args, who)
        who = ""


def call_line(name: str, args: Json, who: str = "", indent: int = SPEAKER) -> Line:
    """A tool call on one logical line, whole."""
    return line(f"→ {call_text(name, args)}", "accent", who, indent, "strong", agent=True)


def call_text(name: str, args: Json) -> str:
    """A tool call as people write calls."""
    if isinstance(args, dict):
        return f"{name_text(name)}({', '.join(f'{name_text(key)}={canonical_json.dumps(value)}' for key, value in args.items())})"
    return f"{name_text(name)}({canonical_json.dumps(args)})"


def attempt_lines(context: Context) -> Iterator[Line]:
    """The calls that were made, and what came of each."""
    if not context.attempts:
        yield line("nothing yet: this is its first action", "muted")
    for attempt in context.attempts:
        style = "error" if attempt.failed else "success"
        yield line(call_text(attempt.name, attempt.args), "", "✗" if attempt.failed else "✓", 2, style, agent=True)
        yield from paragraph(
            attempt.result if attempt.result is not None else "no result", "error" if attempt.failed else "muted", "", 4, agent=True
        )


def _graph(review: Review, context: Context) -> Iterator[Line]:
    here = " › ".join([*review.path, review.node])
    yield line(", ".join(context.before) or "start", "muted", "before", SPEAKER)
    yield line(f"▶ {here}", "accent", "here", SPEAKER)
    yield line(", ".join(context.after) or "not known yet", "muted", "after", SPEAKER)
    yield BLANK
    yield line(review.thread, "", "thread", SPEAKER)
    yield line(review.interrupt, "", "interrupt", SPEAKER)


def decision_hints(review: Review, action: Action, approve_does: str = "") -> list[tuple[str, str]]:
    """Command id and what its key does here, for the allowed decisions only. `approve_does`: what approve does before all has been seen."""
    if approve_does:
        return [(command, approve_does if command == DecisionKind.APPROVE else does) for command, does in decision_hints(review, action)]
    plain = {DecisionKind.APPROVE: "approve", DecisionKind.EDIT: "edit", DecisionKind.REJECT: "reject", DecisionKind.RESPOND: "respond"}
    if review.row.kind is PauseKind.DRAFT:
        drafted = {DecisionKind.APPROVE: ("approve", "accept"), DecisionKind.EDIT: ("edit", "accept with changes"),
                   DecisionKind.REJECT: ("revise", "send back")}  # fmt: skip
        return [hint for kind, hint in drafted.items() if kind in action.allowed]
    if review.row.kind is PauseKind.QUESTION:
        plain[DecisionKind.RESPOND] = "answer"
    if review.row.kind is PauseKind.FRONTEND_TOOLS:
        plain[DecisionKind.RESPOND] = "give the result"
    if review.row.kind is PauseKind.AGENT_INBOX:
        plain[DecisionKind.REJECT] = "ignore"
    if action.outcome is Outcome.TAKEOVER:  # to approve it all the same, the key opens a dialog that says what the rule demands
        del plain[DecisionKind.APPROVE]
    means = {} if review.row.kind.is_tool_call else action.means  # of calls, the dialog says it in full
    hints = [(str(kind), means.get(kind) or plain[kind]) for kind in plain if kind in action.allowed]
    return [*hints, *([("revise", "send back")] if can_revise(review.row.kind, action) else [])]
