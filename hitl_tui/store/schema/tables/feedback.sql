CREATE TABLE feedback (  -- ratings: of a decision, of a message of a run's trace, or of a whole run
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs,
    review INTEGER REFERENCES reviews,
    slot INTEGER,
    event INTEGER,  -- the trace's
    decision INTEGER REFERENCES decisions,  -- of the slot, as it stood then
    rating INTEGER NOT NULL CHECK (rating IN (-1, 1)),
    comment TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]',
    actor TEXT NOT NULL,
    actor_key TEXT NOT NULL,
    at REAL NOT NULL,
    withdrawn_at REAL
);
CREATE UNIQUE INDEX feedback_once ON feedback (run, coalesce(review, 0), coalesce(slot, -1), coalesce(event, -1), actor_key)
    WHERE withdrawn_at IS NULL;
CREATE INDEX feedback_decision ON feedback (decision) WHERE decision IS NOT NULL AND withdrawn_at IS NULL;
CREATE INDEX feedback_run ON feedback (run) WHERE review IS NULL AND event IS NULL AND withdrawn_at IS NULL;
