"""Finds a review's calls in its conversation, and corrects earlier calls as people did. Matches by content: messages have no ids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hitl_tui.model import Answer, Attempt, Context, DecisionKind, Json, Message, PauseKind, Review, digest_of

CallPlace = tuple[int, int]
"""Index of a message in a conversation, and index of one of its calls."""


@dataclass(frozen=True, slots=True)
class AskedCall:
    """A call that people were asked about, with their answer if there is one."""

    review: int
    digest: str
    """Digest of the call's name and arguments."""
    tool_call: str | None
    answer: Answer | None


class ThreadHistory:
    """The calls that people were asked about on one thread, in order."""

    def __init__(self, asked: Iterable[AskedCall] = ()) -> None:
        self.by_digest: dict[str, list[AskedCall]] = {}
        """By the digest without its version, by which calls of all times can be matched."""
        self.by_id: dict[str, list[AskedCall]] = {}
        for one in (replace(one, digest=one.digest.rpartition(":")[2]) for one in asked):
            self.by_digest.setdefault(one.digest, []).append(one)
            if one.tool_call is not None:
                self.by_id.setdefault(one.tool_call, []).append(one)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ThreadHistory) and self.by_digest == other.by_digest

    def __hash__(self) -> int:
        return hash(tuple(self.by_digest))

    def again(self, one: AskedCall) -> list[AskedCall]:
        """Every time the same call was asked about: again after its review became stale, or at a second gate."""
        return self.by_id[one.tool_call] if one.tool_call is not None else [one]


@dataclass(frozen=True, slots=True)
class ProposingMessage:
    """The message in which an agent made the calls of a review."""

    index: int
    """Index of the message in the conversation."""
    places: Mapping[int, int]
    """Index of its call by slot of the review."""
    exact: bool
    """Whether the arguments of each call match too, not only its name."""


def proposing_message(review: Review, context: Context) -> ProposingMessage | None:
    """Find the newest message that makes all calls of the review; None if there is none.

    Arguments may differ only in the newest message with calls, while it waits for results: the graph may have changed them.
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
    """Index of a matching call of the message for each slot; None unless every slot has one."""
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
    """Whether an agent's model made all calls of the review, as far as can be determined: none is a question or made by the graph."""
    if not review.row.kind.is_tool_call or not all(isinstance(action.args, dict) for action in review.actions):
        return False
    if not context.conversation or proposing_message(review, context):
        return True
    if _has_open_calls(context):
        return False  # the newest calls of the model are others, and still wait
    called = {name for message in context.conversation if message.role == "agent" for name, _ in message.calls}
    return all(action.name in called or isinstance(action.args_schema, dict) for action in review.actions)


def _has_open_calls(context: Context) -> bool:
    """Whether the newest message with calls still waits for any of their results."""
    said = context.conversation
    newest = next((index for index in range(len(said) - 1, -1, -1) if said[index].calls), None)
    if newest is None:
        return False
    return sum(place[0] == newest for place in answered_calls(said, context.attempts).values()) < len(said[newest].calls)


def answered_calls(said: Sequence[Message], attempts: Sequence[Attempt]) -> dict[int, CallPlace]:
    """Match tool results to calls, as message index → call.

    A result belongs to the open call of its name that is known to have that result, else to the oldest open call of its name, else to the
    oldest open call.
    """
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
    """Return the messages before the review's calls, and the call that each tool result among them answers.

    Corrected calls are as they ran; rejected calls and their results are left out.
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
    """Remove the notice that LangChain's middleware puts before the result of an edited call."""
    notice, ran, result = text.partition(f" Executed instead: {name} with arguments {json.dumps(args)}.")
    return result.removeprefix("\n\nTool response:").removeprefix("\n") if ran else notice


def _answers(review: Review, said: Sequence[Message], turn: ProposingMessage | None, thread: ThreadHistory) -> dict[CallPlace, Answer]:
    """Return people's answers, from reviews before this one, to calls of the conversation.

    Equal calls are matched in order from the newest back, because a conversation may have lost its beginning. If fewer were asked about
    than occur, the newest ones are those that will be asked about later, beside this review's calls.
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
    """Places of the thread's calls in the conversation by digest, in order, without the calls of this review."""
    mine = {(turn.index, number) for number in turn.places.values()} if turn else set()
    found: dict[str, list[CallPlace]] = {}
    for index, message in enumerate(said):
        for number, call in enumerate(message.calls):
            if (index, number) not in mine and (digest := digest_of(*call, 1)) in thread.by_digest:
                found.setdefault(digest, []).append((index, number))
    return found


def _latest_per_call(asked: Sequence[AskedCall]) -> list[AskedCall]:
    """The last question about each call, in order."""
    last: dict[str | int, AskedCall] = {}
    for number, one in enumerate(asked):
        last[number if one.tool_call is None else one.tool_call] = one
    return list(last.values())


def _final_answer(asked: AskedCall, thread: ThreadHistory, until: int) -> Answer | None:
    """The answer that counts among all answers about a call before review `until`. Approving a corrected call keeps the correction."""
    word = None
    for one in thread.again(asked):
        if one.answer and one.review < until and (one.digest == asked.digest or one.answer.kind is not DecisionKind.APPROVE):
            word = one.answer
    return word


def overruled(review: Review, thread: ThreadHistory) -> frozenset[int]:
    """Slots whose call people rejected, edited or answered when they were asked about it again later."""
    return frozenset(
        action.slot
        for action in review.actions
        for one in thread.by_id.get(action.tool_call or "", ())
        if one.review > review.row.id and one.answer and one.answer.kind is not DecisionKind.APPROVE
    )


def unasked_calls(turn: ProposingMessage, review: Review, context: Context, thread: ThreadHistory) -> dict[int, tuple[str, Json]]:
    """Return the calls of the same message that needed no approval, by index.

    This is known only if one review covers all calls of a message. Otherwise another call may be asked about later; then none are returned.
    """
    if not turn.exact or review.row.kind is not PauseKind.TOOL_CALLS:
        return {}
    mine = set(turn.places.values())
    others = {number: call for number, call in enumerate(context.conversation[turn.index].calls) if number not in mine}
    return {number: call for number, call in others.items() if digest_of(*call, 1) not in thread.by_digest}
