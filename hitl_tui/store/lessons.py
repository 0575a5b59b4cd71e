"""Lessons: drawn anew when something they come from has changed, and never over what a person made of one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Actor, DecisionKind, Lesson, LessonState
from hitl_tui.oversight.lessons import CorrectedCall, DrawnLesson, RejectedCall, draw_lessons
from hitl_tui.oversight.statistics import Rates
from hitl_tui.store import audit
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.history import catch_up

READ = 200
"""The last rejections and corrections of a tool that lessons are drawn from."""
COMPARED = 200
"""Decisions on either side of a lesson's acceptance whose rates are compared."""
LOOKED_THROUGH = 5000
"""Decisions among which those of people are looked for."""
BACK = (5, 50)
"""A dropped lesson comes back when as many examples again have come in as it had: at least, and at most."""
LESSON = "id, agent, tool, topic, text, wording, examples, state, made_at, actor, decided_at"
REFUSED = (  # by the index `history_refused`
    "SELECT h.decision, h.kind, a.args, d.args, coalesce(d.message, '') FROM (SELECT decision, review, slot, kind FROM history "
    f"WHERE agent = ? AND tool = ? AND in_force AND kind IN ('edit', 'reject') AND actor_kind = 'person' "
    f"ORDER BY decision DESC LIMIT {READ}) h "
    "JOIN decisions d ON d.id = h.decision JOIN actions a ON a.review = h.review AND a.slot = h.slot"
)
RATES = (
    "SELECT kind, count(*) FROM (SELECT kind FROM (SELECT kind, actor_kind, in_force FROM history "
    f"WHERE agent = ? AND tool = ? AND decision {{}} ? ORDER BY decision DESC LIMIT {LOOKED_THROUGH}) "
    f"WHERE in_force AND actor_kind = 'person' LIMIT {COMPARED}) GROUP BY kind"
)


DECIDE = """
UPDATE lessons SET decided_at = CASE state WHEN :state THEN decided_at ELSE :now END,
    decided_after = CASE state WHEN :state THEN decided_after ELSE (SELECT coalesce(max(id), 0) FROM decisions) END,
    state = :state, text = :text, wording = :wording, actor = :actor, changed_at = :now
WHERE id = :id
"""


@dataclass(frozen=True, slots=True)
class LessonSet:
    """All lessons, as of a revision."""

    rev: int
    lessons: Sequence[Lesson]

    def of(self, agent: str) -> list[Lesson]:
        """Those of one agent."""
        return [one for one in self.lessons if one.agent == agent]


async def propose(store: Store) -> bool:
    """Draw lessons from what was rejected and corrected since that was done last; whether there was anything."""
    await catch_up(store)
    for agent, tool, news in (found := store.read_now("SELECT agent, tool, news FROM lessons_due")):
        calls = [_call(*row) for row in await store.all(REFUSED, (agent, tool))]
        drawn = {one.topic: one for one in await asyncio.to_thread(draw_lessons, tool, calls)}
        async with store.transaction() as db:
            _keep(db, agent, tool, drawn)
            db.execute("DELETE FROM lessons_due WHERE agent = ? AND tool = ? AND news = ?", (agent, tool, news))
    return bool(found)


def _call(decision: int, kind: str, proposed: str, final: str | None, message: str) -> CorrectedCall | RejectedCall:
    if kind == DecisionKind.REJECT:
        return RejectedCall(decision, message)
    return CorrectedCall(decision, json.loads(proposed), json.loads(final or "null"))


def _keep(db: Transaction, agent: str, tool: str, drawn: dict[str, DrawnLesson]) -> None:
    now = time.time()
    known = db.rows("SELECT id, topic, gist, wording, examples, state, actor FROM lessons WHERE agent = ? AND tool = ?",
                                      (agent, tool))  # fmt: skip
    for id_, topic, gist, wording, examples, state, actor in known:
        new = drawn.pop(topic, None)
        if state == LessonState.PROPOSED and new is None and wording != "person":  # what it came from was taken back
            _update(db, id_, "UPDATE lessons SET state = 'dropped', actor = '', changed_at = ? WHERE id = ?", (now, id_))
        elif new and (state == LessonState.PROPOSED or (state == LessonState.DROPPED and _comes_back(json.loads(examples), new, actor))):
            _renew(db, id_, new, now, keeps_words=state == LessonState.PROPOSED and (wording == "person" or _same(wording, gist, new)))
    for new in drawn.values():
        made = db.execute(
            "INSERT INTO lessons (agent, tool, topic, gist, text, examples, made_at, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (agent, tool, new.topic, new.gist, new.text, json.dumps(new.examples), now, now),
        )
        _note_change(db, int(made.lastrowid or 0))


def _update(db: Transaction, id_: int, sql: str, values: Any) -> None:
    """Change a lesson; another state or text is a new revision."""
    look = "SELECT state, text FROM lessons WHERE id = ?"
    before = db.row(look, (id_,))
    db.execute(sql, values)
    if db.row(look, (id_,)) != before:
        _note_change(db, id_)


def _note_change(db: Transaction, id_: int) -> None:
    """Give a lesson the next revision, by which readers see that it changed, and log it."""
    db.execute("UPDATE lessons SET rev = 1 + (SELECT max(rev) FROM lessons) WHERE id = ?", (id_,))
    names = "agent, tool, topic, state, wording, text"
    at, actor, *values = db.row(f"SELECT changed_at, actor, {names} FROM lessons WHERE id = ?", (id_,))
    audit.note(db, at, "lesson", Actor(actor), {"lesson": id_, **dict(zip(names.split(", "), values, strict=True))})


def _same(wording: str, gist: str, new: DrawnLesson) -> bool:
    """Whether a model's words for it still hold."""
    return wording != "rules" and gist == new.gist


def _comes_back(examples: Sequence[int], new: DrawnLesson, dropped_by: str) -> bool:
    """One that nobody dropped comes back at once; one that a person did not want, only with many more examples."""
    last = max(examples, default=0)
    least, most = BACK
    return not dropped_by or sum(one > last for one in new.examples) >= min(max(len(examples), least), most)


def _renew(db: Transaction, id_: int, new: DrawnLesson, now: float, keeps_words: bool) -> None:
    if keeps_words:
        db.execute("UPDATE lessons SET gist = ?, examples = ? WHERE id = ?", (new.gist, json.dumps(new.examples), id_))
        return
    _update(
        db,
        id_,
        "UPDATE lessons SET asked = CASE gist WHEN ?1 THEN asked ELSE '' END, gist = ?1, text = ?2, wording = 'rules', examples = ?3, "
        "state = 'proposed', actor = '', decided_at = NULL, decided_after = NULL, changed_at = ?4 WHERE id = ?5",
        (new.gist, new.text, json.dumps(new.examples), now, id_),
    )


async def listed(store: Store, states: Sequence[LessonState] = ()) -> list[Lesson]:
    """Lessons in these states, or all: first what is proposed, then what was accepted, the newest first."""
    wanted = json.dumps([str(state) for state in states or LessonState])
    found = await store.all(
        f"SELECT {LESSON} FROM lessons WHERE state IN (SELECT value FROM json_each(?)) "
        "ORDER BY CASE state WHEN 'proposed' THEN 0 WHEN 'accepted' THEN 1 ELSE 2 END, coalesce(decided_at, made_at) DESC, id DESC",
        (wanted,),
    )
    return [_lesson(row) for row in found]


async def get(store: Store, id_: int) -> Lesson | None:
    """One lesson; None when there is none of that number."""
    row = await store.one(f"SELECT {LESSON} FROM lessons WHERE id = ?", (id_,))
    return row and _lesson(row)


async def decide(store: Store, id_: int, state: LessonState, text: str, wording: str, actor: str) -> None:
    """Store what a person made of a lesson; when it was accepted or dropped stays when it was so already."""
    values = {"state": state, "text": canonical_json.storable(text), "wording": wording, "actor": actor, "now": time.time(), "id": id_}
    async with store.transaction() as db:
        _update(db, id_, DECIDE, values)


async def effects(store: Store, id_: int) -> tuple[Rates, Rates] | None:
    """What became of the tool's last calls before a lesson was accepted, and of the last since; None unless it is accepted."""
    row = await store.one("SELECT agent, tool, decided_after FROM lessons WHERE id = ? AND state = 'accepted'", (id_,))
    if row is None:
        return None
    await catch_up(store)
    agent, tool, after = row
    before, since = [dict(await store.all(RATES.format(sign), (agent, tool, after))) for sign in ("<=", ">")]
    return _rates(before), _rates(since)


def _rates(by_kind: dict[str, int]) -> Rates:
    return Rates(by_kind.get("approve", 0), by_kind.get("edit", 0), by_kind.get("reject", 0), by_kind.get("respond", 0))


# For whoever gives them to agents


def taught(store: Store, known: int) -> LessonSet | None:
    """All lessons, dropped ones among them; None when that revision is the last. Costs next to nothing then."""
    [(rev,)] = store.read_now("SELECT coalesce(max(rev), 0) FROM lessons")
    if rev == known:
        return None
    return LessonSet(rev, [_lesson(row) for row in store.read_now(f"SELECT {LESSON} FROM lessons ORDER BY id")])


def to_word(store: Store, agents: Sequence[str], model: str) -> Lesson | None:
    """The first proposed lesson that only the rules have worded, and that this model was not asked about in vain."""
    rows = store.read_now(
        f"SELECT {LESSON} FROM lessons WHERE state = 'proposed' AND wording = 'rules' AND asked != ? "
        "AND agent IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT 1",
        (model, json.dumps(agents)),
    )
    return _lesson(rows[0]) if rows else None


async def word(store: Store, lesson: Lesson, model: str, text: str) -> None:
    """Put a model's words in the place of the rules', unless something has changed meanwhile; with an empty text, note that it had none."""
    same = "WHERE id = ? AND state = 'proposed' AND wording = 'rules' AND text = ?"
    if text:
        values = (canonical_json.storable(text), model, time.time(), lesson.id, lesson.text)
        async with store.transaction() as db:
            _update(db, lesson.id, f"UPDATE lessons SET text = ?, wording = ?, changed_at = ? {same}", values)
    else:
        await store.write(f"UPDATE lessons SET asked = ? {same}", (model, lesson.id, lesson.text))


def _lesson(row: Any) -> Lesson:
    id_, agent, tool, topic, text, wording, examples, state, made_at, actor, decided_at = row
    return Lesson(id_, agent, tool, topic, text, wording, tuple(json.loads(examples)), LessonState(state), made_at, actor, decided_at)
