"""The assistant's tools. `agent.py` decides which of them need a person.

A mistake of the model raises `ToolException` with a sentence it can act on, which becomes a tool message.
"""

import shutil
from email.message import EmailMessage
from pathlib import Path

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, ToolException, tool

from mail_assistant.delivery import compose, deliver, reply_subject
from mail_assistant.idempotency import run_once
from mail_assistant.mailbox import as_line, as_text, inbox_mails, matches
from shared.workdir import decision_key, seeded, working_folder

SEED_MAIL = Path(__file__).with_name("seed_mail")


@tool
def search_mail(query: str, runtime: ToolRuntime) -> str:
    """List the mails in the inbox that match all words of the query; an empty query lists all.

    Words are looked for in sender, subject and text. `from:ann` looks at the sender only; `is:newsletter`, `is:spam`
    and `is:bulk` (either) find mail that is not personal.
    """
    found = [as_line(name, mail) for name, mail in inbox_mails(_inbox(runtime)).items() if matches(name, mail, query)]
    return "\n".join(found) or f"No mail matches {query!r}."


@tool
def read_mail(message_id: str, runtime: ToolRuntime) -> str:
    """Read one mail of the inbox, by the id search_mail gives (such as m-101)."""
    return as_text(message_id, _mail(runtime, message_id))


@tool
def draft_reply(message_id: str, body: str, runtime: ToolRuntime) -> str:
    """Write an answer to a mail of the inbox into the drafts folder, without sending it."""
    original = _mail(runtime, message_id)
    drafts = working_folder(runtime.config) / "drafts"
    drafts.mkdir(exist_ok=True)
    text = f"To: {original['From']}\nSubject: {reply_subject(original['Subject'])}\n\n{body}\n"
    draft = drafts / f"{message_id}.txt"
    draft.write_text(text, encoding="utf-8", errors="replace")
    return f"Drafted {draft}; nothing was sent."


@tool
def send_mail(to: str, subject: str, body: str, runtime: ToolRuntime, in_reply_to: str | None = None) -> str:
    """Send a mail. `to` takes one or more addresses, separated by commas.

    `in_reply_to` is the id of the mail in the inbox that this one answers (such as m-101), if any.
    """
    answered = _mail(runtime, in_reply_to) if in_reply_to else None
    message = compose(to, subject, body, answered)
    folder = working_folder(runtime.config)
    key = decision_key(runtime.config, runtime.tool_call_id)
    if key is None:
        return deliver(message, folder)
    return run_once(folder / "sent-decisions", key, lambda: deliver(message, folder))


@tool
def archive_mail(message_id: str, runtime: ToolRuntime) -> str:
    """Move a mail from the inbox to the archive."""
    path = _path(runtime, message_id)
    archive = working_folder(runtime.config) / "archive"
    archive.mkdir(exist_ok=True)
    try:
        path.rename(archive / path.name)
    except FileNotFoundError:  # a parallel call was faster
        raise _no_such_mail(message_id) from None
    return f"Archived {message_id} as archive/{path.name}."


@tool
def label_mail(message_id: str, label: str, runtime: ToolRuntime) -> str:
    """Put a label on a mail of the inbox, such as `invoices`. It replaces the mail's earlier label."""
    _mail(runtime, message_id)
    labels = working_folder(runtime.config) / "labels"
    labels.mkdir(exist_ok=True)
    (labels / f"{message_id}.txt").write_text(f"{label}\n", encoding="utf-8", errors="replace")
    return f"Labelled {message_id} “{label}”."


@tool
def delete_mail(message_id: str, runtime: ToolRuntime) -> str:
    """Delete a mail of the inbox permanently."""
    _path(runtime, message_id).unlink(missing_ok=True)
    return f"Deleted {message_id}."


TOOLS: list[BaseTool] = [search_mail, read_mail, draft_reply, send_mail, archive_mail, label_mail, delete_mail]
for mail_tool in TOOLS:
    mail_tool.handle_tool_error = True  # a ToolException becomes a tool message with status "error"


def _inbox(runtime: ToolRuntime) -> Path:
    folder = working_folder(runtime.config) / "inbox"
    return seeded(folder, lambda draft: shutil.copytree(SEED_MAIL, draft))


def _mail(runtime: ToolRuntime, message_id: str) -> EmailMessage:
    mail = inbox_mails(_inbox(runtime)).get(message_id)
    if mail is None:
        raise _no_such_mail(message_id)
    return mail


def _path(runtime: ToolRuntime, message_id: str) -> Path:
    # The id is looked up in the inbox: an id that the model invented never becomes part of a path.
    _mail(runtime, message_id)
    return _inbox(runtime) / f"{message_id}.eml"


def _no_such_mail(message_id: str) -> ToolException:
    return ToolException(f"There is no mail {message_id!r} in the inbox; search_mail lists the ids.")
