"""The replies that the offline assistant can write: one function per kind of mail.

Each takes its facts from the mail, names what it could not check, and states a confidence to match.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Mail:
    """A mail as read_mail shows it."""

    id: str
    name: str
    address: str
    subject: str
    kind: str
    body: str

    @property
    def first_name(self) -> str:
        return self.name.split()[0] if self.name else "all"

    @property
    def thread(self) -> str:
        """The same for all mails of one exchange."""
        return self.address + re.sub(r"^((re|aw|fwd?):\s*)+", "", self.subject.lower())

    def find(self, pattern: str) -> str:
        found = re.search(pattern, f"{self.subject}\n{self.body}", re.IGNORECASE)
        return found[1] if found else ""


@dataclass(frozen=True)
class Reply:
    """A proposed reply, with the reason shown to the reviewer."""

    body: str
    reason: str
    confidence: float


def parse_mail(text: str) -> Mail:
    head, _, body = text.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    name, _, address = fields.get("From", "").rpartition(" ")
    subject, kind = fields.get("Subject", ""), fields.get("Kind", "")
    return Mail(fields.get("Id", ""), name.strip('"'), address.strip("<>"), subject, kind, body)


def reply_to(mail: Mail, times: int) -> Reply | None:
    """The answer to the newest of `times` mails of one exchange; None for mail that needs no answer."""
    if mail.kind or mail.find(r"(written by a machine)"):
        return None
    for rule in (_receipt, _charged_twice, _new_address, _meeting, _quote):
        if reply := rule(mail, times):
            return reply
    return Reply(
        _english(mail, f"Thank you for your mail “{mail.subject}”. I have read it and will come back to you this week."),
        f"{mail.name} wrote “{mail.subject}”. I do not know the answer, so this only says that the mail arrived",
        0.4,
    )


def _receipt(mail: Mail, times: int) -> Reply | None:
    invoice, amount = mail.find(r"invoice (\d+)"), mail.find(r"(\d+\.\d\d) EUR")
    paid = mail.find(r"paid .*?on (\d+ \w+)")
    if not (invoice and amount and paid and mail.find(r"(receipt)")):
        return None
    sorry = "I am sorry that you had to ask twice. " if times > 1 else ""
    text = f"""{sorry}We received your payment of {amount} EUR for invoice {invoice} on {paid}.
Please take this mail as the receipt; the stamped copy for your tax office follows by post."""
    asked = "asked twice" if times > 1 else "asked"
    reason = f"{mail.first_name} {asked} for the receipt of invoice {invoice}; amount and day are taken from the \
mail, and I cannot see the bank account"
    return Reply(_english(mail, text), reason, 0.82)


def _charged_twice(mail: Mail, times: int) -> Reply | None:
    invoice, amount = mail.find(r"invoice (\d+)"), mail.find(r"(\d+\.\d\d) EUR")
    if not (invoice and amount and mail.find(r"(twice)")):
        return None
    text = f"""I am sorry about the trouble with invoice {invoice}. We are asking our payment provider about the second
charge of {amount} EUR. If it went through, you get it back on your card within five working days."""
    reason = f"{mail.first_name} was charged twice for invoice {invoice}; the answer promises a check and, if it is so, \
{amount} EUR back"
    return Reply(_english(mail, text), reason, 0.64)


def _new_address(mail: Mail, times: int) -> Reply | None:
    order, address = mail.find(r"order (\d+)"), mail.find(r"new address[^:]*:\s*([^\n]+)")
    if not (order and address):
        return None
    text = f"""Thank you for telling us in time. Order {order} has not left yet; it goes to {address.rstrip(".")}.
You get the tracking number as soon as the parcel is on its way."""
    reason = f"{mail.first_name} gave a new address for order {order}; the answer repeats it for a last check. That the \
parcel has not left is a guess"
    return Reply(_english(mail, text), reason, 0.71)


def _meeting(mail: Mail, times: int) -> Reply | None:
    day, time = mail.find(r"(monday|tuesday|wednesday|thursday|friday)"), mail.find(r"to (\d\d:\d\d)")
    if not (day and time):
        return None
    text = f"{day.capitalize()} at {time} is fine with me. I will bring the samples of the new shades."
    reason = f"{mail.first_name} wants to move the meeting to {day.capitalize()} {time}; I cannot see the calendar"
    return Reply(_english(mail, text), reason, 0.58)


def _quote(mail: Mail, times: int) -> Reply | None:
    count, model = mail.find(r"(\d+) Pendelleuchten"), mail.find(r"„(\w+)“")
    if not (count and model):
        return None
    text = f"""vielen Dank für Ihre Anfrage über {count} Pendelleuchten „{model}“.
Sie erhalten unser Angebot mit Staffelpreis und Liefertermin bis Ende der Woche."""
    body = f"Guten Tag {mail.name},\n\n{text}\n\nFreundliche Grüße\nKim Larsen\nNordlicht Lampen"
    return Reply(body, f"{mail.name} asks for a quote for {count} “{model}” lamps, in German; no price is promised", 0.88)


def _english(mail: Mail, text: str) -> str:
    return f"Dear {mail.first_name},\n\n{text}\n\nKind regards\nKim Larsen\nNordlicht Lamps"
