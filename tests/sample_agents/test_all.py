"""The sample agents, loaded as a host does: by their langgraph.json, with a checkpointer of ours."""

import importlib.util
import json
import mailbox
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, ToolMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

PROJECT = Path(__file__).parents[2] / "sample_agents"
APPROVE = {"type": "approve"}
ANN = "answer everything from Ann and tidy up"
CLEAN = "clean up the customers"


def load(name: str) -> Any:
    path, _, variable = json.loads((PROJECT / "langgraph.json").read_text())["graphs"][name]["path"].partition(":")
    spec = importlib.util.spec_from_file_location(f"sample_{name}", PROJECT / path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, variable)


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROJECT))
    for name in ("HITL_MODEL", "HITL_SMTP_URL", "HITL_MAIL_FROM"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def saver(tmp_path: Path) -> AsyncIterator[AsyncSqliteSaver]:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "checkpoints.db")) as saver:
        yield saver


class Thread:
    """One conversation with an agent, and the folder it works in."""

    def __init__(self, name: str, saver: AsyncSqliteSaver, folder: Path, thread_id: str = "t1") -> None:
        self.folder = folder / thread_id
        self.config: dict[str, Any] = {"configurable": {"thread_id": thread_id, "hitl_workdir": str(self.folder)}}
        self.graph = load(name).copy(update={"checkpointer": saver})

    async def ask(self, text: str) -> None:
        await self.graph.ainvoke({"messages": [("user", text)]}, self.config)

    async def snapshot(self) -> Any:
        return await self.graph.aget_state(self.config)

    async def messages(self) -> list[AnyMessage]:
        messages: list[AnyMessage] = (await self.snapshot()).values["messages"]
        return messages

    async def last_ai(self) -> AIMessage:
        return next(message for message in reversed(await self.messages()) if isinstance(message, AIMessage))

    async def question(self) -> dict[str, Any]:
        (interrupt,) = (await self.snapshot()).interrupts
        value: dict[str, Any] = interrupt.value
        return value

    async def decide(self, *decisions: dict[str, Any]) -> str:
        (interrupt,) = (await self.snapshot()).interrupts
        await self.graph.ainvoke(Command(resume={interrupt.id: {"decisions": list(decisions)}}), self.config)
        return str((await self.last_ai()).text)

    async def go_on(self, **options: Any) -> None:
        await self.graph.ainvoke(None, self.config, **options)

    def outbox(self) -> list[EmailMessage]:
        if not (self.folder / "outbox").exists():
            return []
        with closing(mailbox.Maildir(self.folder / "outbox", create=False)) as box:
            sent = [message_from_bytes(box.get_bytes(key), _class=EmailMessage, policy=policy.default) for key in box.keys()]  # noqa: SIM118
        return sorted(sent, key=lambda message: str(message["Subject"]))

    def inbox(self) -> set[str]:
        return {path.stem for path in (self.folder / "inbox").glob("*.eml")}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "database" / "customers.db")) as db:
            return db.execute(sql).fetchall()


@pytest.fixture
def mail(saver: AsyncSqliteSaver, tmp_path: Path) -> Thread:
    return Thread("mail_assistant", saver, tmp_path)


@pytest.fixture
def steward(saver: AsyncSqliteSaver, tmp_path: Path) -> Thread:
    return Thread("sql_steward", saver, tmp_path)


def text_of(message: EmailMessage) -> str:
    return str(message.get_content())


async def test_gated_calls_of_a_turn_are_one_interrupt(mail: Thread) -> None:
    await mail.ask(ANN)
    question = await mail.question()
    assert [request["name"] for request in question["action_requests"]] == ["send_mail", "send_mail", "delete_mail", "delete_mail"]
    assert "4711" in question["action_requests"][0]["args"]["body"]
    proposal = await mail.last_ai()
    assert "asked twice for the receipt of invoice 4711" in proposal.text
    assert "confidence: 0.71" in proposal.text
    assert proposal.response_metadata["model_name"] == "scripted (offline)"
    assert mail.outbox() == []


async def test_deletion_cannot_be_edited(mail: Thread) -> None:
    await mail.ask(ANN)
    allowed = {config["action_name"]: config["allowed_decisions"] for config in (await mail.question())["review_configs"]}
    assert allowed == {"send_mail": ["approve", "edit", "reject", "respond"], "delete_mail": ["approve", "reject"]}


async def test_approved_mail_is_in_the_outbox_with_headers(mail: Thread) -> None:
    await mail.ask(ANN)
    report = await mail.decide(APPROVE, APPROVE, APPROVE, APPROVE)
    order, receipt = mail.outbox()
    assert receipt["To"] == "ann.meyer@example.com"
    assert receipt["Subject"] == "Re: Receipt for invoice 4711"
    assert receipt["In-Reply-To"] == "<6a20b113.9377@mail.example.com>"
    assert receipt["References"] == "<5f1c0a7e.9021@mail.example.com> <6a20b113.9377@mail.example.com>"
    assert receipt["Message-ID"] and receipt["Date"] and receipt["From"] == "Kim Larsen <kim@example.net>"
    assert "248.00 EUR for invoice 4711 on 28 October" in text_of(receipt)
    assert "Hafenstrasse 18, 24159 Kiel" in text_of(order)
    assert mail.inbox().isdisjoint({"m-107", "m-108"})
    assert report.count("- Sent to ann.meyer@example.com") == 2
    assert "Not done" not in report


async def test_edited_mail_is_sent_as_edited(mail: Thread) -> None:
    await mail.ask("send a mail to bob@example.com saying hello, the lamps are ready")
    args = {"to": "bob@example.com, ann.meyer@example.com", "subject": "Größe", "body": "Grüße von Kim"}
    report = await mail.decide({"type": "edit", "edited_action": {"name": "send_mail", "args": args}})
    (sent,) = mail.outbox()
    assert (sent["To"], sent["Subject"], text_of(sent)) == (args["to"], args["subject"], args["body"] + "\n")
    assert "A reviewer changed it first" in report


async def test_rejected_call_does_not_run_and_others_do(mail: Thread) -> None:
    await mail.ask(ANN)
    reject = {"type": "reject", "message": "the payment has not arrived"}
    report = await mail.decide(reject, APPROVE, reject, APPROVE)
    assert [message["Subject"] for message in mail.outbox()] == ["Re: Order 2093: we are moving"]
    assert "m-107" in mail.inbox() and "m-108" not in mail.inbox()
    assert "the payment has not arrived" in report.partition("Not done, and not tried again:")[2]
    assert (await mail.snapshot()).next == ()


async def test_response_replaces_sending(mail: Thread) -> None:
    await mail.ask("reply to Bob about the invoice")
    report = await mail.decide({"type": "respond", "message": "I called him instead"})
    assert mail.outbox() == []
    assert report.startswith("Nothing was done.")
    assert "I called him instead" in report


@pytest.mark.slow
@pytest.mark.parametrize("request_text", ["summarise my inbox", "draft a reply to Jürgen", "hello"])
async def test_reversible_calls_are_not_asked(mail: Thread, request_text: str) -> None:
    await mail.ask(request_text)
    assert (await mail.snapshot()).next == ()
    assert mail.outbox() == []


async def test_mail_with_umlauts_and_attachments_is_read(mail: Thread) -> None:
    await mail.ask("summarise my inbox")
    read = [str(message.text) for message in await mail.messages() if isinstance(message, ToolMessage)]
    assert any("Süßes Eck" in text and "Jürgen Köhler" in text for text in read)
    assert any("VW-2026-0815.csv (text/csv, 158 bytes)" in text for text in read)


@pytest.mark.slow
async def test_equal_requests_give_equal_calls(saver: AsyncSqliteSaver, tmp_path: Path) -> None:
    threads = [Thread("mail_assistant", saver, tmp_path, name) for name in ("a", "b")]
    for thread in threads:
        await thread.ask(ANN)
    first, second = [[message.tool_calls for message in await t.messages() if isinstance(message, AIMessage)] for t in threads]
    assert first == second
    ids = [call["id"] for calls in first for call in calls]
    assert len(ids) == len(set(ids))


async def test_thread_continues_in_another_process(mail: Thread, saver: AsyncSqliteSaver, tmp_path: Path) -> None:
    await mail.ask(ANN)
    again = Thread("mail_assistant", saver, tmp_path)
    await again.decide(APPROVE, APPROVE, APPROVE, APPROVE)
    assert len(again.outbox()) == 2
    await again.ask("delete the mail from Bob")
    await again.decide(APPROVE)
    assert "m-109" not in again.inbox()


async def test_threads_have_separate_folders(saver: AsyncSqliteSaver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    for name in ("one", "../two"):
        thread = Thread("mail_assistant", saver, tmp_path)
        thread.config["configurable"] = {"thread_id": name}
        await thread.ask("delete the newsletter")
        await thread.decide(APPROVE)
    folders = {path: len(list(path.glob("inbox/*.eml"))) for path in (tmp_path / "temp").glob("hitl-sample-agents/*")}
    assert {path.name: mails for path, mails in folders.items()} == {"thread-..%2Ftwo": 8, "thread-one": 8}


async def test_repeated_decision_sends_once(mail: Thread) -> None:
    mail.config["configurable"]["hitl_decision_id"] = "d-1"
    await mail.ask("reply to Bob about the invoice")
    waiting = await mail.snapshot()
    await mail.decide(APPROVE)
    # What a crash before the checkpoint leads to: the same decision is applied to the same checkpoint again.
    answer: Command[Any] = Command(resume={waiting.interrupts[0].id: {"decisions": [APPROVE]}})
    result = await mail.graph.ainvoke(answer, {"configurable": {**mail.config["configurable"], **waiting.config["configurable"]}})
    assert len(mail.outbox()) == 1
    assert "Already done for this approval, not repeated: Sent to bob@example.com" in result["messages"][-1].text


async def test_action_with_unknown_outcome_is_not_repeated(tmp_path: Path) -> None:
    from langchain_core.tools import ToolException

    from mail_assistant.idempotency import run_once

    def die() -> str:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        run_once(tmp_path, "d-1/call_1", die)
    with pytest.raises(ToolException, match="whether it finished is unknown"):
        run_once(tmp_path, "d-1/call_1", lambda: "Sent")


@pytest.mark.parametrize(
    "args",
    [
        {"to": "bob@example.com", "subject": "Hi\nBcc: all@example.com", "body": "x"},
        {"to": "bob@example.com", "subject": "Hi\u2028Bcc: all@example.com", "body": "x"},
        {"to": "bob", "subject": "Hi", "body": "x"},
        {"to": "bob@example.com", "subject": "Hi", "body": "x", "in_reply_to": "../m-101"},
        {"to": "bob@example.com", "subject": "\ud800", "body": "x"},
        {"to": "bob@example.com"},
    ],
)
async def test_invalid_arguments_come_back_as_a_tool_message(mail: Thread, args: dict[str, str]) -> None:
    await mail.ask("send a mail to bob@example.com saying hello")
    report = await mail.decide({"type": "edit", "edited_action": {"name": "send_mail", "args": args}})
    assert mail.outbox() == []
    assert report.startswith("Nothing was done.")
    result = next(message for message in await mail.messages() if isinstance(message, ToolMessage))
    assert result.status == "error"


class MailServer:
    """A minimal SMTP server for smtplib on a loopback port; it keeps received mails."""

    def __init__(self, refuse: bool = False) -> None:
        self.refuse = refuse
        self.recipients: list[str] = []
        self.mails: list[EmailMessage] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self.socket.getsockname()[1]}"
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb", buffering=0) as stream:
                stream.write(b"220 loopback\r\n")
                while (line := stream.readline()) and self._answer(line.strip().decode(), stream):
                    pass

    def _answer(self, line: str, stream: Any) -> bool:
        command = line[:4].upper()
        if command == "RCPT":
            self.recipients.append(line.partition("<")[2].rstrip(">"))
        if command == "DATA":
            stream.write(b"354 go on\r\n")
            lines = list(iter(stream.readline, b".\r\n"))
            self.mails.append(message_from_bytes(b"".join(lines), _class=EmailMessage, policy=policy.default))
        reply = {"QUIT": b"221 bye", "RCPT": b"550 no such user"} if self.refuse else {"QUIT": b"221 bye"}
        stream.write(reply.get(command, b"250 ok") + b"\r\n")
        return command != "QUIT"

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)


@pytest.fixture
def mail_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    server = MailServer(refuse=getattr(request, "param", False))
    monkeypatch.setenv("HITL_SMTP_URL", server.url)
    yield server
    server.close()


async def test_configured_smtp_server_receives_the_mail(mail: Thread, mail_server: MailServer) -> None:
    await mail.ask("draft a reply to Jürgen, then reply to Jürgen")
    report = await mail.decide(APPROVE)
    (sent,) = mail_server.mails
    assert mail_server.recipients == ["juergen.koehler@example.org"]
    assert sent["Subject"] == "Re: Anfrage: Leuchten für unser Café"
    assert "12 Pendelleuchten „Polaris“" in text_of(sent)
    assert "(by 127.0.0.1)" in report
    assert not (mail.folder / "outbox").exists()


@pytest.mark.parametrize("mail_server", [True], indirect=True)
async def test_mail_refused_by_the_server_is_not_reported_as_sent(mail: Thread, mail_server: MailServer) -> None:
    mail.config["configurable"]["hitl_decision_id"] = "d-1"
    await mail.ask("reply to Bob")
    report = await mail.decide(APPROVE)
    assert report.startswith("Nothing was done.")
    assert "127.0.0.1 refused it" in report
    assert not list((mail.folder / "sent-decisions").iterdir())  # so that trying again is possible


async def test_password_is_never_sent_without_encryption(mail: Thread, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITL_SMTP_URL", mail_server.url.replace("//", "//kim:secret@"))
    await mail.ask("reply to Bob")
    report = await mail.decide(APPROVE)
    assert "offers no encryption" in report
    assert "secret" not in report
    assert mail_server.mails == []


async def test_read_query_does_not_pause(steward: Thread) -> None:
    await steward.ask("how many customers are in Germany")
    assert (await steward.snapshot()).next == ()
    assert "There are 5 customers in DE" in (await steward.last_ai()).text


async def test_write_query_pauses_before_the_tools(steward: Thread) -> None:
    await steward.ask(CLEAN)
    snapshot = await steward.snapshot()
    assert (snapshot.next, snapshot.interrupts) == (("tools",), ())
    assert len((await steward.last_ai()).tool_calls) == 2
    assert steward.rows("SELECT COUNT(*) FROM customers WHERE country = 'DE'") == [(2,)]


async def test_approving_every_step_cleans_the_database(steward: Thread) -> None:
    await steward.ask(CLEAN)
    for _ in range(3):
        assert (await steward.snapshot()).next == ("tools",)
        await steward.go_on()
    assert (await steward.snapshot()).next == ()
    assert steward.rows("SELECT COUNT(*), COUNT(DISTINCT country), COUNT(DISTINCT email) FROM customers") == [(13, 5, 13)]
    assert steward.rows("SELECT customer_id FROM orders WHERE id IN (2080, 2086)") == [(1,), (5,)]
    assert "13 customers with 5 spellings of countries, and 14 orders, of which 0 point nowhere" in (await steward.last_ai()).text


async def test_rejecting_every_step_changes_nothing(steward: Thread) -> None:
    await steward.ask(CLEAN)
    before = steward.rows("SELECT * FROM customers JOIN orders")
    for _ in range(2):
        calls = (await steward.last_ai()).tool_calls
        refused = [ToolMessage("Rejected: not today", tool_call_id=call["id"], status="error") for call in calls]
        await steward.graph.aupdate_state(steward.config, {"messages": refused}, as_node="tools")
        await steward.go_on()
    # The third step would delete customers whose orders were not moved: it is not proposed at all.
    assert (await steward.snapshot()).next == ()
    assert steward.rows("SELECT * FROM customers JOIN orders") == before
    report = (await steward.last_ai()).text
    assert report.count("Rejected: not today") == 4
    assert "15 customers" in report


async def test_rejecting_one_of_two_runs_the_other(steward: Thread) -> None:
    await steward.ask(CLEAN)
    asked = await steward.last_ai()
    countries, emails = asked.tool_calls
    approved = asked.model_copy(update={"tool_calls": [countries]})
    await steward.graph.aupdate_state(steward.config, {"messages": [approved]})
    await steward.go_on(interrupt_after=["tools"])
    refused = ToolMessage("Rejected: they are case-sensitive", tool_call_id=emails["id"], status="error")
    await steward.graph.aupdate_state(steward.config, {"messages": [asked, refused]}, as_node="tools")
    await steward.go_on()
    assert steward.rows("SELECT COUNT(DISTINCT country) FROM customers") == [(5,)]
    assert steward.rows("SELECT email FROM customers WHERE id = 8") == [("TOM.HUGHES@example.com",)]
    assert "Move the orders" in (await steward.last_ai()).text
    await steward.go_on()
    await steward.go_on()
    assert "trim and lower-case the mail addresses: Rejected: they are case-sensitive" in (await steward.last_ai()).text


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("UPDATE custmers SET country = 'DE'", "no such table"),
        ("DELETE FROM orders; DELETE FROM customers", "one statement at a time"),
        ("ATTACH DATABASE 'other.db' AS other", "not allowed"),
        ("/* x */ PRAGMA foreign_keys = OFF", "not allowed"),
        ("DELETE FROM customers", "FOREIGN KEY constraint failed"),
    ],
)
async def test_invalid_sql_by_a_reviewer_comes_back_as_a_tool_message(steward: Thread, sql: str, complaint: str) -> None:
    await steward.ask("fix the countries")
    asked = await steward.last_ai()
    edited = asked.model_copy(update={"tool_calls": [{**asked.tool_calls[0], "args": {"sql": sql}}]})
    await steward.graph.aupdate_state(steward.config, {"messages": [edited]})
    await steward.go_on()
    results = [message for message in await steward.messages() if isinstance(message, ToolMessage) and message.name == "execute"]
    assert [(message.status, complaint in message.text) for message in results] == [("error", True)]
    assert steward.rows("SELECT COUNT(*) FROM customers") == [(15,)]
    assert (await steward.snapshot()).next == ()


@pytest.mark.parametrize("sql", ["DELETE FROM orders", "WITH x AS (SELECT 1) DELETE FROM orders", "PRAGMA user_version = 7"])
async def test_query_tool_cannot_write(steward: Thread, sql: str) -> None:
    await steward.ask("how many customers")
    ai = AIMessage("", tool_calls=[{"name": "query", "args": {"sql": sql}, "id": "x"}])
    await steward.graph.aupdate_state(steward.config, {"messages": [ai]}, as_node="agent")
    await steward.go_on()
    results = [message for message in await steward.messages() if isinstance(message, ToolMessage)]
    assert results[-1].status == "error"
    assert steward.rows("SELECT COUNT(*) FROM orders") == [(16,)]


async def test_repeated_decision_changes_the_database_once(steward: Thread) -> None:
    steward.config["configurable"]["hitl_decision_id"] = "d-1"
    await steward.ask("fix the countries")
    asked = await steward.last_ai()
    insert = "INSERT INTO countries VALUES ('SE', 'Sweden'), ('NO', 'Norway')"
    edited = asked.model_copy(update={"tool_calls": [{**asked.tool_calls[0], "args": {"sql": insert}}]})
    await steward.graph.aupdate_state(steward.config, {"messages": [edited]})
    waiting = (await steward.snapshot()).config
    await steward.go_on()
    again = await steward.graph.ainvoke(None, {"configurable": {**steward.config["configurable"], **waiting["configurable"]}})
    assert steward.rows("SELECT COUNT(*) FROM countries") == [(7,)]
    assert any("not repeated: 2 rows changed." in message.text for message in again["messages"])


@pytest.mark.parametrize(("name", "request_text"), [("mail_assistant", ANN), ("sql_steward", CLEAN)])
async def test_streaming_gives_each_message_one_id(name: str, request_text: str, saver: AsyncSqliteSaver, tmp_path: Path) -> None:
    thread = Thread(name, saver, tmp_path)
    streamed: dict[str, AIMessageChunk] = {}
    pieces = 0
    inputs = {"messages": [("user", request_text)]}
    async for chunk, _ in thread.graph.astream(inputs, thread.config, stream_mode="messages"):
        if isinstance(chunk, AIMessageChunk):
            assert chunk.id
            pieces += 1
            streamed[chunk.id] = streamed[chunk.id] + chunk if chunk.id in streamed else chunk
    kept = [message for message in await thread.messages() if isinstance(message, AIMessage)]
    assert list(streamed) == [message.id for message in kept]
    assert pieces > 5 * len(kept)
    for message, chunks in zip(kept, streamed.values(), strict=True):
        assert (chunks.text, chunks.tool_calls) == (message.text, message.tool_calls)
        assert chunks.response_metadata["model_name"] == "scripted (offline)"


@pytest.mark.parametrize("name", ["mail_assistant", "sql_steward", "support_desk", "writing_room", "party_planner"])
async def test_agent_describes_its_input(name: str) -> None:
    assert "messages" in load(name).get_input_jsonschema()["properties"]


async def test_nothing_is_written_into_the_project(saver: AsyncSqliteSaver, tmp_path: Path) -> None:
    def listing() -> dict[Path, int]:
        files = (path for path in PROJECT.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path: path.stat().st_mtime_ns for path in files}

    before = listing()
    mail, steward = Thread("mail_assistant", saver, tmp_path, "m"), Thread("sql_steward", saver, tmp_path, "s")
    await mail.ask(ANN)
    await mail.decide(APPROVE, APPROVE, APPROVE, APPROVE)
    await steward.ask(CLEAN)
    for _ in range(3):
        await steward.go_on()
    assert listing() == before


async def test_real_model_is_used_when_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    from scripted import model as scripted_model

    monkeypatch.setenv("HITL_MODEL", "openai:gpt-5")
    asked_for: list[str] = []
    monkeypatch.setattr(scripted_model, "init_chat_model", asked_for.append)
    scripted_model.chat_model(lambda messages: AIMessage(""))
    assert asked_for == ["openai:gpt-5"]


def test_parallel_calls_seed_a_folder_once(tmp_path: Path) -> None:
    from shared.workdir import seeded

    together = threading.Barrier(8)
    filled: list[Path] = []

    def fill(draft: Path) -> None:
        together.wait(5)  # all eight found the folder missing
        draft.mkdir()
        (draft / "mail").write_text("x")
        filled.append(draft)

    threads = [threading.Thread(target=seeded, args=(tmp_path / "inbox", fill)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(filled) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["inbox"]


def test_sample_agents_import_only_the_graph_patterns_of_the_console() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in PROJECT.rglob("*.py")}
    using = {path.parent.name for path, text in texts.items() if "hitl_tui" in text.replace("hitl_tui.patterns", "")}
    assert not using
    by_patterns = {path.parent.name for path, text in texts.items() if "hitl_tui.patterns" in text}
    assert by_patterns == {"mail_assistant", "sql_steward", "support_desk", "writing_room"}
