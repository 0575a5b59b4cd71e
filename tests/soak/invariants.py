"""The checks: each looks through the books for one broken promise, and names run, review and action."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import digest_of
from tests.soak.evidence import Books, Deed, Mark, Row, Stop
from tests.soak.workload import ASKING_TOOLS, FREE_TOOLS, GATED_NODES

DRAIN_S = 15.0
"""How long a worker told to stop may still begin a step's tools."""
REFUSALS = ("reject", "respond")
DOUBT = "may have run"
TALKERS = ("model",)
"""Nodes that only talk to the model."""

ORPHANED_S = 30.0
"""Within which the worker of a killed console has ended, and its runs were taken up again."""


class Ledger:
    """The books, and what is wrong with them."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.threads = {run["thread"]: run for run in books.runs.values()}
        self._by_run: dict[int, list[Row]] = defaultdict(list)
        for decision in sorted(books.decisions.values(), key=lambda row: int(row["id"])):
            self._by_run[books.run_of(decision)["id"]].append(decision)

    def problems(self) -> dict[str, list[str]]:
        """Every check by name, with what it found; nothing when the promise was kept."""
        return {check.__name__.replace("_", " "): list(check(self)) for check in CHECKS}

    # What people said

    def decided(self, run: Row, before: float = float("inf")) -> list[Row]:
        """The run's decisions up to a moment that were not taken back, oldest first."""
        return [row for row in self._by_run[run["id"]] if row["at"] <= before and row["undone_at"] is None]

    def action_of(self, decision: Row) -> Row:
        return self.books.actions[decision["review"], decision["slot"]]

    def kind_of(self, decision: Row) -> str:
        return str(self.books.reviews[decision["review"]]["kind"])

    def allows(self, decision: Row) -> str | None:
        """Digest of the call that a decision lets run; None when it lets none."""
        action = self.action_of(decision)
        if decision["kind"] in REFUSALS:
            return None
        return digest_of(action["name"], decision["args"] if decision["kind"] == "edit" else action["args"])

    def answer(self, decision: Row) -> Any:
        """What a decision tells the graph that asked."""
        kind, text = decision["kind"], decision["message"]
        if self.kind_of(decision) != "agent_inbox":
            return {"approve": True, "reject": False}.get(kind, text if text is not None else decision["args"])
        said = {"approve": "accept", "edit": "edit", "reject": "ignore", "respond": "response"}[kind]
        edited = {"action": self.action_of(decision)["name"], "args": decision["args"]}
        return [{"type": said, "args": edited if kind == "edit" else text if kind == "respond" else None}]

    def about(self, deed: Deed) -> list[Row]:
        """Decisions on the call or gate of a deed, up to its moment, oldest first."""
        run = self.threads[deed.thread]
        if deed.what == "passed":
            return [row for row in self.decided(run, deed.at) if self._is_gate(row, deed.node)]
        return [row for row in self.decided(run, deed.at) if self._is_call(row, deed)]

    def _is_gate(self, decision: Row, node: str) -> bool:
        return self.kind_of(decision) == "gate" and node in self.books.reviews[decision["review"]]["node"].split(", ")

    def _is_call(self, decision: Row, deed: Deed) -> bool:
        action = self.action_of(decision)
        return bool(action["name"] == deed.name and isinstance(action["args"], dict) and action["args"].get("ref") == deed.args["ref"])

    # What was done

    @cached_property
    def asked_for(self) -> list[Deed]:
        """Deeds that needed a person's yes: calls of gated tools, and nodes behind a gate."""
        return [deed for deed in self.books.deeds if deed.what != "heard" and self._is_gated(deed)]

    def _is_gated(self, deed: Deed) -> bool:
        run = self.threads[deed.thread]
        if deed.what == "tool":
            return deed.name not in FREE_TOOLS.get(run["agent"], ())
        return deed.node in (*GATED_NODES.get(run["agent"], ()), *run["gates_before"])

    @cached_property
    def repeats(self) -> list[tuple[Deed, Deed]]:
        """Each deed that had been done before in the very same words, with the one before it."""
        same: dict[str, list[Deed]] = defaultdict(list)
        for deed in (*self.asked_for, *(deed for deed in self.books.deeds if deed.what == "heard")):
            same[canonical_json.canonical([deed.thread, deed.what, deed.name, deed.args, deed.node, deed.pairs])].append(deed)
        return [pair for deeds in same.values() for pair in pairwise(deeds)]

    def ended(self, first: Deed, then: Deed) -> Stop | None:
        """The end of the worker under a deed, before it was done again."""
        for stop in self.books.stops:
            slack = DRAIN_S if stop.how != "kill -9" else 0.0
            if stop.pid == first.pid and first.at - slack <= stop.at <= then.at:
                return stop
        return None

    def taken_up(self, first: Deed, then: Deed) -> str | None:
        """The verb with which a person ended the run between two deeds, or let it go on: `cancel` or `retry`."""
        run = self.threads[first.thread]["id"]
        verbs = [row["verb"] for row in self.books.said if row.get("run") == run and first.at - 1 <= row["at"] <= then.at]
        return next((verb for verb in verbs if verb in ("retry", "cancel")), None)

    def asked_again(self, first: Deed, then: Deed) -> list[Row]:
        """Decisions made after a deed that allowed it once more."""
        run = self.threads[first.thread]
        later = [row for row in self.decided(run, then.at) if row["at"] > first.at]
        return [row for row in later if self._allows_deed(row, then) or self._lets_run_again(row, first)]

    def _lets_run_again(self, decision: Row, deed: Deed) -> bool:
        """A gate that was put up because what stood behind it may have run."""
        repeats = self.books.reviews[decision["review"]]["repeats"]
        return self.kind_of(decision) == "gate" and decision["kind"] == "approve" and bool(repeats) and repeats in (deed.key or "")

    def said_the_same(self, first: Deed, then: Deed) -> bool:
        """Whether everybody who decided anything of the run between two deeds said what had been said for the first."""
        before = [_words(self, row) for row in self.books.decisions_in(first.key)]
        run = self.threads[first.thread]
        later = [row for row in self.decided(run, then.at) if row["at"] > first.at and not self._lets_run_again(row, first)]
        return all(_words(self, row) in before for row in later)

    def _allows_deed(self, decision: Row, deed: Deed) -> bool:
        if deed.what == "passed":
            return self._is_gate(decision, deed.node) and decision["kind"] == "approve"
        if deed.what == "heard":
            return any(self._told(decision, question, answer) for question, answer in deed.pairs)
        return self._is_call(decision, deed) and self.allows(decision) == digest_of(deed.name, deed.args)

    def _told(self, decision: Row, question: Any, answer: Any) -> bool:
        value = self.books.reviews[decision["review"]]["value"]
        return self.kind_of(decision) in ("question", "agent_inbox") and value == question and _same(self.answer(decision), answer)

    def warned(self, decision: Row) -> bool:
        """Whether the review said, when this was decided, that its answer may have run or that the graph had failed on it."""
        review = self.books.reviews[decision["review"]]
        marks = [mark for mark in self.books.marks if mark.review == decision["review"] and mark.at <= decision["at"] + 0.5]
        return bool(marks) or DOUBT in review["note"]

    def say(self, deed: Deed) -> str:
        run = self.threads[deed.thread]
        what = {"tool": f"{deed.name}({deed.args})", "passed": f"node {deed.node}"}.get(deed.what, f"a node that heard {deed.pairs}")
        return f"r{run['id']} ({run['agent']}): {what} at {deed.at:.3f}, decision id {deed.key}"


def _words(ledger: Ledger, decision: Row) -> list[Any]:
    """What was said of which call."""
    return [ledger.action_of(decision)["digest"], decision["kind"], decision["args"], decision["message"]]


def _same(a: Any, b: Any) -> bool:
    """Equal as JSON; Python's `True == 1` is not."""
    return canonical_json.canonical(a) == canonical_json.canonical(b)


# The checks


def nothing_ran_without_an_approval_of_exactly_its_arguments(ledger: Ledger) -> Iterator[str]:
    for deed in ledger.asked_for:
        said = ledger.about(deed)
        if not said:
            yield f"{ledger.say(deed)}: nobody had decided it"
        elif said[-1]["kind"] not in REFUSALS and not ledger._allows_deed(said[-1], deed):
            yield f"{ledger.say(deed)}: {_names(said[-1])} allowed another call"


def nothing_refused_ran(ledger: Ledger) -> Iterator[str]:
    for deed in ledger.asked_for:
        said = ledger.about(deed)
        if said and said[-1]["kind"] in REFUSALS:
            yield f"{ledger.say(deed)}: {_names(said[-1])} had refused it"


def every_deed_carries_the_decision_that_allowed_it(ledger: Ledger) -> Iterator[str]:
    for deed in ledger.asked_for:
        named = ledger.books.decisions_in(deed.key)
        if not any(ledger.books.run_of(row)["thread"] == deed.thread and ledger._allows_deed(row, deed) for row in named):
            yield f"{ledger.say(deed)}: its decision id names no decision that allowed it"


def every_answer_reached_its_own_question(ledger: Ledger) -> Iterator[str]:
    for deed in (deed for deed in ledger.books.deeds if deed.what == "heard"):
        said = ledger.decided(ledger.threads[deed.thread], deed.at)
        for question, answer in deed.pairs:
            told = sum(ledger._told(row, question, answer) for row in said)
            if told < sum(_same([question, answer], list(pair)) for pair in deed.pairs):
                yield f"{ledger.say(deed)}: nobody answered {question} with {answer}"
        if not any(ledger._allows_deed(row, deed) for row in ledger.books.decisions_in(deed.key)):
            yield f"{ledger.say(deed)}: its decision id names none of its answers"


def nothing_ran_twice_unasked(ledger: Ledger) -> Iterator[str]:
    for first, then in ledger.repeats:
        again = ledger.asked_again(first, then)
        if again and not ledger.warned(again[-1]) and not _failed_on(ledger, first):
            yield f"{ledger.say(then)}: review {again[-1]['review']} did not say that it may have run, and it had run at {first.at:.3f}"
        if not again and not ledger.taken_up(first, then) and not ledger.ended(first, then):
            yield f"{ledger.say(then)}: it had run at {first.at:.3f}, nobody allowed it again, and no worker ended in between"


def _failed_on(ledger: Ledger, deed: Deed) -> bool:
    """Whether the graph broke down after a deed, and its review says so: who is asked anew sees the error."""
    reviews = {row["review"] for row in ledger.books.decisions_in(deed.key)}
    return any("the graph failed on the answer" in ledger.books.reviews[review]["note"] for review in reviews)


def a_repeat_for_the_same_decision_has_the_same_id(ledger: Ledger) -> Iterator[str]:
    for first, then in ledger.repeats:
        if not ledger.asked_again(first, then) and first.key != then.key:
            yield f"{ledger.say(then)}: it had run at {first.at:.3f} for {first.key}, and nobody decided in between"


def idempotent_tools_act_once(ledger: Ledger) -> Iterator[str]:
    for first, then in ledger.repeats:
        if not then.once or then.again:
            continue
        if ledger.said_the_same(first, then):
            yield f"{ledger.say(then)}: it had acted at {first.at:.3f} for {first.key}"


def what_was_approved_ran(ledger: Ledger) -> Iterator[str]:
    done: dict[str, list[Deed]] = defaultdict(list)
    for deed in ledger.books.deeds:
        done[deed.thread].append(deed)
    for decision in ledger.books.decisions.values():
        review, run = ledger.books.reviews[decision["review"]], ledger.books.run_of(decision)
        if run["state"] != "done" or review["state"] != "applied" or decision["superseded"]:
            continue
        question = review["kind"] in ("question", "agent_inbox")
        if not question and (decision["kind"] in REFUSALS or (review["kind"] == "gate" and decision["kind"] != "approve")):
            continue
        if ledger.action_of(decision)["name"] in ASKING_TOOLS or _asked_of_somebody_again(ledger, decision):
            continue
        if not any(_is_of(ledger, decision, deed) for deed in done[run["thread"]]) and not _shows_otherwise(ledger, review):
            yield f"r{run['id']} ({run['agent']}) is done, and {_names(decision)} had no effect"


def _asked_of_somebody_again(ledger: Ledger, decision: Row) -> bool:
    """Whether its step failed or was cut off, perhaps before it began, and somebody was asked of the same call once more: theirs holds."""
    call = ledger.action_of(decision).get("tool_call")
    return (
        bool(decision.get("doubtful"))
        and call is not None
        and any(
            ledger.action_of(later).get("tool_call") == call and not later["superseded"]
            for later in ledger.books.decisions.values()
            if later["review"] > decision["review"] and ledger.books.run_of(later)["id"] == ledger.books.run_of(decision)["id"]
        )
    )


def _shows_otherwise(ledger: Ledger, gate: Row) -> bool:
    """Whether a gate held a node in doubt that shows in another way that it ran.

    One that then asked, as it does before it acts, acts by the answer; one that only talks to the model leaves no deed.
    """
    return (
        gate["kind"] == "gate"
        and gate.get("repeats") is not None
        and (
            gate["node"] in TALKERS
            or any(
                row["run"] == gate["run"]
                and row["node"] == gate["node"]
                and row["kind"] == "question"
                and row["opened_at"] >= gate["applied_at"]
                for row in ledger.books.reviews.values()
            )
        )
    )


def _is_of(ledger: Ledger, decision: Row, deed: Deed) -> bool:
    kinds = {"gate": ("passed",), "question": ("heard",), "agent_inbox": ("heard",)}
    return deed.what in kinds.get(ledger.kind_of(decision), ("tool",)) and ledger._allows_deed(decision, deed)


def every_run_ended_or_waits_visibly(ledger: Ledger) -> Iterator[str]:
    open_of = {row["run"] for row in ledger.books.reviews.values() if row["state"] == "open"}
    for run in ledger.books.runs.values():
        where = f"r{run['id']} ({run['agent']}) is {run['state']}"
        if run["state"] in ("queued", "running"):
            yield f"{where}, and nothing moves: {run['activity']}"
        elif run["state"] == "waiting" and run["id"] not in open_of:
            yield f"{where}, and has no open review"
        elif run["state"] == "failed" and not _was_planned(ledger, run):
            yield f"{where}: {run['error']}"


def _was_planned(ledger: Ledger, run: Row) -> bool:
    killed = sum(run["id"] in stop.runs for stop in ledger.books.stops)
    return "planned:" in run["error"] or ("the worker died" in run["error"] and killed >= 2)


def every_review_came_to_an_end(ledger: Ledger) -> Iterator[str]:
    for review in ledger.books.reviews.values():
        run = ledger.books.runs[review["run"]]
        if review["state"] in ("decided", "submitted") or (review["state"] == "open" and run["state"] != "waiting"):
            yield f"review {review['id']} is {review['state']} although r{run['id']} ({run['agent']}) is {run['state']}"


def every_decision_seen_accepted_is_stored(ledger: Ledger) -> Iterator[str]:
    stored = {(row["review"], row["slot"], row["actor"], row["kind"], row["message"], canonical_json.canonical(row["args"])): row for row in
              ledger.books.decisions.values()}  # fmt: skip
    for line in ledger.books.said:
        if line["verb"] != "decide" or line["phase"] != "done":
            continue
        for slot, answer in line["slots"].items():
            wanted = (line["review"], int(slot), line["actor"], answer["kind"], answer["message"], canonical_json.canonical(answer["args"]))
            if wanted not in stored:
                yield f"review {line['review']}#{slot}: {line['actor']} saw {answer} accepted, and it is not in the store"


def what_was_taken_back_never_took_effect(ledger: Ledger) -> Iterator[str]:
    undone = {row["id"]: row for row in ledger.books.decisions.values() if row["undone_at"] is not None}
    for deed in ledger.books.deeds:
        for row in ledger.books.decisions_in(deed.key):
            if row["id"] in undone:
                yield f"{ledger.say(deed)}: {_names(row)} had been taken back"
    took = {(row["review"], row["actor"]) for row in undone.values()}
    for line in ledger.books.said:
        if line["verb"] == "undo" and line["phase"] == "done" and (line["review"], line["actor"]) not in took:
            yield f"review {line['review']}: {line['actor']} saw an undo accepted, and it is not in the store"


def a_double_decision_has_one_winner(ledger: Ledger) -> Iterator[str]:
    in_force: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in ledger.books.decisions.values():
        if not row["superseded"]:
            in_force[row["review"], row["slot"]].append(row)
    for (review, slot), rows in in_force.items():
        if len(rows) > 1:
            yield f"review {review}#{slot} has {len(rows)} decisions: {', '.join(map(_names, rows))}"
    for line in ledger.books.said:
        if line["verb"] == "double" and line["won"] > 1:
            yield f"review {line['review']}: {line['won']} of two at once saw their decision accepted"


def every_mark_is_explained(ledger: Ledger) -> Iterator[str]:
    for mark in ledger.books.marks:
        if not explained(ledger, mark):
            run = ledger.books.runs[mark.run]
            yield f"review {mark.review} of r{mark.run} ({run['agent']}) says {mark.note!r}, and no worker ended under it"


def explained(ledger: Ledger, mark: Mark) -> bool:
    """Whether before the mark was seen the worker under its run ended, or a person ended the run or tried it again.

    The worker of a killed console ends some seconds later, by itself: what it drives then, nobody could note.
    """
    ended = any(
        (mark.run in stop.runs and stop.at <= mark.at) or (stop.who == "console" and stop.at <= mark.at <= stop.at + ORPHANED_S)
        for stop in ledger.books.stops
    )
    people = any(row["verb"] in ("cancel", "retry") and row.get("run") == mark.run and row["at"] <= mark.at for row in ledger.books.said)
    return ended or people


def nothing_else_is_wrong(ledger: Ledger) -> Iterator[str]:
    yield from ledger.books.faults


def _names(decision: Row) -> str:
    return f"decision {decision['id']} ({decision['kind']} by {decision['actor']}) of review {decision['review']}#{decision['slot']}"


CHECKS: tuple[Callable[[Ledger], Iterator[str]], ...] = (
    nothing_ran_without_an_approval_of_exactly_its_arguments,
    nothing_refused_ran,
    every_deed_carries_the_decision_that_allowed_it,
    every_answer_reached_its_own_question,
    nothing_ran_twice_unasked,
    a_repeat_for_the_same_decision_has_the_same_id,
    idempotent_tools_act_once,
    what_was_approved_ran,
    every_run_ended_or_waits_visibly,
    every_review_came_to_an_end,
    every_decision_seen_accepted_is_stored,
    what_was_taken_back_never_took_effect,
    a_double_decision_has_one_winner,
    every_mark_is_explained,
    nothing_else_is_wrong,
)
