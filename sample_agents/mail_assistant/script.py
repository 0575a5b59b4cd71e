"""How the offline assistant works: search, read in parallel, propose everything in one turn, report.

Each step depends on the messages only, so a thread that runs again takes the same step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage, ToolCall

from mail_assistant.delivery import reply_subject
from mail_assistant.script_replies import Mail, parse_mail, reply_to
from mail_assistant.script_requests import Job, NewMail, jobs, new_mail
from scripted.lessons import apply_lessons
from scripted.model import tool_call
from scripted.turn import AnsweredCall, Turn, current_turn

ACTIONS = ("send_mail", "archive_mail", "label_mail", "delete_mail", "draft_reply")
DONE = ("Sent", "Archived", "Labelled", "Deleted", "Drafted", "Already done")
EDITED, RESULT = "Executed instead:", "Tool response:\n"
"""How HumanInTheLoopMiddleware marks the result of a call a reviewer changed."""

HELP = """I look after this inbox. You can ask me, for example:
- answer everything from Ann and tidy up
- reply to Bob about the invoice
- draft a reply to Jürgen
- send a mail to bob@example.com saying hello, the lamps are ready
- delete the newsletter
- archive the mail from Voltwerk
- label the inbox
- summarise my inbox
Sending, archiving, labelling and deleting need a person's approval."""


@dataclass(frozen=True)
class Proposal:
    """A call with its reason."""

    call: ToolCall
    reason: str
    confidence: float


def mail_script(messages: Sequence[BaseMessage]) -> AIMessage:
    return apply_lessons(messages, _next(current_turn(messages)))


def _next(turn: Turn) -> AIMessage:
    if acted := turn.calls(*ACTIONS):
        return AIMessage(_report(acted))
    if new := new_mail(turn.request):
        return _propose([_first_mail(new)], "You asked for a new mail.")
    wanted = jobs(turn.request)
    if not wanted:
        return AIMessage(HELP)
    return _search(turn, wanted) or _read(turn) or _conclude(turn, wanted)


def _search(turn: Turn, wanted: list[Job]) -> AIMessage | None:
    found = _found(turn)
    queries = [job.query for job in wanted if job.query not in found]
    queries += [job.fallback for job in wanted if found.get(job.query) == [] and job.fallback not in found]
    if not queries:
        return None
    text = "I search for the mails first." if not found else "Nothing from that sender; I also search the text."
    return AIMessage(text, tool_calls=[tool_call("search_mail", query=query) for query in dict.fromkeys(queries)])


def _read(turn: Turn) -> AIMessage | None:
    ids = sorted({name for names in _found(turn).values() for name in names})
    if not ids or turn.calls("read_mail"):
        return None
    return AIMessage(f"I read {_count(len(ids), 'mail')}.", tool_calls=[tool_call("read_mail", message_id=name) for name in ids])


def _conclude(turn: Turn, wanted: list[Job]) -> AIMessage:
    found = _found(turn)
    mails = {str(call.args["message_id"]): parse_mail(call.result) for call in turn.calls("read_mail") if not call.failed}
    proposals: list[Proposal] = []
    notes: list[str] = []
    for job in wanted:
        names = found.get(job.query) or found.get(job.fallback) or []
        matching = [mails[name] for name in names if name in mails]
        if not matching:
            notes.append(f"I found no mail for “{job.fallback}”.")
        elif job.verb == "summarise":
            notes.append(_summary(matching))
        elif new := [made for made in _proposals(job, matching) if made not in proposals]:
            proposals += new
        else:
            notes.append(f"None of the mails for “{job.fallback or 'the inbox'}” needs an answer.")
    if not proposals:
        return AIMessage("\n\n".join(notes))
    return _propose(proposals, " ".join([f"I read {_count(len(mails), 'mail')}.", *notes]))


def _proposals(job: Job, mails: list[Mail]) -> list[Proposal]:
    if job.verb == "label":
        return [_label(mail) for mail in mails]
    if job.verb in ("archive", "delete"):
        return [_removal(job.verb, mail) for mail in mails]
    exchanges: dict[str, list[Mail]] = {}
    for mail in mails:
        exchanges.setdefault(mail.thread, []).append(mail)
    return [made for exchange in exchanges.values() if (made := _answer(job, exchange[-1], len(exchange)))]


def _answer(job: Job, mail: Mail, times: int) -> Proposal | None:
    reply = reply_to(mail, times)
    if reply is None:
        return None
    if job.verb == "draft":
        call = tool_call("draft_reply", message_id=mail.id, body=reply.body)
    else:
        subject = reply_subject(mail.subject)
        call = tool_call("send_mail", to=mail.address, subject=subject, body=reply.body, in_reply_to=mail.id)
    return Proposal(call, reply.reason, reply.confidence)


def _removal(verb: str, mail: Mail) -> Proposal:
    why = {
        "spam": (f"the mail server marked “{mail.subject}” as spam, and I know no {mail.address}", 0.97),
        "newsletter": (f"“{mail.subject}” is a newsletter: it has an unsubscribe link and asks nothing of you", 0.93),
    }
    reason, confidence = why.get(mail.kind, (f"you asked for it; “{mail.subject}” is from {mail.name}", 0.75))
    return Proposal(tool_call(f"{verb}_mail", message_id=mail.id), reason, confidence)


def _label(mail: Mail) -> Proposal:
    topics = {"invoice": "invoices", "order": "orders", "anfrage": "requests", "review": "meetings"}
    label = mail.kind or next((label for word, label in topics.items() if word in mail.subject.lower()), "personal")
    return Proposal(tool_call("label_mail", message_id=mail.id, label=label), f"“{mail.subject}” belongs to {label}", 0.94)


def _first_mail(new: NewMail) -> Proposal:
    text = new.text[0].upper() + new.text[1:]
    subject = text.split(",")[0].split(".")[0][:60]
    call = tool_call("send_mail", to=new.to, subject=subject, body=f"{text}\n\nKind regards\nKim Larsen\nNordlicht Lamps")
    return Proposal(call, "the text is yours; I added a subject and your signature", 0.9)


def _propose(proposals: list[Proposal], opening: str) -> AIMessage:
    lines = [
        f"{number}. {made.call['name']} {_target(made.call['args'])}: {made.reason}." for number, made in enumerate(proposals, start=1)
    ]
    # A turn is as certain as its least certain call.
    confidence = min(made.confidence for made in proposals)
    text = f"{opening} I propose {_count(len(proposals), 'action')}:\n\n" + "\n".join(lines)
    return AIMessage(f"{text}\n\nconfidence: {confidence:.2f}", tool_calls=[made.call for made in proposals])


def _report(acted: list[AnsweredCall]) -> str:
    done: list[str] = []
    not_done: list[str] = []
    for call in acted:
        result = call.result.rpartition(RESULT)[2]
        if call.failed:
            not_done.append(f"- {call.name} {_target(call.args)}: {result}")
        elif result.startswith(DONE):
            done.append(f"- {result}" + (" A reviewer changed it first." if EDITED in call.result else ""))
        else:  # a person answered in the tool's place
            not_done.append(f"- {call.name} {_target(call.args)}: not run; the answer was “{result}”")
    parts = ["Done:\n" + "\n".join(done)] if done else ["Nothing was done."]
    if not_done:
        parts.append("Not done, and not tried again:\n" + "\n".join(not_done))
    return "\n\n".join(parts)


def _summary(mails: list[Mail]) -> str:
    personal = [mail for mail in mails if not mail.kind]
    lines = [f"- {mail.id} {mail.name}: {mail.subject}" for mail in personal]
    lines += [f"- {mail.id} {mail.name}: {mail.subject} [{mail.kind}]" for mail in mails if mail.kind]
    return f"{_count(len(mails), 'mail')}, {len(personal)} of them written to you in person:\n" + "\n".join(lines)


def _found(turn: Turn) -> dict[str, list[str]]:
    """The ids each query gave."""
    return {
        str(call.args["query"]): [line.split()[0] for line in call.result.splitlines() if line.startswith("m-")]
        for call in turn.calls("search_mail")
    }


def _target(args: dict[str, object]) -> str:
    return str(args.get("to") or args.get("message_id"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
