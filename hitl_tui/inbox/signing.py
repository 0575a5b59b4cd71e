"""Signs what a reviewer decides, where a rule or people.toml demands it: the key may be touched or asked about meanwhile."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hitl_tui import canonical_json, pinned_session
from hitl_tui.model import People, Takeover
from hitl_tui.model.signatures import Statement, hand_back_text, state
from hitl_tui.openssh import NotSigned, PublicKey, Signature
from hitl_tui.store import audit
from hitl_tui.store.decisions import ReviewAnswers
from hitl_tui.store.signature_checks import Keys, latest
from hitl_tui.store.signatures import SignedStatements, SignedText

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox

TAKEN_BACK = "you took the signature back, and nothing is decided"
LAST = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"


class Signing:
    """One reviewer's signatures. At most one is made at a time."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store
        self._making: asyncio.Future[Signature] | None = None
        self._taken_back = False

    @property
    def waits(self) -> bool:
        """Whether a signature is being made now: a key may wait for a touch."""
        return self._making is not None

    def take_back(self) -> None:
        """End the signature that is being made: whoever waits for it gets `NotSigned`."""
        if self._making:
            self._taken_back = True
            self._making.cancel()

    async def sign(self, chosen: Sequence[ReviewAnswers]) -> SignedStatements:
        """Sign answers, all with one signature.

        No lock is held while the key is waited for: what was decided meanwhile is found when the answers are stored.

        Raises:
            NotSigned: there is no key, it was refused, or taken back. Nothing was stored.
        """
        now, statements = self._statements(chosen)
        signed = SignedStatements(statements, "")
        made = await self._made(signed.text, self._keys(now, self._people))
        return SignedStatements(statements, made.text)

    async def sign_hand_back(self, takeover: Takeover) -> SignedText:
        """Sign the plan of a takeover, as its author or to confirm it.

        Raises:
            NotSigned: as for `sign`.
        """
        from hitl_tui import takeover_plan

        head, now = self._head()
        plan = json.loads(canonical_json.dumps(takeover_plan.as_json(takeover.plan)))  # as it is read again
        text = hand_back_text(audit.home_id(self._store), str(head), takeover, plan, self._inbox.reviewer, time.time())
        made = await self._made(text, self._keys(now, self._people))
        return SignedText(text, made.text)

    async def made_of(self, text: str, people: People) -> Signature:
        """Sign any text with a key that this reviewer has among these people.

        Raises:
            NotSigned: as for `sign`.
        """
        _, now = self._head()
        return await self._made(text, self._keys(now, people))

    @property
    def _people(self) -> People:
        return self._inbox.people()

    def _head(self) -> tuple[audit.AuditHead, float]:
        """The end of the log; and Unix time now, or of its newest entries if that is later: by it, keys count also when this is checked."""
        row = next(iter(self._store.read_now(LAST)), (0, ""))
        return audit.AuditHead(*row), latest(self._store)

    def _keys(self, now: float, people: People) -> list[PublicKey]:
        """The keys of this reviewer that count at that Unix time.

        Raises:
            NotSigned: there are none; the sentence says why.
        """
        name = self._inbox.reviewer
        if keys := Keys(people, now).of(name):
            return keys
        if not people.is_checked:
            raise NotSigned("this must be signed, and there is no people.toml with your key", "`hitl-tui people add` writes one")
        if people.problem:
            raise NotSigned(people.problem)
        person = people.find(name)
        if person is None or not person.keys:
            raise NotSigned(f"this must be signed, and people.toml has no key of {name}", "add one with `hitl-tui people add`")
        problem = Keys(people, now).problem(name, Keys(people, now).first_of(name)).replace("its key", "your key", 1)
        raise NotSigned(f"this must be signed, and {problem}", "have a key added that counts now, or set the clock right")

    def _statements(self, chosen: Sequence[ReviewAnswers]) -> tuple[float, dict[tuple[int, int], Statement]]:
        """What is signed, by review and slot, and the Unix time whose keys count."""
        home, (head, now), at, person = audit.home_id(self._store), self._head(), time.time(), self._inbox.reviewer
        found = {
            (one.review, slot): state(home, str(head), one.review, one.shown[slot], answer, person, at, one.viewings[slot].seen)
            for one in chosen
            for slot, answer in one.answers.items()
        }
        return now, found

    async def _made(self, text: str, keys: Sequence[PublicKey]) -> Signature:
        from hitl_tui import openssh

        session = pinned_session.kind()
        if session == "browser":  # the keys here are the server's
            raise NotSigned("a browser cannot sign", "decide over SSH with `ssh -A`, or in a console of your own")
        making = asyncio.ensure_future(openssh.sign(text, keys, self._inbox.signing_key, agent_only=session == "ssh"))
        self._making, self._taken_back = making, False
        try:
            return await making
        except asyncio.CancelledError:
            making.cancel()
            if self._taken_back:
                raise NotSigned(TAKEN_BACK) from None
            raise
        finally:
            self._making = None
