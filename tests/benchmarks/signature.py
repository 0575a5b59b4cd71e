"""A signed decision, relative to an unsigned one and `ssh-keygen -Y sign` alone, both by the same software key."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from hitl_tui.inbox import Inbox
from hitl_tui.model import EVERYBODY, Answer, DecisionKind, PauseKind, People, Person, PersonKey, Review
from hitl_tui.openssh import NAMESPACE
from hitl_tui.store import Store
from tests.benchmarks.ratio import Ratio, median_ratio_async
from tests.support.ssh import make_key, public
from tests.ui.homes import seed

PAIRS, WARM = 120, 5
APPROVE = {0: Answer(DecisionKind.APPROVE)}


async def measure() -> Ratio:
    """Until the decision is durable, on one home in turn. The text that is signed alone is as long as a statement."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        key = make_key(folder)
        people = People((Person("ann", keys=(PersonKey(str(public(key))),)),), sign="always", is_checked=True)
        async with Store.open(folder / "hitl.db") as store:
            signing = Inbox(store, "ann", people=lambda: people, signing_key=key)
            plain = Inbox(store, "ann", people=lambda: EVERYBODY)
            reviews = iter(await _reviews(store, plain, 2 * (PAIRS + WARM)))

            async def signed() -> float:
                return await _decide(signing, next(reviews))

            async def unsigned() -> float:
                return await _decide(plain, next(reviews)) + _sign_alone(key)

            for _ in range(WARM):
                await signed()
                await unsigned()
            return await median_ratio_async("signed decision ÷ unsigned decision + ssh-keygen", 1.2, PAIRS, signed, unsigned)


async def _reviews(store: Store, inbox: Inbox, count: int) -> list[Review]:
    project = await seed.add_project(store)
    mail = seed.pause(PauseKind.TOOL_CALLS, seed.mail())
    return [await inbox.reviews.get(await seed.add_waiting_run(store, project, "mail", mail)) for _ in range(count)]


async def _decide(inbox: Inbox, review: Review) -> float:
    began = time.perf_counter()
    await inbox.reviews.decide(review, APPROVE)
    return time.perf_counter() - began


def _sign_alone(key: Path) -> float:
    began = time.perf_counter()
    command = ["ssh-keygen", "-Y", "sign", "-n", NAMESPACE, "-f", str(key)]
    subprocess.run(command, input=b"x" * 700, check=True, capture_output=True)
    return time.perf_counter() - began
