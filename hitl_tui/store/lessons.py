"""Lessons as rows: drawn again when decisions they come from have changed, never overwriting a person's wording or decision."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Actor, DecisionKind, Lesson, LessonState
from hitl_tui.oversight.lessons import CorrectedCall, DrawnLesson, RejectedCall, draw_lessons
from hitl_tui.oversight.statistics import Rates
from hitl_tui.store import audit
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.history import catch_up, judgements

READ = 200
"""How many of a tool's last rejections and corrections lessons are drawn from; those made with one key are one."""
COMPARED = 200
"""How many decisions before and after a lesson's acceptance have their rates compared."""
LOOKED_THROUGH = 5000
"""How many decisions are searched for those of people."""
PROPOSED_AGAIN = (5, 50)
"""A lesson that a person dropped is proposed again after as many new examples as it had: at least, and at most."""
SELECT = "SELECT id, agent, tool, topic, text, wording, examples, state, made_at, actor, decided_at FROM lessons"
REFUSED = """
SELECT h.decision, h.at, h.actor_key, h.kind, a.args, d.args, coalesce(d.message, '') FROM (
    SELECT decision, at, actor_key, review, slot, kind FROM history
    WHERE agent = :agent AND tool = :tool AND in_force AND kind IN ('edit', 'reject') AND actor_kind = 'person' AND decision < :before
    ORDER BY decision DESC LIMIT :limit
) h
JOIN decisions d ON d.id = h.decision
JOIN actions a ON a.review = h.review AND a.slot = h.slot
ORDER BY h.decision DESC
"""
"""Rejections and corrections of a tool; the terms are those of the index `history_refused`."""
RATES = f"""
SELECT kind, count(*) FROM (
    SELECT kind FROM (
        SELECT kind, actor_kind, in_force FROM history WHERE agent = :agent AND tool = :tool AND decision {{}} :after
        ORDER BY decision DESC LIMIT {LOOKED_THROUGH}
    )
    WHERE in_force AND actor_kind = 'person' LIMIT {COMPARED}
) GROUP BY kind
"""
INSERT = """
INSERT INTO lessons (agent, tool, topic, gist, text, examples, made_at, changed_at)
VALUES (:agent, :tool, :topic, :gist, :text, :examples, :now, :now)
"""
SET_EXAMPLES = "UPDATE lessons SET gist = :gist, examples = :examples WHERE id = :id"
PROPOSE = """
UPDATE lessons SET asked = CASE gist WHEN :gist THEN asked ELSE '' END, gist = :gist, text = :text, wording = 'rules',
    examples = :examples, state = 'proposed', actor = '', decided_at = NULL, decided_after = NULL, changed_at = :now
WHERE id = :id
"""
DROP = "UPDATE lessons SET state = 'dropped', actor = '', changed_at = :now WHERE id = :id"
DECIDE = """
UPDATE lessons SET decided_at = CASE state WHEN :state THEN decided_at ELSE :now END,
    decided_after = CASE state WHEN :state THEN decided_after ELSE (SELECT coalesce(max(id), 0) FROM decisions) END,
    state = :state, text = :text, wording = :wording, actor = :actor, changed_at = :now
WHERE id = :id
"""
LOGGED = "SELECT changed_at, actor, agent, tool, topic, state, wording, text FROM lessons WHERE id = ?"
LISTED = f"""
{SELECT} WHERE state IN (SELECT value FROM json_each(?))
ORDER BY CASE state WHEN 'proposed' THEN 0 WHEN 'accepted' THEN 1 ELSE 2 END, coalesce(decided_at, made_at) DESC, id DESC
"""
UNWORDED = "state = 'proposed' AND wording = 'rules'"
TO_WORD = f"""
{SELECT} WHERE {UNWORDED} AND asked != :model AND agent IN (SELECT value FROM json_each(:agents)) ORDER BY id LIMIT 1
"""
WORD = f"UPDATE lessons SET text = :text, wording = :model, changed_at = :now WHERE id = :id AND {UNWORDED} AND text = :before"
NOT_WORDED = f"UPDATE lessons SET asked = :model WHERE id = :id AND {UNWORDED} AND text = :before"


@dataclass(frozen=True, slots=True)
class LessonSet:
    """All lessons at a revision."""

    rev: int
    lessons: Sequence[Lesson]

    def of(self, *names: str) -> list[Lesson]:
        """Those of an agent, by all the names that it has had."""
        return [one for one in self.lessons if one.agent in names]


async def propose(store: Store) -> bool:
    """Draw lessons again for every tool with new or undone rejections and corrections. True if there was any."""
    await catch_up(store)
    due = store.read_now("SELECT agent, tool, news FROM lessons_due")
    for agent, tool, changes in due:
        key = {"agent": agent, "tool": tool, "changes": changes}
        calls = [call for made in await judgements(store, REFUSED, key, READ) for call in _calls(made)]
        drawn = {one.topic: one for one in await asyncio.to_thread(draw_lessons, tool, calls)}
        async with store.transaction() as db:
            _store_drawn(db, agent, tool, drawn)
            db.execute("DELETE FROM lessons_due WHERE agent = :agent AND tool = :tool AND news = :changes", key)
    return bool(due)


def _calls(made: Sequence[Any]) -> list[CorrectedCall | RejectedCall]:
    """The calls of one judgement, those alike only once: a reason that was given for forty calls with one key was given once."""
    alike = dict[tuple[Any, ...], CorrectedCall | RejectedCall]()
    for decision, _, _, kind, proposed, final, message in made:
        same = (kind, message) if kind == DecisionKind.REJECT else (kind, proposed, final)
        alike[same] = _call(decision, kind, proposed, final, message)
    return list(alike.values())


def _call(decision: int, kind: str, proposed: str, final: str | None, message: str) -> CorrectedCall | RejectedCall:
    if kind == DecisionKind.REJECT:
        return RejectedCall(decision, message)
    return CorrectedCall(decision, json.loads(proposed), json.loads(final or "null"))


def _store_drawn(db: Transaction, agent: str, tool: str, drawn: dict[str, DrawnLesson]) -> None:
    """Store the lessons drawn for a tool, by topic: update known ones, drop those without examples, insert the others."""
    now = time.time()
    known = "SELECT id, topic, gist, wording, examples, state, actor FROM lessons WHERE agent = :agent AND tool = :tool"
    for id_, topic, gist, wording, examples, state, actor in db.rows(known, {"agent": agent, "tool": tool}):
        new = drawn.pop(topic, None)
        if state == LessonState.PROPOSED and new is None and wording != "person":  # what it came from was taken back
            _update(db, id_, DROP, {"id": id_, "now": now})
        elif new and state == LessonState.PROPOSED and (wording == "person" or _still_fits(wording, gist, new)):
            db.execute(SET_EXAMPLES, {"id": id_, "gist": new.gist, "examples": json.dumps(new.examples)})
        elif new and (state == LessonState.PROPOSED or (state == LessonState.DROPPED and _comes_back(json.loads(examples), new, actor))):
            _update(db, id_, PROPOSE, {"id": id_, **_values(new), "now": now})
    for new in drawn.values():
        made = db.execute(INSERT, {"agent": agent, "tool": tool, "topic": new.topic, **_values(new), "now": now})
        _note_change(db, int(made.lastrowid or 0))


def _values(new: DrawnLesson) -> dict[str, str]:
    return {"gist": new.gist, "text": new.text, "examples": json.dumps(new.examples)}


def _update(db: Transaction, id_: int, sql: str, values: Mapping[str, Any]) -> None:
    """Change a lesson; a new state or text makes a new revision."""
    look = "SELECT state, text FROM lessons WHERE id = ?"
    before = db.row(look, (id_,))
    db.execute(sql, values)
    if db.row(look, (id_,)) != before:
        _note_change(db, id_)


def _note_change(db: Transaction, id_: int) -> None:
    """Give a lesson the next revision, so that readers see the change, and log it."""
    db.execute("UPDATE lessons SET rev = 1 + (SELECT max(rev) FROM lessons) WHERE id = ?", (id_,))
    at, actor, agent, tool, topic, state, wording, text = db.row(LOGGED, (id_,))
    body = {"lesson": id_, "agent": agent, "tool": tool, "topic": topic, "state": state, "wording": wording, "text": text}
    audit.note(db, at, "lesson", Actor(actor), body)


def _still_fits(wording: str, gist: str, new: DrawnLesson) -> bool:
    """Whether a model's wording of the lesson still fits what was drawn."""
    return wording != "rules" and gist == new.gist


def _comes_back(examples: Sequence[int], new: DrawnLesson, dropped_by: str) -> bool:
    """Whether a dropped lesson is proposed again: at once if no person dropped it, otherwise only with many more examples."""
    last = max(examples, default=0)
    least, most = PROPOSED_AGAIN
    return not dropped_by or sum(one > last for one in new.examples) >= min(max(len(examples), least), most)


async def listed(store: Store, states: Sequence[LessonState] = ()) -> list[Lesson]:
    """Lessons in these states, or all: proposed ones first, then accepted ones, then dropped ones, each newest first."""
    wanted = json.dumps([str(state) for state in states or LessonState])
    return [_lesson(row) for row in await store.all(LISTED, (wanted,))]


async def get(store: Store, id_: int) -> Lesson | None:
    """One lesson; None when there is none of that number."""
    row = await store.one(f"{SELECT} WHERE id = ?", (id_,))
    return row and _lesson(row)


async def decide(store: Store, id_: int, state: LessonState, text: str, wording: str, actor: str) -> None:
    """Store a person's decision on a lesson, and its text. The time of the decision stays if its state does not change."""
    values = {"state": state, "text": canonical_json.storable(text), "wording": wording, "actor": actor, "now": time.time(), "id": id_}
    async with store.transaction() as db:
        _update(db, id_, DECIDE, values)


async def effects(store: Store, id_: int) -> tuple[Rates, Rates] | None:
    """Rates of decisions on the tool's calls before a lesson was accepted, and after; None unless it is accepted."""
    row = await store.one("SELECT agent, tool, decided_after FROM lessons WHERE id = ? AND state = 'accepted'", (id_,))
    if row is None:
        return None
    await catch_up(store)
    agent, tool, after = row
    before, since = [dict(await store.all(RATES.format(sign), {"agent": agent, "tool": tool, "after": after})) for sign in ("<=", ">")]
    return _rates(before), _rates(since)


def _rates(by_kind: dict[str, int]) -> Rates:
    return Rates(by_kind.get("approve", 0), by_kind.get("edit", 0), by_kind.get("reject", 0), by_kind.get("respond", 0))


# For the worker, which gives lessons to agents


def changed_since(store: Store, known: int) -> LessonSet | None:
    """All lessons, including dropped ones; None if the revision is still `known`, which is cheap to find out. Reads at once."""
    [(rev,)] = store.read_now("SELECT coalesce(max(rev), 0) FROM lessons")
    if rev == known:
        return None
    return LessonSet(rev, [_lesson(row) for row in store.read_now(f"{SELECT} ORDER BY id")])


def to_word(store: Store, agents: Sequence[str], model: str) -> Lesson | None:
    """The first proposed lesson that this model can word: only the rules have, and the model has not failed to. Reads at once."""
    found = store.read_now(TO_WORD, {"model": model, "agents": json.dumps(list(agents))})
    return next(map(_lesson, found), None)


async def word(store: Store, lesson: Lesson, model: str, text: str) -> None:
    """Replace the rules' wording with a model's, unless the lesson has changed meanwhile. An empty text notes that the model had none."""
    values = {"id": lesson.id, "before": lesson.text, "model": model}
    if not text:
        await store.write(NOT_WORDED, values)
        return
    async with store.transaction() as db:
        _update(db, lesson.id, WORD, {**values, "text": canonical_json.storable(text), "now": time.time()})


def _lesson(row: Any) -> Lesson:
    id_, agent, tool, topic, text, wording, examples, state, made_at, actor, decided_at = row
    return Lesson(id_, agent, tool, topic, text, wording, tuple(json.loads(examples)), LessonState(state), made_at, actor, decided_at)
