"""Composes a mail and delivers it: by the server in `HITL_SMTP_URL`, else to a Maildir in the working folder."""

import mailbox
import os
import re
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import getaddresses, localtime, make_msgid
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from langchain_core.tools import ToolException

from shared.workdir import seeded

SENDER = "Kim Larsen <kim@example.net>"
ADDRESS = re.compile(r"[!-~]+@[A-Za-z0-9.-]+")
SECONDS = 30


class NotDelivered(ToolException):
    """The mail was certainly not sent: trying again is safe."""


def reply_subject(subject: str) -> str:
    return subject if subject.lower().startswith(("re:", "aw:")) else f"Re: {subject}"


def compose(to: str, subject: str, body: str, answered: EmailMessage | None) -> EmailMessage:
    # A line break in a header starts another header: "Hello\nBcc: everyone@example.com".
    if any("".join(text.splitlines()) != text for text in (to, subject)):
        raise NotDelivered("The mail was not sent: neither address nor subject may contain a line break.")
    addresses = [address for _, address in getaddresses([to])]
    if not addresses or not all(ADDRESS.fullmatch(address) for address in addresses):
        raise NotDelivered(f"The mail was not sent: {to!r} is not a list of mail addresses such as ann@example.com.")
    message = EmailMessage()
    try:
        message["From"] = os.environ.get("HITL_MAIL_FROM") or SENDER
        message["To"], message["Subject"] = to, subject
        message["Date"], message["Message-ID"] = localtime(), make_msgid(domain="example.net")
        if answered and answered["Message-ID"]:
            message["In-Reply-To"] = answered["Message-ID"]
            message["References"] = " ".join(filter(None, [answered["References"], answered["Message-ID"]]))
        message.set_content(body)
        message.as_bytes()
    except ValueError as error:
        raise NotDelivered(f"The mail was not sent: it cannot be written as a mail ({error}).") from error
    return message


def deliver(message: EmailMessage, folder: Path) -> str:
    url = os.environ.get("HITL_SMTP_URL")
    where = _by_smtp(message, urlsplit(url)) if url else _to_maildir(message, folder)
    return f"Sent to {message['To']} with the subject “{message['Subject']}” ({where})."


def _to_maildir(message: EmailMessage, folder: Path) -> str:
    # Maildir creates its folders one by one, which two parallel sends must not do at once.
    outbox = seeded(folder / "outbox", lambda draft: mailbox.Maildir(draft, create=True))
    key = mailbox.Maildir(outbox).add(message.as_bytes())
    return f"kept in {outbox / 'new' / key}, as no mail server is configured"


def _by_smtp(message: EmailMessage, url: SplitResult) -> str:
    try:
        with _connect(url) as server:
            refused = server.send_message(message)
    except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused, smtplib.SMTPNotSupportedError) as error:
        raise NotDelivered(f"The mail was not sent: {url.hostname} refused it ({error}).") from error
    except OSError as error:
        raise ToolException(f"The connection to {url.hostname} broke; the mail may have been sent ({error}).") from error
    return f"by {url.hostname}" + (f", which refused {', '.join(refused)}" if refused else "")


def _connect(url: SplitResult) -> smtplib.SMTP:
    server: smtplib.SMTP | None = None
    try:
        server = _open(url)
        if url.username:
            _log_in(server, unquote(url.username), unquote(url.password or ""))
    except (OSError, NotDelivered) as error:
        if server:
            server.close()
        raise NotDelivered(f"The mail was not sent: no session with {url.hostname} ({error}).") from error
    return server


def _open(url: SplitResult) -> smtplib.SMTP:
    host, port, tls = url.hostname or "localhost", url.port or 0, ssl.create_default_context()
    if url.scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=tls)
    server = smtplib.SMTP(host, port, timeout=SECONDS)
    server.ehlo_or_helo_if_needed()
    if server.has_extn("starttls"):
        server.starttls(context=tls)
    return server


def _log_in(server: smtplib.SMTP, user: str, password: str) -> None:
    if not isinstance(server.sock, ssl.SSLSocket):
        raise NotDelivered("the server offers no encryption, and a password is not sent without it")
    server.login(user, password)
