"""Invariants of a soak: each check searches the evidence for one kind of violation, and names run, review and action."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import pairwise
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import digest_of
from tests.soak.evidence import DoubtMark, Effect, Evidence, Row, Stop
from tests.soak.workload import ASKING_TOOLS, FREE_TOOLS, GATED_NODES, SHARED_ID

DRAIN_S = 15.0
"""Seconds a worker that was told to stop may still start tools of its current step."""
REFUSALS = ("reject", "respond")
DOUBT = "may have run"
TALKERS = ("model",)
"""Nodes that only talk to the model."""

ORPHANED_S = 30.0
"""Seconds within which the worker of a killed console ends and its runs are taken up again."""


class Checker:
    """Checks the evidence of a soak."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.threads = {run["thread"]: run for run in evidence.runs.values()}
        self._by_run: dict[int, list[Row]] = defaultdict(list)
        for decision in sorted(evidence.decisions.values(), key=lambda row: int(row["id"])):
            self._by_run[evidence.run_of(decision)["id"]].append(decision)

    def problems(self) -> dict[str, list[str]]:
        """Return the problems found by each check, by its name; empty where the invariant holds."""
        return {check.__name__.replace("_", " "): list(check(self)) for check in CHECKS}

    # What people decided

    def decided(self, run: Row, before: float = float("inf")) -> list[Row]:
        """Return the run's decisions before a time that were not undone, oldest first."""
        return [row for row in self._by_run[run["id"]] if row["at"] <= before and row["undone_at"] is None]

    def action_of(self, decision: Row) -> Row:
        return self.evidence.actions[decision["review"], decision["slot"]]

    def kind_of(self, decision: Row) -> str:
        return str(self.evidence.reviews[decision["review"]]["kind"])

    def allows(self, decision: Row) -> str | None:
        """Return the digest of the call a decision allows, or None."""
        action = self.action_of(decision)
        if decision["kind"] in REFUSALS:
            return None
        return digest_of(action["name"], decision["args"] if decision["kind"] == "edit" else action["args"])

    def answer(self, decision: Row) -> Any:
        """Return what a decision passes to the graph."""
        kind, text = decision["kind"], decision["message"]
        if self.kind_of(decision) != "agent_inbox":
            return {"approve": True, "reject": False}.get(kind, text if text is not None else decision["args"])
        said = {"approve": "accept", "edit": "edit", "reject": "ignore", "respond": "response"}[kind]
        edited = {"action": self.action_of(decision)["name"], "args": decision["args"]}
        return [{"type": said, "args": edited if kind == "edit" else text if kind == "respond" else None}]

    def about(self, effect: Effect) -> list[Row]:
        """Return the decisions on the call or gate of an effect before it happened, oldest first."""
        run = self.threads[effect.thread]
        if effect.what == "passed":
            return [row for row in self.decided(run, effect.at) if self._is_gate(row, effect.node)]
        return [row for row in self.decided(run, effect.at) if self._is_call(row, effect)]

    def _is_gate(self, decision: Row, node: str) -> bool:
        return self.kind_of(decision) == "gate" and node in self.evidence.reviews[decision["review"]]["node"].split(", ")

    def _is_call(self, decision: Row, effect: Effect) -> bool:
        action = self.action_of(decision)
        return bool(action["name"] == effect.name and isinstance(action["args"], dict) and action["args"].get("ref") == effect.args["ref"])

    # Effects

    @cached_property
    def asked_for(self) -> list[Effect]:
        """Return effects that needed approval: calls of gated tools, and nodes behind a gate."""
        return [effect for effect in self.evidence.effects if effect.what != "heard" and self._is_gated(effect)]

    def _is_gated(self, effect: Effect) -> bool:
        run = self.threads[effect.thread]
        if effect.what == "tool":
            return effect.name not in FREE_TOOLS.get(run["agent"], ())
        return effect.node in (*GATED_NODES.get(run["agent"], ()), *run["gates_before"])

    def is_late(self, effect: Effect) -> bool:
        """Check for an effect of a step that was going on when its worker was stopped and lost the run: nothing can end it."""
        run = self.threads[effect.thread]["id"]
        return any(
            stop.how == "released" and stop.pid == effect.pid and run in stop.runs and stop.at <= effect.at <= stop.at + DRAIN_S
            for stop in self.evidence.stops
        )

    @cached_property
    def repeats(self) -> list[tuple[Effect, Effect]]:
        """Return each repeated effect, with the equal one before it."""
        same: dict[str, list[Effect]] = defaultdict(list)
        for effect in (*self.asked_for, *(effect for effect in self.evidence.effects if effect.what == "heard")):
            if self.is_late(effect):
                continue
            same[canonical_json.canonical([effect.thread, effect.what, effect.name, effect.args, effect.node, effect.pairs])].append(effect)
        return [pair for effects in same.values() for pair in pairwise(effects)]

    def ended(self, first: Effect, then: Effect) -> Stop | None:
        """Return the end of the worker that ran the first effect, if it came before the second."""
        for stop in self.evidence.stops:
            slack = DRAIN_S if stop.how != "kill -9" else 0.0
            if stop.pid == first.pid and first.at - slack <= stop.at <= then.at:
                return stop
        return None

    def taken_up(self, first: Effect, then: Effect) -> str | None:
        """Return the verb a person used on the run between two effects: `cancel`, `retry` or None."""
        run = self.threads[first.thread]["id"]
        verbs = [row["verb"] for row in self.evidence.said if row.get("run") == run and first.at - 1 <= row["at"] <= then.at]
        return next((verb for verb in verbs if verb in ("retry", "cancel")), None)

    def asked_again(self, first: Effect, then: Effect) -> list[Row]:
        """Return decisions after an effect that allowed it again."""
        run = self.threads[first.thread]
        later = [row for row in self.decided(run, then.at) if row["at"] > first.at]
        return [row for row in later if self.allows_effect(row, then) or self._lets_run_again(row, first)]

    def _lets_run_again(self, decision: Row, effect: Effect) -> bool:
        """Check for a gate that asks because the node behind it may have run."""
        repeats = self.evidence.reviews[decision["review"]]["repeats"]
        return self.kind_of(decision) == "gate" and decision["kind"] == "approve" and bool(repeats) and repeats in (effect.key or "")

    def said_the_same(self, first: Effect, then: Effect) -> bool:
        """Check that decisions of the run between two effects equal those before the first."""
        before = [_words(self, row) for row in self.evidence.decisions_in(first.key)]
        run = self.threads[first.thread]
        later = [row for row in self.decided(run, then.at) if row["at"] > first.at and not self._lets_run_again(row, first)]
        return all(_words(self, row) in before for row in later)

    def allows_effect(self, decision: Row, effect: Effect) -> bool:
        if effect.what == "passed":
            return self._is_gate(decision, effect.node) and decision["kind"] == "approve"
        if effect.what == "heard":
            return any(self._told(decision, question, answer) for question, answer in effect.pairs)
        return self._is_call(decision, effect) and self.allows(decision) == digest_of(effect.name, effect.args)

    def _told(self, decision: Row, question: Any, answer: Any) -> bool:
        value = self.evidence.reviews[decision["review"]]["value"]
        return self.kind_of(decision) in ("question", "agent_inbox") and value == question and _same(self.answer(decision), answer)

    def warned(self, decision: Row) -> bool:
        """Check that the review warned, when decided, that its answer may have run or that the graph had failed on it."""
        review = self.evidence.reviews[decision["review"]]
        marks = [mark for mark in self.evidence.marks if mark.review == decision["review"] and mark.at <= decision["at"] + 0.5]
        return bool(marks) or DOUBT in review["note"]

    def say(self, effect: Effect) -> str:
        run = self.threads[effect.thread]
        what = {"tool": f"{effect.name}({effect.args})", "passed": f"node {effect.node}"}.get(
            effect.what, f"node that heard {effect.pairs}"
        )
        return f"r{run['id']} ({run['agent']}): {what} at {effect.at:.3f}, decision id {effect.key}"


def _words(checker: Checker, decision: Row) -> list[Any]:
    """Return the answers and their calls."""
    return [checker.action_of(decision)["digest"], decision["kind"], decision["args"], decision["message"]]


def _same(a: Any, b: Any) -> bool:
    """Equal as JSON; Python's `True == 1` is not."""
    return canonical_json.canonical(a) == canonical_json.canonical(b)


# The checks


def nothing_ran_without_an_approval_of_exactly_its_arguments(checker: Checker) -> Iterator[str]:
    for effect in checker.asked_for:
        said = checker.about(effect)
        if not said:
            yield f"{checker.say(effect)}: nobody had decided it"
        elif said[-1]["kind"] not in REFUSALS and not checker.allows_effect(said[-1], effect):
            yield f"{checker.say(effect)}: {_names(said[-1])} allowed another call"


def nothing_refused_ran(checker: Checker) -> Iterator[str]:
    for effect in checker.asked_for:
        said = checker.about(effect)
        if said and said[-1]["kind"] in REFUSALS and not checker.is_late(effect):
            yield f"{checker.say(effect)}: {_names(said[-1])} had refused it"


def every_effect_carries_the_decision_that_allowed_it(checker: Checker) -> Iterator[str]:
    for effect in checker.asked_for:
        if effect.call == SHARED_ID:
            continue  # one key for two calls would make the second look like a repetition
        named = checker.evidence.decisions_in(effect.key)
        if not any(checker.evidence.run_of(row)["thread"] == effect.thread and checker.allows_effect(row, effect) for row in named):
            yield f"{checker.say(effect)}: its decision id names no decision that allowed it"


def every_answer_reached_its_own_question(checker: Checker) -> Iterator[str]:
    for effect in (effect for effect in checker.evidence.effects if effect.what == "heard"):
        said = checker.decided(checker.threads[effect.thread], effect.at)
        for question, answer in effect.pairs:
            told = sum(checker._told(row, question, answer) for row in said)
            if told < sum(_same([question, answer], list(pair)) for pair in effect.pairs):
                yield f"{checker.say(effect)}: nobody answered {question} with {answer}"
        if not any(checker.allows_effect(row, effect) for row in checker.evidence.decisions_in(effect.key)):
            yield f"{checker.say(effect)}: its decision id names none of its answers"


def nothing_ran_twice_unasked(checker: Checker) -> Iterator[str]:
    for first, then in checker.repeats:
        again = checker.asked_again(first, then)
        if again and not checker.warned(again[-1]) and not _failed_on(checker, first):
            yield f"{checker.say(then)}: review {again[-1]['review']} did not say that it may have run, and it had run at {first.at:.3f}"
        if not again and not checker.taken_up(first, then) and not checker.ended(first, then):
            yield f"{checker.say(then)}: it had run at {first.at:.3f}, nobody allowed it again, and no worker ended in between"


def _failed_on(checker: Checker, effect: Effect) -> bool:
    """Check whether the graph failed after an effect; the repeated review then shows the error."""
    reviews = {row["review"] for row in checker.evidence.decisions_in(effect.key)}
    return any("the graph failed on the answer" in checker.evidence.reviews[review]["note"] for review in reviews)


def a_repeat_for_the_same_decision_has_the_same_id(checker: Checker) -> Iterator[str]:
    for first, then in checker.repeats:
        if not checker.asked_again(first, then) and first.key != then.key:
            yield f"{checker.say(then)}: it had run at {first.at:.3f} for {first.key}, and nobody decided in between"


def idempotent_tools_act_once(checker: Checker) -> Iterator[str]:
    for first, then in checker.repeats:
        if not then.once or then.again:
            continue
        if checker.said_the_same(first, then):
            yield f"{checker.say(then)}: it had acted at {first.at:.3f} for {first.key}"


def what_was_approved_ran(checker: Checker) -> Iterator[str]:
    done: dict[str, list[Effect]] = defaultdict(list)
    for effect in checker.evidence.effects:
        done[effect.thread].append(effect)
    for decision in checker.evidence.decisions.values():
        review, run = checker.evidence.reviews[decision["review"]], checker.evidence.run_of(decision)
        if run["state"] != "done" or review["state"] != "applied" or decision["superseded"]:
            continue
        question = review["kind"] in ("question", "agent_inbox")
        if not question and (decision["kind"] in REFUSALS or (review["kind"] == "gate" and decision["kind"] != "approve")):
            continue
        if checker.action_of(decision)["name"] in ASKING_TOOLS or _asked_of_somebody_again(checker, decision):
            continue
        if not any(_is_of(checker, decision, effect) for effect in done[run["thread"]]) and not _shows_otherwise(checker, review):
            yield f"r{run['id']} ({run['agent']}) is done, and {_names(decision)} had no effect"


def _asked_of_somebody_again(checker: Checker, decision: Row) -> bool:
    """Check whether the step failed or was interrupted and the same call was asked again; the later answer then counts."""
    call = checker.action_of(decision).get("tool_call")
    return (
        bool(decision.get("doubtful"))
        and call is not None
        and any(
            checker.action_of(later).get("tool_call") == call and not later["superseded"]
            for later in checker.evidence.decisions.values()
            if later["review"] > decision["review"] and checker.evidence.run_of(later)["id"] == checker.evidence.run_of(decision)["id"]
        )
    )


def _shows_otherwise(checker: Checker, gate: Row) -> bool:
    """Check whether a gate held a node in doubt although other evidence shows that it ran.

    One that then asked, as it does before it acts, acts by the answer; one that only talks to the model leaves no effect.
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
                for row in checker.evidence.reviews.values()
            )
        )
    )


def _is_of(checker: Checker, decision: Row, effect: Effect) -> bool:
    kinds = {"gate": ("passed",), "question": ("heard",), "agent_inbox": ("heard",)}
    return effect.what in kinds.get(checker.kind_of(decision), ("tool",)) and checker.allows_effect(decision, effect)


def every_run_ended_or_waits_visibly(checker: Checker) -> Iterator[str]:
    open_of = {row["run"] for row in checker.evidence.reviews.values() if row["state"] == "open"}
    for run in checker.evidence.runs.values():
        where = f"r{run['id']} ({run['agent']}) is {run['state']}"
        if run["state"] in ("queued", "running"):
            yield f"{where}, and nothing moves: {run['activity']}"
        elif run["state"] == "waiting" and run["id"] not in open_of:
            yield f"{where}, and has no open review"
        elif run["state"] == "failed" and not _was_planned(checker, run):
            yield f"{where}: {run['error']}"


def _was_planned(checker: Checker, run: Row) -> bool:
    killed = sum(run["id"] in stop.runs for stop in checker.evidence.stops)
    return "planned:" in run["error"] or ("the worker died" in run["error"] and killed >= 2)


def every_review_came_to_an_end(checker: Checker) -> Iterator[str]:
    for review in checker.evidence.reviews.values():
        run = checker.evidence.runs[review["run"]]
        if review["state"] in ("decided", "submitted") or (review["state"] == "open" and run["state"] != "waiting"):
            yield f"review {review['id']} is {review['state']} although r{run['id']} ({run['agent']}) is {run['state']}"


def every_decision_seen_accepted_is_stored(checker: Checker) -> Iterator[str]:
    stored = {(row["review"], row["slot"], row["actor"], row["kind"], row["message"], canonical_json.canonical(row["args"])): row for row in
              checker.evidence.decisions.values()}  # fmt: skip
    for line in checker.evidence.said:
        if line["verb"] != "decide" or line["phase"] != "done":
            continue
        for slot, answer in line["slots"].items():
            wanted = (line["review"], int(slot), line["actor"], answer["kind"], answer["message"], canonical_json.canonical(answer["args"]))
            if wanted not in stored:
                yield f"review {line['review']}#{slot}: {line['actor']} saw {answer} accepted, and it is not in the store"


def what_was_taken_back_never_took_effect(checker: Checker) -> Iterator[str]:
    undone = {row["id"]: row for row in checker.evidence.decisions.values() if row["undone_at"] is not None}
    for effect in checker.evidence.effects:
        for row in checker.evidence.decisions_in(effect.key):
            if row["id"] in undone:
                yield f"{checker.say(effect)}: {_names(row)} had been taken back"
    took = {(row["review"], row["actor"]) for row in undone.values()}
    for line in checker.evidence.said:
        if line["verb"] == "undo" and line["phase"] == "done" and (line["review"], line["actor"]) not in took:
            yield f"review {line['review']}: {line['actor']} saw an undo accepted, and it is not in the store"


def a_double_decision_has_one_winner(checker: Checker) -> Iterator[str]:
    in_force: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in checker.evidence.decisions.values():
        if not row["superseded"]:
            in_force[row["review"], row["slot"]].append(row)
    for (review, slot), rows in in_force.items():
        if len(rows) > 1:
            yield f"review {review}#{slot} has {len(rows)} decisions: {', '.join(map(_names, rows))}"
    for line in checker.evidence.said:
        if line["verb"] == "double" and line["won"] > 1:
            yield f"review {line['review']}: {line['won']} of two at once saw their decision accepted"


def every_mark_is_explained(checker: Checker) -> Iterator[str]:
    for mark in checker.evidence.marks:
        if not explained(checker, mark):
            run = checker.evidence.runs[mark.run]
            yield f"review {mark.review} of r{mark.run} ({run['agent']}) says {mark.note!r}, and no worker ended under it"


def explained(checker: Checker, mark: DoubtMark) -> bool:
    """Check that before the mark was seen the run's worker ended, or a person cancelled or retried the run.

    The worker of a killed console ends some seconds later, by itself: what it drives then, nobody could note.
    """
    ended = any(
        (mark.run in stop.runs and stop.at <= mark.at) or (stop.who == "console" and stop.at <= mark.at <= stop.at + ORPHANED_S)
        for stop in checker.evidence.stops
    )
    said = checker.evidence.said
    people = any(row["verb"] in ("cancel", "retry") and row.get("run") == mark.run and row["at"] <= mark.at for row in said)
    return ended or people


def nothing_else_is_wrong(checker: Checker) -> Iterator[str]:
    yield from checker.evidence.faults


def _names(decision: Row) -> str:
    return f"decision {decision['id']} ({decision['kind']} by {decision['actor']}) of review {decision['review']}#{decision['slot']}"


CHECKS: tuple[Callable[[Checker], Iterator[str]], ...] = (
    nothing_ran_without_an_approval_of_exactly_its_arguments,
    nothing_refused_ran,
    every_effect_carries_the_decision_that_allowed_it,
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
