CREATE TABLE pauses (  -- agents of which workers start nothing new
    agent TEXT PRIMARY KEY,  -- empty for all agents
    actor TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;

CREATE TABLE snoozes (  -- reviews that a person does not want to see for a while
    review INTEGER NOT NULL REFERENCES reviews,
    reviewer_key TEXT NOT NULL,  -- `person_key` of the person
    until REAL,  -- NULL: until the review changes
    PRIMARY KEY (review, reviewer_key)
) WITHOUT ROWID;

-- A review that changes is shown again to everybody, whatever program changes it.
CREATE TRIGGER snoozes_end AFTER UPDATE ON reviews WHEN EXISTS (SELECT 1 FROM snoozes WHERE review = NEW.id) BEGIN
    DELETE FROM snoozes WHERE review = NEW.id;
END;

CREATE INDEX reviews_urgent ON reviews (id, escalated, deadline_at, risk)
WHERE state = 'open' AND (escalated != '' OR deadline_at IS NOT NULL OR risk = 'irreversible');
