"""Where in a conversation an agent made the calls of a review, and what people made of its calls before. Messages know no ids of calls."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hitl_tui.model import Answer, Attempt, Context, DecisionKind, Json, Message, PauseKind, Review, digest_of

CALLS = (PauseKind.TOOL_CALLS, PauseKind.TOOL_APPROVAL, PauseKind.TOOL_GATE, PauseKind.AGENT_INBOX)
"""What asks about calls; everything else asks a question of its own, under the name of a node."""
CallPlace = tuple[int, int]
"""Which message of a conversation, and which of its calls, both from 0."""


@dataclass(frozen=True, slots=True)
class AskedCall:
    """That people were asked about a call, and their answer if there is one."""

    review: int
    digest: str
    """Of the call's name and arguments."""
    tool_call: str | None
    answer: Answer | None


class ThreadHistory:
    """What was asked on a thread, in order."""

    def __init__(self, asked: Iterable[AskedCall] = ()) -> None:
        self.by_digest: dict[str, list[AskedCall]] = {}
        self.by_id: dict[str, list[AskedCall]] = {}
        for one in asked:
            self.by_digest.setdefault(one.digest, []).append(one)
            if one.tool_call is not None:
                self.by_id.setdefault(one.tool_call, []).append(one)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ThreadHistory) and self.by_digest == other.by_digest

    def __hash__(self) -> int:
        return hash(tuple(self.by_digest))

    def again(self, one: AskedCall) -> list[AskedCall]:
        """Everything that was asked about the same call: again where its review went stale, or another gate stood behind it."""
        return self.by_id[one.tool_call] if one.tool_call is not None else [one]


@dataclass(frozen=True, slots=True)
class ProposingMessage:
    """The message in which an agent made the calls of a review."""

    index: int
    """Its place in the conversation."""
    places: Mapping[int, int]
    """Which of its calls each slot of the review is about."""
    exact: bool
    """Whether each call is there with its very arguments, not only its name."""


def proposing_message(review: Review, context: Context) -> ProposingMessage | None:
    """The newest message that makes all the review's calls; None when there is none.

    Arguments may differ only where the newest message with calls still waits for results: a graph may have changed them since.
    """
    said = context.conversation
    newest = True
    for index in range(len(said) - 1, -1, -1):
        if said[index].role != "agent" or not said[index].calls:
            continue
        if places := _places(review, said[index], exact=True):
            return ProposingMessage(index, places, True)
        if newest and (places := _places(review, said[index], exact=False)) and _has_open_calls(context):
            return ProposingMessage(index, places, False)
        newest = False
    return None


def _places(review: Review, message: Message, exact: bool) -> dict[int, int] | None:
    """A call of the message for each slot; None unless there is one for each."""
    left = dict(enumerate(message.calls))
    found = {}
    for action in review.actions:
        same = [number for number, call in left.items() if call[0] == action.name and (not exact or _same_args(call[1], action.args))]
        if not same:
            return None
        found[action.slot] = same[0]
        del left[same[0]]
    return found


def _same_args(one: Json, other: Json) -> bool:
    return digest_of("", one) == digest_of("", other)


def made_by_agent(review: Review, context: Context) -> bool:
    """Whether an agent's model made the review's calls, as far as can be known: none is a question, nor a name that a graph made up."""
    if review.row.kind not in CALLS or not all(isinstance(action.args, dict) for action in review.actions):
        return False
    if not context.conversation or proposing_message(review, context):
        return True
    if _has_open_calls(context):
        return False  # the model called something else, and that asks
    called = {name for message in context.conversation if message.role == "agent" for name, _ in message.calls}
    return all(action.name in called or isinstance(action.args_schema, dict) for action in review.actions)


def _has_open_calls(context: Context) -> bool:
    """Whether the newest message with calls still waits for results."""
    said = context.conversation
    newest = next((index for index in range(len(said) - 1, -1, -1) if said[index].calls), None)
    if newest is None:
        return False
    return sum(place[0] == newest for place in answered_calls(said, context.attempts).values()) < len(said[newest].calls)


def answered_calls(said: Sequence[Message], attempts: Sequence[Attempt]) -> dict[int, CallPlace]:
    """Which call each tool result answers: the one with that very result, else the oldest open one of its name, else the oldest."""
    waiting: dict[CallPlace, tuple[str, Json]] = {}
    found = {}
    for index, message in enumerate(said):
        waiting.update({(index, number): call for number, call in enumerate(message.calls)})
        if message.role != "tool" or not waiting:
            continue
        alike = [place for place, (name, _) in waiting.items() if name == message.name] or list(waiting)
        if len(alike) > 1:
            same = {digest_of(one.name, one.args) for one in attempts if (one.result, one.failed) == (message.text, message.failed)}
            alike = [place for place in alike if digest_of(*waiting[place]) in same] or alike
        found[index] = alike[0]
        del waiting[found[index]]
    return found


def conversation_before(review: Review, context: Context, thread: ThreadHistory) -> tuple[list[Message], dict[int, CallPlace]]:
    """What was said before the review's calls, and which call each result in it answers.

    It is as people wanted it: the calls they corrected are there as they ran, and those that they refused are not.
    """
    said, turn = context.conversation, proposing_message(review, context)
    answers = _answers(review, said, turn, thread)
    results = answered_calls(said, context.attempts)
    made: list[Message] = []
    now: dict[CallPlace, CallPlace] = {}
    found = {}
    for index, message in enumerate(said[: turn.index] if turn else said):
        kept = [(index, number) for number in range(len(message.calls)) if not _refused(answers.get((index, number)))]
        now.update({old: (len(made), number) for number, old in enumerate(kept)})
        calls = tuple(_as_it_ran(message.calls[number], answers.get((index, number))) for _, number in kept)
        place = results.get(index)
        if place is None:
            if calls or not message.calls:
                made.append(replace(message, calls=calls))
        elif place in now:
            found[len(made)] = now[place]
            ran = made[now[place][0]].calls[now[place][1]]
            made.append(replace(message, text=_without_notice(message.text, *ran)) if place in answers else message)
    return made, found


def _refused(answer: Answer | None) -> bool:
    return answer is not None and answer.kind is DecisionKind.REJECT


def _as_it_ran(call: tuple[str, Json], answer: Answer | None) -> tuple[str, Json]:
    return (call[0], answer.args) if answer and answer.kind is DecisionKind.EDIT else call


def _without_notice(text: str, name: str, args: Json) -> str:
    """A result without what LangChain's middleware says before it: that another call ran than the one that stands there."""
    notice, ran, result = text.partition(f" Executed instead: {name} with arguments {json.dumps(args)}.")
    return result.removeprefix("\n\nTool response:").removeprefix("\n") if ran else notice


def _answers(review: Review, said: Sequence[Message], turn: ProposingMessage | None, thread: ThreadHistory) -> dict[CallPlace, Answer]:
    """What people answered to calls of the conversation in reviews before this one.

    Equal calls are told apart by their order, from the newest back, as a conversation may have lost its beginning. Where fewer were asked
    about than are there, those beside this review's are still to come.
    """
    found = {}
    for digest, places in _places_by_digest(said, turn, thread).items():
        asked = _latest_per_call([one for one in thread.by_digest[digest] if one.review < review.row.id])
        late = sum(turn is not None and index >= turn.index for index, _ in places)
        skipped = max(0, min(late, len(places) - len(asked)))
        for place, one in zip(reversed(places[: len(places) - skipped]), reversed(asked), strict=False):
            if answer := _final_answer(one, thread, review.row.id):
                found[place] = answer
    return found


def _places_by_digest(said: Sequence[Message], turn: ProposingMessage | None, thread: ThreadHistory) -> dict[str, list[CallPlace]]:
    """Where each call of the thread stands in the conversation, in order, without those that the turn's review is about."""
    mine = {(turn.index, number) for number in turn.places.values()} if turn else set()
    found: dict[str, list[CallPlace]] = {}
    for index, message in enumerate(said):
        for number, call in enumerate(message.calls):
            if (index, number) not in mine and (digest := digest_of(*call)) in thread.by_digest:
                found.setdefault(digest, []).append((index, number))
    return found


def _latest_per_call(asked: Sequence[AskedCall]) -> list[AskedCall]:
    """What was asked about each call last, in order."""
    last: dict[str | int, AskedCall] = {}
    for number, one in enumerate(asked):
        last[number if one.tool_call is None else one.tool_call] = one
    return list(last.values())


def _final_answer(asked: AskedCall, thread: ThreadHistory, until: int) -> Answer | None:
    """What counts of all the answers about a call before a review: to let a corrected call run is no word against the correction."""
    word = None
    for one in thread.again(asked):
        if one.answer and one.review < until and (one.digest == asked.digest or one.answer.kind is not DecisionKind.APPROVE):
            word = one.answer
    return word


def overruled(review: Review, thread: ThreadHistory) -> frozenset[int]:
    """Slots whose call people did not let run as it was when they were asked about it again later."""
    return frozenset(
        action.slot
        for action in review.actions
        for one in thread.by_id.get(action.tool_call or "", ())
        if one.review > review.row.id and one.answer and one.answer.kind is not DecisionKind.APPROVE
    )


def unasked_calls(turn: ProposingMessage, review: Review, context: Context, thread: ThreadHistory) -> dict[int, tuple[str, Json]]:
    """The calls of a review's turn about which nobody is asked, by place.

    Known only where one review asks about all of a message: elsewhere a call beside it may be asked about later, and is left out.
    """
    if not turn.exact or review.row.kind is not PauseKind.TOOL_CALLS:
        return {}
    mine = set(turn.places.values())
    others = {number: call for number, call in enumerate(context.conversation[turn.index].calls) if number not in mine}
    return {number: call for number, call in others.items() if digest_of(*call) not in thread.by_digest}
