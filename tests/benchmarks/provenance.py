"""Where the values of a call come from, in a conversation of 500 messages: within one frame of the screen, and off the event loop."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Iterator

from hitl_tui.effects.provenance import of_call
from hitl_tui.model import Json, Message
from tests.benchmarks.ratio import Ratio

FRAME_S = 1 / 60
MESSAGES = 500
TIMES = 15
WORDS = 40
"""Of a message, on average."""


def measure() -> Iterator[Ratio]:
    """The time that a call with 24 values takes, and how late the event loop is meanwhile, each beside a frame."""
    conversation, args = _conversation(), _call()
    samples = [_seconds(conversation, args) for _ in range(TIMES)]
    yield Ratio("where the values of a call come from, 500 messages ÷ one frame", statistics.median(samples), FRAME_S, 1.0)
    late = statistics.median(asyncio.run(_lateness(conversation, args)) for _ in range(TIMES))
    yield Ratio("lateness of the event loop meanwhile ÷ one frame", late, FRAME_S, 1.0)


def _seconds(conversation: tuple[Message, ...], args: Json) -> float:
    began = time.thread_time()  # of the processor: others may use it too
    of_call(args, conversation, {"text": "answer all"})
    return time.thread_time() - began


async def _lateness(conversation: tuple[Message, ...], args: Json) -> float:
    """How late the loop is at worst while the console looks it up as it does: in a thread."""
    looking = asyncio.ensure_future(asyncio.to_thread(of_call, args, conversation, None))
    worst = 0.0
    while not looking.done():
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        worst = max(worst, time.perf_counter() - began - 0.001)
    return worst


def _conversation() -> tuple[Message, ...]:
    chosen = random.Random(4)
    words = ["".join(chosen.choices("abcdefghijklmnopqrstuvwxyz", k=chosen.randint(3, 9))) for _ in range(3000)]

    def text(number: int) -> str:
        said = " ".join(chosen.choices(words, k=chosen.randint(WORDS // 2, WORDS * 3 // 2)))
        return f"{said} order {4000 + number}, ann{number}@example.com, 1,{number:03}.50 EUR"

    roles = ("user", "agent", "tool")
    return tuple(Message(roles[number % 3], text(number), name="read_mail" * (number % 3 == 2)) for number in range(MESSAGES))


def _call() -> Json:
    return {
        "to": "ann444@example.com",
        "cc": ["bob@nowhere.org", "ann9@example.com"],
        "subject": "Re: order 4321",
        "amount": 1321.5,
        "iban": "DE89 3704 0044",
        "date": "2026-03-03",
        "body": "the invoice was paid on the third and the receipt is attached, please call if anything is missing " * 5,
        "items": [{"sku": f"A-{number}00", "n": 4000 + number} for number in range(8)],
        "note": "urgent and confidential",
    }
