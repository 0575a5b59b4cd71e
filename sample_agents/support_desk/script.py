"""How the offline support desk works: read the tickets, look up their orders, then handle one ticket after the other, step by step.

Each step depends on the messages only, so a thread that runs again takes the same step.
"""

import json
import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

from scripted.lessons import apply_lessons
from scripted.model import tool_call
from scripted.revisions import revise_text
from scripted.turn import AnsweredCall, Turn, current_turn
from support_desk.script_answers import Case, Step, apology, reply_from_person, steps

SENT_BACK = "\n\nThe arguments as the reviewer left them: "
ANSWERED = "Not run. A person answered: "
DONE = ("Paid back", "Answered", "Already done")

HELP = """I answer the tickets of the lamp shop. You can ask me, for example:
- work through the tickets
- answer T-103
- list the tickets
I act when I am certain, ask a person when I am less certain, and call a person when I am stuck."""


def desk_script(messages: Sequence[BaseMessage]) -> AIMessage:
    return apply_lessons(messages, _next(current_turn(messages)))


def _next(turn: Turn) -> AIMessage:
    named = re.findall(r"\bT-\d+\b", turn.request.upper())
    if not named and "ticket" not in turn.request.lower():
        return AIMessage(HELP)
    listed = turn.calls("list_tickets")
    if not listed:
        return AIMessage("I list the open tickets.", tool_calls=[tool_call("list_tickets")])
    if "list" in turn.request.lower() and not named:
        return AIMessage(f"These tickets are open:\n{listed[0].result}")
    open_ones = [line.split(" ")[0] for line in listed[0].result.splitlines() if line.startswith("T-")]
    wanted = [one for one in open_ones if not named or one in named]
    if not wanted:
        return AIMessage("None of these tickets is open." if named else "No ticket is open.")
    return _read(turn, wanted) or _look_up(turn) or _next_step(turn, wanted) or AIMessage(_report(turn, wanted))


def _read(turn: Turn, wanted: list[str]) -> AIMessage | None:
    if turn.calls("read_ticket"):
        return None
    return AIMessage(f"I read {_count(len(wanted), 'ticket')}.", tool_calls=[tool_call("read_ticket", ticket_id=one) for one in wanted])


def _look_up(turn: Turn) -> AIMessage | None:
    orders = dict.fromkeys(
        order for call in turn.calls("read_ticket") for order in re.findall(r"\border (\d{4})\b", call.result, re.IGNORECASE)
    )
    if not orders or turn.calls("look_up_order"):
        return None
    return AIMessage("I look up their orders.", tool_calls=[tool_call("look_up_order", order=order) for order in orders])


def _next_step(turn: Turn, wanted: list[str]) -> AIMessage | None:
    for ticket in wanted:
        case = _case(turn, ticket)
        for step in steps(case):
            if proposal := _propose_step(turn, case, step):
                return proposal
            if not _done(turn, case, step):
                break  # it was refused: the next step would state something untrue
    return None


def _propose_step(turn: Turn, case: Case, step: Step) -> AIMessage | None:
    """The step, or a revision of it; None when it is finished."""
    tries = _tries(turn, case, step.name)
    if not tries:
        return _propose(step)
    last = tries[-1]
    if last.result.startswith(ANSWERED):
        return _propose(reply_from_person(case, last.result.removeprefix(ANSWERED)))
    if last.result.startswith("Nobody can help") and len(tries) == 1:
        return _propose(apology(case))
    note, sent_back, left = last.result.partition(SENT_BACK)
    return _propose(_revision(step, note, left)) if sent_back and last.failed else None


def _revision(step: Step, note: str, left: str) -> Step:
    args = json.loads(left)
    revised = {name: revise_text(value, note) if name in ("body", "reason") else value for name, value in args.items()}
    return Step(step.name, revised, f"You sent it back for revision (“{note}”); this is the next version.", 0.8)


def _propose(step: Step) -> AIMessage:
    return AIMessage(f"{step.reason}\n\nconfidence: {step.confidence:.2f}", tool_calls=[tool_call(step.name, **step.args)])


def _case(turn: Turn, ticket: str) -> Case:
    text = next(call.result for call in turn.calls("read_ticket") if call.args["ticket_id"] == ticket)
    number = re.search(r"\border (\d{4})\b", text, re.IGNORECASE)
    order = next((call for call in turn.calls("look_up_order") if number and call.args["order"] == number[1]), None)
    facts = dict(line.split(": ", 1) for line in order.result.splitlines() if ": " in line) if order and not order.failed else {}
    refunds = [call.result for call in turn.calls("refund") if number and call.args["order"] == number[1]]
    paid = next((result.split()[2] for result in refunds if result.startswith("Paid back")), "")
    return Case(ticket, text, number[1] if number else "", facts, paid)


def _tries(turn: Turn, case: Case, name: str) -> list[AnsweredCall]:
    about = ("ticket_id", case.ticket) if name == "send_reply" else ("order", case.order)
    return [call for call in turn.calls(name) if call.args.get(about[0]) == about[1]]


def _done(turn: Turn, case: Case, step: Step) -> bool:
    return any(call.result.startswith(DONE) for call in _tries(turn, case, step.name))


def _report(turn: Turn, wanted: list[str]) -> str:
    lines = []
    for ticket in wanted:
        case = _case(turn, ticket)
        calls = [call for name in ("refund", "send_reply") for call in _tries(turn, case, name)]
        lines += [f"- {ticket} {call.result.splitlines()[0]}" for call in calls if not call.result.startswith(ANSWERED)]
    return f"I went through {_count(len(wanted), 'ticket')}:\n" + "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
