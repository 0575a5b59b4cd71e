"""Reads a person's request for the offline assistant, by a few patterns."""

import re
from dataclasses import dataclass
from typing import Literal

Verb = Literal["answer", "draft", "archive", "label", "delete", "summarise"]

VERBS: dict[Verb, str] = {
    "draft": r"\bdraft\b",
    "answer": r"\b(answer|reply|respond)\b",
    "archive": r"\b(archive|file away)\b",
    "label": r"\b(label|categori[sz]e|sort)\b",
    "delete": r"\b(delete|remove|clean|tidy|get rid of|throw away)\b",
    "summarise": r"\b(summari[sz]e|summary|overview|list|show|what is in|what's in)\b",
}

FILLER_WORDS = """
    a about all an and answer archive away by categorise categorize clean delete draft e-mail e-mails email emails every everyone
    everything file for from get her him his i in inbox is it label labels letter list mail mails me message messages my of off old our
    out over overview please remove replies reply respond responses rid send show sort summarise summarize summary tell that the their
    them these this those throw tidy to up us what what's which who with you your
"""
FILLERS = frozenset(FILLER_WORDS.split())

KINDS = {"newsletter": "is:newsletter", "newsletters": "is:newsletter", "spam": "is:spam", "junk": "is:spam"}


@dataclass(frozen=True)
class Job:
    """One thing to do with every mail that matches."""

    verb: Verb
    query: str
    """For search_mail."""
    fallback: str
    """A wider query, used if the first finds nothing."""


@dataclass(frozen=True)
class NewMail:
    """A new mail, not a reply."""

    to: str
    text: str


def new_mail(request: str) -> NewMail | None:
    found = re.search(
        r"\b(?:send|write)\b.*?\bto\s+(?P<to>[^\s@,;]+@[^\s,;]+?)[.:,]?\s+(?:saying|that says|to say|with the text)\s*:?\s*"
        r"(?P<text>\S.*)",
        request,
        re.IGNORECASE | re.DOTALL,
    )
    return NewMail(found["to"], found["text"].strip().strip("\"'“”")) if found else None


def jobs(request: str) -> list[Job]:
    found: list[Job] = []
    verb: Verb | None = None
    for clause in re.split(r"[,;.!?]\s|\b(?:and|then|also)\b", request.strip(" .!?")):
        verb = _verb(clause) or verb  # "answer Ann and Bob": the second half has no verb of its own
        job = _job(verb, clause) if verb and clause.strip() else None
        if job and job not in found:
            found.append(job)
    return found


def _verb(clause: str) -> Verb | None:
    return next((verb for verb, pattern in VERBS.items() if re.search(pattern, clause, re.IGNORECASE)), None)


def _job(verb: Verb, clause: str) -> Job | None:
    who, _, what = re.sub(r"\b(?:regarding|concerning|on)\b", "about", clause).partition(" about ")
    names, topics = _words(who), _words(what)
    if special := next((KINDS[word.lower()] for word in names if word.lower() in KINDS), None):
        return Job(verb, special, special)
    if number := re.search(r"\bm-\d+\b", clause):
        return Job(verb, number[0], number[0])
    if names or topics:
        return Job(verb, " ".join([*(f"from:{name}" for name in names), *topics]), " ".join(names + topics))
    if verb == "delete":  # "tidy up", and never the whole inbox
        return Job(verb, "is:bulk", "is:bulk")
    return Job(verb, "", "") if verb != "archive" else None


def _words(text: str) -> list[str]:
    words = (word.strip(".,:;!?\"'“”()<>") for word in re.sub(r"[’']s\b", "", text).split())
    return [word for word in words if word and word.lower() not in FILLERS]
