CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    agent TEXT NOT NULL DEFAULT '',
    tool TEXT NOT NULL DEFAULT '',
    kind TEXT NOT NULL,
    args TEXT,
    message TEXT,
    actor TEXT NOT NULL,
    actor_kind TEXT NOT NULL,  -- an `ActorKind`
    actor_key TEXT NOT NULL,  -- `person_key` of the actor
    digest TEXT NOT NULL,  -- of the action as it was shown
    effect TEXT,  -- digest of what the decision makes happen
    at REAL NOT NULL,
    effective_at REAL NOT NULL,  -- until then it can be undone
    viewed_ms INTEGER,
    superseded INTEGER NOT NULL DEFAULT 0,  -- undone, or decided again before the whole review was
    undone_at REAL,  -- superseded because it was undone
    doubtful INTEGER NOT NULL DEFAULT 0,  -- it may have had its effect, and that is asked again
    repeats INTEGER  -- an earlier doubtful decision of the same effect: both are one act
);
CREATE UNIQUE INDEX decisions_slot ON decisions (review, slot) WHERE NOT superseded;
CREATE INDEX decisions_doubtful ON decisions (review) WHERE doubtful;
CREATE INDEX decisions_alike ON decisions (agent, tool) WHERE NOT superseded;
CREATE INDEX decisions_refused ON decisions (agent, tool, id) WHERE kind = 'reject' AND message IS NOT NULL AND NOT superseded;

CREATE TABLE endorsements (  -- approvals before the last one that is needed; the last becomes the decision
    id INTEGER PRIMARY KEY,
    review INTEGER NOT NULL REFERENCES reviews,
    slot INTEGER NOT NULL,
    kind TEXT NOT NULL,
    args TEXT,
    message TEXT,
    actor TEXT NOT NULL,
    actor_key TEXT NOT NULL,
    digest TEXT NOT NULL,
    effect TEXT NOT NULL,  -- digest of what it makes happen: two people must mean the same
    at REAL NOT NULL,
    viewed_ms INTEGER,
    withdrawn_at REAL
);
CREATE UNIQUE INDEX endorsements_one ON endorsements (review, slot, actor_key) WHERE withdrawn_at IS NULL;
