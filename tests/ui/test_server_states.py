"""What the console says of LangGraph servers: away, and shown read-only."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from hitl_tui.errors import Refused
from hitl_tui.model import Answer, DecisionKind, PauseKind
from hitl_tui.store import agents
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from tests.ui.conftest import StartConsole
from tests.ui.homes import seed

URL = "https://agents.example.com"
READ_ONLY = "it is Aegra, which lets several people resume the same question at once"


class OneServer(NoWorkers):
    """A console that was started on a server, whose worker others run."""

    labels: Sequence[str] = ("agents.example.com",)
    targets: Sequence[str] = (URL,)
    alive = 1


async def test_server_that_is_away_is_said_until_it_is_back(start_console: StartConsole) -> None:
    async with start_console("nothing", pool=OneServer()) as console:
        server = await agents.register_project(console.store, URL, "agents.example.com")
        await agents.note_outage(console.store, server, "nothing answers there", time.time())
        shown = await console.until_shown("agents.example.com cannot be used since", "nothing answers there; it is tried again by itself")
        assert "is loading" not in shown
        await agents.note_outage(console.store, server, "", None)
        while "cannot be used" in console.app.status.text:
            await console.pilot.pause(0.05)


@pytest.mark.slow
async def test_several_servers_that_are_away_share_a_row(start_console: StartConsole) -> None:
    class Two(OneServer):
        targets = (URL, "http://localhost:2024")

    async with start_console(pool=Two()) as console:
        for url in Two.targets:
            server = await agents.register_project(console.store, url, url.partition("://")[2])
            await agents.note_outage(console.store, server, "nothing answers there", 1.0)
        await console.until_shown("2 servers cannot be used: agents.example.com, localhost:2024; they are tried again")


async def test_review_on_a_read_only_server_offers_no_decision(start_console: StartConsole) -> None:
    async with start_console("nothing", pool=OneServer()) as console:
        server = await agents.register_project(console.store, URL, "agents.example.com")
        await agents.note_outage(console.store, server, READ_ONLY, None)
        id_ = await seed.add_waiting_run(console.store, server, "mail", seed.pause(PauseKind.TOOL_CALLS, seed.mail()))
        shown = await console.until_shown("send_email", "⚠ nothing can be decided on its server: it is Aegra, which lets several")
        assert not any(f" {key} {does}" in shown.splitlines()[-1] for key, does in (("a", "approve"), ("r", "reject"), ("t", "take over")))
        assert "cannot be used" not in shown
        await console.until_keys_accepted()
        await console.press("a")
        assert READ_ONLY in console.refusals()
        review = await console.bob.reviews.get(id_)
        for act in (
            console.bob.reviews.decide(review, {0: Answer(DecisionKind.APPROVE)}),
            console.bob.takeovers.take(review.row.run),
        ):
            with pytest.raises(Refused, match="nothing can be decided on the server of run r1: it is Aegra"):
                await act
        assert await console.decisions_of(id_) == []
