"""The support desk's tools. Reading needs no approval; `agent.py` decides who approves what reaches a customer."""

import json
import os
import threading
from pathlib import Path
from typing import Any

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, ToolException, tool

from shared.workdir import decision_key, working_folder

HERE = Path(__file__).parent
TICKETS: list[dict[str, str]] = json.loads((HERE / "tickets.json").read_text(encoding="utf-8"))
ORDERS: dict[str, dict[str, Any]] = json.loads((HERE / "orders.json").read_text(encoding="utf-8"))
PAYING = threading.Lock()
"""Serialises refunds: two of one order at once could both find enough money left."""


@tool
def list_tickets(runtime: ToolRuntime) -> str:
    """List the unanswered tickets, one per line: id, sender, subject."""
    open_ones = [ticket for ticket in TICKETS if not _reply(runtime, ticket["id"]).exists()]
    return "\n".join(f"{one['id']} | {one['from']} | {one['subject']}" for one in open_ones) or "No ticket is open."


@tool
def read_ticket(ticket_id: str) -> str:
    """Read one ticket, by its id such as T-101."""
    one = _ticket(ticket_id)
    return f"Ticket: {one['id']}\nFrom: {one['from']}\nSubject: {one['subject']}\n\n{one['body']}"


@tool
def look_up_order(order: str, runtime: ToolRuntime) -> str:
    """Look up an order by its number: customer, items, payments, status and refunds."""
    found = _order(order)
    lines = [f"{name}: {json.dumps(value) if isinstance(value, list) else value}" for name, value in found.items()]
    return "\n".join([f"order: {order}", *lines, f"refunded: {_refunded(_journal(runtime), order):.2f}"])


@tool
def refund(order: str, amount: float, reason: str, runtime: ToolRuntime) -> str:
    """Pay an amount in EUR back to the customer of an order. It cannot be reversed."""
    paid, journal = sum(_order(order)["payments"]), _journal(runtime)
    key = decision_key(runtime.config, runtime.tool_call_id) or runtime.tool_call_id
    with PAYING:
        if any(line["key"] == key for line in _lines(journal)):
            return f"Already done for this approval, not repeated: {amount:.2f} EUR for order {order}."
        left = round(paid - _refunded(journal, order), 2)
        if not 0 < amount <= left:
            raise ToolException(f"Nothing was paid back: {left:.2f} EUR of order {order} are left to refund, and not {amount:.2f}.")
        _append(journal, {"key": key, "order": order, "amount": amount, "reason": reason})
    return f"Paid back {amount:.2f} EUR for order {order}."


@tool
def send_reply(ticket_id: str, body: str, runtime: ToolRuntime) -> str:
    """Answer a ticket. The answer goes to the customer and closes the ticket."""
    one, path = _ticket(ticket_id), _reply(runtime, ticket_id)
    text = f"To: {one['from']}\nSubject: Re: {one['subject']}\n\n{body}\n"
    path.parent.mkdir(exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except FileExistsError:
        if path.read_text(encoding="utf-8") == text:  # run again after a crash
            return f"Answered {ticket_id} already, in these words."
        raise ToolException(f"{ticket_id} was answered before; nothing was sent.") from None
    return f"Answered {ticket_id} to {one['from']} (kept in {path})."


READS: list[BaseTool] = [list_tickets, read_ticket, look_up_order]
ACTS: list[BaseTool] = [refund, send_reply]
for desk_tool in (*READS, *ACTS):
    desk_tool.handle_tool_error = True  # a ToolException becomes a tool message with status "error"
    desk_tool.metadata = {"risk": "read" if desk_tool in READS else "irreversible"}


def _ticket(ticket_id: str) -> dict[str, str]:
    # The id is looked up in the list: an id that the model invented never becomes part of a path.
    found = next((one for one in TICKETS if one["id"] == ticket_id), None)
    if found is None:
        raise ToolException(f"There is no ticket {ticket_id!r}; list_tickets lists them.")
    return found


def _order(order: str) -> dict[str, Any]:
    if order not in ORDERS:
        raise ToolException(f"There is no order {order!r} in any system.")
    return ORDERS[order]


def _reply(runtime: ToolRuntime, ticket_id: str) -> Path:
    return working_folder(runtime.config) / "replies" / f"{ticket_id}.txt"


def _journal(runtime: ToolRuntime) -> Path:
    return working_folder(runtime.config) / "refunds.jsonl"


def _lines(journal: Path) -> list[dict[str, Any]]:
    if not journal.exists():
        return []
    whole = journal.read_text(encoding="utf-8").split("\n")[:-1]  # an incomplete last line was cut off by a crash: nothing was paid
    return [json.loads(line) for line in whole if line]


def _refunded(journal: Path, order: str) -> float:
    return float(sum(line["amount"] for line in _lines(journal) if line["order"] == order))


def _append(journal: Path, line: dict[str, Any]) -> None:
    """Append a line, which is both the refund and the record of it, so that neither exists without the other."""
    journal.touch()
    with journal.open("r+b") as file:
        file.seek(file.read().rfind(b"\n") + 1)
        file.truncate()
        file.write(json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
