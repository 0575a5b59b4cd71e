"""Real servers on loopback that receive notifications: a webhook and a mail server."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

SECRET = "hunter2-secret"


@dataclass
class Webhook:
    """What a webhook received, and what it answers."""

    port: int
    received: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Status codes of the next answers; then 200."""
    may_answer: threading.Event = field(default_factory=threading.Event)
    """The server waits for this event before it answers."""

    def __post_init__(self) -> None:
        self.may_answer.set()

    @property
    def url(self) -> str:
        """The webhook's Apprise URL, with a secret in every part."""
        return f"json://bot:{SECRET}-word@127.0.0.1:{self.port}/{SECRET}-path/?+X-Token={SECRET}-token"


@contextlib.contextmanager
def webhook() -> Iterator[Webhook]:
    """Run a webhook."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hook.received.append({"title": said["title"], "body": said["message"]})
            hook.may_answer.wait(60)
            with contextlib.suppress(OSError):  # the client may be gone by now
                self.send_response(hook.answers.pop(0) if hook.answers else 200)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield hook
        finally:
            hook.may_answer.set()
            server.shutdown()
            thread.join()


@dataclass
class MailServer:
    """What a mail server received."""

    port: int
    received: list[Message] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The Apprise URL of a mailbox on this server."""
        return f"mailto://bot:{SECRET}@example.com:{self.port}?smtp=127.0.0.1&mode=insecure&from=bot@example.com&to=ann@example.com"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Accept a mail if the client has authenticated."""
        if not session.authenticated:
            return "530 the password, please"
        assert isinstance(envelope.content, bytes)
        self.received.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        """Check the password."""
        return AuthResult(success=isinstance(data, LoginPassword) and data.password == SECRET.encode())


@contextlib.contextmanager
def mail_server() -> Iterator[MailServer]:
    """Run a mail server that requires a password."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = MailServer(free.getsockname()[1])
    server = Controller(found, hostname="127.0.0.1", port=found.port, authenticator=found.authenticate, auth_require_tls=False)
    server.start()
    try:
        yield found
    finally:
        server.stop()
