"""The inbox as a folder of .eml files: parsing, searching and showing mail. Nothing here changes a file."""

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path


def inbox_mails(inbox: Path) -> dict[str, EmailMessage]:
    """The mails by id, oldest id first. The id is the file's name."""
    mails = {}
    for path in sorted(inbox.glob("*.eml")):
        try:
            mails[path.stem] = message_from_bytes(path.read_bytes(), _class=EmailMessage, policy=default)
        except FileNotFoundError:
            continue  # deleted or archived by a parallel call since the folder was listed
    return mails


def kind(mail: EmailMessage) -> str:
    """`spam`, `newsletter`, or empty for personal mail."""
    if str(mail.get("X-Spam-Flag", "")).upper() == "YES":
        return "spam"
    return "newsletter" if "List-Unsubscribe" in mail else ""


def matches(name: str, mail: EmailMessage, query: str) -> bool:
    sender = str(mail["From"])
    everything = f"{name} {sender} {mail['Subject']} {_body(mail)}"
    return all(_word_matches(word, kind(mail), sender, everything) for word in query.split())


def _word_matches(word: str, mail_kind: str, sender: str, everything: str) -> bool:
    prefix, _, rest = word.partition(":")
    if prefix == "is":
        return bool(mail_kind) if rest == "bulk" else mail_kind == rest
    if prefix == "from":
        return _contains(sender, rest)
    return _contains(everything, word)


def _contains(text: str, word: str) -> bool:
    # Whole words: "ann" means Ann, neither an announcement nor a plan.
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def as_line(name: str, mail: EmailMessage) -> str:
    note = f"  [{kind(mail)}]" if kind(mail) else ""
    return f"{name}  {mail['Date'].datetime:%Y-%m-%d}  {mail['From']}  {mail['Subject']}{note}"


def as_text(name: str, mail: EmailMessage) -> str:
    fields = {"Id": name, "From": mail["From"], "To": mail["To"], "Date": mail["Date"], "Subject": mail["Subject"]}
    if kind(mail):
        fields["Kind"] = kind(mail)
    if attachments := [_attachment(part) for part in mail.iter_attachments()]:
        fields["Attachments"] = ", ".join(attachments)
    head = "\n".join(f"{field}: {value}" for field, value in fields.items())
    return f"{head}\n\n{_body(mail)}"


def _attachment(part: EmailMessage) -> str:
    content = part.get_payload(decode=True)
    size = len(content) if isinstance(content, bytes) else 0
    return f"{part.get_filename('unnamed')} ({part.get_content_type()}, {size} bytes)"


def _body(mail: EmailMessage) -> str:
    part = mail.get_body(preferencelist=("plain", "html"))
    return str(part.get_content()).replace("\r\n", "\n").strip() if part else ""
