CREATE TABLE feedback (  -- thumbs: of a decision, of a message of a run's trace, or of a whole run
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs,
    review INTEGER REFERENCES reviews,
    slot INTEGER,
    event INTEGER,  -- the trace's
    decision INTEGER REFERENCES decisions,  -- of the slot, which stood then
    thumb INTEGER NOT NULL CHECK (thumb IN (-1, 1)),
    comment TEXT NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]',
    actor TEXT NOT NULL,
    at REAL NOT NULL,
    withdrawn_at REAL
);
CREATE UNIQUE INDEX feedback_once ON feedback (run, coalesce(review, 0), coalesce(slot, -1), coalesce(event, -1), actor COLLATE NOCASE)
    WHERE withdrawn_at IS NULL;
CREATE INDEX feedback_decision ON feedback (decision) WHERE decision IS NOT NULL AND withdrawn_at IS NULL;
CREATE INDEX feedback_run ON feedback (run) WHERE review IS NULL AND event IS NULL AND withdrawn_at IS NULL;
CREATE TRIGGER feedback_logged AFTER INSERT ON feedback BEGIN
    INSERT INTO log VALUES (NEW.at, 'rated', NEW.actor, NEW.run, NEW.review, json_object('feedback', NEW.id, 'slot', NEW.slot,
        'event', NEW.event, 'thumb', NEW.thumb, 'comment', NEW.comment, 'tags', json(NEW.tags)));
    INSERT INTO changes (run, review) VALUES (NEW.run, NEW.review);
END;
CREATE TRIGGER feedback_withdrawn AFTER UPDATE OF withdrawn_at ON feedback WHEN NEW.withdrawn_at IS NOT NULL AND OLD.withdrawn_at IS NULL BEGIN
    INSERT INTO log VALUES (NEW.withdrawn_at, 'unrated', NEW.actor, NEW.run, NEW.review, json_object('feedback', NEW.id));
    INSERT INTO changes (run, review) VALUES (NEW.run, NEW.review);
END;
CREATE INDEX decisions_refused ON decisions (agent, tool, id) WHERE kind = 'reject' AND message IS NOT NULL AND NOT superseded;  -- why
